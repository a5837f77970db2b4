// SPDX-License-Identifier: Apache-2.0
//
// Giving rights back: empty sets -> acknowledgements -> last-used values -> one commit -> journal. From the moment that
// the release is sent the rights are never used again, whatever becomes of it: a release that could not be brought home
// costs its successor a wait, a right that was used after its release costs a duplicate.
#include <algorithm>
#include <cassert>

#include "control/agent/agent.hpp"

namespace gnomon::control {
namespace {

// A worker that runs acknowledges within a burst or a sleep of its loop: microseconds to milliseconds.
constexpr time::Duration kAckPatience = time::seconds(5);
// With the delays between them a few seconds: a stop must end.
constexpr int kMaxReleaseFailures = 8;

}  // namespace

void Agent::on(const event::StopRequested&) {
  const bool waits_for_release = state_ == AgentState::kRevoking || state_ == AgentState::kReleasing;
  if (state_ == AgentState::kHeld) return revoke(Goal::kStop);
  if (!waits_for_release && state_ != AgentState::kAcquiring) return stop_cleanly("stopped; no rights were held");
  goal_ = Goal::kStop;
  failures_ = 0;
  if (state_ != AgentState::kAcquiring) return;
  const bool commit_under_way = operation_ && operation_->kind == OperationKind::kCommit;
  if (!commit_under_way) operation_.reset();
  backoff_.reset();
}

// Nothing was published. What may have been committed is given back; then there is nothing left to do.
void Agent::advance_stop_while_acquiring() {
  if (!holdings_.empty()) {
    state_ = AgentState::kReleasing;
    journal_.clear();
    return advance_releasing();
  }
  if (attempts_.empty() || !must_list_) return stop_cleanly("stopped; no rights were held");
  if (failures_ >= kMaxReleaseFailures)
    return stop_cleanly("stopped; whether rights were granted in the last moment is not known: they run out unused");
  list_rights();
}

void Agent::on(const event::Acknowledged& acknowledged) {
  handshake_.acknowledged(acknowledged.worker, acknowledged.generation, acknowledged.used);
}

void Agent::revoke(Goal goal) {
  goal_ = goal;
  state_ = AgentState::kRevoking;
  handshake_ = Handshake(attended_);
  publish_empty_sets();
  journal_.clear();
  if (goal != Goal::kRotate) return;
  for (const Holding& holding : holdings_)
    avoided_.push_back(holding.right.machine);
}

void Agent::advance_revoking() {
  if (!handshake_.complete() && attended_ - handshake_.begun() < kAckPatience) return;
  collect_used();
  state_ = AgentState::kReleasing;
  failures_ = 0;
  advance_releasing();
}

// Rights whose use can't be told stay as they are in the store, and run out.
void Agent::collect_used() {
  std::vector<Holding> told;
  for (Holding& holding : holdings_) {
    const lease::HeldRight& right = holding.right;
    const auto used_to = [&](time::SmearedUtc end) { highest_used_ = std::max(highest_used_, end); };
    if (!handshake_.has_acknowledged(holding.worker)) {
      unreleased_ += "; worker " + std::to_string(holding.worker.value) +
                     " never acknowledged the revocation of machine id " + std::to_string(right.machine.value);
      deaf_worker_ = true;
      used_to(right.ceiling);
      continue;
    }
    holding.used_until = handshake_.used_until(right.machine, right.token, right.floor);
    const bool plausible = lease::plausible({right, holding.used_until});
    used_to(plausible ? holding.used_until : right.ceiling);
    if (plausible)
      told.push_back(holding);
    else
      unreleased_ += "; the last use of machine id " + std::to_string(right.machine.value) + " is implausible";
  }
  if (!handshake_.complete()) highest_unheard_ = highest_used_;
  holdings_ = std::move(told);
}

void Agent::advance_releasing() {
  if (failures_ >= kMaxReleaseFailures) return give_up_release();
  if (!journal_.empty()) return sync_journal();
  if (holdings_.empty()) return released();
  if (must_list_) return list_rights();
  if (nonce_used_) return;
  Attempt attempt{Purpose::kRelease, {}, {}};
  std::vector<lease::Used> used;
  for (const Holding& holding : holdings_) {
    used.push_back({holding.right, holding.used_until});
    attempt.machines.push_back(holding.right.machine);
  }
  attempt.transaction = lease::release(used, policy_, take_nonce());
  commit(std::move(attempt));
}

void Agent::give_up_release() {
  for (const Holding& holding : holdings_)
    unreleased_ += "; machine id " + std::to_string(holding.right.machine.value) +
                   " could not be given back, the store did not take it";
  holdings_.clear();
  journal_.clear();
  released();
}

void Agent::released() {
  const std::string text =
      unreleased_.empty() ? "all rights were given back" : "rights that were not given back run out" + unreleased_;
  attempts_.clear();
  note(NoteKind::kReleased, text);
  if (goal_ == Goal::kStop) return stop_cleanly("stopped; " + text);
  if (goal_ != Goal::kRotate) return acquire_again();
  if (deaf_worker_) return fail("a new era can't begin: " + text);
  era_left_ = tick_.era;
  state_ = AgentState::kAwaitingEra;
  emit(effect::StartNewEra{});
}

void Agent::advance_awaiting_era() {
  if (tick_.era == era_left_) return;
  if (tick_.ordering == mint::OrderingState::kBehind) {  // the clock fell back once more before anything was taken
    era_left_ = tick_.era;
    return emit(effect::StartNewEra{});
  }
  // A jump that the new era has yet to confirm is no reason to wait: whoever holds rights serves meanwhile, too.
  if (tick_.ordering == mint::OrderingState::kNoTime) return;
  acquire_again();
  advance_acquiring();
}

void Agent::acquire_again() {
  assert(holdings_.empty());
  goal_ = Goal::kServe;
  state_ = AgentState::kAcquiring;
  table_.reset();
  backoff_.reset();
  look_again_at_ = time::Uptime::min();
  unreleased_.clear();
  deaf_worker_ = false;
}

}  // namespace gnomon::control
