// SPDX-License-Identifier: Apache-2.0
#include "tests/dataplane/dpdk/own_process.hpp"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <system_error>
#include <thread>

#include "tests/support/scratch_folder.hpp"

namespace gnomon::test {
namespace {

constexpr int kPassed = 0;
constexpr int kFailed = 1;
constexpr int kNotHere = 77;

#if defined(__SANITIZE_ADDRESS__)
constexpr int kSlowdown = 4;
#else
constexpr int kSlowdown = 1;
#endif

int run_body(const std::function<void()>& body) {
  try {
    body();
  } catch (const NotHere& reason) {
    std::cout << reason.what() << '\n';
    return kNotHere;
  } catch (const std::exception& thrown) {
    std::cout << "thrown: " << thrown.what() << '\n';
    return kFailed;
  }
  return testing::Test::HasFailure() ? kFailed : kPassed;
}

[[noreturn]] void be_the_child(const std::function<void()>& body, const std::filesystem::path& log, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (getppid() != parent) std::_Exit(kFailed);  // it died before
  if (std::freopen(log.c_str(), "w", stdout) == nullptr || dup2(fileno(stdout), STDERR_FILENO) < 0) std::_Exit(kFailed);
  std::exit(run_body(body));  // not _Exit: the leak sanitizer looks then
}

std::optional<int> wait_for(pid_t child, std::chrono::seconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  int status = 0;
  while (true) {
    const pid_t ended = waitpid(child, &status, WNOHANG);
    if (ended == child) return status;
    if (ended < 0) throw std::system_error(errno, std::generic_category(), "waitpid");
    if (std::chrono::steady_clock::now() > until) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  kill(child, SIGKILL);
  (void)waitpid(child, &status, 0);
  return std::nullopt;
}

std::string all_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

void in_own_process(const std::function<void()>& body, std::chrono::seconds limit) {
  const support::ScratchFolder folder;
  const std::filesystem::path log = folder.path() / "log";
  std::cout.flush();
  std::fflush(nullptr);  // or the child would print it again
  const pid_t self = getpid();
  const pid_t child = fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (child == 0) be_the_child(body, log, self);

  limit *= kSlowdown;
  const std::optional<int> status = wait_for(child, limit);
  const std::string said = all_of(log);
  if (!status) {
    FAIL() << "still running after " << limit.count() << " s, killed; it said:\n" << said;
  } else if (WIFSIGNALED(*status)) {
    FAIL() << "killed by signal " << WTERMSIG(*status) << "; it said:\n" << said;
  } else if (WEXITSTATUS(*status) == kNotHere) {
    GTEST_SKIP() << said;
  } else if (WEXITSTATUS(*status) != kPassed) {
    FAIL() << "in a process of its own (exit status " << WEXITSTATUS(*status) << "):\n" << said;
  }
  std::cout << said;
}

}  // namespace gnomon::test
