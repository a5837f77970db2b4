// SPDX-License-Identifier: Apache-2.0
#include "tests/support/daemon.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
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

void nap() {
  pollfd none{-1, 0, 0};
  poll(&none, 1, 2);
}

std::string slurp(const std::filesystem::path& path) {
  const std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

// fork and exec, not posix_spawn: the child has to ask for its own death when the test dies.
pid_t spawn(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& environment,
            const std::filesystem::path& log) {
  std::vector<std::string> variables;
  for (char** e = environ; *e != nullptr; ++e)
    if (std::string_view(*e).substr(0, 7) != "GNOMON_") variables.emplace_back(*e);
  for (const auto& [name, value] : environment)
    variables.push_back(name + "=" + value);
  std::vector<char*> argv;
  std::vector<char*> envp;
  for (const std::string& a : arguments)
    argv.push_back(const_cast<char*>(a.c_str()));
  for (const std::string& v : variables)
    envp.push_back(const_cast<char*>(v.c_str()));
  argv.push_back(nullptr);
  envp.push_back(nullptr);

  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid > 0) return pid;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);
  const int out = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(null, 0);
  dup2(out, 1);
  dup2(out, 2);
  execve(argv[0], argv.data(), envp.data());
  _exit(127);
}

Exit reap(pid_t pid, Clock::time_point until) {
  int status = 0;
  while (waitpid(pid, &status, WNOHANG) == 0) {
    if (Clock::now() > until) {
      kill(pid, SIGKILL);
      waitpid(pid, &status, 0);
      break;
    }
    nap();
  }
  if (WIFEXITED(status)) return {true, WEXITSTATUS(status), 0};
  return {true, -1, WTERMSIG(status)};
}

}  // namespace

ScratchFolder::ScratchFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "gnomon-test.XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::system_error(errno, std::generic_category(), "mkdtemp");
  path_ = pattern;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Daemon::Daemon(const std::filesystem::path& folder, std::map<std::string, std::string> options, std::string program)
    : folder_(folder),
      program_(program.empty() ? built("cmd/gnomond") : std::move(program)),
      options_(std::move(options)) {
  static std::atomic<int> number{0};
  instance_ = fmt::format("t{}-{}", getpid(), number++);
  std::filesystem::create_directories(folder_ / "run");
}

Daemon::~Daemon() {
  if (pid_ > 0) kill_hard();
  // A daemon that was killed leaves its pages; these are this test's alone.
  std::error_code ignored;
  for (const auto& file : std::filesystem::directory_iterator("/dev/shm", ignored))
    if (file.path().filename().string().rfind("gnomon." + instance_ + ".", 0) == 0)
      std::filesystem::remove(file.path(), ignored);
}

std::map<std::string, std::string> Daemon::environment() const {
  std::map<std::string, std::string> variables{
      {"GNOMON_SERVER_LISTEN", "127.0.0.1:0"},         {"GNOMON_SERVER_INSTANCE", instance_},
      {"GNOMON_STATE_DIR", state_dir().string()},      {"GNOMON_METRICS_LISTEN", ""},
      {"XDG_RUNTIME_DIR", (folder_ / "run").string()}, {"RUNTIME_DIRECTORY", ""},
  };
  for (const auto& [option, value] : options_)
    variables[variable_of(option)] = value;
  return variables;
}

void Daemon::start() {
  std::filesystem::remove(ready_path());
  port_ = 0;
  pid_ = spawn({program_, "--ready-file", ready_path().string()}, environment(), log_path());
}

bool Daemon::wait_ready(std::chrono::milliseconds limit) {
  const auto until = Clock::now() + limit;
  while (Clock::now() < until) {
    const std::string ready = slurp(ready_path());
    const std::size_t at = ready.find("127.0.0.1:");
    if (at != std::string::npos && ready.find('\n', at) != std::string::npos) {
      port_ = static_cast<std::uint16_t>(std::stoi(ready.substr(at + 10)));
      return true;
    }
    siginfo_t info{};
    if (waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid_)
      return false;  // it ended instead
    nap();
  }
  return false;
}

void Daemon::send_signal(int signal) const {
  if (pid_ > 0) kill(pid_, signal);
}

Exit Daemon::wait_exit(std::chrono::milliseconds limit) {
  const Exit exit = reap(std::exchange(pid_, -1), Clock::now() + limit);
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

Output run_program(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& environment,
                   std::chrono::milliseconds limit) {
  const ScratchFolder scratch;
  const auto log = scratch.path() / "output";
  const pid_t pid = spawn(arguments, environment, log);
  const Exit exit = reap(pid, Clock::now() + limit);
  return {exit, slurp(log)};
}

std::string built(const std::string& name) {
  const char* folder = std::getenv("GNOMON_BUILD_DIR");
  return (std::filesystem::path(folder != nullptr ? folder : ".") / name).string();
}

bool full_size() { return std::getenv("GNOMON_TEST_FULL") != nullptr; }

}  // namespace gnomon::support
