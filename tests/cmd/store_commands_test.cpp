// SPDX-License-Identifier: Apache-2.0
//
// The commands about a whole store, run in this process: against a status service of the test's own with a store in
// memory, against SQLite files, and against an etcd that is not there. What they print is judged in *_view_test.cpp;
// here it is how they get at the store, what they refuse, and how they end.
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "control/service/status_server.hpp"
#include "control/state.hpp"
#include "oracle/id/codec.hpp"
#include "tests/cmd/in_process.hpp"
#include "tests/cmd/json_check.hpp"
#include "tests/cmd/json_field.hpp"
#include "tests/cmd/store_entries.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::cmd {
namespace {

using time::seconds;

constexpr const char* kNobody = "etcd:http://127.0.0.1:1";  // nothing listens on port 1

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

/// A status service that tells of these entries.
class Served : public testing::Test {
 protected:
  void serve(const Entries& entries, const std::string& url) {
    control::StatusReport report;
    report.daemon.store_url = url;
    auto server = control::StatusServer::start(
        socket_, 0600, [report] { return report; },
        [this, entries](std::string_view prefix) -> tl::expected<control::Listing, control::StoreError> {
          if (!fault_.empty())
            return tl::make_unexpected(control::StoreError{control::StoreErrorKind::kUnavailable, fault_});
          return entries.list(prefix, 100);
        });
    ASSERT_TRUE(server.has_value()) << server.error();
    server_ = std::move(*server);
  }
  Ran ask(std::vector<std::string> words) const {
    words.insert(words.end(), {"--socket", socket_});
    return gnomon(words);
  }

