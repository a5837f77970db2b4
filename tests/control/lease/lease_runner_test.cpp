// SPDX-License-Identifier: Apache-2.0
//
// The shell around the desk: everything that is asked is answered once, whatever the store, the clock and the callers
// do; and whoever watches is told everything or that something is missing.
#include "control/lease/lease_runner.hpp"

#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <thread>
#include <vector>

#include "tests/control/lease/lease_house.hpp"

namespace gnomon::control {
namespace {

using support::eventually;

constexpr time::Duration kPatience = time::seconds(60);

/// What came of calls, by the number that the test gave them.
class Replies {
 public:
  LeaseRunner::Done take(int number) {
    return [this, number](Reply reply) {
      const std::lock_guard lock(mutex_);
      ++count_[number];
      replies_.insert_or_assign(number, std::move(reply));
    };
  }
  bool has(int number) {
    const std::lock_guard lock(mutex_);
    return replies_.contains(number);
  }
  std::size_t size() {
    const std::lock_guard lock(mutex_);
    return replies_.size();
  }
  Reply of(int number) {
    EXPECT_TRUE(eventually([&] { return has(number); })) << "no reply to call " << number;
    const std::lock_guard lock(mutex_);
    const auto at = replies_.find(number);
    return at == replies_.end() ? Reply(tl::make_unexpected(DeskError{})) : at->second;
  }
  template <typename Kind>
  std::optional<Kind> answer(int number) {
    const Reply reply = of(number);
    if (!reply) return std::nullopt;
    const auto* answered = std::get_if<Answered>(&*reply);
    if (answered == nullptr) return std::nullopt;
    const auto* kind = std::get_if<Kind>(&answered->answer);
    return kind == nullptr ? std::nullopt : std::optional<Kind>(*kind);
  }
  std::optional<DeskFault> fault(int number) {
    const Reply reply = of(number);
    return reply ? std::nullopt : std::optional(reply.error().fault);
  }
  /// The largest number of replies to one call.
  int most() {
    const std::lock_guard lock(mutex_);
    int most = 0;
    for (const auto& [number, count] : count_)
      most = std::max(most, count);
    return most;
  }

 private:
  std::mutex mutex_;
  std::map<int, Reply> replies_;
  std::map<int, int> count_;
};

class LeaseRunnerTest : public testing::Test {
 protected:
  // Whatever is still open is answered here, and not when half of the test is gone.
  void TearDown() override { house_.end(); }

  CallId ask(int number, unsigned session, Command command, time::Duration patience = kPatience) {
    return house_.runner->submit(
        {{}, numbered_session(session), "local", std::move(command), platform::read_uptime() + patience},
        replies_.take(number));
  }
  CallId acquire(int number, unsigned session, const std::string& name, time::Duration wait = {}) {
    return ask(number, session, command::Acquire{{name, {}, {}, wait.ns > 0}, wait});
  }
  void open(unsigned session) {
    const int number = -static_cast<int>(session);
    ask(number, session, command::OpenSession{time::seconds(30), "test"});
    ASSERT_TRUE(replies_.answer<lease::answer::SessionOpen>(number).has_value());
  }
  void hold(unsigned session, const std::string& name) {
    open(session);
    const int number = 1'000'000 + static_cast<int>(session);
    acquire(number, session, name);
    ASSERT_TRUE(replies_.answer<lease::answer::Held>(number).has_value());
  }
  LeaseRunnerCounters counters() { return house_.runner->counters(); }

