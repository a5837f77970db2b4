// SPDX-License-Identifier: Apache-2.0
//
// Many rights on one etcd: hundreds of machine ids over several daemons that all start again at once, and a churn of
// takers who want the same few ids.
//
// The last state of the store tells nothing about what overlapped on the way there. So a watch from the very first
// revision collects every write of every right, and each of them is judged (right_chronicle.hpp): windows of one id
// never overlap, tokens grow. history/ has to tell the same acquisitions by its own entries.
//
// Here agents run in this process, with pages and workers of the test's own and one clock for all; the full size is
// processes, as many as there are machine ids for.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "control/agent_thread.hpp"
#include "control/shared_state.hpp"
#include "oracle/lease/history.hpp"
#include "oracle/lease/right_rules.hpp"
#include "platform/cycle_counter.hpp"
#include "platform/random.hpp"
#include "tests/control/bed/etcd_fixture.hpp"
#include "tests/control/hosts.hpp"
#include "tests/control/in_process_daemon.hpp"
#include "tests/control/right_chronicle.hpp"
#include "tests/control/right_churn.hpp"
#include "tests/control/temp_directory.hpp"
#include "tests/support/eventually.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

using control::Revision;

class ManyRights : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    for (const char* version : {"3.5", "3.4"}) {
      const EtcdOptions options{.version = version, .election_timeout = 300ms};
      if (!EtcdCluster::available(options, &why)) continue;
      etcd_ = std::make_unique<EtcdCluster>(options);
      etcd_->start();
      store_ = store_of(*etcd_);
      watch_ = std::make_unique<RightWatch>(*etcd_);
      return;
    }
    GTEST_SKIP() << why;
  }

  [[nodiscard]] Revision newest_right() const {
    const auto listing = store_->list(lease::kRightPrefix);
    Revision newest;
    for (const control::Entry& entry : listing.value().entries)
      newest = std::max(newest, entry.modified);
    return newest;
  }

  // Judges every revision of every right, and history/ against them. `least`: acquisitions of ids that there must be.
  void expect_no_overlap(std::size_t least) {
    const std::vector<RightWrite> writes = watch_->take_through(newest_right());
    const RightChronicle chronicle(writes);
    for (const std::string& fault : chronicle.faults())
      ADD_FAILURE() << fault;
    EXPECT_GE(chronicle.holdings(), least);

    const auto listing = store_->list(lease::kHistoryPrefix);
    const lease::History history = lease::read_history(listing.value());
    EXPECT_TRUE(history.unreadable.empty()) << history.unreadable.front();
    std::map<mint::MachineId, std::pair<Revision, time::SmearedUtc>> last;
    std::set<std::pair<mint::MachineId, std::uint64_t>> told;
    for (const lease::Recorded& recorded : history.recorded)
      for (const auto& [machine, taken] : recorded.acquisition.taken) {
        const auto before = last.find(machine);
        EXPECT_EQ(taken.previous, before == last.end() ? std::optional<Revision>() : before->second.first)
            << "machine id " << machine.value << " at revision " << recorded.revision.value;
        if (before != last.end()) {
          EXPECT_GE(taken.floor, before->second.second) << "machine id " << machine.value;
        }
        last[machine] = {recorded.revision, taken.floor};
        told.emplace(machine, recorded.revision.value);
      }
    EXPECT_EQ(told.size(), chronicle.holdings()) << "history/ tells of other acquisitions than the rights' revisions";
    std::printf("%zu acquisitions of ids, %zu writes\n", chronicle.holdings(), chronicle.writes());
    expect_a_planted_overlap_to_be_found(writes);
  }

  // The canary: the last window whose id was held before begins a little before the end of the one before it.
  static void expect_a_planted_overlap_to_be_found(std::vector<RightWrite> writes) {
    std::map<std::string, lease::Window> before;
    RightWrite* planted = nullptr;
    lease::Window with;
    for (RightWrite& write : writes) {
      const auto window = lease::parse_window(write.value);
      if (!write.key.ends_with("/window") || !window) continue;
      const auto earlier = before.find(write.key);
      if (earlier != before.end() && window->token == mint::Token{}) {  // an acquisition
        planted = &write;
        with = *window;
        with.floor = earlier->second.ceiling - time::Duration{1};
      }
      before[write.key] = *window;
    }
    ASSERT_NE(planted, nullptr) << "no id was taken twice: the test shows nothing";
    planted->value = lease::encode(with);
    EXPECT_FALSE(RightChronicle(writes).faults().empty()) << "a window that overlaps is not found";
  }

  std::unique_ptr<EtcdCluster> etcd_;
  std::unique_ptr<control::EtcdStore> store_;
  std::unique_ptr<RightWatch> watch_;
};

// ---- churn

