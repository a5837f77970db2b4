// SPDX-License-Identifier: Apache-2.0
#include "tests/support/packet_socket.hpp"

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

namespace gnomon::support {
namespace {

constexpr std::size_t kLargestFrame = 65536 + 64;
constexpr std::ptrdiff_t kTagOffset = 12;  // behind the two MAC addresses
constexpr int kBufferBytes = 16 << 20;

[[noreturn]] void fail(const std::string& what) { throw std::system_error(errno, std::generic_category(), what); }

void must_set(int fd, int level, int option, int value) {
  if (setsockopt(fd, level, option, &value, sizeof value) != 0) fail("setsockopt");
}

std::optional<tpacket_auxdata> auxiliary_data(msghdr& header) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA) continue;
    tpacket_auxdata data{};
    std::memcpy(&data, CMSG_DATA(c), sizeof data);
    return data;
  }
  return std::nullopt;
}

void put_tag_back(std::vector<std::byte>& frame, const tpacket_auxdata& data) {
  const bool has_type = (data.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0;
  const auto type = has_type ? data.tp_vlan_tpid : std::uint16_t{ETHERTYPE_VLAN};
  const std::uint16_t tag[2] = {htons(type), htons(data.tp_vlan_tci)};
  std::byte bytes[sizeof tag];
  std::memcpy(bytes, tag, sizeof tag);
  frame.insert(frame.begin() + kTagOffset, std::begin(bytes), std::end(bytes));
}

}  // namespace

platform::UniqueFd open_packet_socket(const std::string& interface, int buffer_bytes, SocketSwitch on) {
  // Protocol 0 receives nothing until the socket is bound: else it would begin with frames of other interfaces.
  platform::UniqueFd fd(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) fail("a packet socket");
  must_set(fd.get(), SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
  must_set(fd.get(), SOL_PACKET, PACKET_QDISC_BYPASS, 1);
  must_set(fd.get(), on.level, on.option, 1);  // before it is bound, so that it holds from the first frame on
  must_set(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, buffer_bytes);
  must_set(fd.get(), SOL_SOCKET, SO_SNDBUFFORCE, buffer_bytes);

  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
  if (address.sll_ifindex == 0) fail("the interface " + interface);
  const void* generic = &address;
  if (bind(fd.get(), static_cast<const sockaddr*>(generic), sizeof address) != 0) fail("bind to " + interface);
  return fd;
}

PacketSocket::PacketSocket(const std::string& interface)
    : socket_(open_packet_socket(interface, kBufferBytes, {SOL_PACKET, PACKET_AUXDATA})), buffer_(kLargestFrame) {}

bool PacketSocket::send(const std::vector<std::byte>& frame) {
  if (::send(socket_.get(), frame.data(), frame.size(), 0) >= 0) return true;
  if (errno != ENOBUFS && errno != EAGAIN) fail("sending a frame of " + std::to_string(frame.size()) + " bytes");
  return false;
}

std::optional<std::vector<std::byte>> PacketSocket::receive(std::chrono::milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  while (true) {
    if (auto frame = receive_now()) return frame;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return std::nullopt;
    pollfd p{socket_.get(), POLLIN, 0};
    poll(&p, 1, static_cast<int>(left.count()));
  }
}

std::optional<std::vector<std::byte>> PacketSocket::receive_now() {
  iovec vector{buffer_.data(), buffer_.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(tpacket_auxdata))] = {};
  msghdr header{};
  header.msg_iov = &vector;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  const ssize_t n = recvmsg(socket_.get(), &header, 0);
  if (n < 0 && errno != EAGAIN) fail("receiving a frame");
  if (n <= 0) return std::nullopt;

  std::vector<std::byte> frame(buffer_.begin(), buffer_.begin() + n);
  const auto data = auxiliary_data(header);
  if (data && (data->tp_status & TP_STATUS_CSUMNOTREADY) != 0) ++undone_checksums_;
  if (data && (data->tp_status & TP_STATUS_VLAN_VALID) != 0 && n >= kTagOffset) put_tag_back(frame, *data);
  return frame;
}

}  // namespace gnomon::support
