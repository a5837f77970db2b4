// SPDX-License-Identifier: Apache-2.0
//
// A TCP port of 127.0.0.1 that is ours for as long as this lives, listened on or not.
//
// To ask the kernel for a free port, close it and give its number to a server is a race against every other program of
// the machine, lost also when a stopped server wants its port back. So the socket that got the port stays bound to it
// without listening: the kernel gives the port to nobody else, and a server that sets SO_REUSEADDR, as etcd does, may
// still listen there.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

#include "platform/unique_fd.hpp"

namespace gnomon::bed {

/// A socket with SO_REUSEADDR, bound to 127.0.0.1; `port` 0 is one of the kernel's choice.
[[nodiscard]] inline platform::UniqueFd bound_socket(std::uint16_t port) {
  platform::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const void* generic = &address;
  if (!fd.valid() || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      bind(fd.get(), static_cast<const sockaddr*>(generic), sizeof address) != 0)
    throw std::system_error(errno, std::generic_category(), "a socket on a port of 127.0.0.1");
  return fd;
}

class HeldPort {
 public:
  HeldPort() : fd_(bound_socket(0)) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    void* generic = &address;
    if (getsockname(fd_.get(), static_cast<sockaddr*>(generic), &size) != 0)
      throw std::system_error(errno, std::generic_category(), "getsockname");
    number_ = ntohs(address.sin_port);
  }
  [[nodiscard]] std::uint16_t number() const { return number_; }

 private:
  platform::UniqueFd fd_;
  std::uint16_t number_ = 0;
};

}  // namespace gnomon::bed
