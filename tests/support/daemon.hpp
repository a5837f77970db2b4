// SPDX-License-Identifier: Apache-2.0
//
// A real gnomond with a state folder of its own. It serves on 127.0.0.1 and a port of the kernel's choice unless it is
// told otherwise, in the network namespace of the test unless it is started in another one.
//
// Its folder, pages and socket carry a name that no other run uses, so two test runs on one machine don't meet.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "platform/endpoint.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::support {

class Daemon {
 public:
  /// `options`: "section.key" -> value, given to the daemon as environment variables. They override what is given to
  /// every daemon here, such as server.listen.
  /// `program`: which gnomond; by default the one of this build.
  Daemon(std::filesystem::path folder, std::map<std::string, std::string> options, std::string program = {});
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  /// Starts the process; `wait_ready` says whether it came up: listening, and serving unless it can't be granted ids.
  void start(const ChildLimits& limits = {});
  [[nodiscard]] bool wait_ready(std::chrono::milliseconds limit = std::chrono::seconds(30));
  /// Where it serves, as it says in its ready file; empty until it is ready.
  [[nodiscard]] const std::vector<platform::Endpoint>& endpoints() const { return endpoints_; }
  /// The port of the first of them.
  [[nodiscard]] std::uint16_t port() const { return endpoints_.empty() ? std::uint16_t{0} : endpoints_.front().port; }
  [[nodiscard]] pid_t pid() const { return process_ ? process_->pid() : -1; }

  [[nodiscard]] bool alive() const { return process_ && process_->running(); }
  void send_signal(int signal) const;
  /// Waits for the end of the process; kills it after `limit`.
  Exit wait_exit(std::chrono::milliseconds limit = std::chrono::seconds(30));
  /// kill -9 and reap.
  void kill_hard();
  /// SIGTERM and reap; the exit code.
  Exit stop();

  /// What the daemon has printed since it was first started.
  [[nodiscard]] std::string log() const;
  [[nodiscard]] const std::string& instance() const { return instance_; }
  [[nodiscard]] std::filesystem::path state_dir() const { return folder_ / "state"; }
  [[nodiscard]] std::map<std::string, std::string> environment() const;

 private:
  [[nodiscard]] std::filesystem::path log_path() const { return folder_ / "log"; }
  [[nodiscard]] std::filesystem::path ready_path() const { return folder_ / "ready"; }

  std::filesystem::path folder_;
  std::string program_;
  std::map<std::string, std::string> options_;
  std::string instance_;
  std::unique_ptr<ChildProcess> process_;  // while it runs
  std::vector<platform::Endpoint> endpoints_;
};

/// Path of a program of this build, e.g. "cmd/gnomond".
std::string built(const std::string& name);
/// Whether the sizes that are asked for once, by hand, are wanted (./dev test --full).
bool full_size();

}  // namespace gnomon::support
