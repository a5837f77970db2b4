// SPDX-License-Identifier: Apache-2.0
//
// Opening, refusing, recovering and adopting the state of a daemon.
#include "control/state.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "platform/durable_file.hpp"
#include "tests/control/holder.hpp"
#include "tests/control/temp_directory.hpp"

namespace gnomon::control {
namespace {

using time::seconds;

constexpr RecoveryLimits kLimits{kHolderStart + seconds(100), seconds(10), seconds(1)};

class StateTest : public testing::Test {
 protected:
  StateTest() : paths(StatePaths::of(directory.file("gnomon.db"))) {}

  /// A life of a daemon: takes two ids and extends them.
  void live(time::SmearedUtc now, int extensions = 3) {
    auto state = open_state(paths, "test");
    ASSERT_TRUE(state) << state.error().text;
    Holder holder(*state, promises);
    ASSERT_TRUE(holder.take(2, now));
    for (int i = 1; i <= extensions; ++i)
      ASSERT_TRUE(holder.extend(now + seconds(i)));
  }
  void copy(const std::string& from, const std::string& to) {
    std::filesystem::copy_file(from, to, std::filesystem::copy_options::overwrite_existing);
  }
  // What a hand or a bug could do to the file.
  void run_sql(const std::string& sql) {
    auto database = Database::open(paths.database);
    ASSERT_TRUE(database) << database.error().text;
    const auto done = database->execute(sql.c_str());
    ASSERT_TRUE(done) << done.error().text;
  }
  void expect_refused(StateErrorKind kind, const std::string& word,
                      const std::string& way_out = "gnomon control recover") {
    const auto state = open_state(paths, "test");
    ASSERT_FALSE(state);
    EXPECT_EQ(state.error().kind, kind) << state.error().text;
    EXPECT_NE(state.error().text.find(word), std::string::npos) << state.error().text;
    EXPECT_NE(state.error().text.find(way_out), std::string::npos) << state.error().text;
  }
  RecoveryReport expect_recovered() {
    const auto report = recover(paths, kLimits);
    EXPECT_TRUE(report) << report.error().text;
    if (!report) return {};
    expect_nothing_promised_twice(paths, promises);
    return *report;
  }

