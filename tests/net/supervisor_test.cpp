// SPDX-License-Identifier: Apache-2.0
//
// Real daemons under their supervisor: what a killed one held comes back within a moment, and nothing is issued twice.
//
// The ids are pinned and their windows last ten minutes, so a right that were not given back would keep the next daemon
// waiting for as long: that it serves at once is the proof that it was. Every other daemon begins with a clock that
// stands behind what the dead one issued: a floor that is too low then shows, which time hides otherwise.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "oracle/page/rights_page.hpp"
#include "platform/shared_page.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/fleet.hpp"
#include "tests/support/ledger.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::net {
namespace {

using namespace support;

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Real time is printed and fails only at 20 times the target.
constexpr milliseconds kReturnTarget{100};
constexpr milliseconds kReturnLimit = 20 * kReturnTarget;
// 100 ms, 200 ms and 400 ms pass before the starts that follow; then a new supervisor begins with 100 ms again.
constexpr int kKillsPerSupervisor = 3;
constexpr milliseconds kClockBehind{800};  // within the lead that a daemon may have (rights.max_lead_ms)

const std::map<std::string, std::string> kPinned{
    {"workers.count", "2"}, {"workers.ids_per_worker", "2"}, {"ids.pinned", "1,2,3,4"}, {"rights.window_ms", "600000"}};

/// A supervised daemon at an address of its own, so that it is found again where it was.
class Supervised {
 public:
  explicit Supervised(std::map<std::string, std::string> options)
      : address_(own_address()), daemon_(folder_.path(), with_address(std::move(options), address_, offset_path())) {}

  bool start() {
    daemon_.start();
    return daemon_.wait_ready();
  }
  Daemon& supervisor() { return daemon_; }
  [[nodiscard]] platform::Endpoint address() const { return platform::parse_endpoint(address_).value(); }
  [[nodiscard]] std::string log() const { return daemon_.log(); }

  /// The process that made the rights page; 0: there is none.
  [[nodiscard]] pid_t daemon_pid() const {
    const auto page = platform::ForeignPage<page::RightsPage>::open("gnomon." + daemon_.instance() + ".rights");
    return page ? static_cast<pid_t>((*page)->header.pid) : 0;
  }
  /// What the next daemon's clock is off; a running one would see it jump.
  void set_clock_off(milliseconds by) const {
    const std::string fresh = offset_path() + ".new";
    std::ofstream(fresh) << std::chrono::nanoseconds(by).count() << '\n';
    std::filesystem::rename(fresh, offset_path());
  }
  /// How often the log says so.
  [[nodiscard]] int told(const std::string& what) const {
    const std::string text = log();
    int times = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
      ++times;
    return times;
  }

 private:
  static std::string own_address() {
    static std::atomic<int> number{0};
    const auto pid = static_cast<unsigned>(getpid());
    return fmt::format("127.{}.{}.{}:14666", 1 + (pid >> 8) % 254, pid & 0xff, 1 + number++ % 254);
  }
  static std::map<std::string, std::string> with_address(std::map<std::string, std::string> options,
                                                         const std::string& address, const std::string& offset) {
    options["server.listen"] = address;
    options["clock.offset_file"] = offset;
    options["server.supervise"] = "true";
    return options;
  }

  [[nodiscard]] std::string offset_path() const { return (folder_.path() / "offset").string(); }

