// SPDX-License-Identifier: Apache-2.0
//
// The clock for programs: one line of JSON. Lengths of time are numbers of nanoseconds; instants are texts, because
// most readers of JSON keep numbers as doubles and would lose the last hundred nanoseconds of one. null: nothing to
// say.
#include <fmt/core.h>

#include <optional>
#include <string>
#include <string_view>

#include "cmd/gnomon/clock.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"

namespace gnomon::cmd {
namespace {

using control::ClockReport;
using time::Duration;

void add(JsonWriter& json, std::string_view key, const std::optional<Duration>& value) {
  json.key(key);
  if (value)
    json.number(value->ns);
  else
    json.null();
}

void add(JsonWriter& json, std::string_view key, const std::optional<time::Utc>& value) {
  json.key(key);
  if (value)
    json.text(rfc3339({value->ns}));
  else
    json.null();
}

/// Nanoseconds since 1970-01-01T00:00:00 TAI.
void add(JsonWriter& json, std::string_view key, const std::optional<time::Tai>& value) {
  json.key(key);
  if (value)
    json.text(fmt::format("{}", value->ns));
  else
    json.null();
}

void add_truth(JsonWriter& json, const ClockReport& clock) {
  const control::TrueTimeReport& truth = clock.truth;
  json.key("true_time").begin_object().key("state").text(clock.true_time).key("text").text(truth.text);
  add(json, "earliest_tai_ns", truth.earliest);
  add(json, "latest_tai_ns", truth.latest);
  add(json, "earliest_utc", truth.earliest_utc);
  add(json, "latest_utc", truth.latest_utc);
  json.key("epsilon_ns").number(clock.epsilon.ns).key("max_epsilon_ns").number(truth.max_epsilon.ns);
  add(json, "void_in_ns", truth.void_in);
  add(json, "sample_age_ns", truth.sample_age);
  add(json, "support_age_ns", truth.support_age);
  json.key("holdover").boolean(truth.holdover).key("holdover_limit_ns").number(truth.holdover_limit.ns);
  json.key("terms_ns").begin_object();
  for (const control::TermReport& term : truth.terms)
    json.key(term.name).number(term.value.ns);
  json.end_object().key("sources_configured").number(truth.configured).key("sources_counted").number(truth.witnesses);
  json.key("sources_believed").number(truth.believed).key("contradictions").number(truth.contradictions);
  add(json, "contradicted_ago_ns", truth.contradicted_ago);
  json.key("suspect_ns").number(truth.suspect.ns).key("disagreements").number(truth.disagreements);
  json.key("resumed").boolean(truth.resumed).key("phc2sys_runs").boolean(truth.phc2sys_runs);
  json.key("counter_problem").text(truth.counter_problem).end_object();
}

void add_source(JsonWriter& json, const control::TimeSourceReport& source) {
  json.begin_object().key("description").text(source.description).key("state").text(source.state);
  json.key("fault").text(source.fault).key("text").text(source.text).key("healthy").boolean(source.healthy);
  json.key("chosen").boolean(source.chosen).key("bounds_earliest").boolean(source.earliest);
  json.key("bounds_latest").boolean(source.latest).key("witness").number(source.witness).key("root").text(source.root);
  add(json, "offset_ns", source.offset);
  add(json, "epsilon_ns", source.epsilon);
  add(json, "sample_age_ns", source.sample_age);
  json.key("claims").number(source.claims).key("errors").number(source.errors);
  json.key("evictions").number(source.evictions).end_object();
}

void add_leap(JsonWriter& json, const control::LeapReport& leap) {
  json.key("leap").begin_object();
  add(json, "tai_minus_utc_ns", leap.tai_minus_utc);
  json.key("table_expires").text(rfc3339({leap.expires.ns})).key("table_expired").boolean(leap.expired);
  add(json, "table_expires_in_ns", leap.expires_in);
  add(json, "next", leap.next);
  json.key("next_step_ns").number(leap.next_step.ns);
  add(json, "announced_ago_ns", leap.announced_ago);
  json.key("doubt_ns").number(leap.doubt.ns).key("doubt_text").text(leap.doubt_text);
  add(json, "smear_ns", leap.smear);
  json.end_object();
}

void add_ordering(JsonWriter& json, const ClockReport& clock) {
  json.key("ordering").begin_object().key("state").text(clock.state).key("now").text(rfc3339(clock.now));
  json.key("era").number(clock.era.value).key("lead_ns").number(clock.lead.ns);
  json.key("max_lead_ns").number(clock.max_lead.ns).key("lead_policy").text(clock.lead_policy);
  json.key("by_true_time").boolean(clock.orders_by_truth).key("readings").number(clock.readings);
  json.key("failed_readings").number(clock.failed_readings).key("last_failure").text(clock.last_failure).end_object();
}

}  // namespace

std::string clock_json(const control::StatusReport& report) {
  const ClockReport& clock = report.clock;
  JsonWriter json;
  json.begin_object().key("instance").text(report.daemon.instance);
  add_truth(json, clock);
  json.key("sources").begin_array();
  for (const control::TimeSourceReport& source : clock.sources)
    add_source(json, source);
  json.end_array();
  add_leap(json, clock.leap);
  add_ordering(json, clock);
  return json.end_object().str() + "\n";
}

}  // namespace gnomon::cmd
