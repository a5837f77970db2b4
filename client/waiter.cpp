// SPDX-License-Identifier: Apache-2.0
#include "client/waiter.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace gnomon::client {

static_assert(sizeof(std::atomic<std::uint32_t>) == sizeof(std::uint32_t));

void Waiter::signal() {
  std::atomic<std::uint32_t>* address = &state_;
  // Released: pairs with the loads of wait. Afterwards *this may be gone.
  if (state_.exchange(kSignalled, std::memory_order_acq_rel) == kAsleep)
    syscall(SYS_futex, address, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

void Waiter::wait() {
  std::uint32_t expected = kIdle;
  if (!state_.compare_exchange_strong(expected, kAsleep, std::memory_order_acquire)) return;
  while (state_.load(std::memory_order_acquire) != kSignalled)  // pairs with signal's exchange
    syscall(SYS_futex, &state_, FUTEX_WAIT_PRIVATE, kAsleep, nullptr, nullptr, 0);
}

}  // namespace gnomon::client
