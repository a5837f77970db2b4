// SPDX-License-Identifier: Apache-2.0
//
// The rules of leases in random worlds (lease_world.hpp): no promise is ever broken. Compiled with canaries, as
// tests/sim does, it also shows that it would notice: each planted bug is found, by the promise that it breaks.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "oracle/canary.hpp"
#include "tests/oracle/lease/lease_world.hpp"

namespace gnomon::lease::testing {
namespace {

constexpr Duration kLength = seconds(120);

std::uint64_t worlds() { return std::getenv("GNOMON_TEST_FULL") != nullptr ? 3'000 : 100; }

TEST(LeaseProperty, no_promise_is_broken_whatever_is_late_lost_or_copied) {
  Tally all;
  for (std::uint64_t seed = 1; seed <= worlds(); ++seed) {
    LeaseWorld world(seed);
    ASSERT_EQ(world.run(kLength), "") << "seed " << seed;
    all.grants += world.tally().grants;
    all.takeovers += world.tally().takeovers;
    all.queued_grants += world.tally().queued_grants;
    all.renewals += world.tally().renewals;
    all.releases += world.tally().releases;
    all.conflicts += world.tally().conflicts;
    all.refusals += world.tally().refusals;
  }
  RecordProperty("grants", std::to_string(all.grants));
  RecordProperty("takeovers", std::to_string(all.takeovers));
  RecordProperty("queued_grants", std::to_string(all.queued_grants));
  EXPECT_GT(all.grants, worlds() * 10) << "nothing was granted: the test proves little";
  EXPECT_GT(all.takeovers, worlds() * 3);
  EXPECT_GT(all.queued_grants, worlds() * 3);
  EXPECT_GT(all.renewals, worlds() * 50);
  EXPECT_GT(all.releases, worlds() * 5);
  EXPECT_GT(all.conflicts, worlds() * 5) << "nobody decided on old entries";
}

#ifdef GNOMON_CANARIES

using canary::Bug;

constexpr std::uint64_t kBound = 300;

struct Planted {
  Bug bug;
  std::vector<std::string> promises;  // that may be the first to break
};

std::string name_of(Bug bug) {
  std::string name;
  for (const canary::BugInfo& known : canary::kBugs)
    if (known.bug == bug) name = known.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class LeaseCanary : public ::testing::TestWithParam<Planted> {
 protected:
  void TearDown() override { canary::plant(Bug::kNone); }
};

TEST_P(LeaseCanary, is_found_by_the_promise_that_it_breaks) {
  for (std::uint64_t seed = 1; seed <= kBound; ++seed) {
    canary::plant(GetParam().bug);
    const std::string broken = LeaseWorld(seed).run(kLength);
    if (broken.empty()) continue;
    RecordProperty("seed", std::to_string(seed));
    const std::string promise = broken.substr(0, broken.find(':'));
    const std::vector<std::string>& expected = GetParam().promises;
    EXPECT_NE(std::find(expected.begin(), expected.end(), promise), expected.end()) << broken;
    canary::plant(Bug::kNone);
    EXPECT_EQ(LeaseWorld(seed).run(kLength), "") << "and it is the bug that was found";
    return;
  }
  FAIL() << kBound << " worlds did not find it";
}

const Planted kPlanted[] = {
    {Bug::kTakeoverIgnoresSession, {"exclusive", "expiry", "final"}},
    {Bug::kExpiryFromEarliest, {"exclusive"}},
    {Bug::kTakeoverAtLatest, {"expiry", "exclusive"}},
    {Bug::kReleaseIgnoresToken, {"exclusive"}},
    {Bug::kRenewsTheDead, {"final"}},
    {Bug::kShortenedTtl, {"promise"}},
    {Bug::kQueueIgnored, {"queue"}},
};

INSTANTIATE_TEST_SUITE_P(Planted, LeaseCanary, ::testing::ValuesIn(kPlanted),
                         [](const auto& each) { return name_of(each.param.bug); });

// A bug may break a weaker promise first; what matters in the end is that two hold one name. (Whoever barges into the
// queue holds it alone all the same.)
class DoubleHolder : public ::testing::TestWithParam<Bug> {
 protected:
  void TearDown() override { canary::plant(Bug::kNone); }
};

TEST_P(DoubleHolder, comes_of_it) {
  canary::plant(GetParam());
  for (std::uint64_t seed = 1; seed <= kBound; ++seed)
    if (!LeaseWorld(seed, "exclusive").run(kLength).empty()) return;
  FAIL() << "two never held one name in " << kBound << " worlds";
}

INSTANTIATE_TEST_SUITE_P(Planted, DoubleHolder,
                         ::testing::Values(Bug::kTakeoverIgnoresSession, Bug::kExpiryFromEarliest,
                                           Bug::kTakeoverAtLatest, Bug::kReleaseIgnoresToken, Bug::kRenewsTheDead,
                                           Bug::kShortenedTtl),
                         [](const auto& each) { return name_of(each.param); });

#endif

}  // namespace
}  // namespace gnomon::lease::testing
