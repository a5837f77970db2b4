// SPDX-License-Identifier: Apache-2.0
//
// The threads that talk to the store: what they are given at once is carried out at once, and what comes one after the
// other is given to one of them, so that its connection stays in use.
#include "control/lease/lease_runner_crew.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "tests/control/memory_store.hpp"
#include "tests/support/eventually.hpp"

namespace gnomon::control {
namespace {

using support::eventually;

constexpr std::size_t kThreads = 8;

/// Counts its commits, and holds them up while the gate is shut.
class CountedStore final : public Store {
 public:
  explicit CountedStore(const std::atomic<bool>& shut) : shut_(shut) {}

  tl::expected<std::optional<Entry>, StoreError> get(std::string_view key) override { return behind_.get(key); }
  tl::expected<Listing, StoreError> list(std::string_view prefix) override { return behind_.list(prefix); }
  tl::expected<Revision, StoreError> commit(const Transaction& transaction) override {
    ++begun_;
    if (!eventually([this] { return !shut_.load(); }))
      return tl::make_unexpected(StoreError{StoreErrorKind::kUnavailable, "the gate stayed shut"});
    return behind_.commit(transaction);
  }
  std::unique_ptr<Watch> watch(std::string_view prefix, Revision after) override {
    return behind_.watch(prefix, after);
  }
  [[nodiscard]] int begun() const { return begun_; }

 private:
  MemoryStore behind_;
  const std::atomic<bool>& shut_;
  std::atomic<int> begun_{0};
};

class LeaseRunnerCrewTest : public testing::Test {
 protected:
  LeaseRunnerCrewTest() {
    std::vector<Store*> given;
    given.reserve(kThreads);
    for (std::size_t i = 0; i < kThreads; ++i)
      given.push_back(stores_.emplace_back(std::make_unique<CountedStore>(shut_)).get());
    crew_ = std::make_unique<LeaseRunnerCrew>(
        given, 100, [] { return time::Uptime{}; },
        [this](DeskEvent event) {
          const std::lock_guard lock(mutex_);
          if (const auto* done = std::get_if<desk_event::CommitDone>(&event)) done_.insert(done->task.value);
        });
  }

  bool post(std::uint64_t task) { return crew_->post(desk_effect::Commit{{task}, {{}, {{"key", "value"}}, {}}}); }
  /// Answered, and nobody at work any more.
  bool are_done(std::size_t count) {
    return eventually([&] {
      const std::lock_guard lock(mutex_);
      return done_.size() == count && crew_->size() == 0;
    });
  }
  /// A task for each thread, all at once, to their end.
  void occupy_all() {
    shut_ = true;
    for (std::uint64_t i = 1; i <= kThreads; ++i)
      ASSERT_TRUE(post(i));
    EXPECT_TRUE(eventually([this] { return at_work() == static_cast<int>(kThreads); }));
    shut_ = false;
    EXPECT_TRUE(are_done(kThreads));
  }
  int at_work() const {
    int count = 0;
    for (const auto& store : stores_)
      count += store->begun() > 0 ? 1 : 0;
    return count;
  }

  std::atomic<bool> shut_{false};
  std::vector<std::unique_ptr<CountedStore>> stores_;
  std::mutex mutex_;
  std::set<std::uint64_t> done_;           // guarded by mutex_
  std::unique_ptr<LeaseRunnerCrew> crew_;  // goes first: it answers here
};

TEST_F(LeaseRunnerCrewTest, GivesWhatComesOneByOneToOneConnection) {
  occupy_all();  // else a thread that begins late would be the one that was idle last
  std::vector<int> before;
  before.reserve(stores_.size());
  for (const auto& store : stores_)
    before.push_back(store->begun());
  constexpr int kTasks = 50;
  for (int i = 1; i <= kTasks; ++i) {
    ASSERT_TRUE(post(100 + static_cast<std::uint64_t>(i)));
    ASSERT_TRUE(are_done(kThreads + static_cast<std::size_t>(i)));
  }
  std::vector<int> used;
  for (std::size_t i = 0; i < kThreads; ++i)
    if (const int count = stores_[i]->begun() - before[i]; count > 0) used.push_back(count);
  EXPECT_EQ(used, std::vector<int>{kTasks});
}

TEST_F(LeaseRunnerCrewTest, GivesWhatComesAtOnceToAll) {
  shut_ = true;
  for (std::uint64_t i = 1; i <= 3 * kThreads; ++i)
    ASSERT_TRUE(post(i));
  EXPECT_TRUE(eventually([this] { return at_work() == static_cast<int>(kThreads); }));
  EXPECT_EQ(crew_->size(), 3 * kThreads);
  shut_ = false;
  EXPECT_TRUE(are_done(3 * kThreads));
}

TEST_F(LeaseRunnerCrewTest, EndsWhileItIsAtWork) {
  shut_ = true;
  for (std::uint64_t i = 1; i <= 3 * kThreads; ++i)
    ASSERT_TRUE(post(i));
  ASSERT_TRUE(eventually([this] { return at_work() == static_cast<int>(kThreads); }));
  std::thread opens([this] {
    ASSERT_TRUE(eventually([this] { return crew_->size() == kThreads; }));  // what waited is dropped
    shut_ = false;
  });
  crew_->stop();
  opens.join();
  EXPECT_FALSE(post(1'000));
  EXPECT_EQ(crew_->size(), 0U);
  const std::lock_guard lock(mutex_);
  EXPECT_EQ(done_.size(), kThreads);
}

}  // namespace
}  // namespace gnomon::control