  LeaseHouse house_;
  Replies replies_;
};

TEST_F(LeaseRunnerTest, CommandsAreCarriedOutInTheStore) {
  house_.start();
  open(1);
  acquire(1, 1, "database:1");
  const auto held = replies_.answer<lease::answer::Held>(1);
  ASSERT_TRUE(held.has_value());
  EXPECT_TRUE(held->anew);
  const auto entry = house_.inner.get(lease::lease_key("database:1"));
  ASSERT_TRUE(entry.has_value() && entry->has_value());
  EXPECT_EQ(held->token.value, (std::uint64_t{1} << 48) | (*entry)->modified.value);
  ask(2, 2, command::Get{"database:1"});
  const Reply seen = replies_.of(2);
  ASSERT_TRUE(seen.has_value());
  EXPECT_EQ(std::get<lease::LeaseView>(*seen).token, held->token);
  ask(3, 1, command::Release{"database:1", held->token});
  EXPECT_TRUE(replies_.answer<lease::answer::Released>(3).has_value());
  EXPECT_FALSE(house_.inner.get(lease::lease_key("database:1"))->has_value());
  EXPECT_EQ(replies_.most(), 1);
}

TEST_F(LeaseRunnerTest, WaitersHoldNoStoreThreadAndAreServedInOrder) {
  constexpr int kWaiters = 20;
  house_.start();
  hold(1, "one");
  for (int i = 0; i < kWaiters; ++i) {
    open(10 + static_cast<unsigned>(i));
    acquire(10 + i, 10 + static_cast<unsigned>(i), "one", time::seconds(50));
    ASSERT_TRUE(eventually([&] { return counters().parked == static_cast<std::size_t>(i) + 1; }));
  }
  EXPECT_EQ(counters().store_tasks, 0U);
  ask(1, 1, command::CloseSession{});
  std::uint64_t last = 0;
  for (int i = 0; i < kWaiters; ++i) {
    const auto held = replies_.answer<lease::answer::Held>(10 + i);
    ASSERT_TRUE(held.has_value()) << i;
    EXPECT_GT(held->token.value, last);
    last = held->token.value;
    EXPECT_FALSE(replies_.has(11 + i)) << "the next one got it, too";
    ask(100 + i, 10 + static_cast<unsigned>(i), command::Release{"one", held->token});
  }
  EXPECT_EQ(replies_.most(), 1);
}

// Its caller has given up and cleaned up after itself: a grant that came then would be nobody's.
TEST_F(LeaseRunnerTest, WhatWaitedForTheStoreBeyondItsDeadlineIsNeverDone) {
  house_.options.store_threads = 1;
  house_.start();
  open(1);
  house_.gate.shut();
  acquire(1, 1, "slow");
  ASSERT_TRUE(eventually([&] { return house_.gate.standing() == 1; }));
  ask(2, 1, command::Acquire{{"late", {}, "", false}, {}}, time::milliseconds(50));
  EXPECT_EQ(replies_.fault(2), DeskFault::kTimeout);
  acquire(3, 1, "punctual");
  house_.gate.open();
  EXPECT_TRUE(replies_.answer<lease::answer::Held>(1).has_value());
  EXPECT_TRUE(replies_.answer<lease::answer::Held>(3).has_value());
  ASSERT_TRUE(eventually([&] { return counters().store_tasks == 0; }));
  EXPECT_FALSE(*house_.memory.get(lease::lease_key("late")));
}

TEST_F(LeaseRunnerTest, ADeadlineIsKeptWhileTheStoreHoldsEverybodyUp) {
  house_.start();
  open(1);
  open(2);
  house_.gate.shut();
  acquire(1, 1, "slow");
  ASSERT_TRUE(eventually([&] { return house_.gate.standing() == 1; }));
  // The other thread is held up as well, and its caller does not wait for it.
  ask(3, 2, command::RenewSession{time::seconds(30)}, time::milliseconds(50));
  EXPECT_EQ(replies_.fault(3), DeskFault::kTimeout);
  EXPECT_FALSE(replies_.has(1));
  house_.gate.open();
  EXPECT_TRUE(replies_.answer<lease::answer::Held>(1).has_value());
  EXPECT_EQ(replies_.most(), 1);
}

TEST_F(LeaseRunnerTest, ACancelledCallIsNeverAnsweredAndLeavesNothingOpen) {
  house_.start();
  hold(1, "one");
  open(2);
  const CallId waiting = acquire(1, 2, "one", time::seconds(50));
  ASSERT_TRUE(eventually([&] { return counters().parked == 1; }));
  house_.runner->cancel(waiting);
  house_.runner->cancel(waiting);  // again: no harm
  EXPECT_TRUE(eventually([&] { return counters().parked == 0; }));
  ask(2, 1, command::CloseSession{});
  EXPECT_TRUE(replies_.answer<lease::answer::SessionClosed>(2).has_value());
  EXPECT_FALSE(replies_.has(1));
  EXPECT_EQ(counters().cancelled, 1U);
  EXPECT_EQ(counters().open, 0U);
}

TEST_F(LeaseRunnerTest, WhatTheStoreCannotTakeIsRefusedAndNotKept) {
  constexpr int kCalls = 40;
  house_.options.most_store_tasks = 4;
  house_.start();
  for (int i = 0; i < kCalls; ++i)
    open(100 + static_cast<unsigned>(i));
  house_.gate.shut();
  for (int i = 0; i < kCalls; ++i)
    acquire(i, 100 + static_cast<unsigned>(i), "name:" + std::to_string(i));
  ASSERT_TRUE(eventually([&] { return counters().shed > 0; }));
  EXPECT_TRUE(eventually([&] { return replies_.size() >= 2 * kCalls - 6; })) << replies_.size();
  EXPECT_LE(counters().store_tasks, 4 + house_.options.store_threads);
  house_.gate.open();
  int held = 0;
  int refused = 0;
  for (int i = 0; i < kCalls; ++i) {
    const Reply reply = replies_.of(i);
    ++(reply ? held : refused);
    EXPECT_TRUE(reply || reply.error().fault == DeskFault::kStoreUnavailable);
  }
  EXPECT_GE(held, 4);
  EXPECT_GE(refused, kCalls - 6);
  EXPECT_EQ(replies_.most(), 1);
}

TEST_F(LeaseRunnerTest, MoreCallsThanItTakesAreRefusedAtOnce) {
  house_.options.desk.most_calls = 10;
  house_.start();
  hold(1, "one");
  open(2);
  for (int i = 0; i < 10; ++i)
    acquire(10 + i, 2, "one", time::seconds(50));
  ASSERT_TRUE(eventually([&] { return counters().parked == 10; }));
  EXPECT_EQ(ask(20, 2, command::Get{"one"}), CallId{});
  EXPECT_TRUE(replies_.has(20)) << "refused within submit()";
  EXPECT_EQ(replies_.fault(20), DeskFault::kOverloaded);
  EXPECT_EQ(counters().refused, 1U);
  const auto held = replies_.answer<lease::answer::Held>(1'000'001);
  ASSERT_TRUE(held);
  ask(21, 1, command::Release{"one", held->token});
  EXPECT_TRUE(replies_.answer<lease::answer::Released>(21).has_value()) << "they wait for it";
}

TEST_F(LeaseRunnerTest, AStoreThatFailedIsToldOnceAndAnswersEverything) {
  house_.start();
  hold(1, "one");
  open(2);
  acquire(10, 2, "one", time::seconds(50));
  ASSERT_TRUE(eventually([&] { return counters().parked == 1; }));
  house_.gate.fail(StoreError{StoreErrorKind::kFatal, "the disk is gone"});
  ask(11, 1, command::RenewSession{time::seconds(30)});
  ask(12, 2, command::RenewSession{time::seconds(30)});
  for (const int number : {10, 11, 12})
    EXPECT_EQ(replies_.fault(number), DeskFault::kStoreFailed) << number;
  ask(13, 1, command::Get{"one"});
  EXPECT_EQ(replies_.fault(13), DeskFault::kStoreFailed);
  EXPECT_NE(replies_.of(13).error().text.find("the disk is gone"), std::string::npos);
  EXPECT_TRUE(eventually([&] { return !house_.runner->is_serving(); }));
  EXPECT_EQ(house_.failures(), std::vector<std::string>{"the disk is gone"});
  EXPECT_EQ(replies_.most(), 1);
}

// Only the watch meets it: without leases nothing else is asked of the store for hours.
TEST_F(LeaseRunnerTest, AStoreThatFailsItsWatchIsTheDaemonsAffairToo) {
  house_.stores = [this, made = 0]() mutable -> std::unique_ptr<Store> {
    Store& behind = made++ == 0 ? static_cast<Store&>(house_.gate) : house_.inner;
    return std::make_unique<OrderedStore>(behind);
  };
  house_.gate.fail(StoreError{StoreErrorKind::kFatal, "the disk is gone"});
  house_.start(false);
  EXPECT_TRUE(eventually([&] { return !house_.failures().empty(); })) << "the daemon is not told";
  ask(1, 1, command::OpenSession{time::seconds(30), "test"});
  EXPECT_EQ(replies_.fault(1), DeskFault::kStoreFailed);
  EXPECT_NE(replies_.of(1).error().text.find("the disk is gone"), std::string::npos);
  EXPECT_FALSE(house_.runner->is_serving());
  EXPECT_EQ(house_.failures(), std::vector<std::string>{"the disk is gone"});
}

TEST_F(LeaseRunnerTest, AStoreThatIsAwayAtTheStartIsWarnedOfOnceAndFollowedWhenItIsBack) {
  house_.gate.fail(StoreError{StoreErrorKind::kUnavailable, "etcd has no leader"});
  house_.start(false);
  ASSERT_TRUE(eventually([&] { return !house_.warnings().empty(); }));
  EXPECT_NE(house_.warnings().front().find("etcd has no leader"), std::string::npos) << house_.warnings().front();
  EXPECT_FALSE(house_.runner->is_serving());
  house_.gate.fail(std::nullopt);
  EXPECT_TRUE(eventually([&] { return house_.runner->is_serving(); }));
  hold(1, "one");
  EXPECT_EQ(house_.warnings().size(), 1U);
  EXPECT_TRUE(house_.failures().empty());
}

TEST_F(LeaseRunnerTest, AConnectionThatCannotBeMadeIsNamed) {
  int made = 0;
  const auto stores = [&]() -> std::unique_ptr<Store> {
    if (made == 2) return nullptr;
    ++made;
    return std::make_unique<OrderedStore>(house_.gate);
  };
  const auto refused = LeaseRunner::start(house_.options, LeaseRunner::StoreFactory(stores), house_.hooks());
  ASSERT_FALSE(refused.has_value()) << "it would work with fewer connections than it was told to";
  EXPECT_NE(refused.error().find("connection number 3"), std::string::npos) << refused.error();
}

/// As on SQLite: the one store is the agent's as well.
TEST_F(LeaseRunnerTest, OneStoreServesAllThreadsAndItsOwner) {
  house_.runner = LeaseRunner::start(house_.options, house_.inner, house_.hooks());
  ASSERT_TRUE(eventually([&] { return house_.runner->is_serving(); }));
  for (const unsigned session : {1U, 2U, 3U}) {
    const std::string name = "database:" + std::to_string(session);
    hold(session, name);
    const auto entry = house_.inner.get(lease::lease_key(name));
    EXPECT_TRUE(entry.has_value() && entry->has_value()) << name;
  }
  // What the owner writes is heard by the leases: it takes one of them away.
  const auto subscription = house_.runner->subscribe("database:2", [] {});
  ASSERT_TRUE(subscription.has_value());
  ASSERT_TRUE(eventually([&] {
    const auto news = (*subscription)->take();
    return news && news->kind == LeaseNews::Kind::kCaughtUp;
  })) << "until then a lease that is gone is just not told of";
  ASSERT_TRUE(house_.inner.commit({{}, {}, {lease::lease_key("database:2")}}).has_value());
  EXPECT_TRUE(eventually([&] {
    const auto news = (*subscription)->take();
    if (!news) return false;
    const bool told = news->lease.name == "database:2" && news->lease.state == lease::LeaseState::kFree;
    return told || news->kind == LeaseNews::Kind::kCaughtUp;  // a telling that began anew, without it
  }));
}

TEST_F(LeaseRunnerTest, TheEndAnswersEverythingThatIsOpen) {
  constexpr int kWaiting = 100;
  house_.start();
  hold(1, "one");
  open(2);
  for (int i = 0; i < kWaiting; ++i)
    acquire(i, 2, "one", time::seconds(50));
  ASSERT_TRUE(eventually([&] { return counters().parked == kWaiting; }));
  house_.gate.shut();
  ask(kWaiting, 1, command::RenewSession{time::seconds(30)});
  ASSERT_TRUE(eventually([&] { return house_.gate.standing() == 1; }));
  std::thread stopping([&] { house_.runner->stop(); });
  for (int i = 0; i <= kWaiting; ++i)
    EXPECT_EQ(replies_.fault(i), DeskFault::kStoreUnavailable) << i;  // also while the store holds a thread up
  house_.gate.open();
  stopping.join();
  ask(200, 1, command::Get{"one"});
  EXPECT_TRUE(replies_.has(200));
  EXPECT_NE(replies_.of(200).error().text.find("ending"), std::string::npos);
  EXPECT_EQ(counters().open, 0U);
  EXPECT_EQ(replies_.most(), 1);
}

TEST_F(LeaseRunnerTest, ServingFollowsTheClock) {
  house_.start();
  std::atomic<int> told = -1;
  house_.runner->on_serving([&](bool serving) { told = serving ? 1 : 0; });
  EXPECT_EQ(told, 1);
  open(1);
  house_.clock_lost = true;
  EXPECT_TRUE(eventually([&] { return told == 0; }));
  ask(1, 1, command::RenewSession{time::seconds(30)});
  EXPECT_EQ(replies_.fault(1), DeskFault::kClockUnsynchronised);
  house_.clock_lost = false;
  EXPECT_TRUE(eventually([&] { return told == 1; }));
  house_.runner->on_serving({});
}

// ---- watches

class LeaseRunnerWatchTest : public LeaseRunnerTest {
 protected:
  using Kind = LeaseNews::Kind;

