// SPDX-License-Identifier: Apache-2.0
#include "control/writer_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <ctime>

#include "platform/durable_file.hpp"
#include "platform/system_error.hpp"

namespace gnomon::control {
namespace {

constexpr std::size_t kMaxLockFile = 4096;

// Local wall time, for the human who reads the file; nothing is decided by it.
std::string wall_time_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  localtime_r(&now, &parts);
  std::array<char, 64> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S %z", &parts);
  return {text.data(), size};
}

std::string holder_text(const std::string& who) {
  std::array<char, 256> host{};
  if (gethostname(host.data(), host.size() - 1) != 0) host = {};
  return "pid " + std::to_string(getpid()) + ", " + who + ", on " + host.data() + ", since " + wall_time_text() + "\n";
}

std::string read_holder(const std::string& path) {
  std::string text = platform::read_file(path, kMaxLockFile).value_or(std::optional<std::string>{}).value_or("");
  if (text.empty()) return "a process that has not written its name";
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  return text;
}

}  // namespace

tl::expected<WriterLock, StateError> WriterLock::take(const std::string& path, const std::string& who) {
  const auto system = [](const std::string& what) {
    return tl::make_unexpected(StateError{StateErrorKind::kSystem, platform::system_error(what).text});
  };
  platform::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd.valid()) return system("open lock file " + path);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system("lock " + path);
    return tl::make_unexpected(
        StateError{StateErrorKind::kHeld, "the store beside " + path + " is in use by " + read_holder(path) +
                                              "; stop that process, or give this one a data directory of its own"});
  }
  const std::string holder = holder_text(who);
  if (::ftruncate(fd.get(), 0) != 0 ||
      ::pwrite(fd.get(), holder.data(), holder.size(), 0) != static_cast<ssize_t>(holder.size()))
    return system("write lock file " + path);
  return WriterLock(std::move(fd));
}

}  // namespace gnomon::control
