// SPDX-License-Identifier: Apache-2.0
//
// Containment over random histories within the bounds, and a canary for each term of the uncertainty but `cores`
// (of which true_time_estimator_test.cpp asserts that it is added): left out or halved, it is missed.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "oracle/canary.hpp"
#include "tests/ptp/truth/world.hpp"

namespace gnomon::truth {
namespace {

using canary::Bug;

bool in_full() {
  const char* const full = std::getenv("GNOMON_TEST_FULL");
  return full != nullptr && std::string_view(full) == "1";
}

std::string_view name_of(Focus focus) {
  switch (focus) {
    case Focus::kAsymmetry: return "asymmetry";
    case Focus::kAccuracy: return "accuracy";
    case Focus::kOffset: return "offset";
    case Focus::kReading: return "reading";
    case Focus::kDrift: return "drift";
    case Focus::kLie: return "lie";
    case Focus::kJump: return "jump";
    case Focus::kSeconds: return "seconds";
    case Focus::kLeap: return "leap";
    case Focus::kPath: return "path";
  }
  return "?";
}

class Containment : public testing::TestWithParam<Focus> {};

// 600 turns of the clock thread and more, and as many questions, in each history.
TEST_P(Containment, holds_in_every_history) {
  const std::uint64_t histories = in_full() ? 101'000 : 400;  // of ten kinds: 10^6 in full
  std::uint64_t asked = 0;
  std::uint64_t served = 0;
  std::int64_t largest = 0;
  for (std::uint64_t seed = 1; seed <= histories; ++seed) {
    const Verdict verdict = run_history(GetParam(), seed);
    ASSERT_EQ(verdict.missed, 0U) << "seed " << seed << " " << verdict.first_miss;
    asked += verdict.asked;
    served += verdict.served;
    largest = std::max(largest, verdict.largest_epsilon_ns);
  }
  // The first second goes by until enough samples are in; a jump costs some, as it should.
  EXPECT_GT(served * 100, asked * 60) << "refusing everything would be contained as well";
  RecordProperty("served_percent", std::to_string(served * 100 / asked));
  RecordProperty("largest_epsilon_ns", std::to_string(largest));
}

INSTANTIATE_TEST_SUITE_P(Histories, Containment, testing::ValuesIn(kFocuses),
                         [](const testing::TestParamInfo<Focus>& parameter) {
                           return std::string(name_of(parameter.param));
                         });

/// The kind of history that a bug has to be missed in.
struct Planted {
  Bug bug;
  Focus focus;
};
constexpr Planted kPlanted[] = {
    {Bug::kTightestSource, Focus::kLie},         {Bug::kWholeSecondsBelieved, Focus::kSeconds},
    {Bug::kContradictionBelieved, Focus::kJump}, {Bug::kHalvedAsymmetry, Focus::kAsymmetry},
    {Bug::kForgottenOffset, Focus::kOffset},     {Bug::kDroppedWidth, Focus::kReading},
    {Bug::kAgeFromPoll, Focus::kDrift},          {Bug::kForgottenDrift, Focus::kDrift},
    {Bug::kForgottenAccuracy, Focus::kAccuracy}, {Bug::kForgottenLeapDoubt, Focus::kLeap},
    {Bug::kForgottenOffset, Focus::kPath},
};

class TermCanary : public testing::TestWithParam<Planted> {
 protected:
  void TearDown() override { canary::plant(Bug::kNone); }
};

TEST_P(TermCanary, is_missed) {
  constexpr std::uint64_t kBound = 50;
  canary::plant(GetParam().bug);
  for (std::uint64_t seed = 1; seed <= kBound; ++seed) {
    if (run_history(GetParam().focus, seed).missed == 0) continue;
    RecordProperty("seed", std::to_string(seed));
    canary::plant(Bug::kNone);
    EXPECT_EQ(run_history(GetParam().focus, seed).missed, 0U) << "and it is the bug that was found";
    return;
  }
  FAIL() << kBound << " histories did not find it";
}

INSTANTIATE_TEST_SUITE_P(Planted, TermCanary, testing::ValuesIn(kPlanted),
                         [](const testing::TestParamInfo<Planted>& parameter) {
                           std::string name;
                           for (const canary::BugInfo& bug : canary::kBugs)
                             if (bug.bug == parameter.param.bug) name = bug.name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name + "_in_" + std::string(name_of(parameter.param.focus));
                         });

// The bug of the worker's commit-wait is found where it lives.
TEST(TermCanary, EveryBugOfTheClocksIsPlantedSomewhere) {
  for (const canary::BugInfo& info : canary::kBugs) {
    if (info.finder != canary::Finder::kClocks || info.bug == Bug::kEarlyRelease) continue;
    EXPECT_TRUE(std::any_of(std::begin(kPlanted), std::end(kPlanted), [&](const Planted& planted) {
      return planted.bug == info.bug;
    })) << info.name;
  }
}

}  // namespace
}  // namespace gnomon::truth
