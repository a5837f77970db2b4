// SPDX-License-Identifier: Apache-2.0
//
// A bound UDP socket with the options that the kernel twin needs, and what the kernel granted of them.
//
// On a wildcard bind (0.0.0.0, [::]) the kernel picks a reply's source address by the route back, which on a host with
// several addresses need not be the one that the client asked, and the client drops the reply. So there, and only
// there, every datagram tells the address it was sent to (IP_PKTINFO) and the reply names it.
#pragma once

#include <cstdint>

#include <tl/expected.hpp>

#include "platform/endpoint.hpp"
#include "platform/system_error.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::dataplane {

/// How a socket shares its port with those of the other workers.
enum class PortSharing : std::uint8_t {
  kAlone,  // nobody else may have the port
  kFirst,  // nobody else may have had it; from now on kJoin may
  kJoin,   // joins a port that a kFirst socket of this user opened
};

struct UdpSocketOptions {
  unsigned receive_buffer_bytes = 4U << 20;
  unsigned send_buffer_bytes = 4U << 20;
  bool gro = true;
  unsigned busy_poll_us = 0;
};

class UdpSocket {
 public:
  [[nodiscard]] static tl::expected<UdpSocket, platform::SystemError> bind(const platform::Endpoint& endpoint,
                                                                           PortSharing sharing,
                                                                           const UdpSocketOptions& options);

  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] const platform::Endpoint& local() const { return local_; }
  /// Bound to a wildcard: datagrams carry the address that they were sent to.
  [[nodiscard]] bool tells_destination() const { return local_.is_wildcard(); }
  [[nodiscard]] bool gro() const { return gro_; }
  [[nodiscard]] bool busy_poll() const { return busy_poll_; }
  /// What the system granted, which may be less than was asked for.
  [[nodiscard]] unsigned receive_buffer_bytes() const { return receive_buffer_bytes_; }

 private:
  UdpSocket() = default;

  platform::UniqueFd fd_;
  platform::Endpoint local_;
  bool gro_ = false;
  bool busy_poll_ = false;
  unsigned receive_buffer_bytes_ = 0;
};

}  // namespace gnomon::dataplane
