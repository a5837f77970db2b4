// SPDX-License-Identifier: Apache-2.0
//
// Bursts of frames in and out through the queue pairs of one worker: what the worker loop sees of DPDK.
//
//   receive        one burst of up to 64 frames from one port; with several ports, from the next one each turn
//   answer_burst   each frame becomes its own reply where it lies, or is freed; unless more is waiting, replies leave
//                  already in pieces of kPiece
//   send           all replies of the turn leave; what a full queue does not take after kSendTries is dropped, counted
//                  and freed, because a worker that waits for one peer serves nobody
//
// A frame has one owner at any time: the burst, the list of replies, or the driver. Frames are never copied, and only
// replies to requests that had waited take a buffer out of the worker's pool.
//
// On the way of a frame there is no lock, allocation or system call of ours; drivers on top of the kernel (af_packet,
// tap) have theirs. One thread, but order_announcements and give_up, which any thread may call.
#pragma once

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/frame/station.hpp"
#include "dataplane/poll_mode.hpp"
#include "oracle/page/counters.hpp"
#include "oracle/serve/source.hpp"
#include "oracle/time/instant.hpp"
#include "oracle/wire/message.hpp"

namespace gnomon::dataplane::dpdk {

/// A port's queue pair that belongs to the worker, and who we are there.
struct QueuePair {
  std::uint16_t port = 0;
  std::uint16_t queue = 0;
  frame::StationOptions station;  // `port` in it: this entry's index
};

class PortIo {
 public:
  static constexpr std::size_t kBurst = 64;
  static constexpr std::size_t kPiece = 16;          // replies
  static constexpr std::size_t kParkedReplies = 64;  // per turn
  static constexpr int kSendTries = 64;
  static constexpr std::uint32_t kTurnsPerHousekeeping = 1024;
  static constexpr std::uint32_t kIdleTurnsBeforeNap = 1000;
  static constexpr time::Duration kLongestNap = time::microseconds(100);

  /// At least one queue pair; `pool` is the worker's own. All outlive it.
  PortIo(const std::vector<QueuePair>& pairs, rte_mempool* pool, PollMode poll, page::Counters& counters);
  ~PortIo();
  PortIo(const PortIo&) = delete;
  PortIo& operator=(const PortIo&) = delete;

  /// The next burst: its number of frames. In mode kBlock, naps for up to `patience` and kLongestNap if nothing has
  /// come for a while.
  std::size_t receive(time::Duration patience);

  /// From now on `receive` brings nothing; what still arrives stays with the device.
  void stop_intake() { intake_ = false; }
  [[nodiscard]] static bool has_leftovers() { return false; }  // every burst is answered in its own turn

  /// For each request of the burst: answer(bytes, source, path) -> size of the reply that stands in its place, or 0.
  template <typename Answer>
  void answer_burst(Answer&& answer);

  /// Where the next reply to a parked request may be written; empty when this turn's places or the pool are used up.
  [[nodiscard]] std::span<std::byte> parked_room();
  /// Sends what was written there.
  void send_parked(std::size_t size, const serve::ReturnPath& path);

  /// Sends all replies of this turn.
  void send();

  /// Asks the worker to tell the neighbours of pair `index` where our addresses are.
  void order_announcements(std::size_t index) {
    lanes_[index]->announcements_due.fetch_add(1, std::memory_order_relaxed);
  }
  /// The device is gone: pair `index` is not polled any more.
  void give_up(std::size_t index) { lanes_[index]->given_up.store(true, std::memory_order_relaxed); }

 private:
  struct Lane {
    Lane(const QueuePair& pair, page::Counters& counters)
        : port(pair.port), queue(pair.queue), station(pair.station, counters) {}

    std::uint16_t port;
    std::uint16_t queue;
    frame::Station station;
    std::size_t pending = 0;
    std::array<rte_mbuf*, kBurst + kParkedReplies> replies{};
    bool checksums_left = false;  // some of them need tx_prepare
    std::uint32_t announcements_made = 0;
    std::atomic<std::uint32_t> announcements_due{0};  // relaxed: orders nothing
    std::atomic<bool> given_up{false};                // relaxed: orders nothing
  };

