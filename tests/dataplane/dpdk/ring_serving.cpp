// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/dpdk/ring_serving.hpp"

#include <stdexcept>
#include <utility>

#include "dataplane/dpdk/device.hpp"
#include "dataplane/dpdk/eal.hpp"
#include "dataplane/dpdk/port.hpp"

namespace gnomon::test {
namespace {

using page::Counter;

template <typename T>
T or_throw(tl::expected<T, platform::SystemError> result) {
  if (!result) throw std::runtime_error(result.error().text);
  return std::move(*result);
}

constexpr unsigned kHeldReady = 1;

support::Mac mac_of_wire(std::size_t i) {
  support::Mac mac = kServerMac;
  mac[4] = static_cast<std::uint8_t>(i);
  return mac;
}

}  // namespace

RingServing::RingServing(const RingOptions& options) : workers_(options.pool.workers), desk_(options.pool.workers) {
  auto open = std::make_unique<dataplane::dpdk::OpenPorts>();
  open->options = port_options(folder_);
  open->options.workers = workers_;
  open->options.vlans = options.vlans;
  open->usable_workers = workers_;
  open->eal = or_throw(dataplane::dpdk::Eal::start(open->options));
  for (std::size_t i = 0; i < options.wires; ++i) {
    wires_.emplace_back(Wire::Options{.name = "wire" + std::to_string(i),
                                      .queues = workers_,
                                      .ring_size = options.ring_size,
                                      .send_ring_size = options.send_ring_size,
                                      .mac = mac_of_wire(i)});
    open->ports.push_back(
        or_throw(dataplane::dpdk::Port::open(dataplane::dpdk::parse_device(wires_.back().device()), *open->eal)));
  }
  pool_ =
      or_throw(dataplane::dpdk::PortPool::open(std::move(open), options.pool, desk_.clock(), desk_.rights(),
                                               desk_.pages(), std::make_shared<serve::AccessPolicy>(options.policy)));
  std::vector<rte_mempool*> pools;
  for (unsigned i = 0; i < workers_; ++i) {
    pools.push_back(rte_mempool_lookup(("gnomon-w" + std::to_string(i)).c_str()));
    if (pools.back() == nullptr) throw std::runtime_error("the pool of a worker has another name than it had");
  }
  for (Wire& wire : wires_)
    wire.take_buffers_from(pools);
  or_throw(pool_->start().map([] { return true; }));
  if (!eventually([&] {
        for (unsigned i = 0; i < workers_; ++i)
          if (!desk_.acknowledged(i)) return false;
        return true;
      }))
    throw std::runtime_error("the workers do not take over their rights");
}

RingServing::~RingServing() {
  if (!pool_) return;
  pool_->drain_and_stop(time::Duration{0});
  for (Wire& wire : wires_)
    (void)wire.sweep();
}

bool RingServing::all_buffers_back() const {
  return eventually([&] {
    for (unsigned i = 0; i < workers_; ++i)
      if (pool_->buffers(i).free + kHeldReady != pool_->buffers(i).all) return false;
    return true;
  });
}

std::string RingServing::buffers_text() const {
  std::string text;
  for (unsigned i = 0; i < workers_; ++i)
    text += "worker " + std::to_string(i) + ": " + std::to_string(pool_->buffers(i).free) + " of " +
            std::to_string(pool_->buffers(i).all) + " buffers are free; ";
  return text;
}

std::int64_t RingServing::unaccounted(unsigned worker) const { return unaccounted_frames(desk_.page(worker).counters); }

std::int64_t unaccounted_frames(const page::Counters& counters) {
  std::uint64_t known = 0;
  for (const Counter counter : {Counter::kDatagrams, Counter::kArpReplies, Counter::kNdpReplies, Counter::kEchoReplies,
                                Counter::kAddressConflicts})
    known += counters.get(counter);
  for (auto i = static_cast<std::size_t>(Counter::kDropFrameLength); i <= static_cast<std::size_t>(Counter::kDropNdp);
       ++i)
    known += counters.get(static_cast<Counter>(i));
  return static_cast<std::int64_t>(counters.get(Counter::kFrames) - known);
}

}  // namespace gnomon::test
