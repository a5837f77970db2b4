// SPDX-License-Identifier: Apache-2.0
//
// Holders that are stopped, and holders that are killed: on three hosts, on real etcd members, as processes.
//
// A lock that is released when its holder dies works in every demonstration, because there the holder dies. A holder
// that is only stopped wakes up believing; so it has to find out before it acts, and if it acts nevertheless, whatever
// it acts upon has to refuse. And of those who wait for a killed one, the first must be served and no other, whichever
// host it is on: each notes when it held the lease, and that is judged by the true time.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/lease/token_guard.hpp"
#include "tests/control/bed/etcd_fixture.hpp"
#include "tests/control/lease_hosts.hpp"
#include "tests/control/stage.hpp"
#include "tests/support/eventually.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

using std::chrono::milliseconds;

constexpr milliseconds kTtl{2000};
constexpr int kLost = 3;  // the code of lease_program

class LeaseHolder : public testing::Test {
 protected:
  void SetUp() override {
    const EtcdOptions etcd{.members = 3, .heartbeat = 50ms, .election_timeout = 500ms};
    std::string why;
    if (!LeaseHosts::available(etcd, &why)) GTEST_SKIP() << why;
    hosts_ = std::make_unique<LeaseHosts>(LeaseHostsOptions{.etcd = etcd});
    ASSERT_TRUE(hosts_->set_up());
    asker_ = hosts_->client(0);
  }

  struct Holder {
    std::string who;
    std::unique_ptr<support::ChildProcess> process;
  };
  Holder start(std::size_t j, const std::string& name, milliseconds ttl = kTtl) {
    const std::string who = "holder-" + std::to_string(started_++);
    return {who, hosts_->hold(j, name, ttl, who)};
  }
  [[nodiscard]] std::uint64_t token_of(const Holder& holder) const {
    const auto grants = hosts_->begun_by(holder.who);
    return grants.empty() ? 0 : grants.back().token;
  }
  [[nodiscard]] bool comes_to_hold(const Holder& holder) const {
    return support::eventually([&] { return token_of(holder) != 0; });
  }
  [[nodiscard]] bool waits(const std::string& name, std::uint32_t waiters) {
    return support::eventually([&] {
      const auto lease = asker_->get(name);
      return lease && lease->waiters == waiters;
    });
  }
  [[nodiscard]] std::string words_of(const Holder& holder) const { return holder.who + ": " + holder.process->log(); }

  std::unique_ptr<LeaseHosts> hosts_;
  std::shared_ptr<client::LeaseClient> asker_;
  int started_ = 0;
};

TEST_F(LeaseHolder, WhoIsStoppedPastItsEndFindsOutBeforeItActs) {
  const std::string name = "database:1";
  client::TokenGuard resource;
  for (int round = 0; round < rounds(); ++round) {
    const Holder stopped = start(0, name);
    ASSERT_TRUE(comes_to_hold(stopped)) << words_of(stopped) << hosts_->logs();
    const std::uint64_t old_token = token_of(stopped);
    EXPECT_TRUE(resource.admits(name, old_token));
    ASSERT_TRUE(support::eventually([&] { return hosts_->has_held(stopped.who); })) << words_of(stopped);
    const Holder next = start(1, name, 60s);
    ASSERT_TRUE(waits(name, 1)) << words_of(next) << hosts_->logs();

    stopped.process->send_signal(SIGSTOP);
    ASSERT_TRUE(comes_to_hold(next)) << words_of(next) << hosts_->logs();
    const std::uint64_t new_token = token_of(next);
    EXPECT_GT(new_token, old_token);
    EXPECT_TRUE(resource.admits(name, new_token));
    const auto acts_before = hosts_->written_by(stopped.who).size();

    stopped.process->send_signal(SIGCONT);
    EXPECT_EQ(stopped.process->wait_exit(20s).code, kLost) << words_of(stopped);
    EXPECT_NE(stopped.process->log().find("lost " + std::to_string(old_token)), std::string::npos) << words_of(stopped);
    // One line at most, of a moment before it was stopped: what it says of the time is judged below.
    EXPECT_LE(hosts_->written_by(stopped.who).size(), acts_before + 200) << "it went on acting";

    // It acts nevertheless.
    EXPECT_FALSE(resource.admits(name, old_token));
    const auto stale = asker_->validate(name, old_token);
    ASSERT_TRUE(stale) << stale.error().text;
    EXPECT_EQ(*stale, client::TokenVerdict::kStale);
    const auto current = asker_->validate(name, new_token);
    ASSERT_TRUE(current) << current.error().text;
    EXPECT_EQ(*current, client::TokenVerdict::kCurrent);
    next.process->send_signal(SIGKILL);
    (void)next.process->wait_exit(20s);
    const auto taken = asker_->break_lease(name);
    ASSERT_TRUE(taken) << taken.error().text;
    EXPECT_EQ(*taken, new_token);
  }
  expect_exclusive(hosts_->lines(), 2);
}

// The resource of the examples: one process in which the second holder's token shuts the first one out.
TEST_F(LeaseHolder, TheExamplesResourceRefusesTheFirstHolder) {
  const support::Output output =
      support::run_program({support::built("tests/control/example_lease_guard"), hosts_->server(2), "database:2"}, {});
  EXPECT_EQ(output.exit.code, 0) << output.text;
  EXPECT_EQ(output.text,
            "the first holder writes: admitted, the row says the first holder\n"
            "the second holder writes: admitted, the row says the second holder\n"
            "the first holder, late, writes: refused, the row says the second holder\n");
}

TEST_F(LeaseHolder, WhoeverWaitsIsServedInOrderWhenHoldersAreKilled) {
  const std::string name = "job";
  const int kills = support::full_size() ? 20 : 4;
  constexpr std::uint32_t kWaiters = 3;
  std::deque<Holder> line;  // the one in front holds it
  std::size_t host = 0;
  const auto join = [&] {
    line.push_back(start(host++ % hosts_->size(), name));
    return line.size() == 1 ? comes_to_hold(line.front()) : waits(name, static_cast<std::uint32_t>(line.size() - 1));
  };
  while (line.size() <= kWaiters)
    ASSERT_TRUE(join()) << words_of(line.back()) << hosts_->logs();
  for (int kill = 0; kill < kills; ++kill) {
    const std::uint64_t before = token_of(line.front());
    line.front().process->send_signal(SIGKILL);
    (void)line.front().process->wait_exit(20s);
    line.pop_front();
    ASSERT_TRUE(comes_to_hold(line.front())) << words_of(line.front()) << hosts_->logs();
    EXPECT_GT(token_of(line.front()), before);
    for (std::size_t i = 1; i < line.size(); ++i)
      EXPECT_EQ(token_of(line[i]), 0U) << line[i].who << " did not wait for its turn";
    ASSERT_TRUE(join()) << words_of(line.back()) << hosts_->logs();
  }
  const auto grants = static_cast<std::size_t>(kills) + 1;
  expect_exclusive(hosts_->lines(), grants);
  EXPECT_EQ(hosts_->history().tenures(), grants);
}

}  // namespace
}  // namespace gnomon::bed
