// SPDX-License-Identifier: Apache-2.0
//
// Each planted bug must be found within its bound of seeds, by the checker of the promise that it breaks, and the same
// seeds must be clean without it: so it is the bug that was found, and the checkers see.
#include "oracle/canary.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/sim/runner.hpp"

namespace gnomon::sim {
namespace {

using canary::Bug;

constexpr std::uint64_t kFirstSeed = 1;
constexpr std::uint64_t kBound = 1000;

/// The checkers that may be the first to see it.
std::vector<std::string_view> promises_broken_by(Bug bug) {
  switch (bug) {
    case Bug::kUnknownExtension: return {"durable", "window"};
    case Bug::kEarlyLastUsed: return {"release", "window"};
    case Bug::kReopenedUnit: return {"unique"};
    case Bug::kForgottenUnit: return {"monotone"};
    case Bug::kWrappedSequence: return {"window"};
    case Bug::kIgnoredLead: return {"lead"};
    case Bug::kUnconfirmedJump: return {"liveness"};
    case Bug::kOneLayoutReleased: return {"release"};
    case Bug::kIgnoredFloor: return {"window"};
    case Bug::kTightestSource:
    case Bug::kWholeSecondsBelieved:
    case Bug::kContradictionBelieved:
    case Bug::kForgottenDrift:
    case Bug::kIgnoredCores:
    case Bug::kKeptHistory:
    case Bug::kIgnoredNotice:
    case Bug::kIgnoredVoid: return {"contained", "consistent"};
    case Bug::kEarlyRelease: return {"consistent", "contained"};
    case Bug::kForgottenRemote: return {"hlc"};
    case Bug::kLoweringHeal: return {"window"};
    case Bug::kBlindRetry: return {"window", "durable", "copied"};  // the latter: over the head of a copy
    case Bug::kSkippedVote: return {"poisoned", "stands-down"};
    case Bug::kForgottenAcknowledged: return {"restored"};
    case Bug::kIgnoredSeal: return {"sealed"};
    case Bug::kKeptFloor: return {"floor"};
    case Bug::kSkippedSync:
    case Bug::kIgnoredDiskError: return {"durable"};
    case Bug::kForgottenDamage: return {"damaged"};
    case Bug::kCopyTakenForOwn: return {"copied"};
    default: break;  // others find the rest
  }
  return {};
}

/// A bug, and the worlds that have to show it.
struct Hunt {
  canary::BugInfo info;
  WorldKind kind = WorldKind::kOneHost;
};

class Canary : public testing::TestWithParam<Hunt> {
 protected:
  void TearDown() override { canary::plant(Bug::kNone); }
};

TEST_P(Canary, is_found) {
  const auto& [info, kind] = GetParam();
  const auto promises = promises_broken_by(info.bug);
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kBound; ++seed) {
    canary::plant(info.bug);
    const Outcome with = run_seed(seed, kind);
    if (!with.violation) continue;
    EXPECT_NE(std::find(promises.begin(), promises.end(), with.violation->promise), promises.end()) << text_of(with);
    canary::plant(Bug::kNone);
    const Outcome without = run_seed(seed, kind);
    EXPECT_FALSE(without.violation) << text_of(without);
    EXPECT_NE(with.trace_hash, without.trace_hash);
    RecordProperty("seed", std::to_string(seed));
    return;
  }
  FAIL() << kBound << " seeds did not find the planted bug: " << info.what;
}

// Nothing else that befalls a world would have shown it. (Those of disks have no effect where no disk fails.)
TEST(CanaryOfHardships, of_a_copy_is_not_found_without_copies) {
  constexpr std::uint64_t kSeeds = 60;
  canary::plant(Bug::kCopyTakenForOwn);
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kSeeds; ++seed) {
    Scenario scenario = make_scenario(seed, WorldKind::kShared);
    scenario.hardships = {};
    const Outcome outcome = run_scenario(scenario);
    EXPECT_FALSE(outcome.violation) << text_of(outcome);
  }
  canary::plant(Bug::kNone);
}

/// Those of the clocks that its hosts are able to show as well; the other terms live in sources that it does not run.
constexpr Bug kAlsoFoundHere[] = {Bug::kTightestSource, Bug::kWholeSecondsBelieved, Bug::kContradictionBelieved,
                                  Bug::kForgottenDrift, Bug::kEarlyRelease};

/// Those of one host that many of them have to show as well.
constexpr Bug kAlsoOfManyHosts[] = {Bug::kUnknownExtension, Bug::kEarlyLastUsed};

bool is_among(std::span<const Bug> bugs, Bug bug) { return std::find(bugs.begin(), bugs.end(), bug) != bugs.end(); }

std::vector<Hunt> hunts() {
  std::vector<Hunt> out;
  for (const canary::BugInfo& info : canary::kBugs) {
    if (info.finder == canary::Finder::kSimulator || is_among(kAlsoFoundHere, info.bug))
      out.push_back({info, WorldKind::kOneHost});
    if (info.finder == canary::Finder::kSharedStore || is_among(kAlsoOfManyHosts, info.bug))
      out.push_back({info, WorldKind::kShared});
  }
  return out;
}

INSTANTIATE_TEST_SUITE_P(Planted, Canary, testing::ValuesIn(hunts()),
                         [](const testing::TestParamInfo<Hunt>& parameter) {
                           std::string name(parameter.param.info.name);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name + (parameter.param.kind == WorldKind::kShared ? "_of_many_hosts" : "");
                         });

}  // namespace
}  // namespace gnomon::sim
