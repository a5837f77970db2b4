// SPDX-License-Identifier: Apache-2.0
//
// A stage for scenes of leases that are directed to the millisecond: an exact world (plan.hpp), in which nothing takes
// time, is lost or comes twice unless the scene says so.
#pragma once

#include <optional>
#include <string>

#include "oracle/canary.hpp"
#include "tests/sim/lease/world.hpp"

namespace gnomon::sim::leases {

constexpr const char* kName = "database:1";

[[nodiscard]] constexpr time::Uptime at_ms(std::int64_t ms) { return {ms * 1'000'000}; }

struct Scene {
  explicit Scene(std::uint32_t servers = 2, std::uint32_t clients = 3) : world(exact_plan(servers, clients), false) {
    world.begin();
    for (std::uint32_t i = 0; i < clients; ++i)
      world.client(i).use_server(i % servers);
  }

  /// The n-th client, with a session of this TTL.
  Client& open(std::uint32_t number, time::Duration ttl = time::seconds(10)) {
    world.client(number).open(ttl);
    world.run_for({});
    return world.client(number);
  }
  Client& acquire(std::uint32_t number, time::Duration wait_for = {}, time::Duration lock_delay = {}) {
    world.client(number).acquire(kName, wait_for, lock_delay);
    world.run_for({});
    return world.client(number);
  }
  void until_ms(std::int64_t ms) { world.run_until(at_ms(ms)); }
  /// Nothing goes to this client or comes from it any more.
  void cut_off(std::uint32_t number) { world.network().cut(number, time::Uptime::max()); }
  [[nodiscard]] std::optional<Violation> violation() { return world.environment().report.first(); }

  /// The last answer about the name; none if there was none, or an error.
  template <typename T>
  [[nodiscard]] const T* answer(std::uint32_t number) {
    const auto& reply = world.client(number).last_answer(kName);
    const auto* answered = reply && *reply ? std::get_if<control::Answered>(&**reply) : nullptr;
    return answered == nullptr ? nullptr : std::get_if<T>(&answered->answer);
  }
  [[nodiscard]] std::optional<lease::Refusal> refusal(std::uint32_t number) {
    const auto* refused = answer<lease::answer::Refused>(number);
    return refused == nullptr ? std::nullopt : std::optional(refused->why);
  }

  World world;
};

/// Plays the scene with the bug planted; what the checkers say.
template <typename Play>
std::optional<Violation> with(canary::Bug bug, const Play& play) {
  canary::plant(bug);
  Scene scene;
  play(scene);
  canary::plant(canary::Bug::kNone);
  return scene.violation();
}

#define EXPECT_HARMLESS(scene) EXPECT_FALSE((scene).violation()) << (scene).violation()->text
#define EXPECT_FALLS(bug, play) EXPECT_TRUE(with(bug, play)) << "the scene does not show the planted bug"

}  // namespace gnomon::sim::leases
