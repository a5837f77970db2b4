// SPDX-License-Identifier: Apache-2.0
//
// The status report across its message: nothing is lost, swapped or made up. That every field of the message is carried
// is found out by walking over its descriptor, so a field that is added later and forgotten in the codec fails here.
#include "control/service/status_codec.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace gnomon::control {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr int kEntries = 3;  // of each repeated field

/// Another value for each field, and all of them small: a machine id has 16 bits.
class Numbers {
 public:
  [[nodiscard]] int next() { return ++last_; }

 private:
  int last_ = 0;
};

void fill(Message& message, Numbers& numbers);

void fill_scalar(Message& message, const FieldDescriptor& field, Numbers& numbers) {
  const Reflection& reflection = *message.GetReflection();
  const int number = numbers.next();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32: reflection.SetInt32(&message, &field, -number); break;
    case FieldDescriptor::CPPTYPE_INT64: reflection.SetInt64(&message, &field, -number); break;
    case FieldDescriptor::CPPTYPE_UINT32: reflection.SetUInt32(&message, &field, static_cast<unsigned>(number)); break;
    case FieldDescriptor::CPPTYPE_UINT64: reflection.SetUInt64(&message, &field, static_cast<unsigned>(number)); break;
    case FieldDescriptor::CPPTYPE_BOOL: reflection.SetBool(&message, &field, true); break;
    case FieldDescriptor::CPPTYPE_STRING:
      reflection.SetString(&message, &field, "text " + std::to_string(number));
      break;
    case FieldDescriptor::CPPTYPE_MESSAGE: fill(*reflection.MutableMessage(&message, &field), numbers); break;
    default: FAIL() << field.full_name() << " is of a type that this test does not fill";
  }
}

void fill_repeated(Message& message, const FieldDescriptor& field, Numbers& numbers) {
  const Reflection& reflection = *message.GetReflection();
  for (int i = 0; i < kEntries; ++i) {
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE)
      fill(*reflection.AddMessage(&message, &field), numbers);
    else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING)
      reflection.AddString(&message, &field, "text " + std::to_string(numbers.next()));
    else
      FAIL() << field.full_name() << " is of a type that this test does not fill";
  }
}

void fill(Message& message, Numbers& numbers) {
  for (int i = 0; i < message.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *message.GetDescriptor()->field(i);
    if (field.is_repeated())
      fill_repeated(message, field, numbers);
    else
      fill_scalar(message, field, numbers);
  }
}

TEST(StatusCodec, CarriesEveryFieldOfTheMessage) {
  v1::GetStatusResponse message;
  Numbers numbers;
  fill(message, numbers);
  ASSERT_EQ(message.ports_size(), kEntries);
  ASSERT_EQ(message.ports(0).per_queue_size(), kEntries);
  ASSERT_EQ(message.clock().sources_size(), kEntries);
  ASSERT_EQ(message.clock().truth().terms_size(), kEntries);
  EXPECT_EQ(to_message(from_message(message)).DebugString(), message.DebugString());
}

TEST(StatusCodec, OfNothingIsNothing) {
  const StatusReport report = from_message(v1::GetStatusResponse{});  // of an older daemon, say
  EXPECT_TRUE(report.workers.empty());
  EXPECT_TRUE(report.ports.empty());
  EXPECT_EQ(report.daemon.data_plane, "");
}

TEST(StatusCodec, NoVoteIsNotAVoteOfNobody) {
  StatusReport report;
  EXPECT_FALSE(to_message(report).agent().has_vote());
  EXPECT_FALSE(from_message(to_message(report)).agent.vote);
  report.agent.vote = {.standing = "tied", .voters = 3, .against = 2, .text = "who"};
  report.agent.store_failures = {{"unknown", 7}};
  const v1::GetStatusResponse message = to_message(report);
  EXPECT_EQ(message.agent().vote().standing(), "tied");
  EXPECT_EQ(message.agent().vote().voters(), 3U);
  EXPECT_EQ(message.agent().vote().against(), 2U);
  EXPECT_EQ(message.agent().vote().text(), "who");
  ASSERT_EQ(message.agent().store_failures_size(), 1);
  EXPECT_EQ(message.agent().store_failures(0).value(), 7U);
}

/// A 0 where nothing was said would be an instant of 1970, or an age that is none.
TEST(StatusCodec, WhatTheClockDoesNotSayStaysUnsaid) {
  StatusReport report;
  report.clock.sources.resize(1);
  const v1::GetStatusResponse message = to_message(report);
  EXPECT_FALSE(message.clock().truth().has_earliest_tai_ns());
  EXPECT_FALSE(message.clock().truth().has_sample_age_ns());
  EXPECT_FALSE(message.clock().leap().has_smear_ns());
  EXPECT_FALSE(message.clock().sources(0).has_offset_ns());
  for (const StatusReport& back : {from_message(message), from_message(v1::GetStatusResponse{})}) {
    const TrueTimeReport& truth = back.clock.truth;
    EXPECT_FALSE(truth.earliest || truth.latest || truth.earliest_utc || truth.latest_utc || truth.void_in);
    EXPECT_FALSE(truth.sample_age || truth.support_age || truth.contradicted_ago);
    const LeapReport& leap = back.clock.leap;
    EXPECT_FALSE(leap.tai_minus_utc || leap.expires_in || leap.next || leap.announced_ago || leap.smear);
    for (const TimeSourceReport& source : back.clock.sources)
      EXPECT_FALSE(source.offset || source.epsilon || source.sample_age);
  }
  report.clock.truth.sample_age = time::Duration{};
  report.clock.sources[0].offset = time::Duration{};
  const StatusReport zero = from_message(to_message(report));
  EXPECT_EQ(zero.clock.truth.sample_age, time::Duration{}) << "and a zero that was said is said";
  EXPECT_EQ(zero.clock.sources[0].offset, time::Duration{});
}

