// SPDX-License-Identifier: Apache-2.0
//
// After its construction the server allocates nothing, whatever it answers. This program counts every allocation, which
// is why it stands alone.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "tests/oracle/serve/rig.hpp"

namespace {
std::atomic<std::uint64_t> allocations{0};

void* counted(std::size_t size, std::size_t alignment = alignof(std::max_align_t)) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  void* block = std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (block == nullptr) std::abort();
  return block;
}
}  // namespace

void* operator new(std::size_t size) { return counted(size); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return counted(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }

namespace gnomon::serve {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)

const wire::Key kKey{{7}, {1, 2, 3}};

/// One datagram of each kind, answered from a buffer on the stack.
void answer(Rig& rig, const wire::Message& message, const Address& source = kLocal) {
  std::array<std::byte, wire::kMessageSize> bytes{};
  wire::store(message, bytes.data());
  (void)rig.server.answer(bytes, source, path_to(1));
}

TEST(Allocation, the_counter_counts) {
  const std::uint64_t before = allocations.load();
  auto* volatile block = new std::uint64_t(5);
  delete block;
  EXPECT_EQ(allocations.load(), before + 1);
}

TEST(Allocation, a_request_costs_none_whatever_becomes_of_it) {
  RigOptions options;
  options.park_limit = 500;
  options.policy.keys = wire::KeyRing({kKey});
  options.policy.rate = {.messages_per_second = 1'000'000, .burst = 100'000};
  options.policy.deny = {{Address::v4(10, 0, 0, 0), 104}};
  auto rig = granted_rig(options);
  wire::Message signed_request = next_id_request(2);
  wire::sign(signed_request, kKey);
  wire::Message invalid = next_id_request(3);
  invalid.stride = 9;
  rig->know(kStartTai - time::microseconds(10), kStartTai + time::microseconds(10));
  std::array<std::byte, wire::kMaxDatagram> out{};
  ReturnPath path;

  const std::uint64_t before = allocations.load();
  for (int i = 0; i < 5000; ++i) {
    answer(*rig, next_id_request(1, 10));
    answer(*rig, signed_request);
    answer(*rig, invalid);
    answer(*rig, ping_request(4, 4));
    answer(*rig, next_id_request(5, 1, {99}));
    answer(*rig, next_id_request(6, 0));
    answer(*rig, next_id_request(7), kRemote);
    answer(*rig, request_of(wire::Op::kNow, 8));
    answer(*rig, request_of(wire::Op::kTimeSync, 9));
    answer(*rig, request_of(wire::Op::kHlcUpdate, 10, static_cast<std::uint64_t>(i)));
    answer(*rig, commit_wait_request(11, kStartTai + time::microseconds(i)));
    if (i % 100 == 0) rig->raise_ceilings(time::milliseconds(1));
    if (i == 4900) rig->revoke();
    if (i == 3500) rig->lose_clock();
    if (i == 3700) rig->know(kStartTai, kStartTai + time::microseconds(10));
    if (i % 1000 != 999) continue;
    rig->advance(time::milliseconds(1));
    while (rig->server.next_parked(out, path) != 0) {
    }
  }
  EXPECT_EQ(allocations.load(), before);
  EXPECT_GT(rig->count(page::Counter::kIds), 1000U);
  EXPECT_GT(rig->count(page::Counter::kParked), 100U);
  EXPECT_GT(rig->count(page::Counter::kBusy), 0U);
  EXPECT_GT(rig->count(page::Counter::kTimes), 1000U);
  EXPECT_GT(rig->count(page::Counter::kHlcUpdates), 1000U);
  EXPECT_GT(rig->count(page::Counter::kCommitWaits), 1000U);
  EXPECT_GT(rig->count(page::Counter::kCommitWaitsParked), 1000U);
  EXPECT_GT(rig->count(page::Counter::kClockUnsynchronised), 0U);
  EXPECT_GT(rig->count(page::Counter::kNotLeased), 0U);
}

}  // namespace
}  // namespace gnomon::serve
