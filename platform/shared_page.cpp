// SPDX-License-Identifier: Apache-2.0
#include "platform/shared_page.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "platform/unique_fd.hpp"

namespace gnomon::platform::detail {

SharedMapping::SharedMapping(void* address, std::size_t size, std::string name_to_unlink)
    : address_(address), size_(size), name_to_unlink_(std::move(name_to_unlink)) {}

SharedMapping::SharedMapping(SharedMapping&& other) noexcept
    : address_(std::exchange(other.address_, nullptr)),
      size_(other.size_),
      name_to_unlink_(std::exchange(other.name_to_unlink_, {})) {}

SharedMapping& SharedMapping::operator=(SharedMapping&& other) noexcept {
  std::swap(address_, other.address_);
  std::swap(size_, other.size_);
  std::swap(name_to_unlink_, other.name_to_unlink_);
  return *this;
}

SharedMapping::~SharedMapping() {
  if (address_ != nullptr) munmap(address_, size_);
  if (!name_to_unlink_.empty()) shm_unlink(name_to_unlink_.c_str());
}

tl::expected<SharedMapping, SystemError> create_mapping(const std::string& name, std::size_t size) {
  const std::string path = "/" + name;
  shm_unlink(path.c_str());
  const UniqueFd fd(shm_open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd.valid()) return tl::make_unexpected(system_error("create shared page /dev/shm" + path));
  // Not ftruncate: a page without memory behind it would kill the process at the first write.
  int code = posix_fallocate(fd.get(), 0, static_cast<off_t>(size));
  if (code == 0 && fchmod(fd.get(), 0644) != 0) code = errno;  // the umask took its share
  if (code != 0) {
    shm_unlink(path.c_str());
    return tl::make_unexpected(system_error("size shared page /dev/shm" + path, code));
  }
  void* address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd.get(), 0);
  if (address == MAP_FAILED) {
    code = errno;
    shm_unlink(path.c_str());
    return tl::make_unexpected(system_error("map shared page /dev/shm" + path, code));
  }
  return SharedMapping(address, size, path);
}

tl::expected<SharedMapping, SystemError> open_mapping(const std::string& name, std::size_t size) {
  const std::string path = "/" + name;
  const UniqueFd fd(shm_open(path.c_str(), O_RDONLY | O_CLOEXEC, 0));
  if (!fd.valid()) return tl::make_unexpected(system_error("open shared page /dev/shm" + path));
  struct stat info{};
  if (fstat(fd.get(), &info) != 0) return tl::make_unexpected(system_error("look at shared page /dev/shm" + path));
  if (info.st_size < static_cast<off_t>(size))
    return tl::make_unexpected(SystemError{
        0, "cannot use /dev/shm" + path + ": it is too short; is it still being made, or is another version running?"});
  void* address = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (address == MAP_FAILED) return tl::make_unexpected(system_error("map shared page /dev/shm" + path));
  return SharedMapping(address, size, {});
}

}  // namespace gnomon::platform::detail
