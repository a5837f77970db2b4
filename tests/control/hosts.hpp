// SPDX-License-Identifier: Apache-2.0
//
// Hosts on one etcd, each with a daemon, a state folder and a clock of its own that a test sets wrong, starts, kills
// and looks at one by one. A stream asks each running daemon for IDs all the time, and whatever is received is kept.
//
// What the store holds is looked at past the daemons, through a connection of the test's own: a daemon that is wrong
// about itself would be wrong about that, too. Thread rule: one thread; streams have their own.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/etcd/etcd_store.hpp"
#include "control/meta.hpp"
#include "oracle/lease/stored_right.hpp"
#include "tests/control/bed/etcd_cluster.hpp"
#include "tests/control/stage.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/ledger.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::bed {

/// Small and quick, so that a test of clocks and windows takes seconds.
struct HostTimes {
  std::chrono::milliseconds window{3000};
  std::chrono::milliseconds max_lead{1000};
  std::chrono::milliseconds heartbeat{100};
  std::chrono::milliseconds tolerance{200};
};

/// The store as the operator of a test reads it.
[[nodiscard]] std::unique_ptr<control::EtcdStore> store_of(const EtcdCluster& etcd);

class Hosts {
 public:
  /// `options`: of all daemons, besides what HostTimes says.
  explicit Hosts(const EtcdCluster& etcd, std::map<std::string, std::string> options = {}, const HostTimes& times = {});

  /// Makes a host and starts nothing; its number. `options`: of its daemon.
  std::size_t add(const std::map<std::string, std::string>& options = {});
  [[nodiscard]] std::size_t size() const { return hosts_.size(); }
  [[nodiscard]] support::Daemon& daemon(std::size_t j) { return *hosts_.at(j)->daemon; }
  [[nodiscard]] std::string log(std::size_t j) const { return end_of(hosts_.at(j)->daemon->log()); }

  /// Starts the daemon of `j`; whether it says that it is ready, with a right or without.
  [[nodiscard]] bool start(std::size_t j, std::chrono::milliseconds limit = std::chrono::seconds(60));
  /// Starts it in the expectation that it refuses: its exit code.
  [[nodiscard]] support::Exit start_refused(std::size_t j);
  /// Waits for the end of a daemon that ends by itself.
  [[nodiscard]] support::Exit wait_exit(std::size_t j);
  void stop(std::size_t j);
  void kill_hard(std::size_t j);

  /// The daemon's clock is off by this from now on, in one step.
  void set_clock_off(std::size_t j, std::chrono::nanoseconds by);
  [[nodiscard]] std::chrono::nanoseconds clock_off(std::size_t j) const { return hosts_.at(j)->off; }

  /// What a client of `j` saw since the last call.
  [[nodiscard]] Account take(std::size_t j) { return hosts_.at(j)->stream->take(); }
  /// Whether it gives an ID within `limit`.
  [[nodiscard]] bool serves(std::size_t j, std::chrono::milliseconds limit = std::chrono::seconds(30));
  /// Whether it gives none for half a second on end, within `limit`.
  [[nodiscard]] bool stands_down(std::size_t j, std::chrono::milliseconds limit = std::chrono::seconds(30));

  /// Everything that was received until now. `expect_unique` judges it: nothing twice, and every right ascends.
  [[nodiscard]] const support::Ledger& received();
  void expect_unique();
  /// The latest instant, UTC, of any ID received until now.
  [[nodiscard]] time::SmearedUtc latest_issued();

  /// A program of the operator's (cmd/gnomon), with the configuration of host `j`.
  [[nodiscard]] support::Output gnomon(std::size_t j, std::vector<std::string> words) const;
  [[nodiscard]] std::map<std::string, std::string> configuration(std::size_t j) const;

 private:
  struct Host {
    std::filesystem::path offset_path;
    std::chrono::nanoseconds off{};
    std::unique_ptr<support::Daemon> daemon{};
    std::unique_ptr<Stream> stream{};
  };
  void collect(Host& host);

  const EtcdCluster& etcd_;
  std::map<std::string, std::string> options_;
  HostTimes times_;
  support::ScratchFolder folder_;
  std::vector<std::unique_ptr<Host>> hosts_;
  support::Ledger all_;
};

/// The rights that the store has now. Throws std::runtime_error if it does not say.
[[nodiscard]] lease::RightTable rights_in(control::Store& store);
[[nodiscard]] control::MetaView meta_of(control::Store& store);
[[nodiscard]] time::SmearedUtc utc_now();

}  // namespace gnomon::bed
