// SPDX-License-Identifier: Apache-2.0
#include "dataplane/kernel/kernel_pool.hpp"

#include <pthread.h>
#include <sched.h>

#include <cerrno>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "dataplane/kernel/burst_io.hpp"
#include "dataplane/kernel/udp_socket.hpp"
#include "dataplane/pooled_worker.hpp"

namespace gnomon::dataplane {
namespace {

using platform::SystemError;

tl::expected<std::vector<UdpSocket>, SystemError> open_sockets(const KernelPoolOptions& options,
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
std::vector<PoolWarning> refusals(const KernelPoolOptions& options, std::span<const UdpSocket> sockets) {
  std::vector<PoolWarning> warnings;
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
  return warnings;
}

bool pin(std::thread& thread, int cpu) {
  if (cpu < 0 || cpu >= CPU_SETSIZE) return false;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(static_cast<std::size_t>(cpu), &set);
  return pthread_setaffinity_np(thread.native_handle(), sizeof set, &set) == 0;
}

}  // namespace

struct KernelPool::Worker : PooledWorker<BurstIo> {
  using PooledWorker::PooledWorker;

  std::thread thread;
  std::optional<int> cpu;
};

KernelPool::KernelPool(std::shared_ptr<const serve::AccessPolicy> policy) : WorkerPool(std::move(policy)) {}

tl::expected<std::unique_ptr<KernelPool>, SystemError> KernelPool::open(
    const KernelPoolOptions& options, const page::ClockPage& clock, const page::RightsPage& rights,
    std::span<page::WorkerPage* const> pages, std::shared_ptr<const serve::AccessPolicy> policy) {
  if (std::string fault = fault_of(options, pages.size()); !fault.empty())
    return tl::make_unexpected(SystemError{EINVAL, std::move(fault)});
  std::unique_ptr<KernelPool> pool(new KernelPool(std::move(policy)));
  for (unsigned i = 0; i < options.workers; ++i) {
    auto sockets = open_sockets(options, pool->bound_, i == 0);
    if (!sockets) return tl::make_unexpected(std::move(sockets.error()));
    if (i == 0)
      for (PoolWarning& warning : refusals(options, *sockets))
        pool->warn(std::move(warning));
    const BurstIoOptions io_options{.poll = options.poll, .gso = options.gso};
    auto worker = std::make_unique<Worker>(options, WorkerPages{clock, rights.workers[i], *pages[i]}, pool->policy(),
                                           std::move(*sockets), io_options);
    if (!options.cpus.empty()) worker->cpu = options.cpus[i];
    pool->add_seat({&worker->page, &worker->orders});
    pool->workers_.push_back(std::move(worker));
  }
  return pool;
}

KernelPool::~KernelPool() { drain_and_stop(time::Duration{0}); }

tl::expected<void, SystemError> KernelPool::start() {
  if (started()) return tl::make_unexpected(SystemError{EALREADY, "cannot start the workers: they were started"});
  mark_started();
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
      warn({PoolWarning::Kind::kNotPinned, i,
            "worker " + std::to_string(i) + " could not be pinned to CPU " + std::to_string(*worker.cpu) +
                ": it is offline, absent, or not allowed to this process (taskset, cpuset); the worker runs unpinned"});
  }
  return {};
}

void KernelPool::join() {
  for (auto& worker : workers_)
    if (worker->thread.joinable()) worker->thread.join();
}

}  // namespace gnomon::dataplane
