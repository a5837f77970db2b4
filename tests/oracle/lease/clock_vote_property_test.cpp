// SPDX-License-Identifier: Apache-2.0
//
// The vote in random worlds (vote_world.hpp).
//
//   right clocks      are never contradicted, so no vote ever fails, whatever is late, lost, away, paused or dead; once
//   that is over, all pass liars             fail within a bounded number of heartbeats, and no one else does; set
//   right, they come back a mad newcomer    never gets in where two right ones are
//
// The first of these must find what breaks the causality (three slips of the daemons, a comparison without `seen`
// among them), and the last a newcomer that does not wait for answers.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "tests/oracle/lease/vote_world.hpp"

namespace gnomon::lease::testing {
namespace {

using time::Duration;
using time::milliseconds;
using time::seconds;

constexpr Duration kBeat = seconds(1);

std::uint64_t worlds() { return std::getenv("GNOMON_TEST_FULL") != nullptr ? 600 : 100; }

std::string text_of(const World::Daemon& daemon) {
  return "daemon " + std::to_string(daemon.name) + " " + std::string(lease::text_of(daemon.standing)) + ", " +
         std::to_string(daemon.failures) + " failures: " + daemon.last.text;
}

/// The first that was contradicted or failed at any time, or is no member now.
std::string first_trouble(const World& world, bool all_members) {
  for (const auto& daemon : world.daemons())
    if (!daemon->contradiction.empty()) return daemon->contradiction;
  for (const auto& daemon : world.daemons())
    if (daemon->failures > 0 || (all_members && daemon->standing != Standing::kMember)) return text_of(*daemon);
  return "";
}

// --- right clocks ---

struct Tally {
  std::uint64_t passes = 0;
  std::uint64_t lives = 0;
};

/// What went wrong first in a world of right clocks and everything else going wrong; empty if nothing did.
std::string chaos(std::uint64_t seed, Slip slip, Tally* tally = nullptr) {
  World world(seed, {});
  WorldOptions& options = world.options();
  options.slip = slip;
  options.longest_delay = world.up_to(world.below(3) == 0 ? seconds(4) : milliseconds(300));
  options.widest = world.up_to(world.below(3) == 0 ? seconds(2) : milliseconds(20));
  options.lost_of_1000 = static_cast<std::uint32_t>(world.below(100));
  options.pause_of_1000 = static_cast<std::uint32_t>(world.below(20));
  options.tells_of_landed = world.below(2) == 0;
  for (std::uint64_t n = 1 + world.below(7); n > 0; --n)
    world.start(world.add());
  for (int event = 0; event < 60; ++event) {
    world.run_for(world.up_to(seconds(4)));
    World::Daemon& daemon = *world.daemons()[world.below(world.daemons().size())];
    const std::uint64_t kind = world.below(10);
    if (kind == 0) world.outage(world.up_to(seconds(20)));
    if (kind <= 3 && daemon.alive)
      world.stop(daemon, kind == 1);
    else if (kind <= 6 && !daemon.alive)
      world.start(daemon);
  }
  if (std::string trouble = first_trouble(world, false); !trouble.empty()) return trouble;
  options.lost_of_1000 = options.pause_of_1000 = 0;
  options.longest_delay = milliseconds(100);
  world.run_for(seconds(40));
  for (const auto& daemon : world.daemons())
    if (!daemon->alive) world.start(*daemon);
  world.run_for(seconds(15));
  for (const auto& daemon : world.daemons())
    if (tally != nullptr) {
      tally->passes += daemon->passes;
      tally->lives += static_cast<std::uint64_t>(daemon->life);
    }
  return first_trouble(world, true);
}

TEST(ClockVoteProperty, right_clocks_are_never_contradicted_and_get_in_once_all_is_calm) {
  Tally tally;
  for (std::uint64_t seed = 1; seed <= worlds(); ++seed)
    ASSERT_EQ(chaos(seed, Slip::kNone, &tally), "") << "seed " << seed;
  EXPECT_GT(tally.passes, worlds() * 100) << "nothing was voted on: the test proves little";
  EXPECT_GT(tally.lives, worlds() * 8);
}

class SlipTest : public ::testing::TestWithParam<Slip> {};

TEST_P(SlipTest, is_found_by_a_right_clock_that_is_contradicted) {
  std::uint64_t found = 0;
  for (std::uint64_t seed = 1; seed <= 50; ++seed)
    if (chaos(seed, GetParam()).find("contradict this one") != std::string::npos) ++found;
  EXPECT_GT(found, 10U);
}

INSTANTIATE_TEST_SUITE_P(ClockVoteCanary, SlipTest,
                         ::testing::Values(Slip::kSeenUntilCommit, Slip::kSeenAfterReading, Slip::kReadBeforeList),
                         [](const auto& each) {
                           switch (each.param) {
                             case Slip::kSeenUntilCommit: return "a_comparison_without_seen";
                             case Slip::kSeenAfterReading: return "a_clock_read_before_what_it_claims_to_have_seen";
                             default: return "a_clock_read_before_the_list";
                           }
                         });

TEST(ClockVoteProperty, a_cold_start_of_many_gets_in_within_four_heartbeats) {
  for (std::uint64_t seed = 1; seed <= worlds(); ++seed) {
    World world(seed, {});
    for (std::uint64_t n = 1 + world.below(12); n > 0; --n)
      world.start(world.add());
    world.run_for(kBeat * 4);
    ASSERT_EQ(first_trouble(world, true), "") << "seed " << seed;
  }
}

// --- liars ---

/// A lie of more than the widths and what some heartbeats forgive; at times of centuries.
Duration some_lie(World& world) {
  const Duration least = world.options().widest * 4 + kBeat * 6;
  const Duration most[] = {seconds(10), seconds(86'400), seconds(7'000'000'000)};
  const Duration lie = least + world.up_to(most[world.below(3)]);
  return world.below(2) == 0 ? lie : -lie;
}

WorldOptions some_calm_options(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  WorldOptions options;
  options.longest_delay = milliseconds(static_cast<std::int64_t>(random() % 100));
  options.widest = milliseconds(static_cast<std::int64_t>(random() % 1000));
  options.lost_of_1000 = static_cast<std::uint32_t>(random() % 20);
  options.always_true_time = true;
  return options;
}

void lie(World::Daemon& daemon, Duration by, std::uint64_t kind) {
  daemon.ordering_lie = kind == 1 ? Duration{} : by;
  daemon.truth_lie = kind == 2 ? Duration{} : by;
}

/// `liars` of `count` members begin to tell the same lie, and are set right later.
void run_liars(std::uint64_t seed, std::size_t count, std::size_t liars) {
  World world(seed, some_calm_options(seed));
  for (std::size_t n = 0; n < count; ++n)
    world.start(world.add());
  world.run_for(kBeat * 12 + world.up_to(kBeat));
  ASSERT_EQ(first_trouble(world, true), "");
  const Duration by = some_lie(world);
  const std::uint64_t kind = world.below(3);
  for (std::size_t n = 0; n < liars; ++n)
    lie(*world.daemons()[n], by, kind);
  world.run_for(kBeat * 8);
  const bool tie = liars * 2 == count;
  for (std::size_t n = 0; n < count; ++n) {
    const World::Daemon& daemon = *world.daemons()[n];
    if (n < liars) {
      ASSERT_GT(daemon.failures, 0U) << text_of(daemon);
      // While its fellows' older words are still there, a liar is alone, so half of all may be outvoted one by one.
      ASSERT_TRUE(daemon.standing == Standing::kOutvoted || (tie && daemon.standing == Standing::kTied))
          << text_of(daemon);
    } else {
      ASSERT_TRUE(daemon.standing == Standing::kMember || (tie && daemon.standing == Standing::kTied))
          << text_of(daemon);
      ASSERT_TRUE(tie || daemon.failures == 0) << text_of(daemon);
    }
  }
  World::Daemon& late = world.add();
  if (!tie) {
    world.start(late);
    world.run_for(kBeat * 8);
    ASSERT_EQ(late.standing, Standing::kMember) << "a right one gets in all the same: " << text_of(late);
  }
  for (std::size_t n = 0; n < liars; ++n)
    lie(*world.daemons()[n], {}, 0);
  world.run_for(kBeat * 8);
  for (std::size_t n = 0; n < count; ++n) {
    const World::Daemon& daemon = *world.daemons()[n];
    ASSERT_EQ(daemon.standing, Standing::kMember) << "set right: " << text_of(daemon);
    ASSERT_TRUE(n < liars || tie || daemon.failures == 0) << text_of(daemon);
  }
}

TEST(ClockVoteProperty, one_liar_of_three_or_more_fails_soon_and_nobody_else_does) {
  for (std::uint64_t seed = 1; seed <= worlds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    run_liars(seed, 3 + seed % 5, 1);
    if (HasFatalFailure()) return;
  }
}

TEST(ClockVoteProperty, fewer_liars_than_half_fail_and_the_others_go_on) {
  for (std::uint64_t seed = 1; seed <= worlds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    run_liars(seed, 5 + seed % 4, 2);
    if (HasFatalFailure()) return;
  }
}

TEST(ClockVoteProperty, of_two_that_disagree_both_fail_and_of_four_nobody_goes_on_against_the_others) {
  for (std::uint64_t seed = 1; seed <= worlds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    run_liars(seed, 2 + 2 * (seed % 2), 1 + seed % 2);
    if (HasFatalFailure()) return;
  }
}

/// Whether a mad newcomer got in where two to five right ones are.
bool mad_newcomer_gets_in(std::uint64_t seed, Duration answer_within) {
  World world(seed, some_calm_options(seed));
  const std::uint64_t right = 2 + world.below(4);
  for (std::uint64_t n = 0; n < right; ++n)
    world.start(world.add());
  world.run_for(kBeat * 12 + world.up_to(kBeat));
  world.options().limits.answer_within = answer_within;
  World::Daemon& mad = world.add();
  lie(mad, some_lie(world), world.below(3));
  world.start(mad);
  world.run_for(kBeat * 30);
  for (std::uint64_t n = 0; n < right; ++n)
    EXPECT_EQ(world.daemons()[n]->standing, Standing::kMember) << text_of(*world.daemons()[n]);
  return mad.passes > 0;
}

TEST(ClockVoteProperty, a_mad_newcomer_never_gets_in_where_two_right_ones_are) {
  for (std::uint64_t seed = 1; seed <= worlds(); ++seed)
    ASSERT_FALSE(mad_newcomer_gets_in(seed, VoteLimits{}.answer_within)) << "seed " << seed;
}

TEST(ClockVoteCanary, a_newcomer_that_does_not_wait_for_answers_is_found) {
  std::uint64_t found = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed)
    if (mad_newcomer_gets_in(seed, {})) ++found;
  EXPECT_GT(found, 5U);
}

// A mad one that is the first to start gets in alone; the right ones that come after it throw it out.
TEST(ClockVoteProperty, in_the_end_the_right_ones_are_in_and_the_mad_one_is_out) {
  for (std::uint64_t seed = 1; seed <= worlds(); ++seed) {
    World world(seed, some_calm_options(seed));
    const std::uint64_t count = 3 + world.below(4);
    const std::uint64_t first = world.below(count);
    for (std::uint64_t n = 0; n < count; ++n)
      world.add();
    World::Daemon& mad = *world.daemons()[world.below(count)];
    lie(mad, some_lie(world), world.below(3));
    for (std::uint64_t n = 0; n < count; ++n) {
      world.start(*world.daemons()[(first + n) % count]);
      world.run_for(world.up_to(kBeat * 5));
    }
    world.run_for(kBeat * 15);
    for (const auto& daemon : world.daemons())
      ASSERT_EQ(daemon->standing == Standing::kMember, daemon.get() != &mad)
          << "seed " << seed << ", " << text_of(*daemon);
  }
}

}  // namespace
}  // namespace gnomon::lease::testing
