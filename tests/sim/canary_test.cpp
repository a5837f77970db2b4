// SPDX-License-Identifier: Apache-2.0
//
// Each planted bug must be found within its bound of seeds, and the same seeds must be clean without it: so it is the
// bug that was found, and the checkers see.
#include "oracle/canary.hpp"

#include <gtest/gtest.h>

#include <string>

#include "tests/sim/runner.hpp"

namespace gnomon::sim {
namespace {

constexpr std::uint64_t kFirstSeed = 1;
constexpr std::uint64_t kBound = 200;

class Canary : public testing::TestWithParam<canary::BugInfo> {
 protected:
  void TearDown() override { canary::plant(canary::Bug::kNone); }
};

TEST_P(Canary, IsFound) {
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kBound; ++seed) {
    canary::plant(GetParam().bug);
    const Outcome with = run_seed(seed);
    if (!with.violation) continue;
    canary::plant(canary::Bug::kNone);
    const Outcome without = run_seed(seed);
    EXPECT_FALSE(without.violation) << text_of(without);
    RecordProperty("seed", std::to_string(seed));
    return;
  }
  FAIL() << kBound << " seeds did not find the planted bug: " << GetParam().what;
}

INSTANTIATE_TEST_SUITE_P(Planted, Canary, testing::ValuesIn(canary::kBugs), [](const auto& info) {
  std::string name(info.param.name);
  std::erase(name, '-');
  return name;
});

}  // namespace
}  // namespace gnomon::sim
