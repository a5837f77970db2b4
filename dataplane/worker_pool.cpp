// SPDX-License-Identifier: Apache-2.0
#include "dataplane/worker_pool.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "dataplane/kernel/burst_io.hpp"
#include "dataplane/kernel/udp_socket.hpp"
#include "dataplane/worker_loop.hpp"

namespace gnomon::dataplane {
namespace {

using platform::SystemError;

constexpr int kPolicyWaits = 100;
constexpr auto kPolicyWait = std::chrono::milliseconds(1);

tl::expected<void, SystemError> check(const WorkerPoolOptions& options, std::size_t pages) {
  const auto refuse = [](std::string text) { return tl::make_unexpected(SystemError{EINVAL, std::move(text)}); };
  if (options.listen.empty())
    return refuse("cannot serve: no listen address is given; name one, such as 127.0.0.1:14666");
  if (options.workers == 0 || options.workers > page::kMaxWorkers)
    return refuse("cannot start " + std::to_string(options.workers) + " workers: 1 to " +
                  std::to_string(page::kMaxWorkers) + " are possible");
  if (!options.cpus.empty() && options.cpus.size() < options.workers)
    return refuse("cannot pin " + std::to_string(options.workers) + " workers to " +
                  std::to_string(options.cpus.size()) + " CPUs: name one for each, or none");
  if (pages < options.workers)
    return refuse("cannot start " + std::to_string(options.workers) + " workers with " + std::to_string(pages) +
                  " worker pages");
  return {};
}

tl::expected<std::vector<UdpSocket>, SystemError> open_sockets(const WorkerPoolOptions& options,
                                                               std::vector<platform::Endpoint>& bound, bool first) {
  const UdpSocketOptions socket_options{.receive_buffer_bytes = options.receive_buffer_bytes,
                                        .send_buffer_bytes = options.send_buffer_bytes,
                                        .gro = options.gro,
                                        .busy_poll_us = options.busy_poll_us};
  const PortSharing sharing = options.workers == 1 ? PortSharing::kAlone
                              : first              ? PortSharing::kFirst
                                                   : PortSharing::kJoin;
  std::vector<UdpSocket> sockets;
  for (std::size_t i = 0; i < options.listen.size(); ++i) {
    auto socket = UdpSocket::bind(first ? options.listen[i] : bound[i], sharing, socket_options);
    if (!socket) return tl::make_unexpected(std::move(socket.error()));
    if (first) bound.push_back(socket->local());
    sockets.push_back(std::move(*socket));
  }
  return sockets;
}

// What the kernel did not grant to a worker's sockets. All workers' are alike, so the first one's are reported.
void note_refusals(const WorkerPoolOptions& options, std::span<const UdpSocket> sockets,
                   std::vector<PoolWarning>& warnings) {
  for (const UdpSocket& socket : sockets) {
    const std::string name = platform::to_string(socket.local());
    if (socket.receive_buffer_bytes() < options.receive_buffer_bytes)
      warnings.push_back({PoolWarning::Kind::kSmallReceiveBuffer, 0,
                          "the receive buffer of " + name + " holds " + std::to_string(socket.receive_buffer_bytes()) +
                              " bytes instead of " + std::to_string(options.receive_buffer_bytes) +
                              ": bursts beyond it are lost; raise sysctl net.core.rmem_max"});
    if (options.gro && !socket.gro())
      warnings.push_back({PoolWarning::Kind::kNoGro, 0,
                          "the kernel does not join datagrams for " + name +
                              " (UDP_GRO): each costs a receive of its own; use Linux 5.0 or later"});
    if (options.busy_poll_us != 0 && !socket.busy_poll())
      warnings.push_back(
          {PoolWarning::Kind::kNoBusyPoll, 0,
           "the kernel refuses busy polling for " + name + " (SO_BUSY_POLL): grant CAP_NET_ADMIN, or leave it off"});
  }
}

bool pin(std::thread& thread, int cpu) {
  if (cpu < 0 || cpu >= CPU_SETSIZE) return false;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  return pthread_setaffinity_np(thread.native_handle(), sizeof set, &set) == 0;
}

// Without a version of its own a policy's acknowledgement could be taken for that of an older one.
std::shared_ptr<const serve::AccessPolicy> with_version_above(std::shared_ptr<const serve::AccessPolicy> policy,
                                                              std::uint64_t version) {
  if (policy->version > version) return policy;
  auto copy = std::make_shared<serve::AccessPolicy>(*policy);
  copy->version = version + 1;
  return copy;
}

}  // namespace

struct WorkerPool::Worker {
  Worker(std::vector<UdpSocket> sockets, const WorkerPoolOptions& options, const page::ClockPage& clock,
         const page::RightsRecord& rights, page::WorkerPage& worker_page, const serve::AccessPolicy& policy)
      : page(worker_page),
        io(std::move(sockets), {.poll = options.poll, .gso = options.gso}, worker_page.counters),
        server(options.server, rights, worker_page, policy),
        loop(io, server, clock, give_policy(policy), worker_page.counters) {}

