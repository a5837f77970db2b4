// SPDX-License-Identifier: Apache-2.0
#include "client/udp_link.hpp"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "platform/system_error.hpp"

// Of linux/udp.h, which does not go together with netinet/udp.h on older systems.
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace gnomon::client {
namespace {

constexpr int kSocketBuffer = 1 << 20;  // asked for; the kernel cuts it to net.core.{r,w}mem_max

std::optional<LinkFault> fault_of(int code) {
  switch (code) {
    case ECONNREFUSED: return LinkFault::kRefused;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case ENETDOWN:
    case EHOSTDOWN:
    case EADDRNOTAVAIL:
    case EACCES:
    case EPERM: return LinkFault::kUnreachable;
    default: return std::nullopt;
  }
}

std::size_t datagrams_in(std::size_t bytes) { return (bytes + wire::kMaxDatagram - 1) / wire::kMaxDatagram; }

// The size of the datagrams that a received train was made of; the whole if it is none.
std::size_t segment_of(msghdr& header, std::size_t whole) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO) continue;
    int size = 0;
    std::memcpy(&size, CMSG_DATA(c), sizeof size);
    if (size > 0) return static_cast<std::size_t>(size);
  }
  return std::max<std::size_t>(whole, 1);
}

// sendmsg and friends take pointers to what they only read.
void* readable(const std::byte* bytes) { return const_cast<std::byte*>(bytes); }

}  // namespace

ReceiveBuffers::ReceiveBuffers() : bytes_(kMessages * kBytes) { reset(); }

void ReceiveBuffers::reset() {
  for (std::size_t i = 0; i < kMessages; ++i) {
    vectors_[i] = {bytes_.data() + i * kBytes, kBytes};
    headers_[i] = {};
    headers_[i].msg_hdr.msg_iov = &vectors_[i];
    headers_[i].msg_hdr.msg_iovlen = 1;
    headers_[i].msg_hdr.msg_control = control_[i].data();
    headers_[i].msg_hdr.msg_controllen = control_[i].size();
  }
}

Result<UdpLink> UdpLink::open(LinkId id, const platform::Endpoint& server) {
  const platform::SocketAddress address = platform::to_socket_address(server);
  platform::UniqueFd fd(::socket(address.family(), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const auto fail = [&server](std::string_view what) {
    const int code = errno;
    return tl::make_unexpected(Error{ErrorKind::kSystem,
                                     platform::system_error(std::string(what) + to_string(server), code).text,
                                     {},
                                     to_string(server)});
  };
  if (!fd.valid()) return fail("open a UDP socket for ");
  // Best effort: without them bursts are smaller, and datagrams fewer per system call.
  const int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &kSocketBuffer, sizeof kSocketBuffer);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &kSocketBuffer, sizeof kSocketBuffer);
  setsockopt(fd.get(), IPPROTO_UDP, UDP_GRO, &on, sizeof on);
  if (::connect(fd.get(), address.get(), address.size) != 0 && !fault_of(errno))
    return fail("connect a UDP socket to ");
  return UdpLink(id, std::move(fd));
}

UdpLink::UdpLink(LinkId id, platform::UniqueFd fd) : id_(id), fd_(std::move(fd)), identity_(identity_of(fd_.get())) {}

std::optional<UdpLink::Identity> UdpLink::identity_of(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return std::nullopt;
  return Identity{status.st_dev, status.st_ino};
}

void UdpLink::close_inherited() {
  const bool still_ours = identity_ && identity_of(fd_.get()) == identity_;
  if (still_ours)
    fd_.reset();
  else
    static_cast<void>(fd_.release());
}

UdpLink::Sent UdpLink::send(std::span<const std::byte> burst) {
  Sent sent;
  while (segments_ && burst.size() > wire::kMaxDatagram) {
    const auto train = burst.first(std::min(burst.size(), kMaxSegments * wire::kMaxDatagram));
    const int code = send_segmented(train);
    if (code == EIO || code == EINVAL || code == EOPNOTSUPP || code == EMSGSIZE) {
      segments_ = false;  // this path can't segment
      break;
    }
    if (code != 0) {
      sent.dropped = datagrams_in(burst.size());
      sent.fault = fault_of(code);
      return sent;
    }
    burst = burst.subspan(train.size());
  }
  return burst.empty() ? sent : send_singly(burst);
}

// 0 or errno.
int UdpLink::send_segmented(std::span<const std::byte> train) const {
  iovec vector{readable(train.data()), train.size()};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(std::uint16_t))> control{};
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  cmsghdr* c = CMSG_FIRSTHDR(&header);
  c->cmsg_level = IPPROTO_UDP;
  c->cmsg_type = UDP_SEGMENT;
  c->cmsg_len = CMSG_LEN(sizeof(std::uint16_t));
  const auto segment = static_cast<std::uint16_t>(wire::kMaxDatagram);
  std::memcpy(CMSG_DATA(c), &segment, sizeof segment);
  ssize_t n = -1;
  do {
    n = ::sendmsg(fd_.get(), &header, MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  return n < 0 ? errno : 0;
}

UdpLink::Sent UdpLink::send_singly(std::span<const std::byte> burst) const {
  Sent result;
  while (!burst.empty()) {
    std::array<iovec, kMaxSegments> vectors{};
    std::array<mmsghdr, kMaxSegments> headers{};
    std::size_t count = 0;
    for (std::size_t at = 0; at < burst.size() && count < kMaxSegments; at += wire::kMaxDatagram, ++count) {
      vectors[count] = {readable(burst.data() + at), std::min(wire::kMaxDatagram, burst.size() - at)};
      headers[count].msg_hdr.msg_iov = &vectors[count];
      headers[count].msg_hdr.msg_iovlen = 1;
    }
    const int n = ::sendmmsg(fd_.get(), headers.data(), static_cast<unsigned>(count), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {  // full or broken: what is left counts as lost, and is sent again in time
      result.dropped = datagrams_in(burst.size());
      result.fault = fault_of(errno);
      return result;
    }
    burst = burst.subspan(std::min(burst.size(), static_cast<std::size_t>(n) * wire::kMaxDatagram));
  }
  return result;
}

UdpLink::Received UdpLink::receive(ReceiveBuffers& buffers, std::vector<std::span<const std::byte>>& out) {
  buffers.reset();
  int n = -1;
  do {
    n = ::recvmmsg(fd_.get(), buffers.headers_.data(), ReceiveBuffers::kMessages, MSG_DONTWAIT, nullptr);
  } while (n < 0 && errno == EINTR);
  if (n < 0) return {.more = false, .fault = fault_of(errno)};
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    const std::size_t whole = buffers.headers_[i].msg_len;
    const std::span<const std::byte> train(buffers.bytes_.data() + i * ReceiveBuffers::kBytes, whole);
    const std::size_t segment = segment_of(buffers.headers_[i].msg_hdr, whole);
    if (train.empty()) out.push_back(train);  // an empty datagram: not ours, and counted as such
    for (std::size_t at = 0; at < whole; at += segment)
      out.push_back(train.subspan(at, std::min(segment, whole - at)));
  }
  return {.more = static_cast<std::size_t>(n) == ReceiveBuffers::kMessages, .fault = std::nullopt};
}

}  // namespace gnomon::client
