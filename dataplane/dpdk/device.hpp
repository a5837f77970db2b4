// SPDX-License-Identifier: Apache-2.0
//
// A device as the configuration names it, and getting from there to an ethdev port.
//
// PCI devices were named to EAL before it started, which probes them; virtual ones are attached here, one by one,
// because a failure of one of EAL's own --vdev arguments can't be told from any other.
//
// Sockets that a killed daemon left behind (memif and vhost servers make one) would keep the next one from starting, so
// a socket on which nobody listens any more is removed first.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "platform/system_error.hpp"

namespace gnomon::dataplane::dpdk {

class Eal;

struct Device {
  std::string text;       // all of it
  std::string name;       // "net_af_packet0", "0000:3b:00.0": up to the first comma
  std::string arguments;  // behind it
  bool is_pci = false;
};

[[nodiscard]] Device parse_device(std::string_view text);
/// The value of key=value among the arguments; empty if it is not there.
[[nodiscard]] std::string argument_of(const Device& device, std::string_view key);
/// The path of the socket that the device will listen on, or empty if it won't.
[[nodiscard]] std::string listening_socket_of(const Device& device);

/// What is most likely missing, by the errno that DPDK returned, what it logged, and the driver: "; grant ...".
[[nodiscard]] std::string remedy_for(const Device& device, int code, const std::string& logged);

/// Removes the socket at `path` if nobody answers there. Whatever else stands there stays.
void remove_dead_socket(const std::string& path);

/// The number of its ethdev port.
[[nodiscard]] tl::expected<std::uint16_t, platform::SystemError> attach(const Device& device, Eal& eal);

}  // namespace gnomon::dataplane::dpdk
