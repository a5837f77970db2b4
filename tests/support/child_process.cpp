// SPDX-License-Identifier: Apache-2.0
#include "tests/support/child_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

#include "tests/support/scratch_folder.hpp"

namespace gnomon::support {
namespace {

using Clock = std::chrono::steady_clock;

std::vector<std::string> variables_for(const std::map<std::string, std::string>& environment) {
  std::vector<std::string> variables;
  for (char** e = environ; *e != nullptr; ++e) {
    const std::string_view variable(*e);
    const std::string name(variable.substr(0, variable.find('=')));
    if (!variable.starts_with("GNOMON_") && !environment.contains(name)) variables.emplace_back(variable);
  }
  for (const auto& [name, value] : environment)
    variables.push_back(std::string(name).append("=").append(value));
  return variables;
}

std::vector<char*> pointers_to(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& s : strings)
    pointers.push_back(const_cast<char*>(s.c_str()));  // what execve's C signature asks for
  pointers.push_back(nullptr);
  return pointers;
}

// Between fork and exec: system calls only.
[[noreturn]] void become(char* const* argv, char* const* envp, const char* log, pid_t parent,
                         const ChildLimits& limits) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(126);
  if (limits.file_bytes) {
    const rlimit limit{*limits.file_bytes, *limits.file_bytes};
    setrlimit(RLIMIT_FSIZE, &limit);
    std::signal(SIGXFSZ, SIG_IGN);
  }
  if (limits.network_namespace >= 0 && setns(limits.network_namespace, CLONE_NEWNET) != 0) _exit(126);
  const int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  dup2(null, 0);
  dup2(out, 1);
  dup2(out, 2);
  execve(argv[0], argv, envp);
  _exit(127);
}

}  // namespace

bool is_gone(pid_t pid) {
  const std::string stat = slurp("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t name_ends = stat.rfind(')');  // the name may have any
  return name_ends == std::string::npos || stat.compare(name_ends, 3, ") Z") == 0;
}

void nap(int ms) {
  pollfd none{-1, 0, 0};
  poll(&none, 1, ms);
}

std::string slurp(const std::filesystem::path& path) {
  const std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

ChildProcess::ChildProcess(const std::vector<std::string>& arguments,
                           const std::map<std::string, std::string>& environment, std::filesystem::path log,
                           const ChildLimits& limits)
    : log_(std::move(log)) {
  const std::vector<std::string> variables = variables_for(environment);
  const std::vector<char*> argv = pointers_to(arguments);
  const std::vector<char*> envp = pointers_to(variables);
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (pid_ == 0) become(argv.data(), envp.data(), log_.c_str(), parent, limits);
}

ChildProcess::~ChildProcess() {
  send_signal(SIGKILL);
  wait_exit(std::chrono::milliseconds(0));
}

bool ChildProcess::running() const {
  if (exit_.exited) return false;
  siginfo_t info{};
  const bool looked = waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0;
  return looked && info.si_pid == 0;
}

void ChildProcess::send_signal(int signal) const {
  if (!exit_.exited) kill(pid_, signal);
}

Exit ChildProcess::wait_exit(std::chrono::milliseconds limit) {
  const auto until = Clock::now() + limit;
  while (!exit_.exited) {
    int status = 0;
    const bool give_up = Clock::now() > until;
    if (give_up) kill(pid_, SIGKILL);
    if (waitpid(pid_, &status, give_up ? 0 : WNOHANG) == 0) {
      nap();
      continue;
    }
    exit_ = WIFEXITED(status) ? Exit{true, WEXITSTATUS(status), 0} : Exit{true, -1, WTERMSIG(status)};
  }
  return exit_;
}

std::string ChildProcess::log() const { return slurp(log_); }

Output run_program(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& environment,
                   std::chrono::milliseconds limit, const ChildLimits& limits) {
  const ScratchFolder scratch;
  ChildProcess process(arguments, environment, scratch.path() / "output", limits);
  const Exit exit = process.wait_exit(limit);
  return {exit, process.log()};
}

std::string find_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(std::string(path != nullptr ? path : "") + ":/usr/sbin:/usr/bin:/sbin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const std::string candidate = std::string(folder).append("/").append(name);
    if (!folder.empty() && access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return {};
}

}  // namespace gnomon::support
