// SPDX-License-Identifier: Apache-2.0
//
// What ptp4l says, weighed: from its data sets to a claim, or to the reason why it is not believed. Pure.
//
// ptp4l goes on saying SLAVE, gmPresent and the old offset for seconds after its grandmaster fell silent, and a
// grandmaster with a wrong UTC offset is followed without a murmur. So nothing it says about itself is enough:
//
//   health   the ingress of the last Sync advances, AND a port is SLAVE, AND class, accuracy and identity of the
//            grandmaster are within the policy, AND the offset is small
//   scale    TAI if the grandmaster says ptpTimescale and a valid UTC offset and a card's clock is disciplined. The
//            system clock counts UTC: ptp4l takes the announced UTC offset off, so a grandmaster that says ptpTimescale
//            and serves UTC, as software ones do, makes it 37 s wrong and nothing shows it. So there, and for one on an
//            arbitrary time scale, the operator says what it counts (docs/limits.md)
//   bound    accuracy + largest path delay in full + largest |offset| + width of the moment. ptp4l's mean path delay is
//            half the round trip, so an entirely one-sided path is off by all of it. The offset bounds how far the
//            clock is from what the servo aims at, spikes of the time stamps included
//   memory   the largest of the last kKept Syncs, and of kMeasurements measurements of the delay. Where one direction
//            becomes longer the servo follows at once, and the offset shows that once. The delay shows it when the
//            median of ptp4l's last ten has turned; until then only that offset covers what the clock is off by. One
//            that is too large to be kept is waited out for as long, unless the asymmetry is stated
//
// The claim is about the clock's value at the ingress, put on the counter's axis by ClockTrack: what the servo did to
// the clock since then plays no part.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "ptp/claim.hpp"
#include "ptp/clock_track.hpp"
#include "ptp/management.hpp"
#include "ptp/reference_clock.hpp"

namespace gnomon::ptp {

struct PtpPolicy {
  std::uint8_t max_class = 7;                                 // 6: locked, 7: holdover within specification
  std::optional<time::Duration> accuracy;                     // instead of the grandmaster's own word
  time::Duration max_accuracy = time::milliseconds(1);        // beyond: refused
  std::vector<ClockIdentity> grandmasters;                    // that may be followed; empty: any
  std::optional<time::Duration> asymmetry;                    // calibrated; instead of the path delay
  time::Duration per_boundary_clock = time::microseconds(1);  // what each clock in between may add
  time::Duration max_offset = time::milliseconds(1);
  bool arbitrary_is_utc = false;  // a grandmaster without ptpTimescale counts UTC
  bool tai_is_meant = false;      // software time stamps: a grandmaster with ptpTimescale does count TAI
};

/// The answers to one round of questions.
struct PtpRound {
  TimeStatus status;
  CurrentDataSet current;
  ParentDataSet parent;
  TimeProperties properties;
  std::vector<PortDataSet> ports;  // one for each port, at least one
};

class PtpFollower {
 public:
  static constexpr std::size_t kKept = 64;           // Syncs that are remembered at least
  static constexpr std::int64_t kMeasurements = 16;  // of the path delay, that they are remembered for at least
  static constexpr std::size_t kNeeded = 8;          // before anything is believed

  PtpFollower(PtpPolicy policy, ClockKind clock) : policy_(std::move(policy)), clock_(clock) {}

  /// A reading of the clock that ptp4l disciplines; every turn.
  void read(const ClockReading& reading, time::CycleRate nominal) {
    track_.add(reading.middle(), reading.value, reading.half_width(nominal));
  }
  /// A complete round.
  [[nodiscard]] News judge(const PtpRound& round, time::CycleRate nominal);
  /// Readings from before mean nothing any more.
  void distrust();

 private:
  [[nodiscard]] std::optional<SourceError> unfit(const PtpRound& round) const;
  [[nodiscard]] std::optional<SourceError> wrong_system_scale(const TimeProperties& properties) const;
  [[nodiscard]] std::optional<SourceError> wrong_scale(const TimeProperties& properties) const;
  [[nodiscard]] std::optional<SourceError> offset_too_large(time::Duration offset) const;
  [[nodiscard]] std::optional<time::Duration> stated_accuracy(const ParentDataSet& parent) const;
  [[nodiscard]] time::Duration accuracy_of(const PtpRound& round) const;
  [[nodiscard]] News claim_at(const PtpRound& round, time::CycleRate nominal);
  void keep(PtpClockTime ingress, const PtpRound& round);
  void watch_utc_offset(const PtpRound& round);
  void forget_samples() { kept_ = pieces_ = 0; }
  [[nodiscard]] time::Duration largest(const std::array<time::Duration, kKept>& of) const;
  [[nodiscard]] std::optional<SourceError> unmeasured_path(const PtpRound& round, time::CycleRate nominal);

  PtpPolicy policy_;
  ClockKind clock_;
  ClockTrack track_;
  // The largest in each piece of time, of one Sync at least.
  std::array<time::Duration, kKept> offsets_{};
  std::array<time::Duration, kKept> delays_{};
  std::size_t piece_ = 0;  // the present one
  std::size_t pieces_ = 0;
  PtpClockTime piece_began_;
  time::Cycles first_kept_;        // when the first of them came in
  bool is_path_in_doubt_ = false;  // an offset was too large: perhaps the path, and the delay is not of the present one
  std::size_t kept_ = 0;           // Syncs, up to kNeeded
  std::optional<PtpClockTime> last_ingress_;
  std::optional<PtpClockTime> claimed_;
  std::optional<time::Duration> utc_offset_;  // by which ptp4l makes the system clock's UTC of TAI
  ClockIdentity grandmaster_;
};

}  // namespace gnomon::ptp
