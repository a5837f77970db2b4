// SPDX-License-Identifier: Apache-2.0
//
// A gnomon server for the client's tests: the real worker step (oracle/serve) behind one plain UDP socket and a thread.
// It publishes its own rights, so that a test can take them away, and it keeps the worker's real counters.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "client/client.hpp"
#include "oracle/page/rights_page.hpp"
#include "oracle/page/worker_page.hpp"
#include "oracle/serve/server.hpp"
#include "platform/endpoint.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::client::testing {

struct TestServerOptions {
  std::uint16_t port = 0;  // 0: any free one
  std::uint16_t machine = 1;
  bool leased = true;
  wire::KeyRing keys{};  // not empty: every request has to be signed
};

class TestServer {
 public:
  explicit TestServer(const TestServerOptions& options = {});
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  [[nodiscard]] std::uint16_t port() const { return endpoint_.port; }
  [[nodiscard]] std::string address() const { return to_string(endpoint_); }
  [[nodiscard]] std::uint64_t count(page::Counter counter) const { return page_->counters.get(counter); }
  /// Grants the machine id, or takes it away; from any one thread.
  void set_leased(bool leased);

  /// The time in the world of these tests: one clock that nobody steps or slews.
  [[nodiscard]] static time::Tai true_time();
  /// From now on the server's interval reaches from `before` before the true time to `after` after it.
  void set_truth(time::Duration before, time::Duration after);
  /// From now on it has no interval.
  void lose_truth() { synchronised_.store(false); }

 private:
  void run();
  void answer_burst();
  void send_parked();
  [[nodiscard]] serve::BurstTime time() const;

  platform::Endpoint endpoint_;  // before fd_, whose initialiser fills it in
  platform::UniqueFd fd_;
  std::uint16_t machine_;
  serve::AccessPolicy policy_;
  std::unique_ptr<page::RightsRecord> rights_ = std::make_unique<page::RightsRecord>();
  std::unique_ptr<page::WorkerPage> page_ = std::make_unique<page::WorkerPage>();
  std::uint64_t generation_ = 0;
  std::atomic<std::int64_t> before_{0};
  std::atomic<std::int64_t> after_{0};
  std::atomic<bool> synchronised_{false};
  std::unique_ptr<serve::Server> server_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

/// Throws std::runtime_error if the options are refused.
[[nodiscard]] Client connected(const Options& options);

/// A port of 127.0.0.1 on which nobody listens at the moment.
[[nodiscard]] std::uint16_t unused_port();

}  // namespace gnomon::client::testing
