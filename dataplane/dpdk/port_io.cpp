// SPDX-License-Identifier: Apache-2.0
#include "dataplane/dpdk/port_io.hpp"

#include <rte_pause.h>
#include <time.h>

#include <algorithm>
#include <utility>

namespace gnomon::dataplane::dpdk {
namespace {

using page::Counter;

// Where the payload of a reply is written, with room for the longest headers in front of it.
constexpr std::size_t kPayloadAt = RTE_PKTMBUF_HEADROOM + 128;
static_assert(frame::Station::kMaxHeaders <= 128);
static_assert(kPayloadAt + wire::kMaxDatagram <= RTE_MBUF_DEFAULT_BUF_SIZE);

}  // namespace

PortIo::PortIo(const std::vector<QueuePair>& pairs, rte_mempool* pool, PollMode poll, page::Counters& counters)
    : counters_(counters), pool_(pool), poll_(poll) {
  for (const QueuePair& pair : pairs)
    lanes_.push_back(std::make_unique<Lane>(pair, counters));
  current_ = lanes_.front().get();
}

PortIo::~PortIo() {
  for (const auto& lane : lanes_)
    rte_pktmbuf_free_bulk(lane->replies.data(), static_cast<unsigned>(lane->pending));
  rte_pktmbuf_free_bulk(burst_.data(), static_cast<unsigned>(received_));
  rte_pktmbuf_free(spare_);
}

std::size_t PortIo::receive(time::Duration patience) {
  if (++turns_ % kTurnsPerHousekeeping == 0) [[unlikely]]
    keep_house();
  received_ = 0;
  current_ = lanes_[next_lane_].get();
  if (++next_lane_ == lanes_.size()) next_lane_ = 0;
  if (intake_ && !current_->given_up.load(std::memory_order_relaxed)) [[likely]]
    received_ = rte_eth_rx_burst(current_->port, current_->queue, burst_.data(), kBurst);
  if (received_ == 0) {
    rest(patience);
    return 0;
  }
  idle_ = 0;
  counters_.add(Counter::kFrames, received_);
  return received_;
}

// A worker that spins through an idle night is what bypassing the kernel costs; where cores are shared it naps.
void PortIo::rest(time::Duration patience) {
  if (poll_ == PollMode::kSpin || ++idle_ < kIdleTurnsBeforeNap) return;
  const time::Duration nap = std::min(patience, kLongestNap);
  if (nap <= time::Duration{0}) return;
  const timespec limit{0, static_cast<long>(nap.ns)};
  (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &limit, nullptr);
}

std::byte* PortIo::parked_payload() const { return static_cast<std::byte*>(spare_->buf_addr) + kPayloadAt; }

std::span<std::byte> PortIo::parked_room() {
  if (parked_ == kParkedReplies) return {};
  if (spare_ == nullptr) spare_ = rte_pktmbuf_alloc(pool_);
  if (spare_ == nullptr) return {};  // all buffers are in use: the next turn tries again
  return {parked_payload(), wire::kMaxDatagram};
}

void PortIo::send_parked(std::size_t size, const serve::ReturnPath& path) {
  Lane& lane = *lanes_[path.socket];
  rte_mbuf* const buffer = std::exchange(spare_, nullptr);
  std::byte* const payload = static_cast<std::byte*>(buffer->buf_addr) + kPayloadAt;
  const frame::Outgoing out = lane.station.wrap(payload, size, path);
  buffer->data_off = static_cast<std::uint16_t>(kPayloadAt - (out.length - size));
  if (lane.pending == lane.replies.size()) flush(lane);
  hand_over(lane, buffer, out);
  ++parked_;
}

void PortIo::send() {
  for (const auto& lane : lanes_)
    if (lane->pending != 0) flush(*lane);
  parked_ = 0;
}

// What the driver can't make checksums for is lost, and counted; the rest leaves.
void PortIo::prepare(Lane& lane) {
  rte_mbuf** const replies = lane.replies.data();
  std::size_t good = 0;
  while (good < lane.pending) {
    good += rte_eth_tx_prepare(lane.port, lane.queue, replies + good, static_cast<std::uint16_t>(lane.pending - good));
    if (good == lane.pending) break;
    counters_.add(Counter::kSendErrors);
    rte_pktmbuf_free(replies[good]);
    std::move(replies + good + 1, replies + lane.pending, replies + good);
    --lane.pending;
  }
  lane.checksums_left = false;
}

void PortIo::flush(Lane& lane) {
  if (lane.checksums_left) prepare(lane);
  rte_mbuf** const replies = lane.replies.data();
  std::size_t sent = 0;
  for (int tries = 0; sent < lane.pending && tries < kSendTries; ++tries) {
    if (tries != 0) rte_pause();
    sent += rte_eth_tx_burst(lane.port, lane.queue, replies + sent, static_cast<std::uint16_t>(lane.pending - sent));
  }
  if (sent < lane.pending) [[unlikely]] {
    counters_.add(Counter::kSendDropped, lane.pending - sent);
    rte_pktmbuf_free_bulk(replies + sent, static_cast<unsigned>(lane.pending - sent));
  }
  lane.pending = 0;
}

void PortIo::keep_house() {
  for (const auto& lane : lanes_) {
    const std::uint32_t due = lane->announcements_due.load(std::memory_order_relaxed);
    if (due == lane->announcements_made) continue;
    lane->announcements_made = due;
    announce(*lane);
  }
}

void PortIo::announce(Lane& lane) {
  for (std::size_t i = 0; i < lane.station.announcements(); ++i) {
    rte_mbuf* const buffer = rte_pktmbuf_alloc(pool_);
    if (buffer == nullptr) return;
    const std::size_t length = lane.station.write_announcement(i, rte_pktmbuf_mtod(buffer, std::byte*));
    if (lane.pending == lane.replies.size()) flush(lane);
    hand_over(lane, buffer, {.length = length});
    counters_.add(Counter::kAnnouncements);
  }
  flush(lane);
}

}  // namespace gnomon::dataplane::dpdk
