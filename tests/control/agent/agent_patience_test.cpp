// SPDX-License-Identifier: Apache-2.0
//
// How long the agent waits, when it tries again, and what goes first.
#include <vector>

#include "tests/control/agent/scenario.hpp"

namespace gnomon::control {
namespace {

using time::milliseconds;
using time::seconds;
using Fate = Scenario::Fate;
using Kind = effect::Note::Kind;

std::uint64_t unavailable(const Scenario& s) { return s.view().store_failures.of(StoreErrorKind::kUnavailable); }

/// From one failure of a call to the next try, as `tries` counts them.
time::Duration retried_after(Scenario& s, const int& tries) {
  s.fates = {Fate::kUnavailable};
  EXPECT_TRUE(s.run_until([&] { return s.fates.empty(); }));
  const time::Uptime failed = s.uptime;
  EXPECT_TRUE(s.run_until([&, before = tries] { return tries > before; }));
  return s.uptime - failed;
}

TEST(AgentPatience, IsAQuarterOfTheWindowAndFiveSecondsAtMost) {
  struct Case {
    time::Duration window;
    time::Duration patience;
  };
  for (const auto& [window, patience] :
       {Case{seconds(1), milliseconds(260)}, Case{seconds(10), milliseconds(2500)}, Case{seconds(600), seconds(5)}}) {
    Scenario s({.window = window});
    s.list_silent = true;
    s.tick();
    const time::Uptime asked = s.uptime;
    ASSERT_TRUE(s.run_until([&] { return s.notes(Kind::kStoreUnavailable) == 1; }));
    EXPECT_EQ(s.uptime - asked, patience);
  }
}

TEST(AgentPatience, EndsThoughTheUptimeGoesBack) {
  Scenario s({});
  s.list_silent = true;
  s.tick();
  s.uptime = s.uptime + -seconds(3600);
  s.run_for(seconds(3));
  EXPECT_EQ(s.notes(Kind::kStoreUnavailable), 1);
}

TEST(AgentPatience, LooksForIdsOnceASecond) {
  MemoryStore store;
  Scenario other({.machine_ids = 1, .incarnation = Nonce{1}}, &store);
  other.nonce_salt = 1;
  ASSERT_TRUE(other.run_until_held());
  Scenario s({.machine_ids = 1}, &store);
  s.run_for(seconds(5));
  EXPECT_NEAR(static_cast<double>(count(s.take_transcript(), "list\n")), 5, 1);
}

TEST(AgentPatience, SaysHowManyIdsItWaitsForAndThatItMayBeForEver) {
  Scenario several({.ids_per_worker = 2, .machine_ids = 2});
  ASSERT_TRUE(several.store().commit(takeover({1}, kStart)));
  several.run_for(milliseconds(100));
  const std::string said = several.take_transcript();
  EXPECT_NE(said.find("1 of 2 machine ids are free"), std::string::npos) << said;

  Scenario pinned({.pinned = {{0}}});
  ASSERT_TRUE(pinned.store().commit({{}, {{lease::window_key({0}), "illegible"}}, {}}));
  pinned.run_for(milliseconds(900));
  EXPECT_EQ(pinned.view().waiting_until, time::SmearedUtc::max());
  EXPECT_EQ(count(pinned.take_transcript(), "list\n"), 1U) << "and looks again once a second";
}

TEST(AgentRetries, ThoseThatFailedTogetherComeBackApart) {
  const auto tries = [](std::uint8_t salt) {
    Scenario s({});
    s.nonce_salt = salt;
    EXPECT_TRUE(s.run_until_held());
    s.commit_away = true;
    std::vector<time::Uptime> at;
    for (int i = 0; i < 1000; ++i) {
      const int before = s.commits;
      s.tick();
      if (s.commits != before) at.push_back(s.uptime);
    }
    EXPECT_GT(at.size(), 20U);
    return at;
  };
  EXPECT_NE(tries(1), tries(200));
}

TEST(AgentRetries, DelaysBeginAnewOnceARightWasWritten) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  s.commit_away = true;
  s.run_for(seconds(20));
  s.commit_away = false;
  ASSERT_TRUE(s.run_until([&] { return s.notes(Kind::kExtended) == 1; }));
  EXPECT_LE(retried_after(s, s.commits), milliseconds(40));
}

TEST(AgentRetries, DelaysBeginAnewOnceTheSessionWasWritten) {
  Scenario s({.window = seconds(600), .exclusive_store = false});
  ASSERT_TRUE(s.run_until_held());
  s.fates_for_all = s.commit_away = true;
  s.run_for(seconds(20));
  s.commit_away = false;
  ASSERT_TRUE(s.run_until([&, before = s.session_commits] { return s.session_commits > before; }));
  EXPECT_LE(retried_after(s, s.session_commits), milliseconds(60));
}

// Whoever was out of reach may come back as an older copy of itself. A store of one's own can't.
TEST(AgentRetries, OfASharedStoreWhatWasAcknowledgedIsReadFirst) {
  for (const bool shared : {false, true})
    for (const Fate fate : {Fate::kUnavailable, Fate::kLostBefore}) {
      Scenario s({.exclusive_store = !shared});
      ASSERT_TRUE(s.run_until_held());
      s.take_transcript();
      s.fates = {fate};
      ASSERT_TRUE(s.run_until([&] { return s.notes(Kind::kExtended) == 1; }));
      EXPECT_EQ(count(s.take_transcript(), "list\n"), shared || fate == Fate::kLostBefore ? 1U : 0U);
    }
}

TEST(AgentRetries, AlsoWhenTheSessionCouldNotBeWritten) {
  for (const Fate fate : {Fate::kUnavailable, Fate::kLostBefore}) {
    Scenario s({.window = seconds(600), .exclusive_store = false});
    ASSERT_TRUE(s.run_until_held());
    s.take_transcript();
    s.run_for(seconds(5));
    EXPECT_EQ(s.take_transcript(), "");
    s.fates_for_all = true;
    s.fates = {fate};
    s.run_for(seconds(5));
    EXPECT_EQ(count(s.take_transcript(), "list\n"), 1U);
  }
}

TEST(AgentRetries, AlsoBeforeARelease) {
  for (const bool shared : {false, true}) {
    Scenario s({.exclusive_store = !shared});
    ASSERT_TRUE(s.run_until_held());
    s.take_transcript();
    s.fates = {Fate::kUnavailable};
    s.feed(event::StopRequested{});
    ASSERT_TRUE(s.run_until_stopped());
    const std::string said = s.take_transcript();
    EXPECT_EQ(count(said, "commit release"), 2U) << said;
    EXPECT_EQ(count(said, "list\n"), shared ? 1U : 0U) << said;
  }
}

// What was read before a pause is no ground for an acquisition after it.
TEST(AgentRetries, APauseBetweenTheListAndTheAcquisition) {
  for (const bool paused : {false, true}) {
    Scenario s({.exclusive_store = false});
    s.tick_after_answers = false;
    s.tick();
    s.tick();
    ASSERT_TRUE(s.take_transcript().ends_with("list\n")) << "it will choose in the next tick";
    s.tick(paused ? seconds(10) : milliseconds(20));
    const std::string said = s.take_transcript();
    EXPECT_EQ(count(said, "list\n"), paused ? 1U : 0U) << said;
    EXPECT_EQ(count(said, "commit take"), 1U) << said;
  }
}

TEST(AgentRetries, TheJournalOfAnAcquisitionIsTriedAgainAndNothingElseTaken) {
  Scenario s({});
  s.journal_silent = true;
  s.run_for(seconds(3));
  const std::string said = s.take_transcript();
  EXPECT_EQ(count(said, "journal at 1\n"), 2U) << said;
  EXPECT_EQ(count(said, "list\n"), 1U) << said;
}

TEST(AgentRetries, ALateFailureOfWhatWasGivenUpIsNobodys) {
  Scenario s({});
  s.list_silent = true;
  s.tick();
  ASSERT_TRUE(s.run_until([&] { return s.late.size() == 2; })) << "given up, and asked for again";
  const event::StoreFailed late{std::get<event::Listed>(s.late[0]).operation, {StoreErrorKind::kFatal, "late"}};
  s.feed(late);
  EXPECT_FALSE(s.stopped.has_value()) << "while the second one is under way";
  s.list_silent = false;
  s.feed(s.late[1]);
  ASSERT_EQ(s.view().state, AgentState::kHeld);
  s.feed(late);
  EXPECT_FALSE(s.stopped.has_value()) << "and while nothing is";
}

TEST(AgentRetries, ALateWordOfTheJournalIsNobodys) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  s.journal_silent = true;
  ASSERT_TRUE(s.run_until([&] { return s.late.size() == 2; })) << "given up, and tried again";
  s.feed(s.late[0]);
  EXPECT_EQ(s.notes(Kind::kExtended), 0) << "the second one is waited for";
  s.journal_silent = false;
  ASSERT_TRUE(s.run_until([&] { return s.notes(Kind::kExtended) > 0; }));
  const Event late = s.late[0];
  s.feed(late);
  s.fates = {Fate::kSilentAfter};
  ASSERT_TRUE(s.run_until([&] { return s.fates.empty(); }));
  s.take_transcript();
  const time::SmearedUtc ceiling = s.published[0].slots[0].ceiling;
  s.feed(late);
  EXPECT_EQ(s.take_transcript(), "");
  s.feed(s.late.back());
  EXPECT_GT(s.published[0].slots[0].ceiling, ceiling) << "the extension's answer is still waited for";
}

