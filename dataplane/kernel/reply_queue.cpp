// SPDX-License-Identifier: Apache-2.0
#include "dataplane/kernel/reply_queue.hpp"

#include <netinet/udp.h>
#include <poll.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "dataplane/kernel/kernel_path.hpp"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

namespace gnomon::dataplane {
namespace {

using page::Counter;

constexpr int kSendFlags = MSG_DONTWAIT | MSG_NOSIGNAL;

// What a kernel, device or path that can't cut up a train answers. Each of them can mean something else, too.
bool may_be_gso_refusal(int error) {
  return error == EIO || error == EINVAL || error == ENOPROTOOPT || error == EMSGSIZE || error == EOPNOTSUPP;
}

bool is_full(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == ENOBUFS || error == EINTR; }

void wait_for_room(int fd) {
  pollfd room{fd, POLLOUT, 0};
  const timespec limit{0, ReplyQueue::kWaitNs};
  (void)ppoll(&room, 1, &limit, nullptr);
}

// One control message at `at`; returns where the next one goes.
template <typename Value>
std::byte* put_control(std::byte* at, int level, int type, const Value& value) {
  cmsghdr header{};
  header.cmsg_level = level;
  header.cmsg_type = type;
  header.cmsg_len = CMSG_LEN(sizeof value);
  std::memset(at, 0, CMSG_SPACE(sizeof value));
  std::memcpy(at, &header, sizeof header);
  std::memcpy(at + CMSG_LEN(0), &value, sizeof value);
  return at + CMSG_SPACE(sizeof value);
}

}  // namespace

ReplyQueue::ReplyQueue(std::span<const UdpSocket> sockets, bool gso, page::Counters& counters)
    : sockets_(sockets), gso_(sockets.size(), Gso{gso, 0}), counters_(counters) {}

std::size_t ReplyQueue::write_control(const Train& train, Control& control, bool as_train) const {
  std::byte* at = control.bytes.data();
  if (as_train) at = put_control(at, IPPROTO_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(train.segment));
  const UdpSocket& socket = sockets_[train.path->socket];
  if (!socket.tells_destination()) return static_cast<std::size_t>(at - control.bytes.data());

  const std::byte* local = train.path->bytes.data() + peer_size(*train.path, true);
  if (socket.local().is_v4()) {
    in_pktinfo from{};
    std::memcpy(&from.ipi_spec_dst, local, sizeof from.ipi_spec_dst);
    at = put_control(at, IPPROTO_IP, IP_PKTINFO, from);
  } else {
    in6_pktinfo from{};
    std::memcpy(&from.ipi6_addr, local, sizeof from.ipi6_addr);
    at = put_control(at, IPPROTO_IPV6, IPV6_PKTINFO, from);
  }
  return static_cast<std::size_t>(at - control.bytes.data());
}

void ReplyQueue::prepare(std::size_t index) {
  const Train& train = trains_[index];
  pieces_[index] = {train.start, train.bytes};
  msghdr& header = headers_[index].msg_hdr;
  header = {};
  header.msg_name = train.path->bytes.data();
  header.msg_namelen = peer_size(*train.path, sockets_[train.path->socket].tells_destination());
  header.msg_iov = &pieces_[index];
  header.msg_iovlen = 1;
  header.msg_controllen = write_control(train, controls_[index], train.count > 1);
  header.msg_control = header.msg_controllen == 0 ? nullptr : controls_[index].bytes.data();
}

void ReplyQueue::flush() {
  if (size_ == 0) return;
  for (std::size_t i = 0; i < size_; ++i)
    prepare(i);
  const int fd = sockets_[socket_].fd();
  int waits_left = kMaxWaits;
  std::size_t done = 0;
  while (done < size_) {  // each turn sends or gives up at least one train, or uses up a wait
    const int sent = sendmmsg(fd, &headers_[done], static_cast<unsigned>(size_ - done), kSendFlags);
    if (sent > 0) {
      for (std::size_t i = done; i < done + static_cast<std::size_t>(sent); ++i)
        if (trains_[i].count > 1) gso_[socket_].refusals = 0;
      done += static_cast<std::size_t>(sent);
    } else {
      done += after_failure(done, errno, waits_left);
    }
  }
  size_ = 0;
}

std::size_t ReplyQueue::after_failure(std::size_t index, int error, int& waits_left) {
  const Train& train = trains_[index];
  if (is_full(error)) {
    if (waits_left-- > 0) {
      wait_for_room(sockets_[socket_].fd());
      return 0;
    }
    drop_from(index);
    return size_ - index;
  }
  if (train.count > 1 && may_be_gso_refusal(error)) {
    send_in_pieces(train);
    return 1;
  }
  counters_.add(Counter::kSendErrors);  // this client's loss (an ICMP error, a port 0), nobody else's
  return 1;
}

void ReplyQueue::drop_from(std::size_t index) {
  for (std::size_t i = index; i < size_; ++i)
    counters_.add(Counter::kSendDropped, trains_[i].count);
}

void ReplyQueue::send_in_pieces(const Train& train) {
  bool any_sent = false;
  for (std::size_t at = 0; at < train.bytes; at += train.segment) {
    const std::size_t size = std::min(train.segment, train.bytes - at);
    any_sent = send_piece(train, train.start + at, size) || any_sent;
  }
  Gso& gso = gso_[train.path->socket];
  if (any_sent && ++gso.refusals >= kGsoRefusals) gso.on = false;
}

bool ReplyQueue::send_piece(const Train& train, std::byte* start, std::size_t size) {
  Control control;
  iovec piece{start, size};
  msghdr header{};
  header.msg_name = train.path->bytes.data();
  header.msg_namelen = peer_size(*train.path, sockets_[train.path->socket].tells_destination());
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  header.msg_controllen = write_control(train, control, false);
  header.msg_control = header.msg_controllen == 0 ? nullptr : control.bytes.data();
  if (sendmsg(sockets_[train.path->socket].fd(), &header, kSendFlags) >= 0) return true;
  counters_.add(is_full(errno) ? Counter::kSendDropped : Counter::kSendErrors);
  return false;
}

}  // namespace gnomon::dataplane
