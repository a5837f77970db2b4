// SPDX-License-Identifier: Apache-2.0
#include "tests/ptp/pairs/pair_run.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <new>
#include <optional>
#include <string_view>
#include <thread>

#include "client/commit_wait.hpp"
#include "platform/system_error.hpp"

namespace gnomon::pairs {
namespace {

constexpr int kPollsBetweenYields = 64;
constexpr auto kPatience = std::chrono::seconds(600);

/// What the two processes and the judge share. The pairs follow behind it.
struct alignas(64) Shared {
  std::atomic<std::uint32_t> ready{0};     // processes whose clock serves
  std::atomic<std::uint32_t> released{0};  // pairs whose wait is over
  std::atomic<std::uint32_t> seen{0};      // pairs that the witness has looked at
  std::atomic<bool> over{false};           // somebody ended before his time
};
static_assert(std::atomic<std::uint32_t>::is_always_lock_free && std::atomic<bool>::is_always_lock_free);
static_assert(alignof(Pair) <= alignof(Shared) && std::is_trivially_copyable_v<Pair>);

class SharedRun {
 public:
  explicit SharedRun(std::uint32_t pairs) : size_(sizeof(Shared) + pairs * sizeof(Pair)), pairs_(pairs) {
    void* const at = mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) throw std::bad_alloc();
    shared_ = new (at) Shared;
    first_ = new (static_cast<std::byte*>(at) + sizeof(Shared)) Pair[pairs];
  }
  ~SharedRun() { munmap(shared_, size_); }
  SharedRun(const SharedRun&) = delete;
  SharedRun& operator=(const SharedRun&) = delete;

  [[nodiscard]] Shared& shared() const { return *shared_; }
  [[nodiscard]] Pair& pair(std::uint32_t i) const { return first_[i]; }
  [[nodiscard]] std::uint32_t pairs() const { return pairs_; }

  /// Polls until `word` is at least `value`; false if the run is over before that.
  [[nodiscard]] bool reaches(const std::atomic<std::uint32_t>& word, std::uint32_t value) const {
    for (int polls = 1; word.load(std::memory_order_acquire) < value;
         ++polls) {  // pairs with the release of who stores
      if (polls % kPollsBetweenYields != 0) continue;
      if (shared_->over.load(std::memory_order_relaxed)) return false;
      sched_yield();
    }
    return true;
  }

 private:
  std::size_t size_;
  std::uint32_t pairs_;
  Shared* shared_ = nullptr;
  Pair* first_ = nullptr;
};

// The library's own wait. `last` is the look that ended it: a little before the return, so that nobody can mistake the
// time which the return takes for the time that was waited.
std::optional<Look> commit_wait(OwnClock& clock, time::Tai t, ReleaseBy by) {
  Look last;
  const auto now = [&]() -> client::Result<time::Interval> {
    last = clock.look();
    if (!last.now)
      return tl::make_unexpected(client::Error{client::ErrorKind::kClockUnsynchronised, "it says no time", {}, {}});
    if (by == ReleaseBy::kEarliest) return *last.now;
    return time::Interval{last.now->latest, last.now->latest};
  };
  if (!client::wait_past(t, time::seconds(1), now)) return std::nullopt;
  return last;
}

void wait_once(OwnClock& clock, ReleaseBy by, Pair& pair) {
  const Look asked = clock.look();
  if (!asked.now) return;
  pair.asked_at = asked.truth;
  pair.asked = *asked.now;
  const auto released = commit_wait(clock, pair.t(), by);
  if (!released) return;
  pair.released_at = released->truth;
  pair.released = *released->now;
  pair.waited = true;
}

void be_waiter(const SharedRun& run, OwnClock& clock, ReleaseBy by) {
  for (std::uint32_t i = 0; i < run.pairs(); ++i) {
    wait_once(clock, by, run.pair(i));
    run.shared().released.store(i + 1, std::memory_order_release);  // pairs with the witness's `reaches`
    if (!run.reaches(run.shared().seen, i + 1)) return;
  }
}

void be_witness(const SharedRun& run, OwnClock& clock) {
  for (std::uint32_t i = 0; i < run.pairs(); ++i) {
    if (!run.reaches(run.shared().released, i + 1)) return;
    const Look look = clock.look();
    Pair& pair = run.pair(i);
    pair.seen_at = look.truth;
    pair.witnessed = look.now.has_value();
    if (look.now) pair.seen = *look.now;
    run.shared().seen.store(i + 1, std::memory_order_release);  // pairs with the waiter's `reaches`
  }
}

enum class Role : std::uint8_t { kWaiter, kWitness };

// In the child. It never returns into the test: what the parent would clean up is the parent's.
[[noreturn]] void live(Role role, const Scenario& scenario, const SharedRun& run, const Truth& truth) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  int code = 0;
  try {
    OwnClock clock(role == Role::kWaiter ? scenario.waiter : scenario.witness, truth);
    run.shared().ready.fetch_add(1, std::memory_order_acq_rel);  // pairs with `reaches` of the other
    if (!run.reaches(run.shared().ready, 2)) code = 1;
    if (code == 0 && role == Role::kWaiter) be_waiter(run, clock, scenario.release_by);
    if (code == 0 && role == Role::kWitness) be_witness(run, clock);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    code = 1;
  }
  _exit(code);
}

