// SPDX-License-Identifier: Apache-2.0
//
// The workers of a daemon, whichever way their answers leave: kernel sockets (kernel/kernel_pool.hpp) or DPDK ports
// (dpdk/port_pool.hpp). Here is what they have in common: the orders that workers follow, and when an access policy
// that was replaced may be freed.
//
// A worker shares nothing that it writes: its server, queues, buffers and page are its own. What others tell it is read
// from atomics once per turn.
//
// Thread rule: all functions from one thread (the daemon's main thread), but `ports`, which any thread may call.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "dataplane/poll_mode.hpp"
#include "dataplane/port_report.hpp"
#include "dataplane/worker_loop.hpp"
#include "oracle/page/rights_page.hpp"
#include "oracle/page/worker_page.hpp"
#include "oracle/serve/gate.hpp"
#include "oracle/serve/server.hpp"
#include "oracle/time/instant.hpp"
#include "platform/endpoint.hpp"
#include "platform/system_error.hpp"

namespace gnomon::dataplane {

struct WorkerPoolOptions {
  std::vector<platform::Endpoint> listen;
  unsigned workers = 1;   // 1 to page::kMaxWorkers
  std::vector<int> cpus;  // worker i runs on cpus[i]; empty: wherever the kernel likes
  PollMode poll = PollMode::kBlock;
  serve::ServerOptions server;
};

/// What is wrong with options that both kinds of pool have, or "".
[[nodiscard]] std::string fault_of(const WorkerPoolOptions& options, std::size_t pages);

/// Something that does not keep the pool from serving, but that its operator should know.
struct PoolWarning {
  enum class Kind : std::uint8_t {
    kNotPinned,           // a worker could not be bound to its CPU
    kSmallReceiveBuffer,  // the system grants less than was asked
    kNoGro,               // the kernel refuses UDP_GRO
    kNoBusyPoll,          // the kernel refuses SO_BUSY_POLL
    kPort,                // a DPDK port lacks something that it would be better with
  };
  Kind kind = Kind::kNotPinned;
  unsigned worker = 0;
  std::string text;  // complete sentence with the remedy
};

class WorkerPool {
 public:
  virtual ~WorkerPool() = default;
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// Starts one thread per worker, named gnomon-w0, gnomon-w1, ... Once.
  [[nodiscard]] virtual tl::expected<void, platform::SystemError> start() = 0;

  /// Every worker answers by the new policy from one of its next turns on (within about 5 ms).
  /// Waits up to 100 ms for all of them to say so (`policy_seen` in their pages); the old policy is
  /// freed after that, however long it takes. A policy whose version is not above the present one's
  /// gets the next number.
  void use_policy(std::shared_ptr<const serve::AccessPolicy> policy);

  /// No further request is taken in; those that are parked are answered, for at most `limit`; then
  /// the threads end. After it returns, the worker pages don't change any more. Idempotent.
  void drain_and_stop(time::Duration limit);

  /// Where the pool listens, in the order of `listen`: the real ports where 0 was asked.
  [[nodiscard]] virtual std::vector<platform::Endpoint> bound() const = 0;

  /// So far; those of pinning come with `start`.
  [[nodiscard]] const std::vector<PoolWarning>& warnings() const { return warnings_; }

  /// The DPDK ports; none with kernel sockets.
  [[nodiscard]] virtual std::vector<PortReport> ports() const { return {}; }

  /// To be called several times a second: what has happened to the ports since the last call, as sentences. The error
  /// says that nothing can be answered any more and that the daemon should end.
  [[nodiscard]] virtual tl::expected<std::vector<std::string>, platform::SystemError> look_after_ports() {
    return std::vector<std::string>{};
  }

 protected:
  /// What the pool has to know of a worker in order to tell it something.
  struct Seat {
    const page::WorkerPage* page = nullptr;
    WorkerOrders* orders = nullptr;
  };

  explicit WorkerPool(std::shared_ptr<const serve::AccessPolicy> policy);

  [[nodiscard]] const serve::AccessPolicy& policy() const { return *policy_; }
  void add_seat(const Seat& seat) { seats_.push_back(seat); }
  void warn(PoolWarning warning) { warnings_.push_back(std::move(warning)); }
  void mark_started() { started_ = true; }
  [[nodiscard]] bool started() const { return started_; }

 private:
  struct Retired {
    std::shared_ptr<const serve::AccessPolicy> policy;
    std::uint64_t until_seen = 0;  // free once every worker has seen this version
  };

  /// Returns once every worker has ended.
  virtual void join() = 0;
  [[nodiscard]] bool all_have_seen(std::uint64_t version) const;
  void free_retired();

  std::vector<PoolWarning> warnings_;
  std::shared_ptr<const serve::AccessPolicy> policy_;
  std::vector<Retired> retired_;
  std::vector<Seat> seats_;
  bool started_ = false;
};

}  // namespace gnomon::dataplane
