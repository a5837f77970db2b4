// SPDX-License-Identifier: Apache-2.0
//
// What the host says to its neighbours: ARP (RFC 826, 5227), neighbour advertisements (RFC 4861), echoes (RFC 792,
// 4443), asked and unasked, byte by byte.
#include "tests/dataplane/frame/neighbour.hpp"

#include <gtest/gtest.h>

#include <set>

namespace gnomon::frame {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using page::Counter;
using support::Bytes;
using support::Envelope;

// The reply to a frame that must be answered and counted as `counter`.
Bytes answer_to(const Bytes& frame, Counter counter, const StationOptions& options = host_options()) {
  Judge judge(options);
  EXPECT_EQ(judge.judge(frame, {}, 2048), "");
  EXPECT_EQ(name_of(judge.last().counter), name_of(counter));
  EXPECT_FALSE(judge.last().reply.empty());
  return judge.last().reply;
}

TEST(Arp, ReplyByteByByte) {
  const std::string zeros(36, '0');
  EXPECT_EQ(answer_to(support::arp_request_frame(to_host4()), Counter::kArpReplies),
            support::from_hex("02676e6f0002 02676e6f0001 0806"
                              "0001 0800 06 04 0002"
                              "02676e6f0001 c0000201 02676e6f0002 c0000202" +
                              zeros));
  EXPECT_EQ(answer_to(support::arp_request_frame(tagged(to_host4())), Counter::kArpReplies),
            support::from_hex("02676e6f0002 02676e6f0001 8100 b007 0806"
                              "0001 0800 06 04 0002"
                              "02676e6f0001 c0000201 02676e6f0002 c0000202" +
                              zeros.substr(8)));
}

TEST(Arp, EachOfOurAddresses) {
  for (const serve::Address& address : {kHost4, kOther4}) {
    Envelope there = to_host4();
    there.to = address;
    EXPECT_EQ(support::dissect(answer_to(support::arp_request_frame(there), Counter::kArpReplies)).arp.sender, address);
  }
}

// RFC 826 sends the reply to the hardware address in the packet, which need not be the frame's.
TEST(Arp, RepliesGoToTheSenderInThePacket) {
  const Mac asker{0x02, 1, 2, 3, 4, 5};
  const Bytes request = support::ethernet({.to = support::kBroadcastMac, .from = kGuestMac}, support::kTypeArp,
                                          support::arp({.sender_mac = asker, .sender = kGuest4, .target = kHost4}));
  const support::Dissection d = support::dissect(answer_to(request, Counter::kArpReplies));
  EXPECT_EQ(d.to, asker);
  EXPECT_EQ(d.arp.target_mac, asker);
}

// RFC 5227, 2.1.1: who is about to take our address asks from 0.0.0.0, and learns that it is taken.
TEST(Arp, ProbesAreAnswered) {
  Envelope probe = to_host4();
  probe.from = serve::Address::v4(0, 0, 0, 0);
  const support::Dissection d = support::dissect(answer_to(support::arp_request_frame(probe), Counter::kArpReplies));
  EXPECT_EQ(d.to, kGuestMac);
  EXPECT_EQ(d.arp.sender, kHost4);
  EXPECT_EQ(d.arp.target, serve::Address::v4(0, 0, 0, 0));
}

TEST(NeighbourDiscovery, AdvertisementByteByByte) {
  EXPECT_EQ(answer_to(support::solicitation_frame(to_host6()), Counter::kNdpReplies),
            support::from_hex("02676e6f0002 02676e6f0001 86dd"
                              "60000000 0020 3a ff"
                              "20010db8000000000000000000000001 20010db8000000000000000000000002"
                              "88 00 1b9d 60000000 20010db8000000000000000000000001"
                              "02 01 02676e6f0001"));
}

// RFC 4861, 7.2.4: asked from nowhere, the answer goes to all nodes, and is no answer to a solicitation.
TEST(NeighbourDiscovery, ProbesAreAnsweredToAllNodes) {
  Envelope probe = to_host6();
  probe.from = {};
  support::Solicitation details;
  details.options = Bytes{};
  EXPECT_EQ(answer_to(support::solicitation_frame(probe, details), Counter::kNdpReplies),
            support::from_hex("333300000001 02676e6f0001 86dd"
                              "60000000 0020 3a ff"
                              "20010db8000000000000000000000001 ff020000000000000000000000000001"
                              "88 00 8a54 20000000 20010db8000000000000000000000001"
                              "02 01 02676e6f0001"));
}

TEST(NeighbourDiscovery, SolicitedInEveryWay) {
  support::Solicitation to_host;
  to_host.to_group = false;
  support::Solicitation bare;
  bare.options = Bytes{};
  support::Solicitation more;
  more.options = support::link_option(1, kGuestMac);
  more.options->insert(more.options->end(), 24, std::byte{0});
  more.options->at(8) = std::byte{253};  // an option of an experiment: to be skipped
  more.options->at(9) = std::byte{3};
  Envelope link_local = to_host6();
  link_local.from = support::address_of("fe80::67:6eff:fe6f:2");
  for (const Envelope& envelope : {to_host6(), tagged(to_host6()), link_local})
    for (const support::Solicitation& details : {support::Solicitation{}, to_host, bare, more}) {
      const Bytes reply = answer_to(support::solicitation_frame(envelope, details), Counter::kNdpReplies);
      EXPECT_EQ(
          reply,
          support::advertisement_frame(
              {.from_mac = kHostMac, .to_mac = kGuestMac, .from = kHost6, .to = envelope.from, .tags = envelope.tags}));
    }
}

TEST(Echo, EverySize) {
  for (const bool v4 : {true, false})
    for (const bool has_tag : {false, true})
      for (std::size_t size = 0; size <= 1452; size += size < 70 ? 1 : 97) {
        Bytes data(size);
        for (std::size_t i = 0; i < size; ++i)
          data[i] = static_cast<std::byte>(i);
        Envelope there = v4 ? to_host4() : to_host6();
        if (has_tag) there = tagged(there);
        const Bytes request = support::echo_request_frame(there, 0x1234, 0x5678, data);
        const Bytes reply = answer_to(request, Counter::kEchoReplies);
        ASSERT_EQ(reply.size(), request.size());
        const support::Dissection d = support::dissect(reply);
        EXPECT_EQ(d.to, kGuestMac);
        EXPECT_EQ(d.from, kHostMac);
        EXPECT_EQ(d.tags, there.tags);
        EXPECT_EQ(d.source, there.to);
        EXPECT_EQ(d.destination, there.from);
        EXPECT_EQ(d.ttl, 64);
        EXPECT_EQ(d.icmp_type, v4 ? 0 : 129);
        EXPECT_EQ(d.payload, support::echo_body(0x1234, 0x5678, data)) << "id, sequence and data as they came";
      }
}

// --- unasked -------------------------------------------------------------------------------------------------------

std::vector<Bytes> announcements_of(const StationOptions& options) {
  page::Counters counters;
  const Station station(options, counters);
  std::vector<Bytes> all;
  Room room;
  for (std::size_t i = 0; i < station.announcements(); ++i) {
    const Bytes junk(Station::kMaxAnnouncement, std::byte{0xee});  // none of it may leave
    const Frame placed = room.place(junk, junk.size());
    const std::size_t length = station.write_announcement(i, placed.data);
    EXPECT_LE(length, Station::kMaxAnnouncement);
    EXPECT_TRUE(room.front_is_intact());
    all.emplace_back(placed.data, placed.data + length);
    EXPECT_EQ(support::check_reply_frame(all.back()), "");
  }
  return all;
}

// RFC 5227, 2.3: a request to everybody, sender and target are the address announced, the target's MAC address is zero.
Bytes arp_announcement(const serve::Address& address, const std::vector<std::uint16_t>& tags) {
  return support::ethernet(
      {.to = support::kBroadcastMac, .from = kHostMac, .tags = tags}, support::kTypeArp,
      support::arp({.operation = 1, .sender_mac = kHostMac, .sender = address, .target_mac = {}, .target = address}));
}

// RFC 4861, 7.2.6: to all nodes, not solicited, overriding, with the link-layer address.
Bytes unsolicited_advertisement(const serve::Address& address, const std::vector<std::uint16_t>& tags) {
  return support::advertisement_frame({.from_mac = kHostMac,
                                       .to_mac = {0x33, 0x33, 0, 0, 0, 1},
                                       .from = address,
                                       .to = support::address_of("ff02::1"),
                                       .tags = tags},
                                      {.flags = 0x20, .options = {}});
}

TEST(Announcements, OneForEachAddress) {
  const std::vector<Bytes> all = announcements_of(host_options());
  const std::set<Bytes> expected{arp_announcement(kHost4, {}), arp_announcement(kOther4, {}),
                                 unsolicited_advertisement(kHost6, {})};
  EXPECT_EQ(all.size(), 3U) << "an address with two ports is announced once";
  EXPECT_EQ(std::set<Bytes>(all.begin(), all.end()), expected);
}

TEST(Announcements, AndForEachVlan) {
  StationOptions options = host_options();
  options.vlans = {7, 0, 4094};
  const std::vector<Bytes> all = announcements_of(options);
  std::set<Bytes> expected;
  for (const std::vector<std::uint16_t>& tags : {std::vector<std::uint16_t>{7}, {}, {4094}}) {
    expected.insert(arp_announcement(kHost4, tags));
    expected.insert(arp_announcement(kOther4, tags));
    expected.insert(unsolicited_advertisement(kHost6, tags));
  }
  EXPECT_EQ(all.size(), 9U);
  EXPECT_EQ(std::set<Bytes>(all.begin(), all.end()), expected);
}

// What we said ourselves may come back from a switch: no host has taken our address.
TEST(Announcements, ThatComeBackAreNoConflict) {
  Judge judge;
  for (const Bytes& announcement : announcements_of(host_options())) {
    ASSERT_EQ(judge.judge(announcement), "");
    EXPECT_TRUE(judge.last().reply.empty());
  }
  EXPECT_EQ(judge.count(Counter::kAddressConflicts), 0U);
  EXPECT_EQ(judge.count(Counter::kDropArp), 2U);
  EXPECT_EQ(judge.count(Counter::kDropNdp), 1U);
}

TEST(Announcements, OfAnotherHostWithOurAddressAreConflicts) {
  Judge judge;
  StationOptions other = host_options();
  other.mac = kGuestMac;
  for (const Bytes& announcement : announcements_of(other)) {
    ASSERT_EQ(judge.judge(announcement), "");
    EXPECT_EQ(judge.last().counter, Counter::kAddressConflicts);
    EXPECT_TRUE(judge.last().reply.empty());
  }
  EXPECT_EQ(judge.count(Counter::kAddressConflicts), 3U);
}

}  // namespace
}  // namespace gnomon::frame
