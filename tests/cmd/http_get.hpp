// SPDX-License-Identifier: Apache-2.0
//
// One HTTP GET over a plain socket: all that a test of the metrics endpoint needs.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "platform/unique_fd.hpp"

namespace gnomon::cmd {

/// The whole answer, head and body; empty if there was none. Waits 10 s at most.
inline std::string http_get(std::uint16_t port, const std::string& path) {
  const platform::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval limit{10, 0};
  ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  sockaddr* address = reinterpret_cast<sockaddr*>(&to);  // NOLINT: what connect wants
  if (::connect(fd.get(), address, sizeof(to)) != 0) return {};
  const std::string request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size())) return {};
  std::string answer;
  char piece[4096];
  for (ssize_t got = 0; (got = ::recv(fd.get(), piece, sizeof(piece), 0)) > 0;)
    answer.append(piece, static_cast<std::size_t>(got));
  return answer;
}

}  // namespace gnomon::cmd
