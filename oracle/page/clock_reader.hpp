// SPDX-License-Identifier: Apache-2.0
//
// now() from a clock page, for a process that isn't the daemon: no request, no system call, a copy only when there is
// something new.
//
// A writer that was killed in the middle of a write leaves the sequence odd for ever. The reader then goes on with the
// copy it has, which is right as long as the counter runs, and becomes void soon after.
//
// Thread rule: one reader for each thread; the page is shared.
#pragma once

#include <cstdint>

#include "oracle/page/clock_page.hpp"
#include "oracle/time/cycles.hpp"
#include "oracle/time/true_time.hpp"

namespace gnomon::page {

class ClockReader {
 public:
  /// `page` was checked (header.hpp) and outlives the reader.
  explicit ClockReader(const ClockPage& page) : page_(&page) {}

  /// The interval at a reading of the counter that was taken just now.
  [[nodiscard]] time::Now at(time::Cycles now) {
    if (page_->truth.version() != version_) [[unlikely]]
      refresh();
    return line_.at(now);
  }
  [[nodiscard]] const time::TrueTimeLine& line() const { return line_; }

 private:
  void refresh() {
    PublishedLine fresh;
    std::uint64_t version = 0;
    if (!page_->truth.try_read(fresh, version)) {
      if (version_ == 0) line_ = time::TrueTimeLine::refusing(time::ClockFault::kUnreadable);
      return;
    }
    version_ = version;
    line_ = fresh.holds(page_->header.incarnation) ? fresh.line
                                                   : time::TrueTimeLine::refusing(time::ClockFault::kUnreadable);
  }

  const ClockPage* page_;
  std::uint64_t version_ = 0;
  time::TrueTimeLine line_ = time::TrueTimeLine::refusing(time::ClockFault::kUnreadable);
};

}  // namespace gnomon::page
