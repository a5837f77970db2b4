// SPDX-License-Identifier: Apache-2.0
//
// What the estimator of the true time remembers, what it holds a claim against, and when it forgets: each where only
// that one memory makes the difference.
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <vector>

#include "tests/ptp/true_time_bench.hpp"

namespace gnomon::ptp {
namespace {

using time::ClockFault;
using time::microseconds;
using time::milliseconds;
using time::seconds;

/// A turn with these references instead of the sources' own.
const TrueTimeView& turn_with(Bench& bench, const std::vector<std::uint64_t>& references) {
  bench.now = bench.now + kTurn;
  for (std::size_t i = 0; i < references.size(); ++i) {
    Claim claim = bench.claim(i);
    claim.root.reference = references[i];
    bench.news[i] = bench.speaks[i] ? News(ClaimOr(claim)) : std::nullopt;
  }
  return bench.step();
}

time::Duration epsilon(const Bench& bench) { return bench.interval().epsilon(); }

// ---- what was proved before narrows what is claimed now, as long as it rests on the same

TEST(TrueTimeMemory, NarrowsWhatTheSameSourcesClaim) {
  Bench bench(1);
  for (const std::int64_t off : {-90, 90}) {
    bench.off[0] = microseconds(off);
    bench.turn();
  }
  EXPECT_LT(epsilon(bench), microseconds(15)) << "of ±100 us";
  EXPECT_TRUE(bench.right());
}

TEST(TrueTimeMemory, NarrowsNothingAcrossAnotherGrandmaster) {
  Bench bench(1);
  bench.off[0] = microseconds(-90);
  turn_with(bench, {7});
  bench.off[0] = microseconds(90);
  turn_with(bench, {8});
  EXPECT_GT(epsilon(bench), microseconds(99));
  bench.off[0] = microseconds(-90);
  turn_with(bench, {8});
  EXPECT_LT(epsilon(bench), microseconds(15)) << "and goes on from there";
}

TEST(TrueTimeMemory, SourcesThatSwapTheirGrandmastersAreTheSame) {
  Bench bench(2);
  bench.off = {microseconds(-90), microseconds(-90)};
  turn_with(bench, {7, 8});
  bench.off = {microseconds(90), microseconds(90)};
  turn_with(bench, {8, 7});
  EXPECT_LT(epsilon(bench), microseconds(15));
}

// Who names no reference is known by his place.
TEST(TrueTimeMemory, NarrowsNothingAcrossAnotherSourceWithoutAReference) {
  for (const std::size_t first : {0U, 1U}) {
    Bench bench(2);
    bench.off = {microseconds(-90), microseconds(-90)};
    bench.speaks[1 - first] = false;
    turn_with(bench, {0, 0});
    bench.say(first, SourceFault::kPolicy);
    bench.off = {microseconds(90), microseconds(90)};
    bench.speaks = {first == 1, first == 0};
    turn_with(bench, {0, 0});
    EXPECT_GT(epsilon(bench), microseconds(99)) << first;
  }
}

TEST(TrueTimeMemory, JoinsWhatSourcesOfOneRootSay) {
  Bench bench(3);
  bench.off = {microseconds(-50), microseconds(80), microseconds(10)};
  turn_with(bench, {7, 7, 7});
  EXPECT_EQ(bench.estimator.view().roots, 1U);
  const time::Interval all = bench.interval();
  EXPECT_NEAR(static_cast<double>(all.earliest.ns - kTai - bench.now.ns), -150'000, 10);
  EXPECT_NEAR(static_cast<double>(all.latest.ns - kTai - bench.now.ns), 180'000, 10);
}

// ---- off by whole seconds

TEST(TrueTimeMemory, AWideClaimThatMeetsWhatWasProvedIsNotOff) {
  Bench bench(1);
  bench.bound = seconds(1);
  bench.turn();
  bench.off[0] = milliseconds(900);
  bench.turn();
  EXPECT_EQ(bench.fault(), ClockFault::kNone);
  EXPECT_EQ(bench.estimator.sources()[0].claims, 2U);
}

TEST(TrueTimeMemory, AJumpByHalfASecondAndMoreMayBeAWholeOneWhereTheClaimsAreWide) {
  for (const std::int64_t sign : {1, -1}) {
    Bench bench(1);
    bench.bound = milliseconds(250);
    bench.turn();
    bench.off[0] = milliseconds(sign * 600);
    bench.turn();
    ASSERT_TRUE(bench.estimator.sources()[0].error) << sign;
    EXPECT_EQ(bench.estimator.sources()[0].error->fault, SourceFault::kWholeSeconds);
  }
}

TEST(TrueTimeMemory, AWholeSecondAndAMillisecondAndNoMoreIsAWholeSecond) {
  struct Case {
    time::Duration jump;
    bool whole;
  };
  for (const auto& [jump, whole] :
       {Case{milliseconds(1'000), true}, Case{microseconds(1'001'100), true}, Case{microseconds(1'001'500), false},
        Case{microseconds(998'500), false}, Case{milliseconds(1'300), false}}) {
    Bench bench(1);
    bench.turn();
    bench.off[0] = jump;
    bench.turn();
    EXPECT_EQ(bench.estimator.sources()[0].error.has_value(), whole) << jump.ns;
    EXPECT_EQ(bench.fault(), whole ? ClockFault::kNone : ClockFault::kContradiction) << jump.ns;
  }
}

// After a contradiction neither side is proved: a claim is held against what its source said last.
TEST(TrueTimeMemory, AContradictionGivesUpWhatWasProved) {
  Bench bench(1);
  bench.turn();
  bench.off[0] = milliseconds(300);
  bench.turn();
  ASSERT_EQ(bench.fault(), ClockFault::kContradiction);
  bench.off[0] = seconds(1);
  bench.turn();
  EXPECT_EQ(bench.estimator.sources()[0].claims, 3U) << "0.7 s from its last word";
  EXPECT_FALSE(bench.estimator.sources()[0].error);
}

TEST(TrueTimeMemory, WhatAnEarlierRunProvedIsHeldAgainstAFirstWord) {
  Bench before(1);
  before.turn();
  Bench bench(1);
  bench.estimator.resume(before.estimator.view().line, before.at());
  bench.now = before.now;
  bench.off[0] = seconds(37);
  bench.run(seconds(1));
  EXPECT_EQ(bench.estimator.sources()[0].state, SourceState::kEvicted);
  EXPECT_TRUE(bench.right()) << "held over";
  EXPECT_TRUE(bench.estimator.view().holdover);
  bench.off[0] = {};
  bench.turn();
  EXPECT_FALSE(bench.estimator.view().holdover);
}

// ---- after a contradiction

/// One source that contradicted itself, and another that has said nothing yet.
Bench contradicted() {
  Bench bench(2);
  bench.trusted = false;
  bench.turn();
  bench.trusted = true;
  bench.speaks[1] = false;
  bench.turn();
  bench.off[0] = milliseconds(5);
  bench.turn();
  EXPECT_EQ(bench.fault(), ClockFault::kContradiction);
  return bench;
}

TEST(TrueTimeMemory, WhatIsNotTakenConfirmsNothing) {
  const Claim before_the_counter = [] {
    Claim claim = Bench(2).claim(1);
    claim.at = {1};
    return claim;
  }();
  enum class Said : std::uint8_t { kSame, kBeforeTheCounter, kImplausible, kNotConvertible };
  for (const Said said : {Said::kSame, Said::kBeforeTheCounter, Said::kImplausible, Said::kNotConvertible}) {
    Bench bench = contradicted();
    const Claim same = bench.claim(0);
    for (int i = 0; i < 20; ++i) {
      bench.now = bench.now + kTurn;
      Claim other = bench.claim(1);
      if (said == Said::kImplausible) other.terms.source = seconds(-1);
      if (said == Said::kNotConvertible) {
        other.scale = Scale::kUtc;
        other.tai_minus_utc = seconds(36);
      }
      if (said == Said::kBeforeTheCounter) other = before_the_counter;
      bench.news = {std::nullopt, std::nullopt};
      if (said == Said::kSame)
        bench.news[0] = ClaimOr(same);
      else
        bench.news[1] = ClaimOr(other);
      EXPECT_EQ(bench.step().line.fault, ClockFault::kContradiction) << static_cast<int>(said) << " " << i;
    }
    bench.speaks = {true, false};
    for (std::uint32_t i = 0; i < options().confirmations; ++i)
      bench.turn();
    EXPECT_EQ(bench.fault(), ClockFault::kNone) << static_cast<int>(said);
  }
}

TEST(TrueTimeMemory, WholeSecondsConfirmNothing) {
  Bench bench(2);
  bench.run(milliseconds(100));
  bench.say(1, SourceFault::kPolicy);  // and what it said last is what it is held against
  bench.speaks[1] = false;
  bench.off[0] = milliseconds(5);
  bench.turn();
  ASSERT_EQ(bench.fault(), ClockFault::kContradiction);
  bench.speaks = {false, true};
  bench.off[1] = seconds(37);
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(bench.turn().line.fault, ClockFault::kContradiction) << i;
  EXPECT_EQ(bench.estimator.sources()[1].state, SourceState::kEvicted);
}

TEST(TrueTimeMemory, ConfirmsOnlyWhatAllOfThemHaveInCommon) {
  Bench bench = contradicted();
  for (int i = 0; i < 20; ++i) {  // each meets the first, and no two in a row meet each other
    bench.off[0] = milliseconds(5) + microseconds(i % 2 == 0 ? 150 : -150);
    EXPECT_EQ(bench.turn().line.fault, ClockFault::kContradiction) << i;
  }
}

TEST(TrueTimeMemory, WhoChangesHisMindNeedsAllConfirmationsAgain) {
  Bench bench = contradicted();
  for (int i = 0; i < 4; ++i)
    bench.turn();
  bench.off[0] = milliseconds(9);
  bench.turn();
  for (std::uint32_t i = 1; i < options().confirmations; ++i)
    EXPECT_EQ(bench.turn().line.fault, ClockFault::kContradiction) << i;
  EXPECT_EQ(bench.turn().line.fault, ClockFault::kNone);
}

TEST(TrueTimeMemory, AContradictionThatIsOverIsOver) {
  Bench bench = contradicted();
  for (std::uint32_t i = 0; i < options().confirmations; ++i)
    bench.turn();
  ASSERT_EQ(bench.fault(), ClockFault::kNone);
  bench.speaks[0] = false;
  EXPECT_EQ(bench.turn().line.fault, ClockFault::kNone) << "also in a turn without a sample";
  bench.speaks[0] = true;
  bench.off[0] = bench.off[0] + microseconds(150);
  bench.turn();
  EXPECT_LT(epsilon(bench), microseconds(60)) << "what was confirmed narrows what comes next";
  bench.off[0] = milliseconds(20);
  bench.turn();
  ASSERT_EQ(bench.fault(), ClockFault::kContradiction);
  EXPECT_LE(bench.estimator.view().suspect, milliseconds(10));
}

TEST(TrueTimeMemory, WhatWasConfirmedNarrowsTheVeryNextClaim) {
  Bench bench = contradicted();
  for (std::uint32_t i = 0; i < options().confirmations; ++i)
    bench.turn();
  bench.off[0] = bench.off[0] + microseconds(150);
  bench.turn();
  EXPECT_LT(epsilon(bench), microseconds(60));
}

TEST(TrueTimeMemory, TheConfirmingSampleIsTheLatestGoodOne) {
  Bench bench = contradicted();
  for (std::uint32_t i = 0; i < options().confirmations; ++i)
    bench.turn();
  ASSERT_EQ(bench.fault(), ClockFault::kNone);
  bench.off[0] = milliseconds(20);
  bench.turn();
  ASSERT_EQ(bench.fault(), ClockFault::kContradiction);
  EXPECT_EQ(bench.estimator.view().suspect, milliseconds(10));
}

TEST(TrueTimeMemory, WhatRefusesIsRenewedForAsLongAsItDoes) {
  Bench bench = contradicted();
  bench.speaks[0] = false;
  for (int i = 0; i < 5; ++i) {
    bench.turn();
    EXPECT_EQ(bench.estimator.view().line.void_after.count,
              bench.at().count + static_cast<std::uint64_t>(options().void_after.ns));
  }
}

// ---- silence, and what is said of a source

TEST(TrueTimeMemory, WhoIsUnhealthyStandsForItselfAndBoundsNothing) {
  Bench bench(2);
  bench.off = {microseconds(-50), microseconds(80)};
  turn_with(bench, {7, 7});
  const auto sources = bench.estimator.sources();
  ASSERT_EQ(sources[1].witness, 0U);
  bench.off[1] = {};
  turn_with(bench, {7, 8});
  bench.off = {microseconds(20), microseconds(20)};
  turn_with(bench, {7, 8});
  ASSERT_TRUE(sources[1].bounds_earliest);
  ASSERT_TRUE(sources[1].bounds_latest);
  turn_with(bench, {7, 7});
  ASSERT_EQ(sources[1].witness, 0U);
  bench.speaks = {false, false};
  bench.turn(seconds(4));
  EXPECT_EQ(sources[1].witness, 1U);
  EXPECT_FALSE(sources[1].bounds_earliest || sources[1].bounds_latest);
}

TEST(TrueTimeMemory, AGoodClaimEndsTheErrorBeforeIt) {
  Bench bench(1);
  bench.say(0, SourceFault::kPolicy);
  ASSERT_TRUE(bench.estimator.sources()[0].error);
  bench.turn();
  EXPECT_FALSE(bench.estimator.sources()[0].error);
}

TEST(TrueTimeMemory, WhoHasSaidNothingIsInNoDispute) {
  Bench bench(3);
  bench.speaks[2] = false;
  bench.off[1] = milliseconds(1);
  bench.turn();
  EXPECT_EQ(bench.fault(), ClockFault::kDisagreement);
  EXPECT_EQ(bench.estimator.sources()[1].state, SourceState::kDisputed);
  EXPECT_EQ(bench.estimator.sources()[2].state, SourceState::kSilent);
}

TEST(TrueTimeMemory, WhoSaidOnlyWhatWasNotTakenIsNotSilent) {
  Bench bench(2);
  bench.say(1, SourceFault::kPolicy);
  EXPECT_EQ(bench.estimator.sources()[1].state, SourceState::kUnhealthy);

  Bench off(2);
  off.speaks[1] = false;
  off.turn();
  off.speaks[1] = true;
  off.off[1] = seconds(37);
  off.turn();
  ASSERT_EQ(off.estimator.sources()[1].state, SourceState::kEvicted);
  off.trusted = false;
  off.turn();
  off.trusted = true;
  off.speaks[1] = false;
  off.turn();
  EXPECT_EQ(off.estimator.sources()[1].state, SourceState::kUnhealthy);
}

TEST(TrueTimeMemory, OneThatSpokeIsEnoughForThereBeingNoSource) {
  Bench bench(2);
  bench.say(0, SourceFault::kPolicy);
  EXPECT_EQ(bench.fault(), ClockFault::kNoSource);
}

TEST(TrueTimeMemory, WhatWasHeldOverForTooLongContradictsNobody) {
  Bench bench(1);
  bench.turn();
  bench.speaks[0] = false;
  bench.turn(seconds(5));
  bench.turn(options().holdover);
  ASSERT_EQ(bench.fault(), ClockFault::kNoSource);
  bench.speaks[0] = true;
  bench.off[0] = milliseconds(300);
  bench.turn();
  EXPECT_EQ(bench.fault(), ClockFault::kNone);
}

// ---- what ends with the counter

TEST(TrueTimeMemory, AContradictionEndsWithTheCounter) {
  Bench bench = contradicted();
  bench.trusted = false;
  bench.turn();
  bench.trusted = true;
  EXPECT_EQ(bench.turn().line.fault, ClockFault::kNone);
}

TEST(TrueTimeMemory, NobodyIsUsedWhileTheCounterIsNot) {
  Bench bench(2);
  bench.turn();
  bench.trusted = false;
  bench.turn();
  for (const SourceView& view : bench.estimator.sources()) {
    EXPECT_EQ(view.state, SourceState::kUnhealthy);
    EXPECT_FALSE(view.interval);
  }
}

TEST(TrueTimeMemory, WhoWasPutOutByWholeSecondsIsNotAfterwards) {
  Bench bench(3);
  bench.run(milliseconds(100));
  bench.off[1] = seconds(37);
  bench.turn();
  bench.say(2, SourceFault::kPolicy);
  const auto sources = bench.estimator.sources();
  ASSERT_EQ(sources[1].state, SourceState::kEvicted);
  bench.speaks = {true, false, false};
  bench.trusted = false;
  bench.turn();
  EXPECT_FALSE(sources[1].error) << "what it was off by has been forgotten, too";
  EXPECT_TRUE(sources[2].error) << "but not what a daemon says of itself";
  bench.trusted = true;
  bench.turn();
  EXPECT_EQ(sources[1].state, SourceState::kUnhealthy);
}

}  // namespace
}  // namespace gnomon::ptp
