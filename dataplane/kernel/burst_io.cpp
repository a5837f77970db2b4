// SPDX-License-Identifier: Apache-2.0
#include "dataplane/kernel/burst_io.hpp"

#include <netinet/udp.h>
#include <time.h>

#include <cerrno>
#include <utility>

#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace gnomon::dataplane {
namespace {

using page::Counter;

// The largest train is 64 KiB. Buffers that far apart would all fall into the same sets of the L1 cache; three cache
// lines more spread them.
constexpr std::size_t kTrainBuffer = 65536 + 3 * 64;
// Without trains: longer than any valid datagram, so that most of the invalid ones are counted as what they are.
constexpr std::size_t kSingleBuffer = 2048 + 3 * 64;

bool any_gro(std::span<const UdpSocket> sockets) {
  return std::any_of(sockets.begin(), sockets.end(), [](const UdpSocket& s) { return s.gro(); });
}

template <typename Value>
Value control_value(const cmsghdr* header) {
  Value value{};
  std::memcpy(&value, CMSG_DATA(header), sizeof value);
  return value;
}

timespec to_timespec(time::Duration d) { return {d.ns / 1'000'000'000, d.ns % 1'000'000'000}; }

}  // namespace

BurstIo::BurstIo(std::vector<UdpSocket> sockets, const BurstIoOptions& options, page::Counters& counters)
    : counters_(counters),
      sockets_(std::move(sockets)),
      options_(options),
      replies_(sockets_, options.gso, counters),
      buffer_size_(any_gro(sockets_) ? kTrainBuffer : kSingleBuffer),
      buffers_(kTrains * buffer_size_ / sizeof(CacheLine)),
      parked_buffers_(kParkedReplies * wire::kMaxDatagram / sizeof(CacheLine)) {
  static_assert(kTrainBuffer % sizeof(CacheLine) == 0 && kSingleBuffer % sizeof(CacheLine) == 0);
  static_assert(wire::kMaxDatagram % sizeof(CacheLine) == 0);
  for (const UdpSocket& socket : sockets_)
    polled_.push_back({socket.fd(), POLLIN, 0});
  for (std::size_t slot = 0; slot < kTrains; ++slot)
    arm(slot);
}

std::byte* BurstIo::buffer(std::size_t slot) { return buffers_[slot * buffer_size_ / sizeof(CacheLine)].bytes.data(); }

// Restores what recvmmsg overwrites.
void BurstIo::arm(std::size_t slot) {
  pieces_[slot] = {buffer(slot), buffer_size_};
  msghdr& header = headers_[slot].msg_hdr;
  header = {};
  header.msg_name = paths_[slot].bytes.data();
  header.msg_namelen = kMaxPeerSize;
  header.msg_iov = &pieces_[slot];
  header.msg_iovlen = 1;
  header.msg_control = controls_[slot].bytes.data();
  header.msg_controllen = controls_[slot].bytes.size();
}

std::size_t BurstIo::receive(time::Duration patience) {
  if (next_ == received_) refill(patience);
  first_ = next_;
  std::size_t bytes = 0;
  while (next_ < received_ && bytes < kBurstBytes)
    bytes += trains_[next_++].size;
  return next_ - first_;
}

void BurstIo::refill(time::Duration patience) {
  next_ = received_ = 0;
  for (int tries = 0; tries < 2; ++tries) {
    for (std::uint32_t i = 0; intake_ && i < sockets_.size(); ++i) {
      const auto socket = static_cast<std::uint32_t>((last_socket_ + 1 + i) % sockets_.size());
      if (!take_in(socket)) continue;
      last_socket_ = socket;
      return;
    }
    if (tries == 0) wait(patience);
  }
}

bool BurstIo::take_in(std::uint32_t socket) {
  for (std::size_t slot = 0; slot < armed_; ++slot)
    arm(slot);
  armed_ = 0;
  const int n = recvmmsg(sockets_[socket].fd(), headers_.data(), kTrains, MSG_DONTWAIT, nullptr);
  if (n <= 0) {
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
      counters_.add(Counter::kReceiveErrors);  // such as an ICMP error of an earlier reply
    return false;
  }
  armed_ = received_ = static_cast<std::size_t>(n);
  for (std::size_t slot = 0; slot < received_; ++slot)
    look_at(slot, socket);
  return true;
}

void BurstIo::look_at(std::size_t slot, std::uint32_t socket) {
  msghdr& header = headers_[slot].msg_hdr;
  serve::ReturnPath& path = paths_[slot];
  Train& train = trains_[slot];
  train = {headers_[slot].msg_len, headers_[slot].msg_len, (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0};
  path.socket = socket;
  path.size = std::min<std::uint32_t>(header.msg_namelen, kMaxPeerSize);
  if (sockets_[socket].tells_destination()) {
    std::memset(path.bytes.data() + path.size, 0, kLocalSize);
    path.size += static_cast<std::uint32_t>(kLocalSize);
  }
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    std::byte* const local = path.bytes.data() + path.size - kLocalSize;
    if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO) {
      train.segment = static_cast<std::size_t>(std::max(1, control_value<int>(c)));
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      const auto to = control_value<in_pktinfo>(c);  // ipi_spec_dst: ours, also where it was a broadcast
      std::memcpy(local, &to.ipi_spec_dst, sizeof to.ipi_spec_dst);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      const auto to = control_value<in6_pktinfo>(c);
      std::memcpy(local, &to.ipi6_addr, sizeof to.ipi6_addr);
    }
  }
}

void BurstIo::wait(time::Duration patience) {
  if (options_.poll == PollMode::kSpin || patience <= time::Duration{0}) return;
  const timespec limit = to_timespec(patience);
  // Without intake a readable socket must not end the wait at once.
  (void)ppoll(polled_.data(), intake_ ? polled_.size() : 0, &limit, nullptr);
}

std::span<std::byte> BurstIo::parked_room() {
  if (parked_ == kParkedReplies) return {};
  std::byte* const room = parked_buffers_[parked_ * wire::kMaxDatagram / sizeof(CacheLine)].bytes.data();
  return {room, wire::kMaxDatagram};
}

void BurstIo::send_parked(std::size_t size, const serve::ReturnPath& path) {
  std::byte* const reply = parked_room().data();
  parked_paths_[parked_] = path;
  replies_.append(reply, size, parked_paths_[parked_]);
  ++parked_;
}

void BurstIo::send() {
  replies_.flush();
  parked_ = 0;
}

}  // namespace gnomon::dataplane
