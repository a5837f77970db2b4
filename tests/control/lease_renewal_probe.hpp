// SPDX-License-Identifier: Apache-2.0
//
// How long a renewal takes, while a daemon has others to do: a session of its own is renewed at set times, and latency
// counts from the intended sending, so that a renewal that is held up does not hide those that wait behind it.
// Thread rule: one thread; the renewals have their own.
#pragma once

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gnomon/v1/lease.grpc.pb.h"
#include "platform/random.hpp"

namespace gnomon::bed {

/// A session that is renewed every kEvery, over a connection of its own.
class RenewalProbe {
 public:
  explicit RenewalProbe(const std::string& server)
      : stub_(v1::LeaseService::NewStub(grpc::CreateChannel(server, grpc::InsecureChannelCredentials()))) {
    const auto id = platform::random_value<std::array<char, 16>>();
    session_.assign(id.begin(), id.end());
    grpc::ClientContext context;
    v1::OpenSessionRequest request;
    request.set_session(session_);
    request.set_ttl_ns(kTtlNs);
    request.set_label("a probe");
    v1::SessionResponse response;
    const grpc::Status status = stub_->OpenSession(&context, request, &response);
    EXPECT_TRUE(status.ok() && response.has_open()) << status.error_message() << response.refused().text();
    thread_ = std::thread([this] { run(); });
  }
  ~RenewalProbe() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  RenewalProbe(const RenewalProbe&) = delete;
  RenewalProbe& operator=(const RenewalProbe&) = delete;

  /// Ends it and its session.
  void finish() {
    stop_ = true;
    thread_.join();
    grpc::ClientContext context;
    v1::CloseSessionRequest request;
    request.set_session(session_);
    v1::CloseSessionResponse response;
    EXPECT_TRUE(stub_->CloseSession(&context, request, &response).ok());
    std::sort(taken_ms_.begin(), taken_ms_.end());
    ASSERT_FALSE(taken_ms_.empty());
    const auto at = [&](double part) {
      return taken_ms_[static_cast<std::size_t>(part * static_cast<double>(taken_ms_.size() - 1))];
    };
    std::printf("%zu renewals of a probe, from the intended sending: p50 %.1f ms, p99 %.1f ms, most %.1f ms\n",
                taken_ms_.size(), at(0.5), at(0.99), taken_ms_.back());
    EXPECT_EQ(refused_, 0U);
  }

 private:
  static constexpr std::int64_t kTtlNs = 60'000'000'000;
  static constexpr auto kEvery = std::chrono::milliseconds(50);

  void run() {
    for (auto intended = std::chrono::steady_clock::now(); !stop_; intended += kEvery) {
      std::this_thread::sleep_until(intended);
      grpc::ClientContext context;
      v1::RenewSessionRequest request;
      request.set_session(session_);
      request.set_ttl_ns(kTtlNs);
      v1::SessionResponse response;
      if (!stub_->RenewSession(&context, request, &response).ok() || !response.has_open()) ++refused_;
      taken_ms_.push_back(
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - intended).count());
    }
  }

  std::unique_ptr<v1::LeaseService::Stub> stub_;
  std::string session_;
  std::atomic<bool> stop_{false};
  std::size_t refused_ = 0;  // the thread's own until it is joined, as is the next
  std::vector<double> taken_ms_;
  std::thread thread_;
};

}  // namespace gnomon::bed
