// SPDX-License-Identifier: Apache-2.0
//
// A hundred thousand leases on a thousand sessions, kept for minutes by one daemon on three members: none is lost, none
// is granted anew, and what the store is asked for grows with the sessions and not with the leases. Then all sessions
// are closed, and nothing of them stays in the store.
//
// Besides, what it costs is printed: CPU of the daemon and of the members, commits, and how long a renewal takes under
// this load. That is measured by a session of its own that is renewed at set times: latency counts from the intended
// sending, so that a renewal that is held up hides none of those behind it.
#include <gtest/gtest.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "control/etcd/etcd_store.hpp"
#include "oracle/lease/client_session.hpp"
#include "oracle/lease/named_lease.hpp"
#include "tests/control/bed/etcd_fixture.hpp"
#include "tests/control/hosts.hpp"
#include "tests/control/lease_hosts.hpp"
#include "tests/control/lease_renewal_probe.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

using Clock = std::chrono::steady_clock;
using std::chrono::duration;
using std::chrono::milliseconds;

struct Sizes {
  std::size_t sessions;
  std::size_t leases_each;
  milliseconds ttl;
  milliseconds kept;
};
constexpr Sizes kSmall{50, 20, 3000ms, 7000ms};  // two TTLs and more
constexpr Sizes kFull{1000, 100, 30s, 300s};
constexpr std::size_t kOpeners = 8;
constexpr auto kCleaned = 600s;  // of all that was left behind

Sizes sizes() { return support::full_size() ? kFull : kSmall; }

double seconds_of(Clock::duration length) { return duration<double>(length).count(); }

