// SPDX-License-Identifier: Apache-2.0
#include "tests/control/stage.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <random>
#include <utility>

#include "oracle/lease/stored_right.hpp"
#include "oracle/wire/message.hpp"
#include "tests/support/network_namespace.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

using std::chrono::milliseconds;
using support::Daemon;
using support::Ledger;

// Some 10,000 IDs a second: enough to meet any moment, little enough for two cores.
constexpr support::Load kLoad{.layout = 1, .count = 8, .messages_per_datagram = 4};
constexpr auto kPause = 3ms;
constexpr auto kPatience = 250ms;
// A busy machine may keep a stream waiting for long; a daemon that has run out is silent for longer.
constexpr milliseconds kLongestGap = 2500ms;
constexpr std::uint64_t kFewestIds = 1000;  // of each daemon and outage: a tenth of a second's load
constexpr int kPollMs = 20;
constexpr std::size_t kLogBytes = 3000;
constexpr auto kSlack = 1000ms;  // between the clock of a daemon and this one, and for the last answers

time::SmearedUtc instant_of(std::chrono::system_clock::time_point t) {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(t.time_since_epoch()).count()};
}

void expect_none(const std::vector<std::string>& faults, const char* what) {
  std::string text;
  for (const std::string& fault : faults)
    text += "\n  " + fault;
  EXPECT_TRUE(faults.empty()) << what << text;
}

}  // namespace

std::string end_of(const std::string& log) { return log.substr(log.size() - std::min(log.size(), kLogBytes)); }

// --- streams

Stream::Stream(const platform::Endpoint& server) : thread_([this, server] { run(server); }) {}

Stream::~Stream() {
  stop_ = true;
  thread_.join();
}

void Stream::run(const platform::Endpoint& server) {
  support::RawClient client(server, std::random_device{}());
  while (!stop_) {
    Ledger received;
    const support::Tally batch = client.exchange(kLoad, kPatience, received);
    {
      const std::scoped_lock lock(mutex_);
      const auto now = Clock::now();
      if (batch.ids > 0) {
        const auto gap = std::chrono::duration_cast<milliseconds>(now - last_served_);
        account_.longest_gap = std::max(account_.longest_gap, gap);
        last_served_ = now;
      }
      account_.ids += batch.ids;
      const std::uint64_t refused = batch.by_status[static_cast<int>(wire::Status::kNotLeased)];
      account_.refused += refused;
      account_.other += batch.sent - batch.ok - batch.silent - refused;
      ledger_.follow_with(std::move(received));
    }
    std::this_thread::sleep_for(kPause);
  }
}

Account Stream::take() {
  const std::scoped_lock lock(mutex_);
  Account taken = std::exchange(account_, Account{});
  taken.longest_gap =
      std::max(taken.longest_gap, std::chrono::duration_cast<milliseconds>(Clock::now() - last_served_));
  return taken;
}

Ledger Stream::take_ledger() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(ledger_, Ledger{});
}

// --- the stage

Stage::Stage(StageOptions options) : options_(std::move(options)), etcd_(options_.etcd) {}

support::ChildLimits Stage::limits_of(std::size_t j) const {
  if (options_.etcd.home == EtcdHome::kLoopback) return {};
  return {.network_namespace = etcd_.host(j).fd()};
}

bool Stage::set_up() {
  etcd_.start();
  for (std::size_t j = 0; j < options_.daemons; ++j) {
    std::map<std::string, std::string> settings{
        {"store.url", j < options_.urls.size() ? options_.urls[j] : etcd_.url()},
        {"store.heartbeat_ms", "200"},
        {"rights.window_ms", std::to_string(options_.window.count())},
    };
    for (const auto& [option, value] : options_.daemon_options)
      settings[option] = value;
    daemons_.push_back(std::make_unique<Daemon>(folder_.path() / std::to_string(j), settings));
    streams_.emplace_back();
    if (!start_daemon(j)) return false;
  }
  return wait_served();
}

bool Stage::start_daemon(std::size_t j) {
  Daemon& daemon = *daemons_.at(j);
  daemon.start(limits_of(j));
  const bool ready = daemon.wait_ready(60s);
  EXPECT_TRUE(ready) << end_of(daemon.log());
  if (!ready) return false;
  std::optional<support::InNamespace> inside;
  if (options_.etcd.home == EtcdHome::kNamespaces) inside.emplace(etcd_.host(j));
  streams_[j] = std::make_unique<Stream>(daemon.endpoints().front());
  return true;
}

void Stage::stop_daemon(std::size_t j, bool hard) {
  if (hard)
    daemons_.at(j)->kill_hard();
  else
    EXPECT_EQ(daemons_.at(j)->stop().code, 0) << end_of(daemons_.at(j)->log());
  collect(j);
  streams_[j].reset();
}

void Stage::collect(std::size_t j) {
  if (streams_.at(j)) all_.follow_with(streams_[j]->take_ledger());
}

void Stage::mark() {
  for (const auto& stream : streams_)
    if (stream) (void)stream->take();
}