  std::shared_ptr<LeaseSubscription> watch(const std::string& prefix) {
    auto made = house_.runner->subscribe(prefix, [this] { ++rings_; });
    EXPECT_TRUE(made.has_value());
    return made ? *made : nullptr;
  }
  static LeaseNews next(LeaseSubscription& subscription) {
    std::optional<LeaseNews> news;
    EXPECT_TRUE(eventually([&] { return (news = subscription.take()).has_value(); })) << "nothing comes";
    return news.value_or(LeaseNews{});
  }
  /// Everything up to the next kCaughtUp: the names, which must be initial. A gap that `may_begin_anew` forgets them.
  static std::vector<std::string> telling(LeaseSubscription& subscription, bool may_begin_anew = false) {
    std::vector<std::string> names;
    for (LeaseNews news = next(subscription); news.kind != Kind::kCaughtUp; news = next(subscription)) {
      if (may_begin_anew && news.kind == Kind::kGap) {
        names.clear();
        continue;
      }
      EXPECT_EQ(news.kind, Kind::kInitial);
      if (news.kind != Kind::kInitial || news.lease.name.empty()) break;
      names.push_back(news.lease.name);
    }
    return names;
  }

  std::atomic<int> rings_ = 0;
};

TEST_F(LeaseRunnerWatchTest, TellsWhatIsThereAndThenEveryChange) {
  house_.start();
  open(1);
  for (const int i : {1, 2, 3})
    acquire(i, 1, (i == 2 ? "other:" : "job:") + std::to_string(i));
  for (const int i : {1, 2, 3})
    ASSERT_TRUE(replies_.answer<lease::answer::Held>(i).has_value());
  const auto subscription = watch("job:");
  EXPECT_EQ(telling(*subscription), (std::vector<std::string>{"job:1", "job:3"}));
  EXPECT_FALSE(subscription->take().has_value());
  const int rings = rings_;
  acquire(4, 1, "other:4");
  acquire(5, 1, "job:5");
  const LeaseNews granted = next(*subscription);
  EXPECT_EQ(granted.kind, Kind::kChanged);
  EXPECT_EQ(granted.lease.name, "job:5");
  EXPECT_EQ(granted.lease.state, lease::LeaseState::kHeld);
  EXPECT_GT(rings_, rings);
  ask(6, 1, command::Release{"job:5", granted.lease.token});
  LeaseNews released = next(*subscription);
  while (released.lease.state == lease::LeaseState::kHeld)  // told again by the watch of the store: no harm
    released = next(*subscription);
  EXPECT_EQ(released.lease.name, "job:5");
  EXPECT_EQ(released.lease.state, lease::LeaseState::kFree);
}

TEST_F(LeaseRunnerWatchTest, WhoTakesTooLittleIsToldOfAGapAndThenAnew) {
  house_.options.most_news = 4;
  house_.start();
  open(1);
  const auto subscription = watch("");
  EXPECT_TRUE(telling(*subscription).empty());
  for (int i = 0; i < 20; ++i) {
    acquire(i, 1, "name:" + std::to_string(10 + i));
    ASSERT_TRUE(replies_.answer<lease::answer::Held>(i).has_value());
  }
  EXPECT_EQ(next(*subscription).kind, Kind::kGap);
  EXPECT_EQ(telling(*subscription).size(), 20U);
  EXPECT_GE(counters().gaps, 1U);
  ask(100, 1, command::Release{"name:10", replies_.answer<lease::answer::Held>(0)->token});
  LeaseNews news = next(*subscription);
  while (news.lease.name != "name:10")
    news = next(*subscription);
  EXPECT_EQ(news.kind, Kind::kChanged);
}

TEST_F(LeaseRunnerWatchTest, WhatIsThereIsToldInPagesToAnyNumberOfWatches) {
  constexpr std::size_t kWatches = LeaseWatchers::kMostPagesAtOnce + 4;
  house_.options.most_told_at_once = 4;
  house_.start();
  open(1);
  std::vector<std::string> names;
  names.reserve(20);
  for (int i = 0; i < 20; ++i) {
    names.push_back("name:" + std::to_string(10 + i));
    acquire(i, 1, names.back());
    ASSERT_TRUE(replies_.answer<lease::answer::Held>(i).has_value());
  }
  std::vector<std::shared_ptr<LeaseSubscription>> all;
  all.reserve(kWatches);
  for (std::size_t i = 0; i < kWatches; ++i)
    all.push_back(watch(""));
  for (const auto& each : all)
    EXPECT_EQ(telling(*each), names);
}

TEST_F(LeaseRunnerWatchTest, WhoTakesNothingIsEnded) {
  house_.options.longest_stall = time::milliseconds(50);
  house_.start();
  const auto quiet = watch("nobody:");
  EXPECT_TRUE(telling(*quiet).empty());
  const auto stalled = watch("");
  hold(1, "one");
  EXPECT_TRUE(eventually([&] { return counters().stalled == 1; }));
  EXPECT_TRUE(stalled->is_cut());
  const LeaseNews last = next(*stalled);
  EXPECT_EQ(last.kind, Kind::kEnded);
  EXPECT_NE(last.text.find("took nothing"), std::string::npos);
  EXPECT_FALSE(stalled->take().has_value());
  EXPECT_FALSE(quiet->is_cut()) << "who has taken everything may stay";
}

TEST_F(LeaseRunnerWatchTest, ThereAreNoMoreThanAreAllowedAndAllEndWithTheRunner) {
  house_.options.most_watchers = 2;
  house_.start();
  const auto first = watch("");
  auto second = watch("");
  const auto refused = house_.runner->subscribe("", [] {});
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().fault, DeskFault::kOverloaded);
  second.reset();
  const auto third = watch("");
  ASSERT_NE(third, nullptr) << "who has gone makes room";
  EXPECT_TRUE(telling(*third).empty());
  house_.runner->stop();
  EXPECT_EQ(next(*third).kind, Kind::kEnded);
  EXPECT_FALSE(house_.runner->subscribe("", [] {}).has_value());
}

TEST_F(LeaseRunnerWatchTest, NothingIsCaughtUpBeforeTheStoreWasRead) {
  // A grant of before, and a store that does not answer yet.
  const lease::SessionId session = numbered_session(9);
  lease::ClientSession owner{.nonce = {1}, .expiry = {}, .ttl = time::seconds(30), .principal = "local", .label = ""};
  owner.expiry.at = house_.now().moment->now.latest + time::seconds(30);
  lease::NamedLease lease{.nonce = {1}, .session = session, .epoch = 1, .lock_delay = {}, .metadata = ""};
  ASSERT_TRUE(house_.memory
                  .commit({{},
                           {{lease::client_key(session), lease::encode(owner)},
                            {lease::lease_key("old"), lease::encode(lease)}},
                           {}})
                  .has_value());
  house_.gate.shut();
  house_.start(false);
  ASSERT_TRUE(eventually([&] { return house_.gate.standing() >= 1; }));
  const auto subscription = watch("");
  EXPECT_FALSE(subscription->take().has_value());
  EXPECT_FALSE(house_.runner->is_serving());
  house_.gate.open();
  // Where the desk's reading overtakes the first words of the store's watch, it is told once more.
  EXPECT_EQ(telling(*subscription, true), std::vector<std::string>{"old"});
}

}  // namespace
}  // namespace gnomon::control
