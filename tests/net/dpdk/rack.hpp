// SPDX-License-Identifier: Apache-2.0
//
// A gnomond that answers through a DPDK port, and a client's host at the other end of its cable: two network namespaces
// of the test's own, a veth pair or a tap between them. The client's kernel is an ordinary one with ordinary sockets,
// so what is served here is served to anybody.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "oracle/page/counters.hpp"
#include "oracle/page/rights_page.hpp"
#include "oracle/page/worker_page.hpp"
#include "platform/endpoint.hpp"
#include "platform/shared_page.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/frames.hpp"
#include "tests/support/network_namespace.hpp"

namespace gnomon::net {

enum class Wire : std::uint8_t { kAfPacket, kAfXdp, kTap };

inline std::string text_of(Wire wire) {
  switch (wire) {
    case Wire::kAfPacket: return "af_packet";
    case Wire::kAfXdp: return "af_xdp";
    case Wire::kTap: return "tap";
  }
  return "unknown";
}

inline platform::Endpoint endpoint(const std::string& text) {
  const auto parsed = platform::parse_endpoint(text);
  if (!parsed) throw std::invalid_argument(parsed.error().text);
  return *parsed;
}

class Rack {
 public:
  using Options = std::map<std::string, std::string>;

  static constexpr support::Mac kServerMac{0x02, 0, 0, 0, 0x09, 0x01};
  static constexpr support::Mac kClientMac{0x02, 0, 0, 0, 0x09, 0x02};

  /// Lays the cable; `options` are further ones of the daemon.
  explicit Rack(Wire wire, const Options& options = {})
      : wire_(wire), daemon_(folder_.path(), with_defaults(wire, options)) {
    if (wire != Wire::kTap)
      support::connect({.where = server_, .name = "vs", .mac = "02:00:00:00:09:01"},
                       {.where = client_,
                        .name = interface(),
                        .mac = "02:00:00:00:09:02",
                        .addresses = {"10.9.0.2/24", "fd00:9::2/64"}});
  }

  /// False if the daemon did not come up: `daemon().log()` says why.
  [[nodiscard]] bool start() {
    daemon_.start({.network_namespace = server_.fd()});
    if (!daemon_.wait_ready()) return false;
    if (wire_ == Wire::kTap && !plugged_) plug_tap();
    workers_.clear();
    for (unsigned i = 0; i < page::kMaxWorkers; ++i) {
      auto page = platform::ForeignPage<page::WorkerPage>::open("gnomon." + daemon_.instance() + ".worker." +
                                                                std::to_string(i));
      if (!page) break;
      workers_.push_back(std::move(*page));
    }
    return true;
  }

  [[nodiscard]] support::Daemon& daemon() { return daemon_; }
  [[nodiscard]] const support::NetworkNamespace& client() const { return client_; }
  [[nodiscard]] const support::NetworkNamespace& server() const { return server_; }
  [[nodiscard]] static std::string interface() { return "vc"; }
  [[nodiscard]] static platform::Endpoint v4() { return endpoint("10.9.0.1:14666"); }
  [[nodiscard]] static platform::Endpoint v6() { return endpoint("[fd00:9::1]:14666"); }
  [[nodiscard]] std::size_t workers() const { return workers_.size(); }

  /// Over all workers.
  [[nodiscard]] std::uint64_t count(page::Counter counter) const {
    std::uint64_t sum = 0;
    for (const auto& worker : workers_)
      sum += worker->counters.get(counter);
    return sum;
  }
  /// What a gnomon command says of the daemon.
  [[nodiscard]] support::Output ask(std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), support::built("cmd/gnomon"));
    return support::run_program(arguments, daemon_.environment());
  }

  [[nodiscard]] static Options with_defaults(Wire wire, const Options& options) {
    Options out{{"dpdk.devices", device(wire)},
                {"dpdk.memory", "no-huge"},
                {"dpdk.memory_mb", "128"},
                {"server.listen", "10.9.0.1:14666,[fd00:9::1]:14666"},
                {"access.auth", "never"}};
    for (const auto& [name, value] : options)
      out[name] = value;
    return out;
  }

 private:
  static std::string device(Wire wire) {
    switch (wire) {
      case Wire::kAfPacket: return "net_af_packet0,iface=vs";
      case Wire::kAfXdp: return "net_af_xdp0,iface=vs";
      case Wire::kTap: return "net_tap0,iface=vc,mac=02:00:00:00:09:01";
    }
    return {};
  }

  // The port makes the interface, here in the server's namespace; the other end of a tap is the kernel that has it.
  void plug_tap() {
    server_.must_run({"ip", "link", "set", interface(), "netns", client_.path()});
    client_.must_run({"ip", "link", "set", interface(), "address", "02:00:00:00:09:02"});
    client_.must_run({"ip", "link", "set", interface(), "up"});
    client_.must_run({"ip", "address", "add", "10.9.0.2/24", "dev", interface()});
    client_.must_run({"ip", "address", "add", "fd00:9::2/64", "dev", interface(), "nodad"});
    plugged_ = true;
  }

  support::ScratchFolder folder_;
  support::NetworkNamespace server_;
  support::NetworkNamespace client_;
  Wire wire_;
  bool plugged_ = false;
  support::Daemon daemon_;
  std::vector<platform::ForeignPage<page::WorkerPage>> workers_;
};

}  // namespace gnomon::net
