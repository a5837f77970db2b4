// SPDX-License-Identifier: Apache-2.0
//
// The search for what a failure needs: on made-up failures, and on worlds with planted bugs.
#include "tests/sim/shrink.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "oracle/canary.hpp"
#include "tests/sim/lease/runner.hpp"
#include "tests/sim/random.hpp"
#include "tests/sim/runner.hpp"

namespace gnomon::sim {
namespace {

using Atoms = std::vector<int>;
constexpr std::uint64_t kPlenty = 100'000;

Atoms up_to(int n) {
  Atoms atoms(static_cast<std::size_t>(n));
  std::iota(atoms.begin(), atoms.end(), 1);
  return atoms;
}

bool has(const Atoms& atoms, int atom) { return std::find(atoms.begin(), atoms.end(), atom) != atoms.end(); }

template <typename T, typename Fails>
bool is_1_minimal(const std::vector<T>& atoms, const Fails& fails) {
  for (std::size_t i = 0; i < atoms.size(); ++i) {
    std::vector<T> fewer = atoms;
    fewer.erase(std::next(fewer.begin(), static_cast<std::ptrdiff_t>(i)));
    if (fails(fewer)) return false;
  }
  return true;
}

// ---- made-up failures

TEST(Ddmin, finds_those_that_are_needed) {
  const auto fails = [](const Atoms& atoms) { return has(atoms, 17) && has(atoms, 61) && has(atoms, 62); };
  const auto found = Ddmin(up_to(100), fails, kPlenty).find();
  EXPECT_EQ(found.atoms, (Atoms{17, 61, 62}));
  EXPECT_TRUE(found.is_minimal);
  EXPECT_LT(found.runs, 100U);
}

TEST(Ddmin, tries_nothing_at_all_first) {
  const auto found = Ddmin(up_to(100), [](const Atoms&) { return true; }, kPlenty).find();
  EXPECT_TRUE(found.atoms.empty());
  EXPECT_EQ(found.runs, 1U);
  EXPECT_TRUE(found.is_minimal);
}

TEST(Ddmin, keeps_what_cannot_be_spared) {
  for (const int n : {0, 1, 2, 3, 7, 64}) {
    const Atoms all = up_to(n);
    const auto found = Ddmin(all, [&](const Atoms& atoms) { return atoms == all; }, kPlenty).find();
    EXPECT_EQ(found.atoms, all);
    EXPECT_TRUE(found.is_minimal) << n;
    EXPECT_LE(found.runs, static_cast<std::uint64_t>(n) * 4);
  }
}

TEST(Ddmin, ends_when_its_runs_are_used_up) {
  const auto fails = [](const Atoms& atoms) { return has(atoms, 17) && has(atoms, 61); };
  const std::uint64_t needed = Ddmin(up_to(100), fails, kPlenty).find().runs;
  for (std::uint64_t most = 0; most < needed; ++most) {
    std::uint64_t asked = 0;
    const auto counting = [&](const Atoms& atoms) {
      ++asked;
      return fails(atoms);
    };
    const auto found = Ddmin(up_to(100), counting, most).find();
    EXPECT_EQ(found.runs, most);
    EXPECT_EQ(asked, most);
    EXPECT_FALSE(found.is_minimal) << most;
    EXPECT_TRUE(fails(found.atoms));
  }
  EXPECT_TRUE(Ddmin(up_to(100), fails, needed).find().is_minimal);
}

// Whether a part fails has nothing to do with whether a smaller or a larger one does, but by the core in it.
TEST(Ddmin, is_1_minimal_on_failures_that_are_not_monotone) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Random random = Random(seed).fork();
    const Atoms all = up_to(static_cast<int>(random.between(1, 60)));
    const int core = static_cast<int>(random.between(1, std::ssize(all)));
    const std::uint64_t often = random.below(8);
    const auto fails = [&](const Atoms& atoms) {
      std::uint64_t hash = seed;
      for (const int atom : atoms)
        hash = Random(hash ^ static_cast<std::uint64_t>(atom)).next();
      return atoms == all || (has(atoms, core) && hash % 8 <= often);
    };
    const auto found = Ddmin(all, fails, kPlenty).find();
    EXPECT_TRUE(found.is_minimal);
    EXPECT_TRUE(fails(found.atoms)) << "seed " << seed;
    EXPECT_TRUE(is_1_minimal(found.atoms, fails)) << "seed " << seed;
    EXPECT_LE(found.runs, all.size() * (all.size() + 3) + 1) << "seed " << seed;  // the worst case of the paper
  }
}

// ---- texts

