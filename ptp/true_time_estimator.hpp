// SPDX-License-Identifier: Apache-2.0
//
// From what the sources claim to one interval that contains the true time, or the reason why there is none. Event in,
// line out: it reads no clock, so tests and the simulator run this very code in virtual time.
//
//   claims     of each source the latest, converted to TAI with a whole second of doubt where the leap table leaves one
//   health     a claim counts for `source_timeout` from its *ingress*; a source that stands still is out by itself
//   roots      sources with one root are joined: they are one witness
//   fusion     the hull of what n - f roots allow (oracle/time/fusion.hpp)
//   history    the result is intersected with what was proved before, extrapolated
//
// What was proved before is given up when a source, a reference or the table changes (the new one may be right where
// the old one was wrong), and when it contradicts what is claimed now. After a contradiction nothing is answered until
// `confirmations` claims agree among themselves: either side may have lied, and with one source nobody can tell which.
//
// A source that jumps by whole seconds (but for the bare system clock, which somebody may set) has a wrong UTC offset,
// not a wrong clock. It is put out until it is back where it was, or says what others prove; insisting does not help
// it, since the error is as steady as the truth.
//
// What the counter can't be trusted across (suspend, migration, a jump) ends everything that was known.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "oracle/time/fusion.hpp"
#include "oracle/time/leap_table.hpp"
#include "oracle/time/true_time.hpp"
#include "oracle/time/uncertainty.hpp"
#include "ptp/claim.hpp"

namespace gnomon::ptp {

struct TrueTimeOptions {
  time::CycleRate nominal;                           // of the counter
  time::Drift drift;                                 // of the counter against true time, calibration error included
  time::Duration cores;                              // what two cores' counters may differ by at one moment
  time::Duration source_timeout = time::seconds(3);  // from its ingress, how long a claim counts
  time::Duration holdover = time::seconds(60);       // how long the line goes on without a healthy source
  time::Duration max_epsilon = time::milliseconds(2000);  // beyond: kTooWide
  time::Duration void_after = time::seconds(2);           // how long a published line serves without renewal
  std::uint32_t confirmations = 8;                        // claims that must agree after a contradiction
};

struct TrueTimeEvent {
  time::Cycles now;  // not before the claims were made
  /// Whether the counter ran on since the turn before, and the kernel trusts it.
  bool counter_trusted = true;
  bool phc2sys_runs = false;
  /// One for each source, always in the same order.
  std::span<const News> news;
};

enum class SourceState : std::uint8_t {
  kSilent,    // it has said nothing yet
  kUsed,      // its latest claim is part of the result
  kDisputed,  // its claim is healthy, others contradict it, and there is no majority
  kEvicted,   // its claim is healthy and contradicts the majority, or it jumped by whole seconds
  kUnhealthy  // no claim, or one that is too old
};

constexpr std::string_view name_of(SourceState state) {
  switch (state) {
    case SourceState::kSilent: return "silent";
    case SourceState::kUsed: return "used";
    case SourceState::kDisputed: return "disputed";
    case SourceState::kEvicted: return "evicted";
    case SourceState::kUnhealthy: return "unhealthy";
  }
  return "unknown";
}

/// What is known of one source.
struct SourceView {
  SourceState state = SourceState::kSilent;
  std::optional<Claim> claim;        // the latest good one
  time::Uncertainty terms;           // of the claim, leap doubt included
  std::optional<SourceError> error;  // the latest, if it is newer than the claim or put the claim out
  std::uint64_t claims = 0;
  std::uint64_t errors = 0;
  std::uint64_t evictions = 0;             // how often it became kEvicted
  std::optional<time::Interval> interval;  // what its claim says about `now`, if healthy
  std::size_t witness = 0;                 // the first of those that it is one witness with; itself, if alone
  bool bounds_earliest = false;            // this end of what was fused is an end of its interval
  bool bounds_latest = false;
};

struct TrueTimeView {
  time::TrueTimeLine line;    // to be published
  time::Uncertainty terms;    // of the source that bounds the result best
  std::size_t best = 0;       // that source; meaningless under a fault
  time::Cycles sampled_at;    // ingress of its claim
  time::Cycles supported_at;  // when a healthy source last supported the line
  std::uint32_t roots = 0;    // healthy independent ones
  bool holdover = false;      // no source is healthy: the line goes on from history
  std::uint64_t contradictions = 0;
  std::uint64_t disagreements = 0;
  time::Duration suspect;        // at the latest contradiction: since when the last good sample had been
  time::Cycles contradicted_at;  // the latest contradiction; meaningless while there was none
  bool leap_announced = false;   // a source announces a leap second, or did within two days: a UTC is in doubt
  time::Cycles leap_announced_at;
};

class TrueTimeEstimator {
 public:
  /// Throws std::invalid_argument if there are more than time::kMaxSources.
  TrueTimeEstimator(const TrueTimeOptions& options, std::size_t sources);

