// SPDX-License-Identifier: Apache-2.0
#include "tests/control/bed/switched_network.hpp"

#include <stdexcept>

namespace gnomon::bed {
namespace {

constexpr const char* kBridge = "switch";
constexpr const char* kInterface = "eth0";
constexpr const char* kNobodysMac = "02:00:00:78:ff:ff";

std::string missing_here() {
  std::string why;
  if (!support::NetworkNamespace::available(&why)) return why;
  try {
    const SwitchedNetwork tried(2);
  } catch (const std::runtime_error& error) {
    return std::string("no bridge between network namespaces here: ") + error.what();
  }
  return {};
}

}  // namespace

bool SwitchedNetwork::available(std::string* why) {
  static const std::string kMissing = missing_here();
  if (why != nullptr) *why = kMissing;
  return kMissing.empty();
}

SwitchedNetwork::SwitchedNetwork(std::size_t hosts) {
  if (hosts > kMaxHosts) throw std::invalid_argument("a switch has at most 100 hosts");
  // Without the spanning tree protocol and its delays a port forwards from the start.
  switch_.must_run({"ip", "link", "add", kBridge, "type", "bridge", "forward_delay", "0", "stp_state", "0"});
  switch_.must_run({"ip", "link", "set", kBridge, "up"});
  for (std::size_t i = 0; i < hosts; ++i)
    attach(i);
}

void SwitchedNetwork::attach(std::size_t host) {
  hosts_.push_back(std::make_unique<support::NetworkNamespace>());
  const std::string port = "port" + std::to_string(host);
  support::connect({.where = *hosts_.back(), .name = kInterface, .addresses = {address(host) + "/24"}},
                   {.where = switch_, .name = port});
  switch_.must_run({"ip", "link", "set", port, "master", kBridge});
}

void SwitchedNetwork::part(std::size_t a, std::size_t b) {
  if (a == b || !apart_.insert(std::minmax(a, b)).second) return;
  for (const auto& [here, there] : {std::pair(a, b), std::pair(b, a)})
    host(here).must_run(
        {"ip", "neigh", "replace", address(there), "lladdr", kNobodysMac, "nud", "permanent", "dev", kInterface});
}

void SwitchedNetwork::heal(std::size_t a, std::size_t b) {
  if (apart_.erase(std::minmax(a, b)) == 0) return;
  for (const auto& [here, there] : {std::pair(a, b), std::pair(b, a)})
    host(here).must_run({"ip", "neigh", "del", address(there), "dev", kInterface});
}

void SwitchedNetwork::heal_all() {
  while (!apart_.empty()) {
    const auto pair = *apart_.begin();
    heal(pair.first, pair.second);
  }
}

}  // namespace gnomon::bed
