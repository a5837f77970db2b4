// SPDX-License-Identifier: Apache-2.0
//
// ptp4l's management socket as a source: asks, collects, and lets PtpFollower judge. Never waits: in one turn it takes
// the answers that are there, and asks the next round when it is due.
//
// linuxptp 3.1 answers questions only, so it is asked twenty times a second (25 us each). 4.x can push: it is asked to
// send TIME_STATUS_NP at each Sync, which begins a round at once; who refuses to push is asked as before.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ptp/datagram_socket.hpp"
#include "ptp/management.hpp"
#include "ptp/ptp_follower.hpp"
#include "ptp/time_source.hpp"

namespace gnomon::ptp {

struct Ptp4lOptions {
  std::string socket = "/var/run/ptp4l";
  std::uint8_t domain = 0;
  std::string own_socket;  // path that this end is bound to: ptp4l answers to a name only. Replaced if it exists
  PtpPolicy policy;
};

/// What has come in of a round.
struct PtpAnswers {
  std::optional<TimeStatus> status;
  std::optional<CurrentDataSet> current;
  std::optional<ParentDataSet> parent;
  std::optional<TimeProperties> properties;
  std::vector<PortDataSet> ports;
  std::optional<Timestamping> stamps;

  /// Once all of it is there.
  [[nodiscard]] std::optional<PtpRound> whole() const {
    if (!status || !current || !parent || !properties || !stamps || ports.empty()) return std::nullopt;
    return PtpRound{*status, *current, *parent, *properties, ports};
  }
};

class Ptp4lSource final : public TimeSource {
 public:
  /// `clock`: the one that ptp4l disciplines, the card's with hardware time stamps, else the system's.
  Ptp4lSource(Ptp4lOptions options, std::unique_ptr<ReferenceClock> clock);

  [[nodiscard]] News poll(time::CycleRate nominal) override;
  void distrust() override { follower_.distrust(); }
  [[nodiscard]] std::string describe() const override;

 private:
  [[nodiscard]] std::optional<SourceError> ask_round();
  void take_replies();
  void take(const ManagementReply& reply);
  [[nodiscard]] News judge(const PtpRound& round, time::CycleRate nominal);
  [[nodiscard]] std::optional<SourceError> wrong_stamps() const;
  [[nodiscard]] SourceError silence() const;

  Ptp4lOptions options_;
  std::unique_ptr<ReferenceClock> clock_;
  PtpFollower follower_;
  DatagramSocket socket_;
  ManagementRequest request_;
  PtpAnswers answers_;
  bool pushed_ = false;           // a Sync came in: ask now
  std::int64_t asked_ns_ = 0;     // CLOCK_MONOTONIC
  std::int64_t answered_ns_ = 0;  // the last complete round
  std::int64_t subscribed_ns_ = 0;
};

}  // namespace gnomon::ptp
