// SPDX-License-Identifier: Apache-2.0
//
// What the extension of 1, 16 and 128 rights costs, from the rules to the answer and with the journal, next to a bare
// transaction (one compare, one put) to the same member by the same library. All take turns, in an order that is drawn
// anew, so that what wanders on the machine meets all of them.
//
// The naive comparison does each a thousand times in a row: it measures the machine's mood. And it never pauses, while
// a daemon extends every few seconds and finds a connection that has been idle; so there is a second table with a pause
// before each. To say what a large extension is made of, a bare transaction with as many compares and puts goes along.
//
// Clusters: each version of etcd that is here, with one and three members. 3.4 syncs its log to disk, in /var/tmp; 3.5
// is told not to and lies in memory, which leaves the least to hide behind. TMPDIR puts both elsewhere.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <list>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "bench/control_plane/bare_transaction.hpp"
#include "bench/control_plane/etcd_access.hpp"
#include "bench/control_plane/parts.hpp"
#include "bench/control_plane/right_holder.hpp"
#include "control/etcd/etcd_channels.hpp"
#include "tests/control/bed/etcd_cluster.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::bench {
namespace {

constexpr std::array<std::uint16_t, 3> kSizes{1, 16, 128};
constexpr int kWarmUp = 20;               // rounds
constexpr int kPauseMs = 10;              // longer than EtcdLink takes a connection for busy
constexpr int kRoundsPerPausedRound = 5;  // of those with pauses there are fewer
constexpr const char* kOnDisk = "/var/tmp";

// All that take turns on one cluster, and what they took.
class Contest {
 public:
  Contest(const control::EtcdOptions& options, const std::string& folder)
      : store_(store_for(options)), channel_(must(control::EtcdDialer::open(options)).dial().front().channel) {
    std::uint16_t first = 0;
    for (const std::uint16_t count : kSizes) {
      Size& size = sizes_.emplace_back(*store_, folder, first, count);
      first = static_cast<std::uint16_t>(first + count);
      const auto cost = size.holder.extend();  // for the shape of its transaction
      if (cost.commit_ns <= 0) die("the clock stands still");
      const control::Transaction& shape = size.holder.transaction();
      const std::string key = "bench/" + std::to_string(count);
      size.bare = std::make_unique<BareTransaction>(channel_, key, shape.puts.front().value, shape.compares.size(),
                                                    shape.puts.size());
    }
    one_ = std::make_unique<BareTransaction>(channel_, "bench/one",
                                             sizes_.front().holder.transaction().puts.front().value, 1, 1);
  }

  void run(int rounds, int pause_ms) {
    std::vector<int> order(1 + 2 * sizes_.size());
    std::iota(order.begin(), order.end(), 0);
    for (int round = -kWarmUp; round < rounds; ++round) {
      if (round == 0) clear();
      std::shuffle(order.begin(), order.end(), random_);
      for (const int job : order) {
        // Each begins in the same state of the machine, not in the wake of another one's sync: an idle connection, or
        // one that was just in use.
        if (pause_ms > 0)
          support::nap(pause_ms);
        else
          (void)must(store_->get(lease::kStoreKey));
        do_job(job);
      }
    }
  }

  void report() {
    std::vector<double> one_us = one_us_;
    const double one = quantile(one_us, 0.5);
    print("a bare transaction, 1 compare and 1 put", one_us_, one);
    for (Size& size : sizes_) {
      const control::Transaction& shape = size.holder.transaction();
      print(fmt::format("  bare, {} compares and {} puts", shape.compares.size(), shape.puts.size()), size.bare_us,
            one);
      print(fmt::format("extension of {}", size.holder.count()), size.commit_us, one);
      print("  with the journal", size.journaled_us, one);
    }
  }

 private:
  struct Size {
    Size(control::Store& store, const std::string& folder, std::uint16_t first, std::uint16_t count)
        : holder(store, folder, first, count) {}
    RightHolder holder;
    std::unique_ptr<BareTransaction> bare{};
    std::vector<double> bare_us{};
    std::vector<double> commit_us{};
    std::vector<double> journaled_us{};
  };

