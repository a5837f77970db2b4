// SPDX-License-Identifier: Apache-2.0
//
// The shell around the agent, with real threads and pages: short windows, generous limits.
#include "control/agent_thread.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "control/state.hpp"
#include "platform/cycle_counter.hpp"
#include "tests/control/memory_store.hpp"
#include "tests/control/temp_directory.hpp"
#include "tests/support/eventually.hpp"

namespace gnomon::control {
namespace {

using support::eventually;

using time::milliseconds;
using time::seconds;

constexpr time::SmearedUtc kNow{1'800'000'000'000'000'000};

/// A store that can be told to break, for good, or to let whoever commits wait.
class BreakableStore final : public Store {
 public:
  explicit BreakableStore(Store& store) : store_(store) {}
  tl::expected<std::optional<Entry>, StoreError> get(std::string_view key) override { return store_.get(key); }
  tl::expected<Listing, StoreError> list(std::string_view prefix) override {
    if (prefix == kNoPrefixOfTheAgents) {
      ++lists_for_others;
      if (on_list_for_others) on_list_for_others();
    }
    return store_.list(prefix);
  }
  tl::expected<Revision, StoreError> commit(const Transaction& transaction) override {
    static_cast<void>(eventually([this] {
      waiting = stuck.load();
      return !waiting;
    }));
    if (broken.load()) return tl::make_unexpected(StoreError{StoreErrorKind::kFatal, "the disk is gone"});
    return store_.commit(transaction);
  }
  std::unique_ptr<Watch> watch(std::string_view prefix, Revision after) override { return store_.watch(prefix, after); }

  static constexpr std::string_view kNoPrefixOfTheAgents = "layout/";
  std::atomic<bool> broken{false};
  std::atomic<bool> stuck{false};
  std::atomic<bool> waiting{false};  // somebody, because it is stuck
  std::atomic<int> lists_for_others{0};
  std::function<void()> on_list_for_others;  // on the agent's thread; set before it starts

