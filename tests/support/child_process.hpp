// SPDX-License-Identifier: Apache-2.0
//
// A program as a child: it dies with the process that started it (PR_SET_PDEATHSIG), is addressed by pid only, and what
// it prints goes to a file.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace gnomon::support {

/// How a process ended, or that it still runs.
struct Exit {
  bool exited = false;
  int code = -1;   // of exit()
  int signal = 0;  // that ended it
};

/// What is special about a child, besides its arguments.
struct ChildLimits {
  std::optional<std::uint64_t> file_bytes{};  // RLIMIT_FSIZE, with SIGXFSZ ignored: writes past it fail with EFBIG
  int network_namespace = -1;                 // an open one that it is born into; -1: that of the calling thread
};

class ChildProcess {
 public:
  /// Starts it. Of the environment, variables that begin with GNOMON_ are not inherited; `environment` is added.
  ChildProcess(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& environment,
               std::filesystem::path log, const ChildLimits& limits = {});
  /// Kills it if it still runs.
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] bool running() const;
  void send_signal(int signal) const;
  /// Waits for the end; kills it after `limit`.
  Exit wait_exit(std::chrono::milliseconds limit);

  [[nodiscard]] const std::filesystem::path& log_path() const { return log_; }
  /// What it has printed; the file is appended to, never truncated.
  [[nodiscard]] std::string log() const;

 private:
  std::filesystem::path log_;
  pid_t pid_ = -1;
  Exit exit_;
};

/// Runs a program to its end: exit code and everything it printed.
struct Output {
  Exit exit;
  std::string text;
};
Output run_program(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& environment,
                   std::chrono::milliseconds limit = std::chrono::seconds(60), const ChildLimits& limits = {});

/// The path of an installed program, looked for on PATH and where root's programs are; empty if there is none.
[[nodiscard]] std::string find_program(const std::string& name);

/// All of a file; empty if there is none.
[[nodiscard]] std::string slurp(const std::filesystem::path& path);
/// Of any process: it runs no more. A zombie has given back all that it held.
[[nodiscard]] bool is_gone(pid_t pid);

/// Sleeps for `ms` milliseconds at most.
void nap(int ms = 2);

}  // namespace gnomon::support
