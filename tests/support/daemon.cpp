// SPDX-License-Identifier: Apache-2.0
#include "tests/support/daemon.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <csignal>
#include <cstdlib>
#include <sstream>
#include <system_error>
#include <utility>

namespace gnomon::support {
namespace {

using Clock = std::chrono::steady_clock;

std::string variable_of(const std::string& option) {
  std::string name = "GNOMON_" + option;
  std::replace(name.begin(), name.end(), '.', '_');
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return static_cast<char>(toupper(c)); });
  return name;
}

// One endpoint a line. The file is put in place whole, so what is there is all of it.
std::vector<platform::Endpoint> listed_in(const std::filesystem::path& ready) {
  std::vector<platform::Endpoint> endpoints;
  std::istringstream lines(slurp(ready));
  for (std::string line; std::getline(lines, line);)
    if (const auto endpoint = platform::parse_endpoint(line)) endpoints.push_back(*endpoint);
  return endpoints;
}

}  // namespace

Daemon::Daemon(std::filesystem::path folder, std::map<std::string, std::string> options, std::string program)
    : folder_(std::move(folder)),
      program_(program.empty() ? built("cmd/gnomond") : std::move(program)),
      options_(std::move(options)) {
  static std::atomic<int> number{0};
  instance_ = fmt::format("t{}-{}", getpid(), number++);
  std::filesystem::create_directories(folder_ / "run");
}

Daemon::~Daemon() {
  kill_hard();
  // A daemon that was killed leaves its pages; these are this test's alone.
  std::error_code ignored;
  for (const auto& file : std::filesystem::directory_iterator("/dev/shm", ignored))
    if (file.path().filename().string().starts_with("gnomon." + instance_ + "."))
      std::filesystem::remove(file.path(), ignored);
}

std::map<std::string, std::string> Daemon::environment() const {
  std::map<std::string, std::string> variables{
      {"GNOMON_SERVER_LISTEN", "127.0.0.1:0"},
      {"GNOMON_SERVER_INSTANCE", instance_},
      {"GNOMON_STATE_DIR", state_dir().string()},
      {"GNOMON_METRICS_LISTEN", ""},
      {"XDG_RUNTIME_DIR", (folder_ / "run").string()},
      {"RUNTIME_DIRECTORY", ""},
      {"GNOMON_SERVER_SUPERVISE", "false"},  // the process that is started is the daemon itself
  };
  for (const auto& [option, value] : options_)
    variables[variable_of(option)] = value;
  return variables;
}

void Daemon::start(const ChildLimits& limits) {
  std::filesystem::remove(ready_path());
  endpoints_.clear();
  process_ = std::make_unique<ChildProcess>(std::vector<std::string>{program_, "--ready-file", ready_path().string()},
                                            environment(), log_path(), limits);
}

bool Daemon::wait_ready(std::chrono::milliseconds limit) {
  const auto until = Clock::now() + limit;
  while (Clock::now() < until) {
    endpoints_ = listed_in(ready_path());
    if (!endpoints_.empty()) return true;
    if (!process_->running()) return false;  // it ended instead
    nap();
  }
  return false;
}

void Daemon::send_signal(int signal) const {
  if (process_) process_->send_signal(signal);
}

Exit Daemon::wait_exit(std::chrono::milliseconds limit) {
  if (!process_) return {};
  const Exit exit = process_->wait_exit(limit);
  process_.reset();
  return exit;
}

void Daemon::kill_hard() {
  send_signal(SIGKILL);
  wait_exit();
}

Exit Daemon::stop() {
  send_signal(SIGTERM);
  return wait_exit();
}

std::string Daemon::log() const { return slurp(log_path()); }

std::string built(const std::string& name) {
  const char* folder = std::getenv("GNOMON_BUILD_DIR");
  return (std::filesystem::path(folder != nullptr ? folder : ".") / name).string();
}

bool full_size() { return std::getenv("GNOMON_TEST_FULL") != nullptr; }

}  // namespace gnomon::support
