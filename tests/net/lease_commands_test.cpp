// SPDX-License-Identifier: Apache-2.0
//
// gnomon lease against a real gnomond on SQLite: the textbook's transcript, and the life of a command under a lease.
//
// Times are the leases' own: what is asserted of them is what a lease promises (nothing runs under it once it may be
// somebody else's), never how fast anything is.
#include <gtest/gtest.h>
#include <sys/types.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tests/control/bed/certificates.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::net {
namespace {

using namespace support;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::int64_t now_ns() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count();
}

/// What stands behind `"name":"` or `"name":` in a line of JSON.
std::string field(const std::string& json, const std::string& name) {
  const std::string key = "\"" + name + "\":";
  const std::size_t at = json.find(key);
  if (at == std::string::npos) return "no " + name + " in " + json;
  const bool quoted = json.compare(at + key.size(), 1, "\"") == 0;
  const std::size_t begin = at + key.size() + (quoted ? 1 : 0);
  return json.substr(begin, json.find_first_of(quoted ? "\"" : ",}", begin) - begin);
}

class LeaseCommands : public testing::Test {
 protected:
  void SetUp() override {
    daemon_.start();
    ASSERT_TRUE(daemon_.wait_ready()) << daemon_.log();
  }

  [[nodiscard]] static std::vector<std::string> lease(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {built("cmd/gnomon"), "lease"});
    return arguments;
  }
  [[nodiscard]] Output run(std::vector<std::string> arguments) const {
    return run_program(lease(std::move(arguments)), environment());
  }
  /// In the background; what it prints goes to a file of this name.
  [[nodiscard]] std::unique_ptr<ChildProcess> begin(const std::string& name, std::vector<std::string> arguments) const {
    return std::make_unique<ChildProcess>(lease(std::move(arguments)), environment(), path(name + ".log"));
  }
  [[nodiscard]] std::filesystem::path path(const std::string& name) const { return folder_.path() / name; }
  [[nodiscard]] bool appears(const std::string& name) const {
    return eventually([&] { return !slurp(path(name)).empty(); });
  }
  /// Of a file that a command has written; -1 if there is none.
  [[nodiscard]] std::int64_t number_in(const std::string& name) const {
    std::int64_t number = -1;
    std::istringstream(slurp(path(name))) >> number;
    return number;
  }
  [[nodiscard]] pid_t pid_in(const std::string& name) const { return static_cast<pid_t>(number_in(name)); }
  [[nodiscard]] std::string state_of(const std::string& name) const {
    return field(run({"get", name, "--json"}).text, "state");
  }

  const ScratchFolder folder_;
  Daemon daemon_{folder_.path(), {{"lease.min_ttl_ms", "200"}}};

 private:
  [[nodiscard]] std::map<std::string, std::string> environment() const {
    auto variables = daemon_.environment();
    variables["GNOMON_TEST_FOLDER"] = folder_.path().string();
    return variables;
  }
};

// Client A acquires and is told a token; B is denied; A renews; A crashes; the lease expires; B has it, under a larger
// token; and A, back again, can neither renew nor pass for the holder.
TEST_F(LeaseCommands, TheTextbooksTranscript) {
  const Output first = run({"acquire", "database:1", "--label", "client-A", "--ttl", "60s", "--json"});
  ASSERT_EQ(first.exit.code, 0) << first.text;
  const std::string session = field(first.text, "session");
  const Output denied = run({"acquire", "database:1", "--label", "client-B"});
  EXPECT_EQ(denied.exit.code, 1);
  EXPECT_TRUE(contains(denied.text, "client-A")) << denied.text;
  EXPECT_EQ(run({"renew", "--session", session, "--ttl", "60s"}).exit.code, 0);
  EXPECT_EQ(run({"validate", "database:1", field(first.text, "token")}).exit.code, 0);
  const Output released = run({"release", "database:1", "--session", session, "--token", field(first.text, "token")});
  EXPECT_EQ(released.exit.code, 0) << released.text;

  const auto crashing = begin("A", {"acquire", "database:1", "--label", "client-A", "--ttl", "2s", "--hold", "--json"});
  ASSERT_TRUE(appears("A.log"));
  const std::string held = crashing->log();
  ASSERT_TRUE(contains(held, "token")) << held;
  EXPECT_GT(std::stoull(field(held, "token")), std::stoull(field(first.text, "token")));
  EXPECT_EQ(run({"acquire", "database:1", "--label", "client-B"}).exit.code, 1);
  crashing->send_signal(SIGKILL);
  (void)crashing->wait_exit(std::chrono::seconds(20));

  const Output next = run({"acquire", "database:1", "--label", "client-B", "--wait=60s", "--ttl", "60s", "--json"});
  ASSERT_EQ(next.exit.code, 0) << next.text;
  EXPECT_GT(std::stoull(field(next.text, "token")), std::stoull(field(held, "token")));
  EXPECT_EQ(run({"renew", "--session", field(held, "session")}).exit.code, 1);
  const Output stale = run({"validate", "database:1", field(held, "token")});
  EXPECT_EQ(stale.exit.code, 1);
  EXPECT_EQ(stale.text, "stale\n");
  EXPECT_EQ(run({"release", "database:1", "--session", field(held, "session")}).exit.code, 1);
  EXPECT_EQ(field(run({"get", "database:1", "--json"}).text, "label"), "client-B");
}

