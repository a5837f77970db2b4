// SPDX-License-Identifier: Apache-2.0
//
// What server and generator of the reflect bench share, in one process or in two: the cache lines that a round trip
// between their CPUs is measured with, orders for the generator, and what it has seen. It outlives a generator that is
// killed, and so do the IDs: one that comes before and after is found.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "platform/cycle_counter.hpp"

namespace gnomon::bench {

constexpr unsigned kServerCpu = 0;
constexpr unsigned kGeneratorCpu = 1;

struct Shared {
  static constexpr std::uint32_t kRoundTrips = 100;
  static constexpr std::uint64_t kPatience = 20'000'000;  // cycles: a player who does not come is not waited for
  static constexpr std::uint32_t kLooksPerGlance = 1024;  // at the ball, before one at the clock, which costs as much
  static constexpr std::size_t kMostIds = std::size_t{1} << 22;

  // Orders.
  alignas(64) std::atomic<std::uint32_t> in_flight{0};
  std::atomic<bool> stop{false};             // ask no more
  std::atomic<bool> leave{false};            // nobody polls any more: go. A memif server that does would crash
  std::array<std::uint8_t, 6> server_mac{};  // before the generator starts
  // What the generator says; it is the only one that writes here.
  alignas(64) std::atomic<bool> ready{false};
  std::atomic<bool> done{false};
  std::atomic<std::uint64_t> received{0};
  std::atomic<std::uint64_t> lost{0};    // given up, and asked anew
  std::atomic<std::uint64_t> late{0};    // of those: came after all
  std::atomic<std::uint64_t> judged{0};  // replies that were looked at from the first byte to the last
  std::atomic<std::uint64_t> wrong{0};   // frames that are neither an ok reply to a next_id nor a reflection
  std::atomic<std::uint64_t> longest_gap_cycles{0};
  std::atomic<std::int64_t> switches{0};  // involuntary ones of its thread, as of the last game
  std::array<char, 160> fault{};          // the first one, as text; before `wrong` is counted
  // The game.
  alignas(128) std::atomic<std::uint32_t> invitation{0};
  alignas(128) std::atomic<std::uint32_t> ball{0};
  // IDs in whose lowest bits nothing is set: whichever of them comes twice, it is here twice.
  alignas(128) std::atomic<std::uint32_t> id_mask{63};
  std::atomic<std::uint32_t> ids{0};
  std::array<std::uint64_t, kMostIds> id;  // no initialiser: pages that nobody writes are never there

  /// Server: cycles of one round trip between the two CPUs, or 0 if the other did not come.
  [[nodiscard]] std::uint64_t play() {
    const std::uint32_t base = invitation.load(std::memory_order_relaxed) * 1000;
    ball.store(base, std::memory_order_relaxed);
    invitation.fetch_add(1, std::memory_order_release);  // pairs with the acquire of join
    const std::uint64_t called = platform::read_cycles().count;
    if (!await(base + 1, called)) return 0;
    const std::uint64_t begun = platform::read_cycles().count;
    for (std::uint32_t i = 1; i <= kRoundTrips; ++i) {
      ball.store(base + 2 * i, std::memory_order_release);
      if (!await(base + 2 * i + 1, begun)) return 0;
    }
    return (platform::read_cycles().count - begun) / kRoundTrips;
  }
  /// Generator: plays along if it was invited since the last time. Whether it was.
  bool join(std::uint32_t& seen) {
    const std::uint32_t now = invitation.load(std::memory_order_acquire);
    if (now == seen) return false;
    const std::uint32_t base = (now - 1) * 1000;
    seen = now;
    const std::uint64_t begun = platform::read_cycles().count;
    ball.store(base + 1, std::memory_order_release);
    for (std::uint32_t i = 1; i <= kRoundTrips; ++i) {
      if (!await(base + 2 * i, begun)) return true;
      ball.store(base + 2 * i + 1, std::memory_order_release);
    }
    return true;
  }

 private:
  [[nodiscard]] bool await(std::uint32_t value, std::uint64_t since) const {
    for (std::uint32_t looks = 1; ball.load(std::memory_order_acquire) != value; ++looks)
      if (looks % kLooksPerGlance == 0 && platform::read_cycles().count - since > kPatience) return false;
    return true;
  }
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);  // it may lie between two processes

}  // namespace gnomon::bench
