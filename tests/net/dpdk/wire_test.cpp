// SPDX-License-Identifier: Apache-2.0
//
// A kernel's sockets against a DPDK port, over each kind of port that a machine without a spare network card has: IDs
// over IPv4 and IPv6, the system's own ping and arping, VLAN frames built by hand, and what a capture of all that says
// of the checksums.
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <regex>

#include "oracle/wire/message.hpp"
#include "tests/net/dpdk/rack.hpp"
#include "tests/support/fleet.hpp"
#include "tests/support/ledger.hpp"
#include "tests/support/packet_socket.hpp"
#include "tests/support/raw_client.hpp"

namespace gnomon::net {
namespace {

using namespace support;

using page::Counter;
using std::chrono::milliseconds;
using std::chrono::seconds;

class OnTheWire : public testing::TestWithParam<Wire> {
 protected:
  void SetUp() override {
    std::string why;
    if (!NetworkNamespace::available(&why)) GTEST_SKIP() << why;
    rack = std::make_unique<Rack>(GetParam(), more_options());
    if (rack->start()) return;
    // Not every kernel and container lets a program make one of these; the daemon must say which, and then we know.
    const std::string log = rack->daemon().log();
    ASSERT_NE(log.find("cannot open the device net_" + text_of(GetParam())), std::string::npos) << log;
    ASSERT_NE(GetParam(), Wire::kAfPacket) << log;
    GTEST_SKIP() << "this machine has no " << text_of(GetParam()) << ": " << log.substr(0, log.find('\n'));
  }
  [[nodiscard]] virtual Rack::Options more_options() const { return {}; }

