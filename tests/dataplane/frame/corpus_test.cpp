// SPDX-License-Identifier: Apache-2.0
//
// Frames that Linux kernels and the usual tools put on a wire (corpus/record.py), through the station: what becomes of
// each, and that Linux, in the station's place, answered the same.
#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <map>

#include "tests/dataplane/frame/neighbour.hpp"
#include "tests/support/source_tree.hpp"

namespace gnomon::frame {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using page::Counter;
using support::Bytes;

struct Step {
  std::vector<Bytes> to_host;
  std::vector<Bytes> from_host;  // what Linux answered
};
using Corpus = std::map<std::string, Step>;

Corpus read_corpus() {
  std::ifstream file(support::in_source_tree("tests/dataplane/frame/corpus/linux.hex"));
  Corpus corpus;
  Step* step = nullptr;
  Bytes* frame = nullptr;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("# ")) step = &corpus[line.substr(2)];
    if (line.empty() || step == nullptr || line.starts_with("# ")) continue;
    if (line[0] != ' ') {
      std::vector<Bytes>& frames = line[0] == '>' ? step->to_host : step->from_host;
      frame = &frames.emplace_back();
    }
    const Bytes bytes = support::from_hex(line.substr(1));
    frame->insert(frame->end(), bytes.begin(), bytes.end());
  }
  return corpus;
}

struct Expected {
  std::string name;
  std::vector<Counter> counters;  // of the frames to the host, in order
};

constexpr Counter kAnswered = Counter::kDatagrams;

const std::vector<Expected>& expectations() {
  static const std::vector<Expected> kAll{
      {"arp: a request before the first datagram", {Counter::kArpReplies}},
      {"arp: a request at a known MAC address", {Counter::kArpReplies}},
      {"arp: arping", {Counter::kArpReplies}},
      {"arp: a probe for our address", {Counter::kArpReplies}},
      {"arp: a probe for somebody else's", {Counter::kDropArp}},
      {"arp: a request for somebody else", {Counter::kDropArp}},
      {"arp: a gratuitous request of a neighbour", {Counter::kDropArp}},
      {"arp: a gratuitous reply of a neighbour", {Counter::kDropArp, Counter::kDropArp}},
      {"arp: a gratuitous request with our address", {Counter::kAddressConflicts}},
      {"arp: a gratuitous reply with our address", {Counter::kAddressConflicts}},
      {"ndp: a solicitation before the first datagram", {Counter::kNdpReplies}},
      {"ndp: a solicitation at a known MAC address", {Counter::kNdpReplies}},
      {"ndp: a probe for our address", {Counter::kNdpReplies}},
      {"ndp: a probe for somebody else's", {Counter::kDropNdp}},
      {"ndp: advertisements of a neighbour", {Counter::kDropNdp, Counter::kDropNdp}},
      {"ndp: advertisements, one of them of our address",
       {Counter::kAddressConflicts, Counter::kDropNdp, Counter::kDropNdp}},
      {"ndp: a router solicitation", {Counter::kDropNdp}},
      {"udp4: one message", {kAnswered}},
      {"udp4: 22 messages", {kAnswered}},
      {"udp4: expedited, ECT(1)", {kAnswered}},
      {"udp4: may be fragmented", {kAnswered}},
      {"udp4: time to live 1", {kAnswered}},
      {"udp4: without a checksum", {kAnswered}},
      {"udp4: with record route", {Counter::kDropIpOptions}},
      {"udp4: in fragments", {Counter::kDropIpFragment, Counter::kDropIpFragment}},
      {"udp4: a port that nobody serves", {Counter::kDropUdpPort}},
      {"udp4: nothing in it", {kAnswered}},  // the server's to drop
      {"udp4: to the broadcast address", {Counter::kDropMac}},
      {"udp4: to a group", {Counter::kDropMac}},
      {"udp6: one message", {kAnswered}},
      {"udp6: 22 messages", {kAnswered}},
      {"udp6: expedited, ECT(1)", {kAnswered}},
      {"udp6: with hop-by-hop options", {Counter::kDropIpOptions}},
      {"udp6: with destination options", {Counter::kDropIpOptions}},
      {"udp6: in fragments", {Counter::kDropIpFragment, Counter::kDropIpFragment}},
      {"udp6: a port that nobody serves", {Counter::kDropUdpPort}},
      {"udp6: to a group", {Counter::kDropMac}},
      {"tcp4: a connection", {Counter::kDropIpProtocol}},
      {"tcp6: a connection", {Counter::kDropIpProtocol}},
      {"igmp: a report", {Counter::kDropMac}},
      {"mld: a report", {Counter::kDropIpOptions}},
      {"icmp4: echo, nothing in it", {Counter::kEchoReplies}},
      {"icmp4: echo", {Counter::kEchoReplies}},
      {"icmp4: echo, odd size", {Counter::kEchoReplies}},
      {"icmp4: echo, full size", {Counter::kEchoReplies}},
      {"icmp4: echo, class of service", {Counter::kEchoReplies}},
      {"icmp4: echo with record route", {Counter::kDropIpOptions}},
      {"icmp4: echo in fragments", {Counter::kDropIpFragment, Counter::kDropIpFragment}},
      {"icmp4: echo to the broadcast address", {Counter::kDropMac}},
      {"icmp6: echo, nothing in it", {Counter::kEchoReplies}},
      {"icmp6: echo", {Counter::kEchoReplies}},
      {"icmp6: echo, odd size", {Counter::kEchoReplies}},
      {"icmp6: echo, full size", {Counter::kEchoReplies}},
      {"icmp6: echo in fragments", {Counter::kDropIpFragment, Counter::kDropIpFragment}},
      {"icmp6: echo to all nodes", {Counter::kDropIcmp}},
      {"icmp4: port unreachable", {Counter::kDropIcmp}},
      {"icmp6: port unreachable", {Counter::kDropIcmp}},
      {"udp4: checksum left to the card", {Counter::kDropUdpChecksum}},
      {"udp6: checksum left to the card", {Counter::kDropUdpChecksum}},
      {"802.3: a spanning tree's greeting", {Counter::kDropEthertype}},
  };
  return kAll;
}