// What was not sent is forgotten at once, and does not crowd out what may still land.
TEST(AgentRetries, AnExtensionThatWasOnItsWayForLongIsItsOwn) {
  Scenario s({});
  ASSERT_TRUE(s.run_until_held());
  s.fates = {Fate::kLostBefore};
  s.fates.insert(s.fates.end(), Attempts::kMax + 8, Fate::kUnavailable);
  ASSERT_TRUE(s.run_until([&] { return s.fates.empty(); }, seconds(120)));
  ASSERT_TRUE(s.land(0));
  ASSERT_TRUE(s.run_until([&] { return s.notes(Kind::kExtended) > 0 || s.notes(Kind::kLost) > 0; }));
  EXPECT_EQ(s.notes(Kind::kLost), 0);
}

TEST(AgentRetries, AStopHasAllItsTriesForAskingAndForGivingBack) {
  Scenario s({});
  s.fates = {Fate::kLostAfter};
  s.tick();
  s.list_unavailable = true;
  s.feed(event::StopRequested{});
  ASSERT_TRUE(s.run_until([&] { return unavailable(s) == 7; }));
  s.list_unavailable = false;
  s.fates.assign(7, Fate::kUnavailable);
  ASSERT_TRUE(s.run_until_stopped());
  EXPECT_TRUE(s.fates.empty());
  EXPECT_EQ(s.window(0).state, lease::WindowState::kReleased);
}

