// SPDX-License-Identifier: Apache-2.0
//
// The session that an agent keeps on a shared store: how often it is written and read, what becomes of it when answers
// are lost, and what is cleared away. On a store of its own it keeps none.
#include <string>

#include "tests/control/agent/rack.hpp"

namespace gnomon::control {
namespace {

using lease::Standing;
using time::milliseconds;
using time::seconds;
using Fate = Scenario::Fate;
using Kind = effect::Note::Kind;

lease::Session session_of(Standing standing, std::uint8_t number) {
  lease::Session session;
  session.nonce.fill(number);
  session.standing = standing;
  session.clock.ordering = {kStart, kStart + seconds(1)};
  return session;
}

Nonce incarnation_of(std::uint8_t number) {
  Nonce incarnation{};
  incarnation.fill(number);
  return incarnation;
}

TEST(Membership, OnlyAnothersSessionThatWantsToBeLetInAsks) {
  const Nonce own = incarnation_of(1);
  const auto asks = [&](std::uint8_t whose, const std::string& value, bool deleted = false) {
    return Membership::asks({{lease::session_key(incarnation_of(whose)), value, {7}}, deleted}, own);
  };
  const std::string joining = lease::encode(session_of(Standing::kJoining, 3));
  EXPECT_TRUE(asks(2, joining));
  EXPECT_TRUE(asks(2, lease::encode(session_of(Standing::kOutvoted, 3))));
  EXPECT_FALSE(asks(2, lease::encode(session_of(Standing::kMember, 3))));
  EXPECT_FALSE(asks(2, lease::encode(session_of(Standing::kTied, 3))));
  EXPECT_FALSE(asks(1, joining)) << "its own";
  EXPECT_FALSE(asks(2, joining, true)) << "it is gone";
  EXPECT_FALSE(asks(2, "illegible"));
}

TEST(AgentSessions, OfAStoreOfItsOwnThereIsNone) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  EXPECT_TRUE(!s.view().shared_store);
  EXPECT_EQ(s.view().standing, Standing::kMember);
  s.now = s.now + seconds(3600);  // nobody votes on it
  s.run_for(seconds(5));
  EXPECT_EQ(s.view().standing, Standing::kMember);
  s.feed(event::StopRequested{});
  ASSERT_TRUE(s.stopped.has_value());
  EXPECT_EQ(s.session_lists + s.session_commits + s.deletions, 0);
}

// What the journal remembers is held against a store that others write to, too.
TEST(AgentSessions, AStoreOfItsOwnIsNotHeldAgainstTheJournal) {
  Scenario s({.acknowledged = {{{5}, {90}, {}, kStart}}, .highest = {100}});
  EXPECT_TRUE(s.run_until_held());
}

struct AloneWithItsSession : AloneWithLongWindows {
  std::size_t sessions() { return s.store().list(lease::kSessionPrefix)->entries.size(); }
  void put_session(std::uint8_t number) {
    const std::string value = lease::encode(session_of(Standing::kMember, number));
    ASSERT_TRUE(s.store().commit({{}, {{lease::session_key(incarnation_of(number)), value}}, {}}));
  }
};

TEST(AgentSessions, BeforeThereIsATimeThereIsNone) {
  Scenario s({.exclusive_store = false});
  s.ordering = mint::OrderingState::kNoTime;
  s.run_for(seconds(2));
  EXPECT_EQ(s.session_lists + s.session_commits, 0);
  EXPECT_EQ(s.view().state, AgentState::kStarting);
  EXPECT_TRUE(s.view().shared_store);
}

TEST_F(AloneWithItsSession, ItIsWrittenAndReadOnceAHeartbeat) {
  const int commits = s.session_commits;
  const int lists = s.session_lists;
  s.run_for(seconds(20));
  EXPECT_NEAR(s.session_commits - commits, 20, 1);
  EXPECT_NEAR(s.session_lists - lists, 20, 1);
  EXPECT_EQ(s.deletions, 0) << "there is nothing to clear away";
}

TEST_F(AloneWithItsSession, AHintIsFollowedOnce) {
  const int commits = s.session_commits;
  const int lists = s.session_lists;
  s.feed(event::SessionsAsk{});
  s.run_for(milliseconds(60));
  EXPECT_EQ(s.session_lists, lists + 1);
  s.run_for(seconds(10));
  EXPECT_NEAR(s.session_lists - lists, 11, 1);
  EXPECT_NEAR(s.session_commits - commits, 10, 1);
}

// Among what was never sent at all.
TEST_F(AloneWithItsSession, APublicationThatWasOnItsWayForLongIsItsOwn) {
  s.fates_for_all = true;
  s.fates = {Fate::kLostBefore};
  s.fates.insert(s.fates.end(), 80, Fate::kUnavailable);
  ASSERT_TRUE(s.run_until([&] { return s.fates.empty(); }, seconds(200)));
  ASSERT_FALSE(s.stopped.has_value());
  const auto key = lease::session_key(incarnation_of(0xaa));
  const auto before = s.store().get(key)->value().modified;
  ASSERT_EQ(s.in_flight.size(), 1U);
  ASSERT_TRUE(s.land(0)) << "what it compared stands as it was";
  EXPECT_GT(s.store().get(key)->value().modified, before);
  s.run_for(seconds(5));
  EXPECT_FALSE(s.stopped.has_value()) << s.stopped->text;
  EXPECT_EQ(s.published[0].count, 1U);
}

// Not for ever: who has lost more answers than it remembers can't tell its own publication from a copy's.
TEST_F(AloneWithItsSession, OfThoseWhoseAnswerWasLostTheOldestIsForgotten) {
  s.fates_for_all = true;
  s.fates.assign(70, Fate::kLostBefore);
  ASSERT_TRUE(s.run_until([&] { return s.fates.empty(); }, seconds(200)));
  ASSERT_TRUE(s.land(0));
  ASSERT_TRUE(s.run_until_stopped());
  EXPECT_NE(s.stopped->text.find("a copy of this process"), std::string::npos) << s.stopped->text;
}

TEST_F(AloneWithItsSession, TheDeadAreClearedAwayAFewAtATimeAndTimeAndAgain) {
  for (std::uint8_t number = 1; number <= 20; ++number)
    put_session(number);
  ASSERT_TRUE(s.run_until([&] { return sessions() < 21; }, seconds(120)));
  EXPECT_EQ(sessions(), 21U - 16U);
  ASSERT_TRUE(s.run_until([&] { return sessions() == 1; }, seconds(3)));
  put_session(30);
  EXPECT_TRUE(s.run_until([&] { return sessions() == 1; }, seconds(120))) << "and so is who dies later";
  EXPECT_EQ(s.deletions, 3);
}

// Whichever list shows it for dead: it moves while that list is on its way.
TEST(AgentSessions, WhoMovesMeanwhileIsNotClearedAway) {
  for (int moves_at = 20; moves_at < 40; ++moves_at) {
    Scenario s({.window = seconds(600), .exclusive_store = false});
    const std::string key = lease::session_key(incarnation_of(1));
    const auto put = [&](std::uint8_t version) {
      return s.store().commit({{}, {{key, lease::encode(session_of(Standing::kMember, version))}}, {}}).has_value();
    };
    ASSERT_TRUE(put(1));
    ASSERT_TRUE(s.run_until_held());
    const int lists = s.session_lists;
    ASSERT_TRUE(s.run_until([&] { return s.session_lists == lists + moves_at; }, seconds(100)));
    if (s.deletions > 0) {  // it took fewer lists than that
      ASSERT_GT(moves_at, 20) << "so it moved in time at least once";
      return;
    }
    s.list_silent = true;
    ASSERT_TRUE(s.run_until([&] { return !s.late.empty(); }));
    ASSERT_TRUE(put(2));
    s.list_silent = false;
    s.feed(s.late.front());
    s.run_for(milliseconds(100));
    EXPECT_TRUE(s.store().get(key)->has_value()) << moves_at;
  }
  FAIL() << "it was never taken for dead";
}

TEST_F(AloneWithItsSession, AnotherTextUnderTheRevisionOfItsOwnIsACopys) {
  MemoryStore::Image image = s.store().image();
  image.entries[lease::session_key(incarnation_of(0xaa))].value += " ";
  s.store().restore(std::move(image));
  s.feed(event::SessionsAsk{});
  ASSERT_TRUE(s.run_until_stopped());
  EXPECT_NE(s.stopped->text.find("a copy of this process"), std::string::npos) << s.stopped->text;
}

TEST_F(AloneWithItsSession, WhoIsTakenForDeadComesBack) {
  ASSERT_TRUE(s.store().commit({{}, {}, {lease::session_key(incarnation_of(0xaa))}}));
  EXPECT_TRUE(s.run_until([&] { return sessions() == 1; }, milliseconds(2100)));
}

}  // namespace
}  // namespace gnomon::control
