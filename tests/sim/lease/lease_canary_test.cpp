// SPDX-License-Identifier: Apache-2.0
//
// Each planted bug must be found within its bound of seeds, by the checker of the promise that it breaks, and the same
// seed must be clean without it: so it is the bug that was found, and the checkers see.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "oracle/canary.hpp"
#include "tests/sim/lease/runner.hpp"

namespace gnomon::sim::leases {
namespace {

using canary::Bug;

constexpr std::uint64_t kFirstSeed = 1;
constexpr std::uint64_t kBound = 300;

/// Those that only a directed scene finds (lease_directed_test.cpp): an operator breaks leases, and a clock is slewed
/// by far more than a clock may be off.
constexpr Bug kDirected[] = {Bug::kGrantWithoutConfirm, Bug::kSlewedClockOnly};

/// The checkers that may be the first to see it. None: it is one of those.
std::vector<std::string_view> promises_broken_by(Bug bug) {
  switch (bug) {
    case Bug::kTakeoverIgnoresSession: return {"expiry", "exclusive"};
    case Bug::kExpiryFromEarliest: return {"expiry", "belief"};
    case Bug::kTakeoverAtLatest: return {"expiry"};
    case Bug::kReleaseIgnoresToken: return {"answers", "exclusive"};
    case Bug::kRenewsTheDead: return {"expiry"};
    case Bug::kShortenedTtl: return {"expiry", "belief"};
    case Bug::kQueueIgnored: return {"queue"};
    case Bug::kCountsFromAnswer:
    case Bug::kOneClockOnly: return {"belief", "exclusive"};
    case Bug::kHoldsAfterRelease: return {"exclusive"};
    default: return {};
  }
}

class LeaseCanary : public testing::TestWithParam<canary::BugInfo> {
 protected:
  void TearDown() override { canary::plant(Bug::kNone); }
};

TEST_P(LeaseCanary, is_found) {
  const canary::BugInfo info = GetParam();
  const auto promises = promises_broken_by(info.bug);
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kBound; ++seed) {
    canary::plant(info.bug);
    const Outcome with = run_seed(seed);
    if (!with.violation) continue;
    EXPECT_NE(std::find(promises.begin(), promises.end(), with.violation->promise), promises.end()) << text_of(with);
    canary::plant(Bug::kNone);
    const Outcome without = run_seed(seed);
    EXPECT_FALSE(without.violation) << text_of(without);
    EXPECT_NE(with.story_hash, without.story_hash);
    RecordProperty("seed", std::to_string(seed));
    return;
  }
  FAIL() << kBound << " seeds did not find the planted bug: " << info.what;
}

std::vector<canary::BugInfo> hunted() {
  std::vector<canary::BugInfo> out;
  for (const canary::BugInfo& info : canary::kBugs)
    if (!promises_broken_by(info.bug).empty()) out.push_back(info);
  return out;
}

INSTANTIATE_TEST_SUITE_P(Planted, LeaseCanary, testing::ValuesIn(hunted()),
                         [](const testing::TestParamInfo<canary::BugInfo>& parameter) {
                           std::string name(parameter.param.name);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(LeaseCanaries, all_have_a_hunter) {
  for (const canary::BugInfo& info : canary::kBugs)
    if (info.finder == canary::Finder::kLeases || info.finder == canary::Finder::kHolders) {
      const bool directed = std::find(std::begin(kDirected), std::end(kDirected), info.bug) != std::end(kDirected);
      EXPECT_NE(promises_broken_by(info.bug).empty(), !directed) << info.name;
    }
}

}  // namespace
}  // namespace gnomon::sim::leases
