// SPDX-License-Identifier: Apache-2.0
//
// The estimator's decisions one by one, in virtual time: a counter of 1 GHz that is right, and sources that say what
// they are told to. That its answers contain the truth is shown in truth/.
#include "ptp/true_time_estimator.hpp"

#include <gtest/gtest.h>

#include <string>

#include "tests/ptp/true_time_bench.hpp"

namespace gnomon::ptp {
namespace {

using time::ClockFault;
using time::microseconds;
using time::milliseconds;
using time::seconds;

TEST(TrueTimeEstimator, HasNothingToSayUntilASourceHas) {
  Bench bench(2);
  EXPECT_EQ(bench.fault(), ClockFault::kNotProven);
  bench.speaks = {false, false};
  bench.turn();
  EXPECT_EQ(bench.fault(), ClockFault::kNotProven);
  EXPECT_EQ(bench.estimator.sources()[0].state, SourceState::kSilent);
  bench.speaks[1] = true;
  EXPECT_EQ(bench.turn().line.fault, ClockFault::kNone);
  EXPECT_TRUE(bench.right());
  EXPECT_EQ(bench.estimator.sources()[1].state, SourceState::kUsed);
  EXPECT_LT(bench.interval().epsilon(), microseconds(101));
}

TEST(TrueTimeEstimator, SaysWhatTheIntervalIsMadeOf) {
  TrueTimeOptions with_cores = options();
  with_cores.cores = time::nanoseconds(700);
  Bench bench(1, with_cores);
  bench.turn();
  bench.speaks[0] = false;
  const TrueTimeView& view = bench.turn(seconds(1));
  EXPECT_EQ(view.terms.source, microseconds(100));
  EXPECT_EQ(view.terms.cores, time::nanoseconds(701)) << "by a counter that may be slow";
  EXPECT_NEAR(static_cast<double>(view.terms.extrapolation.ns), 200'000, 100);
  EXPECT_NEAR(static_cast<double>(bench.interval().epsilon().ns), static_cast<double>(view.terms.sum().ns), 100);
}

TEST(TrueTimeEstimator, HoldsOverWhenAllFallSilentAndThenRefuses) {
  Bench bench(1);
  bench.run(seconds(1));
  bench.speaks[0] = false;
  const TrueTimeView& silent = bench.run(seconds(4));
  EXPECT_EQ(silent.line.fault, ClockFault::kNone);
  EXPECT_TRUE(silent.holdover);
  EXPECT_EQ(bench.estimator.sources()[0].state, SourceState::kUnhealthy);
  EXPECT_EQ(bench.estimator.sources()[0].error->fault, SourceFault::kStale);
  EXPECT_GT(bench.interval().epsilon(), microseconds(800)) << "grown by 200 ppm";
  EXPECT_NEAR(static_cast<double>(silent.terms.sum().ns), static_cast<double>(bench.interval().epsilon().ns), 10);
  EXPECT_TRUE(bench.right());
  bench.run(seconds(60));
  EXPECT_EQ(bench.fault(), ClockFault::kNoSource);
  bench.speaks[0] = true;
  bench.turn();
  EXPECT_EQ(bench.fault(), ClockFault::kNone) << "with nothing to contradict it";
}

TEST(TrueTimeEstimator, AgesAClaimFromItsIngressAndNotFromItsArrival) {
  Bench bench(1);
  bench.now = seconds(10);
  Claim old = bench.claim(0);
  old.at = {bench.at().count - 2'900'000'000};
  old.reading_ns -= 2'900'000'000;
  bench.news[0] = ClaimOr(old);
  EXPECT_EQ(bench.step().line.fault, ClockFault::kNone);
  EXPECT_GT(bench.interval().epsilon(), microseconds(100 + 579));
  bench.speaks[0] = false;
  bench.turn(milliseconds(200));
  EXPECT_TRUE(bench.estimator.view().holdover) << "3.1 s after the ingress it is too old";
  bench.news[0] = ClaimOr(old);
  bench.step();
  EXPECT_EQ(bench.estimator.sources()[0].claims, 1U) << "the same again is nothing new";
}

TEST(TrueTimeEstimator, RefusesWhenTwoDisagree) {
  Bench bench(2);
  bench.run(milliseconds(100));
  bench.off[1] = milliseconds(1);
  bench.turn();
  EXPECT_EQ(bench.fault(), ClockFault::kDisagreement);
  EXPECT_EQ(bench.estimator.sources()[0].state, SourceState::kDisputed);
  EXPECT_EQ(bench.estimator.view().disagreements, 1U);
  bench.off[1] = {};
  bench.turn();
  EXPECT_TRUE(bench.right());
}

TEST(TrueTimeEstimator, EvictsTheOneOfThreeThatLies) {
  Bench bench(3);
  bench.run(milliseconds(100));
  bench.off[2] = milliseconds(1);
  bench.run(seconds(1));
  EXPECT_TRUE(bench.right());
  EXPECT_EQ(bench.estimator.sources()[2].state, SourceState::kEvicted);
  EXPECT_EQ(bench.estimator.sources()[2].evictions, 1U) << "once, not in every turn";
  bench.off[2] = {};
  bench.turn();
  EXPECT_EQ(bench.estimator.sources()[2].state, SourceState::kUsed);
}

TEST(TrueTimeEstimator, CountsEvictionsOfEachSourceSinceTheStart) {
  Bench bench(3);
  bench.run(milliseconds(100));
  for (std::uint64_t times = 1; times <= 3; ++times) {
    bench.off[2] = milliseconds(1);
    bench.run(milliseconds(200));
    EXPECT_EQ(bench.estimator.sources()[2].evictions, times);
    bench.off[2] = {};
    bench.run(milliseconds(200));
    EXPECT_EQ(bench.estimator.sources()[2].evictions, times) << "to be taken back is no eviction";
  }
  bench.off[2] = seconds(37);
  bench.run(seconds(1));
  EXPECT_EQ(bench.estimator.sources()[2].evictions, 4U) << "put out by whole seconds: once, not in every turn";
  EXPECT_EQ(bench.estimator.sources()[0].evictions, 0U);
  EXPECT_EQ(bench.estimator.sources()[1].evictions, 0U);
}

// A grandmaster whose UTC offset is not the table's: whoever undid it by the table would be whole seconds off.
TEST(TrueTimeEstimator, AUtcThatWasMadeByAnotherOffsetIsRefused) {
  for (const std::int64_t said : {36LL, 37LL, 38LL}) {
    Bench bench(1);
    bench.scale = Scale::kUtc;
    bench.tai_minus_utc = seconds(said);
    bench.run(seconds(1));
    EXPECT_EQ(bench.right(), said == 37) << said;
    if (said == 37) continue;
    const SourceView& view = bench.estimator.sources()[0];
    ASSERT_TRUE(view.error);
    EXPECT_EQ(view.error->fault, SourceFault::kTimescale);
    EXPECT_NE(view.error->text.find("clock.leap_file"), std::string::npos) << view.error->text;
  }
}

TEST(TrueTimeEstimator, SaysWhoStandsForWhomAndWhoBoundsTheResult) {
  Bench bench(3);
  bench.off = {microseconds(-20), {}, microseconds(20)};
  bench.turn();
  const auto sources = bench.estimator.sources();
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_EQ(sources[i].witness, i);
  // Two of three must allow an instant, so the second of the beginnings and of the ends counts, and that is 1's in
  // both.
  EXPECT_TRUE(sources[1].bounds_earliest && sources[1].bounds_latest);
  EXPECT_FALSE(sources[0].bounds_earliest || sources[2].bounds_latest);
  bench.now = bench.now + kTurn;
  for (std::size_t i = 0; i < 3; ++i) {
    Claim claim = bench.claim(i);
    claim.root.reference = i == 1 ? 100 : 7;
    bench.news[i] = ClaimOr(claim);
  }
  bench.step();
  EXPECT_EQ(sources[2].witness, 0U);
  EXPECT_EQ(sources[1].witness, 1U);
  bench.trusted = false;
  bench.step();
  EXPECT_EQ(sources[2].witness, 2U) << "who isn't counted stands for nobody";
  EXPECT_FALSE(sources[1].bounds_earliest || sources[1].bounds_latest);
  EXPECT_EQ(bench.estimator.view().roots, 0U);
}

TEST(TrueTimeEstimator, CountsOneRootOnce) {
  Bench bench(3);
  bench.turn();
  EXPECT_EQ(bench.estimator.view().roots, 3U);
  bench.now = bench.now + kTurn;
  for (std::size_t i = 0; i < 3; ++i) {
    Claim claim = bench.claim(i);
    if (i != 0) {
      claim.root.reference = 7;
      claim.reading_ns += 1'000'000;  // two that agree on a lie, and have one grandmaster
    }
    bench.news[i] = ClaimOr(claim);
  }
  bench.step();
  EXPECT_EQ(bench.estimator.view().roots, 2U);
  EXPECT_EQ(bench.fault(), ClockFault::kDisagreement) << "they may not outvote the third";
}

TEST(TrueTimeEstimator, RefusesAfterAContradictionUntilEnoughAgree) {
  Bench bench(1);
  bench.run(seconds(1));
  bench.off[0] = milliseconds(1);
  bench.turn();
  EXPECT_EQ(bench.fault(), ClockFault::kContradiction);
  EXPECT_EQ(bench.estimator.view().contradictions, 1U);
  EXPECT_LE(bench.estimator.view().suspect, milliseconds(20));
  const time::Cycles contradicted = bench.at();
  EXPECT_EQ(bench.estimator.view().contradicted_at, contradicted);
  for (int i = 0; i < 7; ++i) {
    bench.turn();
    EXPECT_EQ(bench.fault(), ClockFault::kContradiction) << i;
  }
  bench.turn();
  EXPECT_EQ(bench.fault(), ClockFault::kNone) << "one source alone is believed in the end";
  EXPECT_EQ(bench.estimator.view().contradicted_at, contradicted) << "when it was is remembered";
  bench.off[0] = {};
  bench.turn();
  EXPECT_EQ(bench.fault(), ClockFault::kContradiction);
  bench.off[0] = milliseconds(3);
  for (int i = 0; i < 4; ++i)
    bench.turn();
  bench.off[0] = {};
  for (int i = 0; i < 8; ++i) {
    EXPECT_EQ(bench.fault(), ClockFault::kContradiction) << "who changes his mind begins again";
    bench.turn();
  }
  bench.turn();
  EXPECT_EQ(bench.fault(), ClockFault::kNone);
}

TEST(TrueTimeEstimator, NeverFollowsAJumpByWholeSeconds) {
  for (const std::int64_t jump : {-37LL, -1LL, 1LL, 37LL}) {
    Bench bench(1);
    bench.run(seconds(1));
    bench.off[0] = seconds(jump);
    bench.run(seconds(30));
    EXPECT_EQ(bench.estimator.sources()[0].state, SourceState::kEvicted);
    EXPECT_EQ(bench.estimator.sources()[0].error->fault, SourceFault::kWholeSeconds);
    EXPECT_NE(bench.estimator.sources()[0].error->text.find(std::to_string(jump) + " s"), std::string::npos);
    EXPECT_TRUE(bench.right()) << "held over";
    bench.run(seconds(120));
    EXPECT_EQ(bench.fault(), ClockFault::kNoSource) << "insisting does not help it";
    bench.off[0] = {};
    bench.run(seconds(1));
    EXPECT_TRUE(bench.right()) << "and it is taken back";
  }
}

TEST(TrueTimeEstimator, HoldsAFirstWordAgainstWhatAnotherProvedBeforeItWasPutOut) {
  for (const std::int64_t jump : {-37LL, 37LL}) {
    Bench bench(2);
    bench.speaks[1] = false;
    bench.run(seconds(1));
    bench.off[0] = seconds(jump);
    bench.run(seconds(1));
    ASSERT_EQ(bench.estimator.sources()[0].state, SourceState::kEvicted);
    bench.off[1] = seconds(jump);
    bench.speaks[1] = true;
    bench.run(seconds(5));
    EXPECT_EQ(bench.estimator.sources()[1].state, SourceState::kEvicted) << "it is no witness that others jumped alike";
    EXPECT_TRUE(bench.right()) << "held over";
    bench.off[1] = {};
    bench.run(seconds(1));
    EXPECT_EQ(bench.estimator.sources()[1].state, SourceState::kUsed);
    EXPECT_TRUE(bench.right());
  }
}

TEST(TrueTimeEstimator, BelievesAWholeSecondOfTheSystemClockAloneAndOnlyInTheEnd) {
  for (const ClockKind kind : {ClockKind::kSystem, ClockKind::kPhc}) {
    Bench bench(1);
    bench.bare[0] = kind;
    bench.run(seconds(1));
    bench.off[0] = seconds(37);
    bench.turn();
    EXPECT_EQ(bench.fault(), kind == ClockKind::kSystem ? ClockFault::kContradiction : ClockFault::kNone);
    bench.run(seconds(1));
    EXPECT_EQ(bench.right(), kind == ClockKind::kPhc) << "set by somebody, or off by TAI - UTC";
  }
}

// Its own first word was off by whole seconds, and all that was heard of it: that must not keep it out for good.
TEST(TrueTimeEstimator, TakesBackWhoSaysWhatTheSystemClockSaysToo) {
  for (const std::int64_t jump : {-37LL, 37LL}) {
    Bench bench(2);
    bench.bare = {ClockKind::kPhc, ClockKind::kSystem};
    bench.off[0] = seconds(jump);
    bench.run(seconds(1));
    EXPECT_EQ(bench.fault(), ClockFault::kDisagreement) << "nobody can tell which of them is right";
    bench.off[0] = {};
    bench.turn();
    EXPECT_EQ(bench.estimator.sources()[0].state, SourceState::kEvicted);
    EXPECT_NE(bench.estimator.sources()[0].error->text.find("it said itself before"), std::string::npos);
    bench.turn();
    EXPECT_EQ(bench.estimator.sources()[0].state, SourceState::kUsed);
    EXPECT_TRUE(bench.right());
    bench.off[1] = seconds(jump);
    bench.turn();
    EXPECT_EQ(bench.fault(), ClockFault::kDisagreement) << "and the system clock alone is not believed again";
  }
}

// Its own last words were false by less, so from them it is not off by whole seconds. What put it out is what counts.
TEST(TrueTimeEstimator, KeepsOutWhoLiedByLessBeforeItWasOffByWholeSeconds) {
  for (const std::int64_t jump : {-37LL, 37LL}) {
    Bench bench(2);
    bench.bare = {ClockKind::kPhc, ClockKind::kSystem};
    bench.run(seconds(1));
    EXPECT_TRUE(bench.right());
    bench.off[0] = milliseconds(-276);
    bench.run(milliseconds(500));
    EXPECT_EQ(bench.fault(), ClockFault::kDisagreement);
    bench.off[0] = seconds(jump);
    bench.run(seconds(1));
    EXPECT_EQ(bench.estimator.sources()[0].state, SourceState::kEvicted);
    EXPECT_TRUE(bench.right()) << "by the system clock";
    bench.speaks[1] = false;
    bench.run(seconds(5));
    EXPECT_EQ(bench.estimator.sources()[0].state, SourceState::kEvicted);
    bench.off[0] = {};
    bench.speaks[1] = true;
    bench.run(seconds(1));
    EXPECT_EQ(bench.estimator.sources()[0].state, SourceState::kUsed) << "put right";
    EXPECT_TRUE(bench.right());
  }
}

TEST(TrueTimeEstimator, KeepsOutWhoJumpedByLessThanTheSystemClockCanTell) {
  Bench bench(2);
  bench.bare = {ClockKind::kPhc, ClockKind::kSystem};
  for (int turn = 0; turn < 200; ++turn) {
    if (turn == 100) bench.off[0] = seconds(1);
    bench.now = bench.now + kTurn;
    Claim wide = bench.claim(1);
    wide.terms.source = seconds(2);
    bench.news = {ClaimOr(bench.claim(0)), ClaimOr(wide)};
    bench.step();
    EXPECT_EQ(bench.estimator.sources()[0].state, turn < 100 ? SourceState::kUsed : SourceState::kEvicted) << turn;
  }
}

TEST(TrueTimeEstimator, DropsAllItKnewWhenTheCounterCannotBeTrusted) {
  Bench bench(1);
  bench.run(seconds(1));
  bench.trusted = false;
  bench.speaks[0] = false;
  bench.turn();
  EXPECT_EQ(bench.fault(), ClockFault::kCounterUntrusted);
  const Claim before = bench.claim(0);
  bench.trusted = true;
  bench.turn();
  EXPECT_NE(bench.fault(), ClockFault::kNone) << "not until there is a new sample";
  bench.news[0] = ClaimOr(before);
  bench.step();
  EXPECT_NE(bench.fault(), ClockFault::kNone) << "and not one from before";
  bench.speaks[0] = true;
  bench.turn();
  EXPECT_TRUE(bench.right());
}

TEST(TrueTimeEstimator, GivesUpItsHistoryWhenTheSourcesChange) {
  Bench bench(2);
  bench.bound = milliseconds(1);
  bench.speaks[1] = false;
  bench.off[0] = microseconds(900);  // within its bound
  bench.run(milliseconds(100));
  bench.speaks[1] = true;
  bench.off[1] = microseconds(-900);
  bench.turn();
  EXPECT_TRUE(bench.right());
  EXPECT_LT(bench.interval().epsilon(), microseconds(150)) << "what the two share";
  bench.say(0, SourceFault::kPolicy);
  bench.speaks[0] = false;
  bench.turn();
  EXPECT_GT(bench.interval().epsilon(), microseconds(900)) << "the one that is left may be the one that is wrong";
}

TEST(TrueTimeEstimator, PutsASourceOutAtOnceForWhatItsDaemonSays) {
  for (const SourceFault fault : {SourceFault::kPolicy, SourceFault::kNotSynchronised, SourceFault::kTimescale,
                                  SourceFault::kStale, SourceFault::kUnsupported}) {
    Bench bench(1);
    bench.run(milliseconds(100));
    EXPECT_TRUE(bench.say(0, fault).holdover) << static_cast<int>(fault);
    EXPECT_EQ(bench.estimator.sources()[0].state, SourceState::kUnhealthy);
  }
  for (const SourceFault fault : {SourceFault::kUnreadable, SourceFault::kMalformed, SourceFault::kSettling}) {
    Bench bench(1);
    bench.run(milliseconds(100));
    EXPECT_FALSE(bench.say(0, fault).holdover) << static_cast<int>(fault);
    EXPECT_EQ(bench.estimator.sources()[0].errors, 1U);
  }
}

TEST(TrueTimeEstimator, RefusesATermThatIsNoBound) {
  Bench bench(1);
  for (const time::Duration term : {time::nanoseconds(-1), seconds(1001)}) {
    bench.now = bench.now + kTurn;
    Claim claim = bench.claim(0);
    claim.terms.asymmetry = term;
    bench.news[0] = ClaimOr(claim);
    bench.step();
    EXPECT_EQ(bench.estimator.sources()[0].error->fault, SourceFault::kMalformed);
  }
  Claim future = bench.claim(0);
  future.at = {bench.at().count + 1'000'000'000};
  bench.news[0] = ClaimOr(future);
  bench.step();
  EXPECT_EQ(bench.estimator.sources()[0].claims, 0U);
}

TEST(TrueTimeEstimator, RefusesWhatIsTooWide) {
  TrueTimeOptions narrow = options();
  narrow.max_epsilon = microseconds(150);
  Bench bench(1, narrow);
  bench.turn();
  EXPECT_EQ(bench.fault(), ClockFault::kNone);
  bench.speaks[0] = false;
  bench.turn(milliseconds(500));
  EXPECT_EQ(bench.fault(), ClockFault::kTooWide);
}

TEST(TrueTimeEstimator, DoubtsUtcWhereASecondMayBeMissing) {
  Bench certain(1);
  certain.scale = Scale::kUtc;
  certain.turn();
  EXPECT_LT(certain.interval().epsilon(), milliseconds(1));
  Bench expired(1);
  expired.scale = Scale::kUtc;
  expired.leaps = table(time::Utc{kTai - 37'000'000'000 - seconds(86'400).ns});
  EXPECT_EQ(expired.turn().terms.leap, seconds(1));
  EXPECT_TRUE(expired.right());
  Bench unknown(1);
  unknown.scale = Scale::kUnknownUtc;
  EXPECT_EQ(unknown.turn().terms.leap, seconds(1));
  Bench tai(1);
  tai.leaps = expired.leaps;
  EXPECT_EQ(tai.turn().terms.leap, time::Duration{}) << "TAI has no leap seconds";
}

TEST(TrueTimeEstimator, DoubtsUtcForTwoDaysOnceALeapSecondWasAnnounced) {
  Bench bench(1);
  bench.scale = Scale::kUtc;
  bench.turn();
  EXPECT_FALSE(bench.estimator.view().leap_announced);
  bench.announced = true;
  bench.turn();
  EXPECT_TRUE(bench.estimator.view().leap_announced);
  EXPECT_EQ(bench.estimator.view().leap_announced_at, bench.at());
  EXPECT_EQ(bench.estimator.view().terms.leap, seconds(1));
  bench.announced = false;
  bench.turn();
  EXPECT_EQ(bench.estimator.view().terms.leap, seconds(1)) << "dropped again: which of the two was the lie?";
  bench.turn(seconds(2 * 86'400));
  bench.turn();
  EXPECT_EQ(bench.estimator.view().terms.leap, time::Duration{});
  EXPECT_FALSE(bench.estimator.view().leap_announced);
}

TEST(TrueTimeEstimator, GoesOnWithWhatAnEarlierRunHadProved) {
  Bench first(1);
  first.run(seconds(1));
  Bench second(1);
  second.now = first.now + seconds(5);
  second.estimator.resume(first.estimator.view().line, first.estimator.view().supported_at);
  second.speaks[0] = false;
  second.turn();
  EXPECT_TRUE(second.right());
  EXPECT_GT(second.interval().epsilon(), milliseconds(1));
  second.speaks[0] = true;
  second.turn();
  EXPECT_LT(second.interval().epsilon(), microseconds(101));
  Bench late(1);
  late.now = first.now + seconds(61);
  late.estimator.resume(first.estimator.view().line, first.estimator.view().supported_at);
  late.speaks[0] = false;
  late.turn();
  EXPECT_EQ(late.fault(), ClockFault::kNoSource) << "the holdover counts from the last support, not from the start";
}

}  // namespace
}  // namespace gnomon::ptp
