// SPDX-License-Identifier: Apache-2.0
//
// The daemon's shared pages, /dev/shm/gnomon.<instance>.{clock,rights,worker.N}: made and stamped together, gone
// together, but for the clock page, from which the next run goes on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cmd/gnomond/failure.hpp"
#include "oracle/page/clock_page.hpp"
#include "oracle/page/rights_page.hpp"
#include "oracle/page/worker_page.hpp"
#include "platform/shared_page.hpp"

namespace gnomon::cmd {

class Pages {
 public:
  /// The caller holds the lock of the instance: pages of that name are replaced.
  [[nodiscard]] static Or<Pages> create(const std::string& instance, std::uint32_t workers, std::uint64_t incarnation);

  [[nodiscard]] page::ClockPage& clock() const { return *clock_; }
  [[nodiscard]] page::RightsPage& rights() const { return *rights_; }
  [[nodiscard]] page::WorkerPage& worker(std::size_t index) const { return *workers_[index]; }
  [[nodiscard]] std::size_t workers() const { return workers_.size(); }
  [[nodiscard]] std::vector<page::WorkerPage*> worker_pointers() const;

 private:
  Pages(platform::OwnedPage<page::ClockPage> clock, platform::OwnedPage<page::RightsPage> rights)
      : clock_(std::move(clock)), rights_(std::move(rights)) {}

  platform::OwnedPage<page::ClockPage> clock_;
  platform::OwnedPage<page::RightsPage> rights_;
  std::vector<platform::OwnedPage<page::WorkerPage>> workers_;
};

}  // namespace gnomon::cmd
