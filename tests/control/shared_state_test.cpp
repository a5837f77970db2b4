// SPDX-License-Identifier: Apache-2.0
//
// Opening, refusing, sealing and adopting a shared store, and healing one right of it.
#include "control/shared_state.hpp"

#include <filesystem>

#include "oracle/lease/history.hpp"
#include "platform/durable_file.hpp"
#include "tests/control/shared_fixture.hpp"

namespace gnomon::control {
namespace {

using time::seconds;

class SharedStateTest : public SharedTest {};

TEST_F(SharedStateTest, FirstHostMakesItTheOthersFindIt) {
  Nonce id{};
  {
    auto first = open_shared(store, host("a"), "a");
    ASSERT_TRUE(first) << first.error().text;
    EXPECT_TRUE(first->created);
    EXPECT_TRUE(first->lock);
    EXPECT_EQ(first->meta.identity.epoch, 1);
    EXPECT_NE(first->meta.identity.machine, Nonce{}) << "a lineage";
    EXPECT_EQ(first->journal.content().lineage, first->meta.identity.machine);
    id = first->meta.identity.id;
    auto second = open_shared(store, host("b"), "b");
    ASSERT_TRUE(second) << second.error().text;
    EXPECT_FALSE(second->created);
    EXPECT_EQ(second->meta.identity, first->meta.identity);
    EXPECT_EQ(refused("a").kind, StateErrorKind::kHeld) << "one daemon for each instance";
  }
  auto again = open_shared(store, host("a"), "a");
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(again->meta.identity.id, id);
}

TEST_F(SharedStateTest, PathsAreThoseOfTheInstance) {
  EXPECT_EQ(SharedPaths::of("/x", "main").journal, "/x/etcd.main.acknowledged");
  EXPECT_EQ(SharedPaths::of("/x", "main").lock, "/x/etcd.main.lock");
}

TEST_F(SharedStateTest, WhoLosesTheRaceToCreateItTakesTheOthers) {
  TroubledStore raced(store);
  raced.before_commit = [this, &raced] {
    raced.before_commit = nullptr;
    ASSERT_TRUE(open_shared(store, host("winner"), "winner"));
  };
  auto state = open_shared(raced, host("loser"), "loser");
  ASSERT_TRUE(state) << state.error().text;
  EXPECT_FALSE(state->created);
  EXPECT_EQ(state->meta.identity, read_meta(store)->identity);
}

TEST_F(SharedStateTest, LostAnswerToTheCreationIsFoundOut) {
  for (const Trouble trouble : {Trouble::kUnknownLanded, Trouble::kUnknownLost}) {
    store.restore({});
    TroubledStore troubled(store);
    troubled.trouble = trouble;
    const std::string name = trouble == Trouble::kUnknownLanded ? "landed" : "lost";
    auto state = open_shared(troubled, host(name), name);
    ASSERT_TRUE(state) << state.error().text;
    EXPECT_TRUE(state->created) << name;
    EXPECT_EQ(troubled.commits, trouble == Trouble::kUnknownLanded ? 1U : 2U);
    EXPECT_EQ(state->meta.facts.identity, store.get(lease::kStoreKey)->value().modified);
  }
}

// No journal is begun before there is an identity to note in it.
TEST_F(SharedStateTest, CreationThatNeverSucceedsIsGivenUp) {
  for (const StoreErrorKind kind : {StoreErrorKind::kConflict, StoreErrorKind::kUnknown}) {
    TroubledStore troubled(store);
    troubled.always = kind;
    const auto state = open_shared(troubled, host("a"), "a");
    ASSERT_FALSE(state);
    EXPECT_EQ(state.error().kind, StateErrorKind::kUnreachable);
    EXPECT_TRUE(says(state.error(), "try again")) << state.error().text;
    EXPECT_EQ(troubled.commits, 8U);
    EXPECT_FALSE(platform::exists(host("a").journal));
  }
  EXPECT_TRUE(open_shared(store, host("a"), "a")) << "nothing is left of it";
}

// Identity and rights would be of two moments.
TEST_F(SharedStateTest, IdentityThatKeepsChangingIsNotOpened) {
  live("a", {0});
  const auto before = **platform::read_file(host("a").journal, 10'000);
  TroubledStore raced(store);
  int recoveries = 0;
  raced.after_list = [&](std::string_view prefix) {
    if (prefix != lease::kRightPrefix) return;
    ++recoveries;
    ASSERT_TRUE(recover_shared(store, nullptr, kSharedLimits));
  };
  for (const char* name : {"a", "new"}) {
    recoveries = 0;
    const auto state = open_shared(raced, host(name), name);
    ASSERT_FALSE(state);
    EXPECT_EQ(state.error().kind, StateErrorKind::kUnreachable);
    EXPECT_TRUE(says(state.error(), "others keep writing it")) << state.error().text;
    EXPECT_EQ(recoveries, 8);
  }
  EXPECT_EQ(**platform::read_file(host("a").journal, 10'000), before);
  EXPECT_FALSE(platform::exists(host("new").journal));
  EXPECT_TRUE(open_shared(store, host("a"), "a")) << "once there is peace";
}

TEST_F(SharedStateTest, CrashBetweenIdentityAndJournalIsNoHarm) {
  TroubledStore troubled(store);
  troubled.trouble = Trouble::kCrashAfter;
  EXPECT_EQ(open_shared(troubled, host("a"), "a").error().kind, StateErrorKind::kUnreachable);
  live("a", {0, 1});
  live("a", {0, 1}, kSharedNow + seconds(100));
}

TEST_F(SharedStateTest, UnreachableIsAnotherWordForTryAgain) {
  TroubledStore troubled(store);
  troubled.trouble = Trouble::kCrashBefore;
  EXPECT_EQ(open_shared(troubled, host("a"), "a").error().kind, StateErrorKind::kUnreachable);
  EXPECT_EQ(seal_store(troubled, {}, "x").error().kind, StateErrorKind::kUnreachable);
  EXPECT_EQ(is_sealed(troubled).error().kind, StateErrorKind::kUnreachable);
  EXPECT_EQ(adopt_shared(troubled, host("a")).error().kind, StateErrorKind::kUnreachable);
  EXPECT_EQ(recover_shared(troubled, nullptr, kSharedLimits).error().kind, StateErrorKind::kUnreachable);
  EXPECT_EQ(heal_right(troubled, {0}, "x").error().kind, StateErrorKind::kUnreachable);
}

TEST_F(SharedStateTest, RightsWithoutAnIdentityAreNotTakenForAnEmptyStore) {
  live("a", {0});
  ASSERT_TRUE(store.commit({{}, {}, {std::string(lease::kStoreKey)}}));
  EXPECT_EQ(refused("new").kind, StateErrorKind::kDamaged);
}

TEST_F(SharedStateTest, EmptyStoreIsNotMadeAnewByAHostThatRemembers) {
  live("a", {0});
  store.restore({});
  const StateError error = refused("a");
  EXPECT_EQ(error.kind, StateErrorKind::kWentBack);
  EXPECT_TRUE(says(error, "gnomon control recover")) << error.text;
  EXPECT_TRUE(store.list("")->entries.empty());
}

TEST_F(SharedStateTest, HostsFollowEachOther) {
  for (int life = 0; life < 6; ++life)
    live(life % 2 == 0 ? "a" : "b", {0, 1, 2}, kSharedNow + seconds(30 * life));
}

// ---- a store that went back

TEST_F(SharedStateTest, OlderRevisionIsSealedAndRefused) {
  live("a", {0});
  live("b", {1});
  const auto running = std::pair{last, last_policy};
  const auto backup = store.image();
  live("a", {0}, kSharedNow + seconds(60));
  store.restore(backup);
  ASSERT_TRUE(extends(running.first, running.second)) << "b can't tell, and goes on";
  store.restore(backup);

  const StateError error = refused("a");
  EXPECT_EQ(error.kind, StateErrorKind::kWentBack);
  EXPECT_TRUE(says(error, "gnomon control recover")) << error.text;
  EXPECT_TRUE(says(error, "It is sealed now")) << error.text;
  EXPECT_FALSE(extends(running.first, running.second)) << "nobody commits any more";
  const auto seal = is_sealed(store);
  ASSERT_TRUE(seal && *seal);
  EXPECT_TRUE((*seal)->text.starts_with("a: it stands at revision")) << (*seal)->text;
  EXPECT_GT((*seal)->at_s, 1'700'000'000);
  for (const char* name : {"a", "b", "new"}) {
    const StateError sealed = refused(name);
    EXPECT_EQ(sealed.kind, StateErrorKind::kSealed) << name;
    EXPECT_TRUE(says(sealed, "by a: it stands at revision")) << sealed.text;
    EXPECT_TRUE(says(sealed, "gnomon control recover")) << sealed.text;
  }
}

TEST_F(SharedStateTest, RevisionPastByOthersHidesNothing) {
  live("a", {0});
  const auto backup = store.image();
  live("a", {0}, kSharedNow + seconds(60));
  store.restore(backup);
  for (int i = 0; i < 5; ++i)
    live("b", {1}, kSharedNow + seconds(60 + 20 * i));
  const StateError error = refused("a");
  EXPECT_EQ(error.kind, StateErrorKind::kWentBack);
  EXPECT_TRUE(says(error, "the window of machine id 0 is older")) << error.text;
  EXPECT_EQ(refused("b").kind, StateErrorKind::kSealed);
}

TEST_F(SharedStateTest, SameRevisionOfAnotherLifeIsNoticed) {
  live("a", {0});
  const auto backup = store.image();
  live("a", {0}, kSharedNow + seconds(60));
  store.restore(backup);
  promised.clear();
  tokens.clear();
  live("b", {0}, kSharedNow + seconds(60));  // the same commits, revision for revision
  const StateError error = refused("a");
  EXPECT_EQ(error.kind, StateErrorKind::kWentBack);
  EXPECT_TRUE(says(error, "another content")) << error.text;
}

TEST_F(SharedStateTest, HostWithoutAJournalCannotTell) {
  live("a", {0});
  const auto backup = store.image();
  live("a", {0}, kSharedNow + seconds(60));
  store.restore(backup);
  EXPECT_TRUE(open_shared(store, host("new"), "new")) << "docs say so";
  EXPECT_EQ(refused("a").kind, StateErrorKind::kWentBack) << "but it is found out when the host returns";
}

TEST_F(SharedStateTest, FailedSealIsSaid) {
  live("a", {0});
  const auto backup = store.image();
  live("a", {0}, kSharedNow + seconds(60));
  store.restore(backup);
  TroubledStore troubled(store);
  troubled.trouble = Trouble::kCrashBefore;
  const auto state = open_shared(troubled, host("a"), "a");
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().kind, StateErrorKind::kWentBack);
  EXPECT_TRUE(says(state.error(), "could not be sealed")) << state.error().text;
  EXPECT_FALSE(*is_sealed(store));
}

TEST_F(SharedStateTest, AnotherClusterIsRefusedAndLeftAlone) {
  live("a", {0});
  store.restore({});
  live("other", {5});
  const auto before = store.list("");
  const StateError error = refused("a");
  EXPECT_EQ(error.kind, StateErrorKind::kOtherStore);
  EXPECT_TRUE(says(error, "gnomon control adopt")) << error.text;
  EXPECT_EQ(store.list("")->entries, before->entries) << "not sealed: none of our business";
}

TEST_F(SharedStateTest, RecoveredBetweenTheReadingsIsNotTakenForGoneBack) {
  live("a", {0});
  TroubledStore raced(store);
  raced.after_list = [this, &raced](std::string_view prefix) {
    if (prefix != "meta/") return;
    raced.after_list = nullptr;
    ASSERT_TRUE(recover_shared(store, nullptr, kSharedLimits));
  };
  auto state = open_shared(raced, host("a"), "a");
  ASSERT_TRUE(state) << state.error().text;
  EXPECT_EQ(state->meta.identity.epoch, 2);
  EXPECT_EQ(state->journal.content().epoch, 2);
  EXPECT_TRUE(state->journal.content().rights.empty());
}

// ---- sealing

TEST_F(SharedStateTest, SealingStopsEveryDaemonAndKeepsTheIdentity) {
  live("a", {0});
  const StoreMeta before = *read_meta(store);
  EXPECT_EQ(seal_store(store, before.identity, "host z: lost a write"), SealOutcome::kSealed);
  EXPECT_FALSE(extends(last, last_policy));
  EXPECT_EQ(read_meta(store)->identity, before.identity);
  EXPECT_GT(read_meta(store)->facts.identity, before.facts.identity);
  const auto once = store.list("");
  EXPECT_EQ(seal_store(store, before.identity, "host y: me too"), SealOutcome::kSealed);
  EXPECT_EQ(*store.list(""), *once) << "the first word stands";
  EXPECT_EQ((*is_sealed(store))->text, "host z: lost a write");
}

TEST_F(SharedStateTest, OnlyOurOwnStoreIsSealed) {
  live("a", {0});
  StoreIdentity identity = read_meta(store)->identity;
  const StoreIdentity right = identity;
  identity.id = platform::random_value<Nonce>();
  EXPECT_EQ(seal_store(store, identity, "x"), SealOutcome::kNotOurs);
  ASSERT_TRUE(recover_shared(store, nullptr, kSharedLimits));
  EXPECT_EQ(seal_store(store, right, "x"), SealOutcome::kRecovered) << "it stands in a later epoch";
  EXPECT_FALSE(*is_sealed(store));
  identity = right;
  identity.epoch = 9;
  EXPECT_EQ(seal_store(store, identity, "it stood in epoch 9 once"), SealOutcome::kSealed);
  store.restore({});
  EXPECT_EQ(seal_store(store, right, "x"), SealOutcome::kNotOurs);
}

TEST_F(SharedStateTest, TwoSealersAndLostAnswersLeaveOneSeal) {
  live("a", {0});
  const StoreIdentity known = read_meta(store)->identity;
  const auto whole = store.image();
  {
    TroubledStore raced(store);
    raced.before_commit = [&] {
      raced.before_commit = nullptr;
      ASSERT_EQ(seal_store(store, known, "first"), SealOutcome::kSealed);
    };
    EXPECT_EQ(seal_store(raced, known, "second"), SealOutcome::kSealed);
    EXPECT_EQ((*is_sealed(store))->text, "first");
    EXPECT_EQ(raced.commits, 1U);
  }
  for (const Trouble trouble : {Trouble::kUnknownLanded, Trouble::kUnknownLost}) {
    store.restore(whole);
    TroubledStore troubled(store);
    troubled.trouble = trouble;
    EXPECT_EQ(seal_store(troubled, known, "mine"), SealOutcome::kSealed);
    EXPECT_EQ((*is_sealed(store))->text, "mine");
  }
  store.restore(whole);
  TroubledStore raced(store);
  raced.before_commit = [&] {
    raced.before_commit = nullptr;
    ASSERT_TRUE(recover_shared(store, nullptr, kSharedLimits));
  };
  EXPECT_EQ(seal_store(raced, known, "too late"), SealOutcome::kRecovered);
  EXPECT_FALSE(*is_sealed(store)) << "a recovery that came in between is not undone";
}

/// How a store answers every commit, and what comes of it after how many.
struct HopelessCommits {
  StoreErrorKind always;
  StateErrorKind told;
  std::size_t commits;
};

TEST_F(SharedStateTest, SealThatNeverLandsIsNotCalledOne) {
  live("a", {0});
  const StoreIdentity known = read_meta(store)->identity;
  for (const HopelessCommits& each : {HopelessCommits{StoreErrorKind::kConflict, StateErrorKind::kUnreachable, 8},
                                      HopelessCommits{StoreErrorKind::kUnknown, StateErrorKind::kUnreachable, 8},
                                      HopelessCommits{StoreErrorKind::kFatal, StateErrorKind::kDamaged, 1}}) {
    TroubledStore troubled(store);
    troubled.always = each.always;
    const auto sealed = seal_store(troubled, known, "x");
    ASSERT_FALSE(sealed);
    EXPECT_EQ(sealed.error().kind, each.told) << sealed.error().text;
    EXPECT_EQ(troubled.commits, each.commits);
  }
  EXPECT_FALSE(*is_sealed(store));
  EXPECT_TRUE(extends(last, last_policy));
}

TEST_F(SharedStateTest, SealThatCannotBeReadIsASeal) {
  live("a", {0});
  ASSERT_TRUE(store.commit({{}, {{std::string(kSealKey), "in another language"}}, {}}));
  EXPECT_EQ(refused("a").kind, StateErrorKind::kSealed);
  ASSERT_TRUE(recover_shared(store, nullptr, kSharedLimits));
  live("a", {0}, kSharedLimits.now + seconds(100));
}

TEST_F(SharedStateTest, NoLayoutIsAddedToASealedStore) {
  const id::Layout layout = *id::make_layout({16}, "wide", {}, time::milliseconds(1), 41, 10, 12);
  live("a", {0});
  ASSERT_TRUE(ensure_layouts(store, std::span(&layout, 1)));
  ASSERT_EQ(seal_store(store, read_meta(store)->identity, "x"), SealOutcome::kSealed);
  EXPECT_EQ(ensure_layouts(store, std::span(&layout, 1)).error().kind, StateErrorKind::kSealed);
}

TEST_F(SharedStateTest, LayoutThatCannotBeWrittenIsNotCalledKnown) {
  const id::Layout layout = *id::make_layout({16}, "wide", {}, time::milliseconds(1), 41, 10, 12);
  live("a", {0});
  for (const HopelessCommits& each : {HopelessCommits{StoreErrorKind::kFatal, StateErrorKind::kDamaged, 1},
                                      HopelessCommits{StoreErrorKind::kUnavailable, StateErrorKind::kUnreachable, 1},
                                      HopelessCommits{StoreErrorKind::kConflict, StateErrorKind::kSystem, 8},
                                      HopelessCommits{StoreErrorKind::kUnknown, StateErrorKind::kSystem, 8}}) {
    TroubledStore troubled(store);
    troubled.always = each.always;
    const auto known = ensure_layouts(troubled, std::span(&layout, 1));
    ASSERT_FALSE(known);
    EXPECT_EQ(known.error().kind, each.told) << known.error().text;
    EXPECT_EQ(troubled.commits, each.commits);
    if (each.commits > 1) {
      EXPECT_TRUE(says(known.error(), "layouts could not be written")) << known.error().text;
    }
  }
  EXPECT_TRUE(ensure_layouts(store, {})->empty());
}

// What the errors of a store are to an operator.
TEST_F(SharedStateTest, ErrorsOfTheStoreKeepTheirWords) {
  EXPECT_EQ(state_error_of({StoreErrorKind::kFatal, "a"}).kind, StateErrorKind::kDamaged);
  EXPECT_EQ(state_error_of({StoreErrorKind::kUnavailable, "a"}).kind, StateErrorKind::kUnreachable);
  EXPECT_EQ(state_error_of({StoreErrorKind::kConflict, "a"}).kind, StateErrorKind::kSystem);
  EXPECT_EQ(state_error_of({StoreErrorKind::kUnknown, "a"}).kind, StateErrorKind::kSystem);
  for (const StoreErrorKind kind :
       {StoreErrorKind::kFatal, StoreErrorKind::kUnavailable, StoreErrorKind::kConflict, StoreErrorKind::kUnknown})
    EXPECT_EQ(state_error_of({kind, "what the store said"}).text, "what the store said");
}

// ---- adopting

TEST_F(SharedStateTest, AdoptionPutsTheOtherJournalAside) {
  live("a", {0});
  const std::string old = **platform::read_file(host("a").journal, 10'000);
  store.restore({});
  live("other", {5});
  const auto adopted = adopt_shared(store, host("a"));
  ASSERT_TRUE(adopted) << adopted.error().text;
  EXPECT_EQ(adopted->meta.identity, read_meta(store)->identity);
  EXPECT_EQ(adopted->aside, host("a").journal + ".aside-1");
  EXPECT_EQ(**platform::read_file(adopted->aside, 10'000), old);
  live("a", {6});
  const auto again = adopt_shared(store, host("a"));
  ASSERT_TRUE(again);
  EXPECT_EQ(again->aside, "") << "it belongs there already";
  EXPECT_EQ((*Journal::load(host("a").journal))->content().rights.size(), 1U) << "and what it remembers stays";
}

TEST_F(SharedStateTest, AdoptionIsNoWayAroundARecovery) {
  live("a", {0});
  const auto backup = store.image();
  live("a", {0}, kSharedNow + seconds(60));
  store.restore(backup);
  const auto adopted = adopt_shared(store, host("a"));
  ASSERT_FALSE(adopted);
  EXPECT_EQ(adopted.error().kind, StateErrorKind::kWentBack);
  EXPECT_TRUE(*is_sealed(store));
  EXPECT_EQ(adopt_shared(store, host("b")).error().kind, StateErrorKind::kSealed);
  ASSERT_TRUE(recover_shared(store, nullptr, kSharedLimits));
  EXPECT_TRUE(adopt_shared(store, host("a")));
  expect_nothing_promised_twice("a");
}

TEST_F(SharedStateTest, DamagedJournalIsPutAsideByAnAdoption) {
  live("a", {0});
  std::filesystem::resize_file(host("a").journal, std::filesystem::file_size(host("a").journal) - 3);
  const StateError error = refused("a");
  EXPECT_EQ(error.kind, StateErrorKind::kDamaged);
  EXPECT_TRUE(says(error, "gnomon control adopt")) << error.text;
  EXPECT_FALSE(*is_sealed(store)) << "the others know better";
  const auto adopted = adopt_shared(store, host("a"));
  ASSERT_TRUE(adopted) << adopted.error().text;
  EXPECT_NE(adopted->aside, "");
  live("a", {0}, kSharedNow + seconds(60));
}

TEST_F(SharedStateTest, NothingIsAdoptedWhereNothingIs) {
  EXPECT_EQ(adopt_shared(store, host("a")).error().kind, StateErrorKind::kIncomplete);
  EXPECT_TRUE(store.list("")->entries.empty());
}

// ---- healing

class HealRightTest : public SharedTest {
 protected:
  HealRightTest() {
    live("a", {0});
    live("mad", {1}, kSharedNow + seconds(86'400));
  }
  lease::Window window(std::uint16_t id) { return rights().find({id})->window->value; }
};

TEST_F(HealRightTest, TakesItAwayAndLowersNothing) {
  const lease::HeldRight mad = last.front();
  const auto report = heal_right(store, {1}, "operator");
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_EQ(report->ceiling, mad.ceiling);
  EXPECT_EQ(report->token, mad.token);
  EXPECT_EQ(report->holder, "test");
  EXPECT_TRUE(report->was_held);
  EXPECT_FALSE(extends(last, last_policy));
  EXPECT_EQ(window(1).floor, mad.ceiling);
  EXPECT_EQ(rights().find({1})->grant->value.holder, "healed by operator");
  live("b", {1}, mad.ceiling + seconds(5));
}

TEST_F(HealRightTest, WinsAgainstAHolderThatKeepsExtending) {
  TroubledStore raced(store);
  int extensions = 0;
  raced.before_commit = [&] {
    if (++extensions > 3) return;
    const Transaction extension = lease::extend(last, last_policy, kSharedNow + seconds(86'400 + 100 * extensions),
                                                platform::random_value<Nonce>());
    const auto revision = store.commit(extension);
    ASSERT_TRUE(revision);
    last.front() = lease::held_after(extension, {1}, *revision, &last.front(), 1);
  };
  const auto report = heal_right(raced, {1}, "operator");
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_EQ(report->ceiling, last.front().ceiling) << "the ceiling that it left behind is the last one";
  EXPECT_EQ(window(1).ceiling, last.front().ceiling);
}

TEST_F(HealRightTest, SparesWhoTookItMeanwhile) {
  TroubledStore raced(store);
  raced.before_commit = [&] {
    raced.before_commit = nullptr;
    live("b", {0}, kSharedNow + seconds(100));
  };
  const auto report = heal_right(raced, {0}, "operator");
  ASSERT_FALSE(report);
  EXPECT_TRUE(says(report.error(), "other hands")) << report.error().text;
  EXPECT_EQ(window(0).state, lease::WindowState::kHeld);
}

TEST_F(HealRightTest, LostAnswersAreFoundOut) {
  for (const Trouble trouble : {Trouble::kUnknownLanded, Trouble::kUnknownLost}) {
    const auto before = store.image();
    TroubledStore troubled(store);
    troubled.trouble = trouble;
    const auto report = heal_right(troubled, {1}, "operator");
    ASSERT_TRUE(report) << report.error().text;
    EXPECT_TRUE(report->was_held) << "what is told is what was there before";
    EXPECT_EQ(report->holder, "test");
    EXPECT_EQ(window(1).state, lease::WindowState::kReleased);
    EXPECT_EQ(troubled.commits, trouble == Trouble::kUnknownLanded ? 1U : 2U);
    store.restore(before);
  }
}

TEST_F(HealRightTest, GivesUpWithAWayOutAndHealsNothing) {
  struct Case {
    StoreErrorKind always;
    StateErrorKind told;
    std::size_t commits;
    const char* word;
  };
  for (const Case& each : {Case{StoreErrorKind::kUnavailable, StateErrorKind::kUnreachable, 1, "no commit succeeds"},
                           Case{StoreErrorKind::kFatal, StateErrorKind::kDamaged, 1, "no commit succeeds"},
                           Case{StoreErrorKind::kConflict, StateErrorKind::kUnreachable, 16, "stop the holder"},
                           Case{StoreErrorKind::kUnknown, StateErrorKind::kUnreachable, 16, "stop the holder"}}) {
    TroubledStore troubled(store);
    troubled.always = each.always;
    const auto report = heal_right(troubled, {1}, "operator");
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().kind, each.told) << report.error().text;
    EXPECT_TRUE(says(report.error(), each.word)) << report.error().text;
    EXPECT_EQ(troubled.commits, each.commits);
  }
  EXPECT_EQ(window(1).state, lease::WindowState::kHeld);
  EXPECT_TRUE(extends(last, last_policy));
}

TEST_F(HealRightTest, NeedsAStoreThatSaysWhichItIs) {
  ASSERT_TRUE(store.commit({{}, {}, {std::string(lease::kStoreKey)}}));
  const auto report = heal_right(store, {1}, "operator");
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, StateErrorKind::kDamaged);
  EXPECT_TRUE(says(report.error(), "does not say which store it is")) << report.error().text;
  EXPECT_TRUE(says(report.error(), "gnomon control recover")) << report.error().text;
  EXPECT_EQ(window(1).state, lease::WindowState::kHeld);
}

TEST_F(HealRightTest, RefusesWithAWayOut) {
  EXPECT_EQ(heal_right(store, {7}, "operator").error().kind, StateErrorKind::kIncomplete);
  ASSERT_TRUE(store.commit({{}, {{lease::window_key({1}), "damaged"}}, {}}));
  const auto damaged = heal_right(store, {1}, "operator");
  EXPECT_EQ(damaged.error().kind, StateErrorKind::kDamaged);
  EXPECT_TRUE(says(damaged.error(), "gnomon control recover"));
  ASSERT_EQ(seal_store(store, read_meta(store)->identity, "x"), SealOutcome::kSealed);
  EXPECT_EQ(heal_right(store, {0}, "operator").error().kind, StateErrorKind::kSealed);
}

}  // namespace
}  // namespace gnomon::control