TEST_F(LeaseCommands, SeveralLeasesHangOnOneSession) {
  const Output first = run({"acquire", "a", "--ttl", "60s", "--json", "--metadata", "x y"});
  const std::string session = field(first.text, "session");
  EXPECT_EQ(run({"acquire", "b", "--session", session, "--ttl", "60s"}).exit.code, 0);
  EXPECT_EQ(state_of("a"), "held");
  EXPECT_EQ(field(run({"get", "a", "--json"}).text, "metadata"), "x y");
  EXPECT_EQ(state_of("b"), "held");
  EXPECT_TRUE(contains(run({"list", "b"}).text, "b "));
  EXPECT_FALSE(contains(run({"list", "b"}).text, "\na "));
  EXPECT_TRUE(contains(run({"release", "b", "--session", session}).text, "released")) << "under whatever token";
  EXPECT_EQ(state_of("b"), "free");
  EXPECT_EQ(run({"release", "b", "--session", session}).exit.code, 1) << "nothing is left";
  EXPECT_EQ(run({"acquire", "b", "--session", session, "--ttl", "60s"}).exit.code, 0);
  EXPECT_EQ(run({"close", "--session", session}).exit.code, 0);
  EXPECT_NE(state_of("a"), "held");
  EXPECT_EQ(run({"acquire", "b", "--ttl", "60s"}).exit.code, 0) << "free at once";
}

TEST_F(LeaseCommands, AWatchTellsOfEveryChange) {
  EXPECT_EQ(run({"acquire", "w/1", "--ttl", "60s"}).exit.code, 0);
  const auto watch = begin("watch", {"watch", "w/", "--count", "4"});
  ASSERT_TRUE(eventually([&] { return contains(watch->log(), "that is what is there"); })) << watch->log();
  EXPECT_EQ(run({"run", "w/2", "--", "true"}).exit.code, 0);
  EXPECT_EQ(watch->wait_exit(std::chrono::seconds(20)).code, 0);
  const std::string told = watch->log();
  const std::size_t taken = told.find("w/2  held");
  EXPECT_LT(told.find("w/1  held"), taken) << told;
  EXPECT_LT(taken, told.find("w/2  free")) << told;
}

TEST_F(LeaseCommands, ABrokenLeaseIsFreeAndItsSessionOver) {
  const Output first = run({"acquire", "a", "--ttl", "60s", "--json"});
  EXPECT_EQ(run({"break", "a"}).exit.code, 2) << "without the operator's word";
  EXPECT_EQ(state_of("a"), "held");
  EXPECT_EQ(run({"break", "a", "--holder-is-stopped"}).exit.code, 0);
  EXPECT_EQ(state_of("a"), "free");
  EXPECT_EQ(run({"renew", "--session", field(first.text, "session")}).exit.code, 1);
}

TEST_F(LeaseCommands, WithoutADaemonTheCodeSaysSo) {
  EXPECT_EQ(daemon_.stop().code, 0) << daemon_.log();
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"acquire", "a", "--timeout", "0.3"}, {"get", "a", "--timeout", "0.3"}})
    EXPECT_EQ(run(arguments).exit.code, 3) << arguments.front();
  EXPECT_EQ(run({"run", "a", "--timeout", "0.3", "--", "true"}).exit.code, 1) << "3 could be the command's";
}

