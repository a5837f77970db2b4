// SPDX-License-Identifier: Apache-2.0
//
// A test case in a process of its own. DPDK's environment starts once per process and can't be started again after its
// end, so a program with several cases forks for each of them, before anything of DPDK has run in it. What the case
// prints and how it failed comes back to the case that asked.
//
//   TEST(PortPool, Something) {
//     in_own_process([] { ... EXPECT_EQ(...) ... });
//   }
#pragma once

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>

namespace gnomon::test {

/// Thrown by the body: this can't be tried here, for this reason.
struct NotHere : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Runs `body` to its end in a child of this process, which must have no other thread, and fails or skips the present
/// case as the body did. A child that runs longer than `limit` is killed and has failed.
void in_own_process(const std::function<void()>& body, std::chrono::seconds limit = std::chrono::seconds(100));

}  // namespace gnomon::test
