// SPDX-License-Identifier: Apache-2.0
//
// Hosts on one shared store, in their barest form: each opens it, takes and extends rights by the rules, journals them,
// and keeps account of what was promised to anybody, so that a test sees at once when something is promised twice.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control/shared_state.hpp"
#include "oracle/lease/right_rules.hpp"
#include "platform/random.hpp"
#include "tests/control/memory_store.hpp"
#include "tests/control/temp_directory.hpp"
#include "tests/control/troubled_store.hpp"

namespace gnomon::control {

constexpr time::SmearedUtc kSharedNow{1'800'000'000'000'000'000};
constexpr RecoveryLimits kSharedLimits{kSharedNow + time::seconds(1000), time::seconds(10), time::seconds(1)};

class SharedTest : public testing::Test {
 protected:
  using Machine = std::uint16_t;

  SharedPaths host(const std::string& name) const { return SharedPaths::of(directory.path(), name); }

  /// One life of a daemon that takes and extends these ids, journals it and is killed.
  void live(const std::string& name, const std::vector<Machine>& ids, time::SmearedUtc now = kSharedNow) {
    auto state = open_shared(store, host(name), name);
    ASSERT_TRUE(state) << state.error().text;
    use(*state, ids, now);
  }
  void use(SharedState& state, const std::vector<Machine>& ids, time::SmearedUtc now) {
    lease::RightPolicy policy;
    policy.store = state.meta.facts;
    policy.exclusive_store = false;
    std::vector<mint::MachineId> machines;
    machines.reserve(ids.size());
    for (const Machine id : ids)
      machines.push_back({id});
    const lease::RightTable table = rights();
    lease::Claim claim{"test", platform::random_value<Nonce>(), platform::random_value<Nonce>()};
    const Transaction taking = lease::acquire(table, policy, now, machines, claim);
    auto revision = store.commit(taking);
    ASSERT_TRUE(revision) << revision.error().text;
    std::vector<lease::HeldRight> held;
    for (const mint::MachineId machine : machines) {
      held.push_back(lease::held_after(taking, machine, *revision, nullptr, policy.store.epoch));
      EXPECT_GE(held.back().floor, promised[machine.value]) << "machine id " << machine.value << " was promised twice";
      EXPECT_GT(held.back().token, tokens[machine.value]);
      tokens[machine.value] = held.back().token;
    }
    const Transaction extension = lease::extend(held, policy, now + time::seconds(5), platform::random_value<Nonce>());
    revision = store.commit(extension);
    ASSERT_TRUE(revision) << revision.error().text;
    std::vector<JournalRight> noted;
    for (lease::HeldRight& right : held) {
      right = lease::held_after(extension, right.machine, *revision, &right, policy.store.epoch);
      noted.push_back({right.machine, right.window, right.window_nonce, right.ceiling});
      promised[right.machine.value] = right.ceiling;
    }
    ASSERT_TRUE(state.journal.merge(*revision, noted));
    last = held;
    last_policy = policy;
  }
  /// A running daemon's next commit.
  bool extends(const std::vector<lease::HeldRight>& held, const lease::RightPolicy& policy) {
    return store.commit(lease::extend(held, policy, kSharedNow, platform::random_value<Nonce>())).has_value();
  }
  lease::RightTable rights() { return lease::read_rights(store.list(lease::kRightPrefix)->entries); }
  StateError refused(const std::string& name) {
    const auto state = open_shared(store, host(name), name);
    EXPECT_FALSE(state);
    return state ? StateError{} : state.error();
  }
  static bool says(const StateError& error, const std::string& word) {
    return error.text.find(word) != std::string::npos;
  }
  /// Somebody takes every id that was ever used, long after everything: nothing is promised twice.
  void expect_nothing_promised_twice(const std::string& name = "afterwards") {
    std::vector<Machine> ids;
    time::SmearedUtc late = kSharedLimits.now + time::seconds(1000);
    for (const auto& [id, end] : promised) {
      ids.push_back(id);
      late = std::max(late, end);
    }
    live(name, ids, late);
  }
  Nonce lineage() { return read_meta(store)->identity.machine; }

  TempDirectory directory;
  MemoryStore store;
  std::map<Machine, time::SmearedUtc> promised;  // the end of what was promised, over all lives and hosts
  std::map<Machine, mint::Token> tokens;
  std::vector<lease::HeldRight> last;  // of the life before
  lease::RightPolicy last_policy;
};

}  // namespace gnomon::control
