// SPDX-License-Identifier: Apache-2.0
//
// A thread of the library: the program's signals are for the program's threads, so it starts with all of them blocked.
// Thread rule: any thread.
#pragma once

#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

#include "client/lease/lease_fault.hpp"

namespace gnomon::client {

template <typename Body>
[[nodiscard]] LeaseResult<void> start_quiet_thread(std::thread& thread, Body body) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  std::string fault;
  try {
    thread = std::thread(std::move(body));
  } catch (const std::system_error& error) {
    fault = error.what();
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (fault.empty()) return {};
  return tl::make_unexpected(
      lease_error(LeaseErrorKind::kOverloaded,
                  "a thread of the lease client can't be started: " + fault + "; check the limit of threads"));
}

}  // namespace gnomon::client
