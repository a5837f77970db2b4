// SPDX-License-Identifier: Apache-2.0
//
// The clock for people, in the order in which one asks: what time is it, why is that so wide, who says so and who
// doesn't count, which second of UTC is it, and what do the IDs make of it. What an operator has to repair stands as a
// sentence below the source that lacks it.
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cmd/gnomon/clock.hpp"
#include "cmd/text/rfc3339.hpp"
#include "cmd/text/wrap.hpp"
#include "oracle/time/true_time.hpp"
#include "oracle/time/uncertainty.hpp"

namespace gnomon::cmd {
namespace {

using control::ClockReport;
using control::LeapReport;
using control::TimeSourceReport;
using control::TrueTimeReport;
using time::Duration;

constexpr std::size_t kWidth = 80;
constexpr std::string_view kIndent = "         ";  // of whatever belongs to a head word
constexpr Duration kSoon = time::seconds(std::int64_t{60} * 86'400);

std::string plural(std::uint64_t n, std::string_view one, std::string_view several) {
  return fmt::format("{} {}", n, n == 1 ? one : several);
}

/// To the nanosecond where that is what it is about.
std::string length(Duration d) { return d.ns > -1'000 && d.ns < 1'000 ? fmt::format("{}ns", d.ns) : human_duration(d); }

/// "+1.5us": a difference, whose sign matters also where there is none to see.
std::string signed_text(Duration d) { return (d.ns >= 0 ? "+" : "") + length(d); }

// A daemon of another version, or what answers in its name, may tell any number.
Duration sum_of(Duration a, Duration b) { return {time::saturating_add(time::Tai{a.ns}, b).ns}; }
Duration difference_of(Duration a, Duration b) { return time::saturating_sub(time::Tai{a.ns}, time::Tai{b.ns}); }

std::string text_or_dash(const std::optional<Duration>& d) { return d ? length(*d) : "-"; }

/// rfc3339() closes with the letter of UTC.
std::string tai_text(time::Tai t) {
  std::string out = rfc3339({t.ns});
  out.pop_back();
  return out + " TAI";
}

std::string utc_text(const std::optional<time::Utc>& t) { return t ? rfc3339({t->ns}) : "(no leap table)"; }

bool synchronised(const ClockReport& clock) { return clock.true_time == time::name_of(time::ClockFault::kNone); }

// ---- what time is it

std::string interval(const ClockReport& clock) {
  const TrueTimeReport& truth = clock.truth;
  if (!synchronised(clock) || !truth.earliest || !truth.latest)
    return wrapped(fmt::format("no true time ({}): {}", clock.true_time, truth.text), kWidth, "state    ", kIndent);
  std::string out = fmt::format("earliest {:<30}  {}\n", utc_text(truth.earliest_utc), tai_text(*truth.earliest));
  out += fmt::format("latest   {:<30}  {}\n", utc_text(truth.latest_utc), tai_text(*truth.latest));
  return out + wrapped(fmt::format("synchronised: known to {} either way (limit {}); void in {} unless renewed",
                                   length(clock.epsilon), length(truth.max_epsilon), text_or_dash(truth.void_in)),
                       kWidth, kIndent, kIndent);
}

std::string support(const TrueTimeReport& truth) {
  std::string out = fmt::format(
      "{}; {} configured, {} independent and healthy",
      truth.sample_age ? fmt::format("newest sample {} old", length(*truth.sample_age)) : std::string("no good sample"),
      plural(truth.configured, "source", "sources"), truth.witnesses);
  if (truth.witnesses != 0) out += fmt::format(", {} must be right", truth.believed);
  return wrapped(out, kWidth, kIndent, kIndent);
}

/// What is out of the ordinary, a line each; nothing on a good day.
std::string remarks(const TrueTimeReport& truth) {
  std::string out;
  const auto add = [&out](const std::string& text) { out += wrapped(text, kWidth, kIndent, kIndent); };
  if (truth.holdover)
    add(fmt::format(
        "holdover: no source has been healthy for {}; it goes on from what was proved before, for at most {}",
        text_or_dash(truth.support_age), human_duration(truth.holdover_limit)));
  if (truth.contradicted_ago)
    add(
        fmt::format("suspect: {} ago the sources denied what they had said before; what was answered in the {} before "
                    "that may have been wrong ({} since the start)",
                    human_duration(*truth.contradicted_ago), human_duration(truth.suspect),
                    plural(truth.contradictions, "contradiction", "contradictions")));
  if (truth.disagreements != 0)
    add(fmt::format("the sources were without a majority {} since the start",
                    plural(truth.disagreements, "time", "times")));
  if (!truth.counter_problem.empty()) add("cycle counter: " + truth.counter_problem);
  if (truth.phc2sys_runs) add("phc2sys runs: the system clock and the cards' clocks are one witness");
  if (truth.resumed) add("this run began with what an earlier one had proved");
  return out;
}

// ---- why so wide

std::string_view help_of(std::string_view term) {
  for (const time::TermInfo& info : time::kTerms)
    if (info.name == term) return info.help;
  return "";
}

std::string terms(const ClockReport& clock) {
  if (clock.truth.terms.empty() || !synchronised(clock)) return {};
  std::string out = "\nwhy      ";
  const auto chosen =
      std::find_if(clock.sources.begin(), clock.sources.end(), [](const TimeSourceReport& s) { return s.chosen; });
  out += chosen != clock.sources.end()
             ? fmt::format("source {} counts and is the narrowest; its terms:\n", chosen - clock.sources.begin())
             : "from what an earlier run had proved:\n";
  Duration sum;
  for (const control::TermReport& term : clock.truth.terms) {
    sum = sum_of(sum, term.value);
    out += fmt::format("  {:<13} {:>12}  {}\n", term.name, length(term.value), help_of(term.name));
  }
  out += fmt::format("  {:<13} {:>12}  {}\n", "others", signed_text(difference_of(clock.epsilon, sum)),
                     "other sources, earlier samples, drift since then");
  return out + fmt::format("  {:<13} {:>12}\n", "epsilon", length(clock.epsilon));
}

// ---- who says so

/// One word of what a source is worth at present.
std::string counts(const TimeSourceReport& source, std::size_t index) {
  if (source.chosen && source.healthy) return "chosen";
  if (source.healthy && source.witness != index && source.state == "used")
    return fmt::format("with {}", source.witness);
  return source.state;
}

std::string row(const TimeSourceReport& source, std::size_t index) {
  return fmt::format("{:>6}  {:<9}  {:>13}  {:>13}  {:>12}  {:>9}\n", index, counts(source, index),
                     source.offset ? signed_text(*source.offset) : "-", text_or_dash(source.epsilon),
                     text_or_dash(source.sample_age), source.evictions);
}

std::string about(const TimeSourceReport& source, std::size_t index) {
  static constexpr std::string_view kBelow = "        ";
  std::string what = source.description;
  if (!source.root.empty()) what += "; root: " + source.root;
  if (source.healthy && source.witness != index) what += fmt::format("; one witness with source {}", source.witness);
  if (source.earliest || source.latest)
    what += fmt::format("; {} the interval", source.earliest && source.latest ? "bounds both ends of"
                                             : source.earliest                ? "bounds the early end of"
                                                                              : "bounds the late end of");
  std::string out = wrapped(what, kWidth, kBelow, kBelow);
  if (source.text.empty()) return out;
  const std::string why = source.fault.empty() ? source.text : fmt::format("{}: {}", source.fault, source.text);
  return out + wrapped(why, kWidth, std::string(kBelow) + "! ", std::string(kBelow) + "  ");
}

std::string sources(const ClockReport& clock) {
  if (clock.sources.empty()) return "\nno sources of time\n";
  std::string out = fmt::format("\n{:>6}  {:<9}  {:>13}  {:>13}  {:>12}  {:>9}\n", "source", "counts", "offset",
                                "epsilon", "sample age", "evictions");
  for (std::size_t i = 0; i < clock.sources.size(); ++i)
    out += row(clock.sources[i], i) + about(clock.sources[i], i);
  if (!synchronised(clock)) out += "offsets are from the middle of all that are healthy, since there is no result\n";
  return out;
}

// ---- which second of UTC

std::string table_text(const LeapReport& leap) {
  const std::string day = rfc3339({leap.expires.ns}).substr(0, 10);
  if (!leap.expires_in) return "the leap table does not reach to now";
  if (leap.expired)
    return fmt::format("the leap table expired on {}, {} ago: update tzdata", day,
                       human_duration(difference_of({}, *leap.expires_in)));
  return fmt::format("the leap table holds until {}{}", day,
                     *leap.expires_in < kSoon
                         ? fmt::format(", only {} from now: update tzdata", human_duration(*leap.expires_in))
                         : std::string());
}

std::string leap(const LeapReport& leap) {
  const std::string offset = leap.tai_minus_utc
                                 ? fmt::format("TAI - UTC is {} s", leap.tai_minus_utc->ns / 1'000'000'000)
                                 : "TAI - UTC is unknown";
  std::string out = "\n" + wrapped(fmt::format("{}; {}", offset, table_text(leap)), kWidth, "leap     ", kIndent);
  const auto add = [&out](const std::string& text) { out += wrapped(text, kWidth, kIndent, kIndent); };
  if (leap.next)
    add(fmt::format("next leap second: one is {} at {}", leap.next_step > Duration{} ? "inserted" : "deleted",
                    rfc3339({leap.next->ns})));
  if (leap.announced_ago)
    add(fmt::format("a leap second is announced (last heard {} ago)", human_duration(*leap.announced_ago)));
  if (leap.doubt > Duration{})
    add(fmt::format("a UTC is in doubt by {}: {}", human_duration(leap.doubt), leap.doubt_text));
  const bool smearing = leap.smear && *leap.smear != Duration{};
  add(smearing ? fmt::format("smearing: the time in IDs is {} from UTC", signed_text(*leap.smear)) : "not smearing");
  return out;
}

// ---- what the IDs make of it

std::string_view beyond_lead(std::string_view policy) {
  if (policy == "refuse") return "clock_behind is answered";
  return policy == "rotate" ? "fresh machine ids are taken" : "what the daemon does is not known";
}

std::string ordering(const ClockReport& clock) {
  std::string out = fmt::format("ordering {} at {}, era {}\n", clock.state, rfc3339(clock.now), clock.era.value);
  out += wrapped(fmt::format("it follows {}; lead {} of at most {}, beyond that {}",
                             clock.orders_by_truth ? "the true time, else the system clock" : "the system clock",
                             length(clock.lead), length(clock.max_lead), beyond_lead(clock.lead_policy)),
                 kWidth, kIndent, kIndent);
  if (!clock.last_failure.empty())
    out += wrapped(fmt::format("{} of {} readings failed, the latest because: {}", clock.failed_readings,
                               clock.readings + clock.failed_readings, clock.last_failure),
                   kWidth, kIndent, kIndent);
  return out;
}

}  // namespace

std::string clock_text(const control::StatusReport& report) {
  const ClockReport& clock = report.clock;
  return interval(clock) + support(clock.truth) + remarks(clock.truth) + terms(clock) + sources(clock) +
         leap(clock.leap) + ordering(clock);
}

}  // namespace gnomon::cmd
