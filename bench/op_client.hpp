// SPDX-License-Identifier: Apache-2.0
//
// Asks a worker for one operation after the other, a batch at a time, and looks at no more of the answers than it must.
// A batch asks for one thing only, and the next is sent once the answers to it are there; so what arrives at the worker
// changes its kind at the edge of a batch, and in the order in which it was told to.
//
// Thread rule: one thread.
#pragma once

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <vector>

#include "oracle/id/layout.hpp"
#include "oracle/wire/message.hpp"
#include "platform/endpoint.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::bench {

class OpClient {
 public:
  /// To 127.0.0.1:port. Throws std::system_error if the machine can't give a socket.
  OpClient(std::uint16_t port, std::size_t messages_per_datagram, std::size_t datagrams)
      : segment_(messages_per_datagram * wire::kMessageSize),
        batch_(segment_ * datagrams),
        received_(std::size_t{64} << 10) {
    const platform::SocketAddress address = platform::to_socket_address({serve::Address::v4(127, 0, 0, 1), port});
    socket_.reset(socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket_.valid()) fail("socket");
    const int bytes = 4 << 20;
    setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    setsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    if (connect(socket_.get(), address.get(), address.size) != 0) fail("connect");
  }

  /// One batch; returns once as many bytes came back as went out, or after `patience`. Who updates a hybrid clock gives
  /// it the last value that it was given.
  void ask(wire::Op op, std::chrono::milliseconds patience) {
    write_batch(op);
    send_batch();
    const auto until = std::chrono::steady_clock::now() + patience;
    std::size_t missing = batch_.size();
    while (missing > 0) {
      const ssize_t n = recv(socket_.get(), received_.data(), received_.size(), MSG_DONTWAIT);
      if (n < 0 && std::chrono::steady_clock::now() > until) return;
      const auto bytes = static_cast<std::size_t>(std::max<ssize_t>(n, 0));
      missing -= std::min(missing, bytes);
      if (bytes >= wire::kMessageSize) note(wire::load(received_.data() + bytes - wire::kMessageSize));
    }
  }

 private:
  [[noreturn]] static void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

  void write_batch(wire::Op op) {
    wire::Message message;
    message.op = static_cast<std::uint8_t>(op);
    if (op == wire::Op::kNextId) {
      message.count = 1;
      message.format = id::kSnowflake.value;
    } else if (op == wire::Op::kHlcUpdate) {
      message.a = last_hlc_;
    }
    for (std::size_t at = 0; at < batch_.size(); at += wire::kMessageSize) {
      message.request_id = next_request_id_++;
      wire::store(message, batch_.data() + at);
    }
  }
  void note(const wire::Message& reply) {
    if (reply.op == static_cast<std::uint8_t>(wire::Op::kHlcUpdate) && reply.status == 0)
      last_hlc_ = std::max(last_hlc_, reply.a);
  }

  void send_batch() {
    constexpr std::size_t kMaxSegments = 44;  // of 1408 bytes: below 64 KiB in one send
    const std::size_t chunk = segment_ * kMaxSegments;
    for (std::size_t at = 0; at < batch_.size(); at += chunk)
      send_segmented(batch_.data() + at, std::min(chunk, batch_.size() - at));
  }
  // The kernel cuts `bytes` into datagrams (UDP_SEGMENT), so that the client keeps up with the worker.
  void send_segmented(std::byte* bytes, std::size_t size) {
    msghdr header{};
    iovec vector{bytes, size};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(std::uint16_t))] = {};
    header.msg_iov = &vector;
    header.msg_iovlen = 1;
    if (size > segment_) {
      header.msg_control = control;
      header.msg_controllen = sizeof control;
      cmsghdr* c = CMSG_FIRSTHDR(&header);
      c->cmsg_level = IPPROTO_UDP;
      c->cmsg_type = UDP_SEGMENT;
      c->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
      const auto value = static_cast<std::uint16_t>(segment_);
      std::memcpy(CMSG_DATA(c), &value, sizeof value);
    }
    if (sendmsg(socket_.get(), &header, 0) < 0 && errno != EAGAIN && errno != ENOBUFS) fail("sendmsg");
  }

  platform::UniqueFd socket_;
  std::size_t segment_;
  std::vector<std::byte> batch_;
  std::vector<std::byte> received_;
  std::uint64_t next_request_id_ = 1;
  std::uint64_t last_hlc_ = 0;
};

}  // namespace gnomon::bench
