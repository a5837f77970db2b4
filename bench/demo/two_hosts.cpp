// SPDX-License-Identifier: Apache-2.0
#include "bench/demo/two_hosts.hpp"

#include <fmt/core.h>

#include <sstream>
#include <vector>

namespace gnomon::demo {
namespace {

constexpr const char* kServer4 = "10.9.0.1";
constexpr const char* kServer6 = "fd00:9::1";
constexpr const char* kServerEnd = "gnomon-server";
constexpr const char* kClientEnd = "gnomon-client";

// The line that says what came back; empty if none does.
std::string answer_in(const std::string& output) {
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);)
    if (line.find("from ") != std::string::npos && line.find("ARPING") == std::string::npos) return line;
  return {};
}

}  // namespace

TwoHosts::TwoHosts() {
  support::connect(
      {.where = server_, .name = kServerEnd, .mac = "02:00:00:00:09:01"},
      {.where = client_, .name = kClientEnd, .mac = "02:00:00:00:09:02", .addresses = {"10.9.0.2/24", "fd00:9::2/64"}});
}

std::map<std::string, std::string> TwoHosts::daemon_options() {
  return {{"server.listen", fmt::format("{}:14666,[{}]:14666", kServer4, kServer6)},
          {"access.auth", "never"},
          {"workers.count", "1"},
          {"dpdk.devices", fmt::format("net_af_packet0,iface={}", kServerEnd)},
          {"dpdk.memory", "no-huge"}};
}

bool TwoHosts::show_neighbours() const {
  fmt::print("\nWhat else the client sees of it (the kernel has no address there, so it is gnomond that answers):\n");
  bool answered = true;
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"ping", "-n", "-c", "1", "-W", "2", kServer4},
        std::vector<std::string>{"ping", "-n", "-c", "1", "-W", "2", kServer6},
        std::vector<std::string>{"arping", "-c", "1", "-w", "2", "-I", kClientEnd, kServer4}}) {
    if (support::find_program(command.front()).empty()) continue;
    const support::Output output = client_.run(command);
    const std::string answer = answer_in(output.text);
    fmt::print("  {:<7} {:<10} {}\n", command.front(), command.back(), answer.empty() ? "no answer" : answer);
    if (output.exit.code != 0) answered = false;
  }
  return answered;
}

}  // namespace gnomon::demo
