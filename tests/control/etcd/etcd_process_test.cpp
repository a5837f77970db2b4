// SPDX-License-Identifier: Apache-2.0
//
// The scripted etcd as a process of its own, killed and started again. gRPC moves its sockets only while somebody waits
// in it; a server in the same process does that all the time and hides a client that forgets to.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "control/etcd/etcd_store.hpp"
#include "tests/control/etcd/fake_etcd.hpp"
#include "tests/control/temp_directory.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/eventually.hpp"

namespace gnomon::control {
namespace {

constexpr const char* kFile = "FAKE_ETCD_FILE";
constexpr const char* kPort = "FAKE_ETCD_PORT";

// What the child runs, until it is killed.
TEST(EtcdProcess, DISABLED_Serve) {
  const char* file = std::getenv(kFile);
  ASSERT_NE(file, nullptr) << "this is not a test but the server of the others";
  FakeCluster cluster;
  const FakeMember member(cluster, std::stoi(std::getenv(kPort)));
  std::ofstream(std::string(file) + ".new") << member.endpoint();
  ASSERT_EQ(std::rename((std::string(file) + ".new").c_str(), file), 0);
  for (;;)
    std::this_thread::sleep_for(std::chrono::hours(1));
}

class EtcdProcessTest : public testing::Test {
 protected:
  EtcdProcessTest() { start(); }
  void start() {
    const std::string file = directory.file("endpoint");
    child = std::make_unique<support::ChildProcess>(
        std::vector<std::string>{"/proc/self/exe", "--gtest_also_run_disabled_tests",
                                 "--gtest_filter=EtcdProcess.DISABLED_Serve"},
        std::map<std::string, std::string>{{kFile, file}, {kPort, port}}, directory.file("log"));
    ASSERT_TRUE(support::eventually([&] { return std::ifstream(file).good(); })) << child->log();
    std::getline(std::ifstream(file) >> std::ws, endpoint);
    port = endpoint.substr(endpoint.find(':') + 1);
    std::remove(file.c_str());
  }
  void kill_hard() { child.reset(); }
  std::unique_ptr<EtcdStore> open() {
    EtcdOptions options;
    options.endpoints = {endpoint};
    options.deadline = time::seconds(20);
    return std::move(*EtcdStore::open(options));
  }

  TempDirectory directory;
  std::string port = "0";
  std::string endpoint;
  std::unique_ptr<support::ChildProcess> child;
};

TEST_F(EtcdProcessTest, ConnectionThatEndedWhileIdleIsNotACommitOfUnknownOutcome) {
  auto store = open();
  ASSERT_TRUE(store->commit({{}, {{"k", "1"}}, {}}));
  // It is looked at for a millisecond, in which a busy machine may not get to telling of its end.
  tl::expected<Revision, StoreError> done;
  for (int attempt = 0; attempt < 5; ++attempt) {
    kill_hard();
    start();
    done = store->commit({{}, {{"k", "2"}}, {}});
    if (done) break;
  }
  EXPECT_TRUE(done) << done.error().text;
}

TEST_F(EtcdProcessTest, WatchFindsAMemberThatIsBack) {
  auto store = open();
  auto watch = store->watch("", {1});
  ASSERT_TRUE(store->commit({{}, {{"k", "1"}}, {}}));
  kill_hard();
  ASSERT_TRUE(support::eventually([&] { return !watch->next(time::milliseconds(10)); }));
  for (int i = 0; i < 30; ++i)  // several attempts to connect, so that the channel waits between them
    EXPECT_FALSE(watch->next(time::milliseconds(50)));
  start();
  EXPECT_TRUE(support::eventually([&] { return watch->next(time::milliseconds(100)).has_value(); }));
}

}  // namespace
}  // namespace gnomon::control
