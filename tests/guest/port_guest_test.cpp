// SPDX-License-Identifier: Apache-2.0
//
// The clock of a DPDK port on a driver and a card that have one: DPDK's igb on the card that QEMU emulates, behind an
// emulated IOMMU. Runs as root inside of a guest machine that phc_guest.py boots, because it takes the card away from
// the kernel; outside of it the case is skipped.
#include <gtest/gtest.h>
#include <rte_ethdev.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>

#include "dataplane/port_clock.hpp"
#include "ptp/cycle_calibration.hpp"
#include "tests/dataplane/dpdk/device_serving.hpp"
#include "tests/dataplane/udp_client.hpp"

namespace gnomon::test {
namespace {

namespace fs = std::filesystem;
using dataplane::PortClockFault;
using dataplane::PortClockReading;

void write_to(const fs::path& path, const std::string& text) {
  std::ofstream file(path);
  if (!(file << text << std::flush)) throw std::runtime_error("cannot write " + path.string());
}

// Takes the card from the kernel's driver; its PCI address.
std::string give_card_away() {
  std::string address;
  for (const fs::directory_entry& entry : fs::directory_iterator("/sys/bus/pci/drivers/igb"))
    if (const std::string name = entry.path().filename().string(); name.starts_with("0000:")) address = name;
  if (address.empty()) throw std::runtime_error("the kernel's igb driver has no card");
  const fs::path device = fs::path("/sys/bus/pci/devices") / address;
  write_to(device / "driver/unbind", address);
  write_to(device / "driver_override", "vfio-pci");
  write_to("/sys/bus/pci/drivers_probe", address);
  return address;
}

// DPDK loads the drivers that it finds in a folder; the guest has the few of them that it needs in another.
std::vector<std::string> drivers() {
  std::vector<std::string> out;
  std::ifstream names("/drivers");
  for (std::string name; std::getline(names, name);) {
    out.emplace_back("-d");
    out.push_back(name);
  }
  return out;
}

std::uint64_t middle(const PortClockReading& reading) {
  return reading.before.count + (reading.after.count - reading.before.count) / 2;
}

TEST(PortInGuest, ShowsItsClockOnceSomebodyHasSetIt) {
  if (std::getenv("GNOMON_GUEST") == nullptr)
    GTEST_SKIP() << "takes a card from the kernel: only inside of a guest machine (./dev test --suite phc-guest)";
  fs::permissions("/", fs::perms{0755});  // DPDK loads no drivers from a folder that everybody may write to
  const auto calibrated = ptp::calibrate_cycles(time::milliseconds(200));
  ASSERT_TRUE(calibrated.has_value()) << calibrated.error().text;
  const time::CycleRate nominal = calibrated->rate;
  const std::string card = give_card_away();
  const auto clock = dataplane::PortClock::of(card);
  ASSERT_TRUE(clock.has_value()) << clock.error().text;
  const auto early = (*clock)->read(nominal);
  ASSERT_FALSE(early.has_value());
  EXPECT_EQ(early.error().fault, PortClockFault::kNotStarted);
  {
    const support::ScratchFolder folder;
    dataplane::PortOptions options = port_options(folder);
    options.devices = {card};
    options.eal_arguments = drivers();
    const DeviceServing serving(options, port_pool_options());
    EXPECT_EQ(serving.port().driver, "net_e1000_igb");

    const auto unset = (*clock)->read(nominal);
    ASSERT_FALSE(unset.has_value()) << "the driver has it count from about zero";
    EXPECT_EQ(unset.error().fault, PortClockFault::kUnset) << unset.error().text;

    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    ASSERT_EQ(rte_eth_timesync_write_time(0, &now), 0);
    const auto settling = (*clock)->read(nominal);
    ASSERT_FALSE(settling.has_value());
    EXPECT_EQ(settling.error().fault, PortClockFault::kSettling) << settling.error().text;

    std::vector<PortClockReading> readings;
    for (int i = 0; i < 100; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      const auto reading = (*clock)->read(nominal);
      ASSERT_TRUE(reading.has_value()) << reading.error().text;
      readings.push_back(*reading);
    }
    const PortClockReading& first = readings.front();
    const PortClockReading& last = readings.back();
    const std::int64_t passed = nominal.span(middle(last) - middle(first)).ns;
    const std::int64_t apart = last.value_ns - first.value_ns - passed;
    const std::int64_t widths =
        nominal.span(first.after.count - first.before.count + last.after.count - last.before.count).ns;
    std::cout << "apart from the counter after " << passed / 1'000'000 << " ms: " << apart << " ns, brackets " << widths
              << " ns wide\n";
    EXPECT_LE(std::llabs(apart), widths + passed / 1000);
    EXPECT_GE(first.value_ns, now.tv_sec * 1'000'000'000 + now.tv_nsec);
  }
  const auto late = (*clock)->read(nominal);
  ASSERT_FALSE(late.has_value());
  EXPECT_EQ(late.error().fault, PortClockFault::kNotStarted);
}

}  // namespace
}  // namespace gnomon::test
