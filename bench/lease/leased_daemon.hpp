// SPDX-License-Identifier: Apache-2.0
//
// A real gnomond that serves leases, for a bench. Its clock is the system's, with a list of leap seconds that has not
// expired, so that it tells the true time; its limits of calls per client are lifted, for the bench is one client.
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "tests/support/daemon.hpp"

namespace gnomon::bench {

class LeasedDaemon {
 public:
  /// Returns when it serves leases. `store_url`: "etcd:..."; empty: a SQLite store in `folder`.
  LeasedDaemon(const std::filesystem::path& folder, const std::string& store_url);

  /// "unix:PATH".
  [[nodiscard]] std::string server() const { return "unix:" + socket_; }
  /// What its desk has counted since the start: commands, commits, conflicts, reads and so on, by name. Waits until
  /// nothing is under way in its store.
  [[nodiscard]] std::map<std::string, std::uint64_t> counters() const;
  /// How often one of its threads has waited for something, since the start.
  [[nodiscard]] std::uint64_t waits() const;
  /// That of its store.
  [[nodiscard]] std::uint64_t revision() const;

 private:
  std::string socket_;
  support::Daemon daemon_;
};

}  // namespace gnomon::bench
