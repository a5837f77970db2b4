// SPDX-License-Identifier: Apache-2.0
#include "dataplane/dpdk/port_pool.hpp"

#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_version.h>
#include <time.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <utility>

#include "dataplane/dpdk/device.hpp"
#include "dataplane/dpdk/telemetry.hpp"

namespace gnomon::dataplane::dpdk {
namespace {

using platform::SystemError;

constexpr unsigned kPoolCache = 256;  // buffers that an lcore keeps for itself
// RFC 5227, 2.3: an announcement is made twice, two seconds apart.
constexpr time::Duration kAnnounceAgainAfter = time::seconds(2);

time::Uptime uptime() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return {std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec};
}

// What the queues may hold, and what the worker and its cache do.
unsigned pool_size(unsigned queued) {
  const unsigned wanted = queued + 2 * PortIo::kBurst + PortIo::kParkedReplies + kPoolCache * 2;
  return std::bit_ceil(wanted + 1) - 1;  // a pool wastes least at 2^n - 1
}

}  // namespace

std::string OpenPorts::description() const {
  std::string version = rte_version();  // "DPDK 22.11.11"
  std::transform(version.begin(), version.begin() + 4, version.begin(),
                 [](char c) { return static_cast<char>(c | 0x20); });
  return version + (eal->huge_pages() ? ", huge pages" : ", ordinary memory");
}

struct PortPool::Worker : PooledWorker<PortIo> {
  using PooledWorker::PooledWorker;

  unsigned index = 0;
  unsigned lcore = 0;
  bool launched = false;

  static int run_on_lcore(void* self) {
    auto& worker = *static_cast<Worker*>(self);
    worker.run(worker.index);
    return 0;
  }
};

PortPool::PortPool(std::unique_ptr<OpenPorts> ports, std::vector<platform::Endpoint> listen,
                   std::shared_ptr<const serve::AccessPolicy> policy)
    : WorkerPool(std::move(policy)),
      eal_(std::move(ports->eal)),
      options_(std::move(ports->options)),
      listen_(std::move(listen)),
      ports_(std::move(ports->ports)),
      announce_again_(ports_.size(), time::Uptime{0}) {}

PortPool::~PortPool() {
  withdraw_telemetry(*this);
  drain_and_stop(time::Duration{0});
  workers_.clear();
  ports_.clear();
}

tl::expected<std::unique_ptr<PortPool>, SystemError> PortPool::open(std::unique_ptr<OpenPorts> ports,
                                                                    const WorkerPoolOptions& options,
                                                                    const page::ClockPage& clock,
                                                                    const page::RightsPage& rights,
                                                                    std::span<page::WorkerPage* const> pages,
                                                                    std::shared_ptr<const serve::AccessPolicy> policy) {
  if (std::string fault = fault_of(options, pages.size()); !fault.empty())
    return tl::make_unexpected(SystemError{EINVAL, std::move(fault)});
  if (options.workers > ports->workers())
    return tl::make_unexpected(SystemError{EINVAL, "cannot start " + std::to_string(options.workers) +
                                                       " workers: the devices have queues for " +
                                                       std::to_string(ports->workers())});
  std::unique_ptr<PortPool> pool(new PortPool(std::move(ports), options.listen, std::move(policy)));
  if (auto made = pool->make_pools(options.workers); !made) return tl::make_unexpected(std::move(made.error()));
  std::vector<rte_mempool*> pools;
  for (const Pool& entry : pool->pools_)
    pools.push_back(entry.get());
  for (const auto& port : pool->ports_) {
    if (auto started = port->start(pool->options_, options.listen, pools, *pool->eal_); !started)
      return tl::make_unexpected(std::move(started.error()));
    for (const std::string& remark : port->remarks())
      pool->warn({PoolWarning::Kind::kPort, 0, remark});
  }
  for (unsigned i = 0; i < options.workers; ++i) {
    auto worker = std::make_unique<Worker>(options, WorkerPages{clock, rights.workers[i], *pages[i]}, pool->policy(),
                                           pool->queue_pairs(i), pools[i], options.poll);
    worker->index = i;
    worker->lcore = pool->eal_->lcores()[i];
    pool->add_seat({&worker->page, &worker->orders});
    pool->workers_.push_back(std::move(worker));
  }
  return pool;
}

tl::expected<void, SystemError> PortPool::make_pools(unsigned workers) {
  unsigned queued = 0;
  for (const auto& port : ports_) {
    const auto descriptors = port->descriptors(options_);
    if (!descriptors) return tl::make_unexpected(descriptors.error());
    queued += descriptors->rx + descriptors->tx;
  }
  const unsigned size = pool_size(queued);
  const int node = ports_.front()->numa_node();
  for (unsigned i = 0; i < workers; ++i) {
    const std::string name = "gnomon-w" + std::to_string(i);
    pools_.emplace_back(rte_pktmbuf_pool_create(name.c_str(), size, kPoolCache, 0, RTE_MBUF_DEFAULT_BUF_SIZE, node));
    if (pools_.back() != nullptr) continue;
    const int code = rte_errno;
    const std::size_t mb = std::size_t{size} * (RTE_MBUF_DEFAULT_BUF_SIZE + 256) * workers >> 20;
    return tl::make_unexpected(SystemError{
        code,
        platform::system_error("take " + std::to_string(size) + " buffers for worker " + std::to_string(i), code).text +
            "; all workers' take about " + std::to_string(mb) +
            " MB: raise dpdk.memory_mb, or lower dpdk.rx_descriptors and dpdk.tx_descriptors"});
  }
  return {};
}

