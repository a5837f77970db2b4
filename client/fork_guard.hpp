// SPDX-License-Identifier: Apache-2.0
//
// Noticing a fork, and starting again in the child.
//
// A child inherits the memory of the client but not its thread, shares its sockets with the parent, and would hand out
// the same prefetched IDs and use the same request ids: duplicates (util-linux's uuidd had exactly these). Comparing
// getpid() misses a child that got the pid of an ancestor; a pthread_atfork handler misses clone(). So the mark lies in
// a page that the kernel zeroes in every child (MADV_WIPEONFORK, Linux 4.14), and the pid is compared only where that
// is not to be had.
//
// The mark is also the lock under which a child builds its new state, because any other lock may have been held by
// another thread of the parent at the fork, and nobody in the child would ever release it. For the same reason the
// inherited state is never touched, not even to free it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "client/error.hpp"

namespace gnomon::client {

class ForkGuard {
 public:
  /// The page belongs to this process from here on. Aborts if there is no memory for one page.
  ForkGuard();
  ~ForkGuard();
  ForkGuard(const ForkGuard&) = delete;
  ForkGuard& operator=(const ForkGuard&) = delete;

  /// False in a child until `end_renewal(true)`. Costs a load.
  [[nodiscard]] bool is_ours() const {
    const std::int32_t owner = owner_->load(std::memory_order_acquire);  // pairs with end_renewal
    return wiped_on_fork_ ? owner > 0 : owner == this_process();
  }
  /// True: this thread renews, and calls `end_renewal`. False: another thread did, or this is no child.
  [[nodiscard]] bool begin_renewal();
  void end_renewal(bool renewed);

 private:
  static std::int32_t this_process();

  std::atomic<std::int32_t>* owner_;  // in the page: pid; negative while that process renews; 0 in a fresh child
  bool wiped_on_fork_;
};

/// A `T` of which each process has its own. `T::abandon()` gives back what the child can safely let go of.
template <typename T>
class ForkSafe {
 public:
  explicit ForkSafe(std::unique_ptr<T> value) : value_(value.release()) {}
  ForkSafe(const ForkSafe&) = delete;
  ForkSafe& operator=(const ForkSafe&) = delete;
  ~ForkSafe() {
    if (guard_.is_ours()) delete value_.load(std::memory_order_acquire);
  }

  /// This process's value; in a child, at first, what `make()` returns: Result<std::unique_ptr<T>>.
  template <typename Make>
  [[nodiscard]] Result<T*> get(const Make& make) {
    if (guard_.is_ours()) [[likely]]
      return value_.load(std::memory_order_acquire);
    return renew(make);
  }
  /// Null in a child that has not renewed yet.
  [[nodiscard]] T* peek() const { return guard_.is_ours() ? value_.load(std::memory_order_acquire) : nullptr; }

 private:
  /// Ends a renewal on every way out, also if `make` throws: else all later calls would wait for its end.
  class Renewal {
   public:
    explicit Renewal(ForkGuard& guard) : guard_(guard) {}
    Renewal(const Renewal&) = delete;
    Renewal& operator=(const Renewal&) = delete;
    ~Renewal() { guard_.end_renewal(renewed); }

    bool renewed = false;

   private:
    ForkGuard& guard_;
  };

  template <typename Make>
  Result<T*> renew(const Make& make) {
    if (!guard_.begin_renewal()) return value_.load(std::memory_order_acquire);
    Renewal renewal(guard_);
    if (T* inherited = value_.load(std::memory_order_acquire); inherited != abandoned_) {
      inherited->abandon();
      abandoned_ = inherited;  // stays reachable: it is lost on purpose, not leaked by mistake
    }
    Result<std::unique_ptr<T>> fresh = make();
    if (!fresh) return tl::make_unexpected(std::move(fresh.error()));
    T* value = fresh->release();
    value_.store(value, std::memory_order_release);
    renewal.renewed = true;
    return value;
  }

  ForkGuard guard_;
  std::atomic<T*> value_;
  T* abandoned_ = nullptr;
};

}  // namespace gnomon::client