  /// What an earlier run of the daemon had proved in this boot, and when a healthy source had last supported that. Only
  /// if the counter ran on since then.
  void resume(const time::TrueTimeLine& proven, time::Cycles supported_at);

  const TrueTimeView& step(const TrueTimeEvent& event, const time::LeapTable& leaps);

  [[nodiscard]] const TrueTimeView& view() const { return view_; }
  [[nodiscard]] std::span<const SourceView> sources() const { return sources_; }

 private:
  /// Which roots, under which table, a result rests on.
  struct Basis {
    std::array<std::uint64_t, time::kMaxSources> roots{};  // ascending
    std::size_t size = 0;
    time::Utc table_expires;
    std::size_t table_size = 0;
    friend bool operator==(const Basis&, const Basis&) = default;
  };
  struct Confirming {
    time::TrueTimeLine line;
    Basis basis;
    std::uint32_t agreed = 0;
  };
  struct Witnesses {
    std::array<time::Interval, time::kMaxSources> intervals{};
    std::size_t size = 0;
    [[nodiscard]] std::span<const time::Interval> all() const { return {intervals.data(), size}; }
  };

  [[nodiscard]] bool take_news(const TrueTimeEvent& event, const time::LeapTable& leaps);
  void take_error(std::size_t source, const SourceError& error);
  [[nodiscard]] bool take_claim(std::size_t source, const Claim& claim, time::Cycles now, const time::LeapTable& leaps);
  [[nodiscard]] std::optional<SourceError> implausible(const Claim& claim, time::Cycles now) const;
  [[nodiscard]] std::optional<std::int64_t> whole_seconds_off(std::size_t source, const Claim& claim,
                                                              const time::Interval& claimed) const;
  [[nodiscard]] bool is_vouched_for() const { return proven_ && vouched_for_; }
  [[nodiscard]] bool more_than_the_system_clock() const;
  [[nodiscard]] bool leap_announced(time::Cycles now) const;
  [[nodiscard]] bool healthy(std::size_t source, time::Cycles now) const;
  void update_health(time::Cycles now);
  [[nodiscard]] Witnesses join_roots(bool phc2sys_runs, Basis& basis);
  void mark_sources(const time::Interval& result, time::Cycles now);
  void mark_all(SourceState state);
  void judge(const time::Interval& fused, const Basis& basis, time::Cycles now, bool fresh);
  void contradict(const time::Interval& fused, const Basis& basis, time::Cycles now);
  void confirm(Confirming& so_far, const time::Interval& fused, const Basis& basis, time::Cycles now, bool fresh);
  void hold_over(time::Cycles now);
  void prove(const time::Interval& interval, time::Cycles now);
  void publish(const time::Interval& interval, time::Cycles now);
  /// It becomes void like any other line, so that readers notice a daemon that is gone, also now.
  void refuse(time::ClockFault why) {
    view_.line = time::TrueTimeLine::refusing(why, {now_.count + void_after_cycles_});
  }
  void forget(time::Cycles now);
  [[nodiscard]] time::TrueTimeLine line_from(const time::Interval& interval, time::Cycles at) const;
  [[nodiscard]] time::Duration age(time::Cycles at, time::Cycles now) const {
    return now <= at ? time::Duration{} : options_.nominal.span(now.count - at.count);
  }

  TrueTimeOptions options_;
  std::uint64_t void_after_cycles_ = 0;
  time::Duration cores_;  // as long as it may be by the slowest counter
  std::vector<SourceView> sources_;
  std::vector<std::optional<time::TrueTimeLine>> lines_;  // of each source's latest good claim, in TAI
  std::vector<bool> put_out_;                             // by whole seconds
  std::optional<time::TrueTimeLine> proven_;
  // Whether proven_ rests on more than the system clock's word: that one may have been an hour off when this run began,
  // and then it is not the others who are wrong by whole seconds. What an earlier run left is taken as good.
  bool vouched_for_ = false;
  std::optional<Basis> basis_;  // of proven_; none after a resumption
  std::optional<Confirming> confirming_;
  time::Cycles now_;            // of the present turn
  time::Cycles trusted_since_;  // claims about earlier moments can't be extrapolated
  time::Cycles last_support_;   // the latest turn in which a healthy source supported proven_
  time::Cycles last_sample_;    // the latest turn with a new claim that did
  std::optional<time::Cycles> leap_announced_at_;
  TrueTimeView view_;
};

}  // namespace gnomon::ptp