  WorkerOrders& give_policy(const serve::AccessPolicy& policy) {
    orders.policy.store(&policy, std::memory_order_release);  // pairs with the loop's follow_orders
    return orders;
  }
  void run(unsigned index) {
    pthread_setname_np(pthread_self(), ("gnomon-w" + std::to_string(index)).c_str());
    // Naps end when they should, not up to 50 us later: a parked request waits for the end of one.
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    loop.run();
  }

  page::WorkerPage& page;
  WorkerOrders orders;
  BurstIo io;
  serve::Server server;
  WorkerLoop<BurstIo, serve::Server> loop;
  std::thread thread;
  std::optional<int> cpu;
};

tl::expected<std::unique_ptr<WorkerPool>, SystemError> WorkerPool::open(
    const WorkerPoolOptions& options, const page::ClockPage& clock, const page::RightsPage& rights,
    std::span<page::WorkerPage* const> pages, std::shared_ptr<const serve::AccessPolicy> policy) {
  if (auto checked = check(options, pages.size()); !checked) return tl::make_unexpected(std::move(checked.error()));
  std::unique_ptr<WorkerPool> pool(new WorkerPool);
  pool->policy_ = std::move(policy);
  for (unsigned i = 0; i < options.workers; ++i) {
    auto sockets = open_sockets(options, pool->bound_, i == 0);
    if (!sockets) return tl::make_unexpected(std::move(sockets.error()));
    if (i == 0) note_refusals(options, *sockets, pool->warnings_);
    pool->workers_.push_back(
        std::make_unique<Worker>(std::move(*sockets), options, clock, rights.workers[i], *pages[i], *pool->policy_));
    if (!options.cpus.empty()) pool->workers_.back()->cpu = options.cpus[i];
  }
  return pool;
}

WorkerPool::~WorkerPool() { drain_and_stop(time::Duration{0}); }

tl::expected<void, SystemError> WorkerPool::start() {
  if (started_) return tl::make_unexpected(SystemError{EALREADY, "cannot start the workers: they were started"});
  started_ = true;
  for (unsigned i = 0; i < workers_.size(); ++i) {
    Worker& worker = *workers_[i];
    try {
      worker.thread = std::thread([&worker, i] { worker.run(i); });
    } catch (const std::system_error& error) {
      drain_and_stop(time::Duration{0});
      return tl::make_unexpected(
          platform::system_error("start worker thread " + std::to_string(i), error.code().value()));
    }
    if (worker.cpu && !pin(worker.thread, *worker.cpu))
      warnings_.push_back({PoolWarning::Kind::kNotPinned, i,
                           "worker " + std::to_string(i) + " could not be pinned to CPU " +
                               std::to_string(*worker.cpu) +
                               ": it is offline, absent, or not allowed to this process (taskset, "
                               "cpuset); the worker runs unpinned"});
  }
  return {};
}

void WorkerPool::use_policy(std::shared_ptr<const serve::AccessPolicy> policy) {
  policy = with_version_above(std::move(policy), policy_->version);
  for (auto& worker : workers_)
    worker->give_policy(*policy);
  const std::uint64_t version = policy->version;
  retired_.push_back({std::exchange(policy_, std::move(policy)), version});
  for (int i = 0; started_ && i < kPolicyWaits && !all_have_seen(version); ++i)
    std::this_thread::sleep_for(kPolicyWait);
  free_retired();
}

bool WorkerPool::all_have_seen(std::uint64_t version) const {
  return std::all_of(workers_.begin(), workers_.end(), [version](const auto& worker) {
    // Pairs with the release store of Server::use_policy: the older policy is no longer read.
    return worker->page.policy_seen.load(std::memory_order_acquire) >= version;
  });
}

void WorkerPool::free_retired() {
  std::erase_if(retired_, [this](const Retired& r) { return all_have_seen(r.until_seen); });
}

void WorkerPool::drain_and_stop(time::Duration limit) {
  for (auto& worker : workers_) {
    worker->orders.drain_limit_ns.store(limit.ns, std::memory_order_relaxed);
    worker->orders.stop.store(true, std::memory_order_release);  // pairs with follow_orders
  }
  for (auto& worker : workers_)
    if (worker->thread.joinable()) worker->thread.join();
}

std::vector<platform::Endpoint> WorkerPool::bound() const { return bound_; }

}  // namespace gnomon::dataplane
