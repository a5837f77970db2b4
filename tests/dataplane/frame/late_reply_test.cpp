// SPDX-License-Identifier: Apache-2.0
//
// Requests that had to wait: what leaves in their place, and the frame that carries the answer later, whose headers are
// made of nothing but the path that the server kept.
#include <gtest/gtest.h>

#include "tests/dataplane/frame/neighbour.hpp"

namespace gnomon::frame {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using support::Bytes;
using support::Envelope;

constexpr std::uint32_t kWholeUnit = 4096;  // of the snowflake layout

struct Way {
  const char* name;
  Envelope envelope;
  bool port_makes_checksums = false;
};
void PrintTo(const Way& one, std::ostream* out) { *out << one.name; }

class LateReplies : public ::testing::TestWithParam<Way> {
 protected:
  static StationOptions options() {
    StationOptions options = host_options();
    options.port_makes_checksums = GetParam().port_makes_checksums;
    options.port = 5;
    return options;
  }
  // Whoever asks now has to wait for the next millisecond.
  static void use_up_the_unit(Judge& judge) {
    ASSERT_EQ(judge.advance(time::milliseconds(1)), "");
    ASSERT_EQ(judge.judge(request_frame(GetParam().envelope, requests(1, 999, kWholeUnit))), "");
    ASSERT_FALSE(judge.last().reply.empty());
  }
  static std::size_t headers() {
    return (GetParam().envelope.tags.empty() ? 14U : 18U) + (GetParam().envelope.to.is_v4() ? 28U : 48U);
  }
};
INSTANTIATE_TEST_SUITE_P(Ways, LateReplies,
                         ::testing::Values(Way{"v4", to_host4()}, Way{"v6", to_host6()},
                                           Way{"v4_vlan", tagged(to_host4())}, Way{"v6_vlan", tagged(to_host6())},
                                           Way{"v4_priority_tag", tagged(to_host4(), 0x2000)},
                                           Way{"v4_port", to_host4(), true}, Way{"v6_port", to_host6(), true},
                                           Way{"v4_vlan_port", tagged(to_host4()), true},
                                           Way{"v6_vlan_port", tagged(to_host6()), true}),
                         [](const auto& way) { return std::string(way.param.name); });

// The same request once answered at once and once later: every byte in front of the payload is the same, except for the
// checksum of what is in it.
TEST_P(LateReplies, HaveTheHeadersOfPromptOnes) {
  for (std::size_t messages = 1; messages <= wire::kMaxMessages; ++messages) {
    Judge judge(options());
    const Bytes request = request_frame(GetParam().envelope, requests(messages));
    ASSERT_EQ(judge.judge(request), "");
    Bytes prompt = judge.last().reply;
    use_up_the_unit(judge);
    ASSERT_EQ(judge.judge(request), "");
    ASSERT_TRUE(judge.last().reply.empty());
    ASSERT_EQ(judge.rig().server.parked(), messages);

    std::vector<Bytes> late;
    ASSERT_EQ(judge.advance(time::milliseconds(1), &late), "");
    ASSERT_EQ(late.size(), 1U);
    ASSERT_EQ(late[0].size(), prompt.size());
    const std::size_t udp_checksum = headers() - 2;
    EXPECT_EQ(support::to_hex(part(late[0], 0, udp_checksum)), support::to_hex(part(prompt, 0, udp_checksum)));
    if (GetParam().port_makes_checksums) {
      EXPECT_EQ(u16_at(late[0], udp_checksum), u16_at(prompt, udp_checksum)) << "the pseudo header's sum";
    }
    const wire::Message message = wire::load(late[0].data() + headers());
    EXPECT_EQ(message.status, 0);
    EXPECT_EQ(message.request_id, 1U);
  }
}

// Some messages of a datagram are answered at once: the reply is shorter than the request, and right in every length.
TEST_P(LateReplies, AreMissingInWhatLeavesAtOnce) {
  for (std::size_t messages = 2; messages <= wire::kMaxMessages; ++messages) {
    Judge judge(options());
    use_up_the_unit(judge);
    Bytes payload = requests(messages);
    const std::size_t pings = messages / 2;
    for (std::size_t i = 0; i < pings; ++i)
      wire::store(serve::testing::ping_request(100 + i, i), payload.data() + (2 * i + 1) * wire::kMessageSize);
    const Bytes request = request_frame(GetParam().envelope, payload);
    ASSERT_EQ(judge.judge(request, {}, 2048), "");
    EXPECT_EQ(judge.last().reply.size(), headers() + pings * wire::kMessageSize);
    EXPECT_EQ(judge.rig().server.parked(), messages - pings);

    std::vector<Bytes> late;
    ASSERT_EQ(judge.advance(time::milliseconds(1), &late), "");
    ASSERT_EQ(late.size(), 1U);
    EXPECT_EQ(late[0].size(), headers() + (messages - pings) * wire::kMessageSize);
    EXPECT_EQ(judge.check_books(), "");
  }
}

// A path holds no class of service and no flow label: what was parked leaves without them. The rest stays.
TEST_P(LateReplies, HaveNoClassOfServiceAndNoFlowLabel) {
  Judge judge(options());
  use_up_the_unit(judge);
  Bytes request = request_frame(GetParam().envelope);
  const std::size_t ip = GetParam().envelope.tags.empty() ? 14 : 18;
  const bool v4 = GetParam().envelope.to.is_v4();
  if (v4) {
    request[ip + 1] = std::byte{0xb9};
    request[ip + 10] = request[ip + 11] = std::byte{0};
    const std::uint16_t sum = support::internet_checksum(part(request, ip, 20));
    request[ip + 10] = static_cast<std::byte>(sum >> 8);
    request[ip + 11] = static_cast<std::byte>(sum & 0xff);
  } else {
    request[ip] = std::byte{0x6b};
    request[ip + 1] = std::byte{0x95};
    request[ip + 2] = request[ip + 3] = std::byte{0x55};
  }
  ASSERT_EQ(judge.judge(request), "");
  std::vector<Bytes> late;
  ASSERT_EQ(judge.advance(time::milliseconds(1), &late), "");
  ASSERT_EQ(late.size(), 1U);
  EXPECT_EQ(u16_at(late[0], ip), v4 ? 0x4500 : 0x6000);
  if (!v4) {
    EXPECT_EQ(u16_at(late[0], ip + 2), 0);
  }
}

// Each to whoever asked: two neighbours, two ports, two tags, both families, all waiting at once.
TEST(LateReply, GoesToWhoeverAsked) {
  Judge judge;
  ASSERT_EQ(judge.judge(request_frame(to_host4(), requests(1, 999, kWholeUnit))), "");
  std::vector<Envelope> askers{to_host4(), to_host6(), tagged(to_host4()), tagged(to_host6()), tagged(to_host4(), 9)};
  askers.push_back(to_host4());
  askers.back().from = serve::Address::v4(192, 0, 2, 99);
  askers.back().from_mac[5] = 99;
  std::uint64_t id = 0;
  for (const Envelope& asker : askers)
    ASSERT_EQ(judge.judge(request_frame(asker, requests(2, ++id))), "");
  ASSERT_EQ(judge.judge(support::udp_frame(to_host4(), {.from = 50000, .to = kPort}, requests(1, ++id))), "");
  ASSERT_EQ(judge.rig().server.parked(), 2 * askers.size() + 1);

  std::vector<Bytes> late;
  ASSERT_EQ(judge.advance(time::milliseconds(1), &late), "");
  ASSERT_EQ(late.size(), askers.size() + 1);
  for (std::size_t i = 0; i < askers.size(); ++i) {
    const support::Dissection d = support::dissect(late[i]);
    EXPECT_EQ(d.to, askers[i].from_mac);
    EXPECT_EQ(d.destination, askers[i].from);
    EXPECT_EQ(d.destination_port, kGuestPort);
    EXPECT_EQ(d.tags, askers[i].tags);
    EXPECT_EQ(wire::load(d.payload.data()).request_id, i + 1);
  }
  EXPECT_EQ(support::dissect(late.back()).destination_port, 50000);
}

}  // namespace
}  // namespace gnomon::frame
