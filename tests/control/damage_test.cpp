// SPDX-License-Identifier: Apache-2.0
//
// A database and its write-ahead log, damaged in many ways. What must come of each: either it opens and knows all that
// was promised, or it is refused with the way out; a recovery then works, and nothing is promised twice.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "control/state.hpp"
#include "platform/durable_file.hpp"
#include "tests/control/holder.hpp"
#include "tests/control/temp_directory.hpp"
#include "tests/support/own_mounts.hpp"

namespace gnomon::control {
namespace {

using time::seconds;

constexpr std::size_t kMaxFile = std::size_t{64} << 20;
bool full_size() { return std::getenv("GNOMON_TEST_FULL") != nullptr; }

std::string content_of(const std::string& path) {
  const auto content = platform::read_file(path, kMaxFile);
  return content && *content ? **content : std::string();
}

/// The files of a daemon that was killed in mid-life, and what it had promised until then.
struct Image {
  std::string database;
  std::string log;
  std::string journal;
  Promises promises;
};

// Two lives: one that ended cleanly (so its pages are in the database), one that was killed (pages in the log).
Image make_image() {
  const TempDirectory directory;
  const StatePaths paths = StatePaths::of(directory.file("gnomon.db"));
  Image image;
  {
    auto state = open_state(paths, "test");
    Holder holder(*state, image.promises);
    EXPECT_TRUE(holder.take(8, kHolderStart));
    for (int i = 1; i <= 30; ++i)
      EXPECT_TRUE(holder.extend(kHolderStart + seconds(i)));
  }
  auto state = open_state(paths, "test");
  Holder holder(*state, image.promises);
  EXPECT_TRUE(holder.take(4, kHolderStart + seconds(60)));
  for (int i = 1; i <= 20; ++i)
    EXPECT_TRUE(holder.extend(kHolderStart + seconds(60 + i)));
  image.database = content_of(paths.database);
  image.log = content_of(paths.database + "-wal");
  image.journal = content_of(paths.journal);
  return image;
}

const Image& the_image() {
  static const Image kImage = make_image();
  return kImage;
}

enum class Outcome { kOpened, kRefused };

// Lays the files out, opens them, recovers if refused, and then looks for anything promised twice.
Outcome survive(const Image& image, const std::string& what) {
  SCOPED_TRACE(what);
  const TempDirectory directory;
  const StatePaths paths = StatePaths::of(directory.file("gnomon.db"));
  EXPECT_TRUE(platform::replace_durably(paths.database, image.database));
  if (!image.log.empty()) {
    EXPECT_TRUE(platform::replace_durably(paths.database + "-wal", image.log));
  }
  EXPECT_TRUE(platform::replace_durably(paths.journal, image.journal));
  Outcome outcome = Outcome::kOpened;
  {
    const auto state = open_state(paths, "test");
    if (!state) {
      outcome = Outcome::kRefused;
      EXPECT_TRUE(state.error().kind == StateErrorKind::kDamaged || state.error().kind == StateErrorKind::kWentBack)
          << state.error().text;
      EXPECT_NE(state.error().text.find("gnomon control recover"), std::string::npos) << state.error().text;
      EXPECT_NE(state.error().text.find(state.error().kind == StateErrorKind::kDamaged ? paths.database
                                                                                       : std::string("database")),
                std::string::npos)
          << state.error().text;
    }
  }
  if (outcome == Outcome::kRefused) {
    const auto report = recover(paths, {kHolderStart + seconds(100), seconds(10), seconds(1)});
    EXPECT_TRUE(report) << report.error().text;
  }
  expect_nothing_promised_twice(paths, image.promises);
  return outcome;
}

TEST(Damage, TheImageItselfIsSound) {
  ASSERT_GT(the_image().database.size(), 8'192U);
  ASSERT_GT(the_image().log.size(), 8'192U) << "without a log the tests below prove little";
  EXPECT_EQ(survive(the_image(), "as it was"), Outcome::kOpened) << "kill -9 loses nothing";
}

TEST(Damage, TruncatedDatabase) {
  const std::size_t step = full_size() ? 64 : 1'024;
  int refused = 0;
  int cases = 0;
  for (std::size_t size = 0; size < the_image().database.size(); size += step, ++cases) {
    Image image = the_image();
    image.log.clear();
    image.database.resize(size);
    refused += survive(image, "cut to " + std::to_string(size)) == Outcome::kRefused ? 1 : 0;
  }
  EXPECT_EQ(refused, cases) << "the log is gone, too: each is older than what was acknowledged";
}

TEST(Damage, TruncatedDatabaseBesideItsLog) {
  const std::size_t step = full_size() ? 64 : 1'024;
  for (std::size_t size = 0; size < the_image().database.size(); size += step) {
    Image image = the_image();
    image.database.resize(size);
    survive(image, "cut to " + std::to_string(size));
  }
}

TEST(Damage, TruncatedLog) {
  const std::size_t step = full_size() ? 200 : the_image().log.size() / 60;
  int refused = 0;
  for (std::size_t size = 0; size < the_image().log.size(); size += step) {
    Image image = the_image();
    image.log.resize(size);
    refused += survive(image, "log cut to " + std::to_string(size)) == Outcome::kRefused ? 1 : 0;
  }
  EXPECT_GT(refused, 50) << "acknowledged commits were cut off";
}

TEST(Damage, FlippedBitInEveryRowsValue) {
  // In the database alone, as a checkpoint leaves it.
  const TempDirectory directory;
  const StatePaths paths = StatePaths::of(directory.file("gnomon.db"));
  Image clean;
  {
    auto state = open_state(paths, "test");
    Holder holder(*state, clean.promises);
    ASSERT_TRUE(holder.take(8, kHolderStart));
  }
  clean.database = content_of(paths.database);
  clean.journal = content_of(paths.journal);
  int rows = 0;
  for (const char* text : {"grant 1 nonce", "window 1 nonce", "store 1 nonce"}) {
    for (std::size_t at = clean.database.find(text); at != std::string::npos; at = clean.database.find(text, at + 1)) {
      ++rows;
      for (const std::size_t offset : {std::size_t{0}, std::size_t{20}, std::size_t{60}}) {
        Image image = clean;
        image.database[at + offset] = static_cast<char>(image.database[at + offset] ^ 4);
        EXPECT_EQ(survive(image, std::string(text) + " at " + std::to_string(at + offset)), Outcome::kRefused);
      }
    }
  }
  EXPECT_GE(rows, 17);
}

void flip_bits(std::string Image::* file, const char* name, int rounds) {
  std::mt19937_64 random(99);
  int refused = 0;
  for (int round = 0; round < rounds; ++round) {
    Image image = the_image();
    std::string& bytes = image.*file;
    const std::size_t at = random() % bytes.size();
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
    refused += survive(image, std::string(name) + " bit at " + std::to_string(at)) == Outcome::kRefused ? 1 : 0;
  }
  EXPECT_GT(refused, rounds / 20) << "the flips never hit anything: the test proves little";
}

TEST(Damage, FlippedBitAnywhereInTheLog) { flip_bits(&Image::log, "log", full_size() ? 5'000 : 150); }
TEST(Damage, FlippedBitAnywhereInTheJournal) { flip_bits(&Image::journal, "journal", full_size() ? 2'000 : 100); }
TEST(Damage, FlippedBitAnywhereInTheDatabase) {
  std::mt19937_64 random(98);
  for (int round = 0; round < (full_size() ? 5'000 : 150); ++round) {
    Image image = the_image();
    const std::size_t at = random() % image.database.size();
    image.database[at] = static_cast<char>(image.database[at] ^ (1 << random() % 8));
    survive(image, "bit at " + std::to_string(at));
  }
}

TEST(Damage, OlderDatabaseBesideTheNewerLog) {
  const TempDirectory directory;
  const StatePaths paths = StatePaths::of(directory.file("gnomon.db"));
  ASSERT_TRUE(open_state(paths, "test"));
  Image image = the_image();
  image.database = content_of(paths.database);  // of another, younger store
  survive(image, "another database under this log");
  image.log.clear();
  EXPECT_EQ(survive(image, "another database without a log"), Outcome::kRefused);
}

TEST(Damage, BothFilesOverwrittenWithNoise) {
  std::mt19937_64 random(5);
  Image image = the_image();
  for (char& c : image.database)
    c = static_cast<char>(random());
  for (char& c : image.log)
    c = static_cast<char>(random());
  EXPECT_EQ(survive(image, "noise"), Outcome::kRefused);
}

// ---- disks that change what they hold

/// More rows than SQLite keeps in memory, and a disk that alters the first of them once they were found whole.
class RunningStore {
 public:
  RunningStore() {
    std::vector<Entry> entries;
    entries.reserve(kRows);
    for (int i = 0; i < kRows; ++i)
      entries.push_back({key_of(i), key_of(i) + std::string(900, 'x'), {1}});
    EXPECT_TRUE(SqliteStore::create(path_, entries, {1}));
    EXPECT_TRUE(open());
  }
  static std::string key_of(int row) { return "row/" + std::to_string(10'000 + row); }
  tl::expected<void, StateError> open() {
    store.reset();
    auto opened = SqliteStore::open(path_);
    if (!opened) return tl::make_unexpected(opened.error());
    store = std::move(*opened);
    return {};
  }
  void flip_first_row() {
    const std::size_t at = content_of(path_).find(key_of(0) + key_of(0) + "xxx");
    ASSERT_NE(at, std::string::npos);
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at + 100));
    const int old = file.get();
    file.seekp(static_cast<std::streamoff>(at + 100));
    file.put(static_cast<char>(old ^ 1));
    ASSERT_TRUE(file.flush());
  }

  std::unique_ptr<SqliteStore> store;

 private:
  static constexpr int kRows = 6'000;
  TempDirectory directory_;
  std::string path_ = directory_.file("gnomon.db");
};

TEST(Damage, ARowThatIsAlteredUnderARunningStoreStopsItForGood) {
  const std::string first = RunningStore::key_of(0);
  const std::string other = RunningStore::key_of(4'000);
  const Transaction harmless{{}, {{other, "new"}}, {}};
  using Touch = std::function<tl::expected<void, StoreError>(Store&)>;
  const std::vector<std::pair<const char*, Touch>> touches{
      {"get", [&](Store& store) { return store.get(first).map([](const auto&) {}); }},
      {"list", [&](Store& store) { return store.list("row/").map([](const auto&) {}); }},
      {"compare", [&](Store& store) { return store.commit({{{first, {1}}}, {{other, "new"}}, {}}).map([](auto) {}); }},
      {"put", [&](Store& store) { return store.commit({{}, {{other, "new"}, {first, "new"}}, {}}).map([](auto) {}); }},
  };
  for (const auto& [name, touch] : touches) {
    SCOPED_TRACE(name);
    RunningStore running;
    ASSERT_TRUE(running.store->get(other));
    running.flip_first_row();
    ASSERT_TRUE(running.store->get(other)) << "nobody has looked at it yet";
    const auto touched = touch(*running.store);
    ASSERT_FALSE(touched) << "what the disk made of it was believed";
    EXPECT_EQ(touched.error().kind, StoreErrorKind::kFatal);
    for (const std::string& word : {first + " fails its checksum", std::string("gnomon control recover")})
      EXPECT_NE(touched.error().text.find(word), std::string::npos) << touched.error().text;
    // Latched: what is still whole is not answered either, with the same words.
    const auto get = running.store->get(other);
    const auto list = running.store->list("row/15");
    const auto commit = running.store->commit(harmless);
    ASSERT_FALSE(get || list || commit) << "it went on";
    for (const StoreError& error : {get.error(), list.error(), commit.error()}) {
      EXPECT_EQ(error.kind, StoreErrorKind::kFatal);
      EXPECT_EQ(error.text, touched.error().text);
    }
    const auto again = running.open();
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().kind, StateErrorKind::kDamaged) << again.error().text;
    running.flip_first_row();  // once the row is as it was, nothing of a commit that failed is there
    ASSERT_TRUE(running.open());
    EXPECT_EQ(running.store->revision(), Revision{1});
    EXPECT_NE((**running.store->get(other)).value, "new");
  }
}

// ---- disks that refuse

// Runs `body` in a child; what it returns comes back. An empty answer means that the child died.
std::string in_child(const std::function<std::string()>& body) {
  int ends[2];
  if (pipe(ends) != 0) return "";
  const pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    const std::string text = body();
    const bool written = write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size());
    _exit(written ? 0 : 1);
  }
  close(ends[1]);
  std::string answer;
  char buffer[4096];
  for (ssize_t n = 0; (n = read(ends[0], buffer, sizeof buffer)) > 0;)
    answer.append(buffer, static_cast<std::size_t>(n));
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return answer;
}

// A small file system of this child's own, invisible outside. False where that is not allowed.
bool mount_small_disk(const std::string& where) {
  return support::take_own_mounts() && mount("tmpfs", where.c_str(), "tmpfs", 0, "size=256k") == 0;
}

TEST(Damage, FullDiskStopsTheStoreForGood) {
  const TempDirectory directory;
  const StatePaths paths = StatePaths::of(directory.file("gnomon.db"));
  const std::string answer = in_child([&]() -> std::string {
    const bool real_disk = mount_small_disk(directory.path());
    auto state = open_state(paths, "test");
    if (!state) return "open: " + state.error().text;
    if (!real_disk) {
      std::signal(SIGXFSZ, SIG_IGN);
      const rlimit limit{200'000, 200'000};
      setrlimit(RLIMIT_FSIZE, &limit);
    }
    StoreError error;
    Revision last;
    int commits = 0;
    for (; commits < 1'000; ++commits) {
      const auto revision = state->store->commit({{}, {{"key" + std::to_string(commits), std::string(900, 'x')}}, {}});
      if (!revision) {
        error = revision.error();
        break;
      }
      last = *revision;
    }
    if (commits < 10 || commits == 1'000) return "commits: " + std::to_string(commits);
    if (error.kind != StoreErrorKind::kFatal) return "kind";
    if (real_disk && error.text.find("the disk is full: free space") == std::string::npos) return "text: " + error.text;
    if (!real_disk && error.text.find(paths.database) == std::string::npos) return "text: " + error.text;
    // Latched: neither a small commit nor a read is answered from now on, with the same words.
    const auto again = state->store->commit({{}, {{"a", "b"}}, {}});
    const auto get = state->store->get("key0");
    const auto list = state->store->list("");
    if (again || get || list) return "it went on";
    if (again.error().text != error.text || get.error().text != error.text) return "other words";
    if (again.error().kind != StoreErrorKind::kFatal) return "other kind";
    state->store.reset();
    // Once there is room again, everything that was acknowledged is there.
    if (real_disk && mount("tmpfs", directory.path().c_str(), "tmpfs", MS_REMOUNT, "size=4m") != 0) return "remount";
    if (!real_disk) return "ok";
    auto store = SqliteStore::open(paths.database);
    if (!store) return "reopen: " + store.error().text;
    if ((*store)->revision() < last) return "lost";
    for (int i = 0; i < commits; ++i)
      if (!(*store)->get("key" + std::to_string(i))->has_value()) return "lost " + std::to_string(i);
    return "ok";
  });
  EXPECT_EQ(answer, "ok");
}

TEST(Damage, FullDiskFailsTheJournalWithARemedy) {
  const TempDirectory directory;
  const std::string path = directory.file("journal");
  auto journal = Journal::create(path, {});
  ASSERT_TRUE(journal);
  const std::string answer = in_child([&]() -> std::string {
    std::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{50, 50};
    setrlimit(RLIMIT_FSIZE, &limit);
    const auto merged = journal->merge({7}, {});
    if (merged) return "merged";
    return merged.error().text.find(path) == std::string::npos ? merged.error().text : "ok";
  });
  EXPECT_EQ(answer, "ok");
  EXPECT_EQ((*Journal::load(path))->content().highest, Revision{}) << "the old one is untouched";
}

TEST(Damage, ReadOnlyDiskIsRefusedWithItsName) {
  const TempDirectory directory;
  const StatePaths paths = StatePaths::of(directory.file("gnomon.db"));
  ASSERT_TRUE(open_state(paths, "test"));
  const std::string answer = in_child([&]() -> std::string {
    if (geteuid() == 0) {
      const char* where = directory.path().c_str();
      const bool read_only = support::take_own_mounts() && mount(where, where, nullptr, MS_BIND, nullptr) == 0 &&
                             mount(nullptr, where, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0;
      if (!read_only) return "skip";
    } else if (chmod(paths.database.c_str(), 0400) != 0 || chmod(directory.path().c_str(), 0500) != 0) {
      return "skip";
    }
    const auto state = open_state(paths, "test");
    return state ? "opened" : state.error().text;
  });
  std::filesystem::permissions(directory.path(), std::filesystem::perms::owner_all);
  if (answer == "skip") GTEST_SKIP() << support::kNoOwnMounts;
  EXPECT_NE(answer.find(directory.path()), std::string::npos) << answer;
  EXPECT_NE(answer.find("read-only"), std::string::npos) << answer;
}

TEST(Damage, ReadOnlyDatabaseFileIsRefused) {
  const TempDirectory directory;
  const StatePaths paths = StatePaths::of(directory.file("gnomon.db"));
  ASSERT_TRUE(open_state(paths, "test"));
  const std::string answer = in_child([&]() -> std::string {
    if (geteuid() != 0)
      return chmod(paths.database.c_str(), 0400) == 0 ? open_state(paths, "test").error().text : "skip";
    const char* file = paths.database.c_str();
    const bool read_only = support::take_own_mounts() && mount(file, file, nullptr, MS_BIND, nullptr) == 0 &&
                           mount(nullptr, file, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0;
    if (!read_only) return "skip";
    const auto state = open_state(paths, "test");
    return state ? "opened" : state.error().text;
  });
  if (answer == "skip") GTEST_SKIP() << support::kNoOwnMounts;
  EXPECT_NE(answer.find(paths.database), std::string::npos) << answer;
  EXPECT_NE(answer.find("read-only"), std::string::npos) << answer;
}

}  // namespace
}  // namespace gnomon::control
