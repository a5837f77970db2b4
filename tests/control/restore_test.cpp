// SPDX-License-Identifier: Apache-2.0
//
// etcd is put back from an older snapshot: in perfect health, and ignorant of every window that it granted since. Each
// way in which that can meet the daemons (they run on, they were killed, others have written meanwhile, the cluster has
// another id), what they say and do, and then the documented way out, by the very command of docs/etcd.md.
//
// "It refuses" alone would also be true of a daemon that is broken in some other way, so each case ends with all
// daemons serving again, and with one judgement over everything that any client ever received.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/control/bed/etcd_fixture.hpp"
#include "tests/control/hosts.hpp"
#include "tests/support/eventually.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t kFewestIds = 300;  // of a daemon in a phase: what a few tens of milliseconds bring
constexpr auto kServesAgain = 60s;         // the floor lies a window, a lead and what clocks may be apart ahead: 7 s

class Restore : public Etcd {
 protected:
  // As many machine ids as there will be daemons, so that after a recovery the very ids are taken that were in use.
  void set_up(std::size_t daemons, std::size_t machine_ids, std::size_t members = 1) {
    etcd_ = &start({.members = members, .election_timeout = 300ms});
    hosts_ = std::make_unique<Hosts>(
        *etcd_, std::map<std::string, std::string>{{"rights.machine_ids", std::to_string(machine_ids)}});
    for (std::size_t j = 0; j < daemons; ++j)
      hosts_->add();
    for (std::size_t j = 0; j < daemons; ++j)
      ASSERT_TRUE(hosts_->start(j)) << hosts_->log(j);
    expect_served_by_all("at first");
    store_ = store_of(*etcd_);
  }
  void TearDown() override {
    store_.reset();
    hosts_.reset();
  }

  void expect_served_by_all(const char* when) {
    for (std::size_t j = 0; j < hosts_->size(); ++j) {
      ASSERT_TRUE(hosts_->serves(j, kServesAgain)) << when << ": host " << j << "\n" << hosts_->log(j);
      std::uint64_t ids = 0;
      EXPECT_TRUE(support::eventually([&] { return (ids += hosts_->take(j).ids) >= kFewestIds; })) << when << ids;
    }
  }

  // A snapshot, and windows that it does not know: every daemon extends twice after it, so that the first is in its
  // journal. What is not there yet was not acknowledged to it, and is no loss.
  void snapshot_and_go_on() {
    etcd_->snapshot(snapshot_path());
    for (int times = 0; times < 2; ++times) {
      const lease::RightTable before = rights_in(*store_);
      ASSERT_GE(before.rights.size(), hosts_->size());
      ASSERT_TRUE(support::eventually([&] {
        const lease::RightTable now = rights_in(*store_);
        for (const auto& [machine, right] : before.rights)
          if (now.find(machine)->window->modified <= right.window->modified) return false;
        return true;
      })) << "a daemon does not extend";
    }
  }
  void restore(ClusterId id = ClusterId::kSame) {
    // Old tokens and ceilings, to hold the new ones against.
    for (const auto& [machine, right] : rights_in(*store_).rights)
      known_[machine] = right;
    revision_ = etcd_->revision();
    etcd_->restore_from(snapshot_path(), id);
    ASSERT_LT(etcd_->revision(), revision_) << "the restore brought nothing back";
    store_ = store_of(*etcd_);
  }
  [[nodiscard]] std::filesystem::path snapshot_path() const { return etcd_->folder() / "backup.db"; }

  void expect_refusal(std::size_t j, const support::Exit& exit, const std::string& word) {
    EXPECT_TRUE(exit.exited) << "host " << j << " was ended by signal " << exit.signal << "\n" << hosts_->log(j);
    EXPECT_EQ(exit.code, 1) << hosts_->log(j);
    const std::string log = hosts_->log(j);
    EXPECT_NE(log.find(word), std::string::npos) << "'" << word << "' is not in\n" << log;
    EXPECT_NE(log.find("gnomon control recover"), std::string::npos) << "the way out is not in\n" << log;
  }
  void expect_sealed() { EXPECT_TRUE(meta_of(*store_).sealed.has_value()) << "the store is not sealed"; }