TEST(Part, has_one_text) {
  constexpr const char* kTexts[] = {
      "nothing",
      "faults=1",
      "faults=1-3,7",
      "host-faults=2",
      "faults=1,3,5-6;host-faults=2-100000;loss",
      "hardships=2,4",
      "faults=1;host-faults=2;hardships=3-5;duplicates",
      "loss;preemption;lost-answers;failed-syncs;duplicates",
      "preemption",
  };
  for (const char* text : kTexts) {
    const auto part = parse_part(text);
    ASSERT_TRUE(part) << text;
    EXPECT_EQ(text_of(*part), text);
  }
  const Part part({{TroubleKind::kLoss}, {TroubleKind::kFault, 3}, {TroubleKind::kFault, 2}, {TroubleKind::kFault, 3}});
  EXPECT_EQ(text_of(part), "faults=2-3;loss");
  EXPECT_EQ(parse_part("faults=2,3;loss"), part);
  EXPECT_TRUE(part.has({TroubleKind::kFault, 2}));
  EXPECT_FALSE(part.has({TroubleKind::kHostFault, 2}));
  EXPECT_EQ(parse_part("nothing"), Part());
}

TEST(Part, refuses_nonsense) {
  struct Case {
    const char* text;
    PartError why;
  };
  constexpr Case kCases[] = {
      {"", PartError::kUnknownName},
      {"everything", PartError::kUnknownName},
      {"nothing;loss", PartError::kUnknownName},
      {"loss;", PartError::kUnknownName},
      {" loss", PartError::kUnknownName},
      {"loss;faults=1", PartError::kOutOfOrder},
      {"loss;loss", PartError::kOutOfOrder},
      {"faults=2,1", PartError::kOutOfOrder},
      {"faults=1-3,3", PartError::kOutOfOrder},
      {"faults", PartError::kNumbersMissing},
      {"host-faults=", PartError::kNumbersMissing},
      {"loss=1", PartError::kNumbersTooMuch},
      {"loss=", PartError::kNumbersTooMuch},
      {"faults=0", PartError::kNotANumber},
      {"faults=01", PartError::kNotANumber},
      {"faults=-1", PartError::kNotANumber},
      {"faults=1,", PartError::kNotANumber},
      {"faults=1-", PartError::kNotANumber},
      {"faults=1-2-3", PartError::kNotANumber},
      {"faults=100001", PartError::kNotANumber},
      {"faults=99999999999999999999", PartError::kNotANumber},
      {"faults=1=2", PartError::kNotANumber},
      {"faults=3-3", PartError::kEmptyRange},
      {"faults=3-2", PartError::kEmptyRange},
  };
  for (const auto& [text, why] : kCases) {
    const auto part = parse_part(text);
    ASSERT_FALSE(part) << text;
    EXPECT_EQ(part.error(), why) << text << ": " << text_of(part.error());
  }
}

// ---- worlds

constexpr std::uint64_t kSeeds = 8;

std::uint64_t hash_of(const Outcome& outcome) { return outcome.trace_hash; }
std::uint64_t hash_of(const leases::Outcome& outcome) { return outcome.story_hash; }

struct Daemons {
  WorldKind kind;
  Outcome run(std::uint64_t seed) const { return run_seed(seed, kind); }
  Outcome run(std::uint64_t seed, const Replay& replay) const { return run_part(seed, kind, replay); }
};
struct Leases {
  leases::Outcome run(std::uint64_t seed) const { return leases::run_seed(seed); }
  leases::Outcome run(std::uint64_t seed, const Replay& replay) const { return leases::run_part(seed, replay); }
};

template <typename Worlds>
void expect_that_all_of_it_is_the_same_history(const Worlds& worlds) {
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto whole = worlds.run(seed);
    const auto again = worlds.run(seed, {whole.befell, whole.befell.whole()});
    EXPECT_EQ(hash_of(again), hash_of(whole)) << "seed " << seed;
    EXPECT_EQ(again.befell.whole(), whole.befell.whole()) << "seed " << seed;
  }
}

TEST(Replay, of_everything_is_the_same_history) {
  expect_that_all_of_it_is_the_same_history(Daemons{WorldKind::kOneHost});
  expect_that_all_of_it_is_the_same_history(Daemons{WorldKind::kShared});
  expect_that_all_of_it_is_the_same_history(Leases{});
}

