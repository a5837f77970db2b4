// SPDX-License-Identifier: Apache-2.0
//
// What a Client and its streams share: the checked options, and the I/O thread of the process that they run in.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/error.hpp"
#include "client/fork_guard.hpp"
#include "client/io_thread.hpp"
#include "client/options.hpp"
#include "client/time_keeper.hpp"

namespace gnomon::client {

class ClientState {
 public:
  [[nodiscard]] static Result<std::shared_ptr<ClientState>> start(const Options& options);
  ClientState(IoSettings settings, std::vector<std::string> names, std::unique_ptr<IoThread> io);

  /// This process's thread; started anew in a forked child.
  [[nodiscard]] Result<IoThread*> io() {
    return io_.get([this] { return IoThread::start(settings_); });
  }
  [[nodiscard]] IoThread* io_if_ours() const { return io_.peek(); }
  /// For a call that blocks: refuses the I/O thread itself.
  [[nodiscard]] Result<IoThread*> io_for_waiting();

  /// This process's knowledge of the time; a forked child begins with none.
  [[nodiscard]] Result<TimeKeeper*> time() {
    return time_.get(
        [this]() -> Result<std::unique_ptr<TimeKeeper>> { return std::make_unique<TimeKeeper>(settings_.local_time); });
  }
  [[nodiscard]] const TimeKeeper* time_if_ours() const { return time_.peek(); }
  /// The largest hybrid timestamp that this client was given.
  [[nodiscard]] std::atomic<std::uint64_t>& last_hlc() { return last_hlc_; }

  [[nodiscard]] const LocalTimeOptions& local_time() const { return settings_.local_time; }
  [[nodiscard]] Result<void> check_server(std::size_t index) const;
  [[nodiscard]] const std::vector<platform::Endpoint>& servers() const { return settings_.engine.servers; }
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }
  [[nodiscard]] std::uint32_t next_stream() { return streams_.fetch_add(1, std::memory_order_relaxed); }

 private:
  IoSettings settings_;
  std::vector<std::string> names_;  // as in the options
  std::atomic<std::uint32_t> streams_{0};
  std::atomic<std::uint64_t> last_hlc_{0};
  ForkSafe<TimeKeeper> time_;
  ForkSafe<IoThread> io_;  // last: what its thread still holds ends before the rest goes
};

/// The first address of "address:port", "[v6]:port" or "name:port"; asks the resolver if it must.
[[nodiscard]] Result<platform::Endpoint> resolve(const std::string& server);

}  // namespace gnomon::client
