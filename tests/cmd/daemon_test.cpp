// SPDX-License-Identifier: Apache-2.0
//
// A real gnomond and a real gnomon, end to end: start, serve, tell, reload, refuse, stop.
#include "tests/support/daemon.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "oracle/page/counters.hpp"
#include "platform/unique_fd.hpp"
#include "tests/cmd/http_get.hpp"
#include "tests/cmd/json_check.hpp"
#include "tests/cmd/json_field.hpp"

namespace gnomon::cmd {
namespace {

using support::built;
using support::Output;
using support::ScratchFolder;

constexpr const char* kKey = "00112233445566778899aabbccddeeff";

class DaemonTest : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text, mode_t mode = 0600) {
    std::ofstream(path(name)) << text;
    ASSERT_EQ(::chmod(path(name).c_str(), mode), 0);
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  /// gnomon COMMAND..., asking this daemon; standard error is part of the text.
  [[nodiscard]] static Output gnomon(const support::Daemon& daemon, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), built("cmd/gnomon"));
    auto environment = daemon.environment();
    environment["GNOMON_SERVERS"] = "127.0.0.1:" + std::to_string(daemon.port());
    return support::run_program(arguments, environment);
  }
  /// gnomond with these options, run until it ends by itself.
  [[nodiscard]] Output gnomond(const std::map<std::string, std::string>& options,
                               const std::vector<std::string>& flags = {}) const {
    const support::Daemon described(folder_.path(), options);
    std::vector<std::string> arguments{built("cmd/gnomond")};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    return support::run_program(arguments, described.environment());
  }
  /// Waits until the log holds the text so many times.
  [[nodiscard]] static bool log_has(const support::Daemon& daemon, const std::string& text, int times = 1) {
    for (int i = 0; i < 1'000; ++i) {
      const std::string log = daemon.log();
      int seen = 0;
      for (std::size_t at = 0; (at = log.find(text, at)) != std::string::npos; ++at)
        ++seen;
      if (seen >= times) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return false;
  }

  ScratchFolder folder_;
};

TEST_F(DaemonTest, ServesIdsPingsStatusAndMetrics) {
  support::Daemon daemon(folder_.path(), {{"metrics.listen", "127.0.0.1:0"}, {"workers.count", "2"}});
  daemon.start();
  ASSERT_TRUE(daemon.wait_ready()) << daemon.log();

  const Output ids = gnomon(daemon, {"id", "-n", "1000", "--json"});
  EXPECT_EQ(ids.exit.code, 0) << ids.text;
  EXPECT_TRUE(JsonCheck::valid(ids.text)) << ids.text.substr(0, 200);
  const Output single = gnomon(daemon, {"id", "-n", "3", "--one-by-one", "--layout", "instagram"});
  EXPECT_EQ(single.exit.code, 0) << single.text;
  EXPECT_EQ(std::count(single.text.begin(), single.text.end(), '\n'), 3);

  const Output ping = gnomon(daemon, {"ping", "-c", "2", "--interval", "0", "--json"});
  EXPECT_EQ(ping.exit.code, 0) << ping.text;
  EXPECT_TRUE(JsonCheck::valid(ping.text)) << ping.text;
  EXPECT_EQ(json_field(ping.text, "leased"), "true");

  const Output status = gnomon(daemon, {"status", "--json"});
  EXPECT_EQ(status.exit.code, 0) << status.text;
  EXPECT_TRUE(JsonCheck::valid(status.text)) << status.text;
  EXPECT_EQ(json_field(status.text, "state"), "following");
  EXPECT_EQ(json_field(status.text, "incarnation"), json_field(ping.text, "incarnation"))
      << "ping and status mean one start";
  for (const page::CounterInfo& counter : page::kCounterTable)
    EXPECT_NE(json_field(status.text, std::string(counter.name)), "") << counter.name;
  const Output watched = gnomon(daemon, {"status", "--watch", "--count", "2", "--interval", "0.05"});
  EXPECT_EQ(watched.exit.code, 0) << watched.text;
  EXPECT_NE(watched.text.find("messages/s"), std::string::npos) << watched.text;

  EXPECT_EQ(json_field(status.text, "data_plane"), "kernel sockets");
  const Output ports = gnomon(daemon, {"status", "--ports"});
  EXPECT_EQ(ports.exit.code, 0) << ports.text;
  EXPECT_NE(ports.text.find("answers through kernel sockets: it has no DPDK ports"), std::string::npos) << ports.text;

  const std::string metrics = json_field(status.text, "metrics_listen");
  const auto port = static_cast<std::uint16_t>(std::stoi(metrics.substr(metrics.rfind(':') + 1)));
  const std::string page = http_get(port, "/metrics");
  EXPECT_EQ(page.rfind("HTTP/1.1 200", 0), 0U) << page.substr(0, 200);
  for (const page::CounterInfo& counter : page::kCounterTable)
    EXPECT_NE(page.find("\ngnomon_" + std::string(counter.name) + "_total{worker=\"1\"} "), std::string::npos)
        << counter.name;
  for (const char* name : {"build_info{", "right_remaining_seconds{", "layout_headroom_seconds{layout=\"snowflake\"}",
                           "clock_lead_seconds ", "clock_epsilon_seconds ",
                           "clock_true_time{state=", "clock_state{state=\"following\"} 1"})
    EXPECT_NE(page.find("\ngnomon_" + std::string(name)), std::string::npos) << name;

  const Output js53 = gnomon(daemon, {"id", "--layout", "js53"});
  EXPECT_EQ(js53.exit.code, 1) << "not served: " << js53.text;
  EXPECT_EQ(daemon.stop().code, 0) << daemon.log();
  EXPECT_EQ(gnomon(daemon, {"id", "--timeout", "0.3"}).exit.code, 3) << "nobody there any more";
  EXPECT_EQ(gnomon(daemon, {"status"}).exit.code, 3);
}

