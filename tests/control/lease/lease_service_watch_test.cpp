// SPDX-License-Identifier: Apache-2.0
//
// Watches of leases over real sockets: what is there and then what changes, to nobody more than his share, and to
// nobody who does not listen.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "tests/control/lease/lease_doors.hpp"

namespace gnomon::control {
namespace {

using grpc::StatusCode;
using support::eventually;

class LeaseServiceWatchTest : public LeaseDoors {
 protected:
  LeaseServiceCounters counters() { return service->counters(); }
};

TEST_F(LeaseServiceWatchTest, AWatchTellsWhatIsThereAndThenWhatChanges) {
  open_doors();
  PlainClient client = over_tcp(1);
  v1::AcquireResponse held;
  v1::AcquireResponse other;
  ASSERT_TRUE(client.open().ok());
  ASSERT_TRUE(client.acquire("job:1", held).ok());
  ASSERT_TRUE(client.acquire("other", other).ok());
  v1::WatchLeasesRequest request;
  request.set_prefix("job:");
  grpc::ClientContext context;
  PlainClient::patient(context, std::chrono::seconds(60));
  const auto reader = client.stub->WatchLeases(&context, request);
  v1::LeaseEvent event;
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_TRUE(event.initial());
  EXPECT_EQ(event.lease().name(), "job:1");
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_TRUE(event.caught_up());
  EXPECT_FALSE(event.has_lease());
  ASSERT_TRUE(client.release("job:1", held.held().token()).ok());
  do
    ASSERT_TRUE(reader->Read(&event));
  while (event.lease().state() != v1::LEASE_FREE);
  EXPECT_EQ(event.lease().name(), "job:1");
  EXPECT_FALSE(event.initial());
  context.TryCancel();
  while (reader->Read(&event)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), StatusCode::CANCELLED);
  EXPECT_TRUE(eventually([&] { return counters().runner.watchers == 0 && counters().open == 0; }));
}

TEST_F(LeaseServiceWatchTest, MoreWatchesThanOnesShareAreRefused) {
  options.calls.watches_at_once = 1;
  open_doors();
  PlainClient greedy = over_tcp(1);
  PlainClient other = local(2);
  const auto begin = [](PlainClient& client, grpc::ClientContext& context) {
    PlainClient::patient(context, std::chrono::seconds(60));
    return client.stub->WatchLeases(&context, v1::WatchLeasesRequest());
  };
  grpc::ClientContext first;
  const auto reader = begin(greedy, first);
  v1::LeaseEvent event;
  ASSERT_TRUE(reader->Read(&event));
  EXPECT_TRUE(event.caught_up());
  grpc::ClientContext second;
  const auto one_more = begin(greedy, second);
  EXPECT_FALSE(one_more->Read(&event));
  const grpc::Status refused = one_more->Finish();
  EXPECT_EQ(refused.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_NE(refused.error_message().find("watch"), std::string::npos) << refused.error_message();
  EXPECT_EQ(counters().over_limit, 1U);
  grpc::ClientContext third;
  const auto of_another = begin(other, third);
  EXPECT_TRUE(of_another->Read(&event)) << "somebody else has his own share";
  for (grpc::ClientContext* const context : {&first, &third})
    context->TryCancel();
  while (reader->Read(&event) || of_another->Read(&event)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), StatusCode::CANCELLED);
  EXPECT_EQ(of_another->Finish().error_code(), StatusCode::CANCELLED);
}

TEST_F(LeaseServiceWatchTest, AClientThatNeverReadsItsWatchIsGivenUp) {
  house.options.longest_stall = time::milliseconds(200);
  house.options.most_news = 16;
  open_doors();
  PlainClient silent = over_tcp(1);
  PlainClient busy = local(2);
  Bystander bystander(local(3));
  ASSERT_TRUE(busy.open().ok());
  grpc::ClientContext context;
  v1::WatchLeasesRequest request;
  const auto reader = silent.stub->WatchLeases(&context, request);
  ASSERT_TRUE(eventually([&] { return counters().runner.watchers == 1; }));
  // More than the transport takes in for somebody who does not read.
  const std::string metadata(lease::kMaxMetadata, 'm');
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(90);
  for (int round = 0; counters().runner.stalled == 0 && std::chrono::steady_clock::now() < until; ++round) {
    const std::string name = "big:" + std::to_string(round % 100);
    v1::AcquireResponse held;
    ASSERT_TRUE(busy.acquire(name, held, 0, metadata).ok());
    ASSERT_TRUE(busy.release(name, held.held().token()).ok());
  }
  EXPECT_EQ(counters().runner.stalled, 1U);
  EXPECT_GE(counters().runner.gaps, 1U);
  EXPECT_TRUE(eventually([&] { return counters().runner.watchers == 0; })) << "its call has ended, unread";
  EXPECT_TRUE(bystander.is_served(5));
  v1::LeaseEvent event;
  while (reader->Read(&event)) {
  }
  EXPECT_FALSE(reader->Finish().ok());
}

}  // namespace
}  // namespace gnomon::control