TEST_F(LeaseCommands, StatusCountsThem) {
  EXPECT_EQ(run({"acquire", "a", "--ttl", "60s"}).exit.code, 0);
  EXPECT_EQ(run({"acquire", "a"}).exit.code, 1);
  const Output status = run_program({built("cmd/gnomon"), "status", "--json"}, daemon_.environment());
  ASSERT_EQ(status.exit.code, 0) << status.text;
  EXPECT_EQ(field(status.text, "serving"), "true");
  EXPECT_EQ(field(status.text, "grants"), "1") << status.text;
  EXPECT_EQ(field(status.text, "refusals"), "1") << status.text;
  EXPECT_EQ(field(status.text, "acquire"), "2") << status.text;
}

TEST_F(LeaseCommands, LeasesOutliveARestartOfTheDaemon) {
  const Output first = run({"acquire", "a", "--ttl", "60s", "--json"});
  ASSERT_EQ(first.exit.code, 0) << first.text;
  daemon_.kill_hard();
  daemon_.start();
  ASSERT_TRUE(daemon_.wait_ready()) << daemon_.log();
  EXPECT_EQ(run({"acquire", "a"}).exit.code, 1) << "still held";
  EXPECT_EQ(run({"renew", "--session", field(first.text, "session"), "--ttl", "60s"}).exit.code, 0);
  EXPECT_EQ(run({"validate", "a", field(first.text, "token")}).exit.code, 0);
}

TEST_F(LeaseCommands, RunPassesEverythingThrough) {
  const Output ran = run({"run", "job", "--", "/bin/sh", "-c",
                          "echo $GNOMON_LEASE_NAME $GNOMON_LEASE_TOKEN $GNOMON_LEASE_SESSION; exit 37"});
  EXPECT_EQ(ran.exit.code, 37) << ran.text;
  EXPECT_TRUE(ran.text.starts_with("job ")) << ran.text;
  EXPECT_EQ(state_of("job"), "free") << "released at once";
  EXPECT_EQ(run({"run", "job", "--", "/bin/sh", "-c", "kill -KILL $$"}).exit.code, 137);
  const Output missing = run({"run", "job", "--", "/no/such/program"});
  EXPECT_EQ(missing.exit.code, 127);
  EXPECT_TRUE(contains(missing.text, "/no/such/program")) << missing.text;
  EXPECT_EQ(run({"run", "job", "--", "/dev/null"}).exit.code, 126);
  EXPECT_EQ(state_of("job"), "free");
}

TEST_F(LeaseCommands, RunHoldsTheLeaseAndOthersWait) {
  constexpr const char* kWaits =
      "cd $GNOMON_TEST_FOLDER; echo in >one; until [ -s go ]; do sleep 0.01; done; echo out >>order";
  const auto running = begin("one", {"run", "job", "--", "/bin/sh", "-c", kWaits});
  ASSERT_TRUE(appears("one"));
  const Output denied = run({"run", "job", "--", "/bin/sh", "-c", "echo never"});
  EXPECT_EQ(denied.exit.code, 1);
  EXPECT_FALSE(contains(denied.text, "never")) << denied.text;
  const auto waiting =
      begin("two", {"run", "job", "--wait", "--", "/bin/sh", "-c", "echo in >>$GNOMON_TEST_FOLDER/order"});
  ASSERT_TRUE(eventually([&] { return field(run({"get", "job", "--json"}).text, "waiters") == "1"; }));
  EXPECT_EQ(run_program({"/bin/sh", "-c", "echo go >" + path("go").string()}, {}).exit.code, 0);
  EXPECT_EQ(running->wait_exit(std::chrono::seconds(30)).code, 0) << running->log();
  EXPECT_EQ(waiting->wait_exit(std::chrono::seconds(30)).code, 0) << waiting->log();
  EXPECT_EQ(slurp(path("order")), "out\nin\n");
}

TEST_F(LeaseCommands, ASignalEndsTheWaitAndThePlaceInTheQueue) {
  EXPECT_EQ(run({"acquire", "job", "--ttl", "60s"}).exit.code, 0);
  const auto waiting = begin("two", {"run", "job", "--wait", "--", "/bin/sh", "-c", "echo never"});
  ASSERT_TRUE(eventually([&] { return field(run({"get", "job", "--json"}).text, "waiters") == "1"; }));
  waiting->send_signal(SIGTERM);
  EXPECT_EQ(waiting->wait_exit(std::chrono::seconds(30)).code, 143) << waiting->log();
  EXPECT_EQ(waiting->log(), "");
  EXPECT_TRUE(eventually([&] { return field(run({"get", "job", "--json"}).text, "waiters") == "0"; }));
}

