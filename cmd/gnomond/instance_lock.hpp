// SPDX-License-Identifier: Apache-2.0
//
// One daemon per instance name. A pid file says who was there; a lock says who is: the kernel drops it with the
// process, however it ends. The file names the holder for the refusal of the next one, and that is all it decides.
//
// There are two such files, because two things carry the name: the status socket in the runtime directory, and the
// pages in /dev/shm, which daemons with different runtime directories share.
#pragma once

#include <string>

#include "cmd/gnomond/failure.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::cmd {

class InstanceLock {
 public:
  [[nodiscard]] static Or<InstanceLock> take(const std::string& path, const std::string& instance);

  InstanceLock(InstanceLock&&) noexcept = default;
  InstanceLock& operator=(InstanceLock&&) = delete;
  InstanceLock(const InstanceLock&) = delete;
  InstanceLock& operator=(const InstanceLock&) = delete;
  /// Removes the file while it is still locked: `take` notices a file that was removed under it.
  ~InstanceLock();

 private:
  InstanceLock(platform::UniqueFd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  platform::UniqueFd fd_;
  std::string path_;
};

}  // namespace gnomon::cmd
