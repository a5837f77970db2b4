// SPDX-License-Identifier: Apache-2.0
//
// One table, up to two servers of it, and clients; for the tests of client/lease.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "client/lease/lease_client.hpp"
#include "tests/client/lease/fake_lease_service.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::client {

class LeaseTest : public testing::Test {
 protected:
  [[nodiscard]] std::shared_ptr<LeaseClient> connect(std::vector<std::string> servers,
                                                     time::Duration deadline = time::seconds(5)) {
    auto made = LeaseClient::connect({.servers = std::move(servers), .deadline = deadline});
    EXPECT_TRUE(made) << made.error().text;
    return *made;
  }
  [[nodiscard]] std::shared_ptr<LeaseClient> connect(time::Duration deadline = time::seconds(5)) {
    return connect({server_.address()}, deadline);
  }
  [[nodiscard]] static std::unique_ptr<Session> open(LeaseClient& client, SessionOptions options = {}) {
    auto session = client.open_session(std::move(options));
    EXPECT_TRUE(session) << session.error().text;
    return std::move(*session);
  }
  [[nodiscard]] static std::unique_ptr<Session> open(LeaseClient& client, time::Duration ttl) {
    return open(client, SessionOptions{.ttl = ttl});
  }
  template <typename Function>
  [[nodiscard]] static auto later(Function function) {
    return std::async(std::launch::async, std::move(function));
  }
  template <typename Future>
  [[nodiscard]] static bool is_ready(const Future& future) {
    return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }
  [[nodiscard]] bool is_free(const std::string& name) { return table_.view(name).state() == v1::LEASE_FREE; }
  [[nodiscard]] bool becomes_free(const std::string& name) {
    return support::eventually([&] { return is_free(name); });
  }
  [[nodiscard]] bool becomes_held(const std::string& name) {
    return support::eventually([&] { return !is_free(name); });
  }

  support::ScratchFolder folder_;
  FakeLeaseTable table_;
  FakeLeaseServer server_{table_, (folder_.path() / "1").string()};
};

}  // namespace gnomon::client