TEST_F(LeaseCommands, RunForwardsSignals) {
  const auto running =
      begin("one", {"run", "job", "--", "/bin/sh", "-c",
                    "trap 'exit 5' TERM; echo in >$GNOMON_TEST_FOLDER/one; while :; do sleep 0.01; done"});
  ASSERT_TRUE(appears("one"));
  running->send_signal(SIGTERM);
  EXPECT_EQ(running->wait_exit(std::chrono::seconds(30)).code, 5) << running->log();
  EXPECT_EQ(state_of("job"), "free");
}

// The command and a child of its own, both deaf to everything but SIGKILL; their pids in `one` and `two`.
constexpr const char* kDeafFamily =
    "cd $GNOMON_TEST_FOLDER; trap '' TERM INT HUP; (echo $(exec sh -c 'echo $PPID') >two; while :; do sleep 0.01; "
    "done) & "
    "until [ -s two ]; do sleep 0.01; done; echo $$ >one; wait; while :; do sleep 0.01; done";

TEST_F(LeaseCommands, AKilledWrapperTakesTheWholeGroupAlong) {
  const auto running = begin("run", {"run", "job", "--", "/bin/sh", "-c", kDeafFamily});
  ASSERT_TRUE(appears("one"));
  const pid_t command = pid_in("one");
  const pid_t child = pid_in("two");
  ASSERT_GT(command, 1);
  ASSERT_GT(child, 1);
  ASSERT_FALSE(is_gone(command));
  ASSERT_FALSE(is_gone(child));
  running->send_signal(SIGKILL);
  EXPECT_TRUE(eventually([&] { return is_gone(command); }));
  EXPECT_TRUE(eventually([&] { return is_gone(child); })) << "what the command had started lives on";
}

TEST_F(LeaseCommands, AStoppedWrapperDoesNotKeepTheCommandBeyondTheLease) {
  const auto running = begin("run", {"run", "job", "--ttl", "2s", "--", "/bin/sh", "-c", kDeafFamily});
  ASSERT_TRUE(appears("one"));
  const pid_t child = pid_in("two");
  ASSERT_GT(child, 1);
  running->send_signal(SIGSTOP);
  // Who waits for the lease and gets it must find nobody.
  const Output next = run({"acquire", "job", "--wait=60s"});
  EXPECT_EQ(next.exit.code, 0) << next.text;
  EXPECT_TRUE(is_gone(child)) << "it runs although somebody else has the lease";
  running->send_signal(SIGCONT);
  EXPECT_EQ(running->wait_exit(std::chrono::seconds(30)).code, 1) << running->log();
}

TEST_F(LeaseCommands, ALeaseThatCannotBeRenewedEndsTheCommandInTime) {
  constexpr std::int64_t kTtlNs = 5'000'000'000;
  constexpr const char* kBeats =
      "cd $GNOMON_TEST_FOLDER; trap 'date +%s%N >term' TERM; echo in >one; "
      "while :; do date +%s%N >beat.new; mv beat.new beat; done";
  const auto running = begin("run", {"run", "job", "--ttl", "5s", "--", "/bin/sh", "-c", kBeats});
  ASSERT_TRUE(appears("one"));
  daemon_.kill_hard();
  const std::int64_t killed_at = now_ns();
  EXPECT_EQ(running->wait_exit(std::chrono::seconds(60)).code, 1) << running->log();
  EXPECT_TRUE(contains(running->log(), "the lease of job")) << running->log();
  const std::int64_t asked_at = number_in("term");
  const std::int64_t last_beat = number_in("beat");
  EXPECT_GT(asked_at, killed_at) << "it was not asked before it was killed";
  EXPECT_LT(asked_at, last_beat) << "it was left no grace";
  EXPECT_LT(last_beat, killed_at + kTtlNs) << "it ran when the lease could have been somebody else's";
}

TEST_F(LeaseCommands, ABrokenLeaseKillsTheCommand) {
  const auto running = begin("run", {"run", "job", "--ttl", "6s", "--", "/bin/sh", "-c", kDeafFamily});
  ASSERT_TRUE(appears("one"));
  EXPECT_EQ(run({"break", "job", "--holder-is-stopped"}).exit.code, 0);
  const pid_t child = pid_in("two");
  EXPECT_EQ(running->wait_exit(std::chrono::seconds(60)).code, 1) << running->log();
  EXPECT_TRUE(eventually([&] { return is_gone(child); }));
}

