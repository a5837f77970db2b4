// SPDX-License-Identifier: Apache-2.0
//
// The main promise on real daemons: no ID twice over workers, layouts, restarts and hard kills, and every right
// strictly ascending. Each phase also says how much it was served.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <random>

#include "tests/support/daemon.hpp"
#include "tests/support/fleet.hpp"
#include "tests/support/ledger.hpp"

namespace gnomon::net {
namespace {

using namespace support;

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::uint16_t kSnowflake = 1;
constexpr std::uint16_t kInstagram = 2;

void expect_promises_held(const Ledger& ledger) {
  const Ledger::Duplicates duplicates = ledger.duplicates();
  EXPECT_EQ(duplicates.count, 0U) << duplicates.first;
  EXPECT_EQ(ledger.order_violations(), 0U) << ledger.first_order_violation();
}

// 22 one-ID messages a datagram, 40 datagrams a batch.
Load singles(std::uint16_t layout) {
  return {.layout = layout, .count = 1, .messages_per_datagram = 22, .datagrams = 40};
}
Load ranges(std::uint16_t layout, std::uint32_t count) {
  return {.layout = layout, .count = count, .messages_per_datagram = 4, .datagrams = 4};
}

TEST(Uniqueness, TwoWorkersTwoLayoutsThreeRestarts) {
  const std::uint64_t total = full_size() ? 200'000'000 : 12'000'000;
  const std::uint64_t single = total / 40;  // 5 million of 200
  constexpr int kPhases = 4;                // three restarts between them
  const ScratchFolder folder;
  Daemon daemon(folder.path(), {{"workers.count", "2"}, {"workers.ids_per_worker", "4"}});
  Ledger ledger;
  std::size_t rights_before = 0;
  for (int phase = 0; phase < kPhases; ++phase) {
    daemon.start();
    ASSERT_TRUE(daemon.wait_ready()) << daemon.log();
    Ledger served;
    // Eight sockets for the ranges: the chance that the kernel's hash gives all of them to one worker is 1/128.
    std::vector<Load> loads;
    for (int i = 0; i < 4; ++i) {
      loads.push_back(ranges(kSnowflake, 4096));
      loads.push_back(ranges(kInstagram, 1024));
    }
    Fleet one_by_one(daemon.port(), {singles(kSnowflake), singles(kInstagram)}, seconds(120), single / kPhases / 2);
    const Tally by_one = one_by_one.join(served);
    Fleet wholesale(daemon.port(), loads, seconds(240), (total - single) / kPhases / loads.size());
    Ledger served_wholesale;
    const Tally by_range = wholesale.join(served_wholesale);
    served.follow_with(std::move(served_wholesale));
    EXPECT_GE(by_one.ids, single / kPhases) << "phase " << phase << " was not served in full, one by one";
    EXPECT_GE(by_one.ids + by_range.ids, total / kPhases) << "phase " << phase << " was not served in full";
    ledger.follow_with(std::move(served));
    EXPECT_GT(ledger.rights(), rights_before) << "a restart takes fresh machine ids";
    rights_before = ledger.rights();
    if (phase % 2 == 0) {
      EXPECT_EQ(daemon.stop().code, 0) << daemon.log();
    } else {
      daemon.kill_hard();
    }
  }
  EXPECT_GE(ledger.ids(), total);
  EXPECT_GE(ledger.single_ids(), single);
  expect_promises_held(ledger);
  std::printf("%lu IDs, %lu of them one by one, %zu (layout, machine, token), %zu machine ids\n",
              static_cast<unsigned long>(ledger.ids()), static_cast<unsigned long>(ledger.single_ids()),
              ledger.rights(), ledger.machines().size());
}

// Kill -9 at a random instant of service, again and again on the same data.
TEST(Uniqueness, KilledAtRandomInstants) {
  const int rounds = full_size() ? 100 : 12;
  const std::uint64_t seed = std::random_device{}();
  std::printf("seed %lu\n", static_cast<unsigned long>(seed));
  std::mt19937_64 random(seed);
  const ScratchFolder folder;
  Daemon daemon(folder.path(), {{"workers.count", "2"}, {"rights.window_ms", "1000"}});
  Ledger ledger;
  for (int round = 0; round < rounds; ++round) {
    daemon.start();
    ASSERT_TRUE(daemon.wait_ready()) << "round " << round << "\n" << daemon.log();
    Fleet fleet(daemon.port(), {singles(kSnowflake), ranges(kSnowflake, 300), ranges(kInstagram, 100)}, seconds(20));
    while (fleet.ids() == 0)
      std::this_thread::sleep_for(milliseconds(1));
    std::this_thread::sleep_for(milliseconds(random() % 400));
    daemon.kill_hard();
    Ledger served;
    const Tally tally = fleet.finish(served);
    EXPECT_GT(tally.ids, 0U) << "round " << round;
    ledger.follow_with(std::move(served));
  }
  expect_promises_held(ledger);
  std::printf("%d rounds, %lu IDs, %zu machine ids\n", rounds, static_cast<unsigned long>(ledger.ids()),
              ledger.machines().size());
}

// Pinned ids are reused at once, so order holds across the kills too: per (layout, machine), over all tokens.
TEST(Uniqueness, PinnedIdsAscendAcrossKills) {
  const int rounds = full_size() ? 30 : 5;
  const ScratchFolder folder;
  Daemon daemon(folder.path(), {{"ids.pinned", "7"}, {"rights.window_ms", "1000"}});
  std::uint64_t last_of_previous = 0;
  Ledger all;
  for (int round = 0; round < rounds; ++round) {
    daemon.start();
    ASSERT_TRUE(daemon.wait_ready()) << daemon.log();
    Ledger ledger;
    RawClient client(daemon.port(), static_cast<std::uint64_t>(round) + 1);
    Tally tally;
    const auto until = std::chrono::steady_clock::now() + seconds(30);
    while (tally.ids < 1000 && std::chrono::steady_clock::now() < until)
      tally += client.exchange({.layout = kSnowflake, .count = 10}, milliseconds(250), ledger);
    ASSERT_GE(tally.ids, 1000U) << "round " << round << "\n" << daemon.log();
    ASSERT_EQ(ledger.machines(), std::vector<std::uint16_t>{7});
    EXPECT_GT(ledger.lowest(), last_of_previous) << "round " << round;
    last_of_previous = ledger.highest();
    all.follow_with(std::move(ledger));
    if (round % 3 == 2) {
      EXPECT_EQ(daemon.stop().code, 0) << daemon.log();
    } else {
      daemon.kill_hard();
    }
  }
  expect_promises_held(all);
}

}  // namespace
}  // namespace gnomon::net