TEST_F(DaemonTest, StopGivesTheRightsBack) {
  // Pinned, so that both starts use one id: after a release the second must not wait for a window of ten minutes.
  support::Daemon daemon(folder_.path(), {{"ids.pinned", "5"}, {"rights.window_ms", "600000"}});
  daemon.start();
  ASSERT_TRUE(daemon.wait_ready()) << daemon.log();
  const Output before = gnomon(daemon, {"id", "-n", "10"});
  ASSERT_EQ(before.exit.code, 0) << before.text;
  EXPECT_EQ(daemon.stop().code, 0) << daemon.log();
  EXPECT_TRUE(log_has(daemon, "all rights were given back")) << daemon.log();

  daemon.start();
  ASSERT_TRUE(daemon.wait_ready()) << daemon.log();
  const Output after = gnomon(daemon, {"id"});
  EXPECT_EQ(after.exit.code, 0) << after.text << daemon.log();
  const std::string last = before.text.substr(before.text.rfind('\n', before.text.size() - 2) + 1);
  EXPECT_GT(std::stoull(after.text), std::stoull(last)) << "one machine id, so IDs ascend over the restart";
  const Output status = gnomon(daemon, {"status", "--json"});
  EXPECT_EQ(json_field(status.text, "machine"), "5") << status.text;
  EXPECT_NE(json_field(status.text, "floor").rfind("1970", 0), 0U)
      << "the floor is the end of what was used: " << status.text;
  EXPECT_EQ(daemon.stop().code, 0);
  // The clock page stays: what was proved of the time serves the next run of this boot.
  const std::string prefix = "gnomon." + daemon.instance() + ".";
  for (const auto& file : std::filesystem::directory_iterator("/dev/shm"))
    EXPECT_TRUE(file.path().filename() == prefix + "clock" || !file.path().filename().string().starts_with(prefix))
        << file.path();
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path() / "run" / "gnomon")) << "no lock or socket is left";
}

