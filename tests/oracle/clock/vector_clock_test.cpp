// SPDX-License-Identifier: Apache-2.0
//
// Vector clocks: the laws of a partial order and of a join, agreement with the true happened-before relation in both
// directions, what is refused, and an encoding that has one spelling per clock.
#include "oracle/clock/vector_clock.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <random>
#include <set>
#include <string_view>
#include <vector>

#include "tests/oracle/clock/history.hpp"

namespace gnomon::clock {
namespace {

using Bytes = std::vector<std::byte>;

constexpr std::uint64_t kTop = std::numeric_limits<std::uint64_t>::max();
constexpr ProcessId kA{1};
constexpr ProcessId kB{2};
constexpr ProcessId kC{3};

void append(Bytes& bytes, std::uint64_t value, int size) {
  for (int i = 0; i < size; ++i, value >>= 8)
    bytes.push_back(static_cast<std::byte>(value & 0xff));
}

/// The encoding written out by hand: the tests must not take it from the code that they test.
Bytes bytes_of(const std::vector<VectorEntry>& entries) {
  Bytes bytes;
  append(bytes, 1, 2);
  append(bytes, entries.size(), 2);
  for (const auto& entry : entries) {
    append(bytes, entry.process.value, 8);
    append(bytes, entry.count, 8);
  }
  return bytes;
}

VectorClock clock_of(const std::vector<VectorEntry>& entries) { return VectorClock::decode(bytes_of(entries)).value(); }

/// Of `size` processes with ids 10, 20, 30 and so on, one event each.
std::vector<VectorEntry> many(std::size_t size) {
  std::vector<VectorEntry> entries;
  for (std::size_t i = 1; i <= size; ++i)
    entries.push_back({{10 * i}, 1});
  return entries;
}

/// Few processes and small counters, so that all relations come up.
VectorClock random_clock(std::mt19937_64& random) {
  std::vector<VectorEntry> entries;
  for (std::uint64_t process = 0; process < 4; ++process)
    if (const std::uint64_t count = random() % 3; count > 0) entries.push_back({{process}, count});
  return clock_of(entries);
}

bool at_most(const VectorClock& a, const VectorClock& b) {
  const Causality relation = VectorClock::compare(a, b);
  return relation == Causality::kBefore || relation == Causality::kEqual;
}

/// What the header calls canonical; to be encoded as it was read is not enough, a reader that checks nothing does that.
bool is_canonical(const VectorClock& clock) {
  const auto entries = clock.entries();
  const auto not_ascending = [](const VectorEntry& a, const VectorEntry& b) { return a.process >= b.process; };
  return std::ranges::adjacent_find(entries, not_ascending) == entries.end() &&
         std::ranges::all_of(entries, [](const VectorEntry& entry) { return entry.count > 0; });
}

VectorClock join(VectorClock a, const VectorClock& b) {
  EXPECT_TRUE(a.merge(b));
  return a;
}

TEST(VectorClock, knows_only_processes_that_it_has_heard_of_sorted) {
  VectorClock clock;
  EXPECT_TRUE(clock.entries().empty());
  for (const ProcessId process : {kC, kA, kB, kA})
    ASSERT_TRUE(clock.tick(process));
  const std::vector<VectorEntry> expected{{kA, 2}, {kB, 1}, {kC, 1}};
  EXPECT_TRUE(std::ranges::equal(clock.entries(), expected));
  EXPECT_EQ(clock.count_of(kA), 2U);
  EXPECT_EQ(clock.count_of({0}), 0U);
  EXPECT_EQ(clock.count_of({99}), 0U);
}

TEST(VectorClock, a_receipt_takes_the_larger_counters_and_is_an_event) {
  VectorClock clock = clock_of({{kA, 1}, {kB, 7}});
  ASSERT_TRUE(clock.receive(kB, clock_of({{kA, 3}, {kB, 5}, {kC, 2}})));
  EXPECT_EQ(clock, clock_of({{kA, 3}, {kB, 8}, {kC, 2}}));
}

TEST(VectorClock, a_merge_is_no_event) {
  VectorClock clock = clock_of({{kA, 1}, {kB, 7}});
  ASSERT_TRUE(clock.merge(clock_of({{kA, 3}, {kB, 5}, {kC, 2}})));
  EXPECT_EQ(clock, clock_of({{kA, 3}, {kB, 7}, {kC, 2}}));
}

TEST(VectorClock, compares_in_all_four_ways) {
  const VectorClock a = clock_of({{kA, 1}});
  const VectorClock b = clock_of({{kB, 1}});
  const VectorClock both = clock_of({{kA, 2}, {kB, 2}});
  EXPECT_EQ(VectorClock::compare(a, both), Causality::kBefore);
  EXPECT_EQ(VectorClock::compare(both, a), Causality::kAfter);
  EXPECT_EQ(VectorClock::compare(a, a), Causality::kEqual);
  EXPECT_EQ(VectorClock::compare(a, b), Causality::kConcurrent);
  EXPECT_EQ(VectorClock::compare({}, a), Causality::kBefore);
  EXPECT_EQ(VectorClock::compare({}, {}), Causality::kEqual);
}

TEST(VectorClock, a_counter_at_the_top_is_an_error_and_changes_nothing) {
  const VectorClock top = clock_of({{kA, kTop}, {kB, 4}});
  VectorClock clock = top;
  EXPECT_EQ(clock.tick(kA), tl::make_unexpected(VectorFault::kCountAtTop));
  EXPECT_EQ(clock.receive(kA, clock_of({{kC, 9}})), tl::make_unexpected(VectorFault::kCountAtTop));
  EXPECT_EQ(clock, top) << "not even what the message knew was taken";
  EXPECT_TRUE(clock.tick(kB)) << "the other counters still count";
  VectorClock other;
  EXPECT_TRUE(other.receive(kC, top)) << "another's counter at the top is only a number";
  EXPECT_EQ(other.count_of(kA), kTop);
}

TEST(VectorClock, refuses_a_message_that_knows_events_which_it_never_made) {
  const VectorClock before = clock_of({{kA, 2}, {kB, 1}});
  VectorClock clock = before;
  EXPECT_EQ(clock.receive(kA, clock_of({{kA, 3}, {kC, 1}})), tl::make_unexpected(VectorFault::kUnknownOwnEvents));
  EXPECT_EQ(clock, before);
  VectorClock fresh;
  EXPECT_EQ(fresh.receive(kA, clock_of({{kA, 1}})), tl::make_unexpected(VectorFault::kUnknownOwnEvents));
  EXPECT_TRUE(clock.receive(kA, clock_of({{kA, 2}, {kC, 1}}))) << "its own latest message may come back";
}

TEST(VectorClock, holds_a_bounded_number_of_processes) {
  const VectorClock full = clock_of(many(VectorClock::kMaxEntries));
  VectorClock clock = full;
  EXPECT_EQ(clock.tick({5}), tl::make_unexpected(VectorFault::kTooManyProcesses));
  EXPECT_EQ(clock.merge(clock_of({{{5}, 1}})), tl::make_unexpected(VectorFault::kTooManyProcesses));
  EXPECT_EQ(clock.receive({10}, clock_of({{{5}, 1}})), tl::make_unexpected(VectorFault::kTooManyProcesses));
  VectorClock newcomer;
  EXPECT_EQ(newcomer.receive({5}, full), tl::make_unexpected(VectorFault::kTooManyProcesses)) << "it counts itself";
  EXPECT_EQ(newcomer, VectorClock{});
  EXPECT_EQ(clock, full);
  EXPECT_TRUE(clock.tick({10})) << "those that are in it still count";
  EXPECT_TRUE(clock.merge(full));
}

TEST(VectorClockProperty, compare_is_a_partial_order_and_merge_its_join) {
  std::mt19937_64 random(1);
  std::set<Causality> seen;
  for (int round = 0; round < 100'000; ++round) {
    const VectorClock a = random_clock(random);
    const VectorClock b = random_clock(random);
    const VectorClock c = random_clock(random);
    seen.insert(VectorClock::compare(a, b));
    ASSERT_EQ(VectorClock::compare(a, a), Causality::kEqual);
    ASSERT_EQ(at_most(a, b) && at_most(b, a), a == b) << "antisymmetric";
    if (at_most(a, b) && at_most(b, c)) {
      ASSERT_TRUE(at_most(a, c)) << "transitive";
    }
    ASSERT_EQ(VectorClock::compare(a, b) == Causality::kBefore, VectorClock::compare(b, a) == Causality::kAfter);
    ASSERT_EQ(VectorClock::compare(a, b) == Causality::kConcurrent,
              VectorClock::compare(b, a) == Causality::kConcurrent);
    const VectorClock ab = join(a, b);
    ASSERT_EQ(ab, join(b, a));
    ASSERT_EQ(join(ab, c), join(a, join(b, c)));
    ASSERT_EQ(join(a, a), a);
    ASSERT_TRUE(at_most(a, ab) && at_most(b, ab)) << "an upper bound";
    if (at_most(a, c) && at_most(b, c)) {
      ASSERT_TRUE(at_most(ab, c)) << "and the least of them";
    }
  }
  EXPECT_EQ(seen.size(), 4U);
}

TEST(VectorClockProperty, compare_is_happened_before) {
  std::mt19937_64 random(2);
  int ordered_pairs = 0;
  int concurrent_pairs = 0;
  for (int round = 0; round < 2000; ++round) {
    const std::size_t processes = 2 + random() % 5;
    const History history = History::random(random, processes, 2 + random() % 39);
    std::vector<VectorClock> clocks(processes);
    std::vector<VectorClock> stamps;
    for (const auto& event : history.events()) {
      auto& clock = clocks[event.process];
      const ProcessId self{1000 - event.process};
      const auto done = event.received ? clock.receive(self, stamps[*event.received]) : clock.tick(self);
      ASSERT_TRUE(done) << text_of(done.error());
      stamps.push_back(clock);
    }
    for (std::size_t a = 0; a < history.size(); ++a) {
      for (std::size_t b = 0; b < history.size(); ++b) {
        const Causality expected = a == b                          ? Causality::kEqual
                                   : history.happened_before(a, b) ? Causality::kBefore
                                   : history.happened_before(b, a) ? Causality::kAfter
                                                                   : Causality::kConcurrent;
        ASSERT_EQ(VectorClock::compare(stamps[a], stamps[b]), expected)
            << "round " << round << ", events " << a << " and " << b;
        ordered_pairs += expected == Causality::kBefore ? 1 : 0;
        concurrent_pairs += expected == Causality::kConcurrent ? 1 : 0;
      }
    }
  }
  EXPECT_GT(ordered_pairs, 100'000);
  EXPECT_GT(concurrent_pairs, 100'000);
}

TEST(VectorClockCodec, is_what_the_header_says) {
  const std::vector<VectorEntry> entries{{{0}, 1}, {{0x0102030405060708}, 0x1122334455667788}, {{kTop}, kTop}};
  EXPECT_EQ(clock_of(entries).encode(), bytes_of(entries));
  EXPECT_EQ(VectorClock{}.encode(), bytes_of({}));
}

TEST(VectorClockCodec, says_what_is_wrong) {
  const auto fault = [](const Bytes& bytes, std::size_t max_entries = VectorClock::kMaxEntries) {
    const auto decoded = VectorClock::decode(bytes, max_entries);
    EXPECT_FALSE(decoded);
    return decoded ? VectorDecodeFault{} : decoded.error();
  };
  const auto changed = [](std::size_t at, int value) {
    Bytes bytes = bytes_of({{kA, 1}, {kB, 1}});
    bytes.at(at) = static_cast<std::byte>(value);
    return bytes;
  };
  Bytes longer = bytes_of({{kA, 1}});
  longer.push_back({});
  EXPECT_EQ(fault({}), VectorDecodeFault::kTruncated);
  EXPECT_EQ(fault({std::byte{2}}), VectorDecodeFault::kOtherVersion) << "another version may have a shorter header";
  EXPECT_EQ(fault(changed(0, 0)), VectorDecodeFault::kOtherVersion);
  EXPECT_EQ(fault(changed(1, 1)), VectorDecodeFault::kReserved);
  EXPECT_EQ(fault(changed(2, 3)), VectorDecodeFault::kTruncated);
  EXPECT_EQ(fault(changed(2, 1)), VectorDecodeFault::kTrailing);
  EXPECT_EQ(fault(longer), VectorDecodeFault::kTrailing);
  EXPECT_EQ(fault(changed(3, 0xff)), VectorDecodeFault::kTooManyEntries);
  EXPECT_EQ(fault(bytes_of({{kB, 1}, {kA, 1}})), VectorDecodeFault::kNotAscending);
  EXPECT_EQ(fault(bytes_of({{kA, 1}, {kA, 1}})), VectorDecodeFault::kNotAscending);
  EXPECT_EQ(fault(bytes_of({{kA, 1}, {kB, 0}})), VectorDecodeFault::kZeroCount);
}

TEST(VectorClockCodec, takes_no_more_entries_than_it_was_told) {
  const Bytes three = bytes_of(many(3));
  EXPECT_TRUE(VectorClock::decode(three, 3));
  EXPECT_EQ(VectorClock::decode(three, 2).error(), VectorDecodeFault::kTooManyEntries);
  EXPECT_TRUE(VectorClock::decode(bytes_of({}), 0));
  EXPECT_TRUE(VectorClock::decode(bytes_of(many(VectorClock::kMaxEntries))));
  const Bytes too_many = bytes_of(many(VectorClock::kMaxEntries + 1));
  EXPECT_EQ(VectorClock::decode(too_many).error(), VectorDecodeFault::kTooManyEntries);
  EXPECT_EQ(VectorClock::decode(too_many, kTop).error(), VectorDecodeFault::kTooManyEntries) << "the clock's own bound";
}

TEST(VectorClockCodecProperty, every_truncation_is_refused_and_every_flipped_bit_is_seen) {
  std::mt19937_64 random(3);
  int flips_refused = 0;
  for (int round = 0; round < 500; ++round) {
    const VectorClock clock = random_clock(random);
    const Bytes bytes = clock.encode();
    ASSERT_EQ(VectorClock::decode(bytes), clock);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      ASSERT_EQ(VectorClock::decode(std::span(bytes).first(size)).error(), VectorDecodeFault::kTruncated);
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      Bytes flipped = bytes;
      flipped[bit / 8] ^= std::byte{1} << (bit % 8);
      const auto decoded = VectorClock::decode(flipped);
      if (decoded) {
        ASSERT_TRUE(is_canonical(*decoded) && decoded->encode() == flipped);
      }
      if (decoded) {
        ASSERT_NE(*decoded, clock);
      }
      flips_refused += decoded ? 0 : 1;
    }
  }
  EXPECT_GT(flips_refused, 500 * 32) << "at least those of the headers";
}

TEST(VectorClockCodecProperty, random_bytes_are_refused_or_canonical) {
  std::mt19937_64 random(4);
  int taken = 0;
  for (int round = 0; round < 200'000; ++round) {
    Bytes bytes(random() % 53);
    for (auto& byte : bytes)
      byte = static_cast<std::byte>(random() % 4 == 0 ? random() % 256 : random() % 2);
    if (bytes.size() >= 4 && random() % 2 == 0) {  // a header that leads further in
      bytes[0] = std::byte{1};
      bytes[1] = bytes[3] = std::byte{0};
      bytes[2] = static_cast<std::byte>((bytes.size() - 4) / 16);
    }
    const auto decoded = VectorClock::decode(bytes);
    if (decoded) {
      ASSERT_TRUE(is_canonical(*decoded) && decoded->encode() == bytes);
    }
    taken += decoded ? 1 : 0;
  }
  EXPECT_GT(taken, 1000);
}

TEST(VectorClock, each_fault_has_a_text_of_its_own) {
  std::set<std::string_view> texts;
  for (int i = 0; i <= static_cast<int>(VectorFault::kUnknownOwnEvents) + 1; ++i)
    EXPECT_TRUE(texts.insert(text_of(static_cast<VectorFault>(i))).second) << i;
  EXPECT_EQ(text_of(static_cast<VectorFault>(99)), "unknown fault");
  texts = {};
  for (int i = 0; i <= static_cast<int>(VectorDecodeFault::kTrailing) + 1; ++i)
    EXPECT_TRUE(texts.insert(text_of(static_cast<VectorDecodeFault>(i))).second) << i;
}

}  // namespace
}  // namespace gnomon::clock
