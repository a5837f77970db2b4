// SPDX-License-Identifier: Apache-2.0
//
// A rack: several agents on one store, each on a stage of its own (scenario.hpp). Their time passes together, tick by
// tick, and each goes by a clock of its own, which may drift.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/control/agent/scenario.hpp"

namespace gnomon::control {

/// Daemons on one store. Their time passes together, each by a clock of its own.
class Rack {
 public:
  Scenario& add(AgentOptions options = {}) {
    options.exclusive_store = false;
    options.incarnation.fill(static_cast<std::uint8_t>(0x10 + hosts_.size()));
    options.holder = "host " + std::to_string(hosts_.size());
    hosts_.push_back(std::make_unique<Scenario>(std::move(options), &store));
    Scenario& host = *hosts_.back();
    host.now = hosts_.front()->now;
    host.uptime = hosts_.front()->uptime;
    host.nonce_salt = static_cast<std::uint8_t>(hosts_.size());
    drift_.push_back(time::Duration{});
    return host;
  }
  Scenario& operator[](std::size_t i) { return *hosts_[i]; }
  void drift(std::size_t host, time::Duration per_tick) { drift_[host] = per_tick; }
  /// Dies on the spot: nothing is given back.
  void kill(std::size_t host) { dead_.push_back(host); }

  void run_for(time::Duration span) {
    for (time::Duration gone; gone < span; gone = gone + time::milliseconds(20))
      for (std::size_t i = 0; i < hosts_.size(); ++i) {
        if (std::find(dead_.begin(), dead_.end(), i) != dead_.end()) continue;
        hosts_[i]->now = hosts_[i]->now + drift_[i];
        hosts_[i]->tick();
      }
  }
  /// How long until it is true; more than `limit` if it never was.
  time::Duration until(const std::function<bool()>& done, time::Duration limit = time::seconds(60)) {
    time::Duration gone;
    for (; gone <= limit && !done(); gone = gone + time::milliseconds(20))
      run_for(time::milliseconds(20));
    return gone;
  }
  bool holds(std::size_t host) { return hosts_[host]->view().state == AgentState::kHeld; }
  [[nodiscard]] lease::Standing standing(std::size_t host) const { return hosts_[host]->view().standing; }
  std::size_t sessions() { return store.list(lease::kSessionPrefix)->entries.size(); }
  time::SmearedUtc highest_ceiling() {
    time::SmearedUtc highest{};
    for (const auto& [machine, right] : lease::read_rights(store.list(lease::kRightPrefix)->entries).rights)
      highest = std::max(highest, right.window->value.ceiling);
    return highest;
  }

  MemoryStore store;

 private:
  std::vector<std::unique_ptr<Scenario>> hosts_;
  std::vector<time::Duration> drift_;
  std::vector<std::size_t> dead_;
};

/// Three members that hold rights.
struct ThreeMembers : testing::Test {
  void SetUp() override {
    for (int i = 0; i < 3; ++i)
      rack.add();
    rack.until([&] { return rack.holds(0) && rack.holds(1) && rack.holds(2); }, time::seconds(5));
    for (std::size_t i = 0; i < 3; ++i)
      ASSERT_TRUE(rack.holds(i)) << i << ": " << text_of(rack[i].view().standing) << ", "
                                 << text_of(rack[i].view().state) << ", " << rack[i].view().vote.text << "\n"
                                 << rack[i].take_transcript();
    rack.run_for(time::seconds(5));
  }
  Rack rack;
};

}  // namespace gnomon::control
