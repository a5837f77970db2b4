// SPDX-License-Identifier: Apache-2.0
#include "client/lease/exclusive_job.hpp"

#include <atomic>
#include <thread>
#include <utility>

#include "client/fork_guard.hpp"
#include "client/lease/quiet_thread.hpp"

namespace gnomon::client {
namespace {

constexpr time::Duration kLook = time::milliseconds(20);  // for so long the end of the job may wait for the watcher

/// Asks the job to stop when its lease is in danger. Joined on every way out of the job.
class DangerWatcher {
 public:
  explicit DangerWatcher(const Lease& lease) : lease_(lease) {}
  DangerWatcher(const DangerWatcher&) = delete;
  DangerWatcher& operator=(const DangerWatcher&) = delete;
  ~DangerWatcher() {
    over_.store(true);
    if (!thread_.joinable()) return;
    // A job that forked and returned in the child: the thread is the parent's.
    if (guard_.is_ours())
      thread_.join();
    else
      thread_.detach();
  }

  [[nodiscard]] LeaseResult<void> start() {
    return start_quiet_thread(thread_, [this] {
      while (!over_.load()) {
        if (lease_.wait(Belief::kHeld, kLook) == Belief::kHeld) continue;
        stop_.request_stop();
        return;
      }
    });
  }
  [[nodiscard]] std::stop_token token() const { return stop_.get_token(); }

 private:
  const ForkGuard guard_;
  const Lease& lease_;
  std::stop_source stop_;
  std::atomic<bool> over_{false};
  std::thread thread_;
};

}  // namespace

std::string_view text_of(JobEnd end) {
  switch (end) {
    case JobEnd::kDone: return "done";
    case JobEnd::kStopped: return "stopped";
    case JobEnd::kOverrun: return "overrun";
  }
  return "unknown end";
}

LeaseResult<JobEnd> run_exclusively(Session& session, const std::string& name, const ExclusiveJob& job,
                                    const AcquireOptions& options) {
  auto lease = session.acquire(name, options);
  if (!lease) return tl::make_unexpected(std::move(lease.error()));
  DangerWatcher watcher(*lease);  // ends before the lease goes
  if (auto started = watcher.start(); !started) return tl::make_unexpected(std::move(started.error()));
  job(*lease, watcher.token());
  if (!lease->holds()) return JobEnd::kOverrun;
  return watcher.token().stop_requested() ? JobEnd::kStopped : JobEnd::kDone;
}

}  // namespace gnomon::client