/// Two children, each known by its pid.
class Children {
 public:
  explicit Children(Shared& shared) : shared_(shared) {}
  ~Children() {
    for (const pid_t pid : pids_)
      if (pid > 0) end(pid);
  }
  Children(const Children&) = delete;
  Children& operator=(const Children&) = delete;

  void add(pid_t pid) { pids_.at(added_++) = pid; }
  /// Empty if both did what they were there for.
  [[nodiscard]] std::string wait() {
    const auto until = std::chrono::steady_clock::now() + kPatience;
    std::string fault;
    while (pids_ != std::array<pid_t, 2>{}) {
      for (pid_t& pid : pids_) {
        int status = 0;
        if (pid <= 0 || waitpid(pid, &status, WNOHANG) != pid) continue;
        if (status != 0 && fault.empty())
          fault = fmt::format("process {} ended with wait status {:#x} before the run was over", pid, status);
        if (status != 0) shared_.over.store(true, std::memory_order_relaxed);
        pid = 0;
      }
      if (std::chrono::steady_clock::now() > until) return "the run has not ended after ten minutes";
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return fault;
  }

 private:
  static void end(pid_t pid) {
    kill(pid, SIGKILL);
    waitpid(pid, nullptr, 0);
  }

  Shared& shared_;
  std::array<pid_t, 2> pids_{};
  std::size_t added_ = 0;
};

// A process that was killed leaves its page.
void remove_page(const std::string& name) {
  std::error_code ignored;
  std::filesystem::remove("/dev/shm/" + name, ignored);
}

void note(Verdict& verdict, std::uint64_t& count, std::string_view what, std::size_t pair, time::Duration by) {
  ++count;
  if (verdict.first.empty()) verdict.first = fmt::format("pair {}: {} by {} ns", pair, what, by.ns);
}

void judge_containment(Verdict& verdict, std::size_t i, const time::Interval& said, time::Tai truth) {
  if (said.contains(truth)) return;
  note(verdict, verdict.missed, "the truth is outside of the interval", i,
       truth < said.earliest ? said.earliest - truth : truth - said.latest);
}

}  // namespace

tl::expected<std::vector<Pair>, std::string> run_pairs(const Scenario& scenario) {
  const Truth truth;
  const SharedRun run(scenario.pairs);
  Children children(run.shared());
  std::fflush(nullptr);  // or both children would carry what is still to be printed
  for (const Role role : {Role::kWaiter, Role::kWitness}) {
    const pid_t pid = fork();
    if (pid < 0) return tl::make_unexpected(platform::system_error("fork").text);
    if (pid == 0) live(role, scenario, run, truth);
    children.add(pid);
  }
  const std::string fault = children.wait();
  remove_page(scenario.waiter.name);
  remove_page(scenario.witness.name);
  if (!fault.empty()) return tl::make_unexpected(fault);
  std::vector<Pair> out;
  out.reserve(scenario.pairs);
  for (std::uint32_t i = 0; i < scenario.pairs; ++i)
    out.push_back(run.pair(i));
  return out;
}

Verdict judge(const std::vector<Pair>& pairs) {
  Verdict out;
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const Pair& pair = pairs[i];
    if (!pair.waited || !pair.witnessed) continue;
    ++out.served;
    if (pair.released_at <= pair.t())
      note(out, out.early, "the wait was over too early", i, pair.t() - pair.released_at);
    if (pair.seen.latest <= pair.t()) note(out, out.outrun, "the witness is outrun", i, pair.t() - pair.seen.latest);
    judge_containment(out, i, pair.asked, pair.asked_at);
    judge_containment(out, i, pair.released, pair.released_at);
    judge_containment(out, i, pair.seen, pair.seen_at);
    const time::Duration width = pair.asked.width();
    out.width_us.push_back(static_cast<double>(width.ns) / 1e3);
    out.excess_us.push_back(static_cast<double>((pair.released_at - pair.asked_at - width).ns) / 1e3);
  }
  std::sort(out.width_us.begin(), out.width_us.end());
  std::sort(out.excess_us.begin(), out.excess_us.end());
  return out;
}

double percentile(const std::vector<double>& ascending, double percent) {
  if (ascending.empty()) return 0;
  const auto last = static_cast<double>(ascending.size() - 1);
  return ascending[static_cast<std::size_t>(last * percent / 100)];
}

}  // namespace gnomon::pairs
