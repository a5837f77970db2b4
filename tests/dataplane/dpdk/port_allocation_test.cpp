// SPDX-License-Identifier: Apache-2.0
//
// No allocation in the worker, neither from the C library nor from DPDK's own heap. This program stands in front of the
// C library's allocator and counts what the worker's thread asks of it, operator new and DPDK included.
#include <gtest/gtest.h>
#include <rte_lcore.h>
#include <rte_malloc.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "tests/dataplane/dpdk/bare_worker.hpp"
#include "tests/dataplane/dpdk/own_process.hpp"
#include "tests/dataplane/dpdk/traffic.hpp"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GNOMON_COUNTS_ALLOCATIONS 0
#else
#define GNOMON_COUNTS_ALLOCATIONS 1
#endif

namespace {
std::atomic<std::uint64_t> g_allocations{0};
constinit thread_local bool t_counted = false;

[[maybe_unused]] void count() {
  if (t_counted) g_allocations.fetch_add(1, std::memory_order_relaxed);
}
}  // namespace

#if GNOMON_COUNTS_ALLOCATIONS
extern "C" {
// The C library's allocator, by the names that stay its own, and what everybody finds by the usual ones from here on.
void* real_malloc(std::size_t size) __asm__("__libc_malloc");
void* real_calloc(std::size_t n, std::size_t size) __asm__("__libc_calloc");
void* real_realloc(void* memory, std::size_t size) __asm__("__libc_realloc");
void* real_memalign(std::size_t alignment, std::size_t size) __asm__("__libc_memalign");
void* counted_malloc(std::size_t size) __asm__("malloc");
void* counted_calloc(std::size_t n, std::size_t size) __asm__("calloc");
void* counted_realloc(void* memory, std::size_t size) __asm__("realloc");
void* counted_memalign(std::size_t alignment, std::size_t size) __asm__("memalign");
void* counted_aligned_alloc(std::size_t alignment, std::size_t size) __asm__("aligned_alloc");
int counted_posix_memalign(void** memory, std::size_t alignment, std::size_t size) __asm__("posix_memalign");

void* counted_malloc(std::size_t size) {
  count();
  return real_malloc(size);
}
void* counted_calloc(std::size_t n, std::size_t size) {
  count();
  return real_calloc(n, size);
}
void* counted_realloc(void* memory, std::size_t size) {
  count();
  return real_realloc(memory, size);
}
void* counted_memalign(std::size_t alignment, std::size_t size) {
  count();
  return real_memalign(alignment, size);
}
void* counted_aligned_alloc(std::size_t alignment, std::size_t size) {
  count();
  return real_memalign(alignment, size);
}
int counted_posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
  count();
  *memory = real_memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}
}
#endif

namespace gnomon::test {
namespace {

using page::Counter;

/// Allocations on DPDK's heap that have not been freed, over the whole process.
std::uint64_t on_the_heap_of_dpdk() {
  std::uint64_t all = 0;
  for (unsigned i = 0; i < rte_socket_count(); ++i) {
    rte_malloc_socket_stats stats{};
    if (rte_malloc_get_socket_stats(rte_socket_id_by_idx(i), &stats) == 0) all += stats.alloc_count;
  }
  return all;
}

TEST(PortAllocation, IsCountedAtAll) {
  if (!GNOMON_COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer has the allocator to itself";
  std::uint64_t seen = 0;
  std::thread([&seen] {
    t_counted = true;
    const std::uint64_t before = g_allocations;
    // Through volatile pointers: a compiler may leave out what nobody would miss.
    void* volatile one = std::malloc(7);
    void* volatile two = std::aligned_alloc(64, 64);
    void* volatile three = std::calloc(2, 2);
    int* volatile four = new int(7);
    const std::vector<int> five(100);
    EXPECT_NE(five.data(), four);
    std::free(one);
    std::free(two);
    std::free(three);
    delete four;
    seen = g_allocations - before;
    t_counted = false;
  }).join();
  EXPECT_GE(seen, 5U);
  EXPECT_EQ(g_allocations, seen) << "those of other threads count, too";
  in_own_process([] {
    BareWorker worker(dataplane::PollMode::kSpin);
    const std::uint64_t before = on_the_heap_of_dpdk();
    void* const some = rte_malloc(nullptr, 100, 0);
    EXPECT_EQ(on_the_heap_of_dpdk(), before + 1);
    rte_free(some);
  });
}

TEST(PortAllocation, NoneInAMillionDatagrams) {
  if (!GNOMON_COUNTS_ALLOCATIONS) GTEST_SKIP() << "a sanitizer has the allocator to itself";
  in_own_process([] {
    BareWorker worker(dataplane::PollMode::kSpin);
    Traffic traffic(worker.wire());
    const std::uint64_t before = on_the_heap_of_dpdk();
    g_allocations = 0;
    std::thread thread([&worker] {
      if (rte_thread_register() != 0) throw std::runtime_error("DPDK does not take this thread");
      BareWorker::Loop loop = worker.loop();
      t_counted = true;
      loop.run();
      t_counted = false;
      rte_thread_unregister();
    });
    for (int i = 0; i < 10; ++i) {
      worker.io().order_announcements(0);
      traffic.run(350'000);
    }
    EXPECT_EQ(on_the_heap_of_dpdk(), before);
    worker.order_stop();
    thread.join();
    EXPECT_GE(traffic.served(), 3'500'000U);
    EXPECT_GE(worker.desk().count(Counter::kDatagrams), 1'000'000U);
    EXPECT_EQ(g_allocations, 0U);
    EXPECT_GT(worker.desk().count(Counter::kParked), 0U);
    EXPECT_GT(worker.desk().count(Counter::kAnnouncements), 0U);
    EXPECT_GT(worker.desk().count(Counter::kDropFrameLength), 0U);
  });
}

}  // namespace
}  // namespace gnomon::test