  void recover() {
    const support::Output output = hosts_->gnomon(0, {"control", "recover", "--store", etcd_->url(), "--yes"});
    ASSERT_EQ(output.exit.code, 0) << output.text;
  }
  // After a recovery: not sealed, everything lies above what was issued and known before, and all serve again.
  void expect_recovered(std::uint16_t epochs = 1) {
    const control::MetaView view = meta_of(*store_);
    ASSERT_TRUE(view.meta.has_value());
    EXPECT_FALSE(view.sealed.has_value());
    EXPECT_GE(view.meta->identity.epoch, 1 + epochs);
    issued_before_ = hosts_->latest_issued();
    EXPECT_GT(view.meta->facts.floor, issued_before_);
    for (const auto& [machine, right] : known_) {
      EXPECT_GE(view.meta->facts.floor, right.window->value.ceiling) << "machine id " << machine.value;
    }
  }
  void start_all_again() {
    for (std::size_t j = 0; j < hosts_->size(); ++j)
      ASSERT_TRUE(hosts_->start(j)) << hosts_->log(j);
    expect_served_by_all("after the recovery");
  }
  void expect_promises_kept() {
    const time::SmearedUtc floor = meta_of(*store_).meta->facts.floor;
    std::size_t taken = 0;
    for (const auto& [machine, right] : rights_in(*store_).rights) {
      const auto before = known_.find(machine);
      if (before == known_.end() || right.window->value.state != lease::WindowState::kHeld) continue;
      ++taken;
      ASSERT_TRUE(right.token() && before->second.token());
      EXPECT_GT(*right.token(), *before->second.token()) << "machine id " << machine.value;
      EXPECT_GE(right.window->value.floor, floor) << "machine id " << machine.value;
      EXPECT_GT(right.window->value.floor, issued_before_) << "machine id " << machine.value;
    }
    EXPECT_EQ(taken, known_.size()) << "not every machine id that was in use was taken again";
    hosts_->expect_unique();
  }

  EtcdCluster* etcd_ = nullptr;
  std::unique_ptr<Hosts> hosts_;
  std::unique_ptr<control::EtcdStore> store_;
  std::map<mint::MachineId, lease::StoredRight> known_;
  std::uint64_t revision_ = 0;
  time::SmearedUtc issued_before_;
};

INSTANTIATE_TEST_SUITE_P(Versions, Restore, testing::ValuesIn(kVersions), version_name);

TEST_P(Restore, UnderRunningDaemonsIsNoticedAndSealedAndRecoveredFrom) {
  set_up(2, 3, 3);
  if (HasFatalFailure()) return;
  snapshot_and_go_on();
  restore();
  for (const std::size_t j : {0U, 1U})
    expect_refusal(j, hosts_->wait_exit(j), "");
  const std::string logs = hosts_->log(0) + hosts_->log(1);
  EXPECT_NE(logs.find("went back in time"), std::string::npos) << logs;
  expect_sealed();
  const support::Output seen = hosts_->gnomon(0, {"cluster", "--direct"});
  EXPECT_EQ(seen.exit.code, 1) << seen.text;
  EXPECT_NE(seen.text.find("sealed"), std::string::npos) << seen.text;

  // Nobody starts: not the one who found it out, and not one who has never seen this store.
  const std::size_t stranger = hosts_->add();
  for (const std::size_t j : {std::size_t{0}, std::size_t{1}, stranger})
    expect_refusal(j, hosts_->start_refused(j), "sealed");

  recover();
  expect_recovered();
  start_all_again();
  expect_promises_kept();
}

TEST_P(Restore, WhileAllWereDeadIsNoticedByTheFirstJournal) {
  set_up(2, 2);
  if (HasFatalFailure()) return;
  snapshot_and_go_on();
  for (const std::size_t j : {0U, 1U})
    hosts_->kill_hard(j);
  restore();
  expect_refusal(1, hosts_->start_refused(1), "has lost what it acknowledged");
  expect_sealed();
  expect_refusal(0, hosts_->start_refused(0), "sealed");
  recover();
  expect_recovered();
  start_all_again();
  expect_promises_kept();
}

