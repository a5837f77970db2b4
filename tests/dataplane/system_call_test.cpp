// SPDX-License-Identifier: Apache-2.0
//
// No system call per request but the sockets' own. The thread that runs the loop lets the kernel enforce it: a seccomp
// filter allows receiving, sending and waiting for sockets, and traps everything else.
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstddef>
#include <memory>
#include <thread>
#include <vector>

#include "dataplane/kernel/burst_io.hpp"
#include "dataplane/worker_loop.hpp"
#include "oracle/serve/server.hpp"
#include "ptp/clock_thread.hpp"
#include "ptp/sources.hpp"
#include "tests/support/full_house.hpp"
#include "tests/support/raw_client.hpp"

namespace gnomon::test {
namespace {

std::atomic<int> g_trapped{0};
std::atomic<int> g_first_trapped{-1};

void note_trap(int /*signal*/, siginfo_t* info, void* /*context*/) {
  if (g_trapped.fetch_add(1) == 0) g_first_trapped = info->si_syscall;
}

// What a thread needs to wait for sockets, use them, handle the trap, and end.
constexpr std::array kAllowed{SYS_recvmmsg, SYS_sendmmsg, SYS_sendmsg,        SYS_ppoll,        SYS_futex,
                              SYS_madvise,  SYS_munmap,   SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_exit};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// From now on, for this thread.
bool allow_sockets_only() {
  std::vector<sock_filter> program{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
  };
  for (std::size_t i = 0; i < kAllowed.size(); ++i)
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(kAllowed[i]),
                               static_cast<std::uint8_t>(kAllowed.size() - i), 0));
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP));
  program.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0;
}

void count_what_is_caught() {
  g_trapped = 0;
  struct sigaction action{};
  action.sa_sigaction = note_trap;
  action.sa_flags = SA_SIGINFO;
  ASSERT_EQ(sigaction(SIGSYS, &action, nullptr), 0);
}

struct Worker {
  Worker() {
    EXPECT_TRUE(clock.start().has_value());
    rights.rights.write(support::all_machine_ids());
    server = std::make_unique<serve::Server>(support::all_layouts(), rights, *page, policy);
    auto socket = dataplane::UdpSocket::bind({serve::Address::v4(127, 0, 0, 1), 0}, dataplane::PortSharing::kAlone, {});
    EXPECT_TRUE(socket.has_value());
    port = socket->local().port;
    std::vector<dataplane::UdpSocket> sockets;
    sockets.push_back(std::move(*socket));
    io = std::make_unique<dataplane::BurstIo>(std::move(sockets), dataplane::BurstIoOptions{}, page->counters);
    orders.policy = &policy;
  }

  std::unique_ptr<page::ClockPage> clock_page = std::make_unique<page::ClockPage>();
  std::unique_ptr<page::WorkerPage> page = std::make_unique<page::WorkerPage>();
  page::RightsRecord rights;
  serve::AccessPolicy policy;
  ptp::ClockThread clock{{}, ptp::system_source(time::milliseconds(100)), *clock_page};
  std::unique_ptr<serve::Server> server;
  std::unique_ptr<dataplane::BurstIo> io;
  dataplane::WorkerOrders orders;
  std::uint16_t port = 0;
};

TEST(SystemCalls, OnlyTheSocketsOwn) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer makes system calls of its own";
  count_what_is_caught();

  Worker worker;
  std::atomic<int> confined{-1};
  std::thread thread([&] {
    dataplane::WorkerLoop loop(*worker.io, *worker.server, *worker.clock_page, worker.orders, worker.page->counters);
    confined = allow_sockets_only() ? 1 : 0;
    if (confined == 1) loop.run();
  });
  while (confined == -1)
    std::this_thread::yield();
  if (confined == 0) {
    thread.join();
    GTEST_SKIP() << "the kernel does not let this process install a seccomp filter";
  }

  support::RawClient client(worker.port);
  support::Ledger ledger;
  std::uint64_t served = 0;
  for (int i = 0; i < 400; ++i) {
    served += client.exchange({.messages_per_datagram = 1, .datagrams = 40}, std::chrono::seconds(2), ledger).ok;
    served += client.exchange({.messages_per_datagram = 22, .datagrams = 10}, std::chrono::seconds(2), ledger).ok;
  }
  worker.orders.stop.store(true, std::memory_order_release);
  thread.join();
  EXPECT_GE(served, 100'000U);
  EXPECT_EQ(g_trapped, 0) << "the first one was system call " << g_first_trapped;
}

TEST(SystemCalls, AnyOtherIsCaught) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer makes system calls of its own";
  count_what_is_caught();
  bool confined = false;
  std::thread thread([&] {
    confined = allow_sockets_only();
    if (confined) syscall(SYS_getppid);
  });
  thread.join();
  if (!confined) GTEST_SKIP() << "the kernel does not let this process install a seccomp filter";
  EXPECT_EQ(g_trapped, 1);
  EXPECT_EQ(g_first_trapped, SYS_getppid);
}

}  // namespace
}  // namespace gnomon::test