// Without the first fault the world takes another course; the faults do not.
template <typename Worlds>
void expect_that_the_others_stay(const Worlds& worlds) {
  std::size_t compared = 0;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const auto whole = worlds.run(seed);
    std::vector<Trouble> troubles = whole.befell.whole().troubles();
    if (troubles.size() < 4 || troubles.front() != Trouble{TroubleKind::kFault, 1}) continue;
    troubles.erase(troubles.begin());
    const auto part = worlds.run(seed, {whole.befell, Part(troubles)});
    const auto& before = whole.befell.faults;
    const auto& after = part.befell.faults;
    ASSERT_EQ(after.size(), before.size()) << "seed " << seed;
    EXPECT_FALSE(after.front().struck);
    EXPECT_EQ(part.befell.hardships.size(), whole.befell.hardships.size()) << "seed " << seed;
    for (std::size_t i = 1; i < after.size(); ++i) {
      EXPECT_EQ(after[i].at, before[i].at) << "seed " << seed;
      EXPECT_EQ(after[i].what, before[i].what) << "seed " << seed;
    }
    compared += after.size();
  }
  EXPECT_GT(compared, 20U);
}

TEST(Replay, of_a_part_leaves_the_other_faults_as_they_were) {
  expect_that_the_others_stay(Daemons{WorldKind::kOneHost});
  expect_that_the_others_stay(Daemons{WorldKind::kShared});
  expect_that_the_others_stay(Leases{});
}

class Shrinking : public testing::Test {
 protected:
  void TearDown() override { canary::plant(canary::Bug::kNone); }
};

/// The first seed that finds the bug after at least so many troubles is shrunk to at most so many.
template <typename Worlds>
void expect_to_shrink(const Worlds& worlds, canary::Bug bug, std::size_t from, std::size_t to) {
  constexpr std::uint64_t kBound = 300;
  canary::plant(bug);
  for (std::uint64_t seed = 1; seed <= kBound; ++seed) {
    const auto whole = worlds.run(seed);
    if (!whole.violation || whole.befell.whole().troubles().size() < from) continue;
    const auto run = [&](const Part& part) { return worlds.run(seed, {whole.befell, part}); };
    const auto fails = [&](const std::vector<Trouble>& troubles) {
      const auto outcome = run(Part(troubles));
      return outcome.violation && outcome.violation->promise == whole.violation->promise;
    };
    std::uint64_t told = 0;
    const auto shrunk = shrink(whole, run, kMostRuns, [&](std::size_t, std::uint64_t runs) { told = runs; });
    EXPECT_EQ(told, shrunk.runs);
    ASSERT_TRUE(shrunk.outcome.violation && shrunk.outcome.part);
    const auto& left = shrunk.outcome.part->troubles();
    EXPECT_EQ(shrunk.outcome.violation->promise, whole.violation->promise);
    EXPECT_LE(left.size(), to) << text_of(shrunk.outcome);
    EXPECT_TRUE(shrunk.is_minimal);
    EXPECT_TRUE(is_1_minimal(left, fails)) << text_of(shrunk.outcome);

    const std::string text = text_of(*shrunk.outcome.part);
    const auto read = parse_part(text);
    ASSERT_TRUE(read) << text;
    const auto again = worlds.run(seed, {worlds.run(seed).befell, *read});
    EXPECT_EQ(hash_of(again), hash_of(shrunk.outcome)) << text;
    EXPECT_NE(text_of(again).find("--only '" + text + "'"), std::string::npos) << text_of(again);
    EXPECT_NE(text_of(whole).find("--shrink"), std::string::npos) << text_of(whole);
    return;
  }
  FAIL() << kBound << " seeds did not find the planted bug";
}

TEST_F(Shrinking, of_one_host_finds_the_fault_of_the_daemon) {
  expect_to_shrink(Daemons{WorldKind::kOneHost}, canary::Bug::kUnknownExtension, 20, 4);
}
TEST_F(Shrinking, of_one_host_finds_the_fault_of_its_machine) {
  expect_to_shrink(Daemons{WorldKind::kOneHost}, canary::Bug::kIgnoredVoid, 20, 4);
}
TEST_F(Shrinking, of_many_hosts_finds_the_recovery_that_went_wrong) {
  expect_to_shrink(Daemons{WorldKind::kShared}, canary::Bug::kKeptFloor, 20, 4);
}
TEST_F(Shrinking, of_many_hosts_finds_the_loss_of_power) {
  expect_to_shrink(Daemons{WorldKind::kShared}, canary::Bug::kSkippedSync, 10, 3);
}
TEST_F(Shrinking, of_leases_finds_the_sleep_that_a_holder_did_not_notice) {
  expect_to_shrink(Leases{}, canary::Bug::kOneClockOnly, 20, 4);
}
TEST_F(Shrinking, of_leases_finds_the_message_that_was_late) {
  expect_to_shrink(Leases{}, canary::Bug::kCountsFromAnswer, 20, 8);
}

// A bug that shows by itself needs nothing.
TEST_F(Shrinking, leaves_nothing_where_nothing_is_needed) {
  expect_to_shrink(Daemons{WorldKind::kOneHost}, canary::Bug::kReopenedUnit, 1, 0);
}

}  // namespace
}  // namespace gnomon::sim
