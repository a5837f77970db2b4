// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/instance_lock.hpp"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "platform/system_error.hpp"

namespace gnomon::cmd {
namespace {

constexpr int kAttempts = 8;  // another daemon may end, and remove its file, between our open and our lock

std::string holder_in(int fd) {
  std::array<char, 128> text{};
  const ssize_t size = ::pread(fd, text.data(), text.size() - 1, 0);
  std::string out(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  while (!out.empty() && out.back() == '\n')
    out.pop_back();
  return out.empty() ? "another process" : out;
}

bool still_there(int fd, const std::string& path) {
  struct stat held{};
  struct stat named{};
  return ::fstat(fd, &held) == 0 && ::stat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
         held.st_dev == named.st_dev;
}

}  // namespace

Or<InstanceLock> InstanceLock::take(const std::string& path, const std::string& instance) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    platform::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd.valid()) return refused(platform::system_error("open the instance lock " + path).text);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return refused(platform::system_error("lock " + path).text);
      return refused(
          fmt::format("a daemon of the instance name '{}' is running on this host already: {} (lock {}); stop it, "
                      "or give this one another name with server.instance",
                      instance, holder_in(fd.get()), path));
    }
    if (!still_there(fd.get(), path)) continue;
    const std::string who = fmt::format("gnomond, pid {}\n", ::getpid());
    if (::ftruncate(fd.get(), 0) != 0 || ::pwrite(fd.get(), who.data(), who.size(), 0) < 0)
      return refused(platform::system_error("write the instance lock " + path).text);
    return InstanceLock(std::move(fd), path);
  }
  return refused(fmt::format("the instance lock {} is removed again and again by others; try once more", path));
}

InstanceLock::~InstanceLock() {
  if (fd_.valid()) ::unlink(path_.c_str());
}

}  // namespace gnomon::cmd