  [[nodiscard]] static frame::Frame frame_of(rte_mbuf* buffer) {
    return {.data = rte_pktmbuf_mtod(buffer, std::byte*),
            .length = buffer->data_len,
            .capacity = static_cast<std::size_t>(buffer->buf_len) - buffer->data_off};
  }
  [[nodiscard]] static frame::PortChecks checks_of(const rte_mbuf* buffer);
  static void hand_over(Lane& lane, rte_mbuf* buffer, const frame::Outgoing& out);
  void prepare(Lane& lane);
  void flush(Lane& lane);
  void keep_house();
  void announce(Lane& lane);
  void rest(time::Duration patience);
  [[nodiscard]] std::byte* parked_payload() const;

  page::Counters& counters_;
  rte_mempool* pool_;
  PollMode poll_;
  bool intake_ = true;
  std::uint32_t turns_ = 0;
  std::uint32_t idle_ = 0;
  std::vector<std::unique_ptr<Lane>> lanes_;
  Lane* current_;
  std::size_t next_lane_ = 0;
  std::size_t received_ = 0;
  std::array<rte_mbuf*, kBurst> burst_{};
  std::size_t parked_ = 0;
  rte_mbuf* spare_ = nullptr;  // the buffer behind parked_room
};

inline frame::PortChecks PortIo::checks_of(const rte_mbuf* buffer) {
  constexpr std::uint64_t kAny = RTE_MBUF_F_RX_IP_CKSUM_MASK | RTE_MBUF_F_RX_L4_CKSUM_MASK;
  if ((buffer->ol_flags & kAny) == 0) return {};
  frame::PortChecks out;
  // "None" means: not right in the data (it never was on a wire), but the data is intact.
  switch (buffer->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) {
    case RTE_MBUF_F_RX_IP_CKSUM_GOOD:
    case RTE_MBUF_F_RX_IP_CKSUM_NONE: out.ip = frame::Verified::kGood; break;
    case RTE_MBUF_F_RX_IP_CKSUM_BAD: out.ip = frame::Verified::kBad; break;
    default: break;
  }
  switch (buffer->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) {
    case RTE_MBUF_F_RX_L4_CKSUM_GOOD:
    case RTE_MBUF_F_RX_L4_CKSUM_NONE: out.udp = frame::Verified::kGood; break;
    case RTE_MBUF_F_RX_L4_CKSUM_BAD: out.udp = frame::Verified::kBad; break;
    default: break;
  }
  return out;
}

inline void PortIo::hand_over(Lane& lane, rte_mbuf* buffer, const frame::Outgoing& out) {
  buffer->data_len = static_cast<std::uint16_t>(out.length);
  buffer->pkt_len = static_cast<std::uint32_t>(out.length);
  buffer->ol_flags = 0;
  if (out.checksums_left) {
    const bool v4 = out.l3 == frame::ip4::kHeader;
    buffer->l2_len = out.l2 & 0x7fU;  // as wide as the field
    buffer->l3_len = out.l3;
    buffer->ol_flags = RTE_MBUF_F_TX_UDP_CKSUM |
                       (v4 ? RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM : std::uint64_t{RTE_MBUF_F_TX_IPV6});
    lane.checksums_left = true;
  }
  lane.replies[lane.pending++] = buffer;
}

template <typename Answer>
inline void PortIo::answer_burst(Answer&& answer) {
  constexpr std::size_t kAhead = 4;
  Lane& lane = *current_;
  // Behind a full burst more is waiting, and one send for all is the cheapest. Else it is the clients that wait: their
  // first replies are on the way while the last ones are made.
  const std::size_t piece = received_ == kBurst ? lane.replies.size() : kPiece;
  for (std::size_t i = 0; i < received_; ++i) {
    if (i + kAhead < received_) rte_prefetch0(rte_pktmbuf_mtod(burst_[i + kAhead], void*));
    rte_mbuf* const buffer = burst_[i];
    frame::Outgoing out;
    if (buffer->nb_segs == 1) [[likely]]
      out = lane.station.handle(frame_of(buffer), checks_of(buffer), answer);
    else
      counters_.add(page::Counter::kDropFrameLength);
    if (out.length != 0) [[likely]] {
      if (lane.pending >= piece) flush(lane);
      hand_over(lane, buffer, out);
    } else {
      rte_pktmbuf_free(buffer);
    }
  }
  received_ = 0;
}

}  // namespace gnomon::dataplane::dpdk