  ScratchFolder folder_;
  std::string address_;
  Daemon daemon_;
};

/// The first IDs from there; empty if none came within the limit.
Tally first_service(const Supervised& served, Ledger& ledger, milliseconds limit) {
  static std::atomic<std::uint64_t> seed{1};
  Tally tally;
  RawClient client(served.address(), seed++);
  const auto until = Clock::now() + limit;
  while (tally.ids == 0 && Clock::now() < until)
    tally += client.exchange({.layout = 1, .count = 50, .messages_per_datagram = 4}, milliseconds(20), ledger);
  return tally;
}

/// Under one machine id every later right begins above all that the earlier ones issued.
void expect_floors_above_all_use(const Ledger& ledger) {
  struct Reach {
    std::uint64_t lowest = UINT64_MAX;
    std::uint64_t highest = 0;
  };
  std::map<std::tuple<std::uint16_t, std::uint16_t, std::uint32_t>, Reach> reaches;  // by layout, machine, token
  for (const IssuedRange& range : ledger.ranges()) {
    Reach& reach = reaches[{range.layout, range.machine, range.token_low}];
    reach.lowest = std::min(reach.lowest, range.first);
    reach.highest = std::max(reach.highest, range.first + range.count - 1);
  }
  for (auto later = reaches.begin(); later != reaches.end(); ++later) {
    if (later == reaches.begin()) continue;
    const auto& [layout, machine, token] = later->first;
    const auto& [layout_before, machine_before, token_before] = std::prev(later)->first;
    if (layout != layout_before || machine != machine_before) continue;
    EXPECT_GT(later->second.lowest, std::prev(later)->second.highest)
        << "layout " << layout << " machine id " << machine << " token " << token << " after " << token_before;
  }
}

void expect_no_duplicates(const Ledger& ledger) {
  const Ledger::Duplicates duplicates = ledger.duplicates();
  EXPECT_EQ(duplicates.count, 0U) << duplicates.first;
  EXPECT_EQ(ledger.order_violations(), 0U) << ledger.first_order_violation();
}

std::vector<Load> loads() {
  return {{.layout = 1, .count = 1, .messages_per_datagram = 22, .datagrams = 20},
          {.layout = 1, .count = 300, .messages_per_datagram = 4, .datagrams = 4},
          {.layout = 2, .count = 100, .messages_per_datagram = 4, .datagrams = 4}};
}

milliseconds since(Clock::time_point start) { return std::chrono::duration_cast<milliseconds>(Clock::now() - start); }

void print_quantiles(const char* what, std::vector<milliseconds> times) {
  std::sort(times.begin(), times.end());
  std::printf("%s: median %ld ms, longest %ld ms of %zu\n", what, static_cast<long>(times[times.size() / 2].count()),
              static_cast<long>(times.back().count()), times.size());
}

TEST(Supervisor, WhatAKilledDaemonHeldComesBackAtOnceAndNothingIsIssuedTwice) {
  const int kills = full_size() ? 200 : 20;
  const std::uint64_t seed = std::random_device{}();
  std::printf("seed %lu\n", static_cast<unsigned long>(seed));
  std::mt19937_64 random(seed);
  Supervised served(kPinned);
  Ledger ledger;
  std::vector<milliseconds> to_return;
  std::vector<milliseconds> to_service;
  for (int kill = 0; kill < kills; ++kill) {
    if (kill % kKillsPerSupervisor == 0) {
      if (kill != 0) {
        ASSERT_EQ(served.supervisor().stop().code, 0) << served.log();
      }
      ASSERT_TRUE(served.start()) << served.log();
    }
    Fleet fleet(served.address(), loads(), seconds(20));
    ASSERT_TRUE(eventually([&] { return fleet.ids() > 0; })) << served.log();
    std::this_thread::sleep_for(milliseconds(random() % 100));
    const int returned = served.told("was given back, exactly");
    const pid_t daemon = served.daemon_pid();
    ASSERT_GT(daemon, 0);
    ASSERT_NE(daemon, served.supervisor().pid());
    const auto died = Clock::now();
    ::kill(daemon, SIGKILL);
    served.set_clock_off(kill % 2 == 0 ? -kClockBehind : milliseconds(0));
    ASSERT_TRUE(eventually([&] { return served.told("was given back, exactly") > returned; })) << served.log();
    to_return.push_back(since(died));
    Ledger issued;
    (void)fleet.finish(issued);
    Ledger again;
    ASSERT_GT(first_service(served, again, seconds(20)).ids, 0U) << "kill " << kill << "\n" << served.log();
    to_service.push_back(since(died));
    EXPECT_LT(to_return.back(), kReturnLimit);
    issued.follow_with(std::move(again));
    ledger.follow_with(std::move(issued));
  }
  EXPECT_EQ(served.supervisor().stop().code, 0) << served.log();
  EXPECT_EQ(served.told("not given back"), 0) << served.log();
  EXPECT_EQ(ledger.machines(), (std::vector<std::uint16_t>{1, 2, 3, 4}));
  expect_no_duplicates(ledger);
  expect_floors_above_all_use(ledger);
  print_quantiles("kill to the commit of the release (target 100 ms)", to_return);
  print_quantiles("kill to the first ID of the next daemon (of which 100 to 400 ms are the delay)", to_service);
}

// Whatever it had taken by then is given back or runs out; the next one serves in any case.
TEST(Supervisor, ADaemonKilledWhileItStartsIsStartedAgain) {
  std::mt19937_64 random(std::random_device{}());
  Supervised served({{"workers.count", "2"}, {"rights.window_ms", "1000"}});
  ASSERT_TRUE(served.start()) << served.log();
  Ledger ledger;
  ASSERT_GT(first_service(served, ledger, seconds(20)).ids, 0U) << served.log();
  for (int i = 0; i < 4; ++i) {
    const pid_t before = served.daemon_pid();
    ::kill(before, SIGKILL);
    pid_t starting = before;
    ASSERT_TRUE(eventually([&] {
      starting = served.daemon_pid();
      return starting != before && starting != 0;
    })) << served.log();
    std::this_thread::sleep_for(milliseconds(random() % 30));
    if (i != 3) ::kill(starting, SIGKILL);
  }
  Ledger after;
  ASSERT_GT(first_service(served, after, seconds(40)).ids, 0U) << served.log();
  ledger.follow_with(std::move(after));
  expect_no_duplicates(ledger);
  EXPECT_EQ(served.supervisor().stop().code, 0) << served.log();
}

TEST(Supervisor, AStopEndsBothAndGivesTheRightsBack) {
  Supervised served(kPinned);
  for (const int signal : {SIGTERM, SIGINT}) {
    ASSERT_TRUE(served.start()) << served.log();
    const pid_t daemon = served.daemon_pid();
    const int stopped = served.told("stopped; all rights were given back");
    served.supervisor().send_signal(signal);
    EXPECT_EQ(served.supervisor().wait_exit().code, 0) << served.log();
    EXPECT_EQ(served.told("stopped; all rights were given back"), stopped + 1) << served.log();
    EXPECT_NE(::kill(daemon, 0), 0) << "the daemon is left behind";
    EXPECT_EQ(served.daemon_pid(), 0) << "so are its pages";
  }
}

TEST(Supervisor, AKilledSupervisorTakesTheDaemonAlongAndTheRightsComeBack) {
  Supervised served(kPinned);
  ASSERT_TRUE(served.start()) << served.log();
  Ledger ledger;
  ASSERT_GT(first_service(served, ledger, seconds(20)).ids, 0U);
  served.supervisor().kill_hard();
  EXPECT_TRUE(eventually([&] { return served.told("stopped; all rights were given back") == 1; })) << served.log();
  EXPECT_TRUE(eventually([&] { return served.daemon_pid() == 0; })) << "it ends, and its pages with it";
  // Its locks go last; a start that comes too early is refused, and whoever starts it tries again.
  ASSERT_TRUE(eventually([&] { return served.start(); })) << served.log();
  Ledger after;
  EXPECT_GT(first_service(served, after, seconds(20)).ids, 0U) << served.log();
  ledger.follow_with(std::move(after));
  expect_no_duplicates(ledger);
  expect_floors_above_all_use(ledger);
  EXPECT_EQ(served.supervisor().stop().code, 0) << served.log();
}

TEST(Supervisor, AReloadReachesTheDaemon) {
  Supervised served({});
  ASSERT_TRUE(served.start()) << served.log();
  served.supervisor().send_signal(SIGHUP);
  EXPECT_TRUE(eventually([&] { return served.told("reloaded:") == 1; })) << served.log();
  EXPECT_EQ(served.supervisor().stop().code, 0) << served.log();
}

TEST(Supervisor, ARefusalAtTheFirstStartIsPassedOn) {
  Supervised first({});
  ASSERT_TRUE(first.start()) << first.log();
  Supervised second({{"server.instance", first.supervisor().instance()}});
  EXPECT_FALSE(second.start());
  EXPECT_EQ(second.supervisor().wait_exit().code, 1) << second.log();
  EXPECT_NE(second.log().find("is running on this host already"), std::string::npos) << second.log();
  EXPECT_EQ(first.supervisor().stop().code, 0) << first.log();
}

}  // namespace
}  // namespace gnomon::net
