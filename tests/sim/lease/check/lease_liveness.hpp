// SPDX-License-Identifier: Apache-2.0
//
// Progress. A service that refuses everything never breaks a promise, so each phase has its minimum:
//   calm      before the first fault every client holds something once;
//   faults    counted; whoever runs many worlds asks for a minimum over all of them;
//   recovery  after the last fault every client waits for one name after the other, holds each for a moment and hands
//   it
//             on; all have held all within `Plan::recovery_limit`. So what the dead left is free again (TTL,
//             lock-delay), nobody is parked for ever, and a place that nobody uses blocks nobody.
//   cleaning  some minutes later nothing is left in the store of what is over.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include "oracle/lease/named_lease.hpp"
#include "tests/sim/check/liveness.hpp"
#include "tests/sim/check/report.hpp"
#include "tests/sim/lease/check/landing.hpp"
#include "tests/sim/lease/plan.hpp"

namespace gnomon::sim::leases {

class LeaseLiveness {
 public:
  LeaseLiveness(Report& report, const Plan& plan) : report_(report), clients_(plan.clients), names_(plan.names) {}

  void begin(Phase phase) {
    phase_ = phase;
    served_.clear();
    clients_served_.clear();
  }
  void held(std::uint32_t client, const std::string& name) {
    served_.insert({client, name});
    clients_served_.insert(client);
    ++held_;
  }
  [[nodiscard]] bool has_held(std::uint32_t client, const std::string& name) const {
    return served_.contains({client, name});
  }
  [[nodiscard]] bool all_have_held_something() const { return clients_served_.size() == clients_; }
  [[nodiscard]] bool all_have_held_all() const { return served_.size() == clients_ * names_; }
  void deadline_passed() {
    if (phase_ == Phase::kCalm && !all_have_held_something())
      fail(fmt::format("{} of {} clients held something before the first fault", clients_served_.size(), clients_));
    for (std::uint32_t client = 0; phase_ == Phase::kRecovery && client < clients_; ++client)
      for (std::uint32_t name = 0; name < names_; ++name)
        if (!has_held(client, name_of(name)))
          fail(fmt::format("client {} has not held {} since the faults ended", client, name_of(name)));
  }
  /// Long after everybody has gone: what is there has to be of somebody.
  void look_for_leftovers(SimulatedStore& store) {
    for (const std::string_view prefix : {lease::kHeldPrefix, lease::kQueuePrefix, lease::kClientPrefix}) {
      const auto listing = store.list(prefix);
      if (!listing->entries.empty())
        report_.fail("cleaning",
                     fmt::format("{} entries are left under {}, the first is {} = {}", listing->entries.size(), prefix,
                                 listing->entries.front().key, listing->entries.front().value));
    }
  }
  [[nodiscard]] std::uint64_t held() const { return held_; }

 private:
  void fail(std::string text) { report_.fail("liveness", std::move(text)); }

  Report& report_;
  std::uint32_t clients_;
  std::uint32_t names_;
  Phase phase_ = Phase::kCalm;
  std::set<std::pair<std::uint32_t, std::string>> served_;
  std::set<std::uint32_t> clients_served_;
  std::uint64_t held_ = 0;
};

}  // namespace gnomon::sim::leases