TEST_F(ManyRights, AChurnOfTakersNeverOverlaps) {
  const std::size_t takers = 4;
  const std::size_t wanted = support::full_size() ? 5000 : 600;
  const control::TempDirectory directory;
  const auto state = control::open_shared(*store_, control::SharedPaths::of(directory.path(), "test"), "test");
  ASSERT_TRUE(state) << state.error().text;
  lease::RightPolicy policy;
  policy.store = state->meta.facts;
  policy.exclusive_store = false;
  policy.window = time::milliseconds(300);
  policy.machine_ids = 16;  // scarce, so that they are taken again and again, by others
  std::vector<std::size_t> taken(takers, 0);
  std::vector<std::thread> threads;
  threads.reserve(takers);
  const std::uint64_t seed = std::random_device{}();
  std::printf("seed %lu\n", static_cast<unsigned long>(seed));
  for (std::size_t i = 0; i < takers; ++i)
    threads.emplace_back([&, i] {
      taken[i] = Taker(*etcd_, policy, seed + i).run(wanted / takers, std::chrono::steady_clock::now() + 300s);
    });
  std::size_t all = 0;
  for (std::size_t i = 0; i < takers; ++i) {
    threads[i].join();
    EXPECT_GE(taken[i], wanted / takers) << "taker " << i << " was starved";
    all += taken[i];
  }
  expect_no_overlap(all);
}

// ---- agents

TEST_F(ManyRights, AMassRestartOfAgentsNeverOverlaps) {
  constexpr std::size_t kAgents = 8;
  const int restarts = support::full_size() ? 20 : 4;
  const control::TempDirectory directory;
  const SharedClock clock;
  std::vector<std::unique_ptr<InProcessDaemon>> daemons;
  for (std::size_t i = 0; i < kAgents; ++i) {
    const std::string folder = directory.file(std::to_string(i));
    std::filesystem::create_directory(folder);
    daemons.push_back(std::make_unique<InProcessDaemon>(*etcd_, clock, folder, fmt::format("agent{}", i)));
  }
  for (int restart = 0; restart <= restarts; ++restart) {
    const auto begun = std::chrono::steady_clock::now();
    for (const auto& daemon : daemons)
      ASSERT_NO_FATAL_FAILURE(daemon->start());
    std::set<std::uint16_t> held;
    std::size_t sum = 0;
    const bool all = support::eventually([&] {
      held.clear();
      sum = 0;
      for (const auto& daemon : daemons) {
        const std::set<std::uint16_t> own = daemon->held();
        sum += own.size();
        held.insert(own.begin(), own.end());
      }
      return sum >= kAgents * kIdsEach;
    });
    ASSERT_TRUE(all) << sum << " rights of " << kAgents * kIdsEach << " are held after start " << restart;
    EXPECT_EQ(held.size(), sum) << "an id is held twice";
    std::printf(
        "start %d: %zu rights within %ld ms\n", restart, sum,
        static_cast<long>(
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begun).count()));
    // By turns: all give back, all die.
    if (restart % 2 == 0) {
      for (const auto& daemon : daemons)
        daemon->ask_to_stop();
      for (const auto& daemon : daemons)
        ASSERT_NO_FATAL_FAILURE(daemon->wait_stopped());
    } else {
      for (const auto& daemon : daemons)
        daemon->kill();
    }
  }
  daemons.clear();
  expect_no_overlap(kAgents * kIdsEach * static_cast<std::size_t>(restarts + 1));
}

// ---- processes

TEST_F(ManyRights, AThousandRightsOfThirtyTwoDaemonsSurviveAMassRestart) {
  if (!support::full_size()) GTEST_SKIP() << "32 daemons are for the full size (./dev test --full)";
  constexpr std::size_t kDaemons = 32;
  HostTimes times;
  times.window = 10s;
  times.heartbeat = 1s;
  times.tolerance = 1s;
  Hosts hosts(*etcd_,
              {{"workers.count", std::to_string(kWorkers)},
               {"workers.ids_per_worker", std::to_string(kIdsPerWorker)},
               {"rights.machine_ids", std::to_string(kDaemons * kIdsEach)}},
              times);
  for (std::size_t j = 0; j < kDaemons; ++j)
    hosts.add();
  for (int restart = 0; restart < 3; ++restart) {
    const Revision before = newest_right();  // windows of daemons that were killed are still in force
    for (std::size_t j = 0; j < kDaemons; ++j)
      hosts.daemon(j).start();
    const auto held = [&] {
      std::size_t n = 0;
      for (const auto& [machine, right] : rights_in(*store_).rights)
        if (right.grant_revision() > before && right.window && right.window->value.state == lease::WindowState::kHeld &&
            right.window->value.ceiling > utc_now())
          ++n;
      return n;
    };
    std::size_t n = 0;
    const auto until = std::chrono::steady_clock::now() + 120s;
    while ((n = held()) < kDaemons * kIdsEach && std::chrono::steady_clock::now() < until)
      support::nap(100);
    EXPECT_EQ(n, kDaemons * kIdsEach) << hosts.log(0);
    for (std::size_t j = 0; j < kDaemons; ++j) {
      if (restart % 2 == 0)
        hosts.stop(j);
      else
        hosts.kill_hard(j);
    }
  }
  expect_no_overlap(3 * kDaemons * kIdsEach);
}

}  // namespace
}  // namespace gnomon::bed
