// SPDX-License-Identifier: Apache-2.0
//
// The worker's loop, common to both I/O twins. To understand the data plane, read `turn`.
//
// A turn without requests is a turn all the same: rights are taken over and acknowledged in begin_burst, so an idle
// worker that slept until the next request would hold up every release. It naps for kMaxNap at most, and shorter when a
// parked request can go on earlier.
//
// `Io` brings and takes bytes (kernel/burst_io.hpp); `Step` decides (oracle/serve/server.hpp, or echo_step.hpp to
// measure what the rest costs). One thread runs the loop; WorkerOrders may be written by another.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

#include "oracle/page/clock_page.hpp"
#include "oracle/page/counters.hpp"
#include "oracle/serve/burst_time.hpp"
#include "oracle/serve/gate.hpp"
#include "oracle/serve/source.hpp"
#include "oracle/time/instant.hpp"
#include "platform/cycle_counter.hpp"

namespace gnomon::dataplane {

/// What a worker is told from outside; it looks after idle turns, and every few busy ones.
struct alignas(64) WorkerOrders {
  std::atomic<const serve::AccessPolicy*> policy{nullptr};
  std::atomic<std::int64_t> drain_limit_ns{0};
  std::atomic<bool> stop{false};  // stored last, released: drain_limit_ns is read after it
};

template <typename Io, typename Step>
class WorkerLoop {
 public:
  static constexpr time::Duration kMaxNap = time::milliseconds(5);
  static constexpr std::uint32_t kTurnsPerLook = 16;  // at a look-out for orders

  /// All of them outlive the loop. `orders.policy` is the one that `step` was made with.
  WorkerLoop(Io& io, Step& step, const page::ClockPage& clock, WorkerOrders& orders, page::Counters& counters)
      : io_(io),
        step_(step),
        clock_(clock),
        orders_(orders),
        counters_(counters),
        policy_(orders.policy.load(std::memory_order_acquire)) {}

  /// Returns once a stop was ordered and nothing is parked any more, or the limit for that has passed.
  void run() {
    while (!done())
      turn();
  }

  void turn() {
    const std::size_t received = io_.receive(std::min(step_.parked_wait(), kMaxNap));
    now_ = clock_.at(platform::read_cycles());  // once per burst, after it arrived
    if (clock_.met_a_younger_line(now_)) [[unlikely]]
      now_ = clock_.at(platform::read_cycles());
    step_.begin_burst(now_);

    answer_parked();  // who waited goes first
    io_.answer_burst([this](std::span<std::byte> datagram, const serve::Address& source,
                            const serve::ReturnPath& path) { return step_.answer(datagram, source, path); });
    answer_parked();  // and nobody waits for a nap; also completes the counters before the last replies leave
    io_.send();

    counters_.add(received != 0 ? page::Counter::kBursts : page::Counter::kIdlePolls);
    if (!clock_.fresh()) counters_.add(page::Counter::kClockReadRetries);
    if (received == 0 || ++turns_ % kTurnsPerLook == 0) follow_orders();
  }

 private:
  // What has no room left is answered in the next turn, which then doesn't nap; asked without room, the step answers
  // nobody, but completes the counters all the same.
  void answer_parked() {
    serve::ReturnPath path;
    while (true) {
      const std::size_t size = step_.next_parked(io_.parked_room(), path);
      if (size == 0) return;
      io_.send_parked(size, path);
    }
  }

  void follow_orders() {
    // Pairs with the release store of whoever gives the order.
    const serve::AccessPolicy* policy = orders_.policy.load(std::memory_order_acquire);
    if (policy != policy_) step_.use_policy(*policy);
    policy_ = policy;

    if (stopping_ || !orders_.stop.load(std::memory_order_acquire)) return;
    stopping_ = true;
    io_.stop_intake();
    const time::Duration limit{orders_.drain_limit_ns.load(std::memory_order_relaxed)};
    drain_until_ = time::saturating_add(now_.uptime, limit);
  }

  [[nodiscard]] bool done() const {
    if (!stopping_) return false;
    return (step_.parked() == 0 && !io_.has_leftovers()) || now_.uptime >= drain_until_;
  }

  Io& io_;
  Step& step_;
  serve::BurstClock clock_;
  WorkerOrders& orders_;
  page::Counters& counters_;
  const serve::AccessPolicy* policy_;
  serve::BurstTime now_;
  std::uint32_t turns_ = 0;
  bool stopping_ = false;
  time::Uptime drain_until_;
};

}  // namespace gnomon::dataplane
