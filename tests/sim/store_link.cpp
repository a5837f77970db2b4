// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/store_link.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace gnomon::sim {

using control::StoreError;
using control::StoreErrorKind;

void StoreLink::send_list(std::uint32_t incarnation, control::OperationId id, std::string prefix) {
  send({.incarnation = incarnation,
        .id = id,
        .commit = std::nullopt,
        .prefix = std::move(prefix),
        .outcome = std::nullopt,
        .sent_at = env_.now()});
}

void StoreLink::send_commit(std::uint32_t incarnation, control::OperationId id,
                            const control::Transaction& transaction) {
  env_.note(Happening::kCommitSent, id.value, transaction.puts.size());
  env_.windows.sent(transaction);
  send({.incarnation = incarnation,
        .id = id,
        .commit = transaction,
        .prefix = {},
        .outcome = std::nullopt,
        .sent_at = env_.now()});
}

void StoreLink::send(Operation operation) {
  operation.fate = draw_fate(operation.commit.has_value());
  const time::Duration there = draw_delay();
  const time::Duration back = draw_delay();
  const std::uint64_t number = next_number_++;
  const bool half_the_time = env_.random.below(2) == 0;
  const bool lost_on_the_way = operation.fate == Fate::kNotReached || operation.fate == Fate::kFatal ||
                               ((operation.fate == Fate::kUnknown || operation.fate == Fate::kSilent) && half_the_time);
  operation.to_land = !lost_on_the_way;
  operation.to_answer = operation.fate != Fate::kSilent;
  const bool late = env_.scenario.store_is_remote && operation.fate == Fate::kUnknown && env_.random.below(2) == 0;
  if (operation.to_land)
    env_.queue.after(late ? there + back * 20 : there, EventKind::kStoreApply, operation.incarnation, number);
  if (operation.to_answer) env_.queue.after(there + back, EventKind::kStoreAnswer, operation.incarnation, number);
  if (operation.to_land || operation.to_answer) operations_.emplace(number, std::move(operation));
}

StoreLink::Fate StoreLink::draw_fate(bool is_commit) {
  if (!env_.faulty) return Fate::kAnswered;
  switch (mode_) {
    case Mode::kAway: return env_.random.below(8) == 0 ? Fate::kSilent : Fate::kNotReached;
    case Mode::kBroken: mode_ = Mode::kGood; return Fate::kFatal;
    case Mode::kLosesAnswers:
      if (env_.random.below(2) == 0) return env_.random.below(4) == 0 ? Fate::kSilent : Fate::kUnknown;
      break;
    case Mode::kGood:
    case Mode::kSlow: break;
  }
  const bool lost = is_commit && env_.random.per_mille(20) && env_.scenario.has(TroubleKind::kLostAnswers);
  return lost ? Fate::kUnknown : Fate::kAnswered;
}

// A shared store that takes longer than that has a fault: heartbeats leave room for no more (shared_plan.cpp).
time::Duration StoreLink::draw_delay() {
  time::Duration usual = env_.random.around(env_.scenario.store_delay);
  if (env_.scenario.shared) usual = std::min(usual, env_.scenario.store_delay * 5);
  if (!env_.faulty || mode_ != Mode::kSlow) return usual;
  return usual + env_.random.between({0}, env_.scenario.window / 4);
}

void StoreLink::apply(std::uint64_t number) {
  const auto at = operations_.find(number);
  if (at == operations_.end()) return;
  Operation& operation = at->second;
  operation.to_land = false;
  if (!operation.commit) {
    operation.outcome = control::event::Listed{operation.id, *env_.store.list(operation.prefix)};
  } else if (const auto revision = env_.store.commit(*operation.commit)) {
    env_.note(Happening::kCommitLanded, operation.id.value, revision->value);
    env_.landed(*operation.commit, *revision, {Committer::Kind::kAgent, host_, operation.incarnation},
                operation.sent_at);
    operation.outcome = control::event::Committed{operation.id, *revision};
  } else {
    env_.note(Happening::kCommitLanded, operation.id.value, 0);
    operation.outcome = control::event::StoreFailed{operation.id, revision.error()};
  }
  forget_if_done(at);
}

std::optional<control::Event> StoreLink::answer(std::uint64_t number) {
  const auto at = operations_.find(number);
  if (at == operations_.end()) return std::nullopt;
  Operation& operation = at->second;
  operation.to_answer = false;
  env_.note(Happening::kAnswered, operation.id.value, static_cast<std::uint64_t>(operation.fate));
  const auto failed = [&](StoreErrorKind kind, const char* text) {
    return control::Event(control::event::StoreFailed{operation.id, StoreError{kind, text}});
  };
  std::optional<control::Event> event;
  switch (operation.fate) {
    case Fate::kAnswered: event = operation.outcome; break;
    case Fate::kUnknown: event = failed(StoreErrorKind::kUnknown, "the answer was lost"); break;
    case Fate::kNotReached: event = failed(StoreErrorKind::kUnavailable, "the store is away"); break;
    case Fate::kFatal: event = failed(StoreErrorKind::kFatal, "the store is broken"); break;
    case Fate::kSilent: break;
  }
  forget_if_done(at);
  return event;
}

void StoreLink::forget_if_done(std::map<std::uint64_t, Operation>::iterator at) {
  if (!at->second.to_land && !at->second.to_answer) operations_.erase(at);
}

void StoreLink::crashed(std::uint32_t incarnation) {
  for (auto at = operations_.begin(); at != operations_.end();) {
    at->second.to_answer = at->second.to_answer && at->second.incarnation != incarnation;
    const bool dies = at->second.incarnation == incarnation && !(env_.scenario.store_is_remote && at->second.to_land);
    at = dies ? operations_.erase(at) : std::next(at);
  }
}

}  // namespace gnomon::sim