Bytes with_tag(const Bytes& frame, std::uint16_t tag) {
  Bytes tagged = part(frame, 0, 12);
  tagged.insert(tagged.end(),
                {std::byte{0x81}, std::byte{0}, static_cast<std::byte>(tag >> 8), static_cast<std::byte>(tag & 0xff)});
  tagged.insert(tagged.end(), frame.begin() + 12, frame.end());
  return tagged;
}

Bytes padded(Bytes frame) {
  frame.resize(std::max(frame.size(), support::kLeastFrame));
  return frame;
}

class Recorded : public ::testing::Test {
 protected:
  void run(const std::function<Bytes(const Bytes&)>& change) {
    for (const Expected& expected : expectations()) {
      const Step& step = corpus.at(expected.name);
      ASSERT_EQ(step.to_host.size(), expected.counters.size()) << expected.name;
      for (std::size_t i = 0; i < step.to_host.size(); ++i) {
        ASSERT_EQ(judge.judge(change(step.to_host[i]), {}, 2048), "") << expected.name;
        EXPECT_EQ(name_of(judge.last().counter), name_of(expected.counters[i])) << expected.name << ", frame " << i;
        ASSERT_EQ(judge.advance(time::milliseconds(1)), "");
      }
    }
    EXPECT_EQ(judge.check_books(), "");
  }

  Corpus corpus = read_corpus();
  Judge judge;
};

TEST_F(Recorded, EveryFrameIsExpected) {
  EXPECT_EQ(corpus.size(), expectations().size()) << "a step without an expectation, or the reverse";
  run([](const Bytes& frame) { return frame; });
  EXPECT_EQ(judge.count(Counter::kDropLength), 1U) << "the datagram with nothing in it";
}

