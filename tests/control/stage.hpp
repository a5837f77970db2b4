// SPDX-License-Identifier: Apache-2.0
//
// Real etcd members, real daemons on them, and somebody who asks each daemon for IDs all the time.
//
//   Stage stage({.etcd = {.members = 3}, .daemons = 2, .window = 9s});
//   ASSERT_TRUE(stage.set_up());
//   stage.mark();
//   ... something happens to stage.etcd() ...
//   stage.expect_served("while the leader was dead");      // of each daemon: enough, no refusal, no gap
//   stage.expect_promises_kept();                          // no ID twice, nothing outside of what etcd has granted
//
// A total at the end can't tell whether anybody was served *while* etcd was away: what was missed is made good in a
// moment. So each stream notes, from mark to mark, its longest silence and every refusal, and the IDs are judged twice:
// against each other, and against the windows that etcd itself remembers (right_chronicle.hpp).
//
// Daemons whose cluster lives in namespaces live there, too, in host(j). Thread rule: one thread; each stream has one
// of its own.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "platform/endpoint.hpp"
#include "tests/control/bed/etcd_cluster.hpp"
#include "tests/control/right_chronicle.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/ledger.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::bed {

/// What a client saw in a while.
struct Account {
  std::uint64_t ids = 0;
  std::uint64_t refused = 0;                // not_leased
  std::uint64_t other = 0;                  // refused for another reason
  std::chrono::milliseconds longest_gap{};  // between two answers with IDs, the one that is still open included
};

/// Asks one daemon for IDs, a few thousand a second, from its making to its end.
class Stream {
 public:
  /// In the network namespace of the calling thread.
  explicit Stream(const platform::Endpoint& server);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  /// Since the last call.
  [[nodiscard]] Account take();
  /// What has been received since the last call. Between two batches, so nothing is in between.
  [[nodiscard]] support::Ledger take_ledger();

 private:
  using Clock = std::chrono::steady_clock;
  void run(const platform::Endpoint& server);

  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  // Guarded by mutex_.
  Account account_;
  support::Ledger ledger_;
  Clock::time_point last_served_ = Clock::now();
  std::thread thread_;
};

struct StageOptions {
  EtcdOptions etcd{};
  std::size_t daemons = 2;
  std::chrono::milliseconds window{9000};
  std::map<std::string, std::string> daemon_options{};
  /// store.url of each daemon; none: all members, in order.
  std::vector<std::string> urls{};
};

class Stage {
 public:
  explicit Stage(StageOptions options);

  /// Starts etcd, unless it runs, and the daemons; false, with what they said in a failed expectation, if one does not
  /// come to serve.
  [[nodiscard]] bool set_up();
  [[nodiscard]] bool start_daemon(std::size_t j);
  /// SIGTERM, or kill -9. What it had served is kept.
  void stop_daemon(std::size_t j, bool hard = false);

  [[nodiscard]] EtcdCluster& etcd() { return etcd_; }
  [[nodiscard]] support::Daemon& daemon(std::size_t j) { return *daemons_.at(j); }
  [[nodiscard]] Stream& stream(std::size_t j) { return *streams_.at(j); }
  [[nodiscard]] std::chrono::milliseconds window() const { return options_.window; }
  void set_urls(std::vector<std::string> urls) { options_.urls = std::move(urls); }

  /// Begins a new while for all streams.
  void mark();
  /// Each daemon has served enough since then, refused nobody for want of a right, and was never silent for long.
  void expect_served(const std::string& when);
  /// Waits until every window that is held now was extended after this call: etcd takes commits of every daemon again.
  [[nodiscard]] bool wait_renewed(std::chrono::milliseconds limit = std::chrono::seconds(30));
  /// Waits until every daemon serves.
  [[nodiscard]] bool wait_served(std::chrono::milliseconds limit = std::chrono::seconds(30));

  /// Nothing can be committed since `since`: each daemon serves on to the end of its window, then refuses with
  /// not_leased and gives no ID any more. Returns what was received meanwhile.
  [[nodiscard]] support::Ledger expect_runs_out(std::chrono::system_clock::time_point since);
  /// To be called once they are served again: none of `received` lies above what had been committed by `since`.
  void expect_below_ceilings_of(const support::Ledger& received, std::chrono::system_clock::time_point since) const;

  /// The end: stops the daemons, and judges all that was received and all that etcd remembers.
  void expect_promises_kept();
  /// For a test that compacts the history: keeps what etcd remembers of the rights by now, from the last time on.
  void keep_chronicle(std::uint64_t from);

  [[nodiscard]] std::uint64_t ids() const { return all_.ids(); }

 private:
  [[nodiscard]] support::ChildLimits limits_of(std::size_t j) const;
  void collect(std::size_t j);

  StageOptions options_;
  support::ScratchFolder folder_;
  EtcdCluster etcd_;
  std::vector<std::unique_ptr<support::Daemon>> daemons_;
  std::vector<std::unique_ptr<Stream>> streams_;
  support::Ledger all_;
  std::vector<RightWrite> writes_;
  std::uint64_t read_from_ = 1;
};

/// Outages shorter than the window are this long: longer than the time between two extensions, so that every daemon
/// runs into them, and shorter than what a window is sure to bridge.
[[nodiscard]] constexpr std::chrono::milliseconds outage_within(std::chrono::milliseconds window) {
  return window / 3 + std::chrono::milliseconds(300);
}

/// Rounds of a test that is repeated.
[[nodiscard]] inline int rounds() { return support::full_size() ? 20 : 2; }

/// A log without the end that nobody reads.
[[nodiscard]] std::string end_of(const std::string& log);

}  // namespace gnomon::bed
