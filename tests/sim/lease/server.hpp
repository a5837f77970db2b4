// SPDX-License-Identifier: Apache-2.0
//
// A server: the production desk, and around it what the daemon is to it: a clock, a way to the store, callers, ticks.
// It may be stopped (what arrives meanwhile is worked on when it wakes, with the time of that moment), killed, and
// started again with nothing but the store to remember.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>

#include "control/lease/lease_desk.hpp"
#include "tests/sim/lease/environment.hpp"
#include "tests/sim/lease/machine.hpp"
#include "tests/sim/lease/network.hpp"
#include "tests/sim/lease/store_way.hpp"
#include "tests/sim/lease/true_clock.hpp"

namespace gnomon::sim::leases {

class Server {
 public:
  /// `machine`: by whose boot its leases expire; none: by the true time.
  Server(Environment& environment, Network& network, std::uint32_t number, Machine* machine);

  void start();
  void kill();
  /// SIGSTOP until then.
  void pause(time::Uptime until);
  /// SIGCONT, earlier than that.
  void resume();
  [[nodiscard]] bool is_up() const { return desk_ != nullptr; }

  void asked(const Request& request);
  void gone(std::uint32_t client, std::uint64_t number);
  /// On the clock by which sessions expire; for the checkers.
  [[nodiscard]] lease::Expiry truth();

  [[nodiscard]] StoreWay& way() { return way_; }
  [[nodiscard]] TrueClock& clock() { return clock_; }
  /// Of all lives.
  [[nodiscard]] const control::DeskCounters* counters() const { return desk_ ? &desk_->counters() : nullptr; }
  [[nodiscard]] std::size_t parked() const { return desk_ ? desk_->parked() : 0; }

 private:
  void happen(control::DeskEvent event);
  void step(const control::DeskEvent& event);
  void carry_out(control::DeskEffect& effect, const control::DeskTime& now);
  void send(const control::desk_effect::Send& effect);
  void schedule_tick();
  void wake();
  [[nodiscard]] time::Uptime uptime();
  [[nodiscard]] control::DeskTime read_clock();

  Environment& env_;
  Network& network_;
  std::uint32_t number_;
  Machine* machine_;
  TrueClock clock_;
  StoreWay way_;
  std::unique_ptr<control::LeaseDesk> desk_;
  std::uint32_t life_ = 0;
  time::Tai since_;  // when this life began, by the clock of its machine's boot
  std::uint64_t next_call_ = 1;
  struct Caller {
    Request request;
    control::Call call;
  };
  std::map<control::CallId, Caller> callers_;
  std::deque<control::DeskEvent> inbox_;  // while it is stopped
  time::Uptime stopped_until_;
  std::optional<time::Uptime> tick_at_;
};

}  // namespace gnomon::sim::leases
