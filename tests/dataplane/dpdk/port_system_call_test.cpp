// SPDX-License-Identifier: Apache-2.0
//
// No system call at all: the thread that runs the loop of the DPDK twin lets the kernel trap every one of them, but for
// what it takes to handle the trap and to end.
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <rte_lcore.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <thread>
#include <vector>

#include "tests/dataplane/dpdk/bare_worker.hpp"
#include "tests/dataplane/dpdk/own_process.hpp"
#include "tests/dataplane/dpdk/traffic.hpp"

namespace gnomon::test {
namespace {

using dataplane::PollMode;
using page::Counter;

std::atomic<int> g_trapped{0};
std::atomic<int> g_first_trapped{-1};

void note_trap(int /*signal*/, siginfo_t* info, void* /*context*/) {
  if (g_trapped.fetch_add(1) == 0) g_first_trapped = info->si_syscall;
}

constexpr std::array kAllowed{SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_madvise, SYS_munmap, SYS_exit};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// From now on, for this thread.
bool allow_the_end_only() {
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

/// Runs a worker's loop in a confined thread until it is destroyed.
class Confined {
 public:
  explicit Confined(BareWorker& worker) : worker_(worker), thread_([this] { run(); }) {
    while (state_.load() == State::kStarting)
      std::this_thread::yield();
  }
  ~Confined() { end(); }
  Confined(const Confined&) = delete;
  Confined& operator=(const Confined&) = delete;

  [[nodiscard]] bool works() const { return state_.load() != State::kRefused; }
  void end() {
    worker_.order_stop();
    if (thread_.joinable()) thread_.join();
  }
  /// Those of the loop alone.
  [[nodiscard]] int trapped() const { return trapped_; }

 private:
  enum class State : std::uint8_t { kStarting, kRefused, kConfined };

  void run() {
    if (rte_thread_register() != 0) throw std::runtime_error("DPDK does not take this thread");
    BareWorker::Loop loop = worker_.loop();
    const bool confined = allow_the_end_only();
    state_ = confined ? State::kConfined : State::kRefused;
    if (confined) loop.run();
    trapped_ = g_trapped.load();
    rte_thread_unregister();
  }

  BareWorker& worker_;
  std::atomic<State> state_{State::kStarting};
  std::atomic<int> trapped_{0};
  std::thread thread_;
};

void in_a_process_that_traps(const std::function<void()>& body) {
  if (kSanitized) GTEST_SKIP() << "a sanitizer makes system calls of its own";
  in_own_process([&body] {
    struct sigaction action{};
    action.sa_sigaction = note_trap;
    action.sa_flags = SA_SIGINFO;
    ASSERT_EQ(sigaction(SIGSYS, &action, nullptr), 0);
    body();
  });
}

TEST(PortSystemCalls, NoneInAMillionDatagrams) {
  in_a_process_that_traps([] {
    BareWorker worker(PollMode::kSpin);
    Confined confined(worker);
    if (!confined.works()) throw NotHere("the kernel does not let this process install a seccomp filter");
    Traffic traffic(worker.wire());
    for (int i = 0; i < 10; ++i) {
      worker.io().order_announcements(0);
      traffic.run(350'000);
    }
    confined.end();
    EXPECT_GE(traffic.served(), 3'500'000U);
    EXPECT_GE(worker.desk().count(Counter::kDatagrams), 1'000'000U);
    EXPECT_EQ(confined.trapped(), 0) << "the first one was system call " << g_first_trapped;
    // It did all of what a worker does.
    for (const Counter counter :
         {Counter::kParked, Counter::kAnnouncements, Counter::kArpReplies, Counter::kNdpReplies, Counter::kEchoReplies,
          Counter::kDropFrameLength, Counter::kDropUdpChecksum, Counter::kDropLength, Counter::kUnitsOpened})
      EXPECT_GT(worker.desk().count(counter), 0U) << static_cast<int>(counter);
    EXPECT_EQ(unaccounted_frames(worker.desk().page(0).counters), 0);
  });
}

// A worker that may nap does so by a system call: the trap sees it.
TEST(PortSystemCalls, ANapIsCaught) {
  in_a_process_that_traps([] {
    BareWorker worker(PollMode::kBlock);
    Confined confined(worker);
    if (!confined.works()) throw NotHere("the kernel does not let this process install a seccomp filter");
    EXPECT_TRUE(eventually([] { return g_trapped.load() > 0; }));
    confined.end();
    EXPECT_EQ(g_first_trapped, SYS_clock_nanosleep);
  });
}

}  // namespace
}  // namespace gnomon::test
