// SPDX-License-Identifier: Apache-2.0
//
// A clock that a test gives to other processes, and whose truth it knows.
//
// The machine's own clock can't serve: to test a time service it would have to be wrong, drift and jump, and nobody
// could then say by how much. Here the processes of each virtual host are preloaded with libgnomon_vclock.so and see a
// clock defined by a file,
//
//   value = v0 + (host - t0) * rate,   host: the machine's CLOCK_REALTIME, which is only ever read
//
// which their servos set as if it were the kernel's, while the test sets its oscillator's drift, steps and freezes it,
// and reads it at any instant. The clock of an honest grandmaster is the truth; that may drift against the machine too,
// so that the cycle counter is off against the truth as on any real board.
//
// Thread rule: any thread, any process. What can't be done throws std::runtime_error or std::system_error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "tests/ptp/bed/virtual_clock_page.hpp"

namespace gnomon::bed {

class VirtualClock {
 public:
  struct Start {
    time::Duration ahead{};      // of the machine's clock
    std::int64_t drift_ppb = 0;  // against it; |drift| <= 10 %
  };

  /// Makes the file; it goes with this object, and processes that have mapped it keep their mapping.
  VirtualClock(std::filesystem::path file, Start start);
  ~VirtualClock();
  VirtualClock(const VirtualClock&) = delete;
  VirtualClock& operator=(const VirtualClock&) = delete;

  /// What it shows, or showed, at an instant of the machine's clock. Exact to 1 ns since the last kHistory changes.
  [[nodiscard]] VirtualTime at(HostTime host) const { return state().line.at(host); }
  [[nodiscard]] VirtualTime now() const { return at(host_now()); }
  /// A consistent copy of everything.
  [[nodiscard]] ClockState state() const;
  /// How many timestamps of packets it has translated.
  [[nodiscard]] std::uint64_t translated() const { return page_->translated.load(std::memory_order_relaxed); }

  /// The oscillator's error from now on; what a servo has set comes on top.
  void set_drift_ppb(std::int64_t ppb);
  void step(time::Duration by);
  /// It stands still, though it can be stepped, until `thaw`.
  void freeze();
  void thaw();

  /// For a process that is to live under it.
  [[nodiscard]] std::map<std::string, std::string> environment() const;
  [[nodiscard]] const std::filesystem::path& file() const { return file_; }

 private:
  template <typename Change>
  void change(Change&& change);

  std::filesystem::path file_;
  Page* page_ = nullptr;
};

/// a - b at one and the same instant.
[[nodiscard]] time::Duration difference(const VirtualClock& a, const VirtualClock& b, HostTime host);

/// The library of this build.
[[nodiscard]] std::string preload_library();

}  // namespace gnomon::bed
