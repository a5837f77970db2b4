// SPDX-License-Identifier: Apache-2.0
#include "platform/durable_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "platform/replace_in_order.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::platform {
namespace {

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

/// What replace_in_order works with: the kernel's.
struct KernelFiles {
  struct File {
    UniqueFd fd;
    std::string path;
  };

  static tl::expected<File, SystemError> create(const std::string& path) {
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd.valid()) return tl::make_unexpected(system_error("create " + path));
    return File{std::move(fd), path};
  }
  static tl::expected<void, SystemError> write(const File& file, std::string_view content) {
    while (!content.empty()) {
      const ssize_t n = ::write(file.fd.get(), content.data(), content.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return tl::make_unexpected(system_error("write " + file.path));
      content.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
  }
  static tl::expected<void, SystemError> sync(const File& file) {
    if (::fsync(file.fd.get()) != 0) return tl::make_unexpected(system_error("sync " + file.path));
    return {};
  }
  static tl::expected<void, SystemError> rename(const std::string& from, const std::string& to) {
    if (std::rename(from.c_str(), to.c_str()) != 0)
      return tl::make_unexpected(system_error("rename " + from + " to " + to));
    return {};
  }
  static tl::expected<void, SystemError> sync_directory(const std::string& path) { return sync_directory_of(path); }
};

}  // namespace

tl::expected<void, SystemError> sync_directory_of(const std::string& path) {
  const std::string directory = directory_of(path);
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) return tl::make_unexpected(system_error("open directory " + directory));
  if (::fsync(fd.get()) != 0) return tl::make_unexpected(system_error("sync directory " + directory));
  return {};
}

tl::expected<void, SystemError> replace_durably(const std::string& path, std::string_view content) {
  KernelFiles files;
  return replace_in_order(files, path, content);
}

tl::expected<void, SystemError> rename_durably(const std::string& from, const std::string& to) {
  if (auto renamed = KernelFiles::rename(from, to); !renamed) return renamed;
  return sync_directory_of(to);
}

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

tl::expected<std::optional<std::string>, SystemError> read_file(const std::string& path, std::size_t limit) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) {
    if (errno == ENOENT) return std::optional<std::string>{};
    return tl::make_unexpected(system_error("open " + path));
  }
  std::string content;
  std::string chunk(64 * 1024, '\0');
  for (;;) {
    const ssize_t n = ::read(fd.get(), chunk.data(), chunk.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return tl::make_unexpected(system_error("read " + path));
    if (n == 0) return std::optional<std::string>(std::move(content));
    content.append(chunk, 0, static_cast<std::size_t>(n));
    if (content.size() > limit)
      return tl::make_unexpected(SystemError{EFBIG, "cannot read " + path + ": it is larger than " +
                                                        std::to_string(limit) +
                                                        " bytes, so it is not what it should be"});
  }
}

}  // namespace gnomon::platform
