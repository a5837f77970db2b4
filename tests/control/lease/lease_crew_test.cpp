// SPDX-License-Identifier: Apache-2.0
//
// The crew of a lease runner with one thread, which a gate holds up: whose turn it is, and what there is room for.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "control/lease/lease_runner_crew.hpp"
#include "tests/control/lease/lease_house.hpp"

namespace gnomon::control {
namespace {

constexpr std::size_t kMostTasks = 40;

class Crew : public testing::Test {
 protected:
  void SetUp() override {
    gate_.shut();
    ASSERT_TRUE(crew_.post(read(0)));  // stands before the gate
    ASSERT_TRUE(support::eventually([&] { return gate_.standing() == 1; }));
  }
  void TearDown() override {
    gate_.open();
    crew_.stop();
  }
  static desk_effect::Read read(std::uint64_t number) { return {{number}, {"a"}, {}}; }
  static desk_effect::Commit commit(std::uint64_t number) { return {{number}, {{}, {{"b", "x"}}, {}}}; }

  /// "r" and "c" in the order in which they were carried out.
  std::string carried_out() {
    gate_.open();
    EXPECT_TRUE(support::eventually([&] { return crew_.size() == 0; }));
    const std::lock_guard lock(mutex_);
    return order_;
  }

  MemoryStore memory_;
  GatedStore gate_{memory_};
  std::mutex mutex_;
  std::string order_;
  std::vector<desk_event::StoreFailed> failed_;
  std::atomic<std::int64_t> uptime_ns_{0};
  LeaseRunnerCrew crew_{
      {&gate_},
      kMostTasks,
      [this] { return time::Uptime{uptime_ns_.load()}; },
      [this](const DeskEvent& event) {
        const std::lock_guard lock(mutex_);
        const auto* failed = std::get_if<desk_event::StoreFailed>(&event);
        if (failed != nullptr) failed_.push_back(*failed);
        order_ += std::holds_alternative<desk_event::ReadDone>(event) ? "r" : failed == nullptr ? "c" : "f";
      }};
};

TEST_F(Crew, CommitsPassQuestionsThatCameBefore) {
  for (std::uint64_t i = 1; i <= 10; ++i)
    ASSERT_TRUE(crew_.post(read(i)));
  for (std::uint64_t i = 11; i <= 13; ++i)
    ASSERT_TRUE(crew_.post(commit(i)));
  EXPECT_EQ(carried_out(), "rcccrrrrrrrrrr");
}

TEST_F(Crew, QuestionsComeToTheirTurnAmongCommits) {
  for (std::uint64_t i = 1; i <= 20; ++i)
    ASSERT_TRUE(crew_.post(commit(i)));
  ASSERT_TRUE(crew_.post(read(21)));
  ASSERT_TRUE(crew_.post(read(22)));
  EXPECT_EQ(carried_out(), "rccccccccrccccccccrcccc");
}

TEST_F(Crew, QuestionsLeaveRoomForCommits) {
  std::uint64_t number = 0;
  std::size_t reads = 0;
  while (crew_.post(read(++number)))
    ++reads;
  EXPECT_EQ(reads, kMostTasks / 2);
  std::size_t commits = 0;
  while (crew_.post(commit(++number)))
    ++commits;
  EXPECT_EQ(commits, kMostTasks / 2);
}

// What nobody asks for any more would be somebody's surprise.
TEST_F(Crew, ACommitThatHasWaitedBeyondItsDeadlineIsNotBegun) {
  for (const std::int64_t deadline : {100, 101, 99}) {
    desk_effect::Commit late = commit(static_cast<std::uint64_t>(deadline));
    late.transaction.puts.front().key = "until " + std::to_string(deadline);
    late.deadline = {deadline};
    ASSERT_TRUE(crew_.post(late));
  }
  ASSERT_TRUE(crew_.post(commit(1))) << "which may wait for ever";
  uptime_ns_ = 100;
  EXPECT_EQ(carried_out(), "rfcfc");
  for (const desk_event::StoreFailed& each : failed_) {
    EXPECT_EQ(each.error.kind, StoreErrorKind::kUnavailable);
    EXPECT_FALSE(*memory_.get("until " + std::to_string(each.task.value)));
  }
  EXPECT_TRUE(*memory_.get("until 101"));
  EXPECT_TRUE(*memory_.get("b"));
}

}  // namespace
}  // namespace gnomon::control
