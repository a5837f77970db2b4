// SPDX-License-Identifier: Apache-2.0
//
// A daemon in its barest form, for tests of what is on disk: takes and extends rights by the rules, journals them, and
// keeps account of what was promised to anybody under each machine id, over all its lives.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <span>
#include <vector>

#include "control/state.hpp"
#include "oracle/lease/right_rules.hpp"
#include "platform/random.hpp"

namespace gnomon::control {

constexpr time::SmearedUtc kHolderStart{1'800'000'000'000'000'000};
constexpr std::uint32_t kHolderIds = 16;

/// The end of what was promised under each id, over all lives and copies.
using Promises = std::map<mint::MachineId, time::SmearedUtc>;

class Holder {
 public:
  Holder(State& state, Promises& promises) : state_(state), promises_(promises) {
    policy_.store = state.meta.facts;
    policy_.machine_ids = kHolderIds;
    policy_.window = time::seconds(10);
    claim_.holder = "test";
    claim_.incarnation = platform::random_value<Nonce>();
  }

  /// Takes `count` ids at `now`; checks that nothing promised before overlaps.
  bool take(std::uint32_t count, time::SmearedUtc now) {
    const auto listing = state_.store->list(lease::kRightPrefix);
    if (!listing) return false;
    const lease::RightTable table = lease::read_rights(listing->entries);
    const auto ids = lease::choose_free(table, policy_, now, count, {}, claim_.incarnation);
    if (!ids) return false;
    claim_.nonce = platform::random_value<Nonce>();
    const Transaction transaction = lease::acquire(table, policy_, now, *ids, claim_);
    const auto revision = state_.store->commit(transaction);
    if (!revision) return false;
    held_.clear();
    for (const mint::MachineId id : *ids)
      held_.push_back(lease::held_after(transaction, id, *revision, nullptr, policy_.store.epoch));
    for (const lease::HeldRight& right : held_) {
      const auto promised = promises_.find(right.machine);
      if (promised != promises_.end()) {
        EXPECT_GE(right.floor, promised->second) << "machine id " << right.machine.value << " was promised twice";
      }
    }
    return remember(*revision);
  }
  bool extend(time::SmearedUtc now) {
    const Transaction transaction = lease::extend(held_, policy_, now, platform::random_value<Nonce>());
    const auto revision = state_.store->commit(transaction);
    if (!revision) {
      last_error = revision.error();
      return false;
    }
    for (lease::HeldRight& right : held_)
      right = lease::held_after(transaction, right.machine, *revision, &right, policy_.store.epoch);
    return remember(*revision);
  }
  [[nodiscard]] const std::vector<lease::HeldRight>& held() const { return held_; }

  StoreError last_error;

 private:
  bool remember(Revision revision) {
    std::vector<JournalRight> rights;
    rights.reserve(held_.size());
    for (const lease::HeldRight& right : held_)
      rights.push_back({right.machine, right.window, right.window_nonce, right.ceiling});
    if (!state_.journal.merge(revision, rights)) return false;
    for (const lease::HeldRight& right : held_) {
      time::SmearedUtc& end = promises_[right.machine];
      end = std::max(end, right.ceiling);
    }
    return true;
  }

  State& state_;
  Promises& promises_;
  lease::RightPolicy policy_{};
  lease::Claim claim_{};
  std::vector<lease::HeldRight> held_;
};

/// Opens the state and takes every id there is, long after everything: whoever promised what, no two windows overlap.
inline void expect_nothing_promised_twice(const StatePaths& paths, const Promises& promises) {
  auto state = open_state(paths, "test");
  ASSERT_TRUE(state) << state.error().text;
  Promises copy = promises;
  Holder holder(*state, copy);
  time::SmearedUtc late = kHolderStart;
  for (const auto& [id, end] : promises)
    late = std::max(late, end);
  ASSERT_TRUE(holder.take(kHolderIds, late + time::seconds(3600)));
}

}  // namespace gnomon::control
