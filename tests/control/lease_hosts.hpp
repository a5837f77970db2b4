// SPDX-License-Identifier: Apache-2.0
//
// Hosts that serve leases from one etcd: real members, a real gnomond on each host, and holders as processes that write
// down what they did and when.
//
//   LeaseHosts hosts({.etcd = {.members = 3}});
//   ASSERT_TRUE(hosts.set_up());
//   const auto holder = hosts.hold(0, "job", 3s, "one");     // a process beside daemon 0 (lease_program.cpp)
//   holder->send_signal(SIGKILL);
//   ... hosts.history().violations(2) ...
//
// Who holds a lease is asked of nobody: a daemon that is wrong about it would be wrong here, too. Each holder notes
// intervals that contain the true time, and the history is judged by those (tests/support/lease_history.hpp). For that
// the clocks of the hosts must be able to tell who came first: their sources are off by some milliseconds from one
// another, within a bound that says so, and a list of leap seconds that has not expired is theirs.
//
// Daemons whose cluster lives in namespaces live there, too, in host(j). Thread rule: one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/lease/lease_client.hpp"
#include "tests/control/bed/etcd_cluster.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/lease_history.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::bed {

/// How wrong a host's clock may be; they are off by less, each by another amount.
constexpr std::chrono::milliseconds kClockBound{20};
constexpr std::chrono::milliseconds kClockOff{8};

struct LeaseHostsOptions {
  EtcdOptions etcd{};
  std::size_t hosts = 3;
  std::map<std::string, std::string> daemon_options{};  // of all, besides what every daemon here has
};

class LeaseHosts {
 public:
  explicit LeaseHosts(LeaseHostsOptions options);

  /// Whether it can be had here; else `why` says what is missing.
  [[nodiscard]] static bool available(const EtcdOptions& etcd, std::string* why);

  /// Starts etcd and all daemons; false, with what they said in a failed expectation, if one does not serve leases.
  [[nodiscard]] bool set_up();
  /// Starts the daemon of `j`, and waits until it serves leases unless it need not.
  [[nodiscard]] bool start_daemon(std::size_t j, bool waits = true);

  [[nodiscard]] EtcdCluster& etcd() { return etcd_; }
  [[nodiscard]] std::size_t size() const { return daemons_.size(); }
  [[nodiscard]] support::Daemon& daemon(std::size_t j) { return *daemons_.at(j); }
  /// The end of all daemons' logs, for the message of a failed assertion.
  [[nodiscard]] std::string logs() const;

  /// "unix:PATH": where host `j` serves leases.
  [[nodiscard]] std::string server(std::size_t j) const;
  [[nodiscard]] std::shared_ptr<client::LeaseClient> client(std::size_t j) const;

  /// A process at host `j` that takes the lease, waits for it if need be, and acts under it for as long as it holds it.
  [[nodiscard]] std::unique_ptr<support::ChildProcess> hold(std::size_t j, const std::string& name,
                                                            std::chrono::milliseconds ttl, const std::string& who);
  /// `gnomon lease run --wait` at host `j`, of a command that acts for so long.
  [[nodiscard]] std::unique_ptr<support::ChildProcess> run(std::size_t j, const std::string& name,
                                                           std::chrono::milliseconds ttl, const std::string& who,
                                                           std::chrono::milliseconds acts);

  /// What this holder has written.
  [[nodiscard]] std::string written_by(const std::string& who) const;
  /// Whether it has held the lease for a time that is certain, whatever the clocks' bounds: see LeaseHistory.
  [[nodiscard]] bool has_held(const std::string& who) const;
  /// Its grants: the lines that begin one.
  [[nodiscard]] std::vector<support::LeaseLine> begun_by(const std::string& who) const;
  /// Of all holders. A line that can't be read is a failed expectation.
  [[nodiscard]] support::LeaseHistory history() const;
  /// The same line by line, in the order in which each holder wrote them.
  [[nodiscard]] std::vector<support::LeaseLine> lines() const;

 private:
  [[nodiscard]] support::ChildLimits limits_of(std::size_t j) const;
  [[nodiscard]] std::unique_ptr<support::ChildProcess> start(const std::vector<std::string>& arguments,
                                                             const std::string& who);
  [[nodiscard]] std::vector<support::LeaseLine> lines_of(const std::string& who) const;
  [[nodiscard]] std::filesystem::path notes_of(const std::string& who) const;

  LeaseHostsOptions options_;
  support::ScratchFolder folder_;
  EtcdCluster etcd_;
  std::vector<std::unique_ptr<support::Daemon>> daemons_;
  std::vector<std::string> holders_;
};

/// The canary of every history: the same lines, and somebody who acted while the longest tenure of them lasted.
[[nodiscard]] support::LeaseHistory with_a_planted_overlap(const std::vector<support::LeaseLine>& lines);
/// Nothing is broken in `lines`, and a planted overlap would be found. `served`: as in LeaseHistory::violations.
void expect_exclusive(const std::vector<support::LeaseLine>& lines, std::size_t served);

}  // namespace gnomon::bed