/// Each pair of the same type by its name, as below.
TEST(StatusCodec, TheClockMeansTheSameOnBothSides) {
  StatusReport report;
  report.clock.truth.earliest = time::Tai{1};
  report.clock.truth.latest = time::Tai{2};
  report.clock.truth.earliest_utc = time::Utc{3};
  report.clock.truth.latest_utc = time::Utc{4};
  report.clock.truth.witnesses = 5;
  report.clock.truth.believed = 6;
  report.clock.truth.contradictions = 7;
  report.clock.truth.disagreements = 8;
  report.clock.truth.terms = {{"source", {9}}};
  TimeSourceReport& source = report.clock.sources.emplace_back();
  source.healthy = true;
  source.latest = true;
  source.fault = "stale";
  source.state = "unhealthy";
  source.offset = time::Duration{-10};
  source.epsilon = time::Duration{11};
  source.evictions = 12;
  report.clock.leap.expires_in = time::Duration{13};
  report.clock.leap.smear = time::Duration{-14};
  const v1::GetStatusResponse message = to_message(report);
  const v1::TrueTime& truth = message.clock().truth();
  EXPECT_EQ(truth.earliest_tai_ns(), 1);
  EXPECT_EQ(truth.latest_tai_ns(), 2);
  EXPECT_EQ(truth.earliest_utc_ns(), 3);
  EXPECT_EQ(truth.latest_utc_ns(), 4);
  EXPECT_EQ(truth.witnesses(), 5U);
  EXPECT_EQ(truth.believed(), 6U);
  EXPECT_EQ(truth.contradictions(), 7U);
  EXPECT_EQ(truth.disagreements(), 8U);
  ASSERT_EQ(truth.terms_size(), 1);
  EXPECT_EQ(truth.terms(0).name(), "source");
  EXPECT_EQ(truth.terms(0).value_ns(), 9);
  ASSERT_EQ(message.clock().sources_size(), 1);
  const v1::TimeSource& sent = message.clock().sources(0);
  EXPECT_TRUE(sent.healthy() && sent.latest());
  EXPECT_FALSE(sent.earliest() || sent.chosen());
  EXPECT_EQ(sent.fault(), "stale");
  EXPECT_EQ(sent.state(), "unhealthy");
  EXPECT_EQ(sent.offset_ns(), -10);
  EXPECT_EQ(sent.epsilon_ns(), 11);
  EXPECT_EQ(sent.evictions(), 12U);
  EXPECT_EQ(message.clock().leap().expires_in_ns(), 13);
  EXPECT_EQ(message.clock().leap().smear_ns(), -14);
}

/// Each field by its name: a pair that is swapped on the way out and back again would not be seen above.
TEST(StatusCodec, PortsMeanTheSameOnBothSides) {
  StatusReport report;
  report.daemon.data_plane = "dpdk 22.11.11, huge pages";
  report.ports.resize(2);
  report.ports[1] = {.index = 1,
                     .device = "0000:3b:00.0",
                     .driver = "mlx5_pci",
                     .mac = "02:00:00:00:09:01",
                     .state = "down",
                     .speed_mbps = 100'000,
                     .mtu = 9000,
                     .queues = 4,
                     .max_queues = 64,
                     .numa_node = -1,
                     .capabilities = {{"promiscuous", "on", "the driver can't do without"}, {"steering", "off", ""}},
                     .rx_frames = 11,
                     .tx_frames = 12,
                     .rx_bytes = 13,
                     .tx_bytes = 14,
                     .rx_missed = 15,
                     .rx_errors = 16,
                     .rx_no_buffer = 17,
                     .tx_errors = UINT64_MAX,
                     .per_queue = {{21, 22}, {23, 24}}};
  const v1::GetStatusResponse message = to_message(report);
  EXPECT_EQ(message.daemon().data_plane(), "dpdk 22.11.11, huge pages");
  ASSERT_EQ(message.ports_size(), 2);
  const v1::Port& port = message.ports(1);
  EXPECT_EQ(port.index(), 1U);
  EXPECT_EQ(port.device(), "0000:3b:00.0");
  EXPECT_EQ(port.driver(), "mlx5_pci");
  EXPECT_EQ(port.mac(), "02:00:00:00:09:01");
  EXPECT_EQ(port.state(), "down");
  EXPECT_EQ(port.speed_mbps(), 100'000U);
  EXPECT_EQ(port.mtu(), 9000U);
  EXPECT_EQ(port.queues(), 4U);
  EXPECT_EQ(port.max_queues(), 64U);
  EXPECT_EQ(port.numa_node(), -1);
  ASSERT_EQ(port.capabilities_size(), 2);
  EXPECT_EQ(port.capabilities(0).name(), "promiscuous");
  EXPECT_EQ(port.capabilities(0).state(), "on");
  EXPECT_EQ(port.capabilities(0).note(), "the driver can't do without");
  EXPECT_EQ(port.rx_frames(), 11U);
  EXPECT_EQ(port.tx_frames(), 12U);
  EXPECT_EQ(port.rx_bytes(), 13U);
  EXPECT_EQ(port.tx_bytes(), 14U);
  EXPECT_EQ(port.rx_missed(), 15U);
  EXPECT_EQ(port.rx_errors(), 16U);
  EXPECT_EQ(port.rx_no_buffer(), 17U);
  EXPECT_EQ(port.tx_errors(), UINT64_MAX);
  ASSERT_EQ(port.per_queue_size(), 2);
  EXPECT_EQ(port.per_queue(1).rx_frames(), 23U);
  EXPECT_EQ(port.per_queue(1).tx_frames(), 24U);
}

}  // namespace
}  // namespace gnomon::control
