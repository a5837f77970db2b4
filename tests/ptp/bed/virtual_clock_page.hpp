// SPDX-License-Identifier: Apache-2.0
//
// The file that the processes of one virtual host map: its clock's state, read by all and written by several (the
// servo's frequency, the test's steps).
//
// A plain seqlock would not do: a writer that is killed between its two stores leaves every reader waiting, and these
// tests kill servos. So there are two slots and a version; a writer fills the slot that is not shown and then shows it.
// Whoever dies midway has changed nothing. Writers exclude each other by a robust mutex, which the kernel hands on when
// its owner dies. A writer that is *stopped* inside keeps it, so waiting ends after kLockLimitS and is reported.
//
// Layout: this build's own. The magic number carries its version, and the size is checked, so a library of another
// build is refused instead of being misread.
#pragma once

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <ctime>
#include <optional>
#include <type_traits>

#include "tests/ptp/bed/virtual_clock_adjtimex.hpp"

namespace gnomon::bed {

constexpr std::uint64_t kPageMagic = 0x76636c6f636b0001;  // "vclock", version 1
constexpr int kMaxReadAttempts = 10'000;
constexpr int kLockLimitS = 5;
/// Names the file to a preloaded process. Not GNOMON_...: those are a daemon's options, and unknown ones are refused.
constexpr const char* kFileVariable = "VIRTUAL_CLOCK_FILE";

/// The host's clock, past any library that might pretend.
inline HostTime host_now() {
  timespec now{};
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
  return {now.tv_sec * kBillion + now.tv_nsec};
}

class Page {
 public:
  /// For the one who made the file; it is zero so far.
  bool format(const ClockState& state) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    const bool made = pthread_mutex_init(&lock_, &attributes) == 0;
    pthread_mutexattr_destroy(&attributes);
    show(state);
    size_.store(sizeof(Page), std::memory_order_relaxed);
    magic_.store(kPageMagic, std::memory_order_release);  // pairs with the load in usable
    return made;
  }
  [[nodiscard]] bool usable() const {
    return magic_.load(std::memory_order_acquire) == kPageMagic &&
           size_.load(std::memory_order_relaxed) == sizeof(Page);
  }

  /// A consistent copy. Nothing if writers were quicker every time, which takes thousands of writes in a row.
  [[nodiscard]] std::optional<ClockState> read() const {
    std::array<std::uint64_t, kWords> words;
    for (int attempt = 0; attempt < kMaxReadAttempts; ++attempt) {
      const std::uint64_t before = version_.load(std::memory_order_acquire);  // pairs with the last store of show
      const Slot& slot = slots_[before & 1];
      for (std::size_t i = 0; i < kWords; ++i)
        words[i] = slot[i].load(std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_acquire);  // pairs with the release fence of show
      if (version_.load(std::memory_order_relaxed) != before) continue;
      ClockState state;
      std::memcpy(static_cast<void*>(&state), words.data(), sizeof(state));
      return state;
    }
    return std::nullopt;
  }

  /// change(state, host's time) under the lock, then shows the result. False if the lock was not to be had.
  template <typename Change>
  [[nodiscard]] bool change(Change&& change) {
    if (!lock()) return false;
    std::optional<ClockState> state = read();
    if (state) {
      change(*state, host_now());
      show(*state);
    }
    pthread_mutex_unlock(&lock_);
    return state.has_value();
  }

  /// Timestamps of packets that were translated.
  std::atomic<std::uint64_t> translated{0};

 private:
  static_assert(std::is_trivially_copyable_v<ClockState>);
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
  static constexpr std::size_t kWords = (sizeof(ClockState) + 7) / 8;
  using Slot = std::array<std::atomic<std::uint64_t>, kWords>;

  [[nodiscard]] bool lock() {
    timespec until{};
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &until);
    until.tv_sec += kLockLimitS;
    // Not clocklock: g++ 12's thread sanitizer doesn't know that one.
    const int result = pthread_mutex_timedlock(&lock_, &until);
    // Its owner died; what is shown was never touched by it.
    if (result == EOWNERDEAD) return pthread_mutex_consistent(&lock_) == 0;
    return result == 0;
  }

  void show(const ClockState& state) {
    std::array<std::uint64_t, kWords> words{};
    std::memcpy(words.data(), &state, sizeof(state));
    const std::uint64_t version = version_.load(std::memory_order_relaxed);
    // Pairs with the acquire fence of read: who sees a new word in this slot also sees that it is no longer shown.
    std::atomic_thread_fence(std::memory_order_release);
    Slot& slot = slots_[(version + 1) & 1];
    for (std::size_t i = 0; i < kWords; ++i)
      slot[i].store(words[i], std::memory_order_relaxed);
    version_.store(version + 1, std::memory_order_release);  // pairs with the first load of read
  }

  std::atomic<std::uint64_t> magic_{0};
  std::atomic<std::uint64_t> size_{0};
  pthread_mutex_t lock_{};
  std::atomic<std::uint64_t> version_{0};
  std::array<Slot, 2> slots_{};
};

}  // namespace gnomon::bed
