// SPDX-License-Identifier: Apache-2.0
#include "client/fork_guard.hpp"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <new>

namespace gnomon::client {
namespace {

constexpr std::size_t kPageSize = 4096;  // the kernel rounds up where pages are larger

}  // namespace

ForkGuard::ForkGuard() {
  void* page = mmap(nullptr, kPageSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) {
    std::fputs("gnomon: no memory for one page; without it a fork would go unnoticed\n", stderr);
    std::abort();
  }
  wiped_on_fork_ = madvise(page, kPageSize, MADV_WIPEONFORK) == 0;
  owner_ = new (page) std::atomic<std::int32_t>(this_process());
}

ForkGuard::~ForkGuard() { munmap(owner_, kPageSize); }

std::int32_t ForkGuard::this_process() { return getpid(); }

bool ForkGuard::begin_renewal() {
  const std::int32_t self = this_process();
  while (true) {
    std::int32_t owner = owner_->load(std::memory_order_acquire);
    if (owner == self) return false;
    if (owner == -self)
      sched_yield();  // another thread of this process is at it: it opens some sockets, no more
    else if (owner_->compare_exchange_strong(owner, -self, std::memory_order_acq_rel))
      return true;
  }
}

void ForkGuard::end_renewal(bool renewed) {
  owner_->store(renewed ? this_process() : 0, std::memory_order_release);  // pairs with is_ours and begin_renewal
}

}  // namespace gnomon::client
