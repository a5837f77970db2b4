// SPDX-License-Identifier: Apache-2.0
//
// One worker of a pool: its way to the wire, its server, its loop, and the orders that it follows.
#pragma once

#include <pthread.h>
#include <sys/prctl.h>

#include <string>
#include <utility>

#include "dataplane/worker_loop.hpp"
#include "dataplane/worker_pool.hpp"
#include "oracle/page/clock_page.hpp"
#include "oracle/page/rights_page.hpp"
#include "oracle/page/worker_page.hpp"
#include "oracle/serve/server.hpp"

namespace gnomon::dataplane {

/// The pages that one worker reads and writes.
struct WorkerPages {
  const page::ClockPage& clock;
  const page::RightsRecord& rights;
  page::WorkerPage& own;
};

/// `Io` is constructed from `arguments` and the worker's counters. Neither copied nor moved: the loop refers to the
/// rest.
template <typename Io>
struct PooledWorker {
  template <typename... Arguments>
  PooledWorker(const WorkerPoolOptions& options, const WorkerPages& pages, const serve::AccessPolicy& policy,
               Arguments&&... arguments)
      : page(pages.own),
        io(std::forward<Arguments>(arguments)..., pages.own.counters),
        server(options.server, pages.rights, pages.own, policy),
        loop(io, server, pages.clock, with_policy(orders, policy), pages.own.counters) {}

  /// The whole life of its thread.
  void run(unsigned index) {
    pthread_setname_np(pthread_self(), ("gnomon-w" + std::to_string(index)).c_str());
    // Naps end when they should, not up to 50 us later: a parked request waits for the end of one.
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    loop.run();
  }

  page::WorkerPage& page;
  WorkerOrders orders;
  Io io;
  serve::Server server;
  WorkerLoop<Io, serve::Server> loop;

 private:
  static WorkerOrders& with_policy(WorkerOrders& orders, const serve::AccessPolicy& policy) {
    orders.policy.store(&policy, std::memory_order_release);  // pairs with the loop's follow_orders
    return orders;
  }
};

}  // namespace gnomon::dataplane
