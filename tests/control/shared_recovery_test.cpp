// SPDX-License-Identifier: Apache-2.0
//
// Recovering a shared store: what it lifts, and that it may end anywhere and be run again.
#include <algorithm>
#include <filesystem>

#include "control/shared_state.hpp"
#include "oracle/lease/history.hpp"
#include "tests/control/shared_fixture.hpp"

namespace gnomon::control {
namespace {

using time::seconds;
using time::SmearedUtc;

constexpr std::size_t kMany = 200;            // rights: more than one commit takes
constexpr std::size_t kCommitsForMany = 5;    // the sealing one, and 200 rights by 62
constexpr std::size_t kEtcdOperations = 128;  // --max-txn-ops

class SharedRecoveryTest : public SharedTest {
 protected:
  SharedRecoveryReport recovered(const std::string& name, std::uint16_t epoch_above = 0) {
    const SharedPaths paths = host(name);
    const auto report = recover_shared(store, &paths, kSharedLimits, epoch_above);
    EXPECT_TRUE(report) << report.error().text;
    return report ? *report : SharedRecoveryReport{};
  }
  // Ceilings and the store's floor, as anybody who acquires would take them.
  struct Bounds {
    SmearedUtc floor;
    std::map<Machine, SmearedUtc> next;
  };
  Bounds bounds() {
    Bounds bounds{read_meta(store)->facts.floor, {}};
    for (const auto& [machine, right] : rights().rights)
      bounds.next[machine.value] = std::max(right.window->value.ceiling, bounds.floor);
    return bounds;
  }
  void live_with_many(const std::string& name, SmearedUtc now) {
    std::vector<Machine> ids(kMany);
    for (std::size_t i = 0; i < ids.size(); ++i)
      ids[i] = static_cast<Machine>(i);
    live(name, ids, now);
  }
};

TEST_F(SharedRecoveryTest, LiftsEverythingAboveWhatMayHaveBeenIssued) {
  live("a", {0});
  live("b", {1});
  const auto running = std::pair{last, last_policy};
  const auto backup = store.image();
  const Nonce old_lineage = lineage();
  live("a", {0, 2}, kSharedNow + seconds(60));
  live("c", {0}, kSharedNow + seconds(120));
  store.restore(backup);
  EXPECT_EQ(refused("a").kind, StateErrorKind::kWentBack);

  const SharedRecoveryReport report = recovered("a");
  EXPECT_EQ(report.epoch, 2);
  EXPECT_EQ(report.floor, kSharedLimits.now + seconds(11));
  EXPECT_EQ(report.released, 3U) << "0 and 1 of the store, 2 of the journal alone";
  EXPECT_EQ(report.unreadable, 0U);
  EXPECT_TRUE(report.journal_was_whole);
  ASSERT_TRUE(report.sealed);
  EXPECT_TRUE(report.sealed->text.starts_with("a: ")) << report.sealed->text;
  EXPECT_EQ(report.commits, 1U);
  EXPECT_NE(lineage(), old_lineage);
  EXPECT_FALSE(*is_sealed(store));
  EXPECT_FALSE(extends(running.first, running.second));
  EXPECT_EQ(rights().find({0})->window->value.state, lease::WindowState::kReleased);
  for (const char* name : {"a", "b", "c", "new"})
    EXPECT_TRUE(open_shared(store, host(name), name)) << name << ": all may come back";
  expect_nothing_promised_twice("b");
}

TEST_F(SharedRecoveryTest, RaisesTheEpochAboveEverythingKnown) {
  live("a", {0});
  EXPECT_EQ(recovered("a").epoch, 2);
  EXPECT_EQ(recovered("a", 40).epoch, 41);
  EXPECT_EQ(recovered("a", 3).epoch, 42);
  live("a", {0}, kSharedLimits.now + seconds(100));
  EXPECT_EQ(tokens[0].value >> 48, 42U);
  // Of an older store only this host's journal, a grant and the history tell how far the epochs went.
  auto image = store.image();
  image.entries[std::string(lease::kStoreKey)].value = encode_identity({read_meta(store)->identity.id, {}, 3}, {});
  store.restore(image);
  EXPECT_EQ(recover_shared(store, nullptr, kSharedLimits)->epoch, 43);
  EXPECT_EQ(recover_shared(store, nullptr, kSharedLimits, UINT16_MAX).error().kind, StateErrorKind::kSystem);
  EXPECT_EQ(recovered("a", UINT16_MAX - 1).epoch, UINT16_MAX);
}

TEST_F(SharedRecoveryTest, TwoRecoveriesOfOneBackupAreToldApart) {
  live("a", {0});
  const auto backup = store.image();
  ASSERT_TRUE(recover_shared(store, nullptr, kSharedLimits));
  live("a", {0}, kSharedLimits.now + seconds(100));
  store.restore(backup);
  ASSERT_TRUE(recover_shared(store, nullptr, kSharedLimits));
  const StateError error = refused("a");
  EXPECT_EQ(error.kind, StateErrorKind::kWentBack);
  EXPECT_TRUE(says(error, "once more")) << error.text;
  EXPECT_TRUE(*is_sealed(store));
  EXPECT_EQ(recovered("a").epoch, 3);
  expect_nothing_promised_twice("a");
}

// A daemon whose clock was ahead unnoticed may have been granted more than this host's clock would have been.
TEST_F(SharedRecoveryTest, TheFloorCountsHowFarClocksMayBeApart) {
  live("a", {0});
  RecoveryLimits limits = kSharedLimits;
  limits.apart = unnoticed_lead(limits.max_lead, time::milliseconds(200), time::milliseconds(100));
  EXPECT_EQ(limits.apart, seconds(1) + time::milliseconds(680 + 300 + 500));
  const auto report = recover_shared(store, nullptr, limits);
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_EQ(report->floor, kSharedLimits.now + limits.window + limits.max_lead + limits.apart);
  EXPECT_EQ(bounds().floor, report->floor);
}

TEST_F(SharedRecoveryTest, NeverLowersAFloorOrACeiling) {
  live("a", {0});
  live("mad", {1}, kSharedNow + seconds(86'400 * 365));
  SmearedUtc floor;
  for (int i = 0; i < 3; ++i) {
    const Bounds before = bounds();
    const RecoveryLimits earlier{kSharedLimits.now - seconds(100 * i), seconds(10), seconds(1)};
    const auto report = recover_shared(store, nullptr, earlier);
    ASSERT_TRUE(report) << report.error().text;
    const Bounds after = bounds();
    EXPECT_GE(after.floor, before.floor);
    for (const auto& [id, next] : before.next)
      EXPECT_GE(after.next.at(id), next) << id;
    floor = report->floor;
  }
  EXPECT_EQ(floor, kSharedLimits.now + seconds(11));
  EXPECT_EQ(bounds().next.at(1), promised[1]) << "a poisoned id stays out of reach";
}

TEST_F(SharedRecoveryTest, UnreadableRightsAreReleasedAsHighAsAnythingTells) {
  live("a", {0, 1, 2, 3, 4});
  const SmearedUtc far = kSharedNow + seconds(86'400 * 30);
  const auto put = [&](const std::string& key, const std::string& value) {
    ASSERT_TRUE(store.commit({{}, {{key, value}}, {}}));
  };
  put(lease::window_key({0}), "nothing legible");
  put(lease::window_key({1}), "window 9 state=held ceiling=" + std::to_string(far.ns) + " of a newer program");
  put(lease::grant_key({2}), "nothing legible");
  ASSERT_TRUE(store.commit({{}, {}, {lease::window_key({3})}}));
  put(lease::window_key({4}), "nothing legible");
  put(lease::grant_key({4}), "nor here");
  ASSERT_TRUE(rights().rights.empty()) << "none of them can be read";

  const auto report = recover_shared(store, nullptr, kSharedLimits);
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_EQ(report->unreadable, 5U);
  EXPECT_TRUE(rights().unreadable.empty());
  const SmearedUtc floor = kSharedLimits.now + seconds(11);
  for (const Machine id : std::vector<Machine>{0, 2, 3, 4}) {
    EXPECT_EQ(rights().find({id})->window->value.ceiling, floor) << id;
    EXPECT_EQ(rights().find({id})->window->value.state, lease::WindowState::kReleased);
  }
  EXPECT_EQ(rights().find({1})->window->value.ceiling, far);
  EXPECT_FALSE(rights().find({2})->grant) << "a grant that can't be read would keep the id for ever";
  EXPECT_TRUE(rights().find({0})->grant);
  promised.erase(1);
  expect_nothing_promised_twice();
}

TEST_F(SharedRecoveryTest, JournalKnowsACeilingThatTheStoreLost) {
  live("mad", {0});
  const auto backup = store.image();
  live("mad", {0}, kSharedNow + seconds(86'400));
  store.restore(backup);
  recovered("mad");
  EXPECT_EQ(rights().find({0})->window->value.ceiling, promised[0]) << "far above the floor";
  expect_nothing_promised_twice();
}

TEST_F(SharedRecoveryTest, WhatItCannotHealIsNamedAndLeftAlone) {
  live("a", {0});
  ASSERT_TRUE(
      store.commit({{}, {{"layout/16", "illegible"}, {"history/00000000000000000005-0000000000000000", "x"}}, {}}));
  const auto report = recover_shared(store, nullptr, kSharedLimits);
  ASSERT_TRUE(report);
  ASSERT_EQ(report->left.size(), 2U);
  EXPECT_TRUE(report->left[0].starts_with("history/00000000000000000005")) << report->left[0];
  EXPECT_TRUE(report->left[1].starts_with("layout/16: ")) << report->left[1];
  EXPECT_EQ(store.get("layout/16")->value().value, "illegible");
}

TEST_F(SharedRecoveryTest, AnIllegibleIdentityIsMadeAnew) {
  live("a", {0});
  const Nonce id = read_meta(store)->identity.id;
  ASSERT_TRUE(
      store.commit({{}, {{std::string(lease::kStoreKey), "illegible"}, {std::string(kFloorKey), "floor"}}, {}}));
  EXPECT_EQ(refused("a").kind, StateErrorKind::kDamaged);
  recovered("a");
  EXPECT_EQ(read_meta(store)->identity.id, id) << "this host's journal knows it";
  live("a", {0}, kSharedLimits.now + seconds(100));
  ASSERT_TRUE(store.commit({{}, {{std::string(lease::kStoreKey), "store 9 of a newer program"}}, {}}));
  const auto newer = recover_shared(store, nullptr, kSharedLimits);
  ASSERT_FALSE(newer);
  EXPECT_TRUE(says(newer.error(), "another version")) << newer.error().text;
}

TEST_F(SharedRecoveryTest, AStoreThatIsLostForGoodIsReplaced) {
  live("a", {0});
  store.restore({});
  EXPECT_EQ(recover_shared(store, nullptr, kSharedLimits).error().kind, StateErrorKind::kIncomplete);
  const SharedRecoveryReport report = recovered("a");
  EXPECT_EQ(report.epoch, 2);
  EXPECT_EQ(report.released, 1U);
  live("b", {5}, kSharedLimits.now + seconds(100));
  expect_nothing_promised_twice("a");
}

// Neither the store nor a journal says which store it was: it is another one from now on, with the same rights.
TEST_F(SharedRecoveryTest, AnIdentityThatNobodyKnowsIsMadeAnew) {
  live("a", {0});
  const Nonce id = read_meta(store)->identity.id;
  ASSERT_TRUE(store.commit({{}, {}, {std::string(lease::kStoreKey)}}));
  const auto report = recover_shared(store, nullptr, kSharedLimits);
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_EQ(report->epoch, 2) << "the grants tell of the first";
  EXPECT_EQ(report->released, 1U);
  EXPECT_NE(read_meta(store)->identity.id, id);
  EXPECT_NE(read_meta(store)->identity.id, Nonce{});
  EXPECT_FALSE(extends(last, last_policy));
  EXPECT_EQ(refused("a").kind, StateErrorKind::kOtherStore) << "its journal tells of the one that was lost";
  expect_nothing_promised_twice("new");
}

TEST_F(SharedRecoveryTest, AnotherClustersStoreIsNotTouched) {
  live("a", {0});
  store.restore({});
  live("other", {5});
  const auto before = store.list("");
  const SharedPaths paths = host("a");
  const auto report = recover_shared(store, &paths, kSharedLimits);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, StateErrorKind::kOtherStore);
  EXPECT_EQ(*store.list(""), *before);
}

TEST_F(SharedRecoveryTest, IsRefusedWhileThisHostsDaemonRuns) {
  auto state = open_shared(store, host("a"), "gnomond instance a");
  ASSERT_TRUE(state);
  const SharedPaths paths = host("a");
  EXPECT_EQ(recover_shared(store, &paths, kSharedLimits).error().kind, StateErrorKind::kHeld);
  EXPECT_EQ(adopt_shared(store, paths).error().kind, StateErrorKind::kHeld);
}

TEST_F(SharedRecoveryTest, NoCommitIsLargerThanEtcdTakes) {
  for (const std::size_t count : {std::size_t{62}, std::size_t{63}, kMany}) {
    store.restore({});
    promised.clear();
    tokens.clear();
    std::vector<Machine> ids;
    ids.reserve(count);
    for (std::size_t i = 0; i < count; ++i)
      ids.push_back(static_cast<Machine>(i));
    live("n" + std::to_string(count), ids);
    for (const Machine id : ids)  // the most that there is to do about a right: a grant to delete, too
      ASSERT_TRUE(store.commit({{}, {{lease::grant_key({id}), "illegible"}}, {}}));
    ASSERT_EQ(seal_store(store, read_meta(store)->identity, "x"), SealOutcome::kSealed);
    TroubledStore counted(store);
    const auto report = recover_shared(counted, nullptr, kSharedLimits);
    ASSERT_TRUE(report) << report.error().text;
    EXPECT_EQ(report->released, count);
    EXPECT_LE(counted.largest, kEtcdOperations);
    EXPECT_EQ(report->commits, count == 62 ? 1U : count == 63 ? 3U : kCommitsForMany);
    EXPECT_TRUE(rights().unreadable.empty());
  }
}

// Ends at every commit, before and after it took place: until the last one the store is as before or sealed, and the
// next recovery does the rest.
TEST_F(SharedRecoveryTest, MayEndAnywhere) {
  live_with_many("a", kSharedNow);
  const auto backup = store.image();
  const auto whole_promises = promised;
  const auto whole_tokens = tokens;
  std::filesystem::copy_file(host("a").journal, directory.file("journal"));
  for (std::size_t at = 1; at <= kCommitsForMany; ++at) {
    for (const Trouble trouble : {Trouble::kCrashBefore, Trouble::kCrashAfter}) {
      SCOPED_TRACE("commit " + std::to_string(at) + (trouble == Trouble::kCrashAfter ? ", after it" : ", before it"));
      store.restore(backup);
      promised = whole_promises;
      tokens = whole_tokens;
      std::filesystem::copy_file(directory.file("journal"), host("a").journal,
                                 std::filesystem::copy_options::overwrite_existing);
      TroubledStore troubled(store);
      troubled.trouble = trouble;
      troubled.at = at;
      const SharedPaths paths = host("a");
      ASSERT_FALSE(recover_shared(troubled, &paths, kSharedLimits));
      const bool begun = at > 1 || trouble == Trouble::kCrashAfter;
      const bool ended = at == kCommitsForMany && trouble == Trouble::kCrashAfter;
      EXPECT_EQ((*is_sealed(store)).has_value(), begun && !ended);
      EXPECT_EQ(extends(last, last_policy), !begun) << "from the first commit on, no daemon goes on";
      if (begun && !ended) {
        EXPECT_EQ(refused("b").kind, StateErrorKind::kSealed);
      }
      if (ended) {
        live("a", {0}, kSharedLimits.now + seconds(100));  // its journal is of the epoch before
      } else {
        const SharedRecoveryReport report = recovered("a");
        EXPECT_EQ(report.epoch, 2);
        EXPECT_EQ(report.sealed.has_value(), begun);
      }
      expect_nothing_promised_twice("a");
    }
  }
}

TEST_F(SharedRecoveryTest, LostAnswersAreFoundOut) {
  live_with_many("a", kSharedNow);
  const auto backup = store.image();
  for (std::size_t at = 1; at <= kCommitsForMany; ++at) {
    for (const Trouble trouble : {Trouble::kUnknownLanded, Trouble::kUnknownLost}) {
      store.restore(backup);
      TroubledStore troubled(store);
      troubled.trouble = trouble;
      troubled.at = at;
      const auto report = recover_shared(troubled, nullptr, kSharedLimits);
      ASSERT_TRUE(report) << report.error().text;
      EXPECT_EQ(report->epoch, 2);
      EXPECT_EQ(report->commits, kCommitsForMany);
      EXPECT_EQ(troubled.commits, kCommitsForMany + (trouble == Trouble::kUnknownLost ? 1 : 0));
      EXPECT_FALSE(*is_sealed(store));
      EXPECT_EQ(read_meta(store)->facts.floor, report->floor);
    }
  }
}

TEST_F(SharedRecoveryTest, DisturbedItLooksAgain) {
  live("a", {0});
  for (const bool by_a_daemon : {true, false}) {
    TroubledStore raced(store);
    raced.before_commit = [&] {
      raced.before_commit = nullptr;
      if (by_a_daemon)
        live("b", {0, 1}, kSharedNow + seconds(60));
      else
        ASSERT_EQ(seal_store(store, read_meta(store)->identity, "late"), SealOutcome::kSealed);
    };
    const Bounds before = bounds();
    const auto report = recover_shared(raced, nullptr, kSharedLimits);
    ASSERT_TRUE(report) << report.error().text;
    EXPECT_FALSE(*is_sealed(store));
    for (const auto& [id, right] : rights().rights)
      EXPECT_EQ(right.window->value.state, lease::WindowState::kReleased);
    for (const auto& [id, next] : before.next)
      EXPECT_GE(bounds().next.at(id), next);
  }
  expect_nothing_promised_twice();
}

TEST_F(SharedRecoveryTest, GivesUpAgainstOthersWhoKeepWritingAndChangesNothing) {
  live("a", {0});
  const SharedPaths paths = host("a");
  TroubledStore raced(store);
  raced.before_commit = [&] {
    const std::string identity = encode_identity(read_meta(store)->identity, platform::random_value<Nonce>());
    ASSERT_TRUE(store.commit({{}, {{std::string(lease::kStoreKey), identity}}, {}}));
  };
  const auto report = recover_shared(raced, &paths, kSharedLimits);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, StateErrorKind::kUnreachable);
  EXPECT_TRUE(says(report.error(), "stop all daemons and run it again")) << report.error().text;
  EXPECT_EQ(raced.commits, 8U);
  EXPECT_EQ(read_meta(store)->identity.epoch, 1);
  EXPECT_EQ(rights().find({0})->window->value.state, lease::WindowState::kHeld);
  EXPECT_FALSE(*is_sealed(store));
  live("a", {0}, kSharedNow + seconds(60));  // its journal is as it was, too
}

TEST_F(SharedRecoveryTest, GivesUpWhenEveryAnswerIsLost) {
  live("a", {0});
  const SharedPaths paths = host("a");
  TroubledStore troubled(store);
  troubled.always = StoreErrorKind::kUnknown;
  const auto report = recover_shared(troubled, &paths, kSharedLimits);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, StateErrorKind::kUnreachable);
  EXPECT_TRUE(says(report.error(), "answers are lost again and again")) << report.error().text;
  EXPECT_EQ(troubled.commits, 8U);
  EXPECT_EQ((*Journal::load(paths.journal))->content().epoch, 1) << "nothing says that it was recovered";
  // The last one that was sent may still land. Then it was recovered, and the next recovery goes on from there.
  ASSERT_TRUE(store.commit(troubled.last));
  EXPECT_EQ(recovered("a").epoch, 3);
  expect_nothing_promised_twice("a");
}

TEST_F(SharedRecoveryTest, AnExtensionInBetweenIsNotUndone) {
  live("a", {0});
  TroubledStore raced(store);
  raced.before_commit = [&] {
    raced.before_commit = nullptr;
    const Transaction extension =
        lease::extend(last, last_policy, kSharedNow + seconds(86'400), platform::random_value<Nonce>());
    ASSERT_TRUE(store.commit(extension));
  };
  ASSERT_TRUE(recover_shared(raced, nullptr, kSharedLimits));
  EXPECT_EQ(raced.commits, 2U);
  EXPECT_EQ(rights().find({0})->window->value.ceiling, kSharedNow + seconds(86'410));
}

TEST_F(SharedRecoveryTest, EveryCommitComparesAndRewritesTheIdentity) {
  live_with_many("a", kSharedNow);
  TroubledStore watched(store);
  Revision identity = read_meta(store)->facts.identity;
  watched.before_commit = [&] {
    const Compare wanted{std::string(lease::kStoreKey), read_meta(store)->facts.identity};
    EXPECT_NE(std::find(watched.last.compares.begin(), watched.last.compares.end(), wanted),
              watched.last.compares.end())
        << watched.commits;
    EXPECT_EQ(watched.last.puts.front().key, lease::kStoreKey);
    EXPECT_TRUE(watched.commits == 1 || wanted.modified > identity);
    identity = wanted.modified;
  };
  ASSERT_TRUE(recover_shared(watched, nullptr, kSharedLimits));
  EXPECT_EQ(watched.commits, kCommitsForMany);
}

TEST_F(SharedRecoveryTest, TwoAtOnceLeaveOneWholeStore) {
  live_with_many("a", kSharedNow);
  for (std::size_t at = 1; at <= kCommitsForMany; ++at) {
    TroubledStore raced(store);
    raced.before_commit = [&] {
      if (raced.commits != at) return;
      ASSERT_TRUE(recover_shared(store, nullptr, kSharedLimits));
    };
    const auto report = recover_shared(raced, nullptr, kSharedLimits);
    ASSERT_TRUE(report) << report.error().text;
    EXPECT_FALSE(*is_sealed(store));
    EXPECT_EQ(report->epoch, read_meta(store)->identity.epoch);
    for (const auto& [id, right] : rights().rights)
      EXPECT_EQ(right.window->value.state, lease::WindowState::kReleased);
  }
  expect_nothing_promised_twice();
}

// A recovery that lowered what it releases would pass everything above on a lucky day; this is the sum of it: random
// lives, backups and recoveries, and no promise is ever made twice.
TEST_F(SharedRecoveryTest, NothingIsPromisedTwiceWhateverIsPutBack) {
  std::uint64_t state = 17;
  const auto draw = [&](std::uint64_t n) {
    state = state * 6'364'136'223'846'793'005U + 1'442'695'040'888'963'407U;
    return (state >> 33) % n;
  };
  SmearedUtc now = kSharedNow;
  live("h0", {0}, now);
  auto backup = store.image();
  int put_back = 0;
  for (int step = 0; step < 200 && !HasFatalFailure(); ++step) {
    now = now + seconds(30);
    if (draw(8) == 0) backup = store.image();
    if (draw(10) == 0) {
      store.restore(backup);
      ++put_back;
      const RecoveryLimits limits{now, seconds(10), seconds(1)};
      const SharedPaths paths = host("h" + std::to_string(draw(3)));
      const auto report =
          recover_shared(store, draw(2) == 0 ? &paths : nullptr, limits, static_cast<std::uint16_t>(step + 1));
      ASSERT_TRUE(report) << report.error().text;
      now = now + seconds(30);
    }
    live("h" + std::to_string(draw(3)), {static_cast<Machine>(draw(4)), static_cast<Machine>(4 + draw(3))}, now);
  }
  EXPECT_GT(put_back, 8);
}

}  // namespace
}  // namespace gnomon::control
