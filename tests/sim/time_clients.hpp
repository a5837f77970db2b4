// SPDX-License-Identifier: Apache-2.0
//
// Those who ask for the time: a few clients that ask every host, remember what they were told, and make use of it. They
// wait on timestamps that another host handed out, pass hybrid timestamps on from worker to worker, and now and then
// ask for what can't be. Each reply goes to the checkers of C, X and the hybrid clock.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "oracle/clock/hlc.hpp"
#include "oracle/time/instant.hpp"
#include "oracle/wire/message.hpp"
#include "tests/sim/check/contained.hpp"
#include "tests/sim/check/externally_consistent.hpp"
#include "tests/sim/check/hlc.hpp"
#include "tests/sim/check/liveness.hpp"
#include "tests/sim/check/report.hpp"
#include "tests/sim/random.hpp"

namespace gnomon::sim {

/// The operations that say what time it is.
constexpr std::array<wire::Op, 4> kTimeOps{wire::Op::kNow, wire::Op::kTimeSync, wire::Op::kCommitWait,
                                           wire::Op::kHlcUpdate};

struct TimeServed {
  struct Count {
    std::uint64_t answered = 0;  // with a value
    std::uint64_t refused = 0;
  };
  std::array<Count, kTimeOps.size()> of{};

  [[nodiscard]] const Count& count(wire::Op op) const;
  void add(const TimeServed& other);
};

class TimeClients {
 public:
  TimeClients(Report& report, Random random)
      : report_(report), random_(random), contained_(report), consistent_(report), hlc_(report) {}

  void begin(Phase phase) { phase_ = static_cast<std::size_t>(phase); }

  /// The next request, sent at `now`.
  [[nodiscard]] wire::Message request(time::Uptime now);
  [[nodiscard]] static bool is_time_op(std::uint8_t op);
  /// A reply; `by` lacks the interval. Whether it says what time it is.
  bool answered(const wire::Message& reply, TimeAnswer by);

  [[nodiscard]] const std::array<TimeServed, kPhases>& served() const { return served_; }
  [[nodiscard]] std::uint64_t checked() const { return contained_.checked(); }
  [[nodiscard]] std::uint64_t released() const { return consistent_.released(); }

 private:
  static constexpr std::size_t kClients = 3;
  static constexpr std::size_t kRemembered = 8;

  struct Sent {
    std::uint8_t op = 0;
    std::uint8_t client = 0;
    std::uint64_t argument = 0;
    time::Tai sent_at;
    time::Tai floor;  // what X demands of a reply
  };
  [[nodiscard]] wire::Op draw_op();
  [[nodiscard]] std::uint64_t instant_to_wait_for(time::Uptime now);
  [[nodiscard]] std::uint64_t hlc_argument(std::size_t client);
  [[nodiscard]] bool interval_answered(const wire::Message& reply, const Sent& sent, TimeAnswer& answer);

  Report& report_;
  Random random_;
  Contained contained_;
  ExternallyConsistent consistent_;
  HlcGrows hlc_;
  std::vector<Sent> sent_;                       // by request id
  std::array<time::Tai, kRemembered> latest_{};  // of intervals that were answered lately
  std::size_t next_latest_ = 0;
  std::array<std::uint64_t, kClients> hlc_of_{};
  std::size_t phase_ = 0;
  std::array<TimeServed, kPhases> served_{};
};

}  // namespace gnomon::sim
