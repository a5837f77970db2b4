// SPDX-License-Identifier: Apache-2.0
//
// A daemon on etcd that is killed under load, with its supervisor beside it: what it held is given back in the store of
// all hosts at once, exactly at what it had used; its session goes; and the next daemon serves above all of that.
//
// The windows last ten minutes, so that an id that is free again is free because it was given back and for no other
// reason. (tests/net/supervisor_test.cpp is about the supervisor itself, on a store of its own.)
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "oracle/lease/session.hpp"
#include "oracle/page/rights_page.hpp"
#include "platform/shared_page.hpp"
#include "tests/control/bed/etcd_fixture.hpp"
#include "tests/control/hosts.hpp"
#include "tests/control/right_chronicle.hpp"
#include "tests/support/eventually.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

using std::chrono::milliseconds;

// Real time is printed and fails only at 20 times the target.
constexpr milliseconds kReturnTarget{500};  // of a commit through etcd, on a busy machine
constexpr milliseconds kReturnLimit = 20 * kReturnTarget;
constexpr std::uint64_t kFewestIds = 300;

std::string own_address() {
  static std::atomic<int> number{0};
  const auto pid = static_cast<unsigned>(getpid());
  return fmt::format("127.{}.{}.{}:14667", 1 + (pid >> 8) % 254, pid & 0xff, 1 + number++ % 254);
}

/// The process that made the rights page; 0: there is none.
pid_t daemon_pid(const support::Daemon& supervisor) {
  const auto page = platform::ForeignPage<page::RightsPage>::open("gnomon." + supervisor.instance() + ".rights");
  return page ? static_cast<pid_t>((*page)->header.pid) : 0;
}

int told(const std::string& log, const std::string& what) {
  int times = 0;
  for (std::size_t at = log.find(what); at != std::string::npos; at = log.find(what, at + 1))
    ++times;
  return times;
}

class Supervised : public Etcd {};
INSTANTIATE_TEST_SUITE_P(Versions, Supervised, testing::ValuesIn(kVersions), version_name);

TEST_P(Supervised, WhatAKilledDaemonHeldIsGivenBackInTheSharedStore) {
  EtcdCluster& etcd = start({.election_timeout = 300ms});
  const auto store = store_of(etcd);
  HostTimes times;
  times.window = 600s;
  Hosts hosts(etcd, {{"server.supervise", "true"}, {"workers.count", "2"}, {"workers.ids_per_worker", "2"}}, times);
  hosts.add({{"server.listen", own_address()}});
  ASSERT_TRUE(hosts.start(0)) << hosts.log(0);
  std::mt19937_64 random(std::random_device{}());
  std::vector<milliseconds> took;
  const int kills = support::full_size() ? 30 : 3;
  for (int kill = 0; kill < kills; ++kill) {
    ASSERT_TRUE(hosts.serves(0)) << hosts.log(0);
    std::uint64_t ids = 0;
    ASSERT_TRUE(support::eventually([&] { return (ids += hosts.take(0).ids) >= kFewestIds; })) << ids;
    std::map<mint::MachineId, lease::StoredRight> held;
    for (const auto& [machine, right] : rights_in(*store).rights)
      if (right.window->value.state == lease::WindowState::kHeld) held[machine] = right;
    EXPECT_EQ(held.size(), 4U);
    const auto sessions = store->list(lease::kSessionPrefix);
    ASSERT_TRUE(sessions && sessions->entries.size() == 1U);
    const std::string session = sessions->entries.front().key;
    std::this_thread::sleep_for(milliseconds(random() % 100));

    const int returned = told(hosts.daemon(0).log(), "was given back, exactly");
    const pid_t daemon = daemon_pid(hosts.daemon(0));
    ASSERT_GT(daemon, 0);
    ASSERT_NE(daemon, hosts.daemon(0).pid());
    const auto died = std::chrono::steady_clock::now();
    ::kill(daemon, SIGKILL);
    ASSERT_TRUE(support::eventually([&] { return told(hosts.daemon(0).log(), "was given back, exactly") > returned; }))
        << hosts.log(0);
    took.push_back(std::chrono::duration_cast<milliseconds>(std::chrono::steady_clock::now() - died));
    EXPECT_LT(took.back(), kReturnLimit);

    // In the store: released, at no less than what was used and far less than what was granted. The next daemon may
    // have taken an id again by now; its floor says the same.
    const time::SmearedUtc used = hosts.latest_issued();
    for (const auto& [machine, right] : rights_in(*store).rights) {
      const auto before = held.find(machine);
      if (before == held.end()) continue;
      const lease::Window& window = right.window->value;
      const bool again = window.state == lease::WindowState::kHeld;
      EXPECT_EQ(again, right.grant_revision() > before->second.grant_revision()) << "machine id " << machine.value;
      EXPECT_LT(again ? window.floor : window.ceiling, before->second.window->value.ceiling)
          << "machine id " << machine.value << " was not given back";
    }
    EXPECT_FALSE(store->get(session).value().has_value()) << "the session of the dead daemon is left";
    ASSERT_TRUE(hosts.serves(0)) << hosts.log(0);
    std::size_t newer = 0;
    for (const auto& [machine, right] : rights_in(*store).rights) {
      if (right.window->value.state != lease::WindowState::kHeld) continue;
      ++newer;
      const auto before = held.find(machine);
      if (before != held.end()) {
        EXPECT_GT(right.window->value.floor, used) << "machine id " << machine.value;
      }
    }
    EXPECT_EQ(newer, 4U);
    const support::Output list = hosts.gnomon(0, {"right", "list", "--direct", "--all"});
    EXPECT_EQ(list.exit.code, 0) << list.text;
    EXPECT_NE(list.text.find("4 held"), std::string::npos) << list.text;
  }
  hosts.stop(0);
  hosts.expect_unique();
  EtcdOptions options;
  options.version = GetParam();
  const RightChronicle chronicle(read_right_writes(etcd, options));
  for (const std::string& fault : chronicle.faults())
    ADD_FAILURE() << fault;
  for (const std::string& fault : chronicle.faults_of(hosts.received()))
    ADD_FAILURE() << fault;
  std::sort(took.begin(), took.end());
  std::printf("kill to the commit of the release: median %ld ms, longest %ld ms of %zu\n",
              static_cast<long>(took[took.size() / 2].count()), static_cast<long>(took.back().count()), took.size());
}

}  // namespace
}  // namespace gnomon::bed
