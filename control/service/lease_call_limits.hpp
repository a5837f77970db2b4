// SPDX-License-Identifier: Apache-2.0
//
// How much of the lease service one client may use: calls a second, and calls at once.
//
// The desk bounds its work as a whole; without a share for each, one client in a loop takes all of it and every other
// one loses its session. A bucket of tokens per principal and address bounds the rate, so that hosts that show one
// certificate don't starve each other; a count per principal bounds what is open.
//
// The buckets are a bounded table, the least recently used goes: who comes back after that finds a full bucket. The
// counts are not: an entry is there while calls are open, and the desk bounds those.
//
// Time comes in with each call. Thread rule: any thread; a permit may go on any thread, and before the limiter does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include <tl/expected.hpp>

#include "oracle/time/instant.hpp"

namespace gnomon::control {

struct LeaseCallLimits {
  std::uint32_t calls_per_second = 5'000;  // of a principal at an address; at least 1
  std::uint32_t burst = 10'000;            // at least 1
  std::uint32_t calls_at_once = 2'000;     // of a principal, watches included
  std::uint32_t watches_at_once = 256;     // of a principal: half of what there are (LeaseRunnerOptions::most_watchers)
  std::size_t most_known = 10'000;         // buckets
};

class LeaseCallLimiter {
 public:
  /// A call that was let in; ends with it.
  class Permit {
   public:
    Permit(LeaseCallLimiter& limiter, std::string principal, bool is_watch)
        : limiter_(&limiter), principal_(std::move(principal)), is_watch_(is_watch) {}
    Permit(const Permit&) = delete;
    Permit& operator=(const Permit&) = delete;
    ~Permit() { limiter_->leave(principal_, is_watch_); }

   private:
    LeaseCallLimiter* limiter_;
    std::string principal_;
    bool is_watch_;
  };

  explicit LeaseCallLimiter(const LeaseCallLimits& limits) : limits_(limits) {}

  /// The error is a sentence.
  [[nodiscard]] tl::expected<std::unique_ptr<Permit>, std::string> admit(const std::string& principal,
                                                                         const std::string& address, time::Uptime now,
                                                                         bool is_watch = false);
  /// Buckets in the table.
  [[nodiscard]] std::size_t known() const;

 private:
  struct Bucket {
    std::string key;
    std::int64_t credit_ns = 0;  // a call costs 1 s / calls_per_second
    time::Uptime filled_at;
  };

  [[nodiscard]] bool take_token(const std::string& key, time::Uptime now);
  void leave(const std::string& principal, bool is_watch);

  const LeaseCallLimits limits_;
  mutable std::mutex mutex_;   // guards all below
  std::list<Bucket> buckets_;  // most recently used first
  std::unordered_map<std::string, std::list<Bucket>::iterator> bucket_of_;
  std::unordered_map<std::string, std::uint32_t> open_;      // calls by principal
  std::unordered_map<std::string, std::uint32_t> watching_;  // watches likewise
};

}  // namespace gnomon::control
