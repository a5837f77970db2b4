// SPDX-License-Identifier: Apache-2.0
//
// chronyd's tracking report as a source: the system clock is within |current correction| + root dispersion + root delay
// / 2 of its reference (RFC 5905, section 11.1; ClockBound takes the same sum).
//
// chronyd keeps saying "Normal" long after its servers fell silent: only the age of its last measurement tells. So the
// report is refused when that is older than a few polling intervals, and what the oscillator may have drifted since
// then is a term of its own. A chronyd that never was synchronised answers with reference 0 and a plausible bound
// of 1.5 s.
//
// A machine that was restored from a snapshot has a system clock that stood still with it, and by that the last
// measurement is young. So after a distrust only one that was made later counts. chronyd puts the time of a measurement
// up to a second too early, which errs on the safe side.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "ptp/chrony.hpp"
#include "ptp/datagram_socket.hpp"
#include "ptp/reference_clock.hpp"
#include "ptp/time_source.hpp"

namespace gnomon::ptp {

struct ChronyPolicy {
  Scale scale = Scale::kUtc;                         // what its servers do at a leap second
  time::Drift drift;                                 // of the system clock between measurements
  std::int64_t max_missed = 4;                       // polling intervals without a measurement
  time::Duration least_patience = time::seconds(8);  // intervals may be short or unknown
};

/// The claim that follows from a report and readings of the system clock before it was asked for and after it came. The
/// report is of some moment in between, and chronyd may slew by up to a twelfth: what it moved the clock by is a term.
/// Pure.
[[nodiscard]] ClaimOr chrony_claim(const Tracking& tracking, const ClockReading& asked, const ClockReading& reading,
                                   const ChronyPolicy& policy, time::CycleRate nominal);

struct ChronyOptions {
  std::string socket = "/run/chrony/chronyd.sock";
  std::string own_socket;  // path that this end is bound to
  ChronyPolicy policy;
};

class ChronySource final : public TimeSource {
 public:
  explicit ChronySource(ChronyOptions options) : options_(std::move(options)) {}

  [[nodiscard]] News poll(time::CycleRate nominal) override;
  void distrust() override;
  [[nodiscard]] std::string describe() const override;

 private:
  [[nodiscard]] std::optional<tl::expected<Tracking, SourceError>> take_reply();
  [[nodiscard]] ClaimOr judge(const Tracking& tracking, const ClockReading& reading, time::CycleRate nominal);

  ChronyOptions options_;
  SystemClock clock_;
  DatagramSocket socket_;
  std::optional<ChronySequence> waiting_for_;
  ClockReading asked_{};  // the clock when the question left
  std::int64_t asked_ns_ = 0;
  bool distrusted_ = false;                    // since the last question
  std::optional<std::int64_t> trusted_after_;  // by the system clock; what was measured until then is void
};

}  // namespace gnomon::ptp
