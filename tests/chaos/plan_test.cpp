// SPDX-License-Identifier: Apache-2.0
//
// The plans: what a seed stands for, and that no plan asks for what would prove nothing.
#include "tests/chaos/plan.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

namespace gnomon::chaos {
namespace {

constexpr std::uint64_t kSeeds = 500;
constexpr time::Duration kShort = time::seconds(75);  // what chaos_test takes
constexpr time::Duration kLong = time::seconds(1200);

bool is_of_network(FaultKind kind) { return kind < FaultKind::kDaemonKilled; }

TEST(ChaosPlan, ASeedIsAPlan) {
  EXPECT_EQ(text_of(make_plan(7, kShort)), text_of(make_plan(7, kShort)));
  EXPECT_NE(text_of(make_plan(7, kShort)), text_of(make_plan(8, kShort)));
}

TEST(ChaosPlan, TheTraitsStandInTheOrderOfTheirKinds) {
  for (std::size_t i = 0; i < all_traits().size(); ++i)
    EXPECT_EQ(static_cast<std::size_t>(all_traits()[i].kind), i) << all_traits()[i].name;
}

// A short run that leaves some out would prove another thing each day.
TEST(ChaosPlan, TheShortStormHasEveryKindButTheRestore) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    std::set<FaultKind> kinds;
    for (const Fault& fault : make_plan(seed, kShort).faults)
      kinds.insert(fault.kind);
    EXPECT_EQ(kinds.size(), all_traits().size() - 1) << "seed " << seed;
    EXPECT_FALSE(kinds.contains(FaultKind::kRestore)) << "seed " << seed;
  }
}

TEST(ChaosPlan, TheLongStormRestoresOnceAndNothingElseHappensThen) {
  for (std::uint64_t seed = 0; seed < kSeeds / 10; ++seed) {
    const Plan plan = make_plan(seed, kLong);
    const auto is_restore = [](const Fault& fault) { return fault.kind == FaultKind::kRestore; };
    ASSERT_EQ(std::count_if(plan.faults.begin(), plan.faults.end(), is_restore), 1) << "seed " << seed;
    const Fault restore = *std::find_if(plan.faults.begin(), plan.faults.end(), is_restore);
    for (const Fault& fault : plan.faults) {
      const bool apart = fault.at + fault.lasts <= restore.at || restore.at + restore.lasts <= fault.at;
      EXPECT_TRUE(is_restore(fault) || apart) << "seed " << seed << "\n" << text_of(plan);
    }
  }
}

TEST(ChaosPlan, FaultsOfATrackDoNotMeetAndKeepToTheirTimes) {
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Plan plan = make_plan(seed, kShort);
    std::map<bool, time::Duration> until;
    for (const Fault& fault : plan.faults) {
      const FaultTraits& traits = traits_of(fault.kind);
      time::Duration& last = until[is_of_network(fault.kind)];
      EXPECT_GE(fault.at, std::max(last, kWarmUp)) << "seed " << seed << "\n" << text_of(plan);
      last = fault.at + fault.lasts;
      EXPECT_LE(last, plan.length) << "seed " << seed;
      EXPECT_GE(fault.lasts, time::milliseconds(traits.shortest_ms)) << traits.name;
      EXPECT_LE(fault.lasts, time::milliseconds(traits.longest_ms)) << traits.name;
      EXPECT_LT(fault.target, traits.lane == Lane::kMember ? kMembers : kDaemons) << traits.name;
    }
  }
}

// Else the interval of a daemon whose clock is right would be excused, or that of a wrong one judged.
TEST(ChaosPlan, ADaemonHasOneTroubleAtATime) {
  std::size_t pairs = 0;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const Plan plan = make_plan(seed, kShort);
    for (const Fault& a : plan.faults)
      for (const Fault& b : plan.faults) {
        if (is_of_network(a.kind) == is_of_network(b.kind) || traits_of(a.kind).lane != Lane::kDaemon) continue;
        if (traits_of(b.kind).lane != Lane::kDaemon || a.at > b.at || b.at > a.at + a.lasts) continue;
        ++pairs;
        EXPECT_NE(a.target, b.target) << "seed " << seed << "\n" << text_of(plan);
      }
  }
  EXPECT_GT(pairs, kSeeds) << "the two tracks hardly meet";
}

TEST(ChaosPlan, OutagesThatAreToBeFeltOutlastAWindow) {
  for (const FaultKind kind : {FaultKind::kStoreCut, FaultKind::kMajorityKilled, FaultKind::kDaemonPaused})
    EXPECT_GT(time::milliseconds(traits_of(kind).shortest_ms), kWindow) << traits_of(kind).name;
}

TEST(ChaosPlan, AClockIsSetWrongByMoreThanAnyBoundAndInItsDirection) {
  std::set<std::int64_t> steps;
  for (std::uint64_t detail = 0; detail < 8; ++detail) {
    const time::Duration ahead = clock_step({.kind = FaultKind::kClockAhead, .detail = detail});
    EXPECT_GE(ahead, time::seconds(3));
    EXPECT_EQ(clock_step({.kind = FaultKind::kClockBehind, .detail = detail}), -ahead);
    steps.insert(ahead.ns);
  }
  EXPECT_TRUE(steps.contains(time::seconds(86'400).ns) && steps.contains(time::seconds(37).ns));
}

TEST(ChaosPlan, AStormThatIsTooShortIsRefused) {
  EXPECT_THROW((void)make_plan(1, kShortest - time::seconds(1)), std::invalid_argument);
}

}  // namespace
}  // namespace gnomon::chaos