  void do_job(int job) {
    if (job == 0) {
      one_us_.push_back(static_cast<double>(one_->commit()) / 1e3);
      return;
    }
    Size& size = *std::next(sizes_.begin(), (job - 1) / 2);
    if (job % 2 == 1) {
      size.bare_us.push_back(static_cast<double>(size.bare->commit()) / 1e3);
      return;
    }
    const RightHolder::Cost cost = size.holder.extend();
    size.commit_us.push_back(static_cast<double>(cost.commit_ns) / 1e3);
    size.journaled_us.push_back(static_cast<double>(cost.commit_ns + cost.journal_ns) / 1e3);
  }

  void clear() {
    one_us_.clear();
    for (Size& size : sizes_) {
      size.bare_us.clear();
      size.commit_us.clear();
      size.journaled_us.clear();
    }
  }

  // Of each round, its own ratio: what the median of ratios hides shows in their spread.
  void print(const std::string& what, const std::vector<double>& values_us, double one) {
    std::vector<double> us = values_us;
    std::vector<double> ratios;
    ratios.reserve(us.size());
    for (std::size_t i = 0; i < us.size(); ++i)
      ratios.push_back(us[i] / one_us_[i]);
    fmt::print("{:<42} {:>9.0f} {:>9.0f} - {:<9.0f} {:>7.2f} {:>9.2f} - {:.2f}\n", what, quantile(us, 0.5),
               quantile(us, 0.1), quantile(us, 0.9), quantile(us, 0.5) / one, quantile(ratios, 0.1),
               quantile(ratios, 0.9));
  }

  std::unique_ptr<control::EtcdStore> store_;
  std::shared_ptr<grpc::Channel> channel_;
  std::list<Size> sizes_;
  std::unique_ptr<BareTransaction> one_;
  std::mt19937_64 random_{1};
  std::vector<double> one_us_;
};

void print_head(const std::string& where, int rounds) {
  fmt::print("\n{}, {} rounds\n", where, rounds);
  fmt::print("{:<42} {:>9} {:>21} {:>7} {:>19}\n", "", "median us", "p10 - p90", "ratio", "p10 - p90");
}

void measure_on(const std::string& version, std::size_t members, int rounds) {
  bed::EtcdCluster etcd({.version = version, .members = members});
  etcd.start();
  const auto leader = etcd.wait_for_leader();
  if (!leader) die("etcd found no leader");
  const support::ScratchFolder folder;  // outlives the journals
  // Everybody talks to the leader: by way of another member would be one hop more, for some and not for others.
  Contest contest(options_for(bed::EtcdCluster::url_of({etcd.endpoint(*leader)})), folder.path().string());
  const std::string where = fmt::format("etcd {}, {} member{}, {}", version, members, members == 1 ? "" : "s",
                                        version == "3.4" ? "syncing to disk" : "in memory, syncing nothing");
  contest.run(rounds, 0);
  print_head(where + ": on a connection in use", rounds);
  contest.report();
  const int paused = std::max(1, rounds / kRoundsPerPausedRound);
  contest.run(paused, kPauseMs);
  print_head(fmt::format("{}: on a connection that rested for {} ms", where, kPauseMs), paused);
  contest.report();
  std::fflush(stdout);
}

}  // namespace

void measure_commits(int rounds) {
  fmt::print(
      "Extensions of rights against a bare transaction, both to the leader; the ratio is of medians, its spread\n"
      "of the ratios round by round. Aim: 1.30 for one right, without the journal.\n");
  // NOLINTBEGIN(concurrency-mt-unsafe): no channel lives while the environment changes
  const bool elsewhere = std::getenv("TMPDIR") != nullptr;
  for (const bed::EtcdBinary& binary : bed::etcd_binaries()) {
    const bool on_disk = binary.version == "3.4" && !elsewhere;
    if (on_disk) setenv("TMPDIR", kOnDisk, 1);
    for (const std::size_t members : {1U, 3U})
      measure_on(binary.version, members, rounds);
    if (on_disk) unsetenv("TMPDIR");
  }
  // NOLINTEND(concurrency-mt-unsafe)
}

}  // namespace gnomon::bench
