// SPDX-License-Identifier: Apache-2.0
//
// One thread waiting for one event, on the waiting thread's stack: no allocation, and a system call on the other side
// only if the waiter really sleeps. A mutex and a condition variable would cost both sides two of each.
//
// The object may be gone as soon as `wait` has returned, which may be before `signal` has: after its exchange `signal`
// touches nothing of it, and waking an address that nobody waits on any more is harmless.
#pragma once

#include <atomic>
#include <cstdint>

namespace gnomon::client {

class Waiter {
 public:
  /// Once.
  void signal();
  /// Returns after `signal`; what the signalling thread wrote before is visible then.
  void wait();

 private:
  enum : std::uint32_t { kIdle, kAsleep, kSignalled };
  std::atomic<std::uint32_t> state_{kIdle};
};

}  // namespace gnomon::client
