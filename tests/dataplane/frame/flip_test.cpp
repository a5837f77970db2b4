// SPDX-License-Identifier: Apache-2.0
//
// Every single bit of valid frames, flipped: field by field, what has to become of it. The sums catch most of it; where
// they don't, the field's own rule does, and what no rule forbids is answered.
//
// What is expected stands here in the words of the RFCs. That the answers are right byte by byte, the Judge sees to.
#include <gtest/gtest.h>

#include <functional>

#include "tests/dataplane/frame/neighbour.hpp"

namespace gnomon::frame {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using page::Counter;
using support::Bytes;

/// The counter that a frame with a flipped bit in a field must end up in.
using Fate = std::function<Counter(const Bytes& flipped)>;

struct Field {
  std::string name;
  std::size_t size;  // bytes
  Fate fate;
};

Fate always(Counter counter) {
  return [counter](const Bytes&) { return counter; };
}

struct FlipCase {
  std::string name;
  Bytes frame;
  std::vector<Field> fields;  // one after the other, from the first byte to the last
  PortChecks checks;
  std::vector<std::uint16_t> vlans;
  std::uint64_t answered = 0;  // how many of the flipped frames are counted as something other than a drop
};
void PrintTo(const FlipCase& one, std::ostream* out) { *out << one.name; }

std::vector<Field> operator+(std::vector<Field> front, const std::vector<Field>& back) {
  front.insert(front.end(), back.begin(), back.end());
  return front;
}

// A flipped destination is another station's; a flipped source is another station, unless it becomes a group.
std::vector<Field> link(Counter counter, bool has_tag) {
  std::vector<Field> fields{
      {"destination", 6, always(Counter::kDropMac)},
      {"source", 6, [counter](const Bytes& f) { return u8_at(f, 6) % 2 == 1 ? Counter::kDropMac : counter; }}};
  if (has_tag) {
    fields.push_back({"tag protocol", 2, always(Counter::kDropEthertype)});
    fields.push_back({"priority and VLAN", 2,
                      [counter](const Bytes& f) { return u16_at(f, 14) % 4096 == 7 ? counter : Counter::kDropVlan; }});
  }
  fields.push_back({"type", 2, always(Counter::kDropEthertype)});
  return fields;
}

// RFC 791: the version and the header's length come before the sum, because it can't be made without them.
Field version4(std::size_t ip) {
  return {"version and header length", 1, [ip](const Bytes& f) {
            const unsigned version = u8_at(f, ip) / 16;
            const unsigned words = u8_at(f, ip) % 16;
            return version == 4 && words > 5 ? Counter::kDropIpOptions : Counter::kDropIpHeader;
          }};
}
Field total_length(std::size_t ip, Counter if_shorter) {
  return {"total length", 2, [ip, if_shorter](const Bytes& f) {
            if (u16_at(f, ip + 2) < 20) return Counter::kDropIpHeader;
            return u16_at(f, ip + 2) > f.size() - ip ? Counter::kDropFrameLength : if_shorter;
          }};
}

// What a sum over the header protects, which is everything in it.
std::vector<Field> summed_ipv4(std::size_t ip) {
  const Fate sum = always(Counter::kDropIpChecksum);
  return {version4(ip),
          {"class of service", 1, sum},
          total_length(ip, Counter::kDropIpChecksum),
          {"id, fragment, time to live, protocol, checksum, source, destination", 16, sum}};
}

// The same where the port says that the sum is right, although it can't be.
std::vector<Field> unsummed_ipv4(std::size_t ip) {
  return {version4(ip),
          {"class of service", 1, always(Counter::kDatagrams)},
          total_length(ip, Counter::kDropUdpLength),
          {"id", 2, always(Counter::kDatagrams)},
          {"fragment", 2,
           [ip](const Bytes& f) {
             return (u16_at(f, ip + 6) & 0x3fff) == 0 ? Counter::kDatagrams : Counter::kDropIpFragment;
           }},
          {"time to live", 1, always(Counter::kDatagrams)},
          {"protocol", 1,
           [ip](const Bytes& f) { return u8_at(f, ip + 9) == 1 ? Counter::kDropIcmp : Counter::kDropIpProtocol; }},
          {"checksum", 2, always(Counter::kDatagrams)},
          {"source", 4,
           [ip](const Bytes& f) { return u8_at(f, ip + 12) >= 224 ? Counter::kDropIpSource : Counter::kDatagrams; }},
          {"destination", 4, always(Counter::kDropIpDestination)}};
}

// RFC 8200: no sum of its own. A flipped length is longer than the frame, or not that of the packet within.
std::vector<Field> ipv6(std::size_t ip, Counter counter, Counter if_shorter, Counter if_other_next, Fate hop_limit,
                        Counter if_other_source, Fate destination) {
  return {{"version", 1,
           [ip, counter](const Bytes& f) { return u8_at(f, ip) / 16 == 6 ? counter : Counter::kDropIpHeader; }},
          {"class and flow label", 3, always(counter)},
          {"payload length", 2,
           [ip, if_shorter](const Bytes& f) {
             return u16_at(f, ip + 4) > f.size() - ip - 40 ? Counter::kDropFrameLength : if_shorter;
           }},
          {"next header", 1, always(if_other_next)},
          {"hop limit", 1, std::move(hop_limit)},
          {"source", 16, always(if_other_source)},
          {"destination", 16, std::move(destination)}};
}

std::vector<Field> udp(bool summed, std::size_t payload) {
  const Fate others = always(summed ? Counter::kDropUdpChecksum : Counter::kDatagrams);
  return {{"source port", 2, others},
          {"destination port", 2, always(Counter::kDropUdpPort)},
          {"length", 2, always(Counter::kDropUdpLength)},
          {"checksum", 2, others},
          {"payload", payload, others}};
}

std::vector<FlipCase> request_cases() {
  std::vector<FlipCase> all;
  const PortChecks good{.ip = Verified::kGood, .udp = Verified::kGood};
  for (const bool has_tag : {false, true}) {
    const std::string kind = has_tag ? "_vlan" : "";
    const std::size_t ip = has_tag ? 18 : 14;
    const Bytes four = request_frame(has_tag ? tagged(to_host4()) : to_host4());
    const Bytes six = request_frame(has_tag ? tagged(to_host6()) : to_host6());
    const auto on_link = link(Counter::kDatagrams, has_tag);
    const std::uint64_t link_answered = 47 + (has_tag ? 4 : 0);  // sources that are no group, priorities
    const auto six_header = [&](Counter source) {
      return ipv6(ip, Counter::kDatagrams, Counter::kDropUdpLength, Counter::kDropIpProtocol,
                  always(Counter::kDatagrams), source, always(Counter::kDropIpDestination));
    };
    all.push_back({"v4" + kind, four, on_link + summed_ipv4(ip) + udp(true, 64), {}, {7, 0}, link_answered});
    // Class 8, id 16, DF and the reserved flag 2, time to live 8, checksum 16, source 31, port 16, checksum 16,
    // payload.
    all.push_back({"v4_vouched_for" + kind,
                   four,
                   on_link + unsummed_ipv4(ip) + udp(false, 64),
                   good,
                   {7, 0},
                   link_answered + 8 + 16 + 2 + 8 + 16 + 31 + 16 + 16 + 512});
    // Class and label 28, hop limit 8.
    all.push_back({"v6" + kind,
                   six,
                   on_link + six_header(Counter::kDropUdpChecksum) + udp(true, 64),
                   {},
                   {7, 0},
                   link_answered + 28 + 8});
    all.push_back({"v6_vouched_for" + kind,
                   six,
                   on_link + six_header(Counter::kDatagrams) + udp(false, 64),
                   good,
                   {7, 0},
                   link_answered + 28 + 8 + 128 + 16 + 16 + 512});
  }
  return all;
}

std::vector<FlipCase> neighbour_cases() {
  std::vector<FlipCase> all;
  // RFC 826. Nothing but the fields themselves protects them; who asks may have any address but a group's or ours.
  const std::vector<Field> arp{
      {"hardware, protocol, their sizes, operation", 8, always(Counter::kDropArp)},
      {"sender's MAC address", 6,
       [](const Bytes& f) { return u8_at(f, 22) % 2 == 1 ? Counter::kDropArp : Counter::kArpReplies; }},
      {"sender's address", 4,
       [](const Bytes& f) { return u8_at(f, 28) >= 224 ? Counter::kDropArp : Counter::kArpReplies; }},
      {"target's MAC address: what is asked for", 6, always(Counter::kArpReplies)},
      {"target's address", 4, always(Counter::kDropArp)},
      {"padding", 18, always(Counter::kArpReplies)}};
  all.push_back({"arp",
                 support::arp_request_frame(to_host4()),
                 link(Counter::kArpReplies, false) + arp,
                 {},
                 {},
                 47 + 47 + 31 + 48 + 18 * 8});

  // RFC 4861 and 2464. The sum covers the addresses and the message, not the hop limit: that has a rule of its own.
  // Bytes 12 to 15 of the group stand in the MAC address too.
  const Fate ndp_group = [](const Bytes& f) {
    const bool is_group = u8_at(f, 38) == 0xff;
    return is_group && part(f, 2, 4) == part(f, 50, 4) ? Counter::kDropIcmp : Counter::kDropMac;
  };
  const std::vector<Field> solicitation = ipv6(14, Counter::kNdpReplies, Counter::kDropIcmp, Counter::kDropIpProtocol,
                                               always(Counter::kDropNdp), Counter::kDropIcmp, ndp_group) +
                                          std::vector<Field>{{"message", 32, always(Counter::kDropIcmp)}};
  all.push_back({"solicitation",
                 support::solicitation_frame(to_host6()),
                 link(Counter::kNdpReplies, false) + solicitation,
                 {},
                 {},
                 47 + 28});

  const std::vector<Field> icmp{{"message", 16, always(Counter::kDropIcmp)}};
  all.push_back({"echo",
                 part(support::echo_request_frame(to_host4(), 1, 2, Bytes(8)), 0, 14 + 20 + 16),
                 link(Counter::kEchoReplies, false) + summed_ipv4(14) + icmp,
                 {},
                 {},
                 47});
  all.push_back({"echo6",
                 support::echo_request_frame(to_host6(), 1, 2, Bytes(8)),
                 link(Counter::kEchoReplies, false) +
                     ipv6(14, Counter::kEchoReplies, Counter::kDropIcmp, Counter::kDropIpProtocol,
                          always(Counter::kEchoReplies), Counter::kDropIcmp, always(Counter::kDropIpDestination)) +
                     icmp,
                 {},
                 {},
                 47 + 28 + 8});
  return all;
}

std::vector<FlipCase> all_cases() {
  std::vector<FlipCase> all = request_cases();
  for (FlipCase& one : neighbour_cases())
    all.push_back(std::move(one));
  return all;
}

class Flips : public ::testing::TestWithParam<FlipCase> {};
INSTANTIATE_TEST_SUITE_P(Frames, Flips, ::testing::ValuesIn(all_cases()),
                         [](const auto& flips) { return flips.param.name; });

TEST_P(Flips, EverySingleBit) {
  const FlipCase& flips = GetParam();
  StationOptions options = host_options();
  options.vlans = flips.vlans;
  Judge judge(options);
  std::size_t at = 0;
  std::uint64_t answered = 0;
  for (const Field& field : flips.fields) {
    for (const std::size_t end = at + field.size; at < end; ++at)
      for (unsigned bit = 0; bit < 8; ++bit) {
        Bytes flipped = flips.frame;
        flipped.at(at) ^= static_cast<std::byte>(1U << bit);
        const Counter expected = field.fate(flipped);
        ASSERT_EQ(judge.judge(flipped, flips.checks), "") << field.name << ", byte " << at << ", bit " << bit;
        ASSERT_EQ(name_of(judge.last().counter), name_of(expected)) << field.name << ", byte " << at << ", bit " << bit;
        const bool dropped = expected >= Counter::kDropFrameLength;
        if (dropped) {
          ASSERT_TRUE(judge.last().reply.empty()) << field.name;
        }
        answered += dropped ? 0 : 1;
        ASSERT_EQ(judge.advance(time::milliseconds(1)), "");
      }
  }
  EXPECT_EQ(at, flips.frame.size()) << "every byte belongs to a field";
  EXPECT_EQ(answered, flips.answered);
  EXPECT_EQ(judge.check_books(), "");
}

}  // namespace
}  // namespace gnomon::frame
