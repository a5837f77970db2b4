// SPDX-License-Identifier: Apache-2.0
//
// A client that keeps no rules: it sends any bytes, one by one or as a train, and shows what comes back and from where.
#pragma once

#include <arpa/inet.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

#include "oracle/wire/message.hpp"
#include "platform/endpoint.hpp"
#include "platform/system_error.hpp"
#include "platform/unique_fd.hpp"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace gnomon::test {

using Bytes = std::vector<std::byte>;

inline wire::Message next_id(std::uint64_t request_id, std::uint32_t count = 1, std::uint16_t format = 1) {
  wire::Message m;
  m.op = static_cast<std::uint8_t>(wire::Op::kNextId);
  m.request_id = request_id;
  m.count = count;
  m.format = format;
  return m;
}

inline wire::Message ping(std::uint64_t request_id, std::uint64_t echoed = 0) {
  wire::Message m;
  m.op = static_cast<std::uint8_t>(wire::Op::kPing);
  m.request_id = request_id;
  m.a = echoed;
  return m;
}

inline Bytes to_bytes(std::span<const wire::Message> messages) {
  Bytes bytes(messages.size() * wire::kMessageSize);
  for (std::size_t i = 0; i < messages.size(); ++i)
    wire::store(messages[i], bytes.data() + i * wire::kMessageSize);
  return bytes;
}

inline std::vector<wire::Message> to_messages(std::span<const std::byte> bytes) {
  std::vector<wire::Message> messages;
  for (std::size_t at = 0; at + wire::kMessageSize <= bytes.size(); at += wire::kMessageSize)
    messages.push_back(wire::load(bytes.data() + at));
  return messages;
}

struct Received {
  Bytes bytes;
  platform::Endpoint from;

  [[nodiscard]] std::vector<wire::Message> messages() const { return to_messages(bytes); }
};

class UdpClient {
 public:
  static constexpr int kTimeoutMs = 20'000;  // a bound, not an expectation

  /// `from`: the address (and port) to send from; by default the loopback address of the server's family.
  explicit UdpClient(const platform::Endpoint& server, std::optional<platform::Endpoint> from = std::nullopt)
      : server_(server) {
    if (!from) from = *platform::parse_endpoint(server.is_v4() ? "127.0.0.1:0" : "[::1]:0");
    const auto address = platform::to_socket_address(*from);
    fd_.reset(socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    const int size = 4 << 20;
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (bind(fd_.get(), address.get(), address.size) != 0)
      throw std::runtime_error(platform::system_error("bind a test client").text);
  }

  [[nodiscard]] int fd() const { return fd_.get(); }

  void send_bytes(std::span<const std::byte> bytes) { send_train(bytes, 0); }
  void send(const wire::Message& message) { send(std::span(&message, 1)); }
  void send(std::span<const wire::Message> messages) { send_bytes(to_bytes(messages)); }

  /// Several datagrams of `segment` bytes in one call (UDP_SEGMENT); 0: one datagram.
  void send_train(std::span<const std::byte> bytes, std::uint16_t segment) {
    const auto to = platform::to_socket_address(server_);
    iovec piece{const_cast<std::byte*>(bytes.data()), bytes.size()};
    alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof segment)> control{};
    msghdr header{};
    header.msg_name = const_cast<sockaddr*>(to.get());
    header.msg_namelen = to.size;
    header.msg_iov = &piece;
    header.msg_iovlen = 1;
    if (segment != 0) {
      cmsghdr cut{};
      cut.cmsg_level = IPPROTO_UDP;
      cut.cmsg_type = UDP_SEGMENT;
      cut.cmsg_len = CMSG_LEN(sizeof segment);
      std::memcpy(control.data(), &cut, sizeof cut);
      std::memcpy(control.data() + CMSG_LEN(0), &segment, sizeof segment);
      header.msg_control = control.data();
      header.msg_controllen = control.size();
    }
    if (sendmsg(fd_.get(), &header, 0) != static_cast<ssize_t>(bytes.size()))
      throw std::runtime_error(platform::system_error("send a test datagram").text);
  }

  /// The next datagram, or nothing after the timeout.
  [[nodiscard]] std::optional<Received> receive(int timeout_ms = kTimeoutMs) {
    pollfd readable{fd_.get(), POLLIN, 0};
    if (poll(&readable, 1, timeout_ms) <= 0) return std::nullopt;
    Received received;
    received.bytes.resize(65536);
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    const ssize_t n =
        recvfrom(fd_.get(), received.bytes.data(), received.bytes.size(), 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (n < 0) return std::nullopt;
    received.bytes.resize(static_cast<std::size_t>(n));
    received.from = platform::from_socket_address(from).value_or(platform::Endpoint{});
    return received;
  }
  /// What lies in the socket already.
  [[nodiscard]] std::optional<Received> receive_now() { return receive(0); }

  /// As many reply messages as asked for, from however many datagrams; fewer if the timeout passes.
  [[nodiscard]] std::vector<wire::Message> receive_messages(std::size_t n) {
    std::vector<wire::Message> all;
    while (all.size() < n) {
      const auto received = receive();
      if (!received) break;
      for (const wire::Message& m : received->messages())
        all.push_back(m);
    }
    return all;
  }

  /// One request, one reply. Throws if none comes.
  [[nodiscard]] wire::Message ask(const wire::Message& request) {
    send(request);
    const auto replies = receive_messages(1);
    if (replies.size() != 1) throw std::runtime_error("a request was not answered");
    return replies.front();
  }

 private:
  platform::Endpoint server_;
  platform::UniqueFd fd_;
};

}  // namespace gnomon::test
