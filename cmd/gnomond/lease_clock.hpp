// SPDX-License-Identifier: Apache-2.0
//
// The moment by which a daemon decides on leases, or why it has none.
//
//   SQLite  this boot's CLOCK_BOOTTIME: one host, one clock, and no synchronisation. What was granted in another boot,
//           or on another machine, is counted from when this daemon opened the store
//   etcd    the true time, and only while the other daemons' clocks agree with this one: an expiry is an instant that
//           every host reads for itself, and a daemon that is outvoted would give leases away that are held
//
// A store that was recovered does not know what had been granted before. So for as long as anything granted before may
// still be believed in, nobody is granted anything: until the store's floor, which the recovery set above its own time,
// and the longest TTL beyond it have passed.
//
// Thread rule: any thread.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "control/lease/lease_desk.hpp"
#include "oracle/lease/moment.hpp"
#include "oracle/lease/right_rules.hpp"
#include "oracle/lease/session.hpp"
#include "oracle/page/clock_page.hpp"
#include "oracle/serve/burst_time.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::cmd {

/// From the 36 characters of /proc/sys/kernel/random/boot_id; nothing if it is no such text.
[[nodiscard]] std::optional<lease::Boot> parse_boot_id(std::string_view text);

/// What one look at the daemon shows.
struct LeaseLook {
  serve::BurstTime time;
  time::Uptime uptime;  // CLOCK_BOOTTIME
  lease::Standing standing = lease::Standing::kJoining;
};

struct LeaseClockRules {
  std::optional<lease::Boot> boot;  // on SQLite; none: the true time
  time::Uptime since{};             // when this daemon had the store for itself
  lease::StoreFacts store{};
  time::Duration max_ttl = time::seconds(600);
};

/// Decides; pure.
[[nodiscard]] tl::expected<lease::Moment, control::DeskError> lease_moment(const LeaseClockRules& rules,
                                                                           const LeaseLook& look);

class LeaseClock {
 public:
  using Standing = std::function<lease::Standing()>;
  /// `page` must outlive it. `standing`: by the vote; asked for some times a second.
  LeaseClock(const LeaseClockRules& rules, const page::ClockPage& page, Standing standing)
      : rules_(rules), clock_(page), standing_(std::move(standing)) {}

  [[nodiscard]] control::DeskTime read();
  /// From now on there is no moment any more.
  void end() { ended_.store(true, std::memory_order_relaxed); }

 private:
  [[nodiscard]] lease::Standing standing_at(time::Uptime now);

  const LeaseClockRules rules_;
  std::atomic<bool> ended_{false};  // relaxed: it stands alone, and a command that is a little late does no harm
  std::mutex mutex_;                // of all below
  serve::BurstClock clock_;
  Standing standing_;
  std::optional<time::Uptime> asked_at_;
  lease::Standing last_standing_ = lease::Standing::kJoining;
};

}  // namespace gnomon::cmd
