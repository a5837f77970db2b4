// SPDX-License-Identifier: Apache-2.0
//
// DPDK's environment abstraction layer, as an object: once per process, made before other threads, gone with the last
// port.
//
// Its lcores are numbered by us and mapped onto CPUs: lcore 0 is the main thread, on every CPU that no worker has to
// itself; lcore 1 + i is worker i. Left to its defaults EAL would take every CPU and pin the main thread, and so all
// threads that it starts later, to one of them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "dataplane/ports.hpp"
#include "platform/system_error.hpp"

namespace gnomon::dataplane::dpdk {

class LogCapture;

class Eal {
 public:
  /// Reads of `options` what is not about single devices, but for PCI addresses, which EAL has to be told.
  [[nodiscard]] static tl::expected<std::unique_ptr<Eal>, platform::SystemError> start(const PortOptions& options);
  ~Eal();
  Eal(const Eal&) = delete;
  Eal& operator=(const Eal&) = delete;

  /// lcores of the workers, in their order.
  [[nodiscard]] const std::vector<unsigned>& lcores() const { return lcores_; }
  [[nodiscard]] bool huge_pages() const { return huge_pages_; }
  [[nodiscard]] const std::vector<std::string>& remarks() const { return remarks_; }

  /// What DPDK said while it started, as `logged` has it: all that there is about PCI devices, which it opens then.
  [[nodiscard]] const std::string& said_at_start() const { return said_at_start_; }
  /// Gives the CPUs of workers that will not be started, those from number `workers` on, to the calling thread and
  /// those that it starts from now on.
  static void leave_cpus(const PortOptions& options, unsigned workers);

  /// Forgets what DPDK has logged, so that `logged` tells what it said about the next step.
  void forget_log();
  /// "; DPDK says: ..." with the last lines, or "" if it said nothing.
  [[nodiscard]] std::string logged() const;

 private:
  Eal() = default;

  std::vector<std::string> words_;  // EAL keeps pointers into its arguments
  std::vector<char*> arguments_;
  std::string run_time_files_;
  std::string said_at_start_;
  std::unique_ptr<LogCapture> log_;
  std::vector<unsigned> lcores_;
  std::vector<std::string> remarks_;
  bool huge_pages_ = false;
};

/// Returns once EAL's interrupt thread has finished what it was doing for any driver; after a second at the latest.
void await_interrupt_thread();

}  // namespace gnomon::dataplane::dpdk
