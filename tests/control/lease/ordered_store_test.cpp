// SPDX-License-Identifier: Apache-2.0
//
// One store for several threads: one at a time, in the order of their arrival, whoever is busy.
#include "control/lease/ordered_store.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/control/memory_store.hpp"
#include "tests/support/eventually.hpp"

namespace gnomon::control {
namespace {

/// Each call waits until the test lets it through; says in which order they came in, and how many at once.
class Turnstile final : public Store {
 public:
  tl::expected<std::optional<Entry>, StoreError> get(std::string_view key) override {
    const Inside inside(*this, std::string(key));
    return behind_.get(key);
  }
  tl::expected<Listing, StoreError> list(std::string_view prefix) override {
    const Inside inside(*this, std::string(prefix));
    return behind_.list(prefix);
  }
  tl::expected<Revision, StoreError> commit(const Transaction& transaction) override {
    const Inside inside(*this, transaction.puts.empty() ? "" : transaction.puts.front().key);
    return behind_.commit(transaction);
  }
  std::unique_ptr<Watch> watch(std::string_view prefix, Revision after) override {
    return behind_.watch(prefix, after);
  }

  void let_through(int calls) {
    {
      const std::lock_guard lock(mutex_);
      allowed_ += calls;
    }
    changed_.notify_all();
  }
  std::vector<std::string> order() {
    const std::lock_guard lock(mutex_);
    return order_;
  }
  [[nodiscard]] int most_inside() const { return most_inside_; }

 private:
  class Inside {
   public:
    Inside(Turnstile& at, std::string who) : at_(at) {
      const int inside = ++at_.inside_;
      if (inside > at_.most_inside_) at_.most_inside_ = inside;
      std::unique_lock lock(at_.mutex_);
      at_.order_.push_back(std::move(who));
      at_.changed_.wait(lock, [this] { return at_.allowed_ > 0; });
      --at_.allowed_;
    }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    ~Inside() { --at_.inside_; }

   private:
    Turnstile& at_;
  };

  MemoryStore behind_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> order_;
  int allowed_ = 0;
  std::atomic<int> inside_{0};
  std::atomic<int> most_inside_{0};
};

Transaction put(const std::string& key) { return {{}, {{key, "value"}}, {}}; }

TEST(OrderedStore, ServesInTheOrderOfArrival) {
  constexpr std::size_t kCallers = 24;
  Turnstile behind;
  OrderedStore store(behind);
  std::vector<std::thread> callers;
  std::vector<std::string> arrived;
  arrived.reserve(kCallers);
  for (std::size_t i = 0; i < kCallers; ++i) {
    arrived.push_back("caller/" + std::to_string(i));
    callers.emplace_back([&, key = arrived.back(), i] {
      if (i % 3 == 0)
        EXPECT_TRUE(store.get(key).has_value());
      else if (i % 3 == 1)
        EXPECT_TRUE(store.list(key).has_value());
      else
        EXPECT_TRUE(store.commit(put(key)).has_value());
    });
    // The next one comes once this one has its ticket (the first one has the store).
    ASSERT_TRUE(support::eventually([&] { return store.waiting() + behind.order().size() == i + 1; }));
  }
  behind.let_through(kCallers);
  for (std::thread& caller : callers)
    caller.join();
  EXPECT_EQ(behind.order(), arrived);
  EXPECT_EQ(behind.most_inside(), 1);
}

/// The starvation that a mutex allows: whoever lets go of it and comes back at once is faster than whoever is woken.
TEST(OrderedStore, ABusyCallerDoesNotOvertakeOneThatWaits) {
  constexpr int kRounds = 50;
  Turnstile behind;
  OrderedStore store(behind);
  std::atomic<bool> stop = false;
  std::thread busy([&] {
    while (!stop)
      EXPECT_TRUE(store.commit(put("busy")).has_value());
  });
  ASSERT_TRUE(support::eventually([&] { return behind.order().size() == 1; }));
  for (int round = 0; round < kRounds; ++round) {
    const std::size_t before = behind.order().size();
    std::thread waiting([&] { EXPECT_TRUE(store.commit(put("waiting")).has_value()); });
    ASSERT_TRUE(support::eventually([&] { return store.waiting() == 1; }));
    behind.let_through(1);
    ASSERT_TRUE(support::eventually([&] { return behind.order().size() > before; }));
    const bool in_turn = behind.order().at(before) == "waiting";
    EXPECT_TRUE(in_turn) << "overtaken in round " << round;
    behind.let_through(in_turn ? 1 : 1'000'000);
    waiting.join();
    if (!in_turn) break;
    // The busy one has the store again before the next round.
    ASSERT_TRUE(support::eventually([&] { return behind.order().back() == "busy"; }));
  }
  stop = true;
  behind.let_through(1);
  busy.join();
}

TEST(OrderedStore, NothingIsLostUnderContention) {
  constexpr int kThreads = 8;
  constexpr int kEach = 200;
  Turnstile behind;
  behind.let_through(10 * kThreads * kEach);
  OrderedStore store(behind);
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i)
        EXPECT_TRUE(store.commit(put(std::to_string(t) + "/" + std::to_string(i))).has_value());
    });
  for (std::thread& thread : threads)
    thread.join();
  const auto all = store.list("");
  ASSERT_TRUE(all.has_value());
  EXPECT_EQ(all->entries.size(), std::size_t{kThreads} * kEach);
  EXPECT_EQ(all->at, Revision{std::uint64_t{kThreads} * kEach});
  EXPECT_EQ(behind.most_inside(), 1);
  EXPECT_EQ(store.waiting(), 0U);
}

TEST(OrderedStore, ResultsAndErrorsComeThroughAndItsWatchesHear) {
  MemoryStore behind;
  OrderedStore store(behind);
  const auto watch = store.watch("a/", {0});
  const auto written = store.commit({{{"a/1", {0}}}, {{"a/1", "one"}}, {}});
  ASSERT_TRUE(written.has_value());
  const auto again = store.commit({{{"a/1", {0}}}, {{"a/1", "two"}}, {}});
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().kind, StoreErrorKind::kConflict);
  const auto entry = store.get("a/1");
  ASSERT_TRUE(entry.has_value() && entry->has_value());
  EXPECT_EQ((*entry)->value, "one");
  const auto heard = watch->next(time::seconds(20));
  ASSERT_TRUE(heard.has_value());
  ASSERT_EQ(heard->changes.size(), 1U);
  EXPECT_EQ(heard->changes.front().entry, **entry);
}

}  // namespace
}  // namespace gnomon::control
