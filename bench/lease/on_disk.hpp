// SPDX-License-Identifier: Apache-2.0
//
// While it lives, what is made in a temporary folder lies on a disk: a commit that is synced to memory is none. TMPDIR
// of whoever started the bench says where else. No channel may live while it comes or goes: gRPC reads the environment.
#pragma once

#include <cstdlib>

namespace gnomon::bench {

class OnDisk {
 public:
  // NOLINTBEGIN(concurrency-mt-unsafe): see above
  explicit OnDisk(bool wanted = true) : sets_(wanted && std::getenv("TMPDIR") == nullptr) {
    if (sets_) setenv("TMPDIR", "/var/tmp", 1);
  }
  ~OnDisk() {
    if (sets_) unsetenv("TMPDIR");
  }
  // NOLINTEND(concurrency-mt-unsafe)
  OnDisk(const OnDisk&) = delete;
  OnDisk& operator=(const OnDisk&) = delete;

 private:
  bool sets_;
};

}  // namespace gnomon::bench