std::vector<QueuePair> PortPool::queue_pairs(unsigned worker) const {
  std::vector<QueuePair> out;
  out.reserve(ports_.size());
  for (const auto& port : ports_)
    out.push_back({.port = port->id(),
                   .queue = static_cast<std::uint16_t>(worker),
                   .station = {.mac = port->mac(),
                               .endpoints = listen_,
                               .vlans = options_.vlans,
                               .port_makes_checksums = port->makes_checksums(),
                               .port = static_cast<std::uint32_t>(out.size())}});
  return out;
}

tl::expected<void, SystemError> PortPool::start() {
  if (started()) return tl::make_unexpected(SystemError{EALREADY, "cannot start the workers: they were started"});
  mark_started();
  for (const auto& worker : workers_) {
    if (const int code = rte_eal_remote_launch(&Worker::run_on_lcore, worker.get(), worker->lcore); code != 0) {
      drain_and_stop(time::Duration{0});
      return tl::make_unexpected(platform::system_error(
          "start worker " + std::to_string(worker->index) + " on lcore " + std::to_string(worker->lcore), -code));
    }
    worker->launched = true;
  }
  offer_telemetry(*this);
  return {};
}

void PortPool::join() {
  for (const auto& worker : workers_) {
    if (worker->launched) (void)rte_eal_wait_lcore(worker->lcore);
    worker->launched = false;
  }
}

std::vector<PortReport> PortPool::ports() const {
  std::vector<PortReport> out;
  out.reserve(ports_.size());
  for (const auto& port : ports_)
    out.push_back(port->report(static_cast<std::uint32_t>(out.size())));
  return out;
}

PortPool::Buffers PortPool::buffers(unsigned worker) const {
  const rte_mempool* const pool = pools_[worker].get();
  return {.all = pool->size, .free = rte_mempool_avail_count(pool)};
}

const page::Counters& PortPool::counters(unsigned worker) const { return workers_[worker]->page.counters; }

tl::expected<std::vector<std::string>, SystemError> PortPool::look_after_ports() {
  const time::Uptime now = uptime();
  std::vector<std::string> news;
  bool any_left = false;
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    Port& port = *ports_[i];
    const bool changed = port.look();
    any_left = any_left || port.state() != Port::State::kGone;
    if (!changed) continue;
    switch (port.state()) {
      case Port::State::kUp:
        news.push_back("port " + port.name() + " is up");
        announce_again_[i] = now;
        announced_.erase(i);
        break;
      case Port::State::kDown: news.push_back("port " + port.name() + " has lost its link"); break;
      case Port::State::kGone:
        news.push_back("port " + port.name() +
                       " has gone: its device was removed; a restart opens it again once it is back");
        for (const auto& worker : workers_)
          worker->io.give_up(i);
        break;
    }
  }
  announce(now);
  if (any_left) return news;
  return tl::make_unexpected(SystemError{
      ENODEV, "no port is left: every device of dpdk.devices was removed; bring one back and start gnomond again"});
}

// The first worker does it: one transmit queue is enough, and it has one owner.
void PortPool::announce(time::Uptime now) {
  for (std::size_t i = 0; i < ports_.size(); ++i) {
    if (ports_[i]->state() != Port::State::kUp || now < announce_again_[i]) continue;
    const bool first = announced_.insert(i).second;
    workers_.front()->io.order_announcements(i);
    announce_again_[i] = first ? now + kAnnounceAgainAfter : time::Uptime::max();
    if (!first) announced_.erase(i);
  }
}

}  // namespace gnomon::dataplane::dpdk

namespace gnomon::dataplane {

tl::expected<std::unique_ptr<Ports>, platform::SystemError> Ports::open(const PortOptions& options) {
  using namespace dpdk;
  auto out = std::make_unique<OpenPorts>();
  out->options = options;
  auto eal = Eal::start(options);
  if (!eal) return tl::make_unexpected(std::move(eal.error()));
  out->eal = std::move(*eal);
  out->notes = out->eal->remarks();
  out->usable_workers = options.workers;
  for (const std::string& text : options.devices) {
    auto port = Port::open(parse_device(text), *out->eal);
    if (!port) return tl::make_unexpected(std::move(port.error()));
    const unsigned queues = (*port)->max_queues();
    if (queues < options.workers)
      out->notes.push_back("port " + (*port)->name() + " has " + std::to_string(queues) + " queue pairs for " +
                           std::to_string(options.workers) + " workers: " + std::to_string(queues) +
                           (queues == 1 ? " worker is" : " workers are") +
                           " started; lower workers.count, or use a device with more queues");
    out->usable_workers = std::min(out->usable_workers, queues);
    out->ports.push_back(std::move(*port));
  }
  out->eal->leave_cpus(options, out->usable_workers);
  return out;
}

tl::expected<std::unique_ptr<WorkerPool>, platform::SystemError> Ports::make_pool(
    std::unique_ptr<Ports> ports, const WorkerPoolOptions& options, const page::ClockPage& clock,
    const page::RightsPage& rights, std::span<page::WorkerPage* const> pages,
    std::shared_ptr<const serve::AccessPolicy> policy) {
  std::unique_ptr<dpdk::OpenPorts> open(static_cast<dpdk::OpenPorts*>(ports.release()));  // `open` makes no others
  return dpdk::PortPool::open(std::move(open), options, clock, rights, pages, std::move(policy));
}

}  // namespace gnomon::dataplane
