// SPDX-License-Identifier: Apache-2.0
//
// External consistency between two processes (docs/design.md, promise X): once a commit-wait on t has returned in one,
// now() in the other has latest > t, though their counters drift apart and their sources are wrong in opposite
// directions. Real time, real pages, the production estimator; the truth is known (pairs/). GNOMON_TEST_FULL=1 for
// 100,000 pairs each way.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/ptp/pairs/pair_run.hpp"

namespace gnomon::pairs {
namespace {

bool in_full() {
  const char* const full = std::getenv("GNOMON_TEST_FULL");
  return full != nullptr && std::string_view(full) == "1";
}

/// Which of the two clocks waits.
enum class Waiter : std::uint8_t { kWide, kNarrow };

// The waiter's clock is ahead by all that its source allows and the witness's is behind, as it is hardest.
Scenario scenario_of(Waiter waiter, std::uint32_t pairs) {
  ClockSpec wide;
  wide.seed = 11;
  wide.first_ppm = 150;
  wide.bound = time::microseconds(100);
  ClockSpec narrow;
  narrow.seed = 12;
  narrow.first_ppm = -150;
  narrow.bound = time::microseconds(40);
  Scenario scenario;
  scenario.waiter = waiter == Waiter::kWide ? wide : narrow;
  scenario.witness = waiter == Waiter::kWide ? narrow : wide;
  scenario.waiter.name = fmt::format("gnomon.pairs-{}.waiter", getpid());
  scenario.witness.name = fmt::format("gnomon.pairs-{}.witness", getpid());
  scenario.waiter.first_percent = 100;
  scenario.witness.first_percent = -100;
  scenario.waiter.first_for = scenario.witness.first_for = time::milliseconds(300);
  scenario.pairs = pairs;
  return scenario;
}

Scenario stuck_at_the_edges(Waiter waiter, std::uint32_t pairs) {
  Scenario scenario = scenario_of(waiter, pairs);
  scenario.waiter.first_for = scenario.witness.first_for = time::seconds(500);
  return scenario;
}

void report(const char* what, const Verdict& verdict) {
  const std::string text = fmt::format(
      "{}: {} pairs served; 2 epsilon p50 {:.1f}, max {:.1f} us; the wait's excess over it p50 {:.1f}, "
      "p99 {:.1f}, max {:.1f} us",
      what, verdict.served, percentile(verdict.width_us, 50), percentile(verdict.width_us, 100),
      percentile(verdict.excess_us, 50), percentile(verdict.excess_us, 99), percentile(verdict.excess_us, 100));
  std::printf("%s\n", text.c_str());
  testing::Test::RecordProperty("waits", text);
}

class CommitWaitPairs : public testing::TestWithParam<Waiter> {};

TEST_P(CommitWaitPairs, WhoeverLooksAfterTheWaitIsLaterThanWhatWasCommitted) {
  const std::uint32_t pairs = in_full() ? 100'000 : 3'000;
  const auto seen = run_pairs(scenario_of(GetParam(), pairs));
  ASSERT_TRUE(seen) << seen.error();
  const Verdict verdict = judge(*seen);
  EXPECT_EQ(verdict.served, pairs) << "refusing to say what time it is would be right as well";
  EXPECT_EQ(verdict.early, 0U) << verdict.first;
  EXPECT_EQ(verdict.outrun, 0U) << verdict.first;
  EXPECT_EQ(verdict.missed, 0U) << verdict.first;
  const time::Duration stated = scenario_of(GetParam(), 1).waiter.bound;
  EXPECT_GT(percentile(verdict.width_us, 100) * 1e3, static_cast<double>(stated.ns))
      << "there was something to wait for";
  report(GetParam() == Waiter::kWide ? "the wide clock waits" : "the narrow clock waits", verdict);
}

// A wait that ends at latest > t ends at once, before t has come, and the witness is still behind.
TEST_P(CommitWaitPairs, AReleaseByTheLatestIsCaught) {
  Scenario scenario = stuck_at_the_edges(GetParam(), 500);
  scenario.release_by = ReleaseBy::kLatest;
  const auto seen = run_pairs(scenario);
  ASSERT_TRUE(seen) << seen.error();
  const Verdict verdict = judge(*seen);
  EXPECT_EQ(verdict.served, scenario.pairs);
  EXPECT_GT(verdict.early, scenario.pairs / 2U) << "waits that ended before t";
  EXPECT_GT(verdict.outrun, 0U) << "no witness had a latest that is not larger; all looked late";
  EXPECT_EQ(verdict.missed, 0U) << "it is not the clocks that are wrong: " << verdict.first;
  std::printf("caught: %s\n", verdict.first.c_str());
}

// The wait alone does not make it: the clock of who looks has to be right too.
TEST_P(CommitWaitPairs, AWitnessThatIsWrongBeyondItsBoundIsCaught) {
  Scenario scenario = stuck_at_the_edges(GetParam(), 500);
  scenario.witness.first_percent = -50'000;  // tens of milliseconds: more than a scheduler's turn can hide
  const auto seen = run_pairs(scenario);
  ASSERT_TRUE(seen) << seen.error();
  const Verdict verdict = judge(*seen);
  EXPECT_EQ(verdict.served, scenario.pairs);
  EXPECT_EQ(verdict.early, 0U) << "the waiter has done all it can";
  EXPECT_GT(verdict.outrun, scenario.pairs / 2U);
  EXPECT_GT(verdict.missed, scenario.pairs / 2U);
  std::printf("caught: %s\n", verdict.first.c_str());
}

INSTANTIATE_TEST_SUITE_P(EachWay, CommitWaitPairs, testing::Values(Waiter::kWide, Waiter::kNarrow),
                         [](const testing::TestParamInfo<Waiter>& parameter) {
                           return std::string(parameter.param == Waiter::kWide ? "wide_waits" : "narrow_waits");
                         });

}  // namespace
}  // namespace gnomon::pairs
