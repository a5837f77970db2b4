// SPDX-License-Identifier: Apache-2.0
//
// The worker threads of the kernel-socket twin: sockets, loops, their start and their end.
//
// Sharing one socket among threads makes them fight for its lock, so each worker has its own for
// every endpoint and the kernel spreads clients over them by flow (SO_REUSEPORT). That option also
// lets a second daemon of the same user join the port unnoticed and take half of the clients; so
// the first socket is bound without it, which fails if anybody else is there, and only then opened
// to the other workers.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include <tl/expected.hpp>

#include "dataplane/worker_pool.hpp"
#include "oracle/page/clock_page.hpp"
#include "oracle/page/rights_page.hpp"
#include "oracle/page/worker_page.hpp"

namespace gnomon::dataplane {

/// `listen` may have port 0: any free one, the same for all workers.
struct KernelPoolOptions : WorkerPoolOptions {
  unsigned busy_poll_us = 0;                 // SO_BUSY_POLL; 0: off
  bool gro = true;                           // take in whole trains of datagrams at once
  bool gso = true;                           // send them so
  unsigned receive_buffer_bytes = 4U << 20;  // per socket, as far as the system allows
  unsigned send_buffer_bytes = 4U << 20;
};

class KernelPool final : public WorkerPool {
 public:
  /// Binds all sockets; nothing is answered before `start`. `pages` has one page per worker; all
  /// pages must outlive the pool and are stamped by the caller.
  [[nodiscard]] static tl::expected<std::unique_ptr<KernelPool>, platform::SystemError> open(
      const KernelPoolOptions& options, const page::ClockPage& clock, const page::RightsPage& rights,
      std::span<page::WorkerPage* const> pages, std::shared_ptr<const serve::AccessPolicy> policy);

  /// Stops without draining if drain_and_stop was not called.
  ~KernelPool() override;

  [[nodiscard]] tl::expected<void, platform::SystemError> start() override;
  [[nodiscard]] std::vector<platform::Endpoint> bound() const override { return bound_; }

 private:
  struct Worker;

  explicit KernelPool(std::shared_ptr<const serve::AccessPolicy> policy);
  void join() override;

  std::vector<platform::Endpoint> bound_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace gnomon::dataplane
