// SPDX-License-Identifier: Apache-2.0
#include "bench/reflect/generator.hpp"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

#include "bench/paired.hpp"
#include "dataplane/frame/byte_order.hpp"
#include "dataplane/frame/formats.hpp"
#include "oracle/id/layout.hpp"
#include "oracle/wire/message.hpp"
#include "tests/support/frames.hpp"

namespace gnomon::bench {
namespace {

constexpr std::uint16_t kBurst = 64;
constexpr std::size_t kPayloadAt = frame::eth::kHeader + frame::ip4::kHeader + frame::udp::kHeader;
constexpr std::size_t kFrameSize = kPayloadAt + wire::kMessageSize;
// All that is read of every reply lies in the first cache line of its frame.
constexpr std::size_t kFlagsAt = kPayloadAt + offsetof(wire::Message, flags);  // and the status behind them
constexpr std::size_t kRequestIdAt = kPayloadAt + offsetof(wire::Message, request_id);
constexpr std::size_t kIdAt = kPayloadAt + offsetof(wire::Message, a);
static_assert(kIdAt + sizeof(std::uint32_t) <= 64);
constexpr std::uint16_t kOkReply = wire::kFlagReply;  // and status 0
constexpr std::uint64_t kJudgeEvery = 4096;

constexpr std::uint64_t kEpoch = 250'000'000;  // cycles, about 0.1 s
constexpr std::uint8_t kLostAfter = 3;         // epochs

using Template = std::array<std::byte, kFrameSize>;

class Generator {
 public:
  Generator(std::uint16_t port, rte_mempool* pool, Shared& shared)
      : port_(port),
        pool_(pool),
        shared_(shared),
        envelope_{.from_mac = {2, 0, 0, 0, 0, 0x22},
                  .to_mac = shared.server_mac,
                  .from = support::address_of("10.9.0.2"),
                  .to = support::address_of("10.9.0.1"),
                  .tags = {}} {
    write_request();
  }

  void run() {
    invitations_ = shared_.invitation.load(std::memory_order_acquire);
    shared_.ready.store(true, std::memory_order_release);
    epoch_began_ = last_ = platform::read_cycles().count;
    while (!shared_.stop.load(std::memory_order_relaxed)) {
      send();
      receive();
      if (shared_.join(invitations_)) shared_.switches.store(involuntary_switches(), std::memory_order_relaxed);
    }
    const std::uint64_t stopped = platform::read_cycles().count;
    while (under_way_ > 0 && platform::read_cycles().count - stopped < kLostAfter * kEpoch)
      receive();
    add(shared_.lost, under_way_);
    shared_.done.store(true, std::memory_order_release);
  }

 private:
  static constexpr std::uint16_t kServerPort = 14666;
  static constexpr std::uint16_t kOurPort = 9999;

