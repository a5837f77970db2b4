// SPDX-License-Identifier: Apache-2.0
//
// The state of a real daemon is damaged or put back in time while it is down. It must not start on it, must say what to
// do, and after `gnomon control recover` it serves again without a duplicate.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "tests/support/daemon.hpp"
#include "tests/support/fleet.hpp"

namespace gnomon::net {
namespace {

using namespace support;
using std::chrono::milliseconds;
using std::chrono::seconds;

class Damage : public testing::Test {
 protected:
  Damage()
      : daemon_(folder_.path(),
                {{"rights.window_ms", "1000"}, {"rights.max_lead_ms", "500"}, {"workers.ids_per_worker", "2"}}) {}

  void serve(const char* phase, const ChildLimits& limits = {}) {
    daemon_.start(limits);
    ASSERT_TRUE(daemon_.wait_ready()) << phase << "\n" << daemon_.log();
    const auto until = std::chrono::steady_clock::now() + seconds(30);
    Tally total;
    while (total.ids < 1000 && std::chrono::steady_clock::now() < until) {
      Fleet fleet(daemon_.port(), {{.layout = 1, .messages_per_datagram = 22}, {.layout = 2, .count = 50}},
                  milliseconds(200));
      total += fleet.join(ledger_);
    }
    EXPECT_GE(total.ids, 1000U) << phase << ": not served\n" << daemon_.log();
  }

  [[nodiscard]] std::vector<std::filesystem::path> database_files() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(daemon_.state_dir())) {
      const std::string name = entry.path().filename().string();
      if (name.find(".db") != std::string::npos && name.find(".lock") == std::string::npos &&
          name.find(".acknowledged") == std::string::npos)
        files.push_back(entry.path());
    }
    return files;
  }
  [[nodiscard]] std::filesystem::path database() const {
    for (const auto& file : database_files())
      if (file.extension() == ".db") return file;
    return {};
  }

  void copy_database_to(const std::filesystem::path& place) const {
    std::filesystem::create_directories(place);
    for (const auto& file : database_files())
      std::filesystem::copy_file(file, place / file.filename());
  }
  void put_back(const std::filesystem::path& place) const {
    for (const auto& file : database_files())
      std::filesystem::remove(file);
    for (const auto& entry : std::filesystem::directory_iterator(place))
      std::filesystem::copy_file(entry.path(), daemon_.state_dir() / entry.path().filename());
  }

  // Flips a bit a few bytes behind the last place where `text` stands: in the newest copy of some value.
  static void flip_after(const std::filesystem::path& path, const std::string& text) {
    std::string bytes = slurp(path);
    const std::size_t at = bytes.rfind(text);
    ASSERT_NE(at, std::string::npos) << path << " holds no value";
    bytes[at + text.size() + 3] = static_cast<char>(bytes[at + text.size() + 3] ^ 1);
    std::ofstream(path, std::ios::binary) << bytes;
  }

  void expect_refused(const char* what) {
    const std::string before = daemon_.log();
    daemon_.start();
    EXPECT_FALSE(daemon_.wait_ready()) << what << ": it served from a state that it must not trust";
    EXPECT_EQ(daemon_.wait_exit().code, 1) << what;
    const std::string said = daemon_.log().substr(before.size());
    EXPECT_NE(said.find("gnomon control recover"), std::string::npos) << what << ": no way out in\n" << said;
  }

  void recover() {
    const Output output =
        run_program({built("cmd/gnomon"), "control", "recover", "--yes", "--state-dir", daemon_.state_dir().string()},
                    daemon_.environment());
    EXPECT_EQ(output.exit.code, 0) << output.text;
  }

  void expect_promises_held() const {
    const Ledger::Duplicates duplicates = ledger_.duplicates();
    EXPECT_EQ(duplicates.count, 0U) << duplicates.first;
    EXPECT_EQ(ledger_.order_violations(), 0U) << ledger_.first_order_violation();
  }

