// SPDX-License-Identifier: Apache-2.0
//
// rte_flow rules that bring the requests here and leave everything else to the kernel, for devices that both drive
// (bifurcated: mlx5). There the kernel goes on answering ARP, NDP and ping for its addresses.
#pragma once

#include <rte_ethdev.h>

#include <cstdint>
#include <string>
#include <vector>

#include "platform/endpoint.hpp"

namespace gnomon::dataplane::dpdk {

/// Whether the kernel keeps a port of this driver while DPDK polls it.
[[nodiscard]] bool is_bifurcated(const std::string& driver);

/// Before the port is configured: what no rule names stays with the kernel. 0, or a negative errno.
[[nodiscard]] int isolate(std::uint16_t port);

/// After it was started: one rule for each endpoint, spread over `queues` by RSS. "" or what was refused, and why.
[[nodiscard]] std::string steer_to_us(std::uint16_t port, const std::vector<platform::Endpoint>& endpoints,
                                      std::uint16_t queues, std::uint64_t rss_types);

}  // namespace gnomon::dataplane::dpdk
