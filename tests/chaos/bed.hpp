// SPDX-License-Identifier: Apache-2.0
//
// The cluster that a chaos run is done to: three etcd members, five supervised daemons and two hosts of clients, each
// in a network namespace of its own on one switch.
//
// Each daemon has what a machine would have: an address that stays, a clock that can be set wrong (the offset file, as
// in tests/control/mad_clock_test.cpp), and a disk for its state: a small file system in memory, mounted in a mount
// namespace of this process, which goes with it. That is a disk that is really full, and not one whose writes are
// refused by some limit that the program could see.
//
// Daemons that end by themselves are started again, as a service manager does (`Restart=on-failure`): `look_after`.
// What can't be done throws std::runtime_error. Thread rule: one thread, which lives as long as the bed: all processes
// die with it.
#pragma once

#include <sys/types.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "platform/endpoint.hpp"
#include "tests/chaos/plan.hpp"
#include "tests/control/bed/etcd_cluster.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::chaos {

constexpr std::size_t kClientHosts = 2;
/// How wrong a daemon's clock says that it may be; each is off by less, and by another amount.
constexpr std::chrono::microseconds kClockBound{5000};

/// A file system of its own on a folder, as long as this lives.
class SmallDisk {
 public:
  explicit SmallDisk(std::filesystem::path folder);
  ~SmallDisk();
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

 private:
  std::filesystem::path folder_;
};

class Bed {
 public:
  /// To be called before the process has a second thread: enters a mount namespace.
  Bed();
  ~Bed();
  Bed(const Bed&) = delete;
  Bed& operator=(const Bed&) = delete;

  /// Whether it can be had here; else `why` says what is missing. May fetch etcd.
  [[nodiscard]] static bool available(std::string* why);

  /// Everything, until all daemons serve.
  void start();

  // --- places
  [[nodiscard]] bed::EtcdCluster& etcd() { return *etcd_; }
  [[nodiscard]] const support::NetworkNamespace& client_host(std::size_t c) const { return etcd_->host(kDaemons + c); }
  [[nodiscard]] platform::Endpoint endpoint(std::size_t j) const;
  /// "address:port" of all daemons, in their order.
  [[nodiscard]] std::vector<std::string> servers() const;
  [[nodiscard]] const std::string& instance(std::size_t j) const { return daemons_.at(j)->instance(); }
  /// Where daemon `j` serves leases: "unix:PATH".
  [[nodiscard]] std::string lease_server(std::size_t j) const;
  /// On the switch.
  [[nodiscard]] std::size_t place_of_daemon(std::size_t j) const { return etcd_->place_of_host(j); }
  [[nodiscard]] std::size_t place_of_clients(std::size_t c) const { return etcd_->place_of_host(kDaemons + c); }

  // --- daemons
  [[nodiscard]] support::Daemon& daemon(std::size_t j) { return *daemons_.at(j); }
  /// The process that serves, under its supervisor; 0: there is none.
  [[nodiscard]] pid_t serving_pid(std::size_t j) const;
  void start_daemon(std::size_t j);
  /// Starts it, and leaves it to itself: nobody starts it again when it ends.
  void try_daemon(std::size_t j);
  /// kill -9 of the supervisor, upon which its daemon stops by itself; both stay down until they are started.
  void kill_supervisor(std::size_t j);
  /// kill -9 of both, of whom nobody is left when this returns; likewise.
  void lose_power(std::size_t j);
  /// SIGTERM; likewise.
  void stop_daemon(std::size_t j);
  /// Starts those again that ended by themselves.
  void look_after();
  /// How often that was.
  [[nodiscard]] std::uint64_t restarts() const { return restarts_; }
  /// `gnomon` with the configuration and in the network of daemon `j`; what it said, and how it ended.
  [[nodiscard]] support::Output gnomon(std::size_t j, std::vector<std::string> words) const;
  /// The same again and again for a while until it succeeds, as an operator does whose etcd is about to come up.
  void must_gnomon(std::size_t j, const std::vector<std::string>& words) const;

  // --- clocks and disks
  /// By this much the clock is wrong, besides what it always is.
  void set_clock(std::size_t j, time::Duration wrong_by) const;
  /// Until the last byte.
  void fill_disk(std::size_t j) const;
  void empty_disk(std::size_t j) const;
  /// Flips a bit of the journal, which has to be there.
  void damage_journal(std::size_t j, std::uint64_t chance) const;

  /// The ends of all logs.
  [[nodiscard]] std::string logs() const;

 private:
  [[nodiscard]] std::filesystem::path folder_of(std::size_t j) const { return folder_.path() / std::to_string(j); }
  void make_daemon(std::size_t j);

  support::ScratchFolder folder_;
  std::array<std::optional<SmallDisk>, kDaemons> disks_;
  std::unique_ptr<bed::EtcdCluster> etcd_;
  std::array<std::unique_ptr<support::Daemon>, kDaemons> daemons_;
  std::array<bool, kDaemons> meant_to_run_{};
  std::array<std::chrono::steady_clock::time_point, kDaemons> last_start_{};
  std::uint64_t restarts_ = 0;
};

}  // namespace gnomon::chaos
