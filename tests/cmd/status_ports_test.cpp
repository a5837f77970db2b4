// SPDX-License-Identifier: Apache-2.0
//
// What gnomon status says of DPDK ports, to people and to programs.
#include <fmt/core.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "cmd/gnomon/status.hpp"
#include "tests/cmd/json_check.hpp"

namespace gnomon::cmd {
namespace {

control::PortReport virtual_port() {
  return {.index = 0,
          .device = "net_af_packet0",
          .driver = "net_af_packet",
          .mac = "02:00:00:00:09:01",
          .state = "up",
          .speed_mbps = 10'000,
          .mtu = 1500,
          .queues = 2,
          .max_queues = 16,
          .numa_node = -1,
          .capabilities = {{"receive UDP checksum", "software", ""},
                           {"MTU", "1500", ""},
                           {"promiscuous", "on", "the driver can't do without; other MAC addresses are dropped"},
                           {"steering", "off", "all that arrives comes here; the kernel has no part in this port"}},
          .rx_frames = 123'456,
          .tx_frames = 120'000,
          .rx_bytes = 9'876'543'210,
          .tx_bytes = 8'765'432'109,
          .rx_missed = 3,
          .rx_errors = 2,
          .rx_no_buffer = 1,
          .tx_errors = 0,
          .per_queue = {{100'000, 99'000}, {23'456, 21'000}}};
}

control::PortReport card() {
  return {.index = 1,
          .device = "0000:3b:00.0",
          .driver = "mlx5_pci",
          .mac = "02:00:00:00:09:02",
          .state = "down",
          .speed_mbps = 0,
          .mtu = 9000,
          .queues = 2,
          .max_queues = 64,
          .numa_node = 1,
          .capabilities = {{"receive UDP checksum", "offload", ""},
                           {"steering", "off", "all that arrives comes here; the kernel has no part in this port"},
                           {"removal events", "on", ""}},
          .rx_frames = 0,
          .tx_frames = 7,
          .rx_bytes = 0,
          .tx_bytes = 700,
          .rx_missed = 0,
          .rx_errors = 0,
          .rx_no_buffer = 0,
          .tx_errors = 0,
          .per_queue = {}};
}

control::StatusReport with_ports() {
  control::StatusReport report;
  report.daemon.instance = "main";
  report.daemon.data_plane = "dpdk 22.11.11, huge pages";
  report.ports = {virtual_port(), card()};
  return report;
}

std::size_t longest_line(std::string_view text) {
  std::size_t longest = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    longest = std::max(longest, end);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return longest;
}

TEST(StatusPorts, TableHeadsAndStatistics) {
  EXPECT_EQ(ports_text(with_ports()),
            "instance main answers through dpdk 22.11.11, huge pages\n"
            "\n"
            "capability            net_af_packet0  0000:3b:00.0\n"
            "receive UDP checksum        software       offload\n"
            "MTU                             1500             -\n"
            "promiscuous                   on [1]             -\n"
            "steering                     off [2]       off [2]\n"
            "removal events                     -            on\n"
            "[1] the driver can't do without; other MAC addresses are dropped\n"
            "[2] all that arrives comes here; the kernel has no part in this port\n"
            "\n"
            "port 0  net_af_packet0 up\n"
            "  driver net_af_packet, MAC 02:00:00:00:09:01, 10 Gbit/s, MTU 1500\n"
            "  queue pairs 2 of 16\n"
            "                frames               bytes      missed   no buffer      errors\n"
            "  in            123456          9876543210           3           1           2\n"
            "  out           120000          8765432109           -           -           0\n"
            "  queue      frames in          frames out\n"
            "  0             100000               99000\n"
            "  1              23456               21000\n"
            "\n"
            "port 1  0000:3b:00.0 down\n"
            "  driver mlx5_pci, MAC 02:00:00:00:09:02, MTU 9000\n"
            "  queue pairs 2 of 64, NUMA node 1\n"
            "                frames               bytes      missed   no buffer      errors\n"
            "  in                 0                   0           0           0           0\n"
            "  out                7                 700           -           -           0\n"
            "  its driver does not count by queue\n");
}

TEST(StatusPorts, ManyPortsAndLongRemarksStayNarrow) {
  control::StatusReport report = with_ports();
  report.ports.clear();
  for (unsigned i = 0; i < 16; ++i) {
    control::PortReport& port = report.ports.emplace_back(virtual_port());
    port.index = i;
    port.device = fmt::format("net_af_packet{}", i);
    port.capabilities.back().note += fmt::format("; a remark of port {} that goes on over the end of a line", i);
  }
  const std::string text = ports_text(report);
  EXPECT_LE(longest_line(text), 80U) << text;
  const std::size_t statistics = text.find("\nport 0 ");
  ASSERT_NE(statistics, std::string::npos);
  for (unsigned i = 0; i < 16; ++i) {
    const std::string device = fmt::format("net_af_packet{}", i);
    EXPECT_LT(text.find(device), statistics) << device << " is in no table";
    EXPECT_NE(text.find(fmt::format("\nport {}  {} up\n", i, device)), std::string::npos) << device;
    EXPECT_NE(text.find(fmt::format("off [{}]", i + 2)), std::string::npos) << "the remark has its number in the table";
    EXPECT_NE(text.find(fmt::format("of port {} that goes on", i)), std::string::npos) << text;
  }
}

TEST(StatusPorts, ANameLongerThanTheTerminalStillHasItsColumn) {
  control::StatusReport report = with_ports();
  report.ports.front().device = "net_" + std::string(59, 'x') + "0";
  const std::string text = ports_text(report);
  EXPECT_NE(text.find(report.ports.front().device + "\n"), std::string::npos) << text;
  EXPECT_NE(text.find("\ncapability            0000:3b:00.0\n"), std::string::npos) << text;
}

TEST(StatusPorts, AGonePortHasNoStatistics) {
  control::StatusReport report = with_ports();
  report.ports.resize(1);
  report.ports.front().state = "gone";
  const std::string text = ports_text(report);
  EXPECT_NE(text.find("port 0  net_af_packet0 gone\n"), std::string::npos) << text;
  EXPECT_NE(text.find("the device was removed\n"), std::string::npos) << text;
  EXPECT_EQ(text.find("no buffer"), std::string::npos) << text;
}

TEST(StatusPorts, WithoutPortsSayWhy) {
  control::StatusReport report;
  report.daemon.instance = "main";
  report.daemon.data_plane = "kernel sockets";
  const std::string wanted = "instance main answers through kernel sockets: it has no DPDK ports (see dpdk.devices)\n";
  EXPECT_EQ(ports_text(report), wanted);
  report.daemon.data_plane.clear();  // a daemon that is older than its tool
  EXPECT_EQ(ports_text(report), wanted);
}

TEST(StatusPorts, PlainStatusHasALineForEach) {
  control::StatusReport report = with_ports();
  const std::string text = status_text(report, {});
  EXPECT_NE(text.find("\nthrough  dpdk 22.11.11, huge pages\n"
                      "ports    net_af_packet0 up, 10 Gbit/s, 2 of 16 queue pairs, 123456 frames in, 120000 out, 6 "
                      "lost\n"
                      "         0000:3b:00.0 down, 2 of 64 queue pairs, 0 frames in, 7 out\n"
                      "store "),
            std::string::npos)
      << text;
  report.ports.front().state = "gone";
  EXPECT_NE(status_text(report, {}).find("\nports    net_af_packet0 gone\n"), std::string::npos);
  report.ports.clear();
  report.daemon.data_plane = "kernel sockets";
  const std::string without = status_text(report, {});
  EXPECT_EQ(without.find("\nports "), std::string::npos) << without;
  EXPECT_NE(without.find("\nthrough  kernel sockets\n"), std::string::npos) << without;
}

TEST(StatusPorts, SpeedsAreInTheirUnit) {
  control::PortReport port = virtual_port();
  for (const auto& [mbps, wanted] : {std::pair{100, ", 100 Mbit/s,"}, std::pair{1000, ", 1 Gbit/s,"},
                                     std::pair{2500, ", 2.5 Gbit/s,"}, std::pair{400'000, ", 400 Gbit/s,"}}) {
    port.speed_mbps = static_cast<unsigned>(mbps);
    EXPECT_NE(port_line(port).find(wanted), std::string::npos) << port_line(port);
  }
}

TEST(StatusPorts, AddressConflictsAreTrouble) {
  control::StatusReport report;
  control::WorkerReport worker;
  worker.counters = {{"frames", 90}, {"arp_replies", 50}, {"address_conflicts", 40}, {"dropped_mac", 4}};
  report.workers = {worker, worker};
  const std::string text = status_text(report, {});
  const std::size_t trouble = text.find("refused and dropped");
  ASSERT_NE(trouble, std::string::npos) << text;
  EXPECT_NE(text.find("address_conflicts                            80", trouble), std::string::npos) << text;
  EXPECT_NE(text.find("dropped_mac                                   8", trouble), std::string::npos) << text;
  EXPECT_EQ(text.find("arp_replies", trouble), std::string::npos) << "an answer is no trouble";
}

TEST(StatusPorts, JsonHasEverything) {
  const std::string json = status_json(with_ports(), {});
  EXPECT_TRUE(JsonCheck::valid(json)) << json;
  EXPECT_NE(json.find(R"("data_plane":"dpdk 22.11.11, huge pages")"), std::string::npos) << json;
  EXPECT_NE(
      json.find(
          R"("ports":[{"port":0,"device":"net_af_packet0","driver":"net_af_packet","mac":"02:00:00:00:09:01",)"
          R"("state":"up","speed_mbps":10000,"mtu":1500,"queues":2,"max_queues":16,"numa_node":null,)"
          R"("capabilities":[{"name":"receive UDP checksum","state":"software","note":""},)"
          R"({"name":"MTU","state":"1500","note":""},)"
          R"({"name":"promiscuous","state":"on","note":"the driver can't do without; other MAC addresses are dropped"},)"
          R"({"name":"steering","state":"off","note":"all that arrives comes here; the kernel has no part in this port"}],)"
          R"("rx_frames":123456,"tx_frames":120000,"rx_bytes":9876543210,"tx_bytes":8765432109,"rx_missed":3,)"
          R"("rx_errors":2,"rx_no_buffer":1,"tx_errors":0,)"
          R"("per_queue":[{"rx_frames":100000,"tx_frames":99000},{"rx_frames":23456,"tx_frames":21000}]},{"port":1,)"),
      std::string::npos)
      << json;
  EXPECT_NE(json.find(R"("numa_node":1,)"), std::string::npos) << json;
  EXPECT_NE(json.find(R"("tx_bytes":700,"rx_missed":0,"rx_errors":0,"rx_no_buffer":0,"tx_errors":0,"per_queue":[]}],)"),
            std::string::npos)
      << json;

  const std::string without = status_json({}, {});
  EXPECT_TRUE(JsonCheck::valid(without)) << without;
  EXPECT_NE(without.find(R"("ports":[],)"), std::string::npos) << without;
}

}  // namespace
}  // namespace gnomon::cmd
