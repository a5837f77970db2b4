// SPDX-License-Identifier: Apache-2.0
//
// The server of the reflect bench: one worker on one queue pair that serves as in production (WorkerLoop over PortIo
// and Server), or swaps MAC addresses, IP addresses and ports and sends the frame back, which is the least that any
// server could do. Both on one queue, in one thread, in turns of the caller's choice.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "dataplane/dpdk/port.hpp"
#include "dataplane/dpdk/port_io.hpp"
#include "dataplane/worker_loop.hpp"
#include "oracle/page/clock_page.hpp"
#include "oracle/page/rights_page.hpp"
#include "oracle/page/worker_page.hpp"
#include "oracle/serve/server.hpp"
#include "ptp/clock_thread.hpp"

namespace gnomon::bench {

struct Slot {
  std::uint64_t requests = 0;
  std::uint64_t cycles = 0;       // all of the slot's
  std::uint64_t busy_cycles = 0;  // of turns that brought something
  std::uint64_t busy_turns = 0;
  bool disturbed = false;  // the thread was switched out against its will
};

class ReflectServer {
 public:
  /// `port` is started with one queue pair and `pool`. Starts a clock thread on the generator's CPU, as a daemon keeps
  /// it off its workers' CPUs.
  ReflectServer(const dataplane::dpdk::Port& port, rte_mempool* pool);

  /// Serves, or reflects, for so many cycles, after a lead-in that is not counted.
  [[nodiscard]] Slot slot(bool raw, std::uint64_t cycles);
  /// One turn of the worker loop: how many requests were answered.
  std::uint64_t serve();

  /// What speaks against the figures: requests that got no ID and, unless the peer may have been away, frames that did
  /// not leave. Empty if nothing does.
  [[nodiscard]] std::string fault(bool peer_was_away) const;

  [[nodiscard]] double ns_per_cycle() const { return ns_per_cycle_; }
  [[nodiscard]] std::uint64_t count(page::Counter counter) const { return page_->counters.get(counter); }

 private:
  std::uint64_t reflect();

  std::unique_ptr<page::ClockPage> clock_page_ = std::make_unique<page::ClockPage>();
  std::unique_ptr<page::WorkerPage> page_ = std::make_unique<page::WorkerPage>();
  page::RightsRecord rights_;
  serve::AccessPolicy policy_;
  ptp::ClockThread clock_;
  dataplane::WorkerOrders orders_;
  std::uint16_t port_;
  dataplane::dpdk::PortIo io_;
  std::unique_ptr<serve::Server> server_;
  std::unique_ptr<dataplane::WorkerLoop<dataplane::dpdk::PortIo, serve::Server>> loop_;
  double ns_per_cycle_ = 0;
  std::uint64_t dropped_ = 0;  // reflections that a full queue did not take
};

}  // namespace gnomon::bench
