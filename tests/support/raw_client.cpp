// SPDX-License-Identifier: Apache-2.0
#include "tests/support/raw_client.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace gnomon::support {
namespace {

constexpr std::size_t kReceiveBytes = 65536;
constexpr std::size_t kMaxSegments = 44;  // of 1408 bytes: below 64 KiB in one send

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

// ECONNREFUSED reports an earlier datagram that met no listener: the daemon is down, which the tests do on purpose.
bool bearable(int code) { return code == ECONNREFUSED || code == EAGAIN || code == ENOBUFS; }

void send_one_by_one(int fd, const std::byte* bytes, std::size_t size, std::size_t segment) {
  for (std::size_t at = 0; at < size; at += segment)
    if (send(fd, bytes + at, std::min(segment, size - at), 0) < 0 && !bearable(errno)) fail("send");
}

// The kernel cuts `bytes` into datagrams of `segment` bytes (UDP_SEGMENT). Before 6.11 it can't where the interface
// makes no checksums.
void send_segmented(int fd, std::byte* bytes, std::size_t size, std::size_t segment) {
  msghdr header{};
  iovec vector{bytes, size};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(std::uint16_t))] = {};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  if (size > segment) {
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = IPPROTO_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
    const auto value = static_cast<std::uint16_t>(segment);
    std::memcpy(CMSG_DATA(c), &value, sizeof value);
  }
  if (sendmsg(fd, &header, 0) >= 0 || bearable(errno)) return;
  if (errno != EIO) fail("sendmsg");
  send_one_by_one(fd, bytes, size, segment);
}

bool wait_readable(int fd, std::chrono::steady_clock::time_point until) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
  pollfd p{fd, POLLIN, 0};
  return poll(&p, 1, static_cast<int>(std::max<std::int64_t>(0, left.count()))) > 0;
}

}  // namespace

void Tally::operator+=(const Tally& other) {
  sent += other.sent;
  ok += other.ok;
  silent += other.silent;
  ids += other.ids;
  for (std::size_t i = 0; i < std::size(by_status); ++i)
    by_status[i] += other.by_status[i];
  if (other.last_retry_us != 0) last_retry_us = other.last_retry_us;
}

platform::Endpoint on_loopback(std::uint16_t port) { return {serve::Address::v4(127, 0, 0, 1), port}; }

RawClient::RawClient(const platform::Endpoint& server, std::uint64_t seed)
    : random_(seed), receive_buffer_(kReceiveBytes) {
  const platform::SocketAddress address = platform::to_socket_address(server);
  socket_.reset(socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket_.valid()) fail("socket");
  const int bytes = 4 << 20;
  setsockopt(socket_.get(), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
  setsockopt(socket_.get(), SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  if (connect(socket_.get(), address.get(), address.size) != 0) fail("connect");
}

void RawClient::send_batch(const Load& load) {
  const std::size_t messages = std::size_t{load.messages_per_datagram} * load.datagrams;
  const std::size_t segment = load.messages_per_datagram * wire::kMessageSize;
  first_request_id_ = random_();
  answered_.assign(messages, false);
  send_buffer_.resize(messages * wire::kMessageSize);
  for (std::size_t i = 0; i < messages; ++i) {
    wire::Message m;
    m.op = static_cast<std::uint8_t>(load.op);
    m.request_id = first_request_id_ + i;
    if (load.op == wire::Op::kNextId) {
      m.count = load.count;
      m.format = load.layout;
    }
    if (key_) wire::sign(m, *key_);
    wire::store(m, send_buffer_.data() + i * wire::kMessageSize);
  }
  const std::size_t chunk = segment * std::min<std::size_t>(kMaxSegments, load.datagrams);
  for (std::size_t at = 0; at < send_buffer_.size(); at += chunk)
    send_segmented(socket_.get(), send_buffer_.data() + at, std::min(chunk, send_buffer_.size() - at), segment);
}

void RawClient::take_reply(const wire::Message& reply, const Load& load, Tally& tally, Ledger& ledger) {
  const std::uint64_t index = reply.request_id - first_request_id_;
  if (index >= answered_.size() || answered_[index]) return;  // of an earlier batch
  answered_[index] = true;
  ++tally.by_status[reply.status];
  if (reply.status != 0) {
    const auto status = static_cast<wire::Status>(reply.status);
    if (status == wire::Status::kBusy || status == wire::Status::kClockBehind) tally.last_retry_us = reply.count;
    return;
  }
  ++tally.ok;
  tally.ids += reply.count;
  ledger.add({reply.a, reply.count, load.layout, reply.machine_id, reply.token_low});
}

Tally RawClient::exchange(const Load& load, std::chrono::milliseconds patience, Ledger& ledger) {
  Tally tally;
  tally.sent = std::uint64_t{load.messages_per_datagram} * load.datagrams;
  send_batch(load);
  const auto until = std::chrono::steady_clock::now() + patience;
  std::uint64_t replies = 0;
  while (replies < tally.sent) {
    ssize_t n = recv(socket_.get(), receive_buffer_.data(), receive_buffer_.size(), MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN && !wait_readable(socket_.get(), until)) break;
    if (n < 0 && errno == ECONNREFUSED) break;  // nobody listens: waiting won't help
    const auto bytes = static_cast<std::size_t>(std::max<ssize_t>(n, 0));
    for (std::size_t at = 0; at + wire::kMessageSize <= bytes; at += wire::kMessageSize) {
      if (wire::check_reply(receive_buffer_.data() + at) != wire::Invalid::kNone) continue;
      take_reply(wire::load(receive_buffer_.data() + at), load, tally, ledger);
    }
    replies = 0;
    for (const std::uint64_t by : tally.by_status)
      replies += by;
  }
  tally.silent = tally.sent - replies;
  return tally;
}

void RawClient::bounce(const Load& load, std::chrono::milliseconds patience) {
  send_batch(load);
  const auto until = std::chrono::steady_clock::now() + patience;
  std::size_t missing = send_buffer_.size();
  while (missing > 0) {
    const ssize_t n = recv(socket_.get(), receive_buffer_.data(), receive_buffer_.size(), MSG_DONTWAIT);
    if (n < 0 && std::chrono::steady_clock::now() > until) return;
    missing -= std::min(missing, static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
  }
}

std::optional<std::vector<std::byte>> RawClient::send_and_receive(const std::vector<std::byte>& datagram,
                                                                  std::chrono::milliseconds patience) {
  if (send(socket_.get(), datagram.data(), datagram.size(), 0) < 0 && errno != ECONNREFUSED) fail("send");
  if (!wait_readable(socket_.get(), std::chrono::steady_clock::now() + patience)) return std::nullopt;
  const ssize_t n = recv(socket_.get(), receive_buffer_.data(), receive_buffer_.size(), MSG_DONTWAIT);
  if (n < 0) return std::nullopt;
  return std::vector<std::byte>(receive_buffer_.begin(), receive_buffer_.begin() + n);
}

}  // namespace gnomon::support
