// SPDX-License-Identifier: Apache-2.0
//
// Two daemons with one and the same state: a host that was cloned, an image with a journal in it, a backup of the state
// directory that somebody put on a second machine. Same instance name, same journal, started at once. Neither may take
// what the journal tells of for its own: a right belongs to an incarnation, which is drawn anew by each start.
//
// Two hosts are made of one: each daemon has a /dev/shm of its own (a mount namespace), where the pages and their lock
// lie, and a runtime directory of its own. That takes root.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/control/bed/etcd_fixture.hpp"
#include "tests/control/right_chronicle.hpp"
#include "tests/control/stage.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/own_mounts.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

using support::Daemon;
using support::Ledger;

constexpr const char* kInstance = "cloned";
constexpr auto kTogether = 4s;  // they serve at the same time, for more than one window
constexpr std::uint64_t kFewestIds = 1000;

/// A gnomond that sees a /dev/shm of its own. The process stays the one that was started, through every exec.
std::string program_on_a_host_of_its_own(const std::filesystem::path& folder) {
  const std::filesystem::path program = folder / "gnomond-elsewhere";
  std::ofstream(program) << fmt::format(
      "#!/bin/sh\nexec '{}' --mount sh -c 'mount -t tmpfs none /dev/shm && exec \"$0\" \"$@\"' '{}' \"$@\"\n",
      support::find_program("unshare"), std::filesystem::absolute(support::built("cmd/gnomond")).string());
  std::filesystem::permissions(program, std::filesystem::perms::owner_all);
  return program.string();
}

class ClonedState : public Etcd {
 protected:
  static constexpr std::chrono::milliseconds kWindow{3000};

  void SetUp() override {
    Etcd::SetUp();
    if (IsSkipped()) return;
    if (support::find_program("unshare").empty()) GTEST_SKIP() << "takes unshare";
    if (!support::may_have_own_mounts()) GTEST_SKIP() << support::kNoOwnMounts;
    program_ = program_on_a_host_of_its_own(folder_.path());
  }

  std::unique_ptr<Daemon> host(const EtcdCluster& etcd, const std::string& name) const {
    return std::make_unique<Daemon>(
        folder_.path() / name,
        std::map<std::string, std::string>{{"server.instance", kInstance},
                                           {"store.url", etcd.url()},
                                           {"store.heartbeat_ms", "200"},
                                           {"rights.window_ms", std::to_string(kWindow.count())}},
        program_);
  }

  void copy_state(const std::string& from, const std::string& to) const {
    const std::filesystem::path there = folder_.path() / to / "state";
    std::filesystem::remove_all(there);
    std::filesystem::copy(folder_.path() / from / "state", there, std::filesystem::copy_options::recursive);
    ASSERT_FALSE(support::slurp(there / (std::string("etcd.") + kInstance + ".acknowledged")).empty())
        << "there is no journal that could deceive anybody";
  }

  // Both ready, both asked at the same time for a while, and what each was given.
  void serve_together(Daemon& one, Daemon& other) {
    Ledger of_one;
    Ledger of_other;
    {
      Stream first(one.endpoints().front());
      Stream second(other.endpoints().front());
      std::this_thread::sleep_for(kTogether);
      of_one = first.take_ledger();
      of_other = second.take_ledger();
    }
    EXPECT_GE(of_one.ids(), kFewestIds) << end_of(one.log());
    EXPECT_GE(of_other.ids(), kFewestIds) << end_of(other.log());
    const auto rights_of = [](const Ledger& ledger) {
      std::set<std::pair<std::uint16_t, std::uint32_t>> rights;
      for (const support::IssuedRange& range : ledger.ranges())
        rights.emplace(range.machine, range.token_low);
      return rights;
    };
    for (const auto& right : rights_of(of_one))
      EXPECT_FALSE(rights_of(of_other).contains(right))
          << "machine id " << right.first << " under token .." << right.second << " was issued by both";
    received_.follow_with(std::move(of_one));
    received_.follow_with(std::move(of_other));
  }

  void expect_promises_kept(const EtcdCluster& etcd, const EtcdOptions& options) const {
    const RightChronicle chronicle(read_right_writes(etcd, options));
    EXPECT_TRUE(chronicle.faults().empty()) << chronicle.faults().front();
    const auto outside = chronicle.faults_of(received_);
    EXPECT_TRUE(outside.empty()) << outside.front();
    const Ledger::Duplicates duplicates = received_.duplicates();
    EXPECT_EQ(duplicates.count, 0U) << duplicates.first;
    EXPECT_EQ(received_.order_violations(), 0U) << received_.first_order_violation();
    std::printf("%lu IDs, %zu rights, %zu machine ids\n", static_cast<unsigned long>(received_.ids()),
                received_.rights(), received_.machines().size());
  }

  support::ScratchFolder folder_;
  std::string program_;
  Ledger received_;
};

INSTANTIATE_TEST_SUITE_P(Versions, ClonedState, testing::Values("3.5"), version_name);

// The journal tells of rights that were never given back: the daemon was killed.
TEST_P(ClonedState, StartedTwiceAtOnce) {
  const EtcdOptions options{.version = GetParam()};
  EtcdCluster& etcd = start(options);
  auto original = host(etcd, "a");
  auto copy = host(etcd, "b");
  for (int round = 0; round < rounds(); ++round) {
    original->start();
    ASSERT_TRUE(original->wait_ready()) << end_of(original->log());
    {
      Stream before(original->endpoints().front());
      std::this_thread::sleep_for(500ms);
      received_.follow_with(before.take_ledger());
    }
    original->kill_hard();
    copy_state("a", "b");
    original->start();
    copy->start();
    ASSERT_TRUE(original->wait_ready()) << end_of(original->log());
    ASSERT_TRUE(copy->wait_ready()) << end_of(copy->log());
    serve_together(*original, *copy);
    EXPECT_EQ(original->stop().code, 0) << end_of(original->log());
    EXPECT_EQ(copy->stop().code, 0) << end_of(copy->log());
  }
  expect_promises_kept(etcd, options);
}

// What the copy's journal tells of is held and extended by somebody who lives.
TEST_P(ClonedState, CopiedWhileOneRuns) {
  const EtcdOptions options{.version = GetParam()};
  EtcdCluster& etcd = start(options);
  auto original = host(etcd, "a");
  auto copy = host(etcd, "b");
  original->start();
  ASSERT_TRUE(original->wait_ready()) << end_of(original->log());
  for (int round = 0; round < rounds(); ++round) {
    copy_state("a", "b");
    copy->start();
    ASSERT_TRUE(copy->wait_ready()) << end_of(copy->log());
    serve_together(*original, *copy);
    copy->kill_hard();
    ASSERT_TRUE(original->alive()) << end_of(original->log());
  }
  EXPECT_EQ(original->stop().code, 0) << end_of(original->log());
  expect_promises_kept(etcd, options);
}

}  // namespace
}  // namespace gnomon::bed
