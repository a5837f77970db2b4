// SPDX-License-Identifier: Apache-2.0
//
// Replies on their way out. A system call per datagram would cost five times what the answer cost, so replies are
// collected and leave together (sendmmsg), and replies to one client that lie one behind the other in memory leave as
// one train that the kernel cuts up (UDP_SEGMENT): all of one size, the last one possibly shorter.
//
// Not every path can cut trains (old kernels, devices without checksum offload, small path MTUs). A refused train is
// sent again piece by piece; after kGsoRefusals refusals in a row without a success trains are given up for that
// socket. One odd client can't cause that alone: a train that fails piece by piece as well says nothing about trains.
//
// Nothing here waits for long: a full socket buffer is waited for at most kMaxWaits times kWait per flush, then the
// rest is dropped and counted; the clients ask again.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "dataplane/kernel/udp_socket.hpp"
#include "oracle/page/counters.hpp"
#include "oracle/serve/source.hpp"

namespace gnomon::dataplane {

class ReplyQueue {
 public:
  static constexpr std::size_t kCapacity = 64;          // trains per sendmmsg
  static constexpr std::size_t kMaxTrainCount = 64;     // UDP_MAX_SEGMENTS of the older kernels
  static constexpr std::size_t kMaxTrainBytes = 65507;  // largest UDP payload over IPv4
  static constexpr int kGsoRefusals = 16;
  static constexpr int kMaxWaits = 2;
  static constexpr long kWaitNs = 1'000'000;

  /// `sockets` outlives the queue.
  ReplyQueue(std::span<const UdpSocket> sockets, bool gso, page::Counters& counters);

  /// Takes a reply of `size` (> 0) bytes; bytes and path must stay where they are until `flush`.
  void append(std::byte* reply, std::size_t size, serve::ReturnPath& path) {
    if (joins_last(reply, size, path)) {
      Train& last = trains_[size_ - 1];
      last.bytes += size;
      ++last.count;
      last.closed = size < last.segment;
      return;
    }
    if (size_ == kCapacity || (size_ != 0 && path.socket != socket_)) flush();
    socket_ = path.socket;
    trains_[size_++] = {
        .start = reply, .bytes = size, .segment = size, .count = 1, .closed = !gso_[socket_].on, .path = &path};
  }

  /// Everything that was appended is sent, or dropped and counted.
  void flush();

  [[nodiscard]] bool gso(std::uint32_t socket) const { return gso_[socket].on; }

 private:
  struct Train {
    std::byte* start = nullptr;
    std::size_t bytes = 0;
    std::size_t segment = 0;
    std::size_t count = 0;
    bool closed = false;  // nothing may follow: the last one was shorter, or trains are off
    serve::ReturnPath* path = nullptr;
  };
  struct Gso {
    bool on = false;
    int refusals = 0;  // in a row
  };
  struct alignas(cmsghdr) Control {
    std::array<std::byte, CMSG_SPACE(sizeof(std::uint16_t)) + CMSG_SPACE(sizeof(in6_pktinfo))> bytes;
  };

  [[nodiscard]] bool joins_last(const std::byte* reply, std::size_t size, const serve::ReturnPath& path) const {
    if (size_ == 0) return false;
    const Train& last = trains_[size_ - 1];
    return last.path == &path && !last.closed && last.start + last.bytes == reply && size <= last.segment &&
           last.count < kMaxTrainCount && last.bytes + size <= kMaxTrainBytes;
  }
  void prepare(std::size_t index);
  /// Goes on after the train at `index` could not be sent; how many trains are done with.
  [[nodiscard]] std::size_t after_failure(std::size_t index, int error, int& waits_left);
  void send_in_pieces(const Train& train);
  [[nodiscard]] bool send_piece(const Train& train, std::byte* start, std::size_t size);
  [[nodiscard]] std::size_t write_control(const Train& train, Control& control, bool as_train) const;
  void drop_from(std::size_t index);

  std::span<const UdpSocket> sockets_;
  std::vector<Gso> gso_;  // per socket
  page::Counters& counters_;
  std::uint32_t socket_ = 0;  // that all queued trains leave by
  std::size_t size_ = 0;
  std::array<Train, kCapacity> trains_{};
  std::array<mmsghdr, kCapacity> headers_{};
  std::array<iovec, kCapacity> pieces_{};
  std::array<Control, kCapacity> controls_{};
};

}  // namespace gnomon::dataplane