// ---- what goes first, on a shared store

TEST(AgentTurns, AReleaseGoesBeforeTheSession) {
  for (const bool stops : {true, false}) {
    Scenario s({.exclusive_store = false});
    ASSERT_TRUE(s.run_until_held());
    const int sessions = s.session_lists + s.session_commits;
    s.hold_acks = true;
    if (!stops) ++s.era.value;
    s.feed(stops ? Event{event::StopRequested{}} : Event{s.tick_event()});
    s.run_for(milliseconds(1500));  // due meanwhile
    s.fates.assign(3, Fate::kUnavailable);
    s.feed(s.ack_of(0));
    ASSERT_TRUE(s.run_until([&] { return s.fates.empty(); }));
    EXPECT_EQ(s.session_lists + s.session_commits, sessions) << stops;
    ASSERT_TRUE(s.run_until([&] { return s.window(0).state == lease::WindowState::kReleased; }));
  }
}

// The windows are such that in some of them both are due in one tick.
TEST(AgentTurns, AnExtensionThatIsDueGoesBeforeTheSession) {
  for (int window = 9000; window < 9000 + 3 * 400; window += 3 * 20) {
    Scenario s({.window = milliseconds(window), .exclusive_store = false, .heartbeat = milliseconds(400)});
    ASSERT_TRUE(s.run_until_held());
    const time::Duration enough = milliseconds(window) * 2 / 3;
    while (s.published[0].slots[0].ceiling - (s.now + milliseconds(20)) >= enough)
      s.tick();
    s.fates_for_all = true;
    s.fates.assign(3, Fate::kSilentBefore);
    const int sessions = s.session_commits;
    s.tick();
    EXPECT_EQ(s.commits, 2) << window;
    EXPECT_EQ(s.session_commits, sessions) << window;
  }
}

TEST(AgentTurns, AnExtensionThatFailsIsTriedAgainBeforeTheSession) {
  Scenario s({.exclusive_store = false});
  ASSERT_TRUE(s.run_until_held());
  ASSERT_TRUE(s.run_until([&] { return s.notes(Kind::kExtended) == 1; }));
  s.fates.assign(1000, Fate::kUnavailable);
  ASSERT_TRUE(s.run_until([&] { return s.fates.size() < 1000; }));
  const int sessions = s.session_lists + s.session_commits;
  s.run_for(seconds(3));
  EXPECT_LT(s.fates.size(), 995U);
  EXPECT_EQ(s.session_lists + s.session_commits, sessions);
}

TEST(AgentTurns, TheJournalIsTriedAgainBeforeTheSession) {
  Scenario s({.exclusive_store = false});
  ASSERT_TRUE(s.run_until_held());
  s.journal_silent = true;
  ASSERT_TRUE(s.run_until([&] { return s.late.size() == 1; }));
  const int sessions = s.session_lists + s.session_commits;
  ASSERT_TRUE(s.run_until([&] { return s.late.size() == 2; }));
  EXPECT_EQ(s.session_lists + s.session_commits, sessions);
}

// Whatever else is due: the stage sees to it that whoever has stopped says no more.
TEST(AgentTurns, AfterAFatalErrorNothingIsAsked) {
  for (int beat = 20; beat <= 1000; beat += 20)
    for (const bool of_the_session : {false, true}) {
      Scenario s({.exclusive_store = false, .heartbeat = milliseconds(beat)});
      ASSERT_TRUE(s.run_until_held());
      s.fates_for_all = of_the_session;
      s.fates = {Fate::kFatal};
      ASSERT_TRUE(s.run_until_stopped());
      EXPECT_EQ(s.stopped->text, "disk full");
    }
}

}  // namespace
}  // namespace gnomon::control
