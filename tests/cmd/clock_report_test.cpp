// SPDX-License-Identifier: Apache-2.0
//
// From the estimator's decisions to the report, in virtual time: a counter of 1 GHz, sources that say what they are
// told to, and the very code of the daemon between them and what an operator reads.
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "cmd/gnomond/reporter.hpp"

namespace gnomon::cmd {
namespace {

using control::ClockReport;
using time::Duration;
using time::microseconds;
using time::milliseconds;
using time::seconds;

constexpr std::int64_t kUtc = 1'790'000'000'000'000'000;
constexpr Duration kTaiMinusUtc = seconds(37);
constexpr Duration kTurn = milliseconds(10);

time::LeapTable table_until(time::Utc expires) {
  time::LeapTable out(expires);
  const time::LeapTable known = time::builtin_leap_table();
  for (const time::LeapEntry& entry : known.entries())
    EXPECT_TRUE(out.append(entry));
  return out;
}

ptp::TrueTimeOptions options() {
  ptp::TrueTimeOptions out;
  out.nominal = time::CycleRate::from_hz(1'000'000'000);
  return out;
}

/// An estimator, and what the clock thread would show of it.
class Bench {
 public:
  explicit Bench(std::size_t sources)
      : estimator(options(), sources), off(sources), speaks(sources, true), root(sources) {
    for (std::size_t i = 0; i < sources; ++i)
      root[i] = {
          .reference = 0x001122fffe334400 + i, .clock = ptp::ClockKind::kPhc, .bare_clock = false, .disciplines = true};
  }

  void run(Duration length) {
    for (Duration passed; passed < length; passed = passed + kTurn)
      turn();
  }
  void turn() {
    now = now + kTurn;
    std::vector<ptp::News> news(off.size());
    for (std::size_t i = 0; i < off.size(); ++i)
      if (speaks[i]) news[i] = claim(i);
    estimator.step({.now = at(), .counter_trusted = trusted, .news = news}, leaps);
  }
  [[nodiscard]] ptp::ClaimOr claim(std::size_t i) const {
    ptp::Claim out;
    out.at = at();
    out.scale = scale;
    out.reading_ns = kUtc + now.ns + off[i].ns + (scale == ptp::Scale::kTai ? kTaiMinusUtc.ns : 0);
    out.terms.source = microseconds(100);
    out.root = root[i];
    out.leap_announced = announced;
    return out;
  }
  [[nodiscard]] time::Cycles at() const { return {1'000'000'000 + static_cast<std::uint64_t>(now.ns)}; }
  [[nodiscard]] ptp::ClockStatus status() const {
    ptp::ClockStatus out;
    out.truth = estimator.view();
    for (std::size_t i = 0; i < off.size(); ++i)
      out.sources.push_back({"source " + std::to_string(i), estimator.sources()[i]});
    out.at = at();
    out.nominal = options().nominal;
    out.options.truth = options();
    out.leaps = leaps;
    return out;
  }
  /// So long after the latest turn.
  [[nodiscard]] ClockReport report(Duration later = {}) const {
    page::ClockRecord record;
    record.ordering.state = mint::OrderingState::kFollowing;
    record.ordering.line = {at(), {kUtc + now.ns}, options().nominal};
    record.truth = estimator.view().line;
    return clock_report(record, status(), {at().count + static_cast<std::uint64_t>(later.ns)});
  }

  ptp::TrueTimeEstimator estimator;
  Duration now;
  std::vector<Duration> off;
  std::vector<bool> speaks;
  std::vector<ptp::Root> root;
  ptp::Scale scale = ptp::Scale::kTai;
  bool trusted = true;
  bool announced = false;
  time::LeapTable leaps = table_until(time::LeapTable::kLastUtc);
};

Duration sum_of(const ClockReport& report) {
  Duration sum;
  for (const control::TermReport& term : report.truth.terms)
    sum = sum + term.value;
  return sum;
}

TEST(ClockReport, IsTheIntervalThatIsServedAndItsReasons) {
  Bench bench(1);
  bench.run(milliseconds(100));
  const ClockReport report = bench.report(milliseconds(500));
  EXPECT_EQ(report.true_time, "synchronised");
  const std::int64_t utc = kUtc + bench.now.ns + 500'000'000;
  ASSERT_TRUE(report.truth.earliest && report.truth.latest && report.truth.earliest_utc && report.truth.latest_utc);
  EXPECT_LE(report.truth.earliest_utc->ns, utc);
  EXPECT_GE(report.truth.latest_utc->ns, utc);
  EXPECT_EQ(report.truth.earliest->ns - report.truth.earliest_utc->ns, kTaiMinusUtc.ns);
  EXPECT_EQ(report.epsilon.ns, (report.truth.latest->ns - report.truth.earliest->ns + 1) / 2);
  EXPECT_EQ(report.truth.terms.size(), time::kTerms.size());
  EXPECT_NEAR(static_cast<double>(sum_of(report).ns), 100'000, 100) << "as of the turn: growth since then is no term";
  EXPECT_NEAR(static_cast<double>(report.epsilon.ns), 200'000, 200) << "half a second at 200 ppm";
  EXPECT_EQ(report.truth.sample_age, milliseconds(500)) << "from the ingress, not from the turn";
  EXPECT_NEAR(static_cast<double>(report.truth.void_in->ns), 1.5e9, 1e6);
  EXPECT_TRUE(report.sources[0].chosen && report.sources[0].earliest && report.sources[0].latest);
  EXPECT_EQ(report.sources[0].text, "");
  EXPECT_EQ(report.truth.believed, 1U);
}

TEST(ClockReport, OfALineThatNobodyRenewsIsVoid) {
  Bench bench(1);
  bench.run(milliseconds(100));
  const ClockReport report = bench.report(milliseconds(2100));
  EXPECT_EQ(report.true_time, "void") << "what is served counts, not what the clock thread last thought";
  EXPECT_FALSE(report.truth.earliest || report.truth.void_in);
  EXPECT_EQ(report.epsilon, Duration{});
  EXPECT_EQ(report.truth.sample_age, milliseconds(2100));
}

TEST(ClockReport, SaysHowFarEachSourceIsFromTheResult) {
  Bench bench(3);
  bench.off = {microseconds(-30), {}, microseconds(40)};
  bench.run(milliseconds(100));
  const ClockReport report = bench.report();
  ASSERT_EQ(report.sources.size(), 3U);
  const Duration apart = *report.sources[2].offset - *report.sources[0].offset;
  EXPECT_NEAR(static_cast<double>(apart.ns), 70'000, 10);
  EXPECT_LT(*report.sources[0].offset, Duration{});
  EXPECT_GT(*report.sources[2].offset, Duration{});
  EXPECT_EQ(report.truth.witnesses, 3U);
  EXPECT_EQ(report.truth.believed, 2U);
  EXPECT_EQ(report.sources[1].root, "grandmaster 001122.fffe.334401");
  int bounding = 0;
  for (const control::TimeSourceReport& source : report.sources)
    bounding += (source.earliest ? 1 : 0) + (source.latest ? 1 : 0);
  EXPECT_GE(bounding, 2) << "each end of the hull is an end of somebody's interval";
}

TEST(ClockReport, SaysWhyASourceWasEvictedAndHowOften) {
  Bench bench(3);
  bench.run(milliseconds(100));
  for (std::uint64_t lies = 1; lies <= 3; ++lies) {
    bench.off[2] = milliseconds(-1);
    bench.run(milliseconds(100));
    const ClockReport report = bench.report();
    EXPECT_EQ(report.sources[2].state, "evicted");
    EXPECT_EQ(report.sources[2].evictions, lies);
    EXPECT_NE(report.sources[2].text.find(" before theirs"), std::string::npos) << report.sources[2].text;
    EXPECT_NEAR(static_cast<double>(report.sources[2].offset->ns), -1e6, 1e5);
    EXPECT_FALSE(report.sources[2].chosen || report.sources[2].earliest || report.sources[2].latest);
    bench.off[2] = {};
    bench.run(milliseconds(100));
    EXPECT_EQ(bench.report().sources[2].text, "") << "it is back, and nothing is held against it";
  }
  bench.off[2] = seconds(37);
  bench.run(milliseconds(100));
  const ClockReport jumped = bench.report();
  EXPECT_EQ(jumped.sources[2].evictions, 4U);
  EXPECT_EQ(jumped.sources[2].fault, "whole_seconds");
  EXPECT_NE(jumped.sources[2].text.find("37 s"), std::string::npos) << jumped.sources[2].text;
  EXPECT_EQ(jumped.sources[0].evictions, 0U);
}

TEST(ClockReport, NewestSampleIsOneThatCounts) {
  Bench bench(3);
  bench.off[2] = milliseconds(-1);
  bench.run(milliseconds(100));
  bench.speaks = {false, false, true};
  bench.run(milliseconds(500));
  const ClockReport report = bench.report();
  EXPECT_EQ(report.sources[2].sample_age, Duration{});
  EXPECT_EQ(report.truth.sample_age, milliseconds(500)) << "what a liar said just now makes nothing fresh";
}

TEST(ClockReport, SaysWhomASourceStandsFor) {
  Bench bench(4);
  bench.root[1].reference = bench.root[3].reference;
  bench.root[2] = {.reference = 0xC0A80001, .clock = ptp::ClockKind::kSystem, .bare_clock = false, .disciplines = true};
  bench.speaks[0] = false;
  bench.run(milliseconds(100));
  const ClockReport report = bench.report();
  EXPECT_EQ(report.truth.configured, 4U);
  EXPECT_EQ(report.truth.witnesses, 2U);
  EXPECT_EQ(report.sources[1].witness, 1U);
  EXPECT_EQ(report.sources[2].witness, 2U);
  EXPECT_EQ(report.sources[3].witness, 1U) << "the number of the configuration, also if one before it is silent";
  EXPECT_EQ(report.sources[2].root, "reference id C0A80001");
  EXPECT_EQ(report.sources[0].state, "silent");
  EXPECT_EQ(report.sources[0].text, "it has said nothing yet");
  EXPECT_FALSE(report.sources[0].offset || report.sources[0].sample_age);
}

TEST(ClockReport, ShowsWhoStandsApartWhenNobodyIsBelieved) {
  Bench bench(2);
  bench.run(milliseconds(100));
  bench.off[1] = milliseconds(2);
  bench.turn();
  const ClockReport report = bench.report();
  EXPECT_EQ(report.true_time, "disagreement");
  EXPECT_EQ(report.truth.disagreements, 1U);
  EXPECT_TRUE(report.truth.terms.empty());
  for (const control::TimeSourceReport& source : report.sources) {
    EXPECT_EQ(source.state, "disputed");
    EXPECT_TRUE(source.healthy);
    EXPECT_FALSE(source.chosen || source.earliest || source.latest);
    EXPECT_NEAR(static_cast<double>(source.offset->ns), &source == &report.sources[0] ? -1e6 : 1e6, 100);
  }
}

TEST(ClockReport, RemembersTheLatestContradiction) {
  Bench bench(1);
  bench.run(seconds(1));
  EXPECT_FALSE(bench.report().truth.contradicted_ago);
  bench.off[0] = milliseconds(1);
  bench.run(seconds(1));
  const ClockReport report = bench.report(milliseconds(500));
  EXPECT_EQ(report.true_time, "synchronised");
  EXPECT_EQ(report.truth.contradictions, 1U);
  EXPECT_NEAR(static_cast<double>(report.truth.contradicted_ago->ns), 1.49e9, 2e7);
  EXPECT_GT(report.truth.suspect, Duration{});
}

TEST(ClockReport, SaysSoInHoldover) {
  Bench bench(1);
  bench.run(seconds(1));
  bench.speaks[0] = false;
  bench.run(seconds(5));
  const ClockReport report = bench.report();
  EXPECT_TRUE(report.truth.holdover);
  EXPECT_EQ(report.true_time, "synchronised");
  EXPECT_NEAR(static_cast<double>(report.truth.support_age->ns), 2e9, 3e7) << "a claim counts for 3 s";
  EXPECT_NEAR(static_cast<double>(report.truth.sample_age->ns), 5e9, 3e7);
  EXPECT_EQ(report.truth.witnesses, 0U);
  EXPECT_EQ(report.truth.believed, 0U);
  EXPECT_EQ(report.sources[0].fault, "stale");
}

TEST(ClockReport, CountsNobodyWhoseSamplesCannotBeDated) {
  Bench bench(2);
  bench.run(seconds(1));
  bench.trusted = false;
  bench.turn();
  const ClockReport report = bench.report();
  EXPECT_EQ(report.true_time, "counter_untrusted");
  EXPECT_EQ(report.truth.witnesses, 0U);
  EXPECT_FALSE(report.sources[0].healthy);
  EXPECT_NE(report.sources[0].text.find("cycle counter"), std::string::npos) << report.sources[0].text;
}

TEST(ClockReport, SaysWhichSecondItIs) {
  Bench bench(1);
  bench.scale = ptp::Scale::kUtc;
  bench.turn();
  const ClockReport sure = bench.report();
  EXPECT_EQ(sure.leap.tai_minus_utc, kTaiMinusUtc);
  EXPECT_EQ(sure.leap.smear, Duration{});
  EXPECT_EQ(sure.leap.doubt, Duration{});
  EXPECT_FALSE(sure.leap.announced_ago || sure.leap.next || sure.leap.expired);
  bench.announced = true;
  bench.turn();
  const ClockReport announced = bench.report(milliseconds(250));
  EXPECT_EQ(announced.leap.announced_ago, milliseconds(250));
  EXPECT_EQ(announced.leap.doubt, seconds(1));
  EXPECT_NE(announced.leap.doubt_text, sure.leap.doubt_text);
}

TEST(ClockReport, SaysThatTheLeapTableHasExpired) {
  Bench bench(1);
  bench.leaps = table_until({kUtc - seconds(86'400).ns});
  bench.turn();
  const ClockReport report = bench.report();
  EXPECT_TRUE(report.leap.expired);
  EXPECT_NEAR(static_cast<double>(report.leap.expires_in->ns), -86'400e9, 1e9);
  EXPECT_EQ(report.leap.doubt, seconds(1));
}

TEST(ClockReport, SaysHowFarTheSmearIs) {
  Bench bench(1);
  // Six hours from now a second is inserted: half of the twelve hours of smearing before it are over.
  const std::int64_t midnight = (kUtc / seconds(86'400).ns + 1) * seconds(86'400).ns;
  ASSERT_TRUE(bench.leaps.append({.from = {midnight}, .tai_minus_utc = seconds(38)}));
  bench.now = Duration{midnight - kUtc} - seconds(6 * 3600);
  bench.turn();
  const ClockReport report = bench.report();
  EXPECT_EQ(report.leap.next, time::Utc{midnight});
  EXPECT_EQ(report.leap.next_step, seconds(1));
  EXPECT_NEAR(static_cast<double>(report.leap.smear->ns), -250e6, 1e6);
}

TEST(ClockReport, OfNothingIsNothing) {
  const ClockReport report = clock_report(std::nullopt, ptp::ClockStatus{}, {1});
  EXPECT_EQ(report.true_time, "unreadable");
  EXPECT_EQ(report.state, "no_time");
  EXPECT_TRUE(report.sources.empty());
  EXPECT_FALSE(report.truth.earliest || report.truth.sample_age || report.leap.tai_minus_utc);
}

}  // namespace
}  // namespace gnomon::cmd
