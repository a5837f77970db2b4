// SPDX-License-Identifier: Apache-2.0
//
// The stage of `gnomon-demo --dpdk`: a server and a client that are two hosts with a cable between them (two network
// namespaces and a veth pair), so that what the demo sends really goes through gnomond's own ARP, IP and UDP. On the
// server's end the kernel has no address: nobody but gnomond can have answered. Both go with this process.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "tests/support/daemon.hpp"
#include "tests/support/network_namespace.hpp"

namespace gnomon::demo {

class TwoHosts {
 public:
  /// Throws std::runtime_error or std::system_error where that can't be.
  TwoHosts();

  /// What the daemon has to be told, and where it has to be started.
  [[nodiscard]] static std::map<std::string, std::string> daemon_options();
  [[nodiscard]] support::ChildLimits server() const { return {.network_namespace = server_.fd()}; }

  /// The calling thread, and threads that it starts, are the client's from here on.
  void enter_client() { inside_.emplace(client_); }

  /// What other programs of the client see of the server: `ping` and, where it is installed, `arping`. False if the
  /// server did not answer one of them.
  [[nodiscard]] bool show_neighbours() const;

 private:
  support::NetworkNamespace server_;
  support::NetworkNamespace client_;
  std::optional<support::InNamespace> inside_;  // goes first
};

}  // namespace gnomon::demo
