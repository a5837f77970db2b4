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
  support::connect({.where = *hosts_.back(), .name = kInterface, .addresses = {address(host) + "/24"}},
                   {.where = switch_, .name = port(host)});
  switch_.must_run({"ip", "link", "set", port(host), "master", kBridge});
}

void SwitchedNetwork::deafen(std::size_t host, std::size_t towards) const {
  hosts_.at(host)->must_run(
      {"ip", "neigh", "replace", address(towards), "lladdr", kNobodysMac, "nud", "permanent", "dev", kInterface});
}

void SwitchedNetwork::undeafen(std::size_t host, std::size_t towards) const {
  hosts_.at(host)->must_run({"ip", "neigh", "del", address(towards), "dev", kInterface});
}

void SwitchedNetwork::part(std::size_t a, std::size_t b) {
  if (a == b || !apart_.insert(std::minmax(a, b)).second) return;
  for (const auto& [here, there] : {std::pair(a, b), std::pair(b, a)})
    deafen(here, there);
}

void SwitchedNetwork::heal(std::size_t a, std::size_t b) {
  if (apart_.erase(std::minmax(a, b)) == 0) return;
  for (const auto& [here, there] : {std::pair(a, b), std::pair(b, a)})
    if (!silenced_.contains({here, there})) undeafen(here, there);
}

void SwitchedNetwork::silence(std::size_t from, std::size_t to) {
  if (from == to || !silenced_.insert({from, to}).second) return;
  deafen(from, to);
}

void SwitchedNetwork::unplug(std::size_t host) {
  if (!unplugged_.insert(host).second) return;
  switch_.must_run({"ip", "link", "set", port(host), "nomaster"});
}

void SwitchedNetwork::plug_in(std::size_t host) {
  if (unplugged_.erase(host) == 0) return;
  switch_.must_run({"ip", "link", "set", port(host), "master", kBridge});
}

void SwitchedNetwork::heal_all() {
  while (!unplugged_.empty())
    plug_in(*unplugged_.begin());
  while (!silenced_.empty()) {
    const auto [from, to] = *silenced_.begin();
    silenced_.erase(silenced_.begin());
    if (!are_apart(from, to)) undeafen(from, to);
  }
  while (!apart_.empty()) {
    const auto pair = *apart_.begin();
    heal(pair.first, pair.second);
  }
}

}  // namespace gnomon::bed
