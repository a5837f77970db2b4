// SPDX-License-Identifier: Apache-2.0
//
// The lease service of a house behind its doors, and a client that speaks the protocol as it is: no retries, no
// keeping alive, one call after the other.
#pragma once

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "control/service/lease_server.hpp"
#include "control/service/lease_service.hpp"
#include "control/service/status_server.hpp"
#include "gnomon/v1/lease.grpc.pb.h"
#include "tests/control/lease/lease_house.hpp"
#include "tests/control/temp_directory.hpp"

namespace gnomon::control {

constexpr std::int64_t kSecondNs = 1'000'000'000;

/// Its channels are its own, so two clients are two connections.
class PlainClient {
 public:
  PlainClient(const std::string& target, const std::shared_ptr<grpc::ChannelCredentials>& credentials, unsigned number)
      : number_(number) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 200);
    arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
    channel = grpc::CreateCustomChannel(target, credentials, arguments);
    stub = v1::LeaseService::NewStub(channel);
  }

  [[nodiscard]] std::string session() const {
    const lease::SessionId id = numbered_session(number_);
    return {id.begin(), id.end()};
  }
  static void patient(grpc::ClientContext& context, std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    context.set_deadline(std::chrono::system_clock::now() + limit);
  }

  grpc::Status open(v1::SessionResponse* response = nullptr, std::int64_t ttl_ns = 30 * kSecondNs) {
    v1::OpenSessionRequest request;
    request.set_session(session());
    request.set_ttl_ns(ttl_ns);
    request.set_label("test");
    v1::SessionResponse mine;
    grpc::ClientContext context;
    patient(context);
    return stub->OpenSession(&context, request, response == nullptr ? &mine : response);
  }
  grpc::Status acquire(const std::string& name, v1::AcquireResponse& response, std::int64_t wait_ns = 0,
                       const std::string& metadata = "", std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    v1::AcquireRequest request;
    request.set_session(session());
    request.set_name(name);
    request.set_metadata(metadata);
    request.set_wait_ns(wait_ns);
    grpc::ClientContext context;
    patient(context, limit);
    return stub->Acquire(&context, request, &response);
  }
  grpc::Status release(const std::string& name, std::uint64_t token) {
    v1::ReleaseRequest request;
    request.set_session(session());
    request.set_name(name);
    request.set_token(token);
    v1::ReleaseResponse response;
    grpc::ClientContext context;
    patient(context);
    return stub->Release(&context, request, &response);
  }
  grpc::Status get(const std::string& name, v1::GetLeaseResponse& response,
                   std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    v1::GetLeaseRequest request;
    request.set_name(name);
    grpc::ClientContext context;
    patient(context, limit);
    return stub->GetLease(&context, request, &response);
  }

  std::shared_ptr<grpc::Channel> channel;
  std::shared_ptr<v1::LeaseService::Stub> stub;

 private:
  unsigned number_;
};

/// A house, its service, and a Unix socket and a loopback port to reach it by.
class LeaseDoors : public testing::Test {
 protected:
  void SetUp() override {
    // What hostile peers do is told by gRPC at length.
    house.options.longest_stall = time::seconds(20);
    options.server.handshake = time::seconds(1);
    options.server.goodbye = time::milliseconds(500);
  }
  void TearDown() override {
    if (house.runner) house.runner->stop();
    server.reset();
    status.reset();
    service.reset();
    house.end();
  }
  /// The house and the service; the doors of `open_doors`.
  void start() {
    house.start();
    service = LeaseService::make(*house.runner, options);
  }
  void open_doors() {
    start();
    auto unix_door =
        StatusServer::start(socket, 0600, [] { return StatusReport{}; }, {}, {&service->guest(LeaseDoor::kUnixSocket)});
    ASSERT_TRUE(unix_door.has_value()) << unix_door.error();
    status = std::move(*unix_door);
    auto port = LeaseServer::start_insecure_for_tests({"127.0.0.1:0"}, *service);
    ASSERT_TRUE(port.has_value()) << port.error();
    server = std::move(*port);
  }
  [[nodiscard]] PlainClient local(unsigned number) const {
    return {"unix:" + socket, grpc::InsecureChannelCredentials(), number};
  }
  [[nodiscard]] PlainClient over_tcp(unsigned number) const {
    return {server->listens_on().front(), grpc::InsecureChannelCredentials(), number};
  }

  TempDirectory directory;
  std::string socket = directory.file("s.sock");
  LeaseHouse house;
  LeaseServiceOptions options;
  std::unique_ptr<LeaseService> service;
  std::unique_ptr<StatusServer> status;
  std::unique_ptr<LeaseServer> server;
};

/// Somebody with a session who asks all the time and has to be answered all the time.
class Bystander {
 public:
  explicit Bystander(PlainClient client) : client_(std::move(client)), thread_([this] { run(); }) {}
  Bystander(const Bystander&) = delete;
  Bystander& operator=(const Bystander&) = delete;
  ~Bystander() { end(); }
  /// Waits until it was served `more` times from now on.
  [[nodiscard]] bool is_served(int more) {
    const int until = served_ + more;
    return support::eventually([&] { return served_ >= until || failed_ > 0; }) && failed_ == 0;
  }
  void end() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  [[nodiscard]] int failed() const { return failed_; }
  [[nodiscard]] int served() const { return served_; }

 private:
  void run() {
    if (!client_.open().ok()) ++failed_;
    while (!stop_) {
      v1::AcquireResponse held;
      const bool good = client_.acquire("bystander", held).ok() && held.has_held() &&
                        client_.release("bystander", held.held().token()).ok();
      ++(good ? served_ : failed_);
    }
  }

  PlainClient client_;
  std::atomic<bool> stop_ = false;
  std::atomic<int> served_ = 0;
  std::atomic<int> failed_ = 0;
  std::thread thread_;
};

}  // namespace gnomon::control
