// SPDX-License-Identifier: Apache-2.0
#include "dataplane/kernel/udp_socket.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <string>
#include <utility>

#ifndef UDP_GRO  // glibc of bookworm has it in <netinet/udp.h>; older kernels' headers don't
#define UDP_GRO 104
#endif

namespace gnomon::dataplane {
namespace {

bool set(int fd, int level, int option, int value) { return setsockopt(fd, level, option, &value, sizeof value) == 0; }

// Asks for more than the system-wide limit first, which only a privileged process gets.
void set_buffer(int fd, int forced_option, int option, unsigned bytes) {
  const auto value = static_cast<int>(bytes);
  if (!set(fd, SOL_SOCKET, forced_option, value)) (void)set(fd, SOL_SOCKET, option, value);
}

unsigned granted_receive_buffer(int fd) {
  int doubled = 0;  // the kernel doubles what was asked, for its own bookkeeping
  socklen_t size = sizeof doubled;
  if (getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &doubled, &size) != 0 || doubled < 0) return 0;
  return static_cast<unsigned>(doubled) / 2;
}

// What must hold for a socket to be of any use. The name of the step that failed, or nothing.
const char* set_required(int fd, const platform::Endpoint& endpoint, PortSharing sharing) {
  if (sharing == PortSharing::kJoin && !set(fd, SOL_SOCKET, SO_REUSEPORT, 1)) return "share the port of";
  if (!endpoint.is_v4() && !set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1)) return "restrict to IPv6";
  if (!endpoint.is_wildcard()) return nullptr;
  const bool told = endpoint.is_v4() ? set(fd, IPPROTO_IP, IP_PKTINFO, 1) : set(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  return told ? nullptr : "ask for destination addresses on";
}

}  // namespace

tl::expected<UdpSocket, platform::SystemError> UdpSocket::bind(const platform::Endpoint& endpoint, PortSharing sharing,
                                                               const UdpSocketOptions& options) {
  const std::string name = "UDP " + platform::to_string(endpoint);
  const platform::SocketAddress address = platform::to_socket_address(endpoint);
  UdpSocket out;
  out.fd_.reset(::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP));
  const int fd = out.fd_.get();
  if (fd < 0) return tl::make_unexpected(platform::system_error("open a socket for " + name));
  if (const char* step = set_required(fd, endpoint, sharing))
    return tl::make_unexpected(platform::system_error(std::string(step) + " " + name));
  if (::bind(fd, address.get(), address.size) != 0)
    return tl::make_unexpected(platform::system_error("listen on " + name));
  if (sharing == PortSharing::kFirst && !set(fd, SOL_SOCKET, SO_REUSEPORT, 1))
    return tl::make_unexpected(platform::system_error("open the port to all workers of " + name));

  platform::SocketAddress local;
  local.size = sizeof local.storage;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&local.storage), &local.size) != 0)
    return tl::make_unexpected(platform::system_error("learn the address of " + name));
  out.local_ = platform::from_socket_address(local.storage).value_or(endpoint);

  set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, options.receive_buffer_bytes);
  set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, options.send_buffer_bytes);
  out.receive_buffer_bytes_ = granted_receive_buffer(fd);
  out.gro_ = options.gro && set(fd, IPPROTO_UDP, UDP_GRO, 1);
  out.busy_poll_ =
      options.busy_poll_us != 0 && set(fd, SOL_SOCKET, SO_BUSY_POLL, static_cast<int>(options.busy_poll_us));
  return out;
}

}  // namespace gnomon::dataplane
