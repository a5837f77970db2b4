// SPDX-License-Identifier: Apache-2.0
//
// Machine ids don't wear out: thousands of restarts over a few ids, and an honest refusal once all are taken.
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstdio>

#include "cmd/text/rfc3339.hpp"
#include "oracle/time/instant.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/ledger.hpp"
#include "tests/support/raw_client.hpp"

namespace gnomon::net {
namespace {

using namespace support;

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

// Real time is printed and fails only at 20 times the target of one second.
constexpr milliseconds kServingTarget{1000};

milliseconds since(Clock::time_point start) { return std::chrono::duration_cast<milliseconds>(Clock::now() - start); }

time::SmearedUtc utc_now() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count()};
}

// The first IDs of a daemon that has just been started; empty if none came within the limit.
Tally first_service(Daemon& daemon, Ledger& ledger, milliseconds limit) {
  Tally tally;
  const auto until = Clock::now() + limit;
  if (!daemon.wait_ready(limit)) return tally;
  RawClient client(daemon.port(), static_cast<std::uint64_t>(daemon.pid()));
  while (tally.ids == 0 && Clock::now() < until) {
    tally += client.exchange({.layout = 1, .count = 50, .messages_per_datagram = 4}, milliseconds(100), ledger);
    tally += client.exchange({.layout = 2, .count = 50, .messages_per_datagram = 4}, milliseconds(100), ledger);
  }
  return tally;
}

TEST(Restart, IdsAreReusedAndServedWithinASecond) {
  const int restarts = full_size() ? 5000 : 60;
  const ScratchFolder folder;
  // 24 ids, windows of a second, a kill every 50 to 100 ms: every id comes round again and again, often while its
  // previous window has only just ended.
  Daemon daemon(folder.path(), {{"rights.machine_ids", "24"}, {"rights.window_ms", "1000"}});
  Ledger ledger;
  std::vector<std::int64_t> to_service_ms;
  for (int i = 0; i < restarts; ++i) {
    const auto start = Clock::now();
    daemon.start();
    const Tally served = first_service(daemon, ledger, 20 * kServingTarget);
    ASSERT_GT(served.ids, 0U) << "restart " << i << " was not served\n" << daemon.log().substr(0, 4000);
    to_service_ms.push_back(since(start).count());
    if (i % 4 == 3)
      EXPECT_EQ(daemon.stop().code, 0) << daemon.log();
    else
      daemon.kill_hard();
  }
  EXPECT_EQ(daemon.log().find("frees at"), std::string::npos) << "no restart had to wait for an id";
  const Ledger::Duplicates duplicates = ledger.duplicates();
  EXPECT_EQ(duplicates.count, 0U) << duplicates.first;
  EXPECT_EQ(ledger.order_violations(), 0U) << ledger.first_order_violation();
  EXPECT_LE(ledger.machines().size(), 24U);
  EXPECT_GE(ledger.rights(), static_cast<std::size_t>(restarts)) << "every restart has a token of its own";
  std::sort(to_service_ms.begin(), to_service_ms.end());
  std::printf("%d restarts over %zu ids, start to first ID: median %ld ms, p99 %ld ms, longest %ld ms (target %ld)\n",
              restarts, ledger.machines().size(), static_cast<long>(to_service_ms[to_service_ms.size() / 2]),
              static_cast<long>(to_service_ms[to_service_ms.size() * 99 / 100]),
              static_cast<long>(to_service_ms.back()), static_cast<long>(kServingTarget.count()));
}

TEST(Restart, AllMachineIdsTaken) {
  const ScratchFolder folder;
  // Four daemons, each killed with 256 ids under windows of ten minutes.
  Daemon daemon(folder.path(), {{"workers.count", "32"},
                                {"workers.ids_per_worker", "8"},
                                {"rights.window_ms", "600000"},
                                {"workers.park_limit", "16"}});
  Ledger ledger;
  constexpr time::Duration kWindow = time::seconds(600);
  constexpr time::Duration kLead = time::seconds(1);  // the default of rights.max_lead_ms
  const time::SmearedUtc first_start = utc_now();
  time::SmearedUtc first_kill;
  for (int i = 0; i < 4; ++i) {
    daemon.start();
    ASSERT_GT(first_service(daemon, ledger, seconds(20)).ids, 0U) << daemon.log();
    daemon.kill_hard();
    if (i == 0) first_kill = utc_now();
  }
  daemon.start();
  ASSERT_TRUE(daemon.wait_ready()) << daemon.log();
  RawClient client(daemon.port());
  const Tally refused = client.exchange({.layout = 1, .count = 1, .messages_per_datagram = 22}, seconds(5), ledger);
  EXPECT_EQ(refused.by_status[static_cast<int>(wire::Status::kNotLeased)], 22U) << "a typed refusal, not silence";
  EXPECT_EQ(refused.ids, 0U);
  // 256 ids are wanted and the first daemon's free together: when its windows end, but for the lead budget. Its windows
  // were committed between its start and its kill.
  const auto said = [](const std::string& text) {
    const std::size_t at = text.find("frees at ");
    return at == std::string::npos ? time::SmearedUtc{}
                                   : cmd::parse_rfc3339(text.substr(at + 9, 30)).value_or(time::SmearedUtc{});
  };
  const std::string log = daemon.log();
  EXPECT_GE(said(log), first_start + kWindow - kLead) << log;
  EXPECT_LE(said(log), first_kill + kWindow - kLead) << log;
  const Output status =
      run_program({built("cmd/gnomon"), "status", "--json", "--instance", daemon.instance()}, daemon.environment());
  EXPECT_EQ(status.exit.code, 0) << status.text;
  EXPECT_NE(status.text.find("frees at"), std::string::npos) << status.text;
  EXPECT_EQ(daemon.stop().code, 0) << daemon.log();
  EXPECT_EQ(ledger.duplicates().count, 0U);
}

}  // namespace
}  // namespace gnomon::net