  TempDirectory directory;
  StatePaths paths;
  Promises promises;
};

TEST_F(StateTest, IsMadeOnceAndFoundAgain) {
  Nonce id{};
  {
    auto state = open_state(paths, "test");
    ASSERT_TRUE(state) << state.error().text;
    EXPECT_TRUE(state->created);
    EXPECT_EQ(state->meta.identity.epoch, 1);
    EXPECT_EQ(state->meta.facts.identity, Revision{1});
    id = state->meta.identity.id;
  }
  auto state = open_state(paths, "test");
  ASSERT_TRUE(state) << state.error().text;
  EXPECT_FALSE(state->created);
  EXPECT_EQ(state->meta.identity.id, id);
}

TEST_F(StateTest, LivesFollowEachOther) {
  for (int life = 0; life < 10; ++life)
    live(kHolderStart + seconds(20 * life));
  expect_nothing_promised_twice(paths, promises);
}

TEST_F(StateTest, MissingDirectoryIsNamed) {
  const auto state = open_state(StatePaths::of(directory.file("none/gnomon.db")), "test");
  ASSERT_FALSE(state);
  EXPECT_EQ(state.error().kind, StateErrorKind::kSystem);
  EXPECT_NE(state.error().text.find("create it, or correct the path"), std::string::npos) << state.error().text;
}

TEST_F(StateTest, SecondOpenerIsToldWhoHoldsIt) {
  int ready[2];
  int finish[2];
  ASSERT_EQ(pipe(ready), 0);
  ASSERT_EQ(pipe(finish), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    close(finish[1]);
    const auto state = open_state(paths, "gnomond instance blue");
    if (write(ready[1], state ? "y" : "n", 1) != 1) _exit(1);
    char end = 0;
    if (read(finish[0], &end, 1) < 0) _exit(1);
    _exit(0);
  }
  char answer = 0;
  ASSERT_EQ(read(ready[0], &answer, 1), 1);
  ASSERT_EQ(answer, 'y');
  for (int attempt = 0; attempt < 2; ++attempt) {  // a refusal does not wipe the holder's name
    expect_refused(StateErrorKind::kHeld, "pid " + std::to_string(child) + ", gnomond instance blue, on ", "stop that");
  }
  EXPECT_EQ(recover(paths, kLimits).error().kind, StateErrorKind::kHeld);
  EXPECT_EQ(adopt(paths, kLimits).error().kind, StateErrorKind::kHeld);
  for (const int fd : {finish[0], finish[1], ready[0], ready[1]})
    close(fd);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(open_state(paths, "test")) << "the lock ends with its process";
}

TEST_F(StateTest, OlderDatabasePutBack) {
  live(kHolderStart);
  copy(paths.database, directory.file("backup"));
  live(kHolderStart + seconds(30));
  copy(directory.file("backup"), paths.database);
  expect_refused(StateErrorKind::kWentBack, "was acknowledged");
  const RecoveryReport report = expect_recovered();
  EXPECT_EQ(report.epoch, 2);
  EXPECT_TRUE(report.database_was_whole);
  EXPECT_TRUE(report.journal_was_whole);
  EXPECT_EQ(report.floor, kLimits.now + seconds(11));
}

// The same number of commits, so the same revisions, but not the same commits.
TEST_F(StateTest, OlderDatabaseThatWentItsOwnWay) {
  live(kHolderStart);
  copy(paths.database, directory.file("backup"));
  copy(paths.journal, directory.file("backup.journal"));
  live(kHolderStart + seconds(30));
  copy(paths.journal, directory.file("newest.journal"));
  copy(directory.file("backup"), paths.database);
  copy(directory.file("backup.journal"), paths.journal);
  Promises other;
  promises.swap(other);
  live(kHolderStart + seconds(30));
  promises.swap(other);
  copy(directory.file("newest.journal"), paths.journal);
  expect_refused(StateErrorKind::kWentBack, "but another content");
  for (const auto& [id, end] : other)
    promises[id] = std::max(promises[id], end);
  expect_recovered();
}

TEST_F(StateTest, AnotherStorePutInItsPlace) {
  live(kHolderStart);
  const StatePaths other = StatePaths::of(directory.file("other.db"));
  ASSERT_TRUE(open_state(other, "test"));
  copy(other.database, paths.database);
  expect_refused(StateErrorKind::kWentBack, "its id is");
  expect_recovered();
}

TEST_F(StateTest, MissingDatabase) {
  live(kHolderStart);
  std::filesystem::remove(paths.database);
  expect_refused(StateErrorKind::kIncomplete, "is missing");
  const RecoveryReport report = expect_recovered();
  EXPECT_FALSE(report.database_was_whole);
  EXPECT_EQ(report.rights, 2U) << "the journal alone knows them";
}

TEST_F(StateTest, RecoveryGoesOnAboveEveryRevisionThatAnyFileTellsOf) {
  live(kHolderStart, 30);
  Revision highest;
  {
    auto state = open_state(paths, "test");
    ASSERT_TRUE(state);
    highest = state->store->revision();
  }
  std::filesystem::remove(paths.database);
  ASSERT_TRUE(recover(paths, kLimits));
  auto state = open_state(paths, "test");
  ASSERT_TRUE(state) << state.error().text;
  EXPECT_GT(state->store->revision(), highest);
}

// Rows that pass their own checksums, but are not the ones that were written last.
TEST_F(StateTest, RowThatVanishedIsMissed) {
  live(kHolderStart);
  run_sql("DELETE FROM entries WHERE key = 'right/m/00001/window'");
  expect_refused(StateErrorKind::kDamaged, "it holds 5 rows, but not the 6 that were written last");
  expect_recovered();
}

TEST_F(StateTest, RowThatCameBackIsNoticed) {
  live(kHolderStart, 1);
  copy(paths.database, directory.file("older"));
  {
    auto state = open_state(paths, "test");
    ASSERT_TRUE(state);
    // The same keys again: as many rows as before.
    const auto before = state->store->list("right/");
    Transaction rewrite;
    for (const Entry& entry : before->entries)
      rewrite.puts.push_back({entry.key, entry.value});
    ASSERT_TRUE(state->store->commit(rewrite));
  }
  run_sql("ATTACH '" + directory.file("older") +
          "' AS older; REPLACE INTO entries SELECT * FROM older.entries WHERE key = 'right/m/00001/window'");
  expect_refused(StateErrorKind::kDamaged, "it holds 6 rows, but not the 6 that were written last");
}

TEST_F(StateTest, AlteredRowIsNamedAndNotSalvaged) {
  live(kHolderStart);
  run_sql("UPDATE entries SET value = replace(value, 'ceiling=1', 'ceiling=2') WHERE key = 'right/m/00001/window'");
  expect_refused(StateErrorKind::kDamaged, "right/m/00001/window fails its checksum");
  const RecoveryReport report = expect_recovered();
  EXPECT_EQ(report.rows_lost, 1U);
  EXPECT_EQ(report.entries_kept, 5U);
}

TEST_F(StateTest, AlteredCounterIsNoticed) {
  live(kHolderStart);
  run_sql("UPDATE totals SET revision = revision + 1");
  expect_refused(StateErrorKind::kDamaged, "its revision counter is altered");
  run_sql("DELETE FROM totals");
  expect_refused(StateErrorKind::kDamaged, "its revision counter is missing");
  expect_recovered();
}

TEST_F(StateTest, StoreThatDoesNotSayWhichItIs) {
  live(kHolderStart);
  Nonce id{};
  {
    auto state = open_state(paths, "test");
    ASSERT_TRUE(state) << state.error().text;
    id = state->meta.identity.id;
    ASSERT_TRUE(state->store->commit({{}, {}, {std::string(lease::kStoreKey)}}));
  }
  expect_refused(StateErrorKind::kDamaged, "it does not say which store it is");
  expect_recovered();
  EXPECT_EQ(open_state(paths, "test")->meta.identity.id, id) << "the journal knows it";
}

// No damage if another version wrote it: nothing is touched, and that version goes on with it.
TEST_F(StateTest, DatabaseOfAnotherFormatIsLeftToItsVersion) {
  live(kHolderStart);
  run_sql("PRAGMA user_version=2");
  expect_refused(StateErrorKind::kDamaged, "has format 2, this program knows format 1",
                 "use the version of gnomon that wrote it");
  run_sql("PRAGMA user_version=1");
  expect_nothing_promised_twice(paths, promises);
}

TEST_F(StateTest, MissingJournal) {
  live(kHolderStart);
  std::filesystem::remove(paths.journal);
  expect_refused(StateErrorKind::kIncomplete, "the journal");
  EXPECT_FALSE(expect_recovered().journal_was_whole);
}

TEST_F(StateTest, MissingJournalOfAStoreThatWasNeverUsed) {
  ASSERT_TRUE(open_state(paths, "test"));
  std::filesystem::remove(paths.journal);  // killed between the two steps of its creation
  EXPECT_TRUE(open_state(paths, "test"));
  live(kHolderStart);
}

TEST_F(StateTest, DamagedJournal) {
  live(kHolderStart);
  std::filesystem::resize_file(paths.journal, std::filesystem::file_size(paths.journal) - 3);
  expect_refused(StateErrorKind::kDamaged, "the journal");
  expect_recovered();
}

TEST_F(StateTest, OlderJournalIsNoHarm) {
  live(kHolderStart);
  copy(paths.journal, directory.file("backup"));
  live(kHolderStart + seconds(30));
  copy(directory.file("backup"), paths.journal);
  expect_nothing_promised_twice(paths, promises);
}

TEST_F(StateTest, LogWithoutItsDatabase) {
  ASSERT_TRUE(platform::replace_durably(paths.database + "-wal", "left over"));
  expect_refused(StateErrorKind::kIncomplete, "without its database");
  expect_recovered();
}

TEST_F(StateTest, NotADatabase) {
  live(kHolderStart);
  ASSERT_TRUE(platform::replace_durably(paths.database, std::string(8192, 'x')));
  expect_refused(StateErrorKind::kDamaged, "file is not a database");
  const RecoveryReport report = expect_recovered();
  ASSERT_EQ(report.aside.size(), 1U);
  EXPECT_EQ(**platform::read_file(report.aside[0], 10'000), std::string(8192, 'x')) << "kept as it was found";
}

TEST_F(StateTest, NothingToRecover) {
  const auto report = recover(paths, kLimits);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, StateErrorKind::kIncomplete);
}

TEST_F(StateTest, NothingToAdopt) {
  const auto epoch = adopt(paths, kLimits);
  ASSERT_FALSE(epoch);
  EXPECT_EQ(epoch.error().kind, StateErrorKind::kIncomplete);
  EXPECT_NE(epoch.error().text.find(paths.database), std::string::npos) << epoch.error().text;
  EXPECT_FALSE(platform::exists(paths.database)) << "adopting makes no store";
}

// A seventeenth bit would begin the tokens at 0 again.
TEST_F(StateTest, TheLastEpochIsTheLast) {
  live(kHolderStart);
  {
    auto state = open_state(paths, "test");
    ASSERT_TRUE(state) << state.error().text;
    StoreIdentity identity = state->meta.identity;
    identity.epoch = UINT16_MAX;
    ASSERT_TRUE(state->store->commit({{}, {{std::string(lease::kStoreKey), encode_identity(identity, {})}}, {}}));
  }
  const auto adopted = adopt(paths, kLimits);
  const auto recovered = recover(paths, kLimits);
  ASSERT_FALSE(adopted || recovered);
  for (const StateError& error : {adopted.error(), recovered.error()}) {
    EXPECT_EQ(error.kind, StateErrorKind::kSystem);
    EXPECT_NE(error.text.find("an empty data directory and machine ids that were never used"), std::string::npos)
        << error.text;
  }
  const auto state = open_state(paths, "test");
  ASSERT_TRUE(state) << "it can be used as it is: " << state.error().text;
  EXPECT_EQ(state->meta.identity.epoch, UINT16_MAX);
}

TEST_F(StateTest, RecoveryRaisesTheEpochAndEveryFloorEachTime) {
  live(kHolderStart);
  for (std::uint16_t epoch = 2; epoch < 6; ++epoch) {
    const auto report = recover(paths, kLimits);
    ASSERT_TRUE(report) << report.error().text;
    EXPECT_EQ(report->epoch, epoch);
    auto state = open_state(paths, "test");
    ASSERT_TRUE(state) << state.error().text;
    EXPECT_EQ(state->meta.facts.epoch, epoch);
    EXPECT_EQ(state->meta.facts.floor, kLimits.now + seconds(11));
    Holder holder(*state, promises);
    EXPECT_FALSE(holder.take(1, kLimits.now)) << "not even an id that was never used";
    ASSERT_TRUE(holder.take(1, kLimits.now + seconds(600 * epoch)));
    EXPECT_EQ(holder.held()[0].token.value >> 48, epoch);
  }
}

TEST_F(StateTest, RecoveryNeverLowersAPoisonedCeiling) {
  live(kHolderStart + seconds(86'400 * 365));
  ASSERT_TRUE(recover(paths, kLimits));
  auto state = open_state(paths, "test");
  ASSERT_TRUE(state);
  Holder holder(*state, promises);
  EXPECT_TRUE(holder.take(kHolderIds - 2, kLimits.now + seconds(60)));
  EXPECT_FALSE(holder.take(1, kLimits.now + seconds(60))) << "the two poisoned ids stay out of reach";
}

TEST_F(StateTest, OtherMachineMustAdopt) {
  live(kHolderStart);
  Nonce other{};
  other.fill(9);
  const auto refused = open_state(paths, "test", other);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, StateErrorKind::kOtherMachine);
  EXPECT_NE(refused.error().text.find("gnomon control adopt"), std::string::npos);
  const auto epoch = adopt(paths, kLimits, other);
  ASSERT_TRUE(epoch) << epoch.error().text;
  EXPECT_EQ(*epoch, 2);
  EXPECT_TRUE(open_state(paths, "test", other));
  EXPECT_EQ(open_state(paths, "test").error().kind, StateErrorKind::kOtherMachine) << "the old one is out";
  ASSERT_TRUE(adopt(paths, kLimits));
  expect_nothing_promised_twice(paths, promises);
}

// The leases count from the floor how long one may be held by the word of the machine that the store came from.
TEST_F(StateTest, AnAdoptionLiftsTheFloorToItsOwnTimeAndNoFurther) {
  live(kHolderStart);
  Nonce other{};
  other.fill(9);
  const RecoveryLimits later{.now = kHolderStart + seconds(5000), .window = seconds(600), .max_lead = seconds(60)};
  ASSERT_TRUE(adopt(paths, later, other));
  {
    auto state = open_state(paths, "test", other);
    ASSERT_TRUE(state) << state.error().text;
    EXPECT_EQ(state->meta.facts.floor, later.now);
    Holder holder(*state, promises);
    EXPECT_TRUE(holder.take(1, later.now)) << "no machine id has to wait";
  }
  ASSERT_TRUE(adopt(paths, kLimits));
  auto state = open_state(paths, "test");
  ASSERT_TRUE(state) << state.error().text;
  EXPECT_EQ(state->meta.facts.floor, later.now) << "never lowered";
}

TEST_F(StateTest, ACrashInTheMiddleOfARecoveryIsNeverServedFrom) {
  for (const bool with_journal : {true, false})
    for (const std::string_view crash : {"made beside", "journal written", "put aside"}) {
      paths = StatePaths::of(directory.file(std::string(crash) + (with_journal ? " 1" : " 2")));
      promises.clear();
      live(kHolderStart);
      std::filesystem::remove(with_journal ? paths.database : paths.journal);
      const pid_t child = fork();
      if (child == 0) {
        static_cast<void>(recover(paths, kLimits, this_machine(), [&](std::string_view step) {
          if (step == crash) _exit(7);
        }));
        _exit(1);
      }
      int status = 0;
      ASSERT_EQ(waitpid(child, &status, 0), child);
      ASSERT_EQ(WEXITSTATUS(status), 7) << crash;
      EXPECT_FALSE(open_state(paths, "test")) << crash << (with_journal ? "" : ", there was no journal");
      expect_recovered();
    }
}

// Taken for an empty one, it would be replaced by a store that knows nothing.
TEST_F(StateTest, ADatabaseThatCantBeCopiedIsNotRecovered) {
  live(kHolderStart);
  std::filesystem::remove(paths.journal);
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{4096, 4096};
    setrlimit(RLIMIT_FSIZE, &limit);
    const auto report = recover(paths, kLimits);
    if (report) _exit(1);
    _exit(report.error().text.find("can't copy " + paths.database) == std::string::npos ? 2 : 7);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  expect_recovered();
}

TEST_F(StateTest, TheDatabaseIsLockedOnceItIsOpen) {
  live(kHolderStart);
  const auto state = open_state(paths, "test");
  ASSERT_TRUE(state) << state.error().text;
  EXPECT_FALSE(std::filesystem::exists(paths.database + "-shm")) << "shared memory that others could write to";
  const auto second = SqliteStore::open(paths.database);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().text.find("another program has the file open"), std::string::npos) << second.error().text;
}

TEST_F(StateTest, ClonedStateIsServedOnlyAfterAnAdoption) {
  live(kHolderStart);
  ASSERT_TRUE(platform::replace_durably(paths.cloned, "cloned"));
  expect_refused(StateErrorKind::kCloned, "was cloned", "gnomon control adopt");
  ASSERT_TRUE(recover(paths, kLimits));
  expect_refused(StateErrorKind::kCloned, "was cloned", "gnomon control adopt");
  const RecoveryLimits later{.now = kHolderStart + seconds(5000), .window = seconds(20), .max_lead = seconds(2)};
  ASSERT_TRUE(adopt(paths, later));
  auto state = open_state(paths, "test");
  ASSERT_TRUE(state) << state.error().text;
  EXPECT_EQ(state->meta.facts.floor, later.floor()) << "above whatever another copy may have issued";
}

TEST_F(StateTest, AdoptDoesNotExcuseAnOldCopy) {
  live(kHolderStart);
  copy(paths.database, directory.file("backup"));
  live(kHolderStart + seconds(30));
  copy(directory.file("backup"), paths.database);
  const auto epoch = adopt(paths, kLimits);
  ASSERT_FALSE(epoch);
  EXPECT_EQ(epoch.error().kind, StateErrorKind::kWentBack);
}

// ---- layouts

id::Layout layout(std::uint16_t number, std::string_view name, unsigned machine_bits = 10) {
  return *id::make_layout({number}, name, {0}, time::milliseconds(1), 41, machine_bits, 12);
}

TEST_F(StateTest, LayoutsAreWrittenOnceAndNeverChanged) {
  auto state = open_state(paths, "test");
  ASSERT_TRUE(state);
  Store& store = *state->store;
  EXPECT_TRUE(ensure_layouts(store, {})->empty());
  const std::vector<id::Layout> first{layout(16, "orders"), layout(200, "events", 8)};
  EXPECT_EQ(*ensure_layouts(store, first), first);
  const Revision before = state->store->revision();
  EXPECT_EQ(ensure_layouts(store, first)->size(), 2U);
  EXPECT_EQ(state->store->revision(), before) << "known layouts cost no commit";
  EXPECT_EQ(ensure_layouts(store, std::vector{layout(17, "users")})->size(), 3U);

  for (const id::Layout& bad :
       {layout(16, "orders", 9), layout(16, "other"), layout(18, "orders"), layout(19, "snowflake")}) {
    const auto refused = ensure_layouts(store, std::vector{bad});
    ASSERT_FALSE(refused) << bad.name();
    EXPECT_EQ(refused.error().kind, StateErrorKind::kLayoutConflict);
    EXPECT_NE(refused.error().text.find(std::string(bad.name())), std::string::npos);
  }
  EXPECT_FALSE(ensure_layouts(store, std::vector{layout(20, "twice"), layout(20, "thrice")}));
  EXPECT_EQ(ensure_layouts(store, {})->size(), 3U);
}

}  // namespace
}  // namespace gnomon::control