  std::unique_ptr<Rack> rack;
};
INSTANTIATE_TEST_SUITE_P(Ports, OnTheWire, testing::Values(Wire::kAfPacket, Wire::kAfXdp, Wire::kTap),
                         [](const auto& wire) { return text_of(wire.param); });

std::uint64_t figure_in(const std::string& text, const std::string& pattern) {
  std::smatch match;
  return std::regex_search(text, match, std::regex(pattern)) ? std::stoull(match[1]) : 0;
}

TEST_P(OnTheWire, AKernelClientGetsIdsOverBothFamilies) {
  const InNamespace inside(rack->client());
  Ledger ledger;
  const auto lost = [&] { return rack->count(Counter::kSendDropped) + rack->count(Counter::kSendErrors); };
  const std::uint64_t lost_before = lost();  // a tap is announced before it is up
  for (const platform::Endpoint& server : {Rack::v4(), Rack::v6()}) {
    RawClient client(server);
    Tally tally;
    for (int batch = 0; batch < 50; ++batch) {
      tally += client.exchange({.count = 1, .messages_per_datagram = 22, .datagrams = 8}, seconds(2), ledger);
      tally +=
          client.exchange({.layout = 2, .count = 100, .messages_per_datagram = 1, .datagrams = 8}, seconds(2), ledger);
    }
    EXPECT_EQ(tally.ok, tally.sent) << platform::to_string(server);
    // A range may be shorter than was asked for, where a unit ends.
    EXPECT_GE(tally.ids, 50U * (22 * 8 + 100 * 8) * 4 / 5) << platform::to_string(server);
  }
  EXPECT_EQ(ledger.duplicates().count, 0U) << ledger.duplicates().first;
  EXPECT_EQ(ledger.order_violations(), 0U) << ledger.first_order_violation();
  EXPECT_EQ(lost(), lost_before);
}

TEST_P(OnTheWire, TheSystemsOwnToolsFindAHost) {
  const Output ping4 = rack->client().run({"ping", "-c", "3", "-i", "0.2", "-W", "5", "10.9.0.1"});
  EXPECT_EQ(ping4.exit.code, 0) << ping4.text;
  const Output ping6 = rack->client().run({"ping", "-6", "-c", "3", "-i", "0.2", "-W", "5", "fd00:9::1"});
  EXPECT_EQ(ping6.exit.code, 0) << ping6.text;
  const Output large = rack->client().run({"ping", "-c", "1", "-s", "1400", "-W", "5", "10.9.0.1"});
  EXPECT_EQ(large.exit.code, 0) << large.text;
  const Output arping = rack->client().run({"arping", "-c", "2", "-w", "10", "-I", Rack::interface(), "10.9.0.1"});
  EXPECT_EQ(arping.exit.code, 0) << arping.text;
  EXPECT_EQ(figure_in(arping.text, "Received ([0-9]+) response"), 2U) << arping.text;
  // Somebody else's address is nobody's business.
  const Output other = rack->client().run({"arping", "-c", "1", "-w", "1", "-I", Rack::interface(), "10.9.0.77"});
  EXPECT_NE(other.exit.code, 0) << other.text;

  EXPECT_EQ(rack->count(Counter::kEchoReplies), 7U);
  EXPECT_GE(rack->count(Counter::kArpReplies), 2U);
  EXPECT_GE(rack->count(Counter::kNdpReplies), 1U);
  EXPECT_EQ(rack->count(Counter::kAddressConflicts), 0U);
}

// Judged twice: by tcpdump, and by a reader of frames that was written for these tests.
TEST_P(OnTheWire, EveryReplyLeavesWithRightChecksums) {
  const ScratchFolder folder;
  const std::string file = (folder.path() / "capture.pcap").string();
  const std::string tcpdump = find_program("tcpdump");
  ASSERT_FALSE(tcpdump.empty()) << "tcpdump is missing; ./dev test installs it";
  ChildProcess capture({tcpdump, "-Z", "root", "-U", "--immediate-mode", "-s", "2048", "-B", "8192", "-n", "-i",
                        Rack::interface(), "-w", file},
                       {}, folder.path() / "log", {.network_namespace = rack->client().fd()});
  const auto until = std::chrono::steady_clock::now() + seconds(20);
  while (capture.log().find("listening on") == std::string::npos && std::chrono::steady_clock::now() < until)
    nap();
  ASSERT_NE(capture.log().find("listening on"), std::string::npos) << capture.log();

  std::uint64_t judged = 0;
  Tally tally;
  {
    const InNamespace inside(rack->client());
    PacketSocket eyes(Rack::interface());
    Ledger ledger;
    for (const platform::Endpoint& server : {Rack::v4(), Rack::v6()}) {
      RawClient client(server);
      for (const std::uint32_t messages : {1U, 2U, 21U, 22U})
        tally += client.exchange({.count = 3, .messages_per_datagram = messages, .datagrams = 10}, seconds(2), ledger);
    }
    (void)rack->client().run({"ping", "-c", "2", "-i", "0.2", "-s", "333", "10.9.0.1"});
    (void)rack->client().run({"ping", "-6", "-c", "2", "-i", "0.2", "-s", "334", "fd00:9::1"});
    while (const auto frame = eyes.receive(milliseconds(200))) {
      EXPECT_EQ(check_reply_frame(*frame), "") << to_hex(*frame);
      ++judged;
    }
    EXPECT_EQ(eyes.undone_checksums(), 0U);
  }
  EXPECT_EQ(tally.ok, tally.sent);
  EXPECT_GE(judged, 2 * 4 * 10 + 4U);

  // It may be behind, and on a busy machine it loses some: that all came is judged above, that they are right here,
  // too.
  constexpr std::size_t kReplies = 2 * 4 * 10;
  const auto caught_up = std::chrono::steady_clock::now() + seconds(20);
  Output read;
  std::size_t right = 0;
  while (right < kReplies / 2 && std::chrono::steady_clock::now() < caught_up) {
    nap(100);
    read = run_program({tcpdump, "-vv", "-n", "-r", file, "udp src port 14666 or icmp or icmp6"}, {});
    right = 0;
    for (std::size_t at = read.text.find("udp sum ok"); at != std::string::npos;
         at = read.text.find("udp sum ok", at + 1))
      ++right;
  }
  capture.send_signal(SIGINT);
  (void)capture.wait_exit(seconds(10));
  EXPECT_GE(right, kReplies / 2) << read.text;
  for (const char* complaint : {"bad udp cksum", "bad cksum", "wrong icmp cksum", "bad icmp6 cksum"})
    EXPECT_EQ(read.text.find(complaint), std::string::npos) << complaint << "\n" << read.text;
}

class Vlans : public OnTheWire {
 protected:
  [[nodiscard]] Rack::Options more_options() const override { return {{"dpdk.vlans", "7,0"}}; }
};
INSTANTIATE_TEST_SUITE_P(Ports, Vlans, testing::Values(Wire::kAfPacket, Wire::kAfXdp),
                         [](const auto& wire) { return text_of(wire.param); });

TEST_P(Vlans, HandBuiltFramesAreServedInTheirVlan) {
  const InNamespace inside(rack->client());
  PacketSocket wire(Rack::interface());
  wire::Message request;
  request.op = static_cast<std::uint8_t>(wire::Op::kNextId);
  request.count = 5;
  request.format = 1;
  struct Case {
    std::vector<std::uint16_t> tags;
    bool served;
  };
  constexpr std::uint16_t kPriority3 = 3U << 13;
  std::uint64_t served = 0;
  for (const Case& c : {Case{{}, true}, Case{{7}, true}, Case{{kPriority3 | 7U}, true}, Case{{0}, true},
                        Case{{8}, false}, Case{{7, 7}, false}}) {
    for (const bool v6 : {false, true}) {
      Bytes payload(wire::kMessageSize);
      request.request_id = 1000 + served;
      wire::store(request, payload.data());
      const Envelope envelope{.from_mac = Rack::kClientMac,
                              .to_mac = Rack::kServerMac,
                              .from = address_of(v6 ? "fd00:9::2" : "10.9.0.2"),
                              .to = address_of(v6 ? "fd00:9::1" : "10.9.0.1"),
                              .tags = c.tags};
      ASSERT_TRUE(wire.send(udp_frame(envelope, {.from = 4711, .to = 14666}, payload)));
      std::optional<Dissection> reply;
      while (const auto frame = wire.receive(c.served ? seconds(5) : milliseconds(150))) {
        const Dissection one = dissect(*frame);
        if (one.destination_port != 4711) continue;  // an announcement
        reply = one;
        break;
      }
      ASSERT_EQ(reply.has_value(), c.served) << "tags " << c.tags.size();
      if (!reply) continue;
      ++served;
      EXPECT_EQ(reply->tags, c.tags);
      EXPECT_EQ(reply->to, Rack::kClientMac);
      EXPECT_EQ(reply->from, Rack::kServerMac);
      EXPECT_EQ(reply->source, envelope.to);
      EXPECT_EQ(reply->destination, envelope.from);
      ASSERT_EQ(reply->payload.size(), wire::kMessageSize);
      const wire::Message answer = wire::load(reply->payload.data());
      EXPECT_EQ(answer.request_id, request.request_id);
      EXPECT_EQ(answer.status, 0);
      EXPECT_EQ(answer.count, 5U);
    }
  }
  EXPECT_EQ(served, 8U);
  EXPECT_EQ(rack->count(Counter::kDropVlan), 2U);
  EXPECT_GE(rack->count(Counter::kDropEthertype), 2U) << "a tag in a tag is no IP";
}

// A link that comes back is announced, twice, two seconds apart: the switch port may be another one now. (Not over a
// tap: in a namespace of its own its link can't be seen by the daemon.)
class Announcements : public OnTheWire {};
INSTANTIATE_TEST_SUITE_P(Ports, Announcements, testing::Values(Wire::kAfPacket, Wire::kAfXdp),
                         [](const auto& wire) { return text_of(wire.param); });

TEST_P(Announcements, TheNeighboursAreToldWhereItIs) {
  const InNamespace inside(rack->client());
  PacketSocket wire(Rack::interface());
  rack->server().must_run({"ip", "link", "set", "vs", "down"});
  const auto settled = std::chrono::steady_clock::now() + seconds(20);
  while (rack->daemon().log().find("has lost its link") == std::string::npos &&
         std::chrono::steady_clock::now() < settled)
    nap();
  rack->server().must_run({"ip", "link", "set", "vs", "up"});
  int arps = 0;
  int advertisements = 0;
  const auto until = std::chrono::steady_clock::now() + seconds(20);
  while ((arps < 2 || advertisements < 2) && std::chrono::steady_clock::now() < until) {
    const auto frame = wire.receive(milliseconds(500));
    if (!frame) continue;
    const Dissection one = dissect(*frame);
    EXPECT_EQ(one.from, Rack::kServerMac);
    if (one.type == kTypeArp && one.arp.sender == one.arp.target && one.arp.sender == Rack::v4().address) ++arps;
    if (one.protocol == kProtocolIcmp6 && one.icmp_type == 136 && one.source == Rack::v6().address) ++advertisements;
  }
  EXPECT_EQ(arps, 2);
  EXPECT_EQ(advertisements, 2);
  EXPECT_NE(rack->daemon().log().find("port net_" + text_of(GetParam()) + "0 is up"), std::string::npos);
  RawClient client(Rack::v4());
  Ledger ledger;
  EXPECT_EQ(client.exchange({.count = 1}, seconds(5), ledger).ok, 1U) << "and it serves again";
}

}  // namespace
}  // namespace gnomon::net
