// SPDX-License-Identifier: Apache-2.0
//
// The worlds of leases as a test: fresh seeds on every run, all promises checked, and enough of everything happened.
// GNOMON_TEST_FULL=1 runs 20,000 seeds instead of those for CI.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>

#include "tests/sim/lease/runner.hpp"

namespace gnomon::sim::leases {
namespace {

bool full_size() {
  const char* full = std::getenv("GNOMON_TEST_FULL");
  return full != nullptr && std::string_view(full) == "1";
}

TEST(Leases, keep_their_promises_on_fresh_seeds) {
  const std::uint64_t first = std::random_device{}();
  const std::uint64_t count = full_size() ? 20'000 : 300;
  RecordProperty("first_seed", std::to_string(first));
  const Summary summary = run_seeds(first, count);
  for (const Outcome& outcome : summary.violations)
    ADD_FAILURE() << text_of(outcome);
  ASSERT_EQ(summary.worlds, count);
  // What it proves depends on what happened: about half of what is usual.
  const Counts& counts = summary.counts;
  EXPECT_GT(summary.one_host, count / 8);
  EXPECT_GT(counts.grants, count * 20);
  EXPECT_GT(counts.queued_grants, count * 5);
  EXPECT_GT(counts.takeovers, count);
  EXPECT_GT(counts.lost_sessions, count);
  EXPECT_GT(counts.faults, count * 5);
  EXPECT_GT(counts.looks, count * 1000);
  EXPECT_GT(counts.judged, count * 100);
  EXPECT_GT(counts.promises, count * 50);
  EXPECT_GT(counts.passed, count);
  std::printf("%s\n", text_of(summary).c_str());
}

TEST(Leases, replay_a_seed_exactly) {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    const Outcome once = run_seed(seed);
    const Outcome again = run_seed(seed);
    EXPECT_EQ(once.story_hash, again.story_hash) << "seed " << seed;
    EXPECT_EQ(once.counts.requests, again.counts.requests) << "seed " << seed;
  }
  EXPECT_NE(run_seed(1).story_hash, run_seed(2).story_hash);
}

}  // namespace
}  // namespace gnomon::sim::leases
