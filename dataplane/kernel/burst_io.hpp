// SPDX-License-Identifier: Apache-2.0
//
// Bursts of datagrams in and out through the sockets of one worker.
//
// A buffer may hold a train: datagrams of one client which the kernel handed over together (UDP_GRO), all of one size
// except a shorter last one. Replies are written over their requests, moved together where some got none, and leave as
// trains again (reply_queue.hpp).
//
// One recvmmsg can bring in 4 MB, far more than may be answered on one clock read. So `receive` hands it out in bursts
// of about kBurstBytes (64 datagrams of 22 messages) and asks the kernel again when all of it is answered.
//
// Several sockets are asked in turn, so that a flood on one can't starve another. One thread.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "dataplane/kernel/kernel_path.hpp"
#include "dataplane/kernel/reply_queue.hpp"
#include "dataplane/kernel/udp_socket.hpp"
#include "dataplane/poll_mode.hpp"
#include "oracle/page/counters.hpp"
#include "oracle/serve/source.hpp"
#include "oracle/time/instant.hpp"
#include "oracle/wire/message.hpp"

namespace gnomon::dataplane {

struct BurstIoOptions {
  PollMode poll = PollMode::kBlock;
  bool gso = true;
};

class BurstIo {
 public:
  static constexpr std::size_t kTrains = 64;  // per recvmmsg
  static constexpr std::size_t kBurstBytes = 64 * wire::kMaxDatagram;
  static constexpr std::size_t kParkedReplies = 64;  // datagrams per turn

  /// At least one socket. Allocates here and nowhere else.
  BurstIo(std::vector<UdpSocket> sockets, const BurstIoOptions& options, page::Counters& counters);
  BurstIo(const BurstIo&) = delete;
  BurstIo& operator=(const BurstIo&) = delete;

  /// The next burst; if nothing is there, waits for it for up to `patience` (not at all in mode kSpin). Returns the
  /// number of buffers that it fills, 0 if nothing came.
  std::size_t receive(time::Duration patience);

  /// From now on `receive` only waits and hands out what was taken in before.
  void stop_intake() { intake_ = false; }
  /// Whether something that was taken in is still to be handed out.
  [[nodiscard]] bool has_leftovers() const { return next_ < received_; }

  /// For each datagram of the burst: answer(bytes, source, path) -> size of the reply that stands in its place, or 0.
  template <typename Answer>
  void answer_burst(Answer&& answer);

  /// Where the next reply to a parked request may be written; empty when this turn's places are used up.
  [[nodiscard]] std::span<std::byte> parked_room();
  /// Sends what was written there.
  void send_parked(std::size_t size, const serve::ReturnPath& path);

  /// Sends all replies of this turn.
  void send();

  [[nodiscard]] std::span<const UdpSocket> sockets() const { return sockets_; }

 private:
  struct alignas(64) CacheLine {
    std::array<std::byte, 64> bytes;
  };
  struct alignas(cmsghdr) Control {
    std::array<std::byte, 128> bytes;  // UDP_GRO and either pktinfo, with room to spare
  };
  /// What came in one buffer.
  struct Train {
    std::size_t size = 0;
    std::size_t segment = 0;  // size of its datagrams but the last
    bool whole = true;        // false: the buffer or its control data was too small
  };

  void refill(time::Duration patience);
  [[nodiscard]] bool take_in(std::uint32_t socket);
  void arm(std::size_t slot);
  void look_at(std::size_t slot, std::uint32_t socket);
  void wait(time::Duration patience);
  [[nodiscard]] std::byte* buffer(std::size_t slot);

  page::Counters& counters_;
  std::vector<UdpSocket> sockets_;
  std::vector<pollfd> polled_;
  BurstIoOptions options_;
  ReplyQueue replies_;
  bool intake_ = true;
  std::uint32_t last_socket_ = 0;

  std::size_t armed_ = 0;     // slots [0, armed_) have been written to by the kernel
  std::size_t received_ = 0;  // slots [0, received_) hold trains
  std::size_t first_ = 0;     // the present burst is [first_, next_)
  std::size_t next_ = 0;
  std::size_t buffer_size_ = 0;
  std::vector<CacheLine> buffers_;
  std::array<mmsghdr, kTrains> headers_{};
  std::array<iovec, kTrains> pieces_{};
  std::array<Control, kTrains> controls_{};
  std::array<serve::ReturnPath, kTrains> paths_{};
  std::array<Train, kTrains> trains_{};

  std::size_t parked_ = 0;  // places in use this turn
  std::vector<CacheLine> parked_buffers_;
  std::array<serve::ReturnPath, kParkedReplies> parked_paths_{};
};

template <typename Answer>
void BurstIo::answer_burst(Answer&& answer) {
  for (std::size_t slot = first_; slot < next_; ++slot) {
    const Train& train = trains_[slot];
    if (!train.whole) [[unlikely]] {
      counters_.add(page::Counter::kDatagrams);
      counters_.add(page::Counter::kTruncated);
      continue;
    }
    const serve::Address source = source_of(paths_[slot]);
    std::byte* const start = buffer(slot);
    std::byte* out = start;
    std::size_t at = 0;
    do {  // a datagram of no bytes is one, too
      const std::size_t size = std::min(train.segment, train.size - at);
      const std::size_t reply = answer(std::span(start + at, size), source, paths_[slot]);
      if (reply != 0) {
        if (out != start + at) std::memmove(out, start + at, reply);
        replies_.append(out, reply, paths_[slot]);
        out += reply;
      }
      at += size;
    } while (at < train.size);
  }
}

}  // namespace gnomon::dataplane
