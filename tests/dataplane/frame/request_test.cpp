// SPDX-License-Identifier: Apache-2.0
//
// Requests that are answered: each byte of the reply, over IPv4 and IPv6, with and without a VLAN tag, with checksums
// by software and by the port.
#include <gtest/gtest.h>

#include <array>

#include "tests/dataplane/frame/neighbour.hpp"

namespace gnomon::frame {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using page::Counter;
using support::Bytes;
using support::Checksum;
using support::Dissection;
using support::Envelope;

struct Way {
  const char* name;
  Envelope envelope;
  bool port_makes_checksums = false;
};
void PrintTo(const Way& one, std::ostream* out) { *out << one.name; }

std::vector<Way> ways() {
  std::vector<Way> all;
  for (const bool port : {false, true}) {
    all.push_back({port ? "v4_port" : "v4", to_host4(), port});
    all.push_back({port ? "v6_port" : "v6", to_host6(), port});
    all.push_back({port ? "v4_vlan_port" : "v4_vlan", tagged(to_host4()), port});
    all.push_back({port ? "v6_vlan_port" : "v6_vlan", tagged(to_host6()), port});
    all.push_back({port ? "v4_priority_tag_port" : "v4_priority_tag", tagged(to_host4(), 0x6000), port});
    all.push_back({port ? "v6_priority_tag_port" : "v6_priority_tag", tagged(to_host6(), 0x6000), port});
  }
  return all;
}

StationOptions options_of(const Way& way) {
  StationOptions options = host_options();
  options.port_makes_checksums = way.port_makes_checksums;
  options.port = 3;
  return options;
}

// What a card does with a packet whose checksums were left to it: adds up what is there, the pseudo header's sum in the
// field included, and writes the complement.
Bytes completed_by_card(Bytes frame, const Outgoing& out) {
  if (!out.checksums_left) return frame;
  const std::size_t udp = std::size_t{out.l2} + out.l3;
  const auto put = [&frame](std::size_t at, std::uint16_t value) {
    frame.at(at) = static_cast<std::byte>(value >> 8);
    frame.at(at + 1) = static_cast<std::byte>(value & 0xff);
  };
  if (out.l3 == 20) put(out.l2 + 10U, support::internet_checksum(part(frame, out.l2, 20)));
  const std::uint16_t sum = support::internet_checksum(part(frame, udp, frame.size() - udp));
  put(udp + 6, sum == 0 ? 0xffff : sum);
  return frame;
}

class Requests : public ::testing::TestWithParam<Way> {};
INSTANTIATE_TEST_SUITE_P(Ways, Requests, ::testing::ValuesIn(ways()),
                         [](const auto& way) { return std::string(way.param.name); });

TEST_P(Requests, OfEveryNumberOfMessages) {
  const Envelope& there = GetParam().envelope;
  Judge judge(options_of(GetParam()));
  for (std::size_t messages = 1; messages <= wire::kMaxMessages; ++messages) {
    const Bytes request = request_frame(there, requests(messages));
    ASSERT_EQ(judge.judge(request), "");
    const Bytes reply = completed_by_card(judge.last().reply, judge.last().out);
    ASSERT_EQ(reply.size(), request.size());
    ASSERT_EQ(support::check_reply_frame(reply), "");

    const Dissection d = support::dissect(reply);
    EXPECT_EQ(d.to, kGuestMac);
    EXPECT_EQ(d.from, kHostMac);
    EXPECT_EQ(d.tags, there.tags) << "priority, drop eligibility and VLAN id as they came";
    EXPECT_EQ(d.source, there.to);
    EXPECT_EQ(d.destination, there.from);
    EXPECT_EQ(d.source_port, kPort);
    EXPECT_EQ(d.destination_port, kGuestPort);
    EXPECT_EQ(d.ttl, 64);
    EXPECT_EQ(d.protocol, 17);
    EXPECT_EQ(d.traffic_class, 0);
    ASSERT_EQ(d.payload.size(), messages * wire::kMessageSize);
    for (std::size_t i = 0; i < messages; ++i) {
      const wire::Message message = wire::load(d.payload.data() + i * wire::kMessageSize);
      EXPECT_EQ(message.request_id, i + 1);
      EXPECT_EQ(message.status, 0);
      EXPECT_EQ(message.flags, wire::kFlagReply);
    }
    if (!there.to.is_v4()) continue;
    const std::size_t ip = there.tags.empty() ? 14 : 18;
    EXPECT_EQ(u16_at(reply, ip + 4), 0) << "an id only for fragments (RFC 6864)";
    EXPECT_EQ(u16_at(reply, ip + 6), 0x4000) << "don't fragment";
  }
  EXPECT_EQ(judge.check_books(), "");
}

TEST_P(Requests, LeaveTheChecksumsToThePortIfItMakesThem) {
  Judge judge(options_of(GetParam()));
  ASSERT_EQ(judge.judge(request_frame(GetParam().envelope)), "");
  const Outgoing out = judge.last().out;
  EXPECT_EQ(out.checksums_left, GetParam().port_makes_checksums);
  EXPECT_EQ(out.l2, GetParam().envelope.tags.empty() ? 14 : 18);
  EXPECT_EQ(out.l3, GetParam().envelope.to.is_v4() ? 20 : 40);
  EXPECT_EQ(support::check_reply_frame(judge.last().reply).empty(), !GetParam().port_makes_checksums)
      << "neither is right before the card has been at it";
}

TEST_P(Requests, ThatTheServerDropsAreNotAnswered) {
  Judge judge(options_of(GetParam()));
  std::uint64_t sent = 0;
  for (const std::size_t size : {0U, 1U, 63U, 65U, 127U, 1472U}) {
    Bytes payload = requests(23);
    payload.resize(size);
    ASSERT_EQ(judge.judge(request_frame(GetParam().envelope, payload)), "");
    EXPECT_EQ(judge.last().counter, Counter::kDatagrams);
    EXPECT_TRUE(judge.last().reply.empty());
    EXPECT_EQ(judge.count(Counter::kDropLength), ++sent);
  }
  Bytes reply = requests(1);
  reply[6] = std::byte{0x80};
  ASSERT_EQ(judge.judge(request_frame(GetParam().envelope, reply)), "");
  EXPECT_TRUE(judge.last().reply.empty()) << "a reply sent as a request";
  EXPECT_EQ(judge.count(Counter::kDropReply), 1U);
}

TEST_P(Requests, FromEveryPortAndEveryNeighbour) {
  Envelope there = GetParam().envelope;
  Judge judge(options_of(GetParam()));
  for (unsigned port = 1; port < 65536; port += 251) {
    there.from_mac = {0x00, 0x1b, 0x21, 0x00, static_cast<std::uint8_t>(port >> 8), static_cast<std::uint8_t>(port)};
    there.from.bytes[15] = static_cast<std::uint8_t>(port % 200 + 20);
    const auto from = static_cast<std::uint16_t>(port);
    ASSERT_EQ(judge.judge(support::udp_frame(there, {.from = from, .to = kPort}, requests(1, port))), "");
    const Dissection d = support::dissect(completed_by_card(judge.last().reply, judge.last().out));
    ASSERT_EQ(d.to, there.from_mac);
    ASSERT_EQ(d.destination, there.from);
    ASSERT_EQ(d.destination_port, from);
  }
}

// In a buffer that ends where the frame ends, in one that is longer, and behind every alignment.
TEST_P(Requests, InAnyBuffer) {
  Judge judge(options_of(GetParam()));
  const Bytes request = request_frame(GetParam().envelope, requests(2));
  for (std::size_t more = 0; more < 70; ++more) {
    ASSERT_EQ(judge.judge(request, {}, request.size() + more), "") << more;
    ASSERT_FALSE(judge.last().reply.empty());
  }
  // An Ethernet trailer, as some switches add: not part of the packet, and not sent back.
  Bytes trailed = request;
  trailed.resize(request.size() + 7, std::byte{0x55});
  ASSERT_EQ(judge.judge(trailed), "");
  EXPECT_EQ(judge.last().reply.size(), request.size());
}

Bytes v4_with(const support::Ipv4& changes, const support::Udp& udp = {.from = kGuestPort, .to = kPort}) {
  support::Ipv4 header = changes;
  header.from = kGuest4;
  header.to = kHost4;
  return support::ethernet({.to = kHostMac, .from = kGuestMac}, support::kTypeIpv4,
                           support::ipv4(header, support::udp(udp, kGuest4, kHost4, requests(1))));
}

Bytes v6_with(const support::Ipv6& changes, const support::Udp& udp = {.from = kGuestPort, .to = kPort}) {
  support::Ipv6 header = changes;
  header.from = kGuest6;
  header.to = kHost6;
  return support::ethernet({.to = kHostMac, .from = kGuestMac}, support::kTypeIpv6,
                           support::ipv6(header, support::udp(udp, kGuest6, kHost6, requests(1))));
}

// RFC 2474: six bits of class. RFC 3168: the other two are marks of congestion on the way here, not on the way back.
TEST(Headers, ClassOfServiceStaysCongestionMarksDoNot) {
  Judge judge;
  for (unsigned service = 0; service < 256; ++service) {
    const auto byte = static_cast<std::uint8_t>(service);
    support::Ipv4 four;
    four.tos = byte;
    ASSERT_EQ(judge.judge(v4_with(four)), "");
    ASSERT_EQ(support::dissect(judge.last().reply).traffic_class, service & 0xfcU);
    support::Ipv6 six;
    six.traffic_class = byte;
    ASSERT_EQ(judge.judge(v6_with(six)), "");
    ASSERT_EQ(support::dissect(judge.last().reply).traffic_class, service & 0xfcU);
  }
}

TEST(Headers, FlowLabelStays) {
  Judge judge;
  for (const std::uint32_t flow : {0U, 1U, 0xfffffU, 0x80000U, 0x12345U}) {
    support::Ipv6 six;
    six.flow = flow;
    six.traffic_class = 0xff;
    ASSERT_EQ(judge.judge(v6_with(six)), "");
    const Bytes& reply = judge.last().reply;
    EXPECT_EQ(u16_at(reply, 14), 0x6fc0 | flow >> 16) << "version, class without marks, label";
    EXPECT_EQ(u16_at(reply, 16), flow & 0xffff);
  }
}

// What a request carries there is nobody's business on the way back: RFC 1122 lets no host drop for a low time to live.
TEST(Headers, IdFlagsAndTimeToLiveAreOurOwn) {
  Judge judge;
  for (const std::uint8_t ttl : std::array<std::uint8_t, 4>{0, 1, 64, 255})
    for (const std::uint16_t fragment : std::array<std::uint16_t, 4>{0x0000, 0x4000, 0x8000, 0xc000}) {
      support::Ipv4 four;
      four.ttl = ttl;
      four.id = 0x1234;
      four.fragment = fragment;
      ASSERT_EQ(judge.judge(v4_with(four)), "");
      const Bytes& reply = judge.last().reply;
      ASSERT_FALSE(reply.empty());
      EXPECT_EQ(u16_at(reply, 18), 0);
      EXPECT_EQ(u16_at(reply, 20), 0x4000);
      EXPECT_EQ(u8_at(reply, 22), 64);
      support::Ipv6 six;
      six.hop_limit = ttl;
      ASSERT_EQ(judge.judge(v6_with(six)), "");
      EXPECT_EQ(u8_at(judge.last().reply, 21), 64);
    }
}

// RFC 768: over IPv4 a zero says that the sender made none. RFC 8200, 8.1: over IPv6 it is an error. The reply has one.
TEST(Checksums, NoneOverIpv4IsACallersChoiceOverIpv6AnError) {
  for (const Verified verified : {Verified::kUnknown, Verified::kGood, Verified::kBad}) {
    Judge judge;
    const PortChecks checks{.ip = Verified::kUnknown, .udp = verified};
    const support::Udp none{.from = kGuestPort, .to = kPort, .checksum = Checksum::kZero, .length = {}};
    ASSERT_EQ(judge.judge(v4_with({}, none), checks), "");
    ASSERT_FALSE(judge.last().reply.empty());
    EXPECT_NE(u16_at(judge.last().reply, 40), 0);
    ASSERT_EQ(judge.judge(v6_with({}, none), checks), "");
    EXPECT_EQ(judge.last().counter, Counter::kDropUdpChecksum);
  }
}

TEST(Checksums, WrongOnesAreDroppedUnlessThePortVouches) {
  const support::Udp wrong{.from = kGuestPort, .to = kPort, .checksum = Checksum::kWrong, .length = {}};
  support::Ipv4 wrong_ip;
  wrong_ip.checksum = Checksum::kWrong;
  for (const Verified ip : {Verified::kUnknown, Verified::kGood, Verified::kBad})
    for (const Verified udp : {Verified::kUnknown, Verified::kGood, Verified::kBad}) {
      const PortChecks checks{.ip = ip, .udp = udp};
      Judge judge;
      const auto counter_of = [&](const Bytes& frame) {
        EXPECT_EQ(judge.judge(frame, checks), "");
        EXPECT_EQ(judge.last().reply.empty(), judge.last().counter != Counter::kDatagrams);
        return judge.last().counter;
      };
      const bool bad = ip == Verified::kBad;
      const Counter without_ip_fault = udp == Verified::kBad ? Counter::kDropUdpChecksum : Counter::kDatagrams;
      const Counter with_udp_fault = udp == Verified::kGood ? Counter::kDatagrams : Counter::kDropUdpChecksum;
      EXPECT_EQ(counter_of(v4_with({})), bad ? Counter::kDropIpChecksum : without_ip_fault);
      EXPECT_EQ(counter_of(v4_with(wrong_ip)), ip == Verified::kGood ? without_ip_fault : Counter::kDropIpChecksum);
      EXPECT_EQ(counter_of(v4_with({}, wrong)), bad ? Counter::kDropIpChecksum : with_udp_fault);
      EXPECT_EQ(counter_of(v6_with({})), without_ip_fault) << "IPv6 has none of its own";
      EXPECT_EQ(counter_of(v6_with({}, wrong)), with_udp_fault);
      EXPECT_EQ(judge.check_books(), "");
    }
}

// A sum that comes out as 0 is sent as 0xffff, because 0 would say that there is none.
TEST(Checksums, ZeroLeavesAsAllOnes) {
  for (const bool v4 : {true, false}) {
    page::Counters counters;
    Station station(host_options(), counters);
    Room room;
    const Bytes request = v4 ? v4_with({}) : v6_with({});
    const std::size_t udp = v4 ? 34 : 54;
    const auto reply_with = [&](std::uint16_t word) {
      const Frame frame = room.place(request, request.size());
      const Outgoing out = station.handle(frame, {}, [&](auto payload, const auto&, const auto&) {
        payload[0] = static_cast<std::byte>(word >> 8);
        payload[1] = static_cast<std::byte>(word & 0xff);
        return payload.size();
      });
      return Bytes(frame.data, frame.data + out.length);
    };
    // One's complement arithmetic: adding the checksum that a payload with 0 there has makes the sum all ones.
    const std::uint16_t missing = u16_at(reply_with(0), udp + 6);
    const Bytes reply = reply_with(missing);
    EXPECT_EQ(u16_at(reply, udp + 6), 0xffff);
    EXPECT_EQ(support::check_reply_frame(reply), "");
  }
}

}  // namespace
}  // namespace gnomon::frame