TEST_F(Recorded, AsATrunkWouldCarryThem) {
  run([](const Bytes& frame) { return with_tag(frame, 0x6007); });
}

TEST_F(Recorded, AsARealWireWouldPadThem) {
  run([](const Bytes& frame) { return padded(frame); });
}

// What the card vouches for is not added up again: a virtual neighbour's unfinished checksums pass.
TEST_F(Recorded, ChecksumsLeftToTheCardPassIfTheCardSaysSo) {
  for (const char* const name : {"udp4: checksum left to the card", "udp6: checksum left to the card"}) {
    ASSERT_EQ(judge.judge(corpus.at(name).to_host.at(0), {.ip = Verified::kUnknown, .udp = Verified::kGood}), "");
    EXPECT_FALSE(judge.last().reply.empty());
  }
}

// --- Linux in the station's place ----------------------------------------------------------------------------------

Bytes without(Bytes frame, std::size_t begin, std::size_t count) {
  for (std::size_t i = begin; i < begin + count; ++i)
    frame.at(i) = std::byte{0};
  return frame;
}

// What two hosts may choose differently: the id of a packet that is no fragment, whether it may become some, and with
// that the header's sum; the flow label; of UDP, whose payload is the server's, the class of service and the sum.
Bytes comparable(const Bytes& frame) {
  const std::uint16_t type = u16_at(frame, 12);
  Bytes same = frame;
  if (type == support::kTypeIpv4) same = without(without(same, 18, 4), 24, 2);
  if (type == support::kTypeIpv6) same = without(same, 15, 3);
  const bool udp4 = type == support::kTypeIpv4 && u8_at(frame, 23) == 17;
  const bool udp6 = type == support::kTypeIpv6 && u8_at(frame, 20) == 17;
  if (udp4) same = without(without(same, 15, 1), 40, 2);
  if (udp6) same = without(without(same, 14, 1), 60, 2);
  if (udp4 || udp6) same.resize(udp4 ? 42 : 62);
  return same;
}

TEST_F(Recorded, LinuxAnswersTheSame) {
  std::size_t compared = 0;
  for (const Expected& expected : expectations()) {
    if (expected.counters[0] >= Counter::kAddressConflicts || expected.name == "udp4: nothing in it") continue;
    // Here Linux leaves out the MAC address, which RFC 4861, 7.2.4, allows: it was known to whoever asked.
    if (expected.name == "ndp: a solicitation at a known MAC address") continue;
    const Step& step = corpus.at(expected.name);
    ASSERT_EQ(step.from_host.size(), 1U) << expected.name;
    ASSERT_EQ(judge.judge(step.to_host[0], {}, 2048), "");
    ASSERT_EQ(judge.last().reply.size(), padded(step.from_host[0]).size()) << expected.name;
    EXPECT_EQ(support::to_hex(comparable(judge.last().reply)), support::to_hex(comparable(padded(step.from_host[0]))))
        << expected.name;
    ++compared;
    ASSERT_EQ(judge.advance(time::milliseconds(1)), "");
  }
  EXPECT_EQ(compared, 4U + 2 + 6 + 3 + 5 + 4) << "ARP, NDP, requests and echoes over IPv4 and IPv6";
}

TEST_F(Recorded, WhatLinuxSendsAsTheHostIsRightByTheJudgeToo) {
  std::size_t judged = 0;
  for (const auto& [name, step] : corpus)
    for (const Bytes& frame : step.from_host) {
      const bool beyond_the_judge = name.find("fragments") != std::string::npos || name.starts_with("tcp") ||
                                    name == "icmp4: echo with record route";
      if (beyond_the_judge) continue;
      EXPECT_EQ(support::check_reply_frame(padded(frame)), "") << name;
      ++judged;
    }
  EXPECT_GT(judged, 30U);
}

}  // namespace
}  // namespace gnomon::frame
