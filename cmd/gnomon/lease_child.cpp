// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/lease_child.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "platform/system_error.hpp"

namespace gnomon::cmd {
namespace {

constexpr int kNotExecuted = 127;

/// This process's environment with some variables set, as execve wants it.
class Environment {
 public:
  explicit Environment(const std::vector<std::pair<std::string, std::string>>& added) {
    const auto is_replaced = [&](std::string_view entry) {
      return std::any_of(added.begin(), added.end(),
                         [&](const auto& variable) { return entry.starts_with(fmt::format("{}=", variable.first)); });
    };
    for (char** entry = environ; *entry != nullptr; ++entry)
      if (!is_replaced(*entry)) texts_.emplace_back(*entry);
    for (const auto& [name, value] : added)
      texts_.push_back(fmt::format("{}={}", name, value));
    for (std::string& text : texts_)
      pointers_.push_back(text.data());
    pointers_.push_back(nullptr);
  }
  [[nodiscard]] char* const* get() const { return pointers_.data(); }

 private:
  std::vector<std::string> texts_;
  std::vector<char*> pointers_;
};

/// The terminal, if this process is in its foreground.
platform::UniqueFd foreground_terminal() {
  platform::UniqueFd terminal(::open("/dev/tty", O_RDWR | O_CLOEXEC));
  if (terminal.valid() && ::tcgetpgrp(terminal.get()) != ::getpgrp()) terminal.reset();
  return terminal;
}

/// In the child, where other threads of the parent may have held any lock: only what a signal handler may call.
[[noreturn]] void become(char* const* arguments, char* const* environment, pid_t parent, int terminal, int told,
                         const sigset_t& mask) {
  ::setpgid(0, 0);
  if (terminal >= 0) ::tcsetpgrp(terminal, ::getpid());
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(kNotExecuted);  // it died before it could be told
  pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  ::execvpe(arguments[0], arguments, environment);
  const int code = errno;
  if (::write(told, &code, sizeof code) < 0) ::_exit(kNotExecuted);
  ::_exit(kNotExecuted);
}

}  // namespace

tl::expected<LeaseChild, LeaseChild::StartFailure> LeaseChild::start(
    const std::vector<std::string>& command, const std::vector<std::pair<std::string, std::string>>& environment,
    const sigset_t& mask) {
  const auto failed = [](const std::string& what) {
    return tl::make_unexpected(StartFailure{platform::system_error(what).text, false});
  };
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return failed("become the reaper of what the command leaves behind");
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return failed("make a pipe to the command");
  const platform::UniqueFd reads(ends[0]);
  platform::UniqueFd writes(ends[1]);
  std::vector<std::string> words = command;
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const Environment variables(environment);
  platform::UniqueFd terminal = foreground_terminal();
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return failed("start a process");
  if (pid == 0) become(arguments.data(), variables.get(), parent, terminal.get(), writes.get(), mask);
  ::setpgid(pid, pid);  // by whichever of the two comes first
  LeaseChild child(pid, std::move(terminal));
  writes.reset();
  int code = 0;
  ssize_t size = 0;
  while ((size = ::read(reads.get(), &code, sizeof code)) < 0 && errno == EINTR) {
  }
  if (size != static_cast<ssize_t>(sizeof code)) return child;  // closed by the exec
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return tl::make_unexpected(StartFailure{
      fmt::format("{}; the command was not started", platform::system_error("run " + command.front(), code).text),
      code == ENOENT});
}

LeaseChild::~LeaseChild() {
  if (terminal_.valid()) ::tcsetpgrp(terminal_.get(), ::getpgrp());
}

void LeaseChild::send(int signal) const { ::kill(-pid_, signal); }

std::optional<lease_run::Ending> LeaseChild::reap(pid_t guard, bool& guard_ended) {
  std::optional<lease_run::Ending> command;
  int status = 0;
  pid_t pid = 0;
  while ((pid = ::waitpid(-1, &status, WNOHANG | (terminal_.valid() ? WUNTRACED : 0))) > 0) {
    if (WIFSTOPPED(status)) {
      send(SIGCONT);
    } else if (pid == guard) {
      guard_ended = true;
    } else if (pid == pid_) {
      command = WIFSIGNALED(status) ? lease_run::Ending{.code = 0, .signal = WTERMSIG(status)}
                                    : lease_run::Ending{.code = WEXITSTATUS(status), .signal = 0};
    }
  }
  return command;
}

bool LeaseChild::group_is_gone() const { return ::kill(-pid_, 0) != 0 && errno == ESRCH; }

}  // namespace gnomon::cmd
