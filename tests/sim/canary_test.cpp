// SPDX-License-Identifier: Apache-2.0
//
// Each planted bug must be found within its bound of seeds, by the checker of the promise that it breaks, and the same
// seeds must be clean without it: so it is the bug that was found, and the checkers see.
#include "oracle/canary.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
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
    case Bug::kContradictionBelieved:
    case Bug::kForgottenDrift:
    case Bug::kIgnoredCores:
    case Bug::kKeptHistory:
    case Bug::kIgnoredNotice:
    case Bug::kIgnoredVoid: return {"contained", "consistent"};
    case Bug::kEarlyRelease: return {"consistent", "contained"};
    case Bug::kForgottenRemote: return {"hlc"};
    default: break;  // others find the rest
  }
  return {};
}

class Canary : public testing::TestWithParam<canary::BugInfo> {
 protected:
  void TearDown() override { canary::plant(Bug::kNone); }
};

TEST_P(Canary, is_found) {
  const auto promises = promises_broken_by(GetParam().bug);
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kBound; ++seed) {
    canary::plant(GetParam().bug);
    const Outcome with = run_seed(seed);
    if (!with.violation) continue;
    EXPECT_NE(std::find(promises.begin(), promises.end(), with.violation->promise), promises.end()) << text_of(with);
    canary::plant(Bug::kNone);
    const Outcome without = run_seed(seed);
    EXPECT_FALSE(without.violation) << text_of(without);
    EXPECT_NE(with.trace_hash, without.trace_hash);
    RecordProperty("seed", std::to_string(seed));
    return;
  }
  FAIL() << kBound << " seeds did not find the planted bug: " << GetParam().what;
}

/// Those of the clocks that its hosts are able to show as well; the other terms live in sources that it does not run.
constexpr Bug kAlsoFoundHere[] = {Bug::kTightestSource, Bug::kContradictionBelieved, Bug::kForgottenDrift,
                                  Bug::kEarlyRelease};

std::vector<canary::BugInfo> bugs_for_the_simulator() {
  std::vector<canary::BugInfo> out;
  std::copy_if(canary::kBugs.begin(), canary::kBugs.end(), std::back_inserter(out), [](const canary::BugInfo& info) {
    return info.finder == canary::Finder::kSimulator ||
           std::find(std::begin(kAlsoFoundHere), std::end(kAlsoFoundHere), info.bug) != std::end(kAlsoFoundHere);
  });
  return out;
}

INSTANTIATE_TEST_SUITE_P(Planted, Canary, testing::ValuesIn(bugs_for_the_simulator()),
                         [](const testing::TestParamInfo<canary::BugInfo>& parameter) {
                           std::string name(parameter.param.name);
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace gnomon::sim
