// SPDX-License-Identifier: Apache-2.0
//
// Whose clocks can be read, and when: by name, before, while and after a port runs; and what the virtual devices say,
// which have none.
#include "dataplane/dpdk/port_clocks.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

#include "dataplane/dpdk/timesync.hpp"
#include "dataplane/port_clock.hpp"
#include "tests/dataplane/dpdk/card.hpp"
#include "tests/dataplane/dpdk/device_serving.hpp"
#include "tests/dataplane/dpdk/own_process.hpp"
#include "tests/dataplane/udp_client.hpp"
#include "tests/support/network_namespace.hpp"

namespace gnomon::test {
namespace {

using dataplane::PortClock;
using dataplane::PortClockFault;
using dataplane::dpdk::Timesync;
using dataplane::dpdk::TimesyncCalls;
using support::ScratchFolder;
using PortClocks = CardTest;

TEST_F(PortClocks, IsNotStartedUntilThePortOffersItsClock) {
  EXPECT_FALSE(dataplane::dpdk::clock_is_wanted("card0"));
  const auto asked = PortClock::of("card0");
  ASSERT_TRUE(asked.has_value());
  EXPECT_TRUE(dataplane::dpdk::clock_is_wanted("card0"));
  EXPECT_FALSE(dataplane::dpdk::clock_is_wanted("card1"));
  const auto early = (*asked)->read(kGigahertz);
  ASSERT_FALSE(early.has_value());
  EXPECT_EQ(early.error().fault, PortClockFault::kNotStarted);
  EXPECT_NE(early.error().text.find("port card0"), std::string::npos) << early.error().text;

  dataplane::dpdk::offer_clock("card1", settled());
  EXPECT_FALSE((*asked)->read(kGigahertz).has_value()) << "another port's clock";
  dataplane::dpdk::offer_clock("card0", settled());
  const auto reading = (*asked)->read(kGigahertz);
  ASSERT_TRUE(reading.has_value()) << reading.error().text;
  EXPECT_EQ(reading->value_ns, kToday + static_cast<std::int64_t>(reading->before.count) + 200);

  dataplane::dpdk::withdraw_clock("card0");
  const auto late = (*asked)->read(kGigahertz);
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().fault, PortClockFault::kNotStarted);
}

TEST_F(PortClocks, IsWantedForAsLongAsSomebodyReads) {
  {
    const auto first = PortClock::of("card0");
    {
      const auto second = PortClock::of("card0");
    }
    EXPECT_TRUE(dataplane::dpdk::clock_is_wanted("card0"));
  }
  EXPECT_FALSE(dataplane::dpdk::clock_is_wanted("card0"));
}

// A driver may free what it reads from as soon as its port is stopped.
TEST_F(PortClocks, NobodyReadsAPortThatTookItsClockBack) {
  static std::atomic<bool> stopped;
  static std::atomic<unsigned> good;
  static std::atomic<unsigned> bad;
  stopped = false;
  good = bad = 0;
  static const TimesyncCalls kWatched{.enable = [](std::uint16_t) { return 0; },
                                      .read_time =
                                          [](std::uint16_t, timespec* shown) {
                                            for (int i = 0; i < 100; ++i)
                                              ++(stopped.load() ? bad : good);
                                            *shown = {1'760'000'000, 0};
                                            return 0;
                                          },
                                      .read_cycles = [] { return time::Cycles{}; }};
  const auto asked = PortClock::of("card0");
  ASSERT_TRUE(asked.has_value());
  std::atomic<bool> done{false};
  std::thread reader([&] {
    while (!done.load())
      (void)(*asked)->read(kGigahertz);
  });
  for (int i = 0; i < 200; ++i) {
    stopped = false;
    dataplane::dpdk::offer_clock("card0", *Timesync::enable(3, "card0", kWatched));
    const unsigned before = good;
    for (int patience = 0; good == before && patience < 1000; ++patience)
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    dataplane::dpdk::withdraw_clock("card0");
    stopped = true;
  }
  done = true;
  reader.join();
  EXPECT_GT(good, 0U);
  EXPECT_EQ(bad, 0U);
}

// --- the virtual devices

void expect_no_clock(const std::string& device, const std::string& name, const std::string& driver) {
  const ScratchFolder folder;
  dataplane::PortOptions options = port_options(folder);
  options.devices = {device};
  const auto asked = PortClock::of(name);
  ASSERT_TRUE(asked.has_value()) << asked.error().text;
  try {
    const DeviceServing serving(options, port_pool_options());
    ADD_FAILURE() << name << " has a clock";
  } catch (const std::runtime_error& refusal) {
    const std::string text = refusal.what();
    const std::string who = std::string(name).append(" (").append(driver).append(")");
    for (const std::string& words :
         {who, std::string("rte_eth_timesync_enable: "), std::string("clock.sources"), std::string("phc:/dev/ptpN")})
      EXPECT_NE(text.find(words), std::string::npos) << "not said: " << words << "\nbut: " << text;
  }
  const auto reading = (*asked)->read(kGigahertz);
  ASSERT_FALSE(reading.has_value());
  EXPECT_EQ(reading.error().fault, PortClockFault::kNotStarted);
}

TEST(PortClockOfDevices, NullHasNone) {
  in_own_process([] { expect_no_clock("net_null0,no-rx=1", "net_null0", "net_null"); });
}

TEST(PortClockOfDevices, RingHasNone) {
  in_own_process([] { expect_no_clock("net_ring0", "net_ring0", "net_ring"); });
}

TEST(PortClockOfDevices, AfPacketHasNone) {
  in_own_process([] {
    std::string why;
    if (!support::NetworkNamespace::available(&why)) throw NotHere(why);
    const support::NetworkNamespace host;
    const support::InNamespace inside(host);
    expect_no_clock("net_af_packet0,iface=lo", "net_af_packet0", "net_af_packet");
  });
}

// Timesync would set most clocks to zero, which a port that serves only has no business to do.
TEST(PortClockOfDevices, NobodyTouchesAClockThatIsNotWanted) {
  in_own_process([] {
    const ScratchFolder folder;
    dataplane::PortOptions options = port_options(folder);
    options.devices = {"net_null0,no-rx=1"};
    const auto asked = PortClock::of("net_null1");
    const DeviceServing serving(options, port_pool_options());
    EXPECT_EQ(serving.workers(), 1U);
  });
}

}  // namespace
}  // namespace gnomon::test
