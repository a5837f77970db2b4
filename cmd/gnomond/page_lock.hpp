// SPDX-License-Identifier: Apache-2.0
//
// The lock on the pages of an instance. A daemon holds it for as long as it lives and the kernel drops it with the
// process, so who has it knows that nobody writes those pages any more, and that whoever made them is dead.
#pragma once

#include <string>

namespace gnomon::cmd {

[[nodiscard]] inline std::string page_lock_path(const std::string& instance) {
  return "/dev/shm/gnomon." + instance + ".lock";
}

}  // namespace gnomon::cmd