  // Damage between a served phase and a refused start; then the documented way out, and service again.
  enum HowToStop { kKill, kStopCleanly };
  void check(const char* what, const std::function<void()>& damage, HowToStop how = kKill) {
    serve("before the damage");
    if (how == kStopCleanly) {
      EXPECT_EQ(daemon_.stop().code, 0) << daemon_.log();
    } else {
      daemon_.kill_hard();
    }
    ASSERT_FALSE(database().empty());
    damage();
    expect_refused(what);
    recover();
    serve("after the recovery");
    EXPECT_EQ(daemon_.stop().code, 0) << daemon_.log();
    expect_promises_held();
  }

  ScratchFolder folder_;
  Daemon daemon_;
  Ledger ledger_;
};

TEST_F(Damage, OlderCopyPutBack) {
  serve("before the copy");
  EXPECT_EQ(daemon_.stop().code, 0) << daemon_.log();
  const auto copy = folder_.path() / "copy";
  copy_database_to(copy);
  check("an older copy", [&] { put_back(copy); });
}

TEST_F(Damage, Truncated) {
  check("a truncated database", [&] {
    for (const auto& file : database_files())
      if (file.extension() != ".db") std::filesystem::remove(file);
    std::filesystem::resize_file(database(), std::filesystem::file_size(database()) / 2);
  });
}

TEST_F(Damage, DatabaseLost) {
  check("a lost database", [&] {
    for (const auto& file : database_files())
      std::filesystem::remove(file);
  });
}

TEST_F(Damage, JournalLost) {
  check("a lost journal", [&] {
    for (const auto& entry : std::filesystem::directory_iterator(daemon_.state_dir()))
      if (entry.path().extension() == ".acknowledged") std::filesystem::remove(entry.path());
  });
}

TEST_F(Damage, JournalGarbled) {
  check("a garbled journal", [&] {
    for (const auto& entry : std::filesystem::directory_iterator(daemon_.state_dir()))
      if (entry.path().extension() == ".acknowledged") std::ofstream(entry.path()) << "not a journal\n";
  });
}

TEST_F(Damage, BitFlippedInARow) {
  // After a clean end everything stands in the database itself.
  check("a flipped bit in a row", [&] { flip_after(database(), "ceiling"); }, kStopCleanly);
}

TEST_F(Damage, BitFlippedInTheLog) {
  check("a flipped bit in the write-ahead log", [&] {
    for (const auto& file : database_files())
      if (file.string().ends_with("-wal")) flip_after(file, "ceiling");
  });
}

// The file system takes nothing more while the daemon serves: it serves on within its window, then stops with the
// reason; with room again it serves again.
TEST_F(Damage, DiskFullWhileServing) {
  serve("with room", {.file_bytes = 176 * 1024});
  Tally last_words;
  const auto until = std::chrono::steady_clock::now() + seconds(60);
  while (daemon_.alive() && std::chrono::steady_clock::now() < until) {
    Fleet fleet(daemon_.port(), {{.layout = 1, .messages_per_datagram = 22}}, milliseconds(100));
    last_words += fleet.join(ledger_);
  }
  EXPECT_GT(last_words.ids, 0U) << "it served until its disk failed";
  EXPECT_EQ(daemon_.wait_exit(milliseconds(1000)).code, 1) << daemon_.log();
  EXPECT_NE(daemon_.log().find("space"), std::string::npos) << "it says what to do:\n" << daemon_.log();
  serve("with room again");
  EXPECT_EQ(daemon_.stop().code, 0) << daemon_.log();
  expect_promises_held();
}

TEST_F(Damage, SecondDaemonOnTheSameData) {
  serve("first");
  auto options = std::map<std::string, std::string>{{"state.dir", daemon_.state_dir().string()}};
  Daemon second(folder_.path() / "second", options);
  second.start();
  EXPECT_FALSE(second.wait_ready());
  EXPECT_EQ(second.wait_exit().code, 1);
  const std::string said = second.log();
  EXPECT_NE(said.find(std::to_string(daemon_.pid())), std::string::npos) << "it says who holds it:\n" << said;
  Fleet fleet(daemon_.port(), {{.layout = 1, .messages_per_datagram = 22}}, milliseconds(100));
  EXPECT_GT(fleet.join(ledger_).ids, 0U) << "the first one goes on";
  EXPECT_EQ(daemon_.stop().code, 0);
  expect_promises_held();
}

}  // namespace
}  // namespace gnomon::net