TEST_F(DaemonTest, SecondDaemonIsRefusedAndToldWho) {
  support::Daemon daemon(folder_.path(), {});
  daemon.start();
  ASSERT_TRUE(daemon.wait_ready()) << daemon.log();
  const std::string pid = "pid " + std::to_string(daemon.pid());
  const Output same_name = gnomond({{"server.instance", daemon.instance()}, {"state.dir", path("elsewhere")}});
  EXPECT_EQ(same_name.exit.code, 1);
  EXPECT_NE(same_name.text.find("instance name '" + daemon.instance() + "'"), std::string::npos) << same_name.text;
  EXPECT_NE(same_name.text.find(pid), std::string::npos) << same_name.text;
  const Output same_state = gnomond({});
  EXPECT_EQ(same_state.exit.code, 1);
  EXPECT_NE(same_state.text.find(pid), std::string::npos) << same_state.text;
  const Output same_port =
      gnomond({{"server.listen", "127.0.0.1:" + std::to_string(daemon.port())}, {"state.dir", path("third")}});
  EXPECT_EQ(same_port.exit.code, 1);
  EXPECT_NE(same_port.text.find(std::to_string(daemon.port())), std::string::npos) << same_port.text;
  const Output recover = gnomon(daemon, {"control", "recover", "--yes"});
  EXPECT_EQ(recover.exit.code, 1) << "not while it runs: " << recover.text;
  EXPECT_EQ(gnomon(daemon, {"id"}).exit.code, 0) << "the first one goes on";
  EXPECT_EQ(daemon.stop().code, 0);
}

TEST_F(DaemonTest, ReloadTakesKeysAndListsOrNothing) {
  write("g.toml", "[access]\nauth = \"never\"\n");
  write("keys", std::string("7 ") + kKey + "\n");
  auto config = [&](const std::string& text) { write("g.toml", text); };
  support::Daemon daemon(folder_.path(), {{"config", path("g.toml")}});  // GNOMON_CONFIG
  daemon.start();
  ASSERT_TRUE(daemon.wait_ready()) << daemon.log();
  EXPECT_EQ(gnomon(daemon, {"id"}).exit.code, 0);

  config("[access]\nauth = \"always\"\nkeys_file = \"" + path("keys") + "\"\n");
  daemon.send_signal(SIGHUP);
  ASSERT_TRUE(log_has(daemon, "reloaded: 1 keys")) << daemon.log();
  EXPECT_EQ(gnomon(daemon, {"id"}).exit.code, 1) << "no key, no ID";
  EXPECT_EQ(gnomon(daemon, {"id", "--keys-file", path("keys")}).exit.code, 0);

  config("[access]\nauth = \"nevr\"\n");
  daemon.send_signal(SIGHUP);
  ASSERT_TRUE(log_has(daemon, "g.toml:2:1: access.auth: 'nevr' is not one of")) << daemon.log();
  EXPECT_EQ(gnomon(daemon, {"id"}).exit.code, 1) << "the old policy holds";
  ::chmod(path("keys").c_str(), 0644);
  config("[access]\nauth = \"always\"\nkeys_file = \"" + path("keys") + "\"\n");
  daemon.send_signal(SIGHUP);
  ASSERT_TRUE(log_has(daemon, "open to others (mode 0644)")) << daemon.log();

  config("[access]\nauth = \"never\"\ndeny = [\"127.0.0.0/8\"]\n[workers]\ncount = 2\n");
  daemon.send_signal(SIGHUP);
  ASSERT_TRUE(log_has(daemon, "1 denied networks")) << daemon.log();
  EXPECT_TRUE(log_has(daemon, "workers.count has changed in the configuration; it needs a restart"));
  EXPECT_EQ(gnomon(daemon, {"id", "--timeout", "0.3"}).exit.code, 3) << "denied sources get no answer at all";
  const Output status = gnomon(daemon, {"status", "--json"});
  EXPECT_EQ(json_field(status.text, "failed_reloads"), "2") << status.text;
  EXPECT_NE(json_field(status.text, "dropped_source_denied"), "0") << status.text;
  EXPECT_EQ(daemon.stop().code, 0);
}

TEST_F(DaemonTest, WrongConfigurationIsRefusedBeforeAnythingIsOpened) {
  write("g.toml", "[workers]\ncount = 1\n\n[rights]\nwindow_ms = \"10\"\n");
  const Output typed = gnomond({}, {"--config", path("g.toml")});
  EXPECT_EQ(typed.exit.code, 2);
  EXPECT_EQ(typed.text, "gnomond: " + path("g.toml") + ":5:1: rights.window_ms must be an integer, and is a text\n");
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "state"));
  const Output absent = gnomond({}, {"--config", path("none.toml")});
  EXPECT_EQ(absent.exit.code, 2);
  EXPECT_NE(absent.text.find("none.toml"), std::string::npos) << absent.text;
  EXPECT_EQ(gnomond({}, {"--workers-count", "0", "--check-config"}).exit.code, 2);
  EXPECT_EQ(gnomond({}, {"--check-config"}).exit.code, 0);
  EXPECT_EQ(gnomond({}, {"--no-such-flag"}).exit.code, 2);
  EXPECT_EQ(gnomond({}, {"extra"}).exit.code, 2);
  write("keys", std::string("7 ") + kKey + "\n", 0640);
  const Output keys = gnomond({{"access.keys_file", path("keys")}});
  EXPECT_EQ(keys.exit.code, 2);
  EXPECT_NE(keys.text.find("chmod 600"), std::string::npos) << keys.text;
  EXPECT_EQ(keys.text.find(kKey), std::string::npos) << "a secret in the log";
}

