// SPDX-License-Identifier: Apache-2.0
//
// From settings to what the parts want to be told. Settings have passed `resolve`, so nothing here can be out of range.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "cmd/gnomond/failure.hpp"
#include "cmd/options/resolve.hpp"
#include "control/agent/agent.hpp"
#include "dataplane/kernel/kernel_pool.hpp"
#include "dataplane/ports.hpp"

namespace gnomon::cmd {

/// `listen` as the settings say, without IPv6 defaults on a host that has none; what was left out is in `skipped`.
[[nodiscard]] std::vector<platform::Endpoint> listen_endpoints(const Configuration& configuration,
                                                               std::vector<std::string>& skipped);

/// What `workers` says of itself is for both kinds of pool; the rest is for kernel sockets only.
[[nodiscard]] dataplane::KernelPoolOptions pool_options(const Settings& settings, std::span<const id::Layout> layouts,
                                                        std::vector<platform::Endpoint> listen,
                                                        std::uint64_t incarnation);

/// For DPDK ports; `runtime_dir` is the daemon's.
[[nodiscard]] dataplane::PortOptions port_options(const Settings& settings, const std::string& runtime_dir);

/// The start of `incarnation` also goes into the holder's name, for humans and the auditor.
[[nodiscard]] control::AgentOptions agent_options(const Settings& settings, std::span<const id::Layout> layouts,
                                                  const lease::StoreFacts& store, const control::Nonce& incarnation);

/// Refuses a layout that can't express the present any more, and warns about one that has less than a year.
[[nodiscard]] Or<std::vector<std::string>> check_headroom(std::span<const id::Layout> layouts, time::SmearedUtc now);

}  // namespace gnomon::cmd
