// SPDX-License-Identifier: Apache-2.0
//
// gnomon status --ports: the DPDK ports for people. One table says what each port can do and what is done for it in
// software, so that ports can be compared; its remarks stand below it, each once. What a port counts follows, port by
// port.
#include <fmt/core.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cmd/gnomon/status.hpp"
#include "cmd/text/wrap.hpp"

namespace gnomon::cmd {
namespace {

using control::PortCapability;
using control::PortReport;
using control::StatusReport;

constexpr std::size_t kWidth = 80;
constexpr std::string_view kGap = "  ";

const PortCapability* find(const PortReport& port, const std::string& name) {
  for (const PortCapability& capability : port.capabilities)
    if (capability.name == name) return &capability;
  return nullptr;
}

/// The remarks of all ports, each once; a cell names its remark by the number.
class Remarks {
 public:
  /// "on [2]", or only the state if there is no remark.
  [[nodiscard]] std::string cell(const PortCapability* capability) {
    if (capability == nullptr) return "-";
    if (capability->note.empty()) return capability->state;
    auto at = std::find(texts_.begin(), texts_.end(), capability->note);
    if (at == texts_.end()) at = texts_.insert(at, capability->note);
    return fmt::format("{} [{}]", capability->state, at - texts_.begin() + 1);
  }
  [[nodiscard]] std::string text() const {
    std::string out;
    for (std::size_t i = 0; i < texts_.size(); ++i) {
      const std::string number = fmt::format("[{}] ", i + 1);
      out += wrapped(texts_[i], kWidth, number, std::string(number.size(), ' '));
    }
    return out;
  }

 private:
  std::vector<std::string> texts_;
};

/// The first cell is what the column is about.
using Column = std::vector<std::string>;

std::size_t width_of(const Column& column) {
  std::size_t out = 0;
  for (const std::string& cell : column)
    out = std::max(out, cell.size());
  return out;
}

/// Capabilities in the order in which the ports name them, each once.
Column names_of(const StatusReport& report) {
  Column out{"capability"};
  for (const PortReport& port : report.ports)
    for (const PortCapability& capability : port.capabilities)
      if (std::find(out.begin() + 1, out.end(), capability.name) == out.end()) out.push_back(capability.name);
  return out;
}

std::string lines_of(const Column& names, std::span<const Column> columns) {
  std::string out;
  for (std::size_t row = 0; row < names.size(); ++row) {
    out += fmt::format("{:<{}}", names[row], width_of(names));
    for (const Column& column : columns)
      out += fmt::format("{}{:>{}}", kGap, column[row], width_of(column));
    out += '\n';
  }
  return out;
}

/// Ports that don't fit beside the others come in a further table below.
std::string capabilities(const StatusReport& report) {
  const Column names = names_of(report);
  Remarks remarks;
  std::vector<Column> columns;
  for (const PortReport& port : report.ports) {
    Column& column = columns.emplace_back(Column{port.device});
    for (std::size_t row = 1; row < names.size(); ++row)
      column.push_back(remarks.cell(find(port, names[row])));
  }
  std::string out;
  for (std::size_t begin = 0, end = 0; begin < columns.size(); begin = end) {
    std::size_t width = width_of(names);
    do
      width += kGap.size() + width_of(columns[end++]);
    while (end < columns.size() && width + kGap.size() + width_of(columns[end]) <= kWidth);
    out += (out.empty() ? "" : "\n") + lines_of(names, std::span(columns).subspan(begin, end - begin));
  }
  return out + remarks.text();
}

std::string speed_text(std::uint64_t mbps) {
  if (mbps < 1000) return fmt::format("{} Mbit/s", mbps);
  return fmt::format("{:g} Gbit/s", static_cast<double>(mbps) / 1000);
}

std::string head(const PortReport& port) {
  std::string out =
      fmt::format("\nport {}  {} {}\n  driver {}, MAC {}", port.index, port.device, port.state, port.driver, port.mac);
  if (port.speed_mbps != 0) out += ", " + speed_text(port.speed_mbps);
  if (port.mtu != 0) out += fmt::format(", MTU {}", port.mtu);
  out += fmt::format("\n  queue pairs {} of {}", port.queues, port.max_queues);
  if (port.numa_node >= 0) out += fmt::format(", NUMA node {}", port.numa_node);
  return out + "\n";
}

std::string statistics(const PortReport& port) {
  if (port.state == "gone") return "  no statistics: the device was removed\n";
  std::string out =
      fmt::format("{:<6}{:>16}{:>20}{:>12}{:>12}{:>12}\n", "", "frames", "bytes", "missed", "no buffer", "errors");
  out += fmt::format("  {:<4}{:>16}{:>20}{:>12}{:>12}{:>12}\n", "in", port.rx_frames, port.rx_bytes, port.rx_missed,
                     port.rx_no_buffer, port.rx_errors);
  out += fmt::format("  {:<4}{:>16}{:>20}{:>12}{:>12}{:>12}\n", "out", port.tx_frames, port.tx_bytes, "-", "-",
                     port.tx_errors);
  if (port.per_queue.empty()) return out + "  its driver does not count by queue\n";
  out += fmt::format("  {:<6}{:>14}{:>20}\n", "queue", "frames in", "frames out");
  for (std::size_t queue = 0; queue < port.per_queue.size(); ++queue)
    out +=
        fmt::format("  {:<6}{:>14}{:>20}\n", queue, port.per_queue[queue].rx_frames, port.per_queue[queue].tx_frames);
  return out;
}

}  // namespace

std::string port_line(const PortReport& port) {
  std::string out = fmt::format("{} {}", port.device, port.state);
  if (port.state == "gone") return out;
  if (port.speed_mbps != 0) out += ", " + speed_text(port.speed_mbps);
  out += fmt::format(", {} of {} queue pairs, {} frames in, {} out", port.queues, port.max_queues, port.rx_frames,
                     port.tx_frames);
  if (const std::uint64_t lost = port.rx_missed + port.rx_no_buffer + port.rx_errors + port.tx_errors; lost != 0)
    out += fmt::format(", {} lost", lost);
  return out;
}

std::string ports_text(const StatusReport& report) {
  const control::DaemonReport& daemon = report.daemon;
  const std::string through = daemon.data_plane.empty() ? "kernel sockets" : daemon.data_plane;
  if (report.ports.empty())
    return fmt::format("instance {} answers through {}: it has no DPDK ports (see dpdk.devices)\n", daemon.instance,
                       through);
  std::string out = fmt::format("instance {} answers through {}\n\n", daemon.instance, through);
  out += capabilities(report);
  for (const PortReport& port : report.ports)
    out += head(port) + statistics(port);
  return out;
}

}  // namespace gnomon::cmd