TEST_F(DaemonTest, VersionAndCheckConfigSpeakJson) {
  const Output version = gnomond({}, {"--version", "--json"});
  EXPECT_EQ(version.exit.code, 0) << version.text;
  EXPECT_TRUE(JsonCheck::valid(version.text)) << version.text;
  EXPECT_EQ(json_field(version.text, "program"), "gnomond");
  const Output checked = gnomond({}, {"--check-config", "--json"});
  EXPECT_EQ(checked.exit.code, 0);
  EXPECT_EQ(checked.text, "{\"in_order\":true,\"problems\":[]}\n");
  const Output wrong = gnomond({}, {"--workers-count", "0", "--check-config", "--json"});
  EXPECT_EQ(wrong.exit.code, 2);
  EXPECT_EQ(wrong.text.rfind("{\"in_order\":false,\"problems\":[\"--workers-count: ", 0), 0U) << wrong.text;
  EXPECT_EQ(gnomond({}, {"--json"}).exit.code, 2) << "the log has a form of its own";
}

TEST_F(DaemonTest, WrongPlacesAreRefusedWithTheirName) {
  std::filesystem::create_directories(path("open"));
  ASSERT_EQ(::chmod(path("open").c_str(), 0777), 0);
  const Output writable = gnomond({{"state.dir", path("open")}});
  EXPECT_EQ(writable.exit.code, 1);
  EXPECT_NE(writable.text.find("can be written by others"), std::string::npos) << writable.text;
  const Output socket = gnomond({{"control.socket", path(std::string(120, 's'))}});
  EXPECT_EQ(socket.exit.code, 1);
  EXPECT_NE(socket.text.find("set control.socket to a shorter one"), std::string::npos) << socket.text;
  write("state-file", "");
  const Output file = gnomond({{"state.dir", path("state-file")}});
  EXPECT_EQ(file.exit.code, 1);
  EXPECT_NE(file.text.find("is not a directory"), std::string::npos) << file.text;
  const Output exhausted = gnomond({{"ids.custom", "16:old:1990-01-01:1ms:32/10/12"}, {"ids.layouts", "old"}});
  EXPECT_EQ(exhausted.exit.code, 1);
  EXPECT_NE(exhausted.text.find("layout old was exhausted at 1990-02-19"), std::string::npos) << exhausted.text;
}

TEST_F(DaemonTest, DamagedStateIsRefusedAndRecoveredWithAHigherEpoch) {
  support::Daemon daemon(folder_.path(), {{"rights.window_ms", "1000"}, {"rights.max_lead_ms", "1000"}});
  daemon.start();
  ASSERT_TRUE(daemon.wait_ready()) << daemon.log();
  const Output before = gnomon(daemon, {"id"});
  ASSERT_EQ(before.exit.code, 0) << before.text;
  EXPECT_EQ(daemon.stop().code, 0);
  std::filesystem::resize_file(daemon.state_dir() / "gnomon.db", 4096);

  daemon.start();
  EXPECT_FALSE(daemon.wait_ready());
  EXPECT_EQ(daemon.wait_exit().code, 1);
  EXPECT_TRUE(log_has(daemon, "gnomon control recover")) << daemon.log();
  EXPECT_EQ(gnomon(daemon, {"control", "recover"}).exit.code, 1) << "nobody agreed";
  const Output recovered = gnomon(daemon, {"control", "recover", "--yes"});
  EXPECT_EQ(recovered.exit.code, 0) << recovered.text;
  EXPECT_NE(recovered.text.find("epoch 2"), std::string::npos) << recovered.text;
  daemon.start();
  ASSERT_TRUE(daemon.wait_ready()) << daemon.log();
  Output after = gnomon(daemon, {"id", "--timeout", "20"});  // the floor lies window + lead ahead
  ASSERT_EQ(after.exit.code, 0) << after.text;
  EXPECT_GT(std::stoull(after.text), std::stoull(before.text));
  EXPECT_EQ(daemon.stop().code, 0);
}

