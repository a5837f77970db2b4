// SPDX-License-Identifier: Apache-2.0
//
// Fusion: what a majority allows, and never a point that the truth could be at and is left out.
#include "oracle/time/fusion.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace gnomon::time {
namespace {

Interval span(std::int64_t from, std::int64_t to) { return {{from}, {to}}; }

TEST(Fusion, OneSourceIsTakenAtItsWord) {
  const Interval one[] = {span(10, 20)};
  EXPECT_EQ(fuse(one)->interval, span(10, 20));
  EXPECT_EQ(fuse(one)->believed, 1U);
}

TEST(Fusion, TwoHaveToMeet) {
  const Interval meeting[] = {span(10, 20), span(15, 30)};
  EXPECT_EQ(fuse(meeting)->interval, span(15, 20));
  const Interval apart[] = {span(10, 20), span(21, 30)};
  EXPECT_EQ(fuse(apart).error(), FusionFault::kDisagreement);
}

TEST(Fusion, OfThreeOneMayLie) {
  const Interval lied[] = {span(10, 20), span(12, 22), span(500, 501)};
  EXPECT_EQ(fuse(lied)->interval, span(12, 20));
  // Which of the outer two lies nobody knows, so both pieces are in.
  const Interval chain[] = {span(10, 20), span(18, 30), span(28, 40)};
  EXPECT_EQ(fuse(chain)->interval, span(18, 30));
  const Interval scattered[] = {span(10, 20), span(30, 40), span(50, 60)};
  EXPECT_EQ(fuse(scattered).error(), FusionFault::kDisagreement);
}

TEST(Fusion, SaysWhenThereIsNothingOrTooMuch) {
  EXPECT_EQ(fuse({}).error(), FusionFault::kNoSource);
  const std::vector<Interval> many(kMaxSources + 1, span(1, 2));
  EXPECT_EQ(fuse(many).error(), FusionFault::kTooMany);
}

TEST(Fusion, TouchingInOnePointIsMeeting) {
  const Interval touching[] = {span(10, 20), span(20, 30)};
  EXPECT_EQ(fuse(touching)->interval, span(20, 20));
}

// Liars are as bad as can be: they cling to the honest ones, and all say the same.
TEST(Fusion, NeverExcludesTheTruthWhileEnoughAreHonest) {
  std::mt19937_64 random(20261124);
  const auto between = [&random](std::int64_t a, std::int64_t b) {
    return std::uniform_int_distribution<std::int64_t>(a, b)(random);
  };
  int shifted = 0;
  for (int history = 0; history < 1'000'000; ++history) {
    const auto n = static_cast<std::size_t>(between(1, 9));
    const auto liars = static_cast<std::size_t>(between(0, static_cast<std::int64_t>(tolerated(n))));
    const std::int64_t truth = between(-1'000, 1'000);
    const Interval lie = span(truth + 1, truth + 1 + between(0, 100));
    std::vector<Interval> sources;
    for (std::size_t i = 0; i < n; ++i) {
      if (i >= liars)
        sources.push_back(span(truth - between(0, 50), truth + between(0, 50)));
      else
        sources.push_back(between(0, 1) == 0 ? lie : span(truth - between(1, 500), truth - 1));
    }
    std::shuffle(sources.begin(), sources.end(), random);
    const auto fused = fuse(sources);
    ASSERT_TRUE(fused) << "n - f honest sources always meet in the truth";
    ASSERT_TRUE(fused->interval.contains(Tai{truth})) << history;
    // "What all share" would have missed it, or found nothing: so the liars did lie.
    const bool missed = std::any_of(sources.begin(), sources.end(),
                                    [truth](const Interval& source) { return !source.contains(Tai{truth}); });
    shifted += missed ? 1 : 0;
  }
  EXPECT_GT(shifted, 300'000);
}

}  // namespace
}  // namespace gnomon::time
