// SPDX-License-Identifier: Apache-2.0
//
// The agent's small parts alone, at the edges of what they are told: when to try again, who has acknowledged what,
// which attempt it was that the store took, and which options make no agent.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "control/agent/agent.hpp"
#include "control/agent/attempts.hpp"
#include "control/agent/backoff.hpp"
#include "control/agent/handshake.hpp"
#include "oracle/lease/stored_right.hpp"

namespace gnomon::control {
namespace {

using time::milliseconds;
using time::nanoseconds;
using time::seconds;

constexpr time::Uptime kNow{1'000'000'000'000};

// How long it waits after a failure, at least and at most.
void expect_delay(const Backoff& before, time::Duration shortest, time::Duration longest) {
  Backoff least = before;
  least.fail(kNow, 0);
  EXPECT_FALSE(least.over(kNow + shortest - nanoseconds(1)));
  EXPECT_TRUE(least.over(kNow + shortest));
  Backoff most = before;
  most.fail(kNow, static_cast<std::uint64_t>((longest - shortest).ns));
  EXPECT_FALSE(most.over(kNow + longest - nanoseconds(1)));
  EXPECT_TRUE(most.over(kNow + longest));
  Backoff wrapped = before;
  wrapped.fail(kNow, static_cast<std::uint64_t>((longest - shortest).ns) + 1);
  EXPECT_TRUE(wrapped.over(kNow + shortest)) << "no jitter leads beyond the longest delay";
}

TEST(Backoff, DoublesUpToASixteenthOfTheWindowOrAHeartbeat) {
  struct Case {
    time::Duration window;
    time::Duration heartbeat;
    std::vector<std::int64_t> delays_us;
  };
  for (const auto& [window, heartbeat, delays_us] :
       {Case{seconds(10), seconds(1), {20'000, 40'000, 80'000, 160'000, 320'000, 625'000, 625'000}},
        Case{seconds(10), milliseconds(200), {20'000, 40'000, 80'000, 160'000, 200'000, 200'000}},
        Case{seconds(1), seconds(1), {20'000, 40'000, 62'500, 62'500}},
        Case{milliseconds(100), seconds(1), {20'000, 20'000}},
        Case{seconds(600), seconds(10), {20'000, 40'000, 80'000, 160'000, 320'000, 640'000, 1'000'000, 1'000'000}}}) {
    Backoff backoff(window, heartbeat);
    EXPECT_TRUE(backoff.over(time::Uptime::min())) << "nothing has failed";
    for (const std::int64_t delay : delays_us) {
      expect_delay(backoff, time::microseconds(delay / 2), time::microseconds(delay));
      backoff.fail(kNow, 0);
    }
    backoff.reset();
    EXPECT_TRUE(backoff.over(time::Uptime::min()));
    expect_delay(backoff, milliseconds(10), milliseconds(20));
  }
}

TEST(Handshake, IsCompleteWhenEachOfThoseThatWereAskedHasSeenThatGeneration) {
  EXPECT_TRUE(Handshake().complete());
  Handshake handshake(seconds(7));
  EXPECT_EQ(handshake.begun(), seconds(7));
  handshake.expect({0}, {5});
  handshake.expect({2}, {9});
  const UsedRight used{{40}, {7}, {1'234}};
  handshake.acknowledged({0}, {4}, {used});
  EXPECT_FALSE(handshake.has_acknowledged({0})) << "an older generation";
  EXPECT_EQ(handshake.used_until({40}, {7}, {11}), time::SmearedUtc{11}) << "and what it says is not to be believed";
  handshake.acknowledged({1}, {9}, {});
  EXPECT_FALSE(handshake.has_acknowledged({2})) << "another worker";
  EXPECT_TRUE(handshake.has_acknowledged({1})) << "nobody asked it";
  handshake.acknowledged({0}, {5}, {used});
  EXPECT_TRUE(handshake.has_acknowledged({0}));
  EXPECT_FALSE(handshake.complete());
  handshake.acknowledged({0}, {6}, {{{40}, {7}, {9'999}}});
  EXPECT_EQ(handshake.used_until({40}, {7}, {11}), time::SmearedUtc{1'234}) << "the first word counts";
  EXPECT_EQ(handshake.used_until({40}, {8}, {11}), time::SmearedUtc{11}) << "of another token";
  EXPECT_EQ(handshake.used_until({41}, {7}, {11}), time::SmearedUtc{11}) << "of another machine id";
  handshake.acknowledged({2}, {10}, {});
  EXPECT_TRUE(handshake.complete()) << "a later generation will do";
}

Attempt attempt(Purpose purpose, std::vector<Put> puts) {
  Attempt out{purpose, {}, {}};
  out.transaction.puts = std::move(puts);
  return out;
}

TEST(Attempts, IsWholeOnlyIfEachOfItsRightsIsThereAtOneRevision) {
  const std::string a = lease::window_key({1});
  const std::string b = lease::window_key({2});
  Attempts attempts;
  EXPECT_TRUE(attempts.empty());
  attempts.add(attempt(Purpose::kAcquire, {{a, "mine a"}, {b, "mine b"}, {"history/1", "not listed"}}));
  EXPECT_FALSE(attempts.empty());
  const auto revision = [&](const std::vector<Entry>& entries, Purpose purpose = Purpose::kAcquire) {
    Listing listing;
    listing.entries = entries;
    const auto found = attempts.whole(listing, purpose);
    return found ? found->second : Revision{};
  };
  EXPECT_EQ(revision({{a, "mine a", {7}}, {b, "mine b", {7}}}), Revision{7});
  EXPECT_EQ(revision({{a, "mine a", {7}}, {b, "mine b", {7}}}, Purpose::kExtend), Revision{});
  EXPECT_EQ(revision({{a, "mine a", {7}}, {b, "mine b", {8}}}), Revision{}) << "two commits";
  EXPECT_EQ(revision({{a, "mine a", {7}}, {b, "another's", {7}}}), Revision{});
  EXPECT_EQ(revision({{a, "mine a", {7}}}), Revision{});
  EXPECT_EQ(revision({}), Revision{});
  ASSERT_NE(attempts.that_wrote(b, "mine b"), nullptr);
  EXPECT_EQ(attempts.that_wrote(b, "mine a"), nullptr);
  EXPECT_EQ(attempts.that_wrote(a, "mine b"), nullptr);
}

TEST(Attempts, ForgetsTheOldestBeyondItsBound) {
  Attempts attempts;
  for (std::size_t i = 0; i <= Attempts::kMax; ++i)
    attempts.add(attempt(Purpose::kExtend, {{"right/m/00001/window", std::to_string(i)}}));
  EXPECT_EQ(attempts.that_wrote("right/m/00001/window", "0"), nullptr);
  EXPECT_NE(attempts.that_wrote("right/m/00001/window", "1"), nullptr);
  EXPECT_EQ(&attempts.newest(), attempts.that_wrote("right/m/00001/window", std::to_string(Attempts::kMax)));
  attempts.drop_newest();
  EXPECT_EQ(attempts.that_wrote("right/m/00001/window", std::to_string(Attempts::kMax)), nullptr);
  attempts.clear();
  EXPECT_TRUE(attempts.empty());
}

// `gnomon status` and the log say them.
TEST(AgentState, HasAWordForEachOfThem) {
  EXPECT_EQ(text_of(AgentState::kStarting), "starting");
  EXPECT_EQ(text_of(AgentState::kAcquiring), "acquiring");
  EXPECT_EQ(text_of(AgentState::kHeld), "held");
  EXPECT_EQ(text_of(AgentState::kRevoking), "revoking");
  EXPECT_EQ(text_of(AgentState::kReleasing), "releasing");
  EXPECT_EQ(text_of(AgentState::kAwaitingEra), "awaiting a new era");
  EXPECT_EQ(text_of(AgentState::kStopped), "stopped");
}

TEST(AgentOptions, AreRefusedBeyondTheirBoundsAndNotAtThem) {
  const auto fault = [](auto change) {
    AgentOptions options;
    change(options);
    return fault_of(options);
  };
  EXPECT_EQ(fault([](AgentOptions&) {}), "");
  EXPECT_NE(fault([](AgentOptions& o) { o.workers = 0; }), "");
  EXPECT_NE(fault([](AgentOptions& o) { o.ids_per_worker = 0; }), "");
  EXPECT_EQ(fault([](AgentOptions& o) { o.ids_per_worker = mint::kMaxRightsPerWorker; }), "");
  EXPECT_NE(fault([](AgentOptions& o) { o.ids_per_worker = mint::kMaxRightsPerWorker + 1; }), "");
  EXPECT_EQ(fault([](AgentOptions& o) { o.machine_ids = 65'536; }), "");
  EXPECT_NE(fault([](AgentOptions& o) { o.machine_ids = 65'537; }), "");
  EXPECT_EQ(fault([](AgentOptions& o) { o.workers = 4, o.ids_per_worker = 8, o.machine_ids = 32; }), "");
  EXPECT_NE(fault([](AgentOptions& o) { o.workers = 4, o.ids_per_worker = 8, o.machine_ids = 31; }), "");
  EXPECT_EQ(fault([](AgentOptions& o) { o.window = seconds(1); }), "");
  EXPECT_NE(fault([](AgentOptions& o) { o.window = seconds(1) - nanoseconds(1); }), "");
  EXPECT_EQ(fault([](AgentOptions& o) { o.window = seconds(600); }), "");
  EXPECT_NE(fault([](AgentOptions& o) { o.window = seconds(600) + nanoseconds(1); }), "");
  EXPECT_EQ(fault([](AgentOptions& o) { o.max_lead = {}; }), "");
  EXPECT_NE(fault([](AgentOptions& o) { o.max_lead = nanoseconds(-1); }), "");
  EXPECT_EQ(fault([](AgentOptions& o) { o.max_lead = seconds(60); }), "");
  EXPECT_NE(fault([](AgentOptions& o) { o.max_lead = seconds(60) + nanoseconds(1); }), "");
}

TEST(AgentOptions, PinnedIdsAreAsManyAsAreNeededEachOnceAndFit) {
  const auto fault = [](const std::vector<mint::MachineId>& pinned) {
    AgentOptions options;
    options.workers = 2;
    options.machine_ids = 10;
    options.pinned = pinned;
    return fault_of(options);
  };
  EXPECT_EQ(fault({{9}, {0}}), "");
  EXPECT_NE(fault({{9}}), "");
  EXPECT_NE(fault({{9}, {0}, {1}}), "");
  EXPECT_EQ(fault({{3}, {3}}), "a machine id is pinned twice");
  EXPECT_EQ(fault({{10}, {0}}), "pinned machine id 10 does not fit every served layout: at most 9 does");
}

}  // namespace
}  // namespace gnomon::control