/// User and system time of a process until now, in seconds.
double cpu_of(pid_t pid) {
  const std::string stat = support::slurp("/proc/" + std::to_string(pid) + "/stat");
  std::istringstream fields(stat.substr(stat.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i)
    fields >> skipped;
  double user = 0;
  double system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

class LeaseMany : public testing::Test {
 protected:
  void SetUp() override {
    const EtcdOptions etcd{.members = 3, .heartbeat = 100ms, .election_timeout = 1000ms};
    std::string why;
    if (!LeaseHosts::available(etcd, &why)) GTEST_SKIP() << why;
    hosts_ = std::make_unique<LeaseHosts>(LeaseHostsOptions{.etcd = etcd, .hosts = 1});
    ASSERT_TRUE(hosts_->set_up());
    store_ = store_of(hosts_->etcd());
  }

  [[nodiscard]] static std::string name_of(std::size_t session, std::size_t lease) {
    return "many/" + std::to_string(session) + "/" + std::to_string(lease);
  }
  struct Kept {
    std::unique_ptr<client::Session> session{};
    std::vector<client::Lease> leases{};  // goes before the session
  };
  // Each thread has a connection and a share of the sessions.
  void open_all() {
    kept_.resize(sizes().sessions);
    std::vector<std::thread> openers;
    openers.reserve(kOpeners);
    for (std::size_t t = 0; t < kOpeners; ++t)
      openers.emplace_back([this, t] {
        const auto client = hosts_->client(0);
        for (std::size_t s = t; s < kept_.size(); s += kOpeners)
          open(*client, s);
      });
    for (std::thread& opener : openers)
      opener.join();
  }
  void open(client::LeaseClient& client, std::size_t s) {
    auto session = client.open_session({.ttl = time::milliseconds(sizes().ttl.count()),
                                        .label = "many",
                                        .on_lost = [this](const std::string& why) { lose(why); }});
    if (!session) return lose("not opened: " + session.error().text);
    for (std::size_t l = 0; l < sizes().leases_each; ++l) {
      auto lease = (*session)->acquire(name_of(s, l));
      if (!lease) return lose("not acquired: " + lease.error().text);
      kept_[s].leases.push_back(std::move(*lease));
    }
    kept_[s].session = std::move(*session);
  }
  void lose(const std::string& why) {
    const std::lock_guard lock(mutex_);
    ++lost_;
    if (first_loss_.empty()) first_loss_ = why;
  }
  [[nodiscard]] std::size_t held() const {
    std::size_t count = 0;
    for (const Kept& kept : kept_)
      for (const client::Lease& lease : kept.leases)
        if (lease.holds()) ++count;
    return count;
  }
  void expect_nothing_lost(const char* when) {
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(lost_, 0U) << when << ": " << first_loss_;
    EXPECT_EQ(held(), sizes().sessions * sizes().leases_each) << when;
  }
  // By the daemon's own words: each is held, under the token that its holder has.
  void expect_all_listed() {
    const auto client = hosts_->client(0);
    const auto began = Clock::now();
    const auto listed = client->list("many/");
    ASSERT_TRUE(listed) << listed.error().text;
    std::printf("%zu leases listed in %.2f s\n", listed->size(), seconds_of(Clock::now() - began));
    std::map<std::string, const client::LeaseInfo*> by_name;
    for (const client::LeaseInfo& lease : *listed)
      by_name[lease.name] = &lease;
    EXPECT_EQ(by_name.size(), sizes().sessions * sizes().leases_each);
    EXPECT_EQ(by_name.size(), listed->size()) << "one was listed twice";
    std::size_t wrong = 0;
    for (const Kept& kept : kept_)
      for (const client::Lease& lease : kept.leases) {
        const auto at = by_name.find(lease.name());
        const bool right = at != by_name.end() && at->second->status == client::LeaseStatus::kHeld &&
                           at->second->token == lease.token();
        if (!right) ++wrong;
      }
    EXPECT_EQ(wrong, 0U) << "leases are not listed as held under their holders' tokens";
  }
  // Every session has been written since.
  void expect_all_renewed(std::uint64_t since) {
    const auto listing = store_->list(lease::kClientPrefix);
    ASSERT_TRUE(listing) << listing.error().text;
    EXPECT_GE(listing->entries.size(), sizes().sessions);
    std::size_t renewed = 0;
    for (const control::Entry& entry : listing->entries)
      if (entry.modified.value > since) ++renewed;
    EXPECT_GE(renewed, sizes().sessions);
  }
  [[nodiscard]] std::size_t entries_left() const {
    std::size_t left = 0;
    for (const std::string_view prefix : {lease::kHeldPrefix, lease::kQueuePrefix, lease::kClientPrefix}) {
      const auto listing = store_->list(prefix);
      left += listing ? listing->entries.size() : 1;
    }
    return left;
  }
  [[nodiscard]] double members_cpu() const {
    double sum = 0;
    for (std::size_t i = 0; i < hosts_->etcd().size(); ++i)
      sum += cpu_of(hosts_->etcd().process(i).pid());
    return sum;
  }

  std::unique_ptr<LeaseHosts> hosts_;
  std::unique_ptr<control::EtcdStore> store_;
  std::mutex mutex_;
  std::size_t lost_ = 0;  // guarded by mutex_, as is the next
  std::string first_loss_;
  std::vector<Kept> kept_;  // goes first: its callbacks come here
};

TEST_F(LeaseMany, AreAllKeptAndLeaveNothingBehind) {
  const Sizes size = sizes();
  const auto began = Clock::now();
  open_all();
  const double opening = seconds_of(Clock::now() - began);
  std::printf("%zu leases on %zu sessions opened in %.1f s: %.0f commits/s\n", size.sessions * size.leases_each,
              size.sessions, opening, static_cast<double>(size.sessions * (size.leases_each + 1)) / opening);
  expect_nothing_lost("while they were opened");
  if (HasFailure()) return;

  RenewalProbe probe(hosts_->server(0));
  const std::uint64_t since = hosts_->etcd().revision();
  const double daemon_before = cpu_of(hosts_->daemon(0).pid());
  const double members_before = members_cpu();
  const auto from = Clock::now();
  std::this_thread::sleep_for(size.kept);
  const double passed = seconds_of(Clock::now() - from);
  const auto revisions = static_cast<double>(hosts_->etcd().revision() - since);
  std::printf("for %.1f s: %.1f revisions/s; gnomond %.1f %% of a core, the members %.1f %%\n", passed,
              revisions / passed, 100 * (cpu_of(hosts_->daemon(0).pid()) - daemon_before) / passed,
              100 * (members_cpu() - members_before) / passed);
  probe.finish();
  expect_nothing_lost("while they were kept");
  expect_all_renewed(since);
  expect_all_listed();
  // One commit for each renewal of a session, whatever hangs on it: three in a TTL, and as many again for those that
  // are repeated; the probe's; and what the daemon writes for itself.
  const double renewals = static_cast<double>(size.sessions) * passed / duration<double>(size.ttl).count() * 3;
  EXPECT_LT(revisions, 2 * renewals + 60 * passed) << "the store is asked for more than the sessions' renewals";

  const auto closing = Clock::now();
  for (Kept& kept : kept_) {
    const auto closed = kept.session->close();
    EXPECT_TRUE(closed) << closed.error().text;
  }
  const auto closed_at = Clock::now();
  EXPECT_EQ(held(), 0U);
  kept_.clear();
  while (entries_left() > 0 && Clock::now() < closed_at + kCleaned)
    std::this_thread::sleep_for(200ms);
  std::printf("closed in %.1f s, cleaned up %.1f s later\n", seconds_of(closed_at - closing),
              seconds_of(Clock::now() - closed_at));
  EXPECT_EQ(entries_left(), 0U) << hosts_->logs();
}

}  // namespace
}  // namespace gnomon::bed