TEST_F(DaemonTest, PinnedIdWaitsAndSaysUntilWhen) {
  support::Daemon daemon(folder_.path(), {{"ids.pinned", "3"}, {"rights.window_ms", "600000"}});
  daemon.start();
  ASSERT_TRUE(daemon.wait_ready()) << daemon.log();
  daemon.kill_hard();
  daemon.start();
  ASSERT_TRUE(daemon.wait_ready()) << "ready, though it has nothing to give: " << daemon.log();
  EXPECT_EQ(gnomon(daemon, {"id", "--timeout", "0.3"}).exit.code, 1);
  const Output status = gnomon(daemon, {"status", "--json"});
  EXPECT_EQ(json_field(status.text, "waiting_until").size() > 20, true) << status.text;
  EXPECT_NE(gnomon(daemon, {"status"}).text.find("no rights: requests are answered not_leased"), std::string::npos);
  EXPECT_EQ(daemon.stop().code, 0) << daemon.log();
}

/// From now on the daemon's agent hangs, as on a disk that does not answer: the journal's next copy is written to a
/// pipe that nobody reads, and opening that blocks.
void hang_the_agent(const std::filesystem::path& state_dir) {
  ASSERT_EQ(::mkfifo((state_dir / "gnomon.db.acknowledged.new").c_str(), 0600), 0);
}

TEST_F(DaemonTest, SecondSignalEndsADaemonWhoseAgentHangs) {
  support::Daemon daemon(folder_.path(), {{"rights.window_ms", "1000"}});
  daemon.start();
  ASSERT_TRUE(daemon.wait_ready()) << daemon.log();
  hang_the_agent(daemon.state_dir());
  daemon.send_signal(SIGTERM);
  ASSERT_TRUE(log_has(daemon, "a second signal ends without that")) << daemon.log();
  std::this_thread::sleep_for(std::chrono::milliseconds(700));  // sooner it would be taken for the same request
  daemon.send_signal(SIGTERM);
  EXPECT_EQ(daemon.wait_exit(std::chrono::seconds(8)).code, 1) << daemon.log();
  EXPECT_TRUE(log_has(daemon, "ended by a second signal")) << daemon.log();
}

TEST_F(DaemonTest, WatchdogIsNotFedWhileTheAgentHangs) {
  const std::string notify = path("notify");
  const platform::UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ASSERT_LT(notify.size(), sizeof address.sun_path);
  notify.copy(&address.sun_path[0], notify.size());
  const auto* name = reinterpret_cast<const sockaddr*>(&address);  // NOLINT(*-reinterpret-cast): how bind takes it
  ASSERT_EQ(::bind(socket.get(), name, sizeof address), 0);
  const auto fed_within = [&](int limit_ms) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit_ms);
    while (std::chrono::steady_clock::now() < until) {
      pollfd ready{socket.get(), POLLIN, 0};
      std::array<char, 4096> text{};
      if (::poll(&ready, 1, 20) <= 0) continue;
      const ssize_t size = ::recv(socket.get(), text.data(), text.size(), 0);
      if (size > 0 && std::string_view(text.data(), static_cast<std::size_t>(size)) == "WATCHDOG=1") return true;
    }
    return false;
  };

  const support::Daemon described(folder_.path(), {{"rights.window_ms", "1000"}});
  auto environment = described.environment();
  environment["NOTIFY_SOCKET"] = notify;
  environment["WATCHDOG_USEC"] = "400000";
  support::ChildProcess daemon({built("cmd/gnomond")}, environment, folder_.path() / "watched-log");
  for (int i = 0; i < 3; ++i)
    ASSERT_TRUE(fed_within(20'000)) << "fed again and again while all is well: " << daemon.log();
  hang_the_agent(described.state_dir());
  bool silent = false;
  for (int i = 0; i < 40 && !silent; ++i)
    silent = !fed_within(1'500);
  EXPECT_TRUE(silent) << "an agent that hangs must get the daemon restarted";
  EXPECT_TRUE(daemon.running()) << daemon.log();
}

}  // namespace
}  // namespace gnomon::cmd
