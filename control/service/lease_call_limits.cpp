// SPDX-License-Identifier: Apache-2.0
#include "control/service/lease_call_limits.hpp"

#include <algorithm>

namespace gnomon::control {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;

}  // namespace

tl::expected<std::unique_ptr<LeaseCallLimiter::Permit>, std::string> LeaseCallLimiter::admit(
    const std::string& principal, const std::string& address, time::Uptime now, bool is_watch) {
  const std::lock_guard lock(mutex_);
  const auto open = open_.find(principal);
  if (open != open_.end() && open->second >= limits_.calls_at_once)
    return tl::make_unexpected("'" + principal + "' has " + std::to_string(limits_.calls_at_once) +
                               " lease calls open, as many as one client may; wait for some of them to be answered");
  const auto watching = watching_.find(principal);
  if (is_watch && watching != watching_.end() && watching->second >= limits_.watches_at_once)
    return tl::make_unexpected("'" + principal + "' has " + std::to_string(limits_.watches_at_once) +
                               " watches of leases open, as many as one client may; end some, or let one watch serve "
                               "several readers");
  // A principal has no space, so the two can't run into each other.
  if (!take_token(principal + ' ' + address, now))
    return tl::make_unexpected("'" + principal + "' makes more than " + std::to_string(limits_.calls_per_second) +
                               " lease calls a second, as many as one client may; ask less often: one renewal keeps "
                               "all leases of a session");
  ++open_[principal];
  if (is_watch) ++watching_[principal];
  return std::make_unique<Permit>(*this, principal, is_watch);
}

bool LeaseCallLimiter::take_token(const std::string& key, time::Uptime now) {
  const std::int64_t cost = kSecond / std::max<std::int64_t>(limits_.calls_per_second, 1);
  const std::int64_t most = cost * std::max<std::int64_t>(limits_.burst, 1);
  if (const auto at = bucket_of_.find(key); at != bucket_of_.end()) {
    buckets_.splice(buckets_.begin(), buckets_, at->second);
  } else {
    if (buckets_.size() >= std::max<std::size_t>(limits_.most_known, 1)) {
      bucket_of_.erase(buckets_.back().key);
      buckets_.pop_back();
    }
    buckets_.push_front({key, most, now});
    bucket_of_.emplace(key, buckets_.begin());
  }
  Bucket& bucket = buckets_.front();
  if (now > bucket.filled_at) {
    const std::int64_t passed = std::min((now - bucket.filled_at).ns, most);
    bucket.credit_ns = std::min(bucket.credit_ns + passed, most);
    bucket.filled_at = now;
  }
  if (bucket.credit_ns < cost) return false;
  bucket.credit_ns -= cost;
  return true;
}

void LeaseCallLimiter::leave(const std::string& principal, bool is_watch) {
  const std::lock_guard lock(mutex_);
  const auto count_down = [&](auto& counts) {
    const auto at = counts.find(principal);
    if (at != counts.end() && --at->second == 0) counts.erase(at);
  };
  count_down(open_);
  if (is_watch) count_down(watching_);
}

std::size_t LeaseCallLimiter::known() const {
  const std::lock_guard lock(mutex_);
  return buckets_.size();
}

}  // namespace gnomon::control
