// SPDX-License-Identifier: Apache-2.0
//
// Stands in for dpdk/ where the libraries of DPDK are absent at build time.
#include <cerrno>

#include "dataplane/ports.hpp"

namespace gnomon::dataplane {
namespace {

platform::SystemError absent() {
  return {ENOTSUP,
          "cannot open DPDK ports: this program was built without DPDK; install libdpdk-dev and build again, or leave "
          "dpdk.devices empty to answer through kernel sockets"};
}

}  // namespace

tl::expected<std::unique_ptr<Ports>, platform::SystemError> Ports::open(const PortOptions& /*options*/) {
  return tl::make_unexpected(absent());
}

// NOLINTBEGIN(performance-unnecessary-value-param): the signature is that of ports.hpp
tl::expected<std::unique_ptr<WorkerPool>, platform::SystemError> Ports::make_pool(
    std::unique_ptr<Ports> /*ports*/, const WorkerPoolOptions& /*options*/, const page::ClockPage& /*clock*/,
    const page::RightsPage& /*rights*/, std::span<page::WorkerPage* const> /*pages*/,
    std::shared_ptr<const serve::AccessPolicy> /*policy*/) {
  return tl::make_unexpected(absent());
}
// NOLINTEND(performance-unnecessary-value-param)

}  // namespace gnomon::dataplane