// The revision alone tells nothing once it has passed the old one.
TEST_P(Restore, IsNoticedThoughOthersHaveMovedTheRevisionOn) {
  set_up(2, 2);
  if (HasFatalFailure()) return;
  snapshot_and_go_on();
  for (const std::size_t j : {0U, 1U})
    hosts_->kill_hard(j);
  restore();
  while (etcd_->revision() <= revision_ + 1) {
    control::Transaction strangers;
    strangers.puts.push_back({"somebody-elses", "x"});
    ASSERT_TRUE(store_->commit(strangers));
  }
  expect_refusal(0, hosts_->start_refused(0), "has lost what it acknowledged");
  expect_sealed();
  expect_refusal(1, hosts_->start_refused(1), "sealed");
  recover();
  expect_recovered();
  start_all_again();
  expect_promises_kept();
}

// Under a new cluster id, as etcd advises: a running daemon has nothing to do with that cluster.
TEST_P(Restore, UnderANewClusterIdIsKeptAwayFromByRunningDaemons) {
  set_up(2, 2);
  if (HasFatalFailure()) return;
  snapshot_and_go_on();
  restore(ClusterId::kNew);
  for (const std::size_t j : {0U, 1U})
    EXPECT_TRUE(hosts_->stands_down(j)) << "host " << j << " goes on past the end of its window\n" << hosts_->log(j);
  for (const auto& [machine, right] : rights_in(*store_).rights)
    EXPECT_LT(right.window->modified.value, revision_) << "a daemon wrote to a cluster that it does not know";
  for (const std::size_t j : {0U, 1U})
    if (hosts_->daemon(j).alive()) hosts_->kill_hard(j);
  expect_refusal(0, hosts_->start_refused(0), "has lost what it acknowledged");
  expect_sealed();
  recover();
  expect_recovered();
  start_all_again();
  expect_promises_kept();
}

// A recovery may be run twice, and may be killed at any moment and run again; a daemon that is new comes to serve after
// it like the others.
TEST_P(Restore, RecoveredTwiceAndInterruptedInBetween) {
  set_up(1, 2);
  if (HasFatalFailure()) return;
  snapshot_and_go_on();
  hosts_->kill_hard(0);
  restore();
  const auto run_and_kill = [&](std::optional<std::chrono::microseconds> after) {
    support::ChildProcess tool({support::built("cmd/gnomon"), "control", "recover", "--store", etcd_->url(), "--yes"},
                               hosts_->configuration(0), etcd_->folder() / "tool.log");
    if (after) {
      std::this_thread::sleep_for(*after);
      tool.send_signal(SIGKILL);
    }
    return tool.wait_exit(20s);
  };
  // How long it takes when nobody kills it, so that the moments below lie within.
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(run_and_kill({}).code, 0) << support::slurp(etcd_->folder() / "tool.log");
  const auto whole = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - start);
  std::mt19937_64 random(std::random_device{}());
  const int rounds = support::full_size() ? 100 : 12;
  int killed = 0;
  std::uint16_t epoch = meta_of(*store_).meta->identity.epoch;
  for (int round = 0; round < rounds; ++round) {
    const std::chrono::microseconds moment(random() % static_cast<std::uint64_t>(whole.count()));
    if (run_and_kill(moment).signal == SIGKILL) ++killed;
    // Whatever it had done by then: the store says which one it is, and the epoch never falls.
    const control::MetaView view = meta_of(*store_);
    ASSERT_TRUE(view.meta.has_value());
    EXPECT_GE(view.meta->identity.epoch, epoch);
    epoch = view.meta->identity.epoch;
  }
  std::printf("%d of %d recoveries were killed within %ld us; epoch %d\n", killed, rounds,
              static_cast<long>(whole.count()), epoch);
  EXPECT_GT(killed, 0) << "all recoveries were done before they could be killed";
  recover();
  const control::MetaView once = meta_of(*store_);
  ASSERT_TRUE(once.meta.has_value());
  recover();
  const control::MetaView twice = meta_of(*store_);
  ASSERT_TRUE(twice.meta.has_value());
  EXPECT_GT(twice.meta->identity.epoch, once.meta->identity.epoch);
  EXPECT_NE(twice.meta->identity.machine, once.meta->identity.machine) << "the lineage is drawn anew";
  EXPECT_GE(twice.meta->facts.floor, once.meta->facts.floor);
  expect_recovered(2);
  hosts_->add();
  start_all_again();
  expect_promises_kept();
}

}  // namespace
}  // namespace gnomon::bed
