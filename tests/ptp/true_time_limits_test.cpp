// SPDX-License-Identifier: Apache-2.0
//
// Where the estimator's limits lie, to the nanosecond, and what it says about its own answers. A limit that is off by
// one turn in silence is found by nobody until somebody relies on it.
#include <gtest/gtest.h>

#include <stdexcept>

#include "ptp/true_time_estimator.hpp"
#include "tests/ptp/true_time_bench.hpp"

namespace gnomon::ptp {
namespace {

using time::ClockFault;
using time::microseconds;
using time::milliseconds;
using time::nanoseconds;
using time::seconds;

TEST(TrueTimeLimits, AClaimCountsForAsLongAsItsTimeoutSays) {
  Bench bench(1);
  bench.turn();
  bench.speaks[0] = false;
  EXPECT_FALSE(bench.turn(options().source_timeout).holdover);
  EXPECT_EQ(bench.estimator.sources()[0].state, SourceState::kUsed);
  EXPECT_TRUE(bench.turn(nanoseconds(1)).holdover);
  EXPECT_EQ(bench.estimator.sources()[0].state, SourceState::kUnhealthy);
}

TEST(TrueTimeLimits, HoldsOverForAsLongAsItIsTold) {
  Bench bench(1);
  bench.turn();
  const time::Cycles supported = bench.at();
  bench.speaks[0] = false;
  const TrueTimeView& view = bench.turn(options().holdover);
  EXPECT_EQ(bench.fault(), ClockFault::kNone);
  EXPECT_EQ(view.supported_at, supported);
  bench.turn(nanoseconds(1));
  EXPECT_EQ(bench.fault(), ClockFault::kNoSource);
  bench.turn(nanoseconds(1));
  EXPECT_EQ(bench.fault(), ClockFault::kNoSource) << "and not as if no source had ever spoken";
}

TEST(TrueTimeLimits, IsTooWideBeyondItsMaximumOnly) {
  Bench usual(1);
  usual.turn();
  for (const time::Duration less : {time::Duration{}, nanoseconds(1)}) {
    TrueTimeOptions narrow = options();
    narrow.max_epsilon = usual.estimator.sources()[0].interval->epsilon() - less;
    Bench bench(1, narrow);
    bench.turn();
    EXPECT_EQ(bench.fault(), less == time::Duration{} ? ClockFault::kNone : ClockFault::kTooWide);
  }
}

TEST(TrueTimeLimits, AnAnnouncementHoldsForTwoDays) {
  Bench bench(1);
  bench.announced = true;
  bench.turn();
  const time::Cycles announced_at = bench.at();
  bench.announced = false;
  EXPECT_TRUE(bench.turn(seconds(2 * 86'400) - nanoseconds(1)).leap_announced);
  EXPECT_FALSE(bench.turn(nanoseconds(1)).leap_announced);
  EXPECT_EQ(bench.estimator.view().leap_announced_at, announced_at);
}

TEST(TrueTimeLimits, ATermIsABoundUpToAThousandSeconds) {
  for (const std::int64_t over : {0, 1}) {
    Bench bench(1);
    bench.now = bench.now + kTurn;
    Claim claim = bench.claim(0);
    claim.terms.asymmetry = seconds(1000) + nanoseconds(over);
    bench.news[0] = ClaimOr(claim);
    bench.step();
    EXPECT_EQ(bench.estimator.sources()[0].claims, over == 0 ? 1U : 0U);
    EXPECT_EQ(bench.estimator.sources()[0].errors, over == 0 ? 0U : 1U);
  }
}

TEST(TrueTimeLimits, AClaimMayBeAheadByAsMuchAsTwoCoresDiffer) {
  for (const std::int64_t over : {0, 1}) {
    Bench bench(1);
    bench.now = bench.now + kTurn;
    Claim claim = bench.claim(0);
    claim.at = {claim.at.count + static_cast<std::uint64_t>((time::TrueTimeLine::kMaxLag + nanoseconds(over)).ns)};
    bench.news[0] = ClaimOr(claim);
    bench.step();
    EXPECT_EQ(bench.estimator.sources()[0].claims, over == 0 ? 1U : 0U);
  }
}

TEST(TrueTimeLimits, IsVoidWithoutRenewalAlsoWhenItRefuses) {
  const auto period = static_cast<std::uint64_t>(options().void_after.ns);
  Bench bench(1);
  const time::TrueTimeLine& line = bench.turn().line;
  const std::uint64_t proved = bench.at().count;
  EXPECT_TRUE(line.at({proved + period - 1}));
  EXPECT_EQ(line.at({proved + period}).error(), ClockFault::kVoid);
  bench.trusted = false;
  bench.turn();
  const std::uint64_t refused = bench.at().count;
  EXPECT_EQ(line.at({refused + period - 1}).error(), ClockFault::kCounterUntrusted);
  EXPECT_EQ(line.at({refused + period}).error(), ClockFault::kVoid);
}

TEST(TrueTimeLimits, CountsADisagreementOnceForAsLongAsItLasts) {
  Bench bench(2);
  for (std::uint64_t times = 1; times <= 2; ++times) {
    bench.off[1] = {};
    bench.turn();
    EXPECT_EQ(bench.fault(), ClockFault::kNone);
    bench.off[1] = milliseconds(1);
    bench.turn();
    bench.turn();
    EXPECT_EQ(bench.fault(), ClockFault::kDisagreement);
    EXPECT_EQ(bench.estimator.view().disagreements, times);
    EXPECT_EQ(bench.estimator.view().roots, 2U);
  }
}

TEST(TrueTimeLimits, NamesTheFirstOfItsBestSources) {
  Bench bench(3);
  const auto said = [&](std::size_t i, time::Duration bound, time::Duration age) {
    Claim claim = bench.claim(i);
    claim.terms.source = bound;
    claim.at = {claim.at.count - static_cast<std::uint64_t>(age.ns)};
    claim.reading_ns -= age.ns;
    bench.news[i] = ClaimOr(claim);
  };
  bench.now = seconds(1);
  said(0, microseconds(300), {});
  said(1, microseconds(100), milliseconds(5));
  said(2, microseconds(100), milliseconds(5));
  const TrueTimeView& view = bench.step();
  EXPECT_EQ(view.best, 1U);
  EXPECT_EQ(view.sampled_at.count, bench.at().count - 5'000'000);
  EXPECT_EQ(view.terms.source, microseconds(100));
  EXPECT_EQ(view.terms.extrapolation, options().drift.over(milliseconds(5)));
  // The narrowest of all, and it contradicts the others: it is not what the result rests on.
  bench.now = bench.now + kTurn;
  bench.off[0] = milliseconds(10);
  said(0, microseconds(1), {});
  said(1, microseconds(100), {});
  said(2, microseconds(90), {});
  bench.step();
  EXPECT_EQ(view.best, 2U);
  EXPECT_EQ(view.sampled_at, bench.at());
}

TEST(TrueTimeLimits, SuspectsTheTimeSinceTheLastSampleThatAgreed) {
  Bench bench(1);
  bench.turn();
  bench.speaks[0] = false;
  bench.turn(seconds(2));  // supports, with nothing new
  bench.speaks[0] = true;
  bench.off[0] = milliseconds(5);
  const TrueTimeView& view = bench.turn(milliseconds(500));
  EXPECT_EQ(view.line.fault, ClockFault::kContradiction);
  EXPECT_EQ(view.suspect, milliseconds(2'500));
}

TEST(TrueTimeLimits, WhatAnEarlierRunLeftIsSuspectedSinceItsSupport) {
  Bench first(1);
  first.turn();
  Bench second(1);
  second.now = first.now + seconds(7);
  second.estimator.resume(first.estimator.view().line, first.at());
  EXPECT_EQ(second.estimator.view().supported_at, first.at());
  second.off[0] = milliseconds(10);
  const TrueTimeView& view = second.turn(seconds(1));
  EXPECT_EQ(view.line.fault, ClockFault::kContradiction);
  EXPECT_EQ(view.suspect, seconds(8));
}

TEST(TrueTimeLimits, WhatAnEarlierRunLeftHoldsFromItsSupportAndNotFromTheFirstCycle) {
  Bench first(1);
  first.turn(seconds(500));
  Bench second(1);
  second.now = first.now;
  second.estimator.resume(first.estimator.view().line, first.at());
  second.speaks[0] = false;
  second.turn(options().holdover);
  EXPECT_EQ(second.fault(), ClockFault::kNone);
  second.turn(nanoseconds(1));
  EXPECT_EQ(second.fault(), ClockFault::kNoSource);
}

TEST(TrueTimeLimits, BeforeTheFirstTurnNothingIsClaimedOfAnySource) {
  const TrueTimeEstimator estimator(options(), 2);
  const TrueTimeView& view = estimator.view();
  EXPECT_EQ(view.line.fault, ClockFault::kNotProven);
  EXPECT_EQ(view.best, 0U);
  EXPECT_EQ(view.roots, 0U);
  EXPECT_FALSE(view.holdover);
  EXPECT_FALSE(view.leap_announced);
  for (const SourceView& source : estimator.sources()) {
    EXPECT_EQ(source.state, SourceState::kSilent);
    EXPECT_EQ(source.witness, 0U);
    EXPECT_FALSE(source.bounds_earliest);
    EXPECT_FALSE(source.bounds_latest);
  }
}

TEST(TrueTimeLimits, ALineServesForTwoSecondsWithoutRenewal) {
  Bench bench(1);
  const TrueTimeView& view = bench.turn();
  const auto in = [&](time::Duration later) {
    return view.line.at({bench.at().count + static_cast<std::uint64_t>(later.ns)});
  };
  EXPECT_TRUE(in(seconds(2) - nanoseconds(1)));
  ASSERT_FALSE(in(seconds(2)));
  EXPECT_EQ(in(seconds(2)).error(), ClockFault::kVoid);
}

TEST(TrueTimeLimits, AsManySourcesAsThereIsRoomForSpeak) {
  Bench bench(time::kMaxSources);
  bench.run(milliseconds(50));
  EXPECT_TRUE(bench.right());
  EXPECT_EQ(bench.estimator.view().roots, time::kMaxSources);
}

TEST(TrueTimeLimits, TakesAsManySourcesAsItHasRoomFor) {
  EXPECT_NO_THROW(TrueTimeEstimator(options(), time::kMaxSources));
  EXPECT_THROW(TrueTimeEstimator(options(), time::kMaxSources + 1), std::invalid_argument);
}

TEST(TrueTimeLimits, ForgetsWithTheCounterAlsoThatItHeldOver) {
  Bench bench(2);
  bench.turn();
  bench.speaks = {false, false};
  EXPECT_TRUE(bench.turn(seconds(4)).holdover);
  EXPECT_EQ(bench.estimator.view().roots, 0U);
  bench.trusted = false;
  bench.turn();
  EXPECT_FALSE(bench.estimator.view().holdover);
  for (const SourceView& view : bench.estimator.sources()) {
    EXPECT_EQ(view.state, SourceState::kUnhealthy);
    EXPECT_FALSE(view.claim || view.interval);
  }
}

// A contradiction is over when enough new samples agree; turns without one, and turns without any source, agree with
// nobody.
TEST(TrueTimeLimits, OnlyNewSamplesConfirm) {
  Bench bench(1);
  bench.turn();
  bench.off[0] = milliseconds(5);
  bench.turn();
  bench.speaks[0] = false;
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(bench.turn().line.fault, ClockFault::kContradiction);
  EXPECT_EQ(bench.turn(seconds(4)).line.fault, ClockFault::kContradiction) << "fallen silent";
  bench.speaks[0] = true;
  for (std::uint32_t i = 1; i < options().confirmations; ++i)
    EXPECT_EQ(bench.turn().line.fault, ClockFault::kContradiction) << i;
  EXPECT_EQ(bench.turn().line.fault, ClockFault::kNone);
  EXPECT_EQ(bench.estimator.view().contradictions, 1U);
}

}  // namespace
}  // namespace gnomon::ptp
