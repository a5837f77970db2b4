// SPDX-License-Identifier: Apache-2.0
//
// `gnomon lease run NAME --wait -- COMMAND` on three hosts, for one name, while networks part and everything that can
// be killed is: daemons, etcd's leader, the wrappers and what they wait for. Each command writes down from when to when
// it ran, by the true time and under which token (lease_program.cpp), and looks at no lease: that it runs alone is what
// its wrapper has promised.
//
// Served in this storm is whoever is served; what the history must not show is two commands at once, or a token that is
// smaller than one before it. An honest judge of an empty history finds nothing, too: so there is a minimum, and an
// overlap is planted that must be found.
//
// It takes root and network namespaces; skipped in plain sight where there are none.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/control/bed/etcd_fixture.hpp"
#include "tests/control/lease_hosts.hpp"
#include "tests/control/stage.hpp"
#include "tests/support/eventually.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kTtl{2000};
constexpr milliseconds kActs{250};
constexpr std::size_t kHosts = 3;
constexpr std::size_t kWrappersPerHost = 2;
constexpr const char* kName = "the-one";

const EtcdOptions kApart{
    .members = 3, .home = EtcdHome::kNamespaces, .hosts = kHosts, .heartbeat = 50ms, .election_timeout = 300ms};

/// Wrappers that are started anew whenever they end, for whatever reason.
class Fighters {
 public:
  explicit Fighters(LeaseHosts& hosts) : hosts_(hosts), seats_(kHosts * kWrappersPerHost) {}

  void keep_going() {
    for (std::size_t i = 0; i < seats_.size(); ++i) {
      if (seats_[i].process && seats_[i].process->running()) continue;
      if (seats_[i].process) ++ends_[seats_[i].process->wait_exit(0ms).code];
      // A wrapper whose daemon is away ends at once; one that is started over and over again is no fighter.
      if (Clock::now() < seats_[i].not_before) continue;
      const std::string who = "h" + std::to_string(i % kHosts) + "-" + std::to_string(started_++);
      seats_[i].process = hosts_.run(i % kHosts, kName, kTtl, who, kActs);
      seats_[i].not_before = Clock::now() + kActs;
    }
  }
  void keep_going_for(Clock::duration length) {
    const auto until = Clock::now() + length;
    while (Clock::now() < until) {
      keep_going();
      std::this_thread::sleep_for(10ms);
    }
  }
  [[nodiscard]] support::ChildProcess& wrapper(std::size_t i) { return *seats_.at(i % seats_.size()).process; }
  [[nodiscard]] std::size_t started() const { return started_; }
  /// Exit codes, and how often.
  [[nodiscard]] std::string ends() const {
    std::string out;
    for (const auto& [code, count] : ends_)
      out += std::to_string(code) + ": " + std::to_string(count) + "; ";
    return out;
  }
  void end() {
    for (Seat& seat : seats_)
      seat.process.reset();
  }

 private:
  struct Seat {
    std::unique_ptr<support::ChildProcess> process{};
    Clock::time_point not_before{};
  };
  LeaseHosts& hosts_;
  std::vector<Seat> seats_;
  std::size_t started_ = 0;
  std::map<int, int> ends_;
};

class LeaseFight : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    if (!LeaseHosts::available(kApart, &why)) GTEST_SKIP() << why;
    hosts_ = std::make_unique<LeaseHosts>(LeaseHostsOptions{.etcd = kApart, .hosts = kHosts});
    ASSERT_TRUE(hosts_->set_up());
    fighters_ = std::make_unique<Fighters>(*hosts_);
  }
  [[nodiscard]] std::size_t served() const { return hosts_->history().tenures(); }
  // Somebody is served again, within a time in which no busy machine is the reason.
  void expect_served_again(const char* when) {
    const std::size_t before = served();
    const auto until = Clock::now() + 60s;
    while (served() <= before && Clock::now() < until)
      fighters_->keep_going_for(100ms);
    EXPECT_GT(served(), before) << when << "\n" << hosts_->logs() << hosts_->etcd().logs();
  }

  // --- what happens to them, one after the other
  void a_host_is_cut_off(std::size_t n) {
    hosts_->etcd().cut_off_host(n % kHosts);
    fighters_->keep_going_for(kTtl * 3 / 2);
    hosts_->etcd().heal();
  }
  void the_leader_is_cut_off() {
    const auto leader = hosts_->etcd().wait_for_leader();
    ASSERT_TRUE(leader.has_value()) << hosts_->etcd().logs();
    hosts_->etcd().cut_off({*leader}, CutFrom::kEverything);
    fighters_->keep_going_for(kTtl);
    hosts_->etcd().heal();
  }
  void the_leader_is_killed() {
    const auto leader = hosts_->etcd().wait_for_leader();
    ASSERT_TRUE(leader.has_value()) << hosts_->etcd().logs();
    hosts_->etcd().kill_hard(*leader);
    fighters_->keep_going_for(kTtl / 2);
    hosts_->etcd().start_member(*leader);
  }
  void a_daemon_is_killed(std::size_t n) {
    hosts_->daemon(n % kHosts).kill_hard();
    fighters_->keep_going_for(kTtl / 4);
    ASSERT_TRUE(hosts_->start_daemon(n % kHosts, false));
  }
  void a_wrapper_is_killed(std::size_t n) {
    fighters_->wrapper(n).send_signal(SIGKILL);
    fighters_->keep_going_for(100ms);
  }
  void a_wrapper_is_stopped(std::size_t n) {
    fighters_->wrapper(n).send_signal(SIGSTOP);
    fighters_->keep_going_for(kTtl * 3 / 2);
    fighters_->wrapper(n).send_signal(SIGCONT);
  }

  std::unique_ptr<LeaseHosts> hosts_;
  std::unique_ptr<Fighters> fighters_;
};

TEST_F(LeaseFight, OneRunsAtATimeWhateverHappens) {
  const int rounds = support::full_size() ? 20 : 1;
  const std::uint32_t seed = std::random_device{}();
  std::printf("seed %u\n", seed);
  std::mt19937 chance(seed);  // NOLINT(cert-msc51-cpp): it is printed
  fighters_->keep_going_for(1s);
  expect_served_again("before anything happened");
  for (int round = 0; round < rounds; ++round) {
    a_host_is_cut_off(chance());
    a_wrapper_is_killed(chance());
    the_leader_is_cut_off();
    expect_served_again("a leader was cut off");
    a_daemon_is_killed(chance());
    a_wrapper_is_stopped(chance());
    the_leader_is_killed();
    a_wrapper_is_killed(chance());
    expect_served_again("a leader was killed");
  }
  fighters_->end();
  std::printf("%zu wrappers; exit codes: %s\n", fighters_->started(), fighters_->ends().c_str());
  // Each of the three times that somebody had to be served, and one for every outage besides.
  expect_exclusive(hosts_->lines(), static_cast<std::size_t>(2 * rounds) + 1);
}

}  // namespace
}  // namespace gnomon::bed
