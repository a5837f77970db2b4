// SPDX-License-Identifier: Apache-2.0
//
// Hosts that talk over a real wire, without a second machine: network namespaces that have no name anywhere. `ip netns
// add` would mount a file under /run/netns, which a killed test leaves behind and which two runs at once fight over. A
// namespace made here is held by a file descriptor of this process (and by the programs that run inside it, which die
// with this process), so it goes with the last of them however they end, and takes its interfaces along.
//
//   NetworkNamespace server, client;
//   connect({.where = server, .name = "vs"}, {.where = client, .name = "vc", .addresses = {"10.9.0.2/24"}});
//   Daemon daemon(...); daemon.start({.network_namespace = server.fd()});
//   const InNamespace inside(client);                 // sockets made from here on, by this thread, are the client's
//   RawClient raw(daemon.endpoints().front());
//
// All of it needs root. What can't be done throws std::runtime_error or std::system_error: ask `available` first.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "platform/unique_fd.hpp"
#include "tests/support/child_process.hpp"

namespace gnomon::support {

class NetworkNamespace {
 public:
  /// A new one, empty but for a loopback interface that is up.
  NetworkNamespace();

  /// Whether this process may make namespaces and this machine has what `connect` needs; else `why` says what is
  /// missing. Tries it out, once.
  [[nodiscard]] static bool available(std::string* why = nullptr);

  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Names it to programs that take a path, such as `ip link ... netns PATH`, for as long as this object lives.
  [[nodiscard]] std::string path() const;

  /// Runs a program to its end inside. The first argument is looked for as in find_program, unless it is a path.
  [[nodiscard]] Output run(std::vector<std::string> arguments,
                           std::chrono::milliseconds limit = std::chrono::seconds(20)) const;
  /// As run, but anything other than exit code 0 throws what the program said.
  void must_run(const std::vector<std::string>& arguments) const;

 private:
  platform::UniqueFd fd_;
};

/// The calling thread is inside for as long as this lives, and so are threads and children that it starts meanwhile,
/// for good. To be destroyed by the thread that made it.
class InNamespace {
 public:
  explicit InNamespace(const NetworkNamespace& where);
  ~InNamespace();
  InNamespace(const InNamespace&) = delete;
  InNamespace& operator=(const InNamespace&) = delete;

 private:
  platform::UniqueFd before_;
};

/// One end of a cable.
struct VethEnd {
  const NetworkNamespace& where;
  std::string name;
  std::string mac{};  // e.g. "02:00:00:00:09:01"; empty: one of the kernel's choice
  /// What the kernel answers on, with the length of the prefix: "10.9.0.2/24", "fd00:9::2/64". Without any, the end
  /// belongs to somebody else (a data plane, a PacketSocket) and the kernel never says a word there.
  std::vector<std::string> addresses{};
  int mtu = 1500;
};

/// Lays a cable (a pair of veth interfaces), and returns when both of its ends are up.
void connect(const VethEnd& a, const VethEnd& b);

}  // namespace gnomon::support
