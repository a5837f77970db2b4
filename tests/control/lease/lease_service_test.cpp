// SPDX-License-Identifier: Apache-2.0
//
// The lease service over real sockets: each call does what it says, what can't be a command is refused with a sentence,
// nobody gets more than his share, and whoever waits is told when it ends.
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "control/service/status_client.hpp"
#include "tests/control/lease/lease_doors.hpp"

namespace gnomon::control {
namespace {

using grpc::StatusCode;
using support::eventually;

class LeaseServiceTest : public LeaseDoors {
 protected:
  LeaseServiceCounters counters() { return service->counters(); }
};

/// Calls that are under way at once, without a thread for each.
class Waiting {
 public:
  void begin(PlainClient& client, const std::string& name, std::int64_t wait_ns) {
    auto& call = calls_.emplace_back(std::make_unique<Call>());
    call->request.set_session(client.session());
    call->request.set_name(name);
    call->request.set_wait_ns(wait_ns);
    PlainClient::patient(call->context, std::chrono::seconds(60));
    client.stub->async()->Acquire(&call->context, &call->request, &call->response,
                                  [this, one = call.get()](grpc::Status status) {
                                    one->status = std::move(status);
                                    one->done = true;
                                    ++done_;
                                  });
  }
  ~Waiting() {
    for (const auto& call : calls_)
      call->context.TryCancel();
    EXPECT_TRUE(all_done());
  }
  [[nodiscard]] bool all_done() {
    return eventually([&] { return done_ == static_cast<int>(calls_.size()); });
  }
  void cancel(std::size_t i) { calls_.at(i)->context.TryCancel(); }
  [[nodiscard]] bool is_done(std::size_t i) const { return calls_.at(i)->done; }
  [[nodiscard]] const grpc::Status& status(std::size_t i) const { return calls_.at(i)->status; }
  [[nodiscard]] const v1::AcquireResponse& response(std::size_t i) const { return calls_.at(i)->response; }