 private:
  Store& store_;
};

/// Does what a worker does with rights: takes a new generation over, notes the use, acknowledges.
class FakeWorker {
 public:
  FakeWorker(const page::RightsRecord& rights, page::WorkerPage& page) : rights_(rights), page_(page) {
    thread_ = std::thread([this] {
      while (!end_.load()) {
        serve();
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
  }
  FakeWorker(const FakeWorker&) = delete;
  FakeWorker& operator=(const FakeWorker&) = delete;
  ~FakeWorker() {
    end_.store(true);
    thread_.join();
  }

 private:
  void serve() {
    mint::RightSet set;
    std::uint64_t version = 0;
    if (!rights_.rights.try_read(set, version) || set.generation == seen_) return;
    seen_ = set.generation;
    for (std::size_t i = 0; i < set.count; ++i) {
      page_.slots[i].token.store(set.slots[i].token.value);
      page_.slots[i].machine.store(set.slots[i].machine.value);
      page_.slots[i].used_until_ns.store((kNow + milliseconds(1)).ns);
    }
    page_.acknowledged.store(set.generation.value, std::memory_order_release);
  }
  const page::RightsRecord& rights_;
  page::WorkerPage& page_;
  mint::Generation seen_;
  std::atomic<bool> end_{false};
  std::thread thread_;
};

class AgentThreadTest : public testing::Test {
 protected:
  AgentThreadTest() {
    auto opened = open_state(StatePaths::of(directory.file("gnomon.db")), "test");
    EXPECT_TRUE(opened) << opened.error().text;
    state = std::make_unique<State>(std::move(*opened));
    breakable = std::make_unique<BreakableStore>(*state->store);
    set_clock(mint::OrderingState::kFollowing, {1}, kNow);
    for (std::uint32_t i = 0; i < 2; ++i)
      workers.push_back(std::make_unique<page::WorkerPage>());
  }

  // The cycle counter's true rate does not matter here, only that time runs: as if it counted 1 GHz.
  void set_clock(mint::OrderingState ordering, mint::Era era, time::SmearedUtc now) {
    const time::Cycles cycles = platform::read_cycles();
    page::ClockRecord record{};
    record.ordering.line = {cycles, now, time::CycleRate::from_hz(1'000'000'000)};
    record.ordering.state = ordering;
    record.ordering.era = era;
    record.uptime = {cycles, {5'000'000'000}, time::CycleRate::from_hz(1'000'000'000)};
    clock.record.write(record);
  }
  AgentWiring wiring() {
    AgentOptions options{.workers = 2, .window = seconds(1), .store = state->meta.facts};
    options.incarnation.fill(3);
    AgentWiring wiring{options, *breakable, state->journal, clock, rights, {workers[0].get(), workers[1].get()}};
    wiring.hooks.on_failed = [this](const std::string& text) {
      const std::lock_guard lock(mutex);
      failure = text;
    };
    wiring.hooks.start_new_era = [this] { set_clock(mint::OrderingState::kFollowing, {2}, kNow - seconds(3600)); };
    return wiring;
  }
  mint::RightSet published(std::size_t worker) const {
    mint::RightSet set;
    std::uint64_t version = 0;
    static_cast<void>(rights.workers[worker].rights.try_read(set, version));
    return set;
  }
  std::string failure_text() {
    const std::lock_guard lock(mutex);
    return failure;
  }

  TempDirectory directory;
  std::unique_ptr<State> state;
  std::unique_ptr<BreakableStore> breakable;
  page::ClockPage clock;
  page::RightsPage rights;
  std::vector<std::unique_ptr<page::WorkerPage>> workers;
  std::mutex mutex;
  std::string failure;
};

TEST_F(AgentThreadTest, PublishesExtendsAndReleases) {
  const FakeWorker zero(rights.workers[0], *workers[0]);
  const FakeWorker one(rights.workers[1], *workers[1]);
  AgentThread agent(wiring());
  agent.start();
  ASSERT_TRUE(eventually([&] { return published(1).count == 1; }));
  const time::SmearedUtc first = published(0).slots[0].ceiling;
  ASSERT_TRUE(eventually([&] { return published(0).slots[0].ceiling > first; })) << "extended";
  EXPECT_EQ(agent.view().state, AgentState::kHeld);
  EXPECT_EQ(agent.view().published.size(), 2U);
  const std::uint64_t turns = agent.turns();
  EXPECT_TRUE(eventually([&] { return agent.turns() > turns; })) << "the loop is seen to move";
  EXPECT_FALSE(agent.wait_stopped(milliseconds(1)).has_value());

  agent.request_stop();
  const auto stopped = agent.wait_stopped(seconds(20));
  ASSERT_TRUE(stopped.has_value());
  EXPECT_FALSE(stopped->failed) << stopped->text;
  EXPECT_EQ(stopped->text, "stopped; all rights were given back");
  EXPECT_EQ(published(0).count, 0U);
  const auto table = lease::read_rights(state->store->list(lease::kRightPrefix)->entries);
  for (const std::uint16_t id : {std::uint16_t{0}, std::uint16_t{1}}) {
    EXPECT_EQ(table.find({id})->window->value.state, lease::WindowState::kReleased);
    EXPECT_EQ(table.find({id})->window->value.ceiling, kNow + milliseconds(1)) << "what the worker's page said";
  }
  EXPECT_EQ(state->journal.content().rights.at({0}).ceiling, kNow + milliseconds(1));
  EXPECT_EQ(agent.view().state, AgentState::kStopped);
}

TEST_F(AgentThreadTest, WithoutATimeNothingHappens) {
  set_clock(mint::OrderingState::kNoTime, {1}, kNow);
  AgentThread agent(wiring());
  agent.start();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(agent.view().state, AgentState::kStarting);
  EXPECT_EQ(state->store->revision(), Revision{1});
  agent.request_stop();
  ASSERT_TRUE(agent.wait_stopped(seconds(20)).has_value());
}

TEST_F(AgentThreadTest, FatalStoreErrorEmptiesThePageAndTellsTheDaemon) {
  const FakeWorker zero(rights.workers[0], *workers[0]);
  const FakeWorker one(rights.workers[1], *workers[1]);
  AgentThread agent(wiring());
  agent.start();
  ASSERT_TRUE(eventually([&] { return published(1).count == 1; }));
  breakable->broken.store(true);
  const auto stopped = agent.wait_stopped(seconds(20));
  ASSERT_TRUE(stopped.has_value());
  EXPECT_TRUE(stopped->failed);
  ASSERT_TRUE(eventually([&] { return !failure_text().empty(); }));
  EXPECT_EQ(failure_text(), "the disk is gone");
  EXPECT_EQ(published(0).count, 0U);
  EXPECT_EQ(published(1).count, 0U);
}

TEST_F(AgentThreadTest, CloneReportStopsAndIsThereAfterARestart) {
  const FakeWorker zero(rights.workers[0], *workers[0]);
  const FakeWorker one(rights.workers[1], *workers[1]);
  const StatePaths paths = StatePaths::of(directory.file("gnomon.db"));
  AgentWiring marking = wiring();
  marking.clone_mark = paths.cloned;
  auto agent = std::make_unique<AgentThread>(std::move(marking));
  agent->start();
  ASSERT_TRUE(eventually([&] { return published(1).count == 1; }));
  agent->report_clone();
  const auto stopped = agent->wait_stopped(seconds(20));
  ASSERT_TRUE(stopped.has_value());
  EXPECT_TRUE(stopped->failed);
  EXPECT_EQ(published(0).count, 0U);
  agent.reset();
  state.reset();
  const auto again = open_state(paths, "test");
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, StateErrorKind::kCloned);
}

TEST_F(AgentThreadTest, CloneReportTakesFreshIdsFromASharedStore) {
  const FakeWorker zero(rights.workers[0], *workers[0]);
  const FakeWorker one(rights.workers[1], *workers[1]);
  AgentWiring shared = wiring();
  shared.agent.exclusive_store = false;
  AgentThread agent(std::move(shared));
  agent.start();
  ASSERT_TRUE(eventually([&] { return published(1).count == 1; }));
  agent.report_clone();
  ASSERT_TRUE(eventually([&] { return published(0).generation.value == 3 && published(0).count == 1; }));
  EXPECT_EQ(published(0).slots[0].machine.value, 2);
}

// The copy would find its own window extended.
TEST_F(AgentThreadTest, ACloneReportComesBeforeTheNextStoreCall) {
  const FakeWorker zero(rights.workers[0], *workers[0]);
  const FakeWorker one(rights.workers[1], *workers[1]);
  AgentThread agent(wiring());
  Revision at_report;
  breakable->on_list_for_others = [&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(400));  // an extension is due when it goes on
    at_report = state->store->revision();
    agent.report_clone();
  };
  agent.start();
  ASSERT_TRUE(eventually([&] { return published(1).count == 1; }));
  ASSERT_TRUE(agent.list(std::string(BreakableStore::kNoPrefixOfTheAgents), seconds(20)));
  const auto stopped = agent.wait_stopped(seconds(20));
  ASSERT_TRUE(stopped.has_value());
  EXPECT_TRUE(stopped->failed);
  EXPECT_EQ(published(0).count, 0U);
  EXPECT_GT(at_report, Revision{1}) << "it had taken rights";
  EXPECT_EQ(state->store->revision(), at_report) << "and wrote nothing any more";
}

TEST_F(AgentThreadTest, RotationGoesThroughTheClocksHook) {
  const FakeWorker zero(rights.workers[0], *workers[0]);
  const FakeWorker one(rights.workers[1], *workers[1]);
  AgentWiring rotating = wiring();
  rotating.agent.lead_policy = mint::LeadPolicy::kRotate;
  AgentThread agent(std::move(rotating));
  agent.start();
  ASSERT_TRUE(eventually([&] { return published(1).count == 1; }));
  set_clock(mint::OrderingState::kBehind, {1}, kNow);
  ASSERT_TRUE(eventually([&] { return published(1).era.value == 2 && published(1).count == 1; }));
  EXPECT_EQ(published(0).slots[0].machine.value, 2);
  EXPECT_LT(published(0).slots[0].ceiling, kNow);
}

TEST_F(AgentThreadTest, TellsOthersWhatTheStoreHolds) {
  AgentThread agent(wiring());
  agent.start();
  ASSERT_TRUE(eventually([&] { return published(1).count == 1; }));
  const auto told = agent.list(std::string(lease::kRightPrefix), seconds(20));
  ASSERT_TRUE(told) << told.error().text;
  EXPECT_EQ(lease::read_rights(told->entries).rights.size(), 2U) << "one for each worker";
  EXPECT_EQ(told->entries.size(), 4U) << "and nothing of other prefixes";
  EXPECT_GE(told->at, Revision{2});
}

TEST_F(AgentThreadTest, SaysWhenTheStoreWasNotReadInTime) {
  const FakeWorker zero(rights.workers[0], *workers[0]);
  const FakeWorker one(rights.workers[1], *workers[1]);
  AgentThread agent(wiring());
  agent.start();
  ASSERT_TRUE(eventually([&] { return published(1).count == 1; }));
  const std::string prefix(BreakableStore::kNoPrefixOfTheAgents);
  breakable->stuck = true;
  EXPECT_TRUE(eventually([&] { return breakable->waiting.load(); })) << "an extension came to it";
  const auto busy = agent.list(prefix, milliseconds(20));
  breakable->stuck = false;
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error().kind, StoreErrorKind::kUnavailable);
  EXPECT_NE(busy.error().text.find("was not read in time"), std::string::npos) << busy.error().text;
  EXPECT_TRUE(agent.list(prefix, seconds(20))) << "it goes on";
  EXPECT_EQ(breakable->lists_for_others, 1) << "nobody waited for the first any more";

  agent.request_stop();
  ASSERT_TRUE(agent.wait_stopped(seconds(20)).has_value());
  EXPECT_TRUE(eventually([&] { return !agent.list(prefix, milliseconds(20)); }))
      << "its last turn may answer once more";
  const auto ended = agent.list(prefix, milliseconds(20));
  ASSERT_FALSE(ended) << "but nobody reads the store any more";
  EXPECT_EQ(ended.error().kind, StoreErrorKind::kUnavailable);
}

TEST_F(AgentThreadTest, AJournalThatCantBeWrittenStopsItBeforeAnythingIsPublished) {
  const std::string journal = StatePaths::of(directory.file("gnomon.db")).journal;
  std::filesystem::remove(journal);
  std::filesystem::create_directory(journal);  // no file can be renamed over it
  AgentThread agent(wiring());
  agent.start();
  const auto stopped = agent.wait_stopped(seconds(20));
  ASSERT_TRUE(stopped.has_value());
  EXPECT_TRUE(stopped->failed);
  EXPECT_NE(stopped->text.find(journal), std::string::npos) << stopped->text;
  EXPECT_EQ(published(0).generation.value, 0U);
  EXPECT_EQ(published(1).generation.value, 0U);
}

TEST_F(AgentThreadTest, AMarkOfACloningThatCantBeLeftIsWarnedOf) {
  std::vector<std::string> warnings;  // of the agent's thread, until it has stopped
  AgentWiring marking = wiring();
  marking.watch_for_clones = false;
  marking.clone_mark = directory.file("none/cloned");
  marking.hooks.on_warning = [&](const std::string& text) { warnings.push_back(text); };
  AgentThread agent(std::move(marking));
  agent.start();
  ASSERT_TRUE(eventually([&] { return published(1).count == 1; }));
  agent.report_clone();
  const auto stopped = agent.wait_stopped(seconds(20));
  ASSERT_TRUE(stopped.has_value());
  EXPECT_TRUE(stopped->failed);
  EXPECT_EQ(published(0).count, 0U);
  ASSERT_EQ(warnings.size(), 1U);
  for (const std::string& word :
       {std::string("a restart would serve again"), directory.file("none/cloned"), std::string("gnomon control adopt")})
    EXPECT_NE(warnings[0].find(word), std::string::npos) << warnings[0];
}

TEST_F(AgentThreadTest, EndsAtOnceWhenItIsDropped) {
  const auto begun = std::chrono::steady_clock::now();
  {
    AgentThread agent(wiring());
    agent.start();
    ASSERT_TRUE(eventually([&] { return published(1).count == 1; }));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(30));
  const auto table = lease::read_rights(state->store->list(lease::kRightPrefix)->entries);
  EXPECT_EQ(table.find({0})->window->value.state, lease::WindowState::kHeld) << "not released: it runs out";
}

}  // namespace
}  // namespace gnomon::control
