// SPDX-License-Identifier: Apache-2.0
//
// Promise: who waits is served in turn. At every grant that takes effect, nobody whose place stands in the store,
// before the taker's own place if it has one, is passed over, unless his session is closed, killed, or past its expiry
// at the moment of the decision.
//
// A place counts from the commit that made it: that the decision knew nothing of it is no excuse, as long as it was
// made before the decision began. One that was made between the decision and its commit may be passed over: two that
// come at once come in no order.
#pragma once

#include <fmt/format.h>

#include <map>
#include <string>
#include <string_view>

#include "tests/sim/check/report.hpp"
#include "tests/sim/lease/check/landing.hpp"

namespace gnomon::sim::leases {

class QueueKept {
 public:
  explicit QueueKept(Report& report) : report_(report) {}

  /// `decided`: true time at which the commit was sent.
  void landing(const Landing& landing, time::Uptime decided) {
    for (const control::Put& put : landing.transaction.puts) {
      if (lease::parts_of_waiter_key(put.key)) since_[put.key] = landing.now;
      const auto name = lease::name_of_lease_key(put.key);
      const auto written = name ? lease::parse_named_lease(put.value) : tl::unexpected(lease::ValueFault{});
      if (written) granted(landing, decided, *name, written->session);
    }
    for (const std::string& key : landing.transaction.deletes)
      since_.erase(key);
  }
  /// Places that a grant had to look at.
  [[nodiscard]] std::uint64_t judged() const { return judged_; }

 private:
  void granted(const Landing& landing, time::Uptime decided, std::string_view name, const lease::SessionId& taker) {
    const control::Entry* own = landing.before.find(lease::waiter_key(name, taker));
    const std::string prefix = lease::queue_prefix(name);
    for (auto at = since_.lower_bound(prefix); at != since_.end() && at->first.starts_with(prefix); ++at) {
      const control::Entry* place = landing.before.find(at->first);
      const auto parts = lease::parts_of_waiter_key(at->first);
      if (place == nullptr || !parts || parts->session == taker || at->second >= decided) continue;
      if (own != nullptr && own->modified < place->modified) continue;
      ++judged_;
      const auto session = session_in(landing.before, parts->session);
      if (!session || session->value.state != lease::SessionState::kOpen) continue;
      const lease::Expiry& expiry = session->value.expiry;
      const lease::Moment& moment = landing.moment;
      const bool past =
          moment.now.earliest > (expiry.boot == moment.boot ? expiry.at : moment.since + session->value.ttl);
      if (past) continue;
      report_.fail("queue",
                   fmt::format("{} is granted to session {}, and session {} waited in front, since {:.6f} s", name,
                               short_of(taker), short_of(parts->session), static_cast<double>(at->second.ns) / 1e9));
    }
  }

  Report& report_;
  std::map<std::string, time::Uptime, std::less<>> since_;  // places, and when they were made
  std::uint64_t judged_ = 0;
};

}  // namespace gnomon::sim::leases
