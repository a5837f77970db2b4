// SPDX-License-Identifier: Apache-2.0
//
// The worker threads of the kernel-socket twin: sockets, loops, their start and their end.
//
// Sharing one socket among threads makes them fight for its lock, so each worker has its own for
// every endpoint and the kernel spreads clients over them by flow (SO_REUSEPORT). That option also
// lets a second daemon of the same user join the port unnoticed and take half of the clients; so
// the first socket is bound without it, which fails if anybody else is there, and only then opened
// to the other workers.
//
// A worker shares nothing that it writes: its server, sockets, buffers and page are its own. What
// others tell it is read from atomics once per turn.
//
// Thread rule: all functions from one thread (the daemon's main thread).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "dataplane/poll_mode.hpp"
#include "oracle/page/clock_page.hpp"
#include "oracle/page/rights_page.hpp"
#include "oracle/page/worker_page.hpp"
#include "oracle/serve/gate.hpp"
#include "oracle/serve/server.hpp"
#include "oracle/time/instant.hpp"
#include "platform/endpoint.hpp"
#include "platform/system_error.hpp"

namespace gnomon::dataplane {

struct WorkerPoolOptions {
  std::vector<platform::Endpoint> listen;  // port 0: any free one, the same for all workers
  unsigned workers = 1;                    // 1 to page::kMaxWorkers
  std::vector<int> cpus;                   // worker i runs on cpus[i]; empty: wherever the kernel likes
  PollMode poll = PollMode::kBlock;
  unsigned busy_poll_us = 0;                 // SO_BUSY_POLL; 0: off
  bool gro = true;                           // take in whole trains of datagrams at once
  bool gso = true;                           // send them so
  unsigned receive_buffer_bytes = 4U << 20;  // per socket, as far as the system allows
  unsigned send_buffer_bytes = 4U << 20;
  serve::ServerOptions server;
};

/// Something that does not keep the pool from serving, but that its operator should know.
struct PoolWarning {
  enum class Kind : std::uint8_t {
    kNotPinned,           // a worker could not be bound to its CPU
    kSmallReceiveBuffer,  // the system grants less than was asked
    kNoGro,               // the kernel refuses UDP_GRO
    kNoBusyPoll,          // the kernel refuses SO_BUSY_POLL
  };
  Kind kind = Kind::kNotPinned;
  unsigned worker = 0;
  std::string text;  // complete sentence with the remedy
};

class WorkerPool {
 public:
  /// Binds all sockets; nothing is answered before `start`. `pages` has one page per worker; all
  /// pages must outlive the pool and are stamped by the caller.
  [[nodiscard]] static tl::expected<std::unique_ptr<WorkerPool>, platform::SystemError> open(
      const WorkerPoolOptions& options, const page::ClockPage& clock, const page::RightsPage& rights,
      std::span<page::WorkerPage* const> pages, std::shared_ptr<const serve::AccessPolicy> policy);

  /// Stops without draining if drain_and_stop was not called.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// Starts one thread per worker, named gnomon-w0, gnomon-w1, ... Once.
  [[nodiscard]] tl::expected<void, platform::SystemError> start();

  /// Every worker answers by the new policy from one of its next turns on (within about 5 ms).
  /// Waits up to 100 ms for all of them to say so (`policy_seen` in their pages); the old policy is
  /// freed after that, however long it takes. A policy whose version is not above the present one's
  /// gets the next number.
  void use_policy(std::shared_ptr<const serve::AccessPolicy> policy);

  /// No further request is taken in; those that are parked are answered, for at most `limit`; then
  /// the threads end. After it returns, the worker pages don't change any more. Idempotent.
  void drain_and_stop(time::Duration limit);

  /// Where the pool listens, in the order of `listen`: the real ports where 0 was asked.
  [[nodiscard]] std::vector<platform::Endpoint> bound() const;

  /// So far; those of pinning come with `start`.
  [[nodiscard]] const std::vector<PoolWarning>& warnings() const { return warnings_; }

 private:
  struct Worker;
  struct Retired {
    std::shared_ptr<const serve::AccessPolicy> policy;
    std::uint64_t until_seen = 0;  // free once every worker has seen this version
  };

  WorkerPool() = default;
  [[nodiscard]] bool all_have_seen(std::uint64_t version) const;
  void free_retired();

  std::vector<platform::Endpoint> bound_;
  std::vector<PoolWarning> warnings_;
  std::shared_ptr<const serve::AccessPolicy> policy_;
  std::vector<Retired> retired_;
  std::vector<std::unique_ptr<Worker>> workers_;
  bool started_ = false;
};

}  // namespace gnomon::dataplane
