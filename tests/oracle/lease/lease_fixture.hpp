// SPDX-License-Identifier: Apache-2.0
//
// The rules of named leases at work on the smallest store that can be, for the tests of oracle/lease: a scene read from
// the shelf, a decision, its commit.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "oracle/lease/lease_rules.hpp"
#include "tests/oracle/lease/rules_fixture.hpp"

namespace gnomon::lease {

using Entries = std::map<std::string, Entry>;

inline SessionId session_id(std::uint8_t who) {
  SessionId id{};
  id.fill(who);
  return id;
}

template <typename T, typename Parse>
std::optional<Seen<T>> seen_of(const Entries& entries, const std::string& key, const Parse& parse) {
  const auto at = entries.find(key);
  if (at == entries.end()) return std::nullopt;
  auto value = parse(at->second.value);
  return Seen<T>{value ? std::optional<T>(std::move(*value)) : std::nullopt, at->second.modified};
}

inline std::optional<Seen<ClientSession>> seen_session(const Entries& entries, const SessionId& id) {
  return seen_of<ClientSession>(entries, client_key(id), parse_client_session);
}

/// What these entries hold about a name and a session.
inline Scene scene_of(const Entries& entries, std::string_view name, const SessionId& own) {
  Scene scene;
  scene.own = seen_session(entries, own);
  scene.lease = seen_of<NamedLease>(entries, lease_key(name), parse_named_lease);
  if (scene.lease && scene.lease->value) scene.holder = seen_session(entries, scene.lease->value->session);
  for (const auto& [key, entry] : entries)
    if (const auto parts = parts_of_waiter_key(key); parts && parts->name == name)
      scene.queue.push_back({parts->session, entry.modified, seen_session(entries, parts->session)});
  std::sort(scene.queue.begin(), scene.queue.end(),
            [](const SeenWaiter& a, const SeenWaiter& b) { return a.modified < b.modified; });
  return scene;
}

class Leases : public testing::Test {
 protected:
  static constexpr std::string_view kName = "database:1";
  static constexpr time::Tai kStart{1'800'000'000'000'000'000};

  /// The moment of the servers' clocks: the true time, give or take epsilon.
  [[nodiscard]] Moment moment() const { return {{}, time::Interval{now, now}.widened(epsilon)}; }
  Asker asker(std::uint8_t who) {
    Asker asker{session_id(who), "local", moment(), {}};
    ++nonces_;
    for (std::size_t i = 0; i < 8; ++i)
      asker.nonce[i] = static_cast<std::uint8_t>(nonces_ >> (8 * i));
    return asker;
  }
  [[nodiscard]] Scene scene(std::uint8_t who, std::string_view name = kName) const {
    return scene_of(shelf.entries, name, session_id(who));
  }
  /// The answer after the commit, if one is needed; a decision on the present entries never conflicts.
  Answer perform(const Decision& decision) {
    if (const auto* answer = std::get_if<Answer>(&decision)) return *answer;
    const auto& step = std::get<Step>(decision);
    const auto revision = shelf.commit(step.transaction);
    EXPECT_TRUE(revision) << "a decision on the present entries conflicts with them";
    return completed(step, *revision, policy.store.epoch);
  }

  Answer open(std::uint8_t who, time::Duration ttl = seconds(10)) {
    return perform(open_session(scene(who), policy, asker(who), ttl, label(who)));
  }
  Answer renew(std::uint8_t who, time::Duration ttl = seconds(10)) {
    return perform(renew_session(scene(who), policy, asker(who), ttl));
  }
  Answer close(std::uint8_t who) { return perform(close_session(scene(who), policy, asker(who))); }
  Answer take(std::uint8_t who, std::string_view name = kName, bool wait = false) {
    return perform(acquire(scene(who, name), policy, asker(who), {std::string(name), lock_delay, "", wait}));
  }
  Answer queue(std::uint8_t who, std::string_view name = kName) { return take(who, name, true); }
  Answer give(std::uint8_t who, mint::Token token, std::string_view name = kName) {
    return perform(release(scene(who, name), policy, asker(who), name, token));
  }
  Answer crush(std::string_view name = kName) {
    return perform(break_lease(scene(0, name), policy, asker(0).nonce, name));
  }
  [[nodiscard]] LeaseView look(std::string_view name = kName) const {
    return view(scene(0, name), policy, moment(), name);
  }
  [[nodiscard]] TokenStanding standing(mint::Token token, std::string_view name = kName) const {
    return standing_of(scene(0, name), policy, moment(), token, shelf.revision);
  }

  // The answer of that kind; a test that gets another one has failed.
  static answer::Refused refused(const Answer& answer) {
    const auto* refused = std::get_if<answer::Refused>(&answer);
    EXPECT_NE(refused, nullptr);
    return refused == nullptr ? answer::Refused{} : *refused;
  }
  static answer::Held held(const Answer& answer) {
    const auto* held = std::get_if<answer::Held>(&answer);
    EXPECT_NE(held, nullptr);
    return held == nullptr ? answer::Held{} : *held;
  }
  static answer::Waiting waiting(const Answer& answer) {
    const auto* waiting = std::get_if<answer::Waiting>(&answer);
    EXPECT_NE(waiting, nullptr);
    return waiting == nullptr ? answer::Waiting{} : *waiting;
  }
  static std::string label(std::uint8_t who) { return "client-" + std::string(1, static_cast<char>('A' + who - 1)); }
  [[nodiscard]] ClientSession session(std::uint8_t who) const {
    return *seen_session(shelf.entries, session_id(who))->value;
  }
  /// As if another program had written it.
  void rewrite(std::uint8_t who, const ClientSession& session) {
    shelf.commit({{}, {{client_key(session_id(who)), encode(session)}}, {}});
  }
  void damage(const std::string& key) { shelf.commit({{}, {{key, "damaged"}}, {}}); }
  [[nodiscard]] std::string waiting_for(std::uint8_t who) const { return waiter_key(kName, session_id(who)); }

  Shelf shelf;
  LeasePolicy policy{.store = {.identity = {}, .epoch = 5, .floor = {}}};
  time::Tai now = kStart;
  time::Duration epsilon;
  time::Duration lock_delay;
  std::uint64_t nonces_ = 0;
};

/// What kind of refusal an answer is; nothing if it is none.
inline std::optional<Refusal> refusal_of(const Answer& answer) {
  const auto* refused = std::get_if<answer::Refused>(&answer);
  return refused == nullptr ? std::nullopt : std::optional(refused->why);
}
inline std::optional<Refusal> refusal_of(const Decision& decision) {
  const auto* answer = std::get_if<Answer>(&decision);
  return answer == nullptr ? std::nullopt : refusal_of(*answer);
}
inline mint::Token held_token(const Answer& answer) {
  const auto* held = std::get_if<answer::Held>(&answer);
  return held == nullptr ? mint::Token{} : held->token;
}

}  // namespace gnomon::lease
