// SPDX-License-Identifier: Apache-2.0
//
// Hosts on one switch, any two of which a test can part: a network namespace for each, and a bridge in one that is
// nobody's host.
//
// A partition is silence. A route that is taken away (`blackhole`) tells the sender so at once and stops only its own
// direction: what the other side sends still arrives and is acted on. So both sides are given a hardware address for
// the other that nobody has: frames leave as ever and nobody takes them. That also stops connections that are open.
//
// All of it takes root: ask `available` first. What can't be done throws. Thread rule: one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/network_namespace.hpp"

namespace gnomon::bed {

class SwitchedNetwork {
 public:
  static constexpr std::size_t kMaxHosts = 100;

  explicit SwitchedNetwork(std::size_t hosts);

  /// Whether it can be had here; else `why` says what is missing. Tries it out, once.
  [[nodiscard]] static bool available(std::string* why = nullptr);

  [[nodiscard]] std::size_t size() const { return hosts_.size(); }
  [[nodiscard]] const support::NetworkNamespace& host(std::size_t i) const { return *hosts_.at(i); }
  /// IPv4, without the length of the prefix.
  [[nodiscard]] static std::string address(std::size_t host) { return "10.78.0." + std::to_string(host + 1); }

  /// No frame passes between the two, neither way, until they are healed. Parting those who are apart changes nothing.
  void part(std::size_t a, std::size_t b);
  void heal(std::size_t a, std::size_t b);
  [[nodiscard]] bool are_apart(std::size_t a, std::size_t b) const { return apart_.contains(std::minmax(a, b)); }

  /// No frame of IP passes from `from` to `to`; the other way they do.
  void silence(std::size_t from, std::size_t to);
  /// No frame passes between `host` and anybody: one command instead of two for each other host. The cable stays in.
  void unplug(std::size_t host);
  void plug_in(std::size_t host);

  /// All of the above.
  void heal_all();

 private:
  void attach(std::size_t host);
  void deafen(std::size_t host, std::size_t towards) const;
  void undeafen(std::size_t host, std::size_t towards) const;
  [[nodiscard]] static std::string port(std::size_t host) { return "port" + std::to_string(host); }

  support::NetworkNamespace switch_;
  std::vector<std::unique_ptr<support::NetworkNamespace>> hosts_;
  std::set<std::pair<std::size_t, std::size_t>> apart_;     // the lesser first
  std::set<std::pair<std::size_t, std::size_t>> silenced_;  // from, to
  std::set<std::size_t> unplugged_;
};

}  // namespace gnomon::bed
