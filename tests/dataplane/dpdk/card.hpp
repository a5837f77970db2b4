// SPDX-License-Identifier: Apache-2.0
//
// A network card's clock in virtual time, behind the calls that DPDK would have answered: it can be late, torn, frozen,
// unset or gone.
//
// Thread rule: one thread; there is one card per process, because the calls are plain functions.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <ctime>
#include <functional>
#include <stdexcept>
#include <utility>

#include "dataplane/dpdk/timesync.hpp"
#include "oracle/time/cycles.hpp"

namespace gnomon::test {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kMillisecond = 1'000'000;
constexpr std::int64_t kToday = 1'760'000'000 * kSecond;
constexpr auto kGigahertz = time::CycleRate::from_hz(1'000'000'000);  // one cycle is one nanosecond

// A card in virtual time: reading it takes 600 ns, and it is latched 200 ns after the read began.
struct Card {
  std::uint64_t cycles = 1'000'000;
  std::int64_t ahead_ns = kToday;  // of the counter
  std::int64_t rate_ppm = 0;       // faster than the counter
  bool frozen = false;             // it shows what it showed last
  int enable_answer = 0;
  int read_answer = 0;
  unsigned reads = 0;
  std::uint16_t port = 0;                                           // that was asked last
  std::function<void(unsigned, timespec&)> distort;                 // (number of the read, what will be shown)
  std::array<std::uint64_t, 5> latencies{600, 600, 600, 600, 600};  // in turn

  timespec last{};

  [[nodiscard]] std::int64_t now() const {
    const auto passed = static_cast<std::int64_t>(cycles);
    return ahead_ns + passed + passed / 1'000'000 * rate_ppm;
  }
};
inline Card g_card;  // calls are plain functions

inline dataplane::dpdk::TimesyncCalls calls_to_card() {
  return {.enable =
              [](std::uint16_t port) {
                g_card.port = port;
                return g_card.enable_answer;
              },
          .read_time =
              [](std::uint16_t port, timespec* shown) {
                g_card.port = port;
                const std::uint64_t latency = g_card.latencies[g_card.reads % g_card.latencies.size()];
                g_card.cycles += latency / 3;
                if (!g_card.frozen) g_card.last = {g_card.now() / kSecond, g_card.now() % kSecond};
                g_card.cycles += latency - latency / 3;
                *shown = g_card.last;
                if (g_card.distort) g_card.distort(g_card.reads, *shown);
                ++g_card.reads;
                return g_card.read_answer;
              },
          .read_cycles = [] { return time::Cycles{g_card.cycles}; }};
}
inline const dataplane::dpdk::TimesyncCalls kCardCalls = calls_to_card();

// A started port with that card, of which nothing has been read but by `enable`.
class CardTest : public testing::Test {
 protected:
  void SetUp() override { g_card = {}; }

  static dataplane::dpdk::Timesync enabled() {
    auto clock = dataplane::dpdk::Timesync::enable(3, "card0 (net_card)", kCardCalls);
    if (!clock) throw std::runtime_error(clock.error().text);
    g_card.reads = 0;
    return std::move(*clock);
  }
  // Past its first reading.
  static dataplane::dpdk::Timesync settled() {
    dataplane::dpdk::Timesync clock = enabled();
    if (clock.read(kGigahertz)) throw std::runtime_error("the first reading was believed");
    pass(10 * kMillisecond);
    g_card.reads = 0;
    return clock;
  }
  static void pass(std::int64_t ns) { g_card.cycles += static_cast<std::uint64_t>(ns); }
};

}  // namespace gnomon::test
