// SPDX-License-Identifier: Apache-2.0
//
// A directory of a test's own, gone when the test is, whether it passed or not. In memory if TMPDIR does not say
// otherwise: these tests sync thousands of times, and what they ask is not whether the disk does.
#pragma once

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace gnomon::control {

class TempDirectory {
 public:
  TempDirectory() {
    const std::string memory = "/dev/shm";
    const bool in_memory = std::getenv("TMPDIR") == nullptr && ::access(memory.c_str(), W_OK) == 0;
    const std::string parent = in_memory ? memory : std::filesystem::temp_directory_path().string();
    std::string pattern = parent + "/gnomon-control-XXXXXX";
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace gnomon::control