  support::ScratchFolder folder_;
  std::string socket_ = (folder_.path() / "s.sock").string();
  std::string fault_;
  std::unique_ptr<control::StatusServer> server_;
};

Entries held_by(const std::string& holder) {
  Entries out;
  out.identity(1);
  const time::SmearedUtc now{now_ns()};
  out.right(5, 0xaa, holder, now - seconds(60), now + seconds(120), lease::WindowState::kHeld, 20);
  out.right(6, 0xbb, "host-b", now - seconds(60), now - seconds(1), lease::WindowState::kReleased, 30);
  out.acquisition(now - seconds(60), 0xaa, holder, 5, {now - seconds(60), std::nullopt}, 20);
  return out;
}

TEST_F(Served, RightListAsksTheDaemon) {
  serve(held_by("host-a pid 7"), "etcd:https://a:2379");
  const Ran run = ask({"right", "list"});
  EXPECT_EQ(run.code, ExitCode::kOk) << run.err;
  EXPECT_EQ(run.out.rfind("store etcd:https://a:2379  revision 100, epoch 1  (from gnomond on " + socket_ + ")\n", 0),
            0U)
      << run.out;
  EXPECT_NE(run.out.find("host-a pid 7 (no session)\n"), std::string::npos) << run.out;
  EXPECT_EQ(run.out.find("host-b"), std::string::npos) << "it is free";
  EXPECT_NE(ask({"right", "list", "--all"}).out.find("host-b"), std::string::npos);
  EXPECT_EQ(ask({"right", "list", "--machine", "6"}).out.find("host-a"), std::string::npos);
  EXPECT_EQ(ask({"right", "list", "--holder", "host-b"}).out.find("host-a"), std::string::npos);
  const Ran json = ask({"right", "list", "--json"});
  EXPECT_TRUE(JsonCheck::valid(json.out)) << json.out;
  EXPECT_EQ(json_field(json.out, "held"), "1");
  EXPECT_EQ(json_field(json.out, "session"), "false");
}

TEST_F(Served, ADaemonOfOneHostHasNoSessions) {
  serve(held_by("host-a pid 7"), "sqlite:/var/lib/gnomon/gnomon.db");
  EXPECT_EQ(ask({"right", "list"}).out.find("no session"), std::string::npos);
  const Ran cluster = ask({"cluster"});
  EXPECT_EQ(cluster.code, ExitCode::kOk) << cluster.err << cluster.out;
  EXPECT_EQ(json_field(ask({"cluster", "--json"}).out, "healthy"), "true");
}

TEST_F(Served, ClusterEndsWithOneIfSomethingIsWrong) {
  Entries entries = held_by("host-a");
  entries.put(std::string(control::kSealKey), control::encode_seal({1, "host-a: it went back"}, nonce_of(1)), 99);
  serve(entries, "etcd:https://a:2379");
  const Ran run = ask({"cluster", "--interval", "0"});
  EXPECT_EQ(run.code, ExitCode::kRefused);
  EXPECT_NE(run.out.find("\nwrong: the store is sealed\n"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("names no etcd; say which"), std::string::npos) << run.out;
  EXPECT_TRUE(JsonCheck::valid(ask({"cluster", "--interval", "0", "--json"}).out));
}

TEST_F(Served, AuditAnswersByTheHistory) {
  serve(held_by("host-a pid 7"), "etcd:https://a:2379");
  const id::Layout layout = id::builtin_layouts()[0];
  const time::SmearedUtc now{now_ns()};
  const auto word = [&](time::SmearedUtc t) { return std::to_string(id::encode(layout, {t, {5}, 0})->value); };
  const Ran found = ask({"audit", word(now), "--layout", "snowflake"});
  EXPECT_EQ(found.code, ExitCode::kOk) << found.err << found.out;
  EXPECT_NE(found.out.find("holder    host-a pid 7\n"), std::string::npos) << found.out;
  const Ran nobody = ask({"audit", word(now + seconds(600)), "--layout", "1"});
  EXPECT_EQ(nobody.code, ExitCode::kRefused) << nobody.out;
  EXPECT_EQ(ask({"audit", "abc"}).code, ExitCode::kUsage);
  EXPECT_EQ(ask({"audit", "1", "--layout", "nope"}).code, ExitCode::kUsage);
  EXPECT_TRUE(JsonCheck::valid(ask({"audit", word(now), "--json"}).out));
}

TEST_F(Served, AStoreThatDoesNotAnswerIsUnreachable) {
  fault_ = "etcd has no leader; start its members";
  serve({}, "etcd:https://a:2379");
  const std::vector<std::vector<std::string>> commands{{"right", "list"}, {"cluster"}, {"audit", "5"}};
  for (const auto& command : commands) {
    const Ran run = ask(command);
    EXPECT_EQ(run.code, ExitCode::kUnreachable) << command.front();
    EXPECT_EQ(run.out, "");
    EXPECT_NE(run.err.find(fault_), std::string::npos) << run.err;
  }
}

TEST(StoreCommands, WithoutADaemonSayWhatToDo) {
  const support::ScratchFolder folder;
  const std::string socket = (folder.path() / "none.sock").string();
  const std::vector<std::vector<std::string>> commands{{"right", "list"}, {"cluster"}, {"audit", "5"}};
  for (std::vector<std::string> command : commands) {
    command.insert(command.end(), {"--socket", socket});
    const Ran run = gnomon(command);
    EXPECT_EQ(run.code, ExitCode::kUnreachable) << command.front();
    EXPECT_NE(run.err.find("--direct asks the etcd"), std::string::npos) << run.err;
  }
}

TEST(StoreCommands, DirectMeansEtcd) {
  const support::ScratchFolder folder;
  const std::string directory = folder.path().string();
  const std::vector<std::vector<std::string>> commands{{"right", "list", "--direct"},
                                                       {"right", "list", "--store", "sqlite:" + directory + "/g.db"},
                                                       {"cluster", "--store-url", "sqlite:" + directory + "/g.db"},
                                                       {"audit", "5", "--direct"}};
  for (const auto& command : commands) {
    const Ran run = gnomon(command);
    EXPECT_EQ(run.code, ExitCode::kUsage) << run.err;
    EXPECT_NE(run.err.find("only an etcd can be asked"), std::string::npos) << run.err;
  }
}

TEST(StoreCommands, AnEtcdThatIsNotThereIsUnreachable) {
  const support::ScratchFolder folder;
  const std::string directory = folder.path().string();
  const std::vector<std::vector<std::string>> commands{
      {"right", "list", "--store", kNobody},
      {"cluster", "--store", kNobody, "--interval", "0"},
      {"audit", "5", "--store", kNobody},
      {"control", "recover", "--yes", "--store", kNobody, "--state-dir", directory},
      {"control", "adopt", "--yes", "--store", kNobody, "--state-dir", directory},
      {"control", "heal", "5", "--yes", "--store", kNobody, "--state-dir", directory}};
  for (std::vector<std::string> command : commands) {
    command.insert(command.end(), {"--store-timeout-ms", "100"});
    const Ran run = gnomon(command);
    EXPECT_EQ(run.code, ExitCode::kUnreachable) << command.front() << ": " << run.err;
    EXPECT_EQ(run.out, "") << command.front();
  }
}

TEST(StoreCommands, MistakesAreUsageErrors) {
  const std::vector<std::vector<std::string>> mistakes{{"right"},
                                                       {"right", "lst"},
                                                       {"right", "list", "--machine", "70000"},
                                                       {"right", "list", "--machine", "x"},
                                                       {"cluster", "--interval", "-1"},
                                                       {"audit"},
                                                       {"audit", "1", "2"},
                                                       {"control", "heal"},
                                                       {"control", "heal", "x", "--yes"},
                                                       {"control", "heal", "65536", "--yes"},
                                                       {"right", "list", "--store", "etcd:a:1"},
                                                       {"control", "recover", "--epoch-above", "70000"}};
  for (const auto& arguments : mistakes) {
    const Ran run = gnomon(arguments);
    EXPECT_EQ(run.code, ExitCode::kUsage) << arguments.front() << ": " << run.err;
    EXPECT_EQ(run.err.rfind("gnomon: ", 0), 0U) << run.err;
    EXPECT_EQ(run.out, "");
  }
}

/// A database in which machine id 5 was taken three days into the future.
class HealSqlite : public testing::Test {
 protected:
  void SetUp() override {
    auto state = open();
    ASSERT_TRUE(state.has_value()) << state.error().text;
    const lease::Grant grant{"host-a pid 7", nonce_of(0xaa), nonce_of(2), 1};
    const lease::Window window{{now_ns()}, ceiling_, {}, lease::WindowState::kHeld, nonce_of(2)};
    ASSERT_TRUE(
        state->store
            ->commit({{},
                      {{lease::grant_key({5}), lease::encode(grant)}, {lease::window_key({5}), lease::encode(window)}},
                      {}})
            .has_value());
  }
  tl::expected<control::State, control::StateError> open() {
    return control::open_state(control::StatePaths::of((folder_.path() / "gnomon.db").string()), "test");
  }
  lease::StoredRight stored() {
    auto state = open();
    const auto listing = state->store->list("right/");
    return lease::read_rights(listing->entries).rights.at({5});
  }
  Ran heal(std::vector<std::string> words, const std::string& input = {}) {
    words.insert(words.begin(), {"control", "heal"});
    words.insert(words.end(), {"--state-dir", folder_.path().string()});
    return gnomon(words, input);
  }

  support::ScratchFolder folder_;
  time::SmearedUtc ceiling_{now_ns() + seconds(86'400 * 3).ns};
};

TEST_F(HealSqlite, TakesTheRightAwayAndLowersNothing) {
  const Ran run = heal({"5"}, "heal\n");
  EXPECT_EQ(run.code, ExitCode::kOk) << run.err;
  EXPECT_NE(run.err.find("takes machine id 5 away from whoever holds it: host-a pid 7, token 1/2"), std::string::npos)
      << run.err;
  EXPECT_NE(run.err.find("Its ceiling is not lowered"), std::string::npos) << run.err;
  EXPECT_EQ(run.err.find("nothing to heal"), std::string::npos) << run.err;
  EXPECT_NE(run.out.find("machine id 5 was taken away from host-a pid 7; it rests until "), std::string::npos)
      << run.out;
  const lease::StoredRight right = stored();
  EXPECT_EQ(right.window->value.state, lease::WindowState::kReleased);
  EXPECT_EQ(right.window->value.ceiling, ceiling_);
  EXPECT_EQ(right.window->value.floor, ceiling_);
  EXPECT_NE(right.grant->value.incarnation, nonce_of(0xaa));
}

TEST_F(HealSqlite, AsksAndTakesOnlyTheWordForAnAnswer) {
  const lease::StoredRight before = stored();
  for (const char* answer : {"", "yes\n", "y\n", "heal 5\n", "recover\n"}) {
    const Ran run = heal({"5"}, answer);
    EXPECT_EQ(run.code, ExitCode::kRefused) << answer;
    EXPECT_EQ(run.out, "");
    EXPECT_NE(run.err.find("nothing was changed"), std::string::npos);
  }
  EXPECT_EQ(stored().window, before.window);
  EXPECT_EQ(stored().grant, before.grant);
}

TEST_F(HealSqlite, WithJsonItDoesNotAsk) {
  const Ran refused = heal({"5", "--json"}, "heal\n");
  EXPECT_EQ(refused.code, ExitCode::kRefused);
  EXPECT_EQ(refused.out, "{\"error\":\"nothing was changed: with --json nothing is asked; add --yes to agree\"}\n");
  EXPECT_EQ(stored().window->value.state, lease::WindowState::kHeld);
  const Ran run = heal({"5", "--json", "--yes"});
  EXPECT_EQ(run.code, ExitCode::kOk) << run.err;
  EXPECT_TRUE(JsonCheck::valid(run.out)) << run.out;
  EXPECT_EQ(json_field(run.out, "was_held"), "true");
  EXPECT_EQ(json_field(run.out, "holder"), "host-a pid 7");
}

TEST_F(HealSqlite, AnIdThatWasNeverUsedHasNothingToHeal) {
  const Ran run = heal({"6"}, "heal\n");
  EXPECT_EQ(run.code, ExitCode::kRefused);
  EXPECT_NE(run.err.find("never used"), std::string::npos) << run.err;
  EXPECT_EQ(run.err.find("Type "), std::string::npos) << "nobody is asked about what can't be done";
}

TEST_F(HealSqlite, AFarFloorIsSaidToStay) {
  {
    auto state = open();
    ASSERT_TRUE(state->store
                    ->commit({{},
                              {{std::string(control::kFloorKey),
                                control::encode_floor({now_ns() + seconds(86'400 * 365).ns}, nonce_of(1))}},
                              {}})
                    .has_value());
  }
  const Ran run = heal({"5", "--yes"});
  EXPECT_EQ(run.code, ExitCode::kOk) << run.err;
  EXPECT_NE(run.err.find("nothing lowers it"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("use another store"), std::string::npos) << run.err;
}

TEST_F(HealSqlite, IsRefusedWhileTheStateIsOpen) {
  const auto daemon = open();
  ASSERT_TRUE(daemon.has_value());
  const Ran run = heal({"5", "--yes"});
  EXPECT_EQ(run.code, ExitCode::kRefused);
  EXPECT_NE(run.err.find("test"), std::string::npos) << "it says who: " << run.err;
}

TEST(Control, HealMakesNoDatabase) {
  const support::ScratchFolder folder;
  const Ran run = gnomon({"control", "heal", "5", "--yes", "--state-dir", folder.path().string()});
  EXPECT_EQ(run.code, ExitCode::kRefused);
  EXPECT_NE(run.err.find("there is no database"), std::string::npos) << run.err;
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Control, EpochAboveIsForEtcd) {
  const support::ScratchFolder folder;
  const Ran run = gnomon({"control", "recover", "--yes", "--epoch-above", "7", "--state-dir", folder.path().string()});
  EXPECT_EQ(run.code, ExitCode::kUsage);
  EXPECT_NE(run.err.find("--epoch-above is for an etcd"), std::string::npos) << run.err;
}

}  // namespace
}  // namespace gnomon::cmd