  static void add(std::atomic<std::uint64_t>& figure, std::uint64_t n) {  // single writer
    figure.store(figure.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }

  // The frame that is sent throughout an epoch, of whose number the request id is made.
  void write_request() {
    wire::Message request;
    request.op = static_cast<std::uint8_t>(wire::Op::kNextId);
    request.request_id = 256 + epoch_;
    request.count = 1;
    request.format = id::kSnowflake.value;
    support::Bytes payload(wire::kMessageSize);
    wire::store(request, payload.data());
    const support::Bytes frame = support::udp_frame(envelope_, {.from = kOurPort, .to = kServerPort}, payload);
    if (frame.size() != request_.size()) throw std::runtime_error("the request has another size than the bench thinks");
    std::copy(frame.begin(), frame.end(), request_.begin());
  }

  // A window that silently shrinks with every loss would measure something else: what is not back after some epochs is
  // given up, and asked anew.
  void next_epoch(std::uint64_t now) {
    epoch_began_ = now;
    ++epoch_;
    write_request();
    std::uint32_t& oldest = sent_in_[static_cast<std::uint8_t>(epoch_ - kLostAfter)];
    add(shared_.lost, oldest);
    under_way_ -= oldest;
    oldest = 0;
  }

  void send() {
    const std::uint32_t wanted = shared_.in_flight.load(std::memory_order_relaxed);
    if (under_way_ >= wanted) return;
    const auto n = static_cast<std::uint16_t>(std::min<std::uint32_t>(kBurst, wanted - under_way_));
    if (rte_pktmbuf_alloc_bulk(pool_, burst_.data(), n) != 0) return;
    for (std::uint16_t i = 0; i < n; ++i) {
      rte_mbuf* const m = burst_[i];
      std::memcpy(rte_pktmbuf_mtod(m, void*), request_.data(), request_.size());
      m->data_len = kFrameSize;
      m->pkt_len = kFrameSize;
    }
    const std::uint16_t sent = rte_eth_tx_burst(port_, 0, burst_.data(), n);
    if (sent < n) rte_pktmbuf_free_bulk(burst_.data() + sent, static_cast<unsigned>(n - sent));
    under_way_ += sent;
    sent_in_[epoch_] += sent;
  }

  void receive() {
    const std::uint16_t n = rte_eth_rx_burst(port_, 0, burst_.data(), kBurst);
    const std::uint64_t now = platform::read_cycles().count;
    if (now - epoch_began_ > kEpoch) next_epoch(now);
    if (n == 0) return;
    note_gap(now);
    for (std::uint16_t i = 0; i < n; ++i)
      rte_prefetch0(rte_pktmbuf_mtod(burst_[i], void*));
    for (std::uint16_t i = 0; i < n; ++i)
      take(burst_[i]);
    rte_pktmbuf_free_bulk(burst_.data(), n);
    add(shared_.received, n);
  }

  void take(const rte_mbuf* m) {
    const auto* const bytes = rte_pktmbuf_mtod(m, const std::byte*);
    if (m->data_len != kFrameSize) return complain("a frame of another size");
    std::uint32_t& asked = sent_in_[frame::load8(bytes + kRequestIdAt)];
    if (asked == 0) return add(shared_.late, 1);
    --asked;
    --under_way_;
    const auto head = frame::load_raw<std::uint16_t>(bytes + kFlagsAt);
    if (head == 0) return;  // a reflection
    if (head != kOkReply) return complain("a reply with flags and status " + std::to_string(head));
    if ((frame::load_raw<std::uint32_t>(bytes + kIdAt) & id_mask_) == 0)
      keep(frame::load_raw<std::uint64_t>(bytes + kIdAt));
    if (++replies_ % kJudgeEvery == 0) judge(m);
  }

  // When there is no more room, only every second of them counts from then on, and counted from the start.
  void keep(std::uint64_t id) {
    std::uint32_t n = shared_.ids.load(std::memory_order_relaxed);
    if (n == Shared::kMostIds) {
      id_mask_ = id_mask_ * 2 + 1;
      shared_.id_mask.store(id_mask_, std::memory_order_relaxed);
      const auto end = std::remove_if(shared_.id.begin(), shared_.id.end(),
                                      [this](std::uint64_t kept) { return (kept & id_mask_) != 0; });
      n = static_cast<std::uint32_t>(end - shared_.id.begin());
      last_ = platform::read_cycles().count;  // this gap was not the server's
      shared_.ids.store(n, std::memory_order_relaxed);
      if ((id & id_mask_) != 0) return;
    }
    shared_.id[n] = id;
    shared_.ids.store(n + 1, std::memory_order_relaxed);
  }

  // By a judge that shares no code with the server.
  void judge(const rte_mbuf* m) {
    add(shared_.judged, 1);
    const auto* const bytes = rte_pktmbuf_mtod(m, const std::byte*);
    try {
      const support::Dissection d = support::dissect(support::Bytes(bytes, bytes + m->data_len));
      const bool to_us = d.to == envelope_.from_mac && d.from == envelope_.to_mac && d.source == envelope_.to &&
                         d.destination == envelope_.from && d.source_port == kServerPort &&
                         d.destination_port == kOurPort;
      if (!to_us) return complain("a reply from or to somebody else");
      if (d.payload.size() != wire::kMessageSize || wire::check_reply(d.payload.data()) != wire::Invalid::kNone)
        return complain("a reply that is no valid message");
      const wire::Message reply = wire::load(d.payload.data());
      if (reply.op != static_cast<std::uint8_t>(wire::Op::kNextId) || reply.request_id >> 8 != 1 || reply.a == 0 ||
          reply.count != 1)
        complain("a reply to another request");
    } catch (const std::exception& fault) {
      complain(fault.what());
    }
  }

  void complain(std::string_view fault) {
    if (shared_.wrong.load(std::memory_order_relaxed) == 0) fault.copy(shared_.fault.data(), shared_.fault.size() - 1);
    add(shared_.wrong, 1);
  }

  void note_gap(std::uint64_t now) {
    const std::uint64_t gap = now - last_;
    last_ = now;
    if (replies_ != 0 && gap > shared_.longest_gap_cycles.load(std::memory_order_relaxed))
      shared_.longest_gap_cycles.store(gap, std::memory_order_relaxed);
  }

  std::uint16_t port_;
  rte_mempool* pool_;
  Shared& shared_;
  support::Envelope envelope_;
  Template request_{};
  std::array<rte_mbuf*, kBurst> burst_{};
  std::array<std::uint32_t, 256> sent_in_{};  // by epoch: not back yet
  std::uint32_t under_way_ = 0;               // their sum
  std::uint8_t epoch_ = 0;
  std::uint64_t epoch_began_ = 0;
  std::uint32_t invitations_ = 0;
  std::uint32_t id_mask_ = shared_.id_mask.load(std::memory_order_relaxed);
  std::uint64_t replies_ = 0;
  std::uint64_t last_ = 0;
};

}  // namespace

void start_generator_port(std::uint16_t port, rte_mempool* pool) {
  const auto must = [](int code, const char* what) {
    if (code != 0)
      throw std::runtime_error(std::string("the generator's port: cannot ") + what + ", " + std::to_string(code));
  };
  const rte_eth_conf conf{};
  must(rte_eth_dev_configure(port, 1, 1, &conf), "configure it");
  std::uint16_t rx = 1024;
  std::uint16_t tx = 1024;
  must(rte_eth_dev_adjust_nb_rx_tx_desc(port, &rx, &tx), "agree on descriptors");
  must(rte_eth_rx_queue_setup(port, 0, rx, 0, nullptr, pool), "set up its receive queue");
  must(rte_eth_tx_queue_setup(port, 0, tx, 0, nullptr), "set up its transmit queue");
  must(rte_eth_dev_start(port), "start it");
}

void generate(std::uint16_t port, rte_mempool* pool, Shared& shared) { Generator(port, pool, shared).run(); }

}  // namespace gnomon::bench
