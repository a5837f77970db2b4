// SPDX-License-Identifier: Apache-2.0
#include "dataplane/worker_pool.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

namespace gnomon::dataplane {
namespace {

constexpr int kPolicyWaits = 100;
constexpr auto kPolicyWait = std::chrono::milliseconds(1);

// Without a version of its own a policy's acknowledgement could be taken for that of an older one.
std::shared_ptr<const serve::AccessPolicy> with_version_above(std::shared_ptr<const serve::AccessPolicy> policy,
                                                              std::uint64_t version) {
  if (policy->version > version) return policy;
  auto copy = std::make_shared<serve::AccessPolicy>(*policy);
  copy->version = version + 1;
  return copy;
}

}  // namespace

std::string fault_of(const WorkerPoolOptions& options, std::size_t pages) {
  if (options.listen.empty()) return "cannot serve: no listen address is given; name one, such as 127.0.0.1:14666";
  if (options.workers == 0 || options.workers > page::kMaxWorkers)
    return "cannot start " + std::to_string(options.workers) + " workers: 1 to " + std::to_string(page::kMaxWorkers) +
           " are possible";
  if (!options.cpus.empty() && options.cpus.size() < options.workers)
    return "cannot pin " + std::to_string(options.workers) + " workers to " + std::to_string(options.cpus.size()) +
           " CPUs: name one for each, or none";
  if (pages < options.workers)
    return "cannot start " + std::to_string(options.workers) + " workers with " + std::to_string(pages) +
           " worker pages";
  return {};
}

WorkerPool::WorkerPool(std::shared_ptr<const serve::AccessPolicy> policy) : policy_(std::move(policy)) {}

void WorkerPool::use_policy(std::shared_ptr<const serve::AccessPolicy> policy) {
  policy = with_version_above(std::move(policy), policy_->version);
  for (const Seat& seat : seats_)
    seat.orders->policy.store(policy.get(), std::memory_order_release);  // pairs with the loop's follow_orders
  const std::uint64_t version = policy->version;
  retired_.push_back({std::exchange(policy_, std::move(policy)), version});
  for (int i = 0; started_ && i < kPolicyWaits && !all_have_seen(version); ++i)
    std::this_thread::sleep_for(kPolicyWait);
  free_retired();
}

bool WorkerPool::all_have_seen(std::uint64_t version) const {
  return std::all_of(seats_.begin(), seats_.end(), [version](const Seat& seat) {
    // Pairs with the release store of Server::use_policy: the older policy is no longer read.
    return seat.page->policy_seen.load(std::memory_order_acquire) >= version;
  });
}

void WorkerPool::free_retired() {
  std::erase_if(retired_, [this](const Retired& r) { return all_have_seen(r.until_seen); });
}

void WorkerPool::drain_and_stop(time::Duration limit) {
  for (const Seat& seat : seats_) {
    seat.orders->drain_limit_ns.store(limit.ns, std::memory_order_relaxed);
    seat.orders->stop.store(true, std::memory_order_release);  // pairs with follow_orders
  }
  join();
}

}  // namespace gnomon::dataplane