void Stage::expect_served(const std::string& when) {
  for (std::size_t j = 0; j < streams_.size(); ++j) {
    if (!streams_[j]) continue;
    const Account seen = streams_[j]->take();
    std::printf("%s: daemon %zu: %lu IDs, %lu refusals, longest gap %ld ms\n", when.c_str(), j,
                static_cast<unsigned long>(seen.ids), static_cast<unsigned long>(seen.refused + seen.other),
                static_cast<long>(seen.longest_gap.count()));
    EXPECT_GE(seen.ids, kFewestIds) << when << ": daemon " << j << "\n" << end_of(daemons_[j]->log());
    EXPECT_EQ(seen.refused, 0U) << when << ": daemon " << j << "\n" << end_of(daemons_[j]->log());
    EXPECT_EQ(seen.other, 0U) << when << ": daemon " << j << "\n" << end_of(daemons_[j]->log());
    EXPECT_LT(seen.longest_gap, kLongestGap) << when << ": daemon " << j << "\n" << end_of(daemons_[j]->log());
  }
}

bool Stage::wait_renewed(milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  std::optional<std::uint64_t> since;
  do {
    const support::Output output = etcd_.etcdctl({"get", "--prefix", "gnomon/right/", "-w", "json"}, {.limit = 1s});
    if (output.exit.code == 0) {
      const auto entries = parse_etcdctl_json(output.text);
      std::size_t held = 0;
      std::size_t renewed = 0;
      std::uint64_t newest = 0;
      for (const RightWrite& entry : entries) {
        newest = std::max(newest, entry.revision);
        const auto window = lease::parse_window(entry.value);
        if (!window || window->state != lease::WindowState::kHeld) continue;
        ++held;
        if (since && entry.revision > *since) ++renewed;
      }
      if (!since) since = newest;
      if (renewed >= options_.daemons && held >= renewed) return true;
    }
    support::nap(kPollMs);
  } while (std::chrono::steady_clock::now() < until);
  return false;
}

bool Stage::wait_served(milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  for (std::size_t j = 0; j < streams_.size(); ++j) {
    if (!streams_[j]) continue;
    std::uint64_t ids = 0;
    while (ids == 0 && std::chrono::steady_clock::now() < until) {
      support::nap(kPollMs);
      ids = streams_[j]->take().ids;
    }
    EXPECT_GT(ids, 0U) << "daemon " << j << " does not serve\n" << end_of(daemons_[j]->log());
    if (ids == 0) return false;
  }
  return true;
}

// --- windows that run out

Ledger Stage::expect_runs_out(std::chrono::system_clock::time_point since) {
  Ledger received;
  for (const auto& stream : streams_)
    all_.follow_with(stream->take_ledger());
  const auto over = since + options_.window + kSlack;
  while (std::chrono::system_clock::now() < over)
    support::nap(kPollMs);
  for (std::size_t j = 0; j < streams_.size(); ++j) {
    const Account before = streams_[j]->take();
    EXPECT_GE(before.ids, kFewestIds) << "daemon " << j << " did not use its window\n" << end_of(daemons_[j]->log());
    EXPECT_GT(before.refused, 0U) << "daemon " << j << " went on\n" << end_of(daemons_[j]->log());
    EXPECT_EQ(before.other, 0U) << "daemon " << j << "\n" << end_of(daemons_[j]->log());
    received.absorb(streams_[j]->take_ledger());
  }
  std::this_thread::sleep_for(kSlack);
  for (std::size_t j = 0; j < streams_.size(); ++j) {
    const Account after = streams_[j]->take();
    EXPECT_EQ(after.ids, 0U) << "daemon " << j << " served after the end of its window";
    EXPECT_GT(after.refused, 0U) << "daemon " << j << " must refuse, not keep silent\n" << end_of(daemons_[j]->log());
    EXPECT_EQ(after.other, 0U) << "daemon " << j << "\n" << end_of(daemons_[j]->log());
    received.absorb(streams_[j]->take_ledger());
  }
  Ledger copy = received;
  all_.follow_with(std::move(copy));
  return received;
}

void Stage::expect_below_ceilings_of(const Ledger& received, std::chrono::system_clock::time_point since) const {
  // What was committed later reaches further: nothing was committed for longer than a window and kSlack.
  const time::SmearedUtc bound = instant_of(since + options_.window + kSlack);
  std::vector<RightWrite> writes = writes_;
  const auto rest = read_right_writes(etcd_, options_.etcd, read_from_);
  writes.insert(writes.end(), rest.begin(), rest.end());
  expect_none(RightChronicle(writes).faults_of(received, bound), "IDs above what had been committed:");
}

// --- the judgement

void Stage::keep_chronicle(std::uint64_t from) {
  const auto writes = read_right_writes(etcd_, options_.etcd, read_from_);
  writes_.insert(writes_.end(), writes.begin(), writes.end());
  read_from_ = from;
}

void Stage::expect_promises_kept() {
  for (std::size_t j = 0; j < daemons_.size(); ++j)
    if (daemons_[j]->alive()) stop_daemon(j);
  keep_chronicle(read_from_);
  const RightChronicle chronicle(writes_);
  expect_none(chronicle.faults(), "what etcd remembers of the rights:");
  expect_none(chronicle.faults_of(all_), "IDs that no window allowed:");
  EXPECT_GE(chronicle.holdings(), daemons_.size());
  const Ledger::Duplicates duplicates = all_.duplicates();
  EXPECT_EQ(duplicates.count, 0U) << duplicates.first;
  EXPECT_EQ(all_.order_violations(), 0U) << all_.first_order_violation();
  EXPECT_GT(all_.ids(), 0U);
  std::printf("%lu IDs under %zu machine ids; %zu writes of %zu rights\n", static_cast<unsigned long>(all_.ids()),
              all_.machines().size(), chronicle.writes(), chronicle.holdings());
}

}  // namespace gnomon::bed
