// SPDX-License-Identifier: Apache-2.0
//
// What the agent makes of a list of the rights after a doubt: what is its own, what was taken over, and what shows that
// the store has forgotten something.
#include "tests/control/agent/rack.hpp"

namespace gnomon::control {
namespace {

using time::seconds;
using Kind = effect::Note::Kind;

/// Holds machine id 0 of a store that it has to itself.
struct Holder : testing::Test {
  void SetUp() override {
    ASSERT_TRUE(s.run_until_held());
    s.run_for(seconds(1));
    ceiling = s.window(0).ceiling;
  }
  void take_over(time::SmearedUtc floor, std::string window = "") {
    ASSERT_TRUE(s.store().commit(takeover({0}, floor, std::move(window))));
  }
  [[nodiscard]] bool went_back() {
    return s.run_until_stopped() && s.stopped->text.find("went back in time") != std::string::npos;
  }

  Scenario s{{}};
  time::SmearedUtc ceiling;
};

TEST_F(Holder, GivesWayToWhoBeginsWhereItEnded) {
  take_over(ceiling);
  ASSERT_TRUE(s.run_until([&] { return s.notes(Kind::kLost) == 1; }));
  ASSERT_TRUE(s.run_until_held());
  EXPECT_NE(s.published[0].slots[0].machine.value, 0);
}

TEST_F(Holder, GivesWayToWhatItCanNotRead) {
  take_over(ceiling, "illegible");
  EXPECT_TRUE(s.run_until([&] { return s.notes(Kind::kLost) == 1; }));
}

TEST_F(Holder, ATakeoverBelowItsCeilingIsOfAStoreThatForgotIt) {
  take_over(ceiling + time::nanoseconds(-1));
  EXPECT_TRUE(went_back());
  EXPECT_EQ(s.notes(Kind::kLost), 0);
}

// Whether the release had landed before the store was asked is not certain, and then that ceiling was no promise any
// more.
TEST_F(Holder, WhileItReleasesATakeoverBelowItsCeilingIsNone) {
  s.fates = {Scenario::Fate::kLostBefore};
  s.feed(event::StopRequested{});
  ASSERT_TRUE(s.run_until([&] { return s.in_flight.size() == 1; }));
  take_over(ceiling + seconds(-1));
  ASSERT_TRUE(s.run_until_stopped());
  EXPECT_FALSE(s.stopped->failed) << s.stopped->text;
}

TEST_F(Holder, WhatNobodyDeletesIsMissed) {
  for (const bool grant : {false, true}) {
    Scenario other({});
    ASSERT_TRUE(other.run_until_held());
    ASSERT_TRUE(other.store().commit({{}, {}, {grant ? lease::grant_key({0}) : lease::window_key({0})}}));
    ASSERT_TRUE(other.run_until_stopped()) << grant;
    EXPECT_NE(other.stopped->text.find("went back in time"), std::string::npos) << other.stopped->text;
  }
}

// An older copy was put back and lived on: its revision is not behind, and what stands there is.
TEST_F(Holder, AnOlderWindowIsOfAStoreThatWentBack) {
  const MemoryStore::Image old = s.store().image();
  ASSERT_TRUE(s.run_until([&] { return s.window(0).ceiling > ceiling; }));
  s.store().restore(old);
  for (int i = 0; i < 100; ++i)
    ASSERT_TRUE(s.store().commit({{}, {{"other/" + std::to_string(i), "x"}}, {}}));
  EXPECT_TRUE(went_back());
}

TEST(AgentSettles, AnotherIdentityOfTheStoreIsFoundByTheNextExtension) {
  MemoryStore store;
  const auto made = store.commit({{}, {{std::string(lease::kStoreKey), "made"}}, {}});
  ASSERT_TRUE(made);
  Scenario s({.store = {.identity = *made, .epoch = 1, .floor = {}}}, &store);
  ASSERT_TRUE(s.run_until_held());
  ASSERT_TRUE(store.commit({{}, {{std::string(lease::kStoreKey), "adopted"}}, {}}));
  ASSERT_TRUE(s.run_until_stopped());
  EXPECT_NE(s.stopped->text.find("start the daemon again"), std::string::npos) << s.stopped->text;
}

TEST(AgentSettles, NamesTheFirstOfTheRightsThatItCanNotRead) {
  Scenario s({});
  ASSERT_TRUE(
      s.store().commit({{}, {{lease::window_key({3}), "illegible"}, {lease::window_key({5}), "illegible"}}, {}}));
  ASSERT_TRUE(s.run_until_held());
  const std::string said = s.take_transcript();
  EXPECT_NE(said.find("2 stored rights can't be read, the first is " + lease::window_key({3})), std::string::npos)
      << said;
}

// The ids that it issued under a right that is lost now may reach up to its ceiling: no worker says so any more.
TEST(AgentSettles, WhatWasLostMayHaveBeenUsedUpToItsCeiling) {
  Rack rack;
  Scenario& host = rack.add({.machine_ids = 1});  // so that it has to wait for the other one
  rack.until([&] { return rack.holds(0); });
  rack.run_for(seconds(1));
  const time::SmearedUtc ceiling = host.window(0).ceiling;
  ASSERT_TRUE(rack.store.commit(takeover({0}, ceiling)));
  ASSERT_LE(rack.until([&] { return host.notes(Kind::kLost) == 1; }), seconds(30));
  host.ordering = mint::OrderingState::kBehind;
  host.lead = seconds(100);
  rack.until([&] { return host.notes(Kind::kBehindItsIds) == 1; }, seconds(10));
  const std::string said = host.take_transcript();
  const std::string until = Scenario::at(ceiling);
  EXPECT_NE(said.find("no rights are taken (" + until + ")"), std::string::npos) << until << "\n" << said;
}

}  // namespace
}  // namespace gnomon::control
