// SPDX-License-Identifier: Apache-2.0
//
// What a daemon says about its clock, as a plain value: the part of the status report that `gnomon clock` shows.
//
// An interval without the reasons for its width helps nobody who has to make it narrower, and "no time" without what
// each source lacks helps nobody who has to repair it. So everything that the estimator decided stands here as well:
// what each source says, whether it counts, and if not, why. The texts are complete sentences that the daemon made;
// whoever shows them adds no meaning.
//
// An optional is empty where there is nothing to say: no interval, no sample, no contradiction yet.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "oracle/mint/right.hpp"
#include "oracle/time/instant.hpp"
#include "oracle/time/leap_table.hpp"

namespace gnomon::control {

/// One term of the sum that bounds the chosen source's error (time::kTerms).
struct TermReport {
  std::string name;
  time::Duration value;
};

struct TrueTimeReport {
  std::string text;  // of the fault: what it means and what to do
  std::optional<time::Tai> earliest;
  std::optional<time::Tai> latest;
  std::optional<time::Utc> earliest_utc;  // by the daemon's leap table
  std::optional<time::Utc> latest_utc;
  std::optional<time::Duration> void_in;      // until it is void if nobody renews it
  std::optional<time::Duration> sample_age;   // of the newest sample of a source that counts
  std::optional<time::Duration> support_age;  // since a healthy source last supported it
  bool holdover = false;                      // no source is healthy: it goes on from what was proved before
  time::Duration holdover_limit;
  time::Duration max_epsilon;
  std::vector<TermReport> terms;  // of the chosen source; none under a fault
  std::uint32_t configured = 0;   // sources
  std::uint32_t witnesses = 0;    // healthy and independent
  std::uint32_t believed = 0;     // how many of these have to be right
  std::uint64_t contradictions = 0;
  std::optional<time::Duration> contradicted_ago;  // the latest
  time::Duration suspect;                          // at that one: for how long before it nothing good had been heard
  std::uint64_t disagreements = 0;
  bool resumed = false;         // this run began with what an earlier one had proved
  bool phc2sys_runs = false;    // it makes one witness of the system clock and the cards' clocks
  std::string counter_problem;  // empty: the cycle counter is trusted
};

struct TimeSourceReport {
  std::string description;
  std::string state;     // ptp::SourceState: silent, used, disputed, evicted, unhealthy
  std::string fault;     // ptp::SourceFault: what it lacks, or lacked lately; empty: nothing
  std::string text;      // the same as a sentence, or why it was evicted
  bool healthy = false;  // its sample is good and fresh, whether or not others contradict it
  bool chosen = false;   // the narrowest that counts: the terms are its terms
  bool earliest =
      false;            // the hull of what counts begins where its interval does; what was proved before may narrow it
  bool latest = false;  // the same of the end
  std::uint32_t witness = 0;             // the first of those that it is one witness with; itself, if alone
  std::string root;                      // where its time comes from; empty: not known
  std::optional<time::Duration> offset;  // its midpoint minus the result's; minus the middle of all, if there is none
  std::optional<time::Duration> epsilon;
  std::optional<time::Duration> sample_age;
  std::uint64_t claims = 0;
  std::uint64_t errors = 0;
  std::uint64_t evictions = 0;
};

struct LeapReport {
  std::optional<time::Duration> tai_minus_utc;  // now; nothing outside the table
  time::Utc expires;                            // of the table
  bool expired = false;
  std::optional<time::Duration> expires_in;     // negative: since then
  std::optional<time::Utc> next;                // the table's next leap second: when UTC steps
  time::Duration next_step;                     // 1 s: inserted, -1 s: deleted
  std::optional<time::Duration> announced_ago;  // a source announces one, or did within two days
  time::Duration doubt;                         // by how much a UTC is widened
  std::string doubt_text;                       // why, or that it is certain
  std::optional<time::Duration> smear;          // smeared UTC minus UTC: not 0 within twelve hours of a leap second
};

struct ClockReport {
  std::string source;
  std::string state;     // of the ordering timeline: following, unconfirmed, behind, no_time
  time::SmearedUtc now;  // ordering timeline
  time::Duration lead;   // ordering timeline minus source
  mint::Era era;
  time::Duration epsilon;  // half the width of the interval that contains the true time; 0 if there is none
  std::uint64_t readings = 0;
  std::uint64_t failed_readings = 0;
  std::string last_failure;
  std::string true_time;         // synchronised, or why there is none: time::ClockFault
  time::Duration max_lead;       // beyond: behind
  std::string lead_policy;       // what is done then: refuse, rotate
  bool orders_by_truth = false;  // the ordering timeline follows the true time, if there is one
  TrueTimeReport truth;
  std::vector<TimeSourceReport> sources;  // as configured
  LeapReport leap;
};

}  // namespace gnomon::control
