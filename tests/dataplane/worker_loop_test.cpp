// SPDX-License-Identifier: Apache-2.0
//
// The order of a turn, with an I/O and a step that only write down what is asked of them.
#include "dataplane/worker_loop.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "dataplane/echo_step.hpp"

namespace gnomon::dataplane {
namespace {

using page::Counter;

struct Script {
  std::vector<std::string> log;
  std::size_t datagrams = 0;      // per burst
  std::size_t parked_ready = 0;   // replies to parked requests that are due
  std::size_t parked_places = 2;  // per turn
  std::size_t parked = 0;
  time::Duration parked_wait = time::seconds(3600);
  time::Duration last_patience;
};

class ScriptedIo {
 public:
  explicit ScriptedIo(Script& script) : script_(script) {}

  std::size_t receive(time::Duration patience) {
    script_.log.emplace_back("receive");
    script_.last_patience = patience;
    places_left_ = script_.parked_places;
    return script_.datagrams;
  }
  void stop_intake() { script_.log.emplace_back("stop_intake"); }
  bool has_leftovers() const { return false; }
  template <typename Answer>
  void answer_burst(Answer&& answer) {
    for (std::size_t i = 0; i < script_.datagrams; ++i)
      EXPECT_EQ(answer(std::span(bytes_), serve::Address{}, serve::ReturnPath{}), bytes_.size());
  }
  std::span<std::byte> parked_room() {
    if (places_left_ == 0) return {};
    return bytes_;
  }
  void send_parked(std::size_t size, const serve::ReturnPath& path) {
    EXPECT_EQ(size, bytes_.size());
    EXPECT_EQ(path.size, 3U);
    --places_left_;
    script_.log.emplace_back("send_parked");
  }
  void send() { script_.log.emplace_back("send"); }

 private:
  Script& script_;
  std::size_t places_left_ = 0;
  std::vector<std::byte> bytes_ = std::vector<std::byte>(64);
};

class ScriptedStep {
 public:
  explicit ScriptedStep(Script& script) : script_(script) {}

  void begin_burst(const serve::BurstTime& time) {
    EXPECT_EQ(time.uptime.ns, 1'000);
    script_.log.emplace_back("begin_burst");
  }
  std::size_t answer(std::span<std::byte> bytes, const serve::Address&, const serve::ReturnPath&) {
    script_.log.emplace_back("answer");
    return bytes.size();
  }
  std::size_t next_parked(std::span<std::byte> out, serve::ReturnPath& path) {
    if (script_.parked_ready == 0 || out.empty()) return 0;
    --script_.parked_ready;
    path.size = 3;
    return out.size();
  }
  time::Duration parked_wait() const { return script_.parked_wait; }
  std::size_t parked() const { return script_.parked; }
  void use_policy(const serve::AccessPolicy& policy) {
    script_.log.push_back("policy " + std::to_string(policy.version));
  }

 private:
  Script& script_;
};

class WorkerLoopTest : public testing::Test {
 protected:
  WorkerLoopTest() {
    page::ClockRecord record;
    record.uptime.at_anchor = {1'000};  // rate 0: this clock stands still
    clock->record.write(record);
  }
  std::vector<std::string> turn() {
    script.log.clear();
    loop.turn();
    return script.log;
  }
  using Words = std::vector<std::string>;

  Script script;
  std::unique_ptr<page::ClockPage> clock = std::make_unique<page::ClockPage>();
  page::Counters counters;
  WorkerOrders orders;
  ScriptedIo io{script};
  ScriptedStep step{script};
  EchoStep echo;
  serve::AccessPolicy policy;
  WorkerLoop<ScriptedIo, ScriptedStep> loop{io, step, *clock, give(orders, policy), counters};

  static WorkerOrders& give(WorkerOrders& orders, const serve::AccessPolicy& policy) {
    orders.policy.store(&policy);
    return orders;
  }
};

TEST_F(WorkerLoopTest, AnswersWhoWaitedFirstAndSendsOnce) {
  script.datagrams = 2;
  script.parked_ready = 1;
  EXPECT_EQ(turn(), (Words{"receive", "begin_burst", "send_parked", "answer", "answer", "send"}));
  EXPECT_EQ(counters.get(Counter::kBursts), 1U);
}

TEST_F(WorkerLoopTest, BeginsABurstAlsoWhenNothingCame) {
  EXPECT_EQ(turn(), (Words{"receive", "begin_burst", "send"}));
  EXPECT_EQ(counters.get(Counter::kIdlePolls), 1U);
  EXPECT_EQ(script.last_patience, time::milliseconds(5));
}

TEST_F(WorkerLoopTest, SleepsNoLongerThanAParkedRequestHasTo) {
  script.parked_wait = time::microseconds(300);
  turn();
  EXPECT_EQ(script.last_patience, time::microseconds(300));
}

TEST_F(WorkerLoopTest, LeavesTheRestOfTheParkedForTheNextTurn) {
  script.parked_ready = 5;
  EXPECT_EQ(turn(), (Words{"receive", "begin_burst", "send_parked", "send_parked", "send"}));
  EXPECT_EQ(script.parked_ready, 3U);
  turn();
  turn();
  EXPECT_EQ(script.parked_ready, 0U);
}

TEST_F(WorkerLoopTest, TakesOverAPolicyOnceWhenIdleAndAfterAFewBusyTurns) {
  serve::AccessPolicy next;
  next.version = 2;
  orders.policy.store(&next);
  EXPECT_EQ(turn(), (Words{"receive", "begin_burst", "send", "policy 2"}));
  EXPECT_EQ(turn(), (Words{"receive", "begin_burst", "send"}));

  orders.policy.store(&policy);
  script.datagrams = 1;
  bool taken = false;
  for (std::uint32_t i = 0; i < decltype(loop)::kTurnsPerLook; ++i)
    taken = turn().back() == "policy 0" || taken;
  EXPECT_TRUE(taken);
}

TEST_F(WorkerLoopTest, CountsTurnsThatHadToDoWithAnOldClockRecord) {
  turn();
  EXPECT_EQ(counters.get(Counter::kClockReadRetries), 0U);
  page::ClockPage empty;
  WorkerLoop<ScriptedIo, EchoStep> other(io, echo, empty, orders, counters);
  other.turn();
  EXPECT_EQ(counters.get(Counter::kClockReadRetries), 1U);
}

TEST_F(WorkerLoopTest, StopsOnceNothingIsParked) {
  orders.drain_limit_ns.store(1);
  script.parked = 1;
  orders.stop.store(true);
  turn();
  EXPECT_EQ(script.log.back(), "stop_intake");
  script.parked = 0;
  loop.run();  // returns
  EXPECT_EQ(script.log.back(), "stop_intake") << "no further turn";
}

TEST_F(WorkerLoopTest, StopsAtTheLimitWithRequestsStillParked) {
  orders.drain_limit_ns.store(0);
  script.parked = 1;
  orders.stop.store(true);
  loop.run();  // returns after the turn that saw the order
  EXPECT_EQ(script.log, (Words{"receive", "begin_burst", "send", "stop_intake"}));
}

}  // namespace
}  // namespace gnomon::dataplane