 private:
  struct Call {
    grpc::ClientContext context;
    v1::AcquireRequest request;
    v1::AcquireResponse response;
    grpc::Status status;
    std::atomic<bool> done = false;
  };
  std::deque<std::unique_ptr<Call>> calls_;
  std::atomic<int> done_ = 0;
};

TEST_F(LeaseServiceTest, EveryCallDoesWhatItSaysOverEitherDoor) {
  open_doors();
  for (const unsigned number : {1U, 2U}) {
    PlainClient client = number == 1 ? local(number) : over_tcp(number);
    const std::string name = "database:" + std::to_string(number);
    v1::SessionResponse opened;
    ASSERT_TRUE(client.open(&opened).ok());
    EXPECT_EQ(opened.open().ttl_ns(), 30 * kSecondNs);
    v1::SessionResponse renewed;
    {
      v1::RenewSessionRequest request;
      request.set_session(client.session());
      request.set_ttl_ns(20 * kSecondNs);
      grpc::ClientContext context;
      ASSERT_TRUE(client.stub->RenewSession(&context, request, &renewed).ok());
    }
    EXPECT_EQ(renewed.open().ttl_ns(), 20 * kSecondNs);
    v1::AcquireResponse held;
    ASSERT_TRUE(client.acquire(name, held, 0, std::string("a\0b", 3)).ok());
    EXPECT_TRUE(held.held().anew());
    EXPECT_FALSE(held.held().queued());
    v1::GetLeaseResponse seen;
    ASSERT_TRUE(client.get(name, seen).ok());
    EXPECT_EQ(seen.lease().token(), held.held().token());
    EXPECT_EQ(seen.lease().state(), v1::LEASE_HELD);
    EXPECT_EQ(seen.lease().session(), client.session());
    EXPECT_EQ(seen.lease().principal(), number == 1 ? "local" : "insecure");
    EXPECT_EQ(seen.lease().label(), "test");
    EXPECT_EQ(seen.lease().metadata(), std::string("a\0b", 3));
    EXPECT_GT(seen.lease().remaining_ns(), 0);
    v1::ListLeasesResponse listed;
    {
      v1::ListLeasesRequest request;
      request.set_prefix("database:");
      grpc::ClientContext context;
      ASSERT_TRUE(client.stub->ListLeases(&context, request, &listed).ok());
    }
    ASSERT_EQ(listed.leases_size(), 1);
    EXPECT_EQ(listed.leases(0).name(), name);
    EXPECT_FALSE(listed.more());
    v1::ValidateTokenResponse valid;
    {
      v1::ValidateTokenRequest request;
      request.set_name(name);
      request.set_token(held.held().token());
      grpc::ClientContext context;
      ASSERT_TRUE(client.stub->ValidateToken(&context, request, &valid).ok());
    }
    EXPECT_EQ(valid.standing(), v1::TOKEN_CURRENT);
    EXPECT_EQ(valid.current(), held.held().token());
    ASSERT_TRUE(client.release(name, held.held().token()).ok());
    ASSERT_TRUE(client.get(name, seen).ok());
    EXPECT_EQ(seen.lease().state(), v1::LEASE_FREE);
    EXPECT_TRUE(seen.lease().session().empty());
    v1::CloseSessionResponse closed;
    {
      v1::CloseSessionRequest request;
      request.set_session(client.session());
      grpc::ClientContext context;
      ASSERT_TRUE(client.stub->CloseSession(&context, request, &closed).ok());
    }
    EXPECT_FALSE(closed.has_refused());
    ASSERT_TRUE(client.acquire(name, held).ok());
    EXPECT_EQ(held.refused().reason(), v1::SESSION_OVER) << held.refused().text();
    EXPECT_FALSE(held.refused().text().empty());
  }
  for (std::size_t i = 0; i < kLeaseMethods; ++i) {
    const auto method = static_cast<LeaseMethod>(i);
    const bool used = method != LeaseMethod::kWatchLeases && method != LeaseMethod::kBreakLease;
    EXPECT_EQ(counters().calls[i] > 0, used) << text_of(method);
  }
  EXPECT_TRUE(fetch_status(socket, std::chrono::seconds(20)).has_value()) << "the host of the guest still answers";
}

TEST_F(LeaseServiceTest, ALeaseIsBrokenOverTheUnixSocketOnly) {
  open_doors();
  PlainClient holder = over_tcp(1);
  PlainClient operator_here = local(2);
  v1::AcquireResponse held;
  ASSERT_TRUE(holder.open().ok());
  ASSERT_TRUE(holder.acquire("one", held).ok());
  v1::BreakLeaseRequest request;
  request.set_name("one");
  const auto break_by = [&](PlainClient& client, v1::BreakLeaseResponse& response) {
    grpc::ClientContext context;
    return client.stub->BreakLease(&context, request, &response);
  };
  v1::BreakLeaseResponse broken;
  EXPECT_EQ(break_by(operator_here, broken).error_code(), StatusCode::INVALID_ARGUMENT) << "without the word";
  request.set_holder_is_stopped(true);
  const grpc::Status refused = break_by(holder, broken);
  EXPECT_EQ(refused.error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_NE(refused.error_message().find("Unix socket"), std::string::npos);
  EXPECT_EQ(counters().forbidden, 1U);
  ASSERT_TRUE(break_by(operator_here, broken).ok());
  EXPECT_EQ(broken.token(), held.held().token());
  EXPECT_EQ(broken.holder(), "test");
  v1::AcquireResponse again;
  ASSERT_TRUE(holder.acquire("two", again).ok());
  EXPECT_TRUE(again.has_refused()) << "its session is over, too";
}

TEST_F(LeaseServiceTest, ASessionBelongsToThePrincipalThatOpenedIt) {
  open_doors();
  PlainClient here = local(7);
  PlainClient there = over_tcp(7);  // the same session id over another door
  ASSERT_TRUE(here.open().ok());
  v1::SessionResponse opened;
  ASSERT_TRUE(there.open(&opened).ok());
  EXPECT_EQ(opened.refused().reason(), v1::FOREIGN_SESSION) << opened.refused().text();
  v1::AcquireResponse held;
  ASSERT_TRUE(there.acquire("one", held).ok());
  EXPECT_EQ(held.refused().reason(), v1::FOREIGN_SESSION);
}

TEST_F(LeaseServiceTest, WhatCanBeNoCommandIsRefusedWithASentence) {
  open_doors();
  PlainClient client = local(1);
  const auto expect_invalid = [](const grpc::Status& refused, const std::string& word) {
    EXPECT_EQ(refused.error_code(), StatusCode::INVALID_ARGUMENT) << word;
    EXPECT_NE(refused.error_message().find(word), std::string::npos) << refused.error_message();
  };
  for (const std::size_t size : {0U, 15U, 17U}) {
    v1::RenewSessionRequest request;
    request.set_session(std::string(size, 's'));
    request.set_ttl_ns(kSecondNs);
    v1::SessionResponse response;
    grpc::ClientContext context;
    expect_invalid(client.stub->RenewSession(&context, request, &response), std::to_string(size) + " bytes");
  }
  v1::SessionResponse opened;
  expect_invalid(client.open(&opened, -1), "ttl_ns is negative");
  v1::AcquireResponse held;
  expect_invalid(client.acquire(std::string(lease::kMaxName + 1, 'n'), held), "name has 201 bytes");
  expect_invalid(client.acquire("one", held, -1), "wait_ns is negative");
  {
    v1::ListLeasesRequest request;
    request.set_after(std::string(1'000, 'n'));
    v1::ListLeasesResponse response;
    grpc::ClientContext context;
    expect_invalid(client.stub->ListLeases(&context, request, &response), "after has 1000 bytes");
  }
  {
    v1::WatchLeasesRequest request;
    request.set_prefix(std::string(1'000, 'n'));
    grpc::ClientContext context;
    const auto reader = client.stub->WatchLeases(&context, request);
    v1::LeaseEvent event;
    EXPECT_FALSE(reader->Read(&event));
    expect_invalid(reader->Finish(), "prefix has 1000 bytes");
  }
  EXPECT_EQ(counters().invalid, 8U);
  // What a rule forbids is an answer.
  ASSERT_TRUE(client.open(&opened, 1).ok());
  EXPECT_EQ(opened.refused().reason(), v1::BAD_TTL);
  ASSERT_TRUE(client.open().ok());
  ASSERT_TRUE(client.acquire("with space", held).ok());
  EXPECT_EQ(held.refused().reason(), v1::BAD_NAME);
}

TEST_F(LeaseServiceTest, AWaitIsAnsweredByTheGrantOrWithItsPlace) {
  open_doors();
  PlainClient holder = local(1);
  PlainClient waiter = local(2);
  v1::AcquireResponse held;
  ASSERT_TRUE(holder.open().ok());
  ASSERT_TRUE(waiter.open().ok());
  ASSERT_TRUE(holder.acquire("one", held).ok());
  // The caller's deadline cuts the wait: it ends with an answer, not with a timeout.
  v1::AcquireResponse place;
  const grpc::Status waited = waiter.acquire("one", place, 3'600 * kSecondNs, "", std::chrono::seconds(2));
  ASSERT_TRUE(waited.ok()) << waited.error_message();
  EXPECT_TRUE(place.has_waiting());
  Waiting waiting;
  waiting.begin(waiter, "one", 50 * kSecondNs);
  ASSERT_TRUE(eventually([&] { return counters().runner.parked == 1; }));
  ASSERT_TRUE(holder.release("one", held.held().token()).ok());
  ASSERT_TRUE(waiting.all_done());
  ASSERT_TRUE(waiting.status(0).ok()) << waiting.status(0).error_message();
  EXPECT_TRUE(waiting.response(0).held().queued());
  EXPECT_GT(waiting.response(0).held().token(), held.held().token());
}

TEST_F(LeaseServiceTest, AWaitThatLeavesNoTimeForItsAnswerIsNoWait) {
  options.answer_margin = time::seconds(30);  // longer than the clients' patience
  open_doors();
  PlainClient holder = local(1);
  PlainClient hasty = local(2);
  v1::AcquireResponse held;
  ASSERT_TRUE(holder.open().ok());
  ASSERT_TRUE(hasty.open().ok());
  ASSERT_TRUE(holder.acquire("one", held).ok());
  v1::AcquireResponse answer;
  const grpc::Status answered = hasty.acquire("one", answer, 50 * kSecondNs);
  ASSERT_TRUE(answered.ok()) << answered.error_message();
  EXPECT_EQ(answer.refused().reason(), v1::HELD) << answer.ShortDebugString();
  v1::GetLeaseResponse seen;
  ASSERT_TRUE(holder.get("one", seen).ok());
  EXPECT_EQ(seen.lease().waiters(), 0U) << "it has no place that it knows nothing of";
}

TEST_F(LeaseServiceTest, ACancelledWaitLeavesNothingBehind) {
  open_doors();
  PlainClient holder = local(1);
  PlainClient waiter = local(2);
  v1::AcquireResponse held;
  ASSERT_TRUE(holder.open().ok());
  ASSERT_TRUE(waiter.open().ok());
  ASSERT_TRUE(holder.acquire("one", held).ok());
  Waiting waiting;
  for (int i = 0; i < 10; ++i)
    waiting.begin(waiter, "one", 50 * kSecondNs);
  ASSERT_TRUE(eventually([&] { return counters().runner.parked == 10; }));
  for (std::size_t i = 0; i < 10; ++i)
    waiting.cancel(i);
  EXPECT_TRUE(waiting.all_done());
  EXPECT_TRUE(eventually([&] { return counters().open == 0 && counters().runner.open == 0; }));
  EXPECT_TRUE(eventually([&] { return counters().runner.parked == 0; })) << "the desk hears of it a turn later";
  EXPECT_EQ(counters().cancelled, 10U);
}

TEST_F(LeaseServiceTest, AStoreThatIsSlowIsATimeoutAndOneThatIsAwayUnavailable) {
  options.longest_deadline = time::milliseconds(300);
  open_doors();
  PlainClient client = local(1);
  ASSERT_TRUE(client.open().ok());
  house.gate.shut();
  v1::SessionResponse renewed;
  EXPECT_EQ(client.open(&renewed).error_code(), StatusCode::DEADLINE_EXCEEDED) << "the server's own limit";
  EXPECT_EQ(counters().timed_out, 1U);
  house.gate.open();
  house.gate.fail(StoreError{StoreErrorKind::kUnavailable, "etcd has no leader"});
  const grpc::Status away = client.open(&renewed);
  EXPECT_EQ(away.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_NE(away.error_message().find("etcd has no leader"), std::string::npos) << away.error_message();
  house.gate.fail(std::nullopt);
  EXPECT_TRUE(client.open().ok());
}

TEST_F(LeaseServiceTest, AFaultOfTheDaemonIsARefusalWithItsReason) {
  open_doors();
  PlainClient client = local(1);
  house.clock_lost = true;
  v1::SessionResponse opened;
  ASSERT_TRUE(client.open(&opened).ok());
  EXPECT_EQ(opened.refused().reason(), v1::CLOCK_UNSYNCHRONISED);
  EXPECT_EQ(opened.refused().text().empty(), false);
}

TEST_F(LeaseServiceTest, ARateIsKeptForEachClientAndAnAmountForEachPrincipal) {
  options.calls.calls_per_second = 1;
  options.calls.burst = 5;
  options.calls.calls_at_once = 100;
  open_doors();
  PlainClient greedy = over_tcp(1);
  PlainClient other = local(2);
  v1::GetLeaseResponse seen;
  int served = 0;
  grpc::Status last;
  for (int i = 0; i < 50; ++i) {
    last = greedy.get("one", seen);
    served += last.ok() ? 1 : 0;
  }
  EXPECT_GE(served, 5);
  EXPECT_LT(served, 50);
  EXPECT_EQ(last.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_NE(last.error_message().find("a second"), std::string::npos) << last.error_message();
  EXPECT_EQ(counters().over_limit, 50U - static_cast<unsigned>(served));
  EXPECT_TRUE(other.get("one", seen).ok()) << "somebody else has his own share";
}

TEST_F(LeaseServiceTest, OpenCallsAreCountedForEachPrincipal) {
  options.calls.calls_at_once = 5;
  open_doors();
  PlainClient holder = local(1);
  PlainClient waiter = over_tcp(2);
  v1::AcquireResponse held;
  ASSERT_TRUE(holder.open().ok());
  ASSERT_TRUE(waiter.open().ok());
  ASSERT_TRUE(holder.acquire("one", held).ok());
  Waiting waiting;
  for (int i = 0; i < 5; ++i)
    waiting.begin(waiter, "one", 50 * kSecondNs);
  ASSERT_TRUE(eventually([&] { return counters().runner.parked == 5; }));
  v1::GetLeaseResponse seen;
  const grpc::Status refused = waiter.get("one", seen);
  EXPECT_EQ(refused.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_NE(refused.error_message().find("5 lease calls open"), std::string::npos) << refused.error_message();
  EXPECT_TRUE(holder.get("one", seen).ok());
  waiting.cancel(0);
  EXPECT_TRUE(eventually([&] { return waiter.get("one", seen).ok(); })) << "whoever ends makes room";
}

TEST_F(LeaseServiceTest, AMessageThatIsTooLargeIsRefused) {
  open_doors();
  PlainClient client = over_tcp(1);
  Bystander bystander(local(2));
  v1::AcquireResponse held;
  const std::string metadata(200'000, 'm');
  EXPECT_EQ(client.acquire("one", held, 0, metadata).error_code(), StatusCode::RESOURCE_EXHAUSTED);
  ASSERT_TRUE(client.open().ok()) << "the connection is still good";
  ASSERT_TRUE(client.acquire("one", held, 0, std::string(lease::kMaxMetadata + 1, 'm')).ok());
  EXPECT_EQ(held.refused().reason(), v1::BAD_METADATA);
  EXPECT_TRUE(bystander.is_served(5));
}

// ---- the end, health, reflection

TEST_F(LeaseServiceTest, AHundredWaitsEndWithTheDaemon) {
  constexpr std::size_t kWaiting = 100;
  open_doors();
  PlainClient holder = local(1);
  PlainClient waiter = over_tcp(2);
  v1::AcquireResponse held;
  ASSERT_TRUE(holder.open().ok());
  ASSERT_TRUE(waiter.open().ok());
  ASSERT_TRUE(holder.acquire("one", held).ok());
  Waiting waiting;
  for (std::size_t i = 0; i < kWaiting; ++i)
    waiting.begin(waiter, "one", 50 * kSecondNs);
  ASSERT_TRUE(eventually([&] { return counters().runner.parked == kWaiting; }));
  grpc::ClientContext context;
  v1::WatchLeasesRequest request;
  const auto reader = waiter.stub->WatchLeases(&context, request);
  v1::LeaseEvent event;
  ASSERT_TRUE(reader->Read(&event));
  const auto before = std::chrono::steady_clock::now();
  house.runner->stop();
  ASSERT_TRUE(waiting.all_done());
  for (std::size_t i = 0; i < kWaiting; ++i) {
    EXPECT_EQ(waiting.status(i).error_code(), StatusCode::UNAVAILABLE) << i;
    EXPECT_NE(waiting.status(i).error_message().find("ending"), std::string::npos);
  }
  while (reader->Read(&event)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), StatusCode::UNAVAILABLE);
  server.reset();
  status.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(20));
  EXPECT_EQ(counters().open, 0U);
}

/// The servers may go first, too: what is under way is cancelled after the goodbye.
TEST_F(LeaseServiceTest, WaitsEndWithTheServerAsWell) {
  open_doors();
  PlainClient holder = local(1);
  PlainClient waiter = over_tcp(2);
  v1::AcquireResponse held;
  ASSERT_TRUE(holder.open().ok());
  ASSERT_TRUE(waiter.open().ok());
  ASSERT_TRUE(holder.acquire("one", held).ok());
  Waiting waiting;
  for (int i = 0; i < 100; ++i)
    waiting.begin(waiter, "one", 50 * kSecondNs);
  ASSERT_TRUE(eventually([&] { return counters().runner.parked == 100; }));
  server.reset();
  EXPECT_TRUE(waiting.all_done());
  EXPECT_TRUE(eventually([&] { return counters().open == 0 && counters().runner.open == 0; }));
  v1::GetLeaseResponse seen;
  EXPECT_TRUE(holder.get("one", seen).ok()) << "the other door is open";
}

grpc::ByteBuffer buffer_of(const std::string& bytes) {
  const grpc::Slice slice(bytes);
  return {&slice, 1};
}
std::string bytes_of(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!buffer.Dump(&slices).ok()) return bytes;
  for (const grpc::Slice& each : slices)
    bytes.append(each.begin(), each.end());
  return bytes;
}

/// grpc.health.v1: {string service = 1} -> {enum status = 1}; written out, since no package brings the stubs.
std::optional<int> health_of(const PlainClient& client, const std::string& service) {
  std::string asked;
  if (!service.empty()) asked = '\x0a' + std::string(1, static_cast<char>(service.size())) + service;
  const grpc::ByteBuffer request = buffer_of(asked);
  grpc::ByteBuffer response;
  grpc::ClientContext context;
  PlainClient::patient(context);
  std::promise<grpc::Status> ended;
  grpc::GenericStub(client.channel)
      .UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &request, &response,
                 [&](grpc::Status with) { ended.set_value(std::move(with)); });
  if (!ended.get_future().get().ok()) return std::nullopt;
  const std::string bytes = bytes_of(response);
  return bytes.size() == 2 && bytes[0] == '\x08' ? std::optional<int>(bytes[1]) : std::nullopt;
}

TEST_F(LeaseServiceTest, HealthFollowsWhetherACommandHasAChance) {
  constexpr int kServing = 1;
  constexpr int kNotServing = 2;
  const std::string name = "gnomon.v1.LeaseService";
  open_doors();
  PlainClient here = local(1);
  PlainClient there = over_tcp(2);
  for (PlainClient* const client : {&here, &there}) {
    EXPECT_TRUE(eventually([&] { return health_of(*client, name) == kServing; }));
    EXPECT_EQ(health_of(*client, ""), kServing);
  }
  house.clock_lost = true;
  for (PlainClient* const client : {&here, &there})
    EXPECT_TRUE(eventually([&] { return health_of(*client, name) == kNotServing; }));
  EXPECT_EQ(health_of(here, ""), kServing) << "the status service is still there";
  EXPECT_EQ(health_of(there, ""), kNotServing) << "nothing but leases is";
  house.clock_lost = false;
  for (PlainClient* const client : {&here, &there})
    EXPECT_TRUE(eventually([&] { return health_of(*client, name) == kServing; }));
}

/// The reflection service names the services: {string list_services = 7} on a stream, answered by their names.
TEST_F(LeaseServiceTest, ReflectionNamesTheServices) {
  open_doors();
  for (const PlainClient& client : {local(1), over_tcp(2)}) {
    grpc::GenericStub generic(client.channel);
    grpc::CompletionQueue queue;
    const auto step_done = [&] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    grpc::ClientContext context;
    PlainClient::patient(context);
    const auto stream =
        generic.PrepareCall(&context, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
    stream->StartCall(nullptr);
    ASSERT_TRUE(step_done());
    stream->Write(buffer_of("\x3a\x01*"), nullptr);
    ASSERT_TRUE(step_done());
    grpc::ByteBuffer received;
    stream->Read(&received, nullptr);
    ASSERT_TRUE(step_done());
    const std::string bytes = bytes_of(received);
    EXPECT_NE(bytes.find("gnomon.v1.LeaseService"), std::string::npos);
    EXPECT_NE(bytes.find("grpc.health.v1.Health"), std::string::npos);
    stream->WritesDone(nullptr);
    ASSERT_TRUE(step_done());
    grpc::Status ended;
    stream->Finish(&ended, nullptr);
    ASSERT_TRUE(step_done());
    EXPECT_TRUE(ended.ok());
  }
}

}  // namespace
}  // namespace gnomon::control
