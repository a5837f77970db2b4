// SPDX-License-Identifier: Apache-2.0
//
// A process that was stopped for longer than its window must not go on with it: not_leased, then recovery without an
// operator, and never a duplicate.
#include <gtest/gtest.h>

#include <csignal>
#include <cstdio>
#include <thread>

#include "tests/support/daemon.hpp"
#include "tests/support/fleet.hpp"

namespace gnomon::net {
namespace {

using namespace support;

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST(Pause, LongerThanTheWindow) {
  const int rounds = full_size() ? 10 : 3;
  const ScratchFolder folder;
  Daemon daemon(folder.path(), {{"rights.window_ms", "1000"}, {"workers.count", "2"}});
  daemon.start();
  ASSERT_TRUE(daemon.wait_ready()) << daemon.log();
  Ledger ledger;
  std::uint64_t not_leased = 0;
  for (int round = 0; round < rounds; ++round) {
    Fleet before(daemon.port(), {{.layout = 1, .messages_per_datagram = 22}, {.layout = 2, .count = 20}},
                 milliseconds(150));
    Ledger received;
    EXPECT_GT(before.join(received).ids, 0U) << "round " << round << ": not served before the pause";
    ledger.follow_with(std::move(received));

    daemon.send_signal(SIGSTOP);
    std::this_thread::sleep_for(milliseconds(1600));
    // These wait in the sockets and are the first thing that the workers see when they wake up.
    Fleet woken(daemon.port(), std::vector<Load>(8, {.layout = 1, .messages_per_datagram = 22, .datagrams = 20}),
                seconds(1));
    std::this_thread::sleep_for(milliseconds(60));
    daemon.send_signal(SIGCONT);
    const Tally through = woken.join(received);
    ledger.follow_with(std::move(received));
    not_leased += through.by_status[static_cast<int>(wire::Status::kNotLeased)];
    EXPECT_GT(through.ids, 0U) << "round " << round << ": no recovery\n" << daemon.log();
  }
  EXPECT_GT(not_leased, 0U) << "the window had run out, and nobody noticed";
  const Ledger::Duplicates duplicates = ledger.duplicates();
  EXPECT_EQ(duplicates.count, 0U) << duplicates.first;
  EXPECT_EQ(ledger.order_violations(), 0U) << ledger.first_order_violation();
  EXPECT_EQ(daemon.stop().code, 0) << daemon.log();
  std::printf("%d pauses, %lu IDs, %lu replies not_leased\n", rounds, static_cast<unsigned long>(ledger.ids()),
              static_cast<unsigned long>(not_leased));
}

}  // namespace
}  // namespace gnomon::net
