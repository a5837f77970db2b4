// SPDX-License-Identifier: Apache-2.0
#include "bench/reflect/server.hpp"

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include <array>
#include <bit>
#include <cstring>
#include <stdexcept>

#include "bench/paired.hpp"
#include "bench/reflect/shared.hpp"
#include "dataplane/frame/byte_order.hpp"
#include "platform/cycle_counter.hpp"
#include "ptp/sources.hpp"
#include "tests/support/full_house.hpp"

namespace gnomon::bench {
namespace {

// A worker rereads the clock page when it changes; ten times a second instead of a hundred costs it nothing less, and
// takes the generator's CPU away less often.
constexpr time::Duration kClockInterval = time::milliseconds(100);
constexpr std::uint16_t kAhead = 4;
constexpr std::uint64_t kLeadIn = 500'000;  // cycles: what was under way in the other way is through by then

platform::Endpoint endpoint() { return *platform::parse_endpoint("10.9.0.1:14666"); }

dataplane::dpdk::QueuePair pair_of(const dataplane::dpdk::Port& port) {
  return {.port = port.id(),
          .queue = 0,
          .station = {.mac = port.mac(),
                      .endpoints = {endpoint()},
                      .vlans = {},
                      .port_makes_checksums = port.makes_checksums(),
                      .port = 0}};
}

void swap_all(std::byte* frame) {
  std::array<std::byte, 6> mac;
  std::memcpy(mac.data(), frame, 6);
  std::memcpy(frame, frame + 6, 6);
  std::memcpy(frame + 6, mac.data(), 6);
  std::byte* const addresses = frame + frame::eth::kHeader + frame::ip4::kSource;
  frame::store_raw(addresses, std::rotl(frame::load_raw<std::uint64_t>(addresses), 32));
  std::byte* const ports = addresses + 8;
  frame::store_raw(ports, std::rotl(frame::load_raw<std::uint32_t>(ports), 16));
}

ptp::ClockThreadOptions clock_options() {
  ptp::ClockThreadOptions options;
  options.interval = kClockInterval;
  return options;
}

}  // namespace

ReflectServer::ReflectServer(const dataplane::dpdk::Port& port, rte_mempool* pool)
    : clock_(clock_options(), ptp::system_source(time::milliseconds(100)), *clock_page_),
      port_(port.id()),
      io_({pair_of(port)}, pool, dataplane::PollMode::kSpin, page_->counters) {
  policy_.auth = serve::AuthRule::kNever;
  pin_to(kGeneratorCpu);
  const auto started = clock_.start();
  pin_to(kServerCpu);
  if (!started) throw std::runtime_error(started.error().text);
  // As many machine ids as a worker may hold: the bench is about the handler, not about the capacity of one id.
  rights_.rights.write(support::all_machine_ids());
  server_ = std::make_unique<serve::Server>(support::all_layouts(), rights_, *page_, policy_);
  orders_.policy.store(&policy_, std::memory_order_relaxed);
  loop_ = std::make_unique<dataplane::WorkerLoop<dataplane::dpdk::PortIo, serve::Server>>(io_, *server_, *clock_page_,
                                                                                          orders_, page_->counters);
  ns_per_cycle_ = 1e9 / static_cast<double>(clock_.calibration().hz);
}

std::uint64_t ReflectServer::reflect() {
  std::array<rte_mbuf*, dataplane::dpdk::PortIo::kBurst> burst;
  const std::uint16_t n = rte_eth_rx_burst(port_, 0, burst.data(), burst.size());
  for (std::uint16_t i = 0; i < n; ++i) {
    if (i + kAhead < n) rte_prefetch0(rte_pktmbuf_mtod(burst[i + kAhead], void*));  // as the worker does
    swap_all(rte_pktmbuf_mtod(burst[i], std::byte*));
  }
  std::uint16_t sent = 0;
  for (int tries = 0; sent < n && tries < dataplane::dpdk::PortIo::kSendTries; ++tries)
    sent = static_cast<std::uint16_t>(
        sent + rte_eth_tx_burst(port_, 0, burst.data() + sent, static_cast<std::uint16_t>(n - sent)));
  if (sent < n) {
    rte_pktmbuf_free_bulk(burst.data() + sent, static_cast<unsigned>(n - sent));
    dropped_ += static_cast<std::uint64_t>(n - sent);
  }
  return n;
}

std::uint64_t ReflectServer::serve() {
  const std::uint64_t before = page_->counters.get(page::Counter::kReplies);
  loop_->turn();
  return page_->counters.get(page::Counter::kReplies) - before;
}

std::string ReflectServer::fault(bool peer_was_away) const {
  const std::uint64_t frames = count(page::Counter::kFrames);
  const std::uint64_t ids = count(page::Counter::kIds);
  const std::uint64_t unsent = count(page::Counter::kSendDropped) + count(page::Counter::kSendErrors);
  if (frames == ids && (peer_was_away || unsent + dropped_ == 0)) return {};
  return std::to_string(frames) + " requests got " + std::to_string(ids) + " IDs; " + std::to_string(unsent) +
         " replies and " + std::to_string(dropped_) + " reflections did not leave";
}

Slot ReflectServer::slot(bool raw, std::uint64_t cycles) {
  const std::uint64_t called = platform::read_cycles().count;
  while (platform::read_cycles().count - called < kLeadIn)
    (void)(raw ? reflect() : serve());
  Slot slot;
  const std::int64_t switches = involuntary_switches();
  const std::uint64_t begun = platform::read_cycles().count;
  std::uint64_t now = begun;
  while (now - begun < cycles) {
    const std::uint64_t before = now;
    const std::uint64_t served = raw ? reflect() : serve();
    now = platform::read_cycles().count;
    if (served == 0) continue;
    slot.requests += served;
    slot.busy_cycles += now - before;
    ++slot.busy_turns;
  }
  slot.cycles = now - begun;
  slot.disturbed = involuntary_switches() != switches;
  return slot;
}

}  // namespace gnomon::bench
