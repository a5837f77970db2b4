// SPDX-License-Identifier: Apache-2.0
//
// Links that come and go, and what the neighbours are told.
#include <gtest/gtest.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <chrono>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/dpdk/device.hpp"
#include "dataplane/dpdk/eal.hpp"
#include "dataplane/dpdk/port.hpp"
#include "tests/dataplane/dpdk/asker.hpp"
#include "tests/dataplane/dpdk/own_process.hpp"
#include "tests/dataplane/dpdk/ring_serving.hpp"
#include "tests/dataplane/udp_client.hpp"
#include "tests/support/network_namespace.hpp"

namespace gnomon::test {
namespace {

using Clock = std::chrono::steady_clock;
using page::Counter;
using support::Bytes;

/// What went over the wire unasked, and when.
struct Heard {
  Clock::time_point at;
  Bytes frame;
};

std::vector<std::string> look(RingServing& serving) {
  const auto news = serving.pool().look_after_ports();
  if (!news) throw std::runtime_error(news.error().text);
  return *news;
}

// Looks after the ports as a daemon does, for `limit` or until `n` frames came.
std::vector<Heard> listen(RingServing& serving, std::size_t n, std::chrono::milliseconds limit) {
  std::vector<Heard> heard;
  const auto until = Clock::now() + limit;
  while (heard.size() < n && Clock::now() < until) {
    EXPECT_EQ(look(serving), std::vector<std::string>{}) << "nothing has happened";
    while (auto frame = serving.wire().receive_now(0))
      heard.push_back({Clock::now(), std::move(*frame)});
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return heard;
}

// The tag of an announcement, or 0; what is wrong with it is a failure of the test.
std::uint16_t expect_announcement(const Bytes& frame) {
  EXPECT_EQ(support::check_reply_frame(frame), "");
  const support::Dissection seen = support::dissect(frame);
  EXPECT_EQ(seen.from, kServerMac);
  if (seen.type == support::kTypeArp) {  // RFC 5227, 3
    const serve::Address ours = support::address_of("10.9.0.1");
    EXPECT_EQ(seen.to, support::kBroadcastMac);
    EXPECT_EQ(seen.arp.operation, 1);
    EXPECT_EQ(seen.arp.sender_mac, kServerMac);
    EXPECT_EQ(seen.arp.sender, ours);
    EXPECT_EQ(seen.arp.target, ours);
  } else {  // RFC 4861, 4.4 and 7.2.6
    const serve::Address ours = support::address_of("fd00:9::1");
    EXPECT_EQ(seen.type, support::kTypeIpv6);
    EXPECT_EQ(seen.to, (support::Mac{0x33, 0x33, 0, 0, 0, 1}));
    EXPECT_EQ(seen.destination, support::address_of("ff02::1"));
    EXPECT_EQ(seen.source, ours);
    EXPECT_EQ(seen.ttl, 255);
    EXPECT_EQ(seen.protocol, support::kProtocolIcmp6);
    EXPECT_EQ(seen.icmp_type, 136);
    const Bytes link = support::link_option(2, kServerMac);
    Bytes body = support::from_hex("2000 0000");  // override, not solicited
    body.insert(body.end(), reinterpret_cast<const std::byte*>(ours.bytes.data()),
                reinterpret_cast<const std::byte*>(ours.bytes.data()) + ours.bytes.size());
    body.insert(body.end(), link.begin(), link.end());
    EXPECT_EQ(support::to_hex(seen.payload), support::to_hex(body));
  }
  EXPECT_LE(seen.tags.size(), 1U);
  return seen.tags.empty() ? std::uint16_t{0} : seen.tags[0];
}

// Two rounds, two seconds apart, of one announcement per address and VLAN; and no third.
void expect_both_rounds(RingServing& serving, const std::vector<std::uint16_t>& vlans) {
  const std::size_t per_round = 2 * vlans.size();
  const std::uint64_t before = serving.desk().count(Counter::kAnnouncements);
  const std::vector<Heard> heard = listen(serving, 2 * per_round, kPatience);
  ASSERT_EQ(heard.size(), 2 * per_round);
  std::map<std::pair<std::uint16_t, std::uint16_t>, int> kinds;  // (type, VLAN)
  for (const Heard& one : heard)
    ++kinds[{support::dissect(one.frame).type, expect_announcement(one.frame)}];
  EXPECT_EQ(kinds.size(), per_round);
  for (const auto& [kind, times] : kinds)
    EXPECT_EQ(times, 2) << "type " << kind.first << ", VLAN " << kind.second;
  const auto apart = heard[per_round].at - heard[per_round - 1].at;
  // The worker looks about every tenth of a second, at either end.
  EXPECT_GT(apart, std::chrono::milliseconds(1500));
  EXPECT_EQ(listen(serving, 1, std::chrono::milliseconds(2600)).size(), 0U);
  EXPECT_EQ(serving.desk().count(Counter::kAnnouncements), before + 2 * per_round);
}

TEST(PortState, AnnouncesItsAddressesTwiceWhenTheLinkComesUp) {
  in_own_process([] {
    RingServing serving;
    EXPECT_FALSE(serving.wire().receive(0, std::chrono::milliseconds(300))) << "before anybody looked at the ports";
    expect_both_rounds(serving, {0});

    ASSERT_EQ(rte_eth_dev_set_link_down(serving.wire().port()), 0);
    EXPECT_EQ(look(serving), (std::vector<std::string>{"port net_ring_wire0 has lost its link"}));
    EXPECT_EQ(serving.pool().ports().at(0).state, "down");
    EXPECT_EQ(listen(serving, 1, std::chrono::milliseconds(300)).size(), 0U) << "to a link that is down";

    ASSERT_EQ(rte_eth_dev_set_link_up(serving.wire().port()), 0);
    EXPECT_EQ(look(serving), (std::vector<std::string>{"port net_ring_wire0 is up"}));
    EXPECT_EQ(serving.pool().ports().at(0).state, "up");
    expect_both_rounds(serving, {0});
    EXPECT_EQ(serving.desk().count(Counter::kFrames), 0U);
    EXPECT_TRUE(serving.all_buffers_back()) << serving.buffers_text();
  });
}

// As it does while a switch negotiates: nothing of the first link counts for the second one.
TEST(PortState, AnnouncesItsAddressesTwiceThoughTheLinkFlapped) {
  in_own_process([] {
    RingServing serving;
    EXPECT_EQ(listen(serving, 2, kPatience).size(), 2U) << "the first round of the first link";
    ASSERT_EQ(rte_eth_dev_set_link_down(serving.wire().port()), 0);
    EXPECT_EQ(look(serving).size(), 1U);
    ASSERT_EQ(rte_eth_dev_set_link_up(serving.wire().port()), 0);
    EXPECT_EQ(look(serving).size(), 1U);
    expect_both_rounds(serving, {0});
  });
}

// A port on one end of a cable whose ends are both ours.
class BorrowedPort {
 public:
  BorrowedPort() {
    lay_cable();
    const support::InNamespace inside(host_);
    options_ = port_options(folder_);
    options_.devices = {"net_af_packet0,iface=near"};
    auto eal = dataplane::dpdk::Eal::start(options_);
    if (!eal) throw std::runtime_error(eal.error().text);
    eal_ = std::move(*eal);
    auto port = dataplane::dpdk::Port::open(dataplane::dpdk::parse_device(options_.devices[0]), *eal_);
    if (!port) throw std::runtime_error(port.error().text);
    port_ = std::move(*port);
    pool_ = rte_pktmbuf_pool_create("borrowed", 4095, 256, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (const auto done = port_->start(options_, {endpoint(kServer4)}, {pool_}, *eal_); !done)
      throw std::runtime_error(done.error().text);
  }
  // Again, too: the interface has the same index then, by which a port knows its own.
  void lay_cable() {
    host_.must_run({"ip", "link", "add", "near", "index", "4242", "type", "veth", "peer", "name", "far"});
    for (const char* end : {"near", "far"})
      host_.must_run({"ip", "link", "set", end, "up"});
  }
  [[nodiscard]] bool look() {
    const support::InNamespace inside(host_);
    return port_->look();
  }
  [[nodiscard]] bool becomes(dataplane::dpdk::Port::State state) {
    return eventually([&] { return (void)look(), port_->state() == state; });
  }
  [[nodiscard]] const support::NetworkNamespace& host() const { return host_; }
  [[nodiscard]] dataplane::dpdk::Port& port() { return *port_; }

 private:
  support::ScratchFolder folder_;
  support::NetworkNamespace host_;
  dataplane::PortOptions options_;
  std::unique_ptr<dataplane::dpdk::Eal> eal_;
  std::unique_ptr<dataplane::dpdk::Port> port_;
  rte_mempool* pool_ = nullptr;
};

using State = dataplane::dpdk::Port::State;

// In a process of its own, with a port whose link is up.
void with_borrowed_port(const std::function<void(BorrowedPort&)>& body) {
  in_own_process([&] {
    std::string why;
    if (!support::NetworkNamespace::available(&why)) throw NotHere(why);
    BorrowedPort borrowed;
    ASSERT_TRUE(borrowed.becomes(State::kUp));
    body(borrowed);
  });
}

TEST(PortState, WhatIsGoneStaysGoneThoughItsInterfaceIsBack) {
  with_borrowed_port([](BorrowedPort& borrowed) {
    borrowed.host().must_run({"ip", "link", "delete", "near"});
    EXPECT_TRUE(borrowed.look());
    EXPECT_EQ(borrowed.port().state(), State::kGone);
    borrowed.lay_cable();
    EXPECT_FALSE(borrowed.look());
    EXPECT_EQ(borrowed.port().state(), State::kGone);
  });
}

TEST(PortState, WantOfFileDescriptorsRemovesNoDevice) {
  with_borrowed_port([](BorrowedPort& borrowed) {
    {
      const support::InNamespace inside(borrowed.host());
      rlimit limit{};
      ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
      const rlimit none{.rlim_cur = 3, .rlim_max = limit.rlim_max};
      ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
      EXPECT_LT(::socket(AF_INET, SOCK_DGRAM, 0), 0) << "there are descriptors left";
      EXPECT_FALSE(borrowed.port().look());
      EXPECT_EQ(borrowed.port().state(), State::kUp);
      ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    }
    borrowed.host().must_run({"ip", "link", "set", "far", "down"});
    EXPECT_TRUE(borrowed.becomes(State::kDown));
  });
}

TEST(PortState, AnnouncesItselfOnEveryServedVlan) {
  in_own_process([] {
    RingServing serving({.vlans = {0, 7, 4094}});
    expect_both_rounds(serving, {0, 7, 4094});
  });
}

TEST(PortState, KeepsOnAnnouncingWhileItServes) {
  in_own_process([] {
    RingServing serving;
    Asker asker(serving.wire(), 0, endpoint(kServer4));
    std::size_t announcements = 0;
    std::uint64_t answered = 0;
    const Bytes request = asker.request(next_id(1));
    const auto until = Clock::now() + kPatience;
    while (announcements < 4 && Clock::now() < until) {
      (void)look(serving);
      for (int i = 0; i < 20; ++i)
        serving.wire().send(0, request);
      for (int i = 0; i < 20;) {
        const auto frame = serving.wire().receive(0);
        ASSERT_TRUE(frame);
        if (asker.fault_of_reply(*frame).empty()) {
          ++i;
          ++answered;
        } else {
          (void)expect_announcement(*frame);
          ++announcements;
        }
      }
    }
    EXPECT_EQ(announcements, 4U);
    EXPECT_EQ(serving.desk().count(Counter::kReplies), answered);
  });
}

}  // namespace
}  // namespace gnomon::test
