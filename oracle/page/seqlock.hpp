// SPDX-License-Identifier: Apache-2.0
//
// A record that one thread writes and many read without ever blocking the writer, also across processes.
//
// Copying a plain struct while somebody writes it is a data race, and the fences that "usually work" on x86 fail on
// Arm; so the payload is an array of relaxed atomic words between an odd and an even sequence (Boehm, "Can seqlocks
// get along with programming language memory models?", MSPC 2012; shape as in abseil's SequenceLock).
//
// A reader never waits for ever: the writer may have been killed in the middle of a write. `try_read` gives up after
// kMaxAttempts and the caller goes on with what it has.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace gnomon::page {

template <typename T>
class Seqlock {
  static_assert(std::is_trivially_copyable_v<T>);
  static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

 public:
  static constexpr int kMaxAttempts = 256;

  /// One writer at a time.
  void write(const T& value) {
    std::array<std::uint64_t, kWords> words{};
    std::memcpy(words.data(), &value, sizeof(T));
    // Odd in any case: an earlier writer may have been killed between its two stores.
    const std::uint64_t odd = sequence_.load(std::memory_order_relaxed) | 1;
    sequence_.store(odd, std::memory_order_relaxed);
    // Pairs with the acquire fence of try_read: who sees one of the new words also sees the odd sequence.
    std::atomic_thread_fence(std::memory_order_release);
    for (std::size_t i = 0; i < kWords; ++i)
      words_[i].store(words[i], std::memory_order_relaxed);
    // Pairs with the first load of try_read: who sees the even sequence sees all words.
    sequence_.store(odd + 1, std::memory_order_release);
  }

  /// A consistent copy, and the version that it had. False if every attempt met a write, or nothing was ever written.
  [[nodiscard]] bool try_read(T& out, std::uint64_t& version) const {
    std::array<std::uint64_t, kWords> words;
    for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
      const std::uint64_t before = sequence_.load(std::memory_order_acquire);  // pairs with write's last store
      if (before == 0) return false;
      if ((before & 1) != 0) continue;
      for (std::size_t i = 0; i < kWords; ++i)
        words[i] = words_[i].load(std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_acquire);  // pairs with write's release fence
      if (sequence_.load(std::memory_order_relaxed) != before) continue;
      std::memcpy(static_cast<void*>(&out), words.data(), sizeof(T));
      version = before;
      return true;
    }
    return false;
  }

  /// Changes with every write; a cheap test whether a copy is still the newest. Pairs with write's last store.
  [[nodiscard]] std::uint64_t version() const { return sequence_.load(std::memory_order_acquire); }

 private:
  static constexpr std::size_t kWords = (sizeof(T) + 7) / 8;

  std::atomic<std::uint64_t> sequence_{0};
  std::array<std::atomic<std::uint64_t>, kWords> words_{};
};

}  // namespace gnomon::page
