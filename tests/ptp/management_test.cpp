// SPDX-License-Identifier: Apache-2.0
//
// linuxptp's management messages: what real replies say, which bytes ask for them, and that nothing else is believed.
#include "ptp/management.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <set>
#include <string_view>

#include "tests/ptp/golden_replies.hpp"
#include "tests/ptp/reply_judge.hpp"

namespace gnomon::ptp {
namespace {

using testing::Bytes;
using testing::kManagementReplies;

const ClockIdentity kGrandmaster{{0x00, 0x11, 0x22, 0xff, 0xfe, 0x33, 0x44, 0x55}};
const ClockIdentity kClient{{0x0a, 0x0b, 0x0c, 0xff, 0xfe, 0x0d, 0x0e, 0x0f}};
const PortIdentity kUs{{{0x67, 0x6e, 0x6f, 0x6d, 0x6f, 0x6e, 0x00, 0x01}}, 7};

Bytes golden(std::string_view name) { return testing::golden(kManagementReplies, name); }

Bytes with(Bytes bytes, std::size_t at, std::initializer_list<unsigned> values) {
  for (const unsigned value : values)
    bytes.at(at++) = static_cast<std::byte>(value);
  return bytes;
}

// The same with as many data as it now has, both lengths put right.
Bytes with_data_size(Bytes bytes, std::size_t size) {
  bytes.resize(54 + size);
  bytes.at(3) = static_cast<std::byte>(54 + size);
  bytes.at(51) = static_cast<std::byte>(2 + size);
  return bytes;
}

ManagementReply decoded(const Bytes& bytes) {
  const auto reply = decode_management(bytes);
  if (!reply) {
    ADD_FAILURE() << text_of(reply.error());
    return {};
  }
  return *reply;
}

template <typename T>
T data_of(const Bytes& bytes) {
  const ManagementReply reply = decoded(bytes);
  const T* const data = std::get_if<T>(&reply.data);
  if (data == nullptr) ADD_FAILURE() << "other data: " << reply.data.index();
  return data == nullptr ? T{} : *data;
}

void expect_fault(const Bytes& bytes, ManagementFault fault) {
  const auto reply = decode_management(bytes);
  ASSERT_FALSE(reply) << "expected: " << text_of(fault);
  EXPECT_EQ(reply.error(), fault) << text_of(reply.error());
}

// --- what real replies say ------------------------------------------------------------------------------------------

TEST(ManagementReply, HeaderSaysWhoAnswersWhat) {
  const ManagementReply reply = decoded(golden("time_status"));
  EXPECT_EQ(reply.domain, 0);
  EXPECT_EQ(reply.major_sdo_id, 0);
  EXPECT_EQ(reply.minor_version, 0);
  EXPECT_EQ(reply.sequence, 0x1201);
  EXPECT_EQ(reply.source, (PortIdentity{kClient, 0}));
  EXPECT_EQ(reply.target, kUs);
  EXPECT_EQ(reply.action, ManagementAction::kResponse);
  EXPECT_EQ(reply.id, ManagementId::kTimeStatusNp);
  EXPECT_EQ(decoded(with(golden("port"), 4, {77})).domain, 77);
}

TEST(ManagementReply, TimeStatus) {
  const auto status = data_of<TimeStatus>(golden("time_status"));
  EXPECT_EQ(status.master_offset, time::nanoseconds(36'999'999'949)) << "TAI against UTC, as it came";
  EXPECT_EQ(status.ingress, PtpClockTime{1'795'555'124'269'648'230});
  EXPECT_EQ(status.cumulative_rate_offset_ppb, 0);
  EXPECT_TRUE(status.gm_present);
  EXPECT_EQ(status.gm_identity, kGrandmaster);

  const Bytes none = with(golden("time_status"), 62, {0, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_FALSE(data_of<TimeStatus>(none).ingress) << "a grandmaster that is lost leaves no ingress time";
  const Bytes negative = with(golden("time_status"), 54, {255, 255, 255, 255, 255, 255, 255, 1});
  EXPECT_EQ(data_of<TimeStatus>(negative).master_offset, time::nanoseconds(-255));
}

TEST(ManagementReply, RatesAreRoundedAwayFromZero) {
  const auto ppb = [](std::initializer_list<unsigned> scaled) {
    return data_of<TimeStatus>(with(golden("time_status"), 70, scaled)).cumulative_rate_offset_ppb;
  };
  EXPECT_EQ(ppb({0, 0, 0, 1}), 1) << "2^-41 is 0.0005 ppb";
  EXPECT_EQ(ppb({255, 255, 255, 255}), -1);
  EXPECT_EQ(ppb({0, 0, 0x08, 0x98}), 2) << "2200 * 2^-41 is 1.0005 ppb";
  EXPECT_EQ(ppb({0x80, 0, 0, 0}), -976'563) << "-2^-10";
}

TEST(ManagementReply, CurrentDataSet) {
  const auto current = data_of<CurrentDataSet>(golden("current"));
  EXPECT_EQ(current.steps_removed, 1);
  EXPECT_EQ(current.offset_from_master, time::nanoseconds(36'999'999'056));
  EXPECT_EQ(current.mean_path_delay, time::nanoseconds(2587));

  const Bytes fractions = with(golden("current"), 56,
                               {255, 255, 255, 255, 255, 255, 255, 255,  // -2^-16 ns
                                0, 0, 0, 0, 0x0a, 0x1b, 0, 1});          // 2587 + 2^-16 ns
  EXPECT_EQ(data_of<CurrentDataSet>(fractions).offset_from_master, time::nanoseconds(-1));
  EXPECT_EQ(data_of<CurrentDataSet>(fractions).mean_path_delay, time::nanoseconds(2588));
}

TEST(ManagementReply, ParentDataSet) {
  const auto parent = data_of<ParentDataSet>(golden("parent"));
  EXPECT_EQ(parent.parent, (PortIdentity{kGrandmaster, 1}));
  EXPECT_FALSE(parent.parent_stats);
  EXPECT_EQ(parent.observed_offset_scaled_log_variance, 0xffff);
  EXPECT_EQ(parent.observed_phase_change_rate, 0x7fffffffU);
  EXPECT_EQ(parent.gm_priority1, 10);
  EXPECT_EQ(parent.gm_quality, (ClockQuality{ClockClass::kPrimaryLocked, ClockAccuracy::kWithin100Ns, 0x4e5d}));
  EXPECT_EQ(parent.gm_priority2, 128);
  EXPECT_EQ(parent.gm_identity, kGrandmaster);
}

TEST(ManagementReply, TimeProperties) {
  const auto properties = data_of<TimeProperties>(golden("time_properties"));
  EXPECT_EQ(properties.utc_offset(), time::seconds(37));
  EXPECT_FALSE(properties.leap61 || properties.leap59 || properties.synchronization_uncertain);
  EXPECT_TRUE(properties.ptp_timescale && properties.time_traceable && properties.frequency_traceable);
  EXPECT_EQ(properties.source, TimeSourceKind::kGnss);

  const auto with_flags = [](unsigned flags) {
    return data_of<TimeProperties>(with(golden("time_properties"), 56, {flags}));
  };
  EXPECT_FALSE(with_flags(0x38).utc_offset()) << "37, but not said to be valid";
  EXPECT_TRUE(with_flags(0x01).leap61);
  EXPECT_TRUE(with_flags(0x02).leap59);
  EXPECT_TRUE(with_flags(0x04).utc_offset_valid);
  EXPECT_TRUE(with_flags(0x08).ptp_timescale);
  EXPECT_TRUE(with_flags(0x10).time_traceable);
  EXPECT_TRUE(with_flags(0x20).frequency_traceable);
  EXPECT_TRUE(with_flags(0x40).synchronization_uncertain);
  EXPECT_TRUE(with_flags(0x80).source == TimeSourceKind::kGnss) << "reserved: ignored";
  expect_fault(with(golden("time_properties"), 56, {0x03}), ManagementFault::kFlags);
}

TEST(ManagementReply, PortDataSetAndProperties) {
  const auto port = data_of<PortDataSet>(golden("port"));
  EXPECT_EQ(port.port, (PortIdentity{kClient, 1}));
  EXPECT_EQ(port.state, PortState::kSlave);
  EXPECT_EQ(port.log_min_delay_req_interval, -3);
  EXPECT_EQ(port.peer_mean_path_delay, time::Duration{});
  EXPECT_EQ(port.log_announce_interval, -2);
  EXPECT_EQ(port.announce_receipt_timeout, 2);
  EXPECT_EQ(port.log_sync_interval, -3);
  EXPECT_EQ(port.delay_mechanism, DelayMechanism::kEndToEnd);
  EXPECT_EQ(port.minor_version, 0);
  const Bytes newer = with(golden("port"), 79, {0x12});
  EXPECT_EQ(data_of<PortDataSet>(newer).minor_version, 1);

  const auto properties = data_of<PortProperties>(golden("port_properties"));
  EXPECT_EQ(properties.port, (PortIdentity{kClient, 1}));
  EXPECT_EQ(properties.state, PortState::kSlave);
  EXPECT_EQ(properties.timestamping, Timestamping::kSoftware);
  EXPECT_EQ(properties.interface, "lo");
  const Bytes even = with(with_data_size(golden("port_properties"), 16), 66, {3, 'v', 'e', 't'});
  EXPECT_EQ(data_of<PortProperties>(even).interface, "vet") << "no byte is needed to make it even";
}

TEST(ManagementReply, DefaultDataSetAndSubscription) {
  const auto set = data_of<DefaultDataSet>(golden("default"));
  EXPECT_TRUE(set.two_step);
  EXPECT_TRUE(set.slave_only);
  EXPECT_EQ(set.number_ports, 1);
  EXPECT_EQ(set.priority1, 200);
  EXPECT_EQ(set.quality, (ClockQuality{ClockClass::kSlaveOnly, ClockAccuracy::kUnknown, 0xffff}));
  EXPECT_EQ(set.priority2, 128);
  EXPECT_EQ(set.clock, kClient);
  EXPECT_EQ(set.domain, 0);
  EXPECT_EQ(data_of<Subscription>(golden("subscription")),
            (Subscription{60, EventMask{}.set(ManagementEvent::kPortState)}));
}

TEST(ManagementReply, RefusalsNameTheErrorAndTheId) {
  const ManagementReply reply = decoded(golden("no_such_id"));
  ASSERT_TRUE(std::holds_alternative<ManagementRefusal>(reply.data));
  EXPECT_EQ(static_cast<unsigned>(reply.id), 0xc0feU);
  EXPECT_EQ(std::get<ManagementRefusal>(reply.data).error, ErrorId::kNoSuchId);
  EXPECT_EQ(data_of<ManagementRefusal>(golden("not_supported")).error, ErrorId::kNotSupported);
  EXPECT_EQ(decoded(golden("not_supported")).id, ManagementId::kCurrentDataSet);

  const Bytes told = with(with_data_size(golden("no_such_id"), 12), 60, {4, 'n', 'o', 10, 'w', 0});
  EXPECT_EQ(data_of<ManagementRefusal>(told).text, "no?w") << "not printable";
  expect_fault(with(told, 60, {6}), ManagementFault::kText);
  expect_fault(with(told, 60, {2}), ManagementFault::kText);
}

TEST(ManagementReply, AnswersOnlyWhatWasAsked) {
  const ManagementReply reply = decoded(golden("current"));
  const ManagementRequest request{.sequence = 0x1202, .source = kUs};
  EXPECT_TRUE(answers(reply, request, ManagementId::kCurrentDataSet));
  EXPECT_FALSE(answers(reply, request, ManagementId::kParentDataSet));
  ManagementRequest other = request;
  other.sequence = 0x1203;
  EXPECT_FALSE(answers(reply, other, ManagementId::kCurrentDataSet));
  other = request;
  other.source.port = 8;
  EXPECT_FALSE(answers(reply, other, ManagementId::kCurrentDataSet));
  other = request;
  other.domain = 1;
  EXPECT_FALSE(answers(reply, other, ManagementId::kCurrentDataSet));
  other = request;
  other.major_sdo_id = 1;
  EXPECT_FALSE(answers(reply, other, ManagementId::kCurrentDataSet));
  EXPECT_TRUE(
      answers(decoded(golden("not_supported")), {.sequence = 0x120b, .source = kUs}, ManagementId::kCurrentDataSet))
      << "a refusal is an answer";
}

// --- what is not believed -------------------------------------------------------------------------------------------

TEST(ManagementFaults, Header) {
  const Bytes good = golden("port");
  expect_fault({}, ManagementFault::kTruncated);
  expect_fault(Bytes(good.begin(), good.begin() + 51), ManagementFault::kMessageLength);
  expect_fault(Bytes(good.begin(), good.begin() + 47), ManagementFault::kTruncated);
  expect_fault(with(good, 0, {0x0b}), ManagementFault::kMessageType);
  EXPECT_EQ(decoded(with(good, 0, {0x1d})).major_sdo_id, 1);
  EXPECT_EQ(decoded(with(good, 1, {0x12})).minor_version, 1);
  for (const unsigned version : {0x00U, 0x01U, 0x03U, 0x22U, 0x11U})
    expect_fault(with(good, 1, {version}), ManagementFault::kVersion);
  expect_fault(with(good, 2, {0, 79}), ManagementFault::kMessageLength);
  expect_fault(with(good, 2, {0, 81}), ManagementFault::kMessageLength);
  for (const unsigned action : {0U, 1U, 3U, 4U, 15U})
    expect_fault(with(good, 46, {action}), ManagementFault::kAction);
  EXPECT_TRUE(decode_management(with(good, 46, {0xf2}))) << "the upper half is reserved";
}

TEST(ManagementFaults, Tlv) {
  const Bytes good = golden("port");
  expect_fault(with(good, 48, {0, 0}), ManagementFault::kTlvType);
  expect_fault(with(good, 48, {0, 3}), ManagementFault::kTlvType);
  expect_fault(with(good, 50, {0, 27}), ManagementFault::kTlvLength);
  expect_fault(with(good, 50, {0, 29}), ManagementFault::kTlvLength);
  expect_fault(with(good, 50, {0xff, 0xff}), ManagementFault::kTlvLength);
  Bytes no_id = with(good, 50, {0, 0});
  no_id.resize(52);
  expect_fault(with(no_id, 2, {0, 52}), ManagementFault::kTlvLength);
  Bytes two = good;  // a second TLV behind the first
  two.resize(84);
  expect_fault(with(two, 2, {0, 84}), ManagementFault::kTlvLength);
  expect_fault(golden("null_management"), ManagementFault::kUnknownId);
  expect_fault(with(good, 52, {0xc0, 0x05}), ManagementFault::kUnknownId);
  expect_fault(with_data_size(golden("no_such_id"), 4), ManagementFault::kTlvLength);
}

// Lengths put right, so that only the size of the data set itself is wrong.
TEST(ManagementFaults, EverySizeButTheRightOne) {
  for (const auto& reply : kManagementReplies) {
    const Bytes good = reply.bytes();
    if (good.at(49) != std::byte{1} || reply.name == "null_management") continue;
    SCOPED_TRACE(reply.name);
    for (std::size_t size = 0; size <= 150; size += 2)
      if (54 + size != good.size()) expect_fault(with_data_size(good, size), ManagementFault::kDataSize);
  }
  expect_fault(with_data_size(golden("subscription"), 0), ManagementFault::kDataSize);
}

TEST(ManagementFaults, Values) {
  const std::initializer_list<unsigned> too_large{0x7f, 255, 255, 255, 255, 255, 255, 255};
  const std::initializer_list<unsigned> too_small{0x80, 0, 0, 0, 0, 0, 0, 0};
  for (const auto extreme : {too_large, too_small}) {
    expect_fault(with(golden("current"), 56, extreme), ManagementFault::kOutOfRange);
    expect_fault(with(golden("current"), 64, extreme), ManagementFault::kOutOfRange);
    expect_fault(with(golden("port"), 66, extreme), ManagementFault::kOutOfRange);
  }
  expect_fault(with(golden("time_status"), 54, too_small), ManagementFault::kOutOfRange);
  expect_fault(with(golden("time_status"), 95, {2}), ManagementFault::kFlags);
  for (const unsigned state : {0U, 10U, 255U}) {
    expect_fault(with(golden("port"), 64, {state}), ManagementFault::kPortState);
    expect_fault(with(golden("port_properties"), 64, {state}), ManagementFault::kPortState);
  }
  expect_fault(with(golden("port"), 79, {1}), ManagementFault::kVersion);
  expect_fault(with(golden("port_properties"), 65, {5}), ManagementFault::kTimestamping);
  expect_fault(with(golden("port_properties"), 67, {0xec}), ManagementFault::kText);
  expect_fault(with(golden("port_properties"), 66, {0}), ManagementFault::kDataSize);
  expect_fault(with(golden("port_properties"), 66, {255}), ManagementFault::kDataSize);
  expect_fault(with(with_data_size(golden("port_properties"), 14), 66, {0, 0}), ManagementFault::kText);
}

TEST(ManagementFaults, EveryTruncationIsRefused) {
  for (const auto& reply : kManagementReplies) {
    const Bytes good = reply.bytes();
    EXPECT_EQ(decode_management(good).has_value(), reply.name != "null_management") << reply.name;
    for (std::size_t size = 0; size < good.size(); ++size)
      EXPECT_FALSE(decode_management(std::span(good).first(size))) << reply.name << ", " << size << " bytes";
  }
}

TEST(ManagementFaults, EveryBitFlipIsRefusedOrDecodesToWhatIsThere) {
  for (const auto& reply : kManagementReplies) {
    Bytes bytes = reply.bytes();
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      const std::byte flip = std::byte{1} << (bit % 8);
      bytes[bit / 8] ^= flip;
      EXPECT_EQ(testing::judge_management(bytes), "") << reply.name << ", bit " << bit;
      bytes[bit / 8] ^= flip;
    }
  }
}

TEST(ManagementFaults, EachHasASentenceOfItsOwn) {
  std::vector<std::string_view> texts;
  for (auto fault = ManagementFault::kTruncated; fault <= ManagementFault::kText;
       fault = static_cast<ManagementFault>(static_cast<unsigned>(fault) + 1)) {
    EXPECT_NE(text_of(fault).find("; "), std::string_view::npos) << "and says what to do: " << text_of(fault);
    EXPECT_EQ(std::ranges::count(texts, text_of(fault)), 0);
    texts.push_back(text_of(fault));
  }
}

// --- requests -------------------------------------------------------------------------------------------------------

// Each of these was answered by a real ptp4l with the reply of the same name.
TEST(ManagementRequest, GetIsWhatPtp4lAnswered) {
  const ManagementRequest request{.sequence = 0x1201, .source = kUs};
  const Bytes expected = testing::bytes_of_hex(
      "0d0200360000000000000000000000000000000067"
      "6e6f6d6f6e000100071201047fffffffffffffffffffff0000000000010002c000");
  EXPECT_TRUE(std::ranges::equal(encode_get(request, ManagementId::kTimeStatusNp), expected));
}

TEST(ManagementRequest, TakesDomainSdoIdAndTarget) {
  const ManagementRequest request{
      .domain = 24, .major_sdo_id = 1, .sequence = 0xfffe, .source = kUs, .target = {kGrandmaster, 0x0203}};
  const Bytes expected = testing::bytes_of_hex(
      "1d0200361800000000000000000000000000000067"
      "6e6f6d6f6e00010007fffe047f001122fffe3344550203000000000001000220"
      "04");
  EXPECT_TRUE(std::ranges::equal(encode_get(request, ManagementId::kPortDataSet), expected));
}

TEST(ManagementRequest, SubscribeIsWhatPtp4lGranted) {
  const ManagementRequest request{.sequence = 0x1208, .source = kUs};
  const auto bytes = encode_subscribe(request, {60, EventMask{}.set(ManagementEvent::kPortState)});
  Bytes expected = testing::bytes_of_hex(
      "0d0200780000000000000000000000000000000067"
      "6e6f6d6f6e000100071208047fffffffffffffffffffff0000010000010044c003003c01");
  expected.resize(120);
  EXPECT_TRUE(std::ranges::equal(bytes, expected));
  EXPECT_TRUE(EventMask{}.set(ManagementEvent::kTimeSync).has(ManagementEvent::kTimeSync));
  EXPECT_FALSE(EventMask{}.set(ManagementEvent::kTimeSync).has(ManagementEvent::kPortState));
  EXPECT_EQ(EventMask{}.set(ManagementEvent::kTimeSync).bits[0], 2);
}

// --- types ----------------------------------------------------------------------------------------------------------

TEST(ManagementTypes, Identities) {
  EXPECT_EQ(text_of(kGrandmaster), "001122.fffe.334455");
  EXPECT_EQ(text_of(PortIdentity{kGrandmaster, 12}), "001122.fffe.334455-12");
  EXPECT_LT(kGrandmaster, kClient);
}

/// How many different words the values from 0 to `last` have.
template <typename Type>
std::size_t different_words(unsigned last) {
  std::set<std::string_view> words;
  for (unsigned value = 0; value <= last; ++value)
    words.insert(text_of(static_cast<Type>(value)));
  EXPECT_FALSE(words.contains(""));
  return words.size();
}

TEST(ManagementTypes, EachValueOfTheStandardHasItsOwnWords) {
  constexpr unsigned kByte = 0xff;
  EXPECT_EQ(different_words<PortState>(kByte), 9U + 1) << "and one for all that is none of them";
  EXPECT_EQ(different_words<Timestamping>(kByte), 5U + 1);
  EXPECT_EQ(different_words<ClockClass>(kByte), 10U - 2 + 1) << "A and B of the degraded ones are the same";
  EXPECT_EQ(different_words<TimeSourceKind>(kByte), 9U + 1);
  EXPECT_EQ(different_words<DelayMechanism>(kByte), 6U + 1);
  EXPECT_EQ(different_words<ErrorId>(0xffff), 7U + 1);
  EXPECT_EQ(text_of(PortState::kPreMaster), "PRE_MASTER") << "as pmc writes it";
}

TEST(ManagementTypes, AccuracyBoundsOfTheStandardsTable) {
  const auto bound = [](unsigned value) { return bound_of(static_cast<ClockAccuracy>(value)); };
  EXPECT_EQ(bound(0x17), time::nanoseconds(1)) << "1 ps";
  EXPECT_EQ(bound(0x1d), time::nanoseconds(1));
  EXPECT_EQ(bound(0x1e), time::nanoseconds(3)) << "2.5 ns";
  EXPECT_EQ(bound(0x20), time::nanoseconds(25));
  EXPECT_EQ(bound(0x21), time::nanoseconds(100));
  EXPECT_EQ(bound(0x23), time::microseconds(1));
  EXPECT_EQ(bound(0x24), time::nanoseconds(2'500));
  EXPECT_EQ(bound(0x29), time::milliseconds(1));
  EXPECT_EQ(bound(0x2f), time::seconds(1));
  EXPECT_EQ(bound(0x30), time::seconds(10));
  for (unsigned value = 0; value < 256; ++value)
    EXPECT_EQ(bound(value).has_value(), value >= 0x17 && value <= 0x30) << value;
  for (unsigned value = 0x18; value <= 0x30; ++value)
    EXPECT_GE(*bound(value), *bound(value - 1));
  EXPECT_EQ(text_of(ClockAccuracy::kWithin100Ns), "within 100 ns");
  EXPECT_EQ(text_of(ClockAccuracy::kWithin10S), "within 10 s");
  EXPECT_EQ(text_of(ClockAccuracy::kUnknown), "unknown");
  EXPECT_EQ(text_of(ClockAccuracy::kBeyond10S), "worse than 10 s");
  EXPECT_EQ(text_of(ClockAccuracy{0x32}), "reserved");
}

TEST(ManagementTypes, TimeIntervalsRoundAwayFromZero) {
  EXPECT_EQ(from_time_interval(0), time::nanoseconds(0));
  EXPECT_EQ(from_time_interval(65536), time::nanoseconds(1));
  EXPECT_EQ(from_time_interval(65537), time::nanoseconds(2));
  EXPECT_EQ(from_time_interval(1), time::nanoseconds(1));
  EXPECT_EQ(from_time_interval(-1), time::nanoseconds(-1));
  EXPECT_EQ(from_time_interval(-65536), time::nanoseconds(-1));
  EXPECT_EQ(from_time_interval(-65537), time::nanoseconds(-2));
  using Limits = std::numeric_limits<std::int64_t>;
  EXPECT_EQ(from_time_interval(Limits::max() - 1), time::nanoseconds(std::int64_t{1} << 47));
  EXPECT_EQ(from_time_interval(Limits::min() + 1), time::nanoseconds(-(std::int64_t{1} << 47)));
  EXPECT_FALSE(from_time_interval(Limits::max()));
  EXPECT_FALSE(from_time_interval(Limits::min()));
}

TEST(ManagementTypes, Texts) {
  EXPECT_EQ(text_of(PortState::kSlave), "SLAVE");
  EXPECT_EQ(text_of(ClockClass{6}), "locked to a primary reference");
  EXPECT_EQ(text_of(ClockClass{99}), "reserved or of a profile");
  EXPECT_EQ(text_of(TimeSourceKind::kGnss), "GNSS");
  EXPECT_EQ(text_of(TimeSourceKind{0x11}), "reserved");
  EXPECT_EQ(text_of(DelayMechanism::kPeerToPeer), "peer to peer");
  EXPECT_EQ(text_of(Timestamping::kHardware), "hardware");
  EXPECT_EQ(text_of(ManagementId::kTimeStatusNp), "TIME_STATUS_NP");
  EXPECT_EQ(text_of(ErrorId{0x1234}), "reserved");
}

}  // namespace
}  // namespace gnomon::ptp
