// SPDX-License-Identifier: Apache-2.0
//
// The answer to a commit is lost, comes late, or the commit comes twice: each command took effect once, by what etcd
// itself remembers, and the daemons go on serving.
//
// A client that repeats what was not answered, or counts as failed what was not, looks well here until one asks etcd:
// a window that one command wrote at two revisions, or one that two commands hold. So the judge reads every revision of
// every right (right_chronicle.hpp), and the first tests show that it sees such things.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "oracle/id/layout.hpp"
#include "oracle/lease/stored_right.hpp"
#include "tests/control/bed/etcd_fixture.hpp"
#include "tests/control/bed/fault_proxy.hpp"
#include "tests/control/right_chronicle.hpp"
#include "tests/control/stage.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

using std::chrono::milliseconds;

// --- the judge sees what it is there for

constexpr mint::MachineId kMachine{5};
constexpr std::uint64_t kGrantedAt = 10;

lease::Nonce nonce_of(std::uint8_t n) { return {n}; }

time::SmearedUtc at_second(std::int64_t s) { return time::SmearedUtc{} + time::seconds(2'000'000'000 + s); }

RightWrite grant_at(std::uint64_t revision, std::uint8_t nonce) {
  return {lease::grant_key(kMachine),
          lease::encode(lease::Grant{.holder = "h", .incarnation = {1}, .nonce = nonce_of(nonce), .epoch = 1}),
          revision};
}

RightWrite window_at(std::uint64_t revision, std::uint8_t nonce, std::int64_t floor, std::int64_t ceiling,
                     std::uint64_t grant = 0) {
  return {lease::window_key(kMachine),
          lease::encode(lease::Window{.floor = at_second(floor),
                                      .ceiling = at_second(ceiling),
                                      .token = grant == 0 ? mint::Token{} : lease::make_token(1, {grant}),
                                      .nonce = nonce_of(nonce)}),
          revision};
}

std::vector<RightWrite> honest() {
  return {grant_at(kGrantedAt, 1), window_at(kGrantedAt, 1, 0, 10), window_at(11, 2, 0, 15, kGrantedAt),
          grant_at(12, 3), window_at(12, 3, 15, 25)};
}

std::string first_fault(const std::vector<RightWrite>& writes) {
  const RightChronicle chronicle(writes);
  return chronicle.faults().empty() ? "" : chronicle.faults().front();
}

support::IssuedRange issued(std::int64_t second, std::uint64_t grant) {
  const id::Layout layout = id::builtin_layouts()[0];
  return {.first = layout.pack(layout.unit_of(at_second(second)), kMachine, 0).value,
          .count = 1,
          .layout = 1,
          .machine = kMachine.value,
          .token_low = static_cast<std::uint32_t>(grant)};
}

TEST(RightChronicle, HasNothingAgainstTwoHoldersOneAfterTheOther) { EXPECT_EQ(first_fault(honest()), ""); }

TEST(RightChronicle, SeesWindowsThatOverlap) {
  auto writes = honest();
  writes.back() = window_at(12, 3, 14, 25);
  EXPECT_NE(first_fault(writes).find("below the end of the window before"), std::string::npos);
}

TEST(RightChronicle, SeesACommandThatTookEffectTwice) {
  auto writes = honest();
  writes.insert(writes.begin() + 3, window_at(11, 1, 0, 15, kGrantedAt));
  writes[3].revision = 11;
  EXPECT_NE(first_fault(writes).find("the same command"), std::string::npos) << first_fault(writes);
}

TEST(RightChronicle, SeesAnExtensionOfSomebodyElsesRight) {
  auto writes = honest();
  writes.push_back(window_at(13, 9, 15, 30, kGrantedAt));
  EXPECT_NE(first_fault(writes).find("another token"), std::string::npos);
}

TEST(RightChronicle, SeesACeilingThatWasLowered) {
  auto writes = honest();
  writes[2] = window_at(11, 2, 0, 9, kGrantedAt);
  EXPECT_NE(first_fault(writes).find("wrong way"), std::string::npos);
}

TEST(RightChronicle, SeesIdsOutsideOfTheirWindow) {
  const RightChronicle chronicle(honest());
  const auto faults_of = [&](const support::IssuedRange& range) {
    support::Ledger ledger;
    ledger.add(range);
    return chronicle.faults_of(ledger).size();
  };
  EXPECT_EQ(faults_of(issued(14, kGrantedAt)), 0U);
  EXPECT_EQ(faults_of(issued(15, kGrantedAt)), 1U) << "at the ceiling";
  EXPECT_EQ(faults_of(issued(14, 12)), 1U) << "below the floor of the second holder";
  EXPECT_EQ(faults_of(issued(14, 11)), 1U) << "nobody was granted that token";
  support::Ledger early;
  early.add(issued(12, kGrantedAt));
  EXPECT_EQ(chronicle.faults_of(early, at_second(15)).size(), 1U) << "the extension came later";
}

TEST(RightChronicle, ReadsWhatEtcdctlPrints) {
  // "gnomon/right/m/00005/grant" -> "x", then its deletion; "other" is nobody's business.
  const auto writes = parse_etcdctl_json(
      R"({"Events":[{"kv":{"key":"Z25vbW9uL3JpZ2h0L20vMDAwMDUvZ3JhbnQ=","create_revision":2,"mod_revision":7,)"
      R"("version":1,"value":"eA=="}},{"kv":{"key":"b3RoZXI=","mod_revision":8}},)"
      R"({"type":1,"kv":{"key":"Z25vbW9uL3JpZ2h0L20vMDAwMDUvZ3JhbnQ=","mod_revision":9}}]})");
  ASSERT_EQ(writes.size(), 2U);
  EXPECT_EQ(writes[0], (RightWrite{lease::grant_key(kMachine), "x", 7, false}));
  EXPECT_EQ(writes[1], (RightWrite{lease::grant_key(kMachine), "", 9, true}));
}

// --- the saboteur

constexpr auto kFaults = 1200ms;  // of each cycle; then all pass until the next
constexpr auto kQuiet = 900ms;
constexpr milliseconds kTimeout{500};  // of the daemons' calls

/// One proxy for each daemon and endpoint, and somebody who plays with them.
class Saboteur {
 public:
  Saboteur(const EtcdCluster& etcd, std::size_t daemons, std::uint64_t seed) : random_(seed), per_daemon_(etcd.size()) {
    for (std::size_t i = 0; i < daemons * per_daemon_; ++i)
      proxies_.push_back(std::make_unique<FaultProxy>(support::on_loopback(etcd.client_port(i % per_daemon_))));
  }

  [[nodiscard]] std::vector<std::string> urls() const {
    std::vector<std::string> urls;
    for (std::size_t first = 0; first < proxies_.size(); first += per_daemon_) {
      std::vector<std::string> endpoints;
      for (std::size_t i = first; i < first + per_daemon_; ++i)
        endpoints.push_back(fmt::format("http://127.0.0.1:{}", proxies_[i]->port()));
      urls.push_back(EtcdCluster::url_of(endpoints));
    }
    return urls;
  }

  /// Random faults for so long, then all pass again, and what was held comes late.
  void sabotage(milliseconds how_long) {
    const auto until = std::chrono::steady_clock::now() + how_long;
    while (std::chrono::steady_clock::now() < until) {
      // All endpoints of one daemon at once, mostly: else it goes on over another one and learns nothing.
      const std::size_t daemon = pick(proxies_.size() / per_daemon_);
      const bool all = pick(3) != 0;
      const std::size_t one = pick(per_daemon_);
      const std::size_t fault = pick(7);
      const auto how_late = milliseconds(static_cast<std::int64_t>(pick(static_cast<std::size_t>(kTimeout.count()))));
      for (std::size_t i = 0; i < per_daemon_; ++i)
        if (all || i == one) apply(*proxies_[daemon * per_daemon_ + i], fault, how_late);
      std::this_thread::sleep_for(milliseconds(40 + pick(200)));
    }
    for (const auto& proxy : proxies_) {
      proxy->pass();
      proxy->delay(0ms);
      proxy->let_go();
    }
  }

  /// Says again what was said, on connections of every age.
  void replay(std::size_t times) {
    for (std::size_t n = 0; n < times; ++n) {
      FaultProxy& proxy = *proxies_[pick(proxies_.size())];
      std::vector<FaultProxy::Recording> there = proxy.recordings();
      std::erase_if(there, [](const FaultProxy::Recording& r) { return !r.replayable || r.requests == 0; });
      if (there.empty()) continue;
      try {
        (void)proxy.replay(there[pick(there.size())].connection);
      } catch (const std::runtime_error&) {
        ++missed_;  // the proxy has forgotten it meanwhile
      }
    }
  }

  /// Says all that is being said once more, and the twin is the first to arrive: what is said itself takes its time.
  void double_all(milliseconds how_long) {
    constexpr auto kSlow = 120ms;
    for (const auto& proxy : proxies_) {
      proxy->reset();  // so that there is little to say again
      proxy->pass();
      proxy->delay(kSlow);
    }
    const auto until = std::chrono::steady_clock::now() + how_long;
    for (std::size_t i = 0; std::chrono::steady_clock::now() < until; ++i) {
      FaultProxy& proxy = *proxies_[i % proxies_.size()];
      const std::vector<FaultProxy::Recording> there = proxy.recordings();
      for (std::size_t n = 1; n <= std::min<std::size_t>(2, there.size()); ++n)  // the store's connection, the watch's
        if (there[there.size() - n].replayable) (void)proxy.replay(there[there.size() - n].connection);
      std::this_thread::sleep_for(kSlow / 8);
    }
    for (const auto& proxy : proxies_)
      proxy->delay(0ms);
  }

  [[nodiscard]] ProxyCounts counts() const {
    ProxyCounts sum;
    for (const auto& proxy : proxies_) {
      const ProxyCounts counts = proxy->counts();
      sum.resets += counts.resets;
      sum.answers_dropped += counts.answers_dropped;
      sum.late_deliveries += counts.late_deliveries + counts.cancellations_lost;  // given up, and delivered
      sum.replays += counts.replays;
    }
    return sum;
  }

 private:
  std::size_t pick(std::size_t below) { return static_cast<std::size_t>(random_() % below); }

  void apply(FaultProxy& proxy, std::size_t fault, milliseconds how_late) {
    switch (fault) {
      case 0:
      case 1: return proxy.drop_answers();
      case 2: return proxy.delay(how_late);
      case 3: return proxy.reset();
      case 4: return proxy.stall();
      case 5: return proxy.hold();
      default: proxy.let_go(); return proxy.pass();
    }
  }

  std::mt19937_64 random_;
  std::size_t per_daemon_;
  std::uint64_t missed_ = 0;
  std::vector<std::unique_ptr<FaultProxy>> proxies_;
};

class LostAnswers : public Etcd {};
INSTANTIATE_TEST_SUITE_P(Versions, LostAnswers, testing::Values("3.5"), version_name);

TEST_P(LostAnswers, EachCommandTakesEffectOnce) {
  const int cycles = support::full_size() ? 200 : 14;
  const std::uint64_t seed = std::random_device{}();
  std::printf("seed %lu\n", static_cast<unsigned long>(seed));
  Stage stage({.etcd = {.version = GetParam(), .members = 3, .heartbeat = 50ms, .election_timeout = 300ms},
               .window = 3s,
               .daemon_options = {{"store.timeout_ms", std::to_string(kTimeout.count())}}});
  Saboteur saboteur(stage.etcd(), 2, seed);
  stage.set_urls(saboteur.urls());
  ASSERT_TRUE(stage.set_up());
  std::uint64_t refused = 0;
  for (int cycle = 0; cycle < cycles; ++cycle) {
    // Now and then one gives its rights back and takes others, with answers that are lost.
    const bool restarts = cycle % 5 == 4;
    stage.mark();
    if (restarts) stage.stop_daemon(1, cycle % 2 == 0);
    std::thread faults([&] { saboteur.sabotage(kFaults); });
    const bool started = !restarts || stage.start_daemon(1);
    faults.join();
    ASSERT_TRUE(started);
    std::thread replays([&] { saboteur.replay(3); });
    std::this_thread::sleep_for(kQuiet);
    replays.join();
    for (const std::size_t j : {0U, 1U}) {
      const Account seen = stage.stream(j).take();
      refused += seen.refused;
      const std::uint64_t fewest = j == 1 && restarts ? 0 : 100;
      EXPECT_GE(seen.ids, fewest) << "cycle " << cycle << ", daemon " << j << "\n" << end_of(stage.daemon(j).log());
    }
  }
  ASSERT_TRUE(stage.wait_renewed()) << stage.etcd().logs();
  stage.mark();
  std::this_thread::sleep_for(1s);
  stage.expect_served("at the end");
  stage.expect_promises_kept();

  const ProxyCounts counts = saboteur.counts();
  EXPECT_GT(counts.answers_dropped, 0U);
  EXPECT_GT(counts.resets, 0U);
  EXPECT_GT(counts.late_deliveries, 0U);
  EXPECT_GT(counts.replays, 0U);
  std::printf("%d cycles: %lu answers dropped, %lu resets, %lu late deliveries, %lu replays; %lu refusals meanwhile\n",
              cycles, static_cast<unsigned long>(counts.answers_dropped), static_cast<unsigned long>(counts.resets),
              static_cast<unsigned long>(counts.late_deliveries), static_cast<unsigned long>(counts.replays),
              static_cast<unsigned long>(refused));
}

// If the twin of a commit comes first, the commit itself is answered by "somebody else did this". For a right that
// might as well be a copy of this daemon, so it is given up, and another id is taken: service suffers, and nothing
// else. But such an answer to a heartbeat must not be the daemon's end.
TEST_P(LostAnswers, TheTwinOfEachRequestMayComeFirst) {
  const int spans = support::full_size() ? 60 : 4;
  Stage stage({.etcd = {.version = GetParam()},
               .window = 3s,
               .daemon_options = {{"store.timeout_ms", std::to_string(kTimeout.count())}}});
  Saboteur saboteur(stage.etcd(), 2, std::random_device{}());
  stage.set_urls(saboteur.urls());
  ASSERT_TRUE(stage.set_up());
  stage.mark();
  for (int span = 0; span < spans; ++span)
    saboteur.double_all(2500ms);
  std::uint64_t refused = 0;
  for (const std::size_t j : {0U, 1U}) {
    const Account seen = stage.stream(j).take();
    refused += seen.refused;
    EXPECT_GE(seen.ids, 1000U) << "daemon " << j << "\n" << end_of(stage.daemon(j).log());
    EXPECT_TRUE(stage.daemon(j).alive()) << end_of(stage.daemon(j).log());
  }
  ASSERT_TRUE(stage.wait_served()) << "nobody has to help";
  ASSERT_TRUE(stage.wait_renewed()) << stage.etcd().logs();
  stage.mark();
  std::this_thread::sleep_for(1s);
  stage.expect_served("at the end");
  stage.expect_promises_kept();
  EXPECT_GT(saboteur.counts().replays, 0U);
  std::printf("%lu connections were said twice; %lu refusals meanwhile\n",
              static_cast<unsigned long>(saboteur.counts().replays), static_cast<unsigned long>(refused));
}

}  // namespace
}  // namespace gnomon::bed
