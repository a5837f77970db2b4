// SPDX-License-Identifier: Apache-2.0
//
// A daemon that is started before its store: after a power cut all hosts come back in any order. It waits, says what it
// waits for, serves as soon as there is an etcd, and can be told to stop meanwhile.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <string>
#include <thread>

#include "cmd/exit_code.hpp"
#include "tests/control/bed/etcd_fixture.hpp"
#include "tests/control/stage.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

using Clock = std::chrono::steady_clock;
using support::Daemon;

constexpr int kPollMs = 20;

class AwayAtStart : public Etcd {
 protected:
  // A cluster that is known, and not there yet.
  void SetUp() override {
    Etcd::SetUp();
    if (IsSkipped()) return;
    etcd_ = std::make_unique<EtcdCluster>(EtcdOptions{.version = GetParam()});
    daemon_ = std::make_unique<Daemon>(folder_.path(), std::map<std::string, std::string>{{"store.url", etcd_->url()}});
  }

  [[nodiscard]] bool comes_to_wait() const {
    const auto until = Clock::now() + 20s;
    while (Clock::now() < until && daemon_->alive()) {
      if (daemon_->log().find("trying again") != std::string::npos) return true;
      support::nap(kPollMs);
    }
    return false;
  }

  support::ScratchFolder folder_;
  std::unique_ptr<EtcdCluster> etcd_;
  std::unique_ptr<Daemon> daemon_;
};

INSTANTIATE_TEST_SUITE_P(Versions, AwayAtStart, testing::Values("3.5"), version_name);

TEST_P(AwayAtStart, ItWaitsAndServes) {
  daemon_->start();
  ASSERT_TRUE(comes_to_wait()) << daemon_->log();
  EXPECT_FALSE(daemon_->wait_ready(1s)) << "nobody can have granted it anything";
  etcd_->start();
  ASSERT_TRUE(daemon_->wait_ready()) << daemon_->log();
  Stream stream(daemon_->endpoints().front());
  Account seen;
  for (const auto until = Clock::now() + 30s; seen.ids == 0 && Clock::now() < until; support::nap(kPollMs))
    seen = stream.take();
  EXPECT_GT(seen.ids, 0U) << daemon_->log();
  EXPECT_EQ(daemon_->stop().code, 0) << daemon_->log();
}

TEST_P(AwayAtStart, ItCanBeStoppedWhileItWaits) {
  daemon_->start();
  ASSERT_TRUE(comes_to_wait()) << daemon_->log();
  const auto told = Clock::now();
  daemon_->send_signal(SIGTERM);
  const support::Exit exit = daemon_->wait_exit(60s);
  const auto took = Clock::now() - told;
  std::printf("ended %ld ms after SIGTERM, exit code %d\n",
              static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()), exit.code);
  EXPECT_EQ(exit.signal, 0) << "it has to end by itself\n" << daemon_->log();
  EXPECT_LT(took, 15s) << "it waited on";  // it would give up by itself after 30 s
}

// Half a minute: only where all sizes are asked for.
TEST_P(AwayAtStart, ItGivesUpAtLast) {
  if (!support::full_size()) GTEST_SKIP() << "takes half a minute: ./dev test --full";
  daemon_->start();
  const support::Exit exit = daemon_->wait_exit(300s);
  EXPECT_EQ(exit.code, cmd::status_of(cmd::ExitCode::kUnreachable)) << daemon_->log();
}

}  // namespace
}  // namespace gnomon::bed
