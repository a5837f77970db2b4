// SPDX-License-Identifier: Apache-2.0
#include "control/service/clock_codec.hpp"

#include <cstdint>
#include <optional>

namespace gnomon::control {
namespace {

/// A field that is missing stays missing: 0 would be an instant or an age.
template <typename T>
std::optional<T> read_if(bool has, std::int64_t ns) {
  return has ? std::optional(T{ns}) : std::nullopt;
}

void write(const TrueTimeReport& from, v1::TrueTime& to) {
  to.set_text(from.text);
  if (from.earliest) to.set_earliest_tai_ns(from.earliest->ns);
  if (from.latest) to.set_latest_tai_ns(from.latest->ns);
  if (from.earliest_utc) to.set_earliest_utc_ns(from.earliest_utc->ns);
  if (from.latest_utc) to.set_latest_utc_ns(from.latest_utc->ns);
  if (from.void_in) to.set_void_in_ns(from.void_in->ns);
  if (from.sample_age) to.set_sample_age_ns(from.sample_age->ns);
  if (from.support_age) to.set_support_age_ns(from.support_age->ns);
  to.set_holdover(from.holdover);
  to.set_holdover_limit_ns(from.holdover_limit.ns);
  to.set_max_epsilon_ns(from.max_epsilon.ns);
  for (const TermReport& entry : from.terms) {
    v1::ClockTerm& term = *to.add_terms();
    term.set_name(entry.name);
    term.set_value_ns(entry.value.ns);
  }
  to.set_configured(from.configured);
  to.set_witnesses(from.witnesses);
  to.set_believed(from.believed);
  to.set_contradictions(from.contradictions);
  if (from.contradicted_ago) to.set_contradicted_ago_ns(from.contradicted_ago->ns);
  to.set_suspect_ns(from.suspect.ns);
  to.set_disagreements(from.disagreements);
  to.set_resumed(from.resumed);
  to.set_phc2sys_runs(from.phc2sys_runs);
  to.set_counter_problem(from.counter_problem);
}

TrueTimeReport read(const v1::TrueTime& from) {
  TrueTimeReport to{
      .text = from.text(),
      .earliest = read_if<time::Tai>(from.has_earliest_tai_ns(), from.earliest_tai_ns()),
      .latest = read_if<time::Tai>(from.has_latest_tai_ns(), from.latest_tai_ns()),
      .earliest_utc = read_if<time::Utc>(from.has_earliest_utc_ns(), from.earliest_utc_ns()),
      .latest_utc = read_if<time::Utc>(from.has_latest_utc_ns(), from.latest_utc_ns()),
      .void_in = read_if<time::Duration>(from.has_void_in_ns(), from.void_in_ns()),
      .sample_age = read_if<time::Duration>(from.has_sample_age_ns(), from.sample_age_ns()),
      .support_age = read_if<time::Duration>(from.has_support_age_ns(), from.support_age_ns()),
      .holdover = from.holdover(),
      .holdover_limit = {from.holdover_limit_ns()},
      .max_epsilon = {from.max_epsilon_ns()},
      .terms = {},
      .configured = from.configured(),
      .witnesses = from.witnesses(),
      .believed = from.believed(),
      .contradictions = from.contradictions(),
      .contradicted_ago = read_if<time::Duration>(from.has_contradicted_ago_ns(), from.contradicted_ago_ns()),
      .suspect = {from.suspect_ns()},
      .disagreements = from.disagreements(),
      .resumed = from.resumed(),
      .phc2sys_runs = from.phc2sys_runs(),
      .counter_problem = from.counter_problem()};
  for (const v1::ClockTerm& term : from.terms())
    to.terms.push_back({term.name(), {term.value_ns()}});
  return to;
}

void write(const TimeSourceReport& from, v1::TimeSource& to) {
  to.set_description(from.description);
  to.set_state(from.state);
  to.set_fault(from.fault);
  to.set_text(from.text);
  to.set_healthy(from.healthy);
  to.set_chosen(from.chosen);
  to.set_earliest(from.earliest);
  to.set_latest(from.latest);
  to.set_witness(from.witness);
  to.set_root(from.root);
  if (from.offset) to.set_offset_ns(from.offset->ns);
  if (from.epsilon) to.set_epsilon_ns(from.epsilon->ns);
  if (from.sample_age) to.set_sample_age_ns(from.sample_age->ns);
  to.set_claims(from.claims);
  to.set_errors(from.errors);
  to.set_evictions(from.evictions);
}

TimeSourceReport read(const v1::TimeSource& from) {
  return {.description = from.description(),
          .state = from.state(),
          .fault = from.fault(),
          .text = from.text(),
          .healthy = from.healthy(),
          .chosen = from.chosen(),
          .earliest = from.earliest(),
          .latest = from.latest(),
          .witness = from.witness(),
          .root = from.root(),
          .offset = read_if<time::Duration>(from.has_offset_ns(), from.offset_ns()),
          .epsilon = read_if<time::Duration>(from.has_epsilon_ns(), from.epsilon_ns()),
          .sample_age = read_if<time::Duration>(from.has_sample_age_ns(), from.sample_age_ns()),
          .claims = from.claims(),
          .errors = from.errors(),
          .evictions = from.evictions()};
}

void write(const LeapReport& from, v1::Leap& to) {
  if (from.tai_minus_utc) to.set_tai_minus_utc_ns(from.tai_minus_utc->ns);
  to.set_expires_utc_ns(from.expires.ns);
  to.set_expired(from.expired);
  if (from.expires_in) to.set_expires_in_ns(from.expires_in->ns);
  if (from.next) to.set_next_utc_ns(from.next->ns);
  to.set_next_step_ns(from.next_step.ns);
  if (from.announced_ago) to.set_announced_ago_ns(from.announced_ago->ns);
  to.set_doubt_ns(from.doubt.ns);
  to.set_doubt_text(from.doubt_text);
  if (from.smear) to.set_smear_ns(from.smear->ns);
}

LeapReport read(const v1::Leap& from) {
  return {.tai_minus_utc = read_if<time::Duration>(from.has_tai_minus_utc_ns(), from.tai_minus_utc_ns()),
          .expires = {from.expires_utc_ns()},
          .expired = from.expired(),
          .expires_in = read_if<time::Duration>(from.has_expires_in_ns(), from.expires_in_ns()),
          .next = read_if<time::Utc>(from.has_next_utc_ns(), from.next_utc_ns()),
          .next_step = {from.next_step_ns()},
          .announced_ago = read_if<time::Duration>(from.has_announced_ago_ns(), from.announced_ago_ns()),
          .doubt = {from.doubt_ns()},
          .doubt_text = from.doubt_text(),
          .smear = read_if<time::Duration>(from.has_smear_ns(), from.smear_ns())};
}

}  // namespace

void write(const ClockReport& from, v1::Clock& to) {
  to.set_source(from.source);
  to.set_state(from.state);
  to.set_now_ns(from.now.ns);
  to.set_lead_ns(from.lead.ns);
  to.set_era(from.era.value);
  to.set_epsilon_ns(from.epsilon.ns);
  to.set_readings(from.readings);
  to.set_failed_readings(from.failed_readings);
  to.set_last_failure(from.last_failure);
  to.set_true_time(from.true_time);
  to.set_max_lead_ns(from.max_lead.ns);
  to.set_lead_policy(from.lead_policy);
  to.set_orders_by_truth(from.orders_by_truth);
  write(from.truth, *to.mutable_truth());
  for (const TimeSourceReport& source : from.sources)
    write(source, *to.add_sources());
  write(from.leap, *to.mutable_leap());
}

ClockReport read(const v1::Clock& from) {
  ClockReport to{.source = from.source(),
                 .state = from.state(),
                 .now = {from.now_ns()},
                 .lead = {from.lead_ns()},
                 .era = {from.era()},
                 .epsilon = {from.epsilon_ns()},
                 .readings = from.readings(),
                 .failed_readings = from.failed_readings(),
                 .last_failure = from.last_failure(),
                 .true_time = from.true_time(),
                 .max_lead = {from.max_lead_ns()},
                 .lead_policy = from.lead_policy(),
                 .orders_by_truth = from.orders_by_truth(),
                 .truth = read(from.truth()),
                 .sources = {},
                 .leap = read(from.leap())};
  for (const v1::TimeSource& source : from.sources())
    to.sources.push_back(read(source));
  return to;
}

}  // namespace gnomon::control