TEST_F(LeaseCommands, NothingIsReleasedBeforeTheGroupIsGone) {
  constexpr const char* kLeavesAChild =
      "cd $GNOMON_TEST_FOLDER; (trap '' TERM; echo $(exec sh -c 'echo $PPID') >two; "
      "while :; do sleep 0.01; done) & until [ -s two ]; do sleep 0.01; done; echo $$ >one";
  const auto running =
      begin("run", {"run", "job", "--ttl", "20s", "--grace", "2s", "--", "/bin/sh", "-c", kLeavesAChild});
  ASSERT_TRUE(appears("one"));
  const pid_t child = pid_in("two");
  ASSERT_GT(child, 1);
  const auto next = begin("next", {"acquire", "job", "--wait=60s"});
  EXPECT_EQ(next->wait_exit(std::chrono::seconds(60)).code, 0) << next->log();
  EXPECT_TRUE(is_gone(child)) << "the lease was released while the command's child was running";
  EXPECT_EQ(running->wait_exit(std::chrono::seconds(30)).code, 0) << "the command's own code: " << running->log();
}

// Over TCP the certificate is who one is: sessions of the Unix socket's "local" are somebody else's.
TEST(LeaseCommandsOverTcp, TheCertificateSaysWhoHoldsIt) {
  std::string why;
  if (!bed::Certificates::available(&why)) GTEST_SKIP() << why;
  const ScratchFolder folder;
  const bed::Certificates certificates(folder.path());
  Daemon daemon(folder.path() / "d", {{"lease.listen", "127.0.0.1:0"},
                                      {"lease.ca_file", certificates.ca().string()},
                                      {"lease.cert_file", certificates.server().certificate.string()},
                                      {"lease.key_file", certificates.server().key.string()}});
  daemon.start();
  ASSERT_TRUE(daemon.wait_ready()) << daemon.log();
  const Output status = run_program({built("cmd/gnomon"), "status", "--json"}, daemon.environment());
  const std::string leases = status.text.substr(status.text.find("\"leases\""));
  const std::string server = field(leases, "listen");
  const auto lease = [&](std::vector<std::string> arguments, const bed::Certificate& who) {
    arguments.insert(arguments.begin(), {built("cmd/gnomon"), "lease"});
    arguments.insert(arguments.begin() + 3,
                     {"--server", server, "--ca-file", certificates.ca().string(), "--cert-file",
                      who.certificate.string(), "--key-file", who.key.string(), "--timeout", "5"});
    return run_program(arguments, {});
  };
  const Output held = lease({"acquire", "a", "--ttl", "60s", "--json"}, certificates.client());
  ASSERT_EQ(held.exit.code, 0) << held.text << daemon.log();
  const Output seen = lease({"get", "a", "--json"}, certificates.client());
  EXPECT_EQ(field(seen.text, "principal"), "gnomon") << seen.text;
  EXPECT_EQ(lease({"run", "b", "--", "true"}, certificates.client()).exit.code, 0);
  EXPECT_EQ(lease({"break", "a", "--holder-is-stopped"}, certificates.client()).exit.code, 1) << "not over TCP";
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"get", "a"}, std::vector<std::string>{"acquire", "b"}}) {
    const Output stranger = lease(words, certificates.other_ca_client());
    EXPECT_EQ(stranger.exit.code, 3);
    EXPECT_TRUE(stranger.text.starts_with("gnomon: ")) << stranger.text;
    EXPECT_EQ(std::count(stranger.text.begin(), stranger.text.end(), '\n'), 1) << "gRPC's own words: " << stranger.text;
  }
  const Output local = run_program({built("cmd/gnomon"), "lease", "renew", "--session", field(held.text, "session")},
                                   daemon.environment());
  EXPECT_EQ(local.exit.code, 1) << "another's session: " << local.text;
  EXPECT_FALSE(contains(daemon.log(), ".cc:")) << "strangers fill the log: " << daemon.log();
  EXPECT_EQ(daemon.stop().code, 0) << daemon.log();
}

TEST_F(LeaseCommands, ADaemonRunsUnderALease) {
  const Output checked = run({"run", "job", "--", built("cmd/gnomond"), "--check-config"});
  EXPECT_EQ(checked.exit.code, 0) << checked.text;
  EXPECT_FALSE(contains(checked.text, "GNOMON_LEASE_")) << checked.text;
}

}  // namespace
}  // namespace gnomon::net
