// SPDX-License-Identifier: Apache-2.0
//
// What the agent does for its place among others: the session and the vote (membership.hpp), clearing away what the
// dead and the past have left, and telling a store that went back.
#include <utility>

#include "control/agent/agent.hpp"
#include "oracle/canary.hpp"
#include "oracle/lease/history.hpp"

namespace gnomon::control {
namespace {

constexpr std::size_t kMaxPruned = 32;  // history entries in one commit

}  // namespace

void Agent::on(const event::SessionsAsk&) { membership_.hint(); }

bool Agent::attend_membership() {
  switch (membership_.wish()) {
    case Membership::Wish::kNothing: return false;
    case Membership::Wish::kList:
      emit(effect::List{begin(OperationKind::kSessions), std::string(lease::kSessionPrefix)});
      return true;
    case Membership::Wish::kPublish: break;
  }
  if (nonce_used_) return false;
  commit_aside(OperationKind::kSession, membership_.publication(policy_.store, take_nonce()));
  return true;
}

void Agent::commit_aside(OperationKind kind, Transaction transaction) {
  emit(effect::Commit{begin(kind), std::move(transaction)});
}

void Agent::on_sessions(const Listing& listing) {
  membership_.listed(listing);
  if (membership_.went_back())
    return fail_gone_back("the session of this daemon is older than what was acknowledged to it");
  if (membership_.identity_changed()) return fail_other_identity();
  if (membership_.copied())
    fail(
        "a copy of this process is running: its session in the store was written by somebody who is not this process; "
        "all rights are dropped, not released. Start it again: it will be another incarnation");
}

// Whatever fails here is done by the next heartbeat, or by somebody else.
void Agent::tidy_up() {
  if (auto clearing = membership_.clearing(policy_.store))
    return commit_aside(OperationKind::kTidying, std::move(*clearing));
  if (!history_is_due_) return;
  history_is_due_ = false;
  emit(effect::List{begin(OperationKind::kHistory), std::string(lease::kHistoryPrefix)});
}

void Agent::on_history(const Listing& listing) {
  if (tick_.ordering != mint::OrderingState::kFollowing) return;  // by a doubtful clock nothing is old
  Transaction pruning = lease::prune(listing, time::saturating_add(tick_.now, -options_.keep_history), kMaxPruned);
  if (pruning.deletes.empty()) return;
  pruning.compares.push_back({std::string(lease::kStoreKey), policy_.store.identity});
  commit_aside(OperationKind::kTidying, std::move(pruning));
}

void Agent::note_standing() {
  const bool member = membership_.standing() == lease::Standing::kMember;
  const bool failed = membership_.has_failed();
  if (options_.exclusive_store || (member == noted_member_ && failed == noted_failed_)) return;
  noted_member_ = member;
  noted_failed_ = failed;
  const lease::Vote& vote = membership_.vote();
  if (member)
    note(NoteKind::kClocksAgree, std::to_string(vote.voters) + " other daemons voted on this clock, " +
                                     std::to_string(vote.against) + " against it: it may hold rights");
  else if (failed)
    note(NoteKind::kOutvoted, "this clock is contradicted by " + std::to_string(vote.against) + " of " +
                                  std::to_string(vote.voters) + " other daemons (" + vote.text +
                                  "): rights are given back until they agree; check the clocks of all of them");
}

// The store has to know every window that it acknowledged here, in this life or an earlier one. A window that moved on
// is fine: somebody took the id since, or this daemon's release landed late.
std::string Agent::forgotten(const Listing& listing) const {
  if (canary::planted(canary::Bug::kForgottenAcknowledged)) return "";
  for (const auto& [machine, noted] : acknowledged_) {
    const Entry* window = find_entry(listing, lease::window_key(machine));
    const std::string name = "the window of machine id " + std::to_string(machine.value);
    if (window == nullptr) return name + " is gone";
    if (window->modified < noted.modified) return name + " is older than what was acknowledged to this host";
    if (window->modified > noted.modified) continue;
    const auto value = lease::parse_window(window->value);
    if (!value || value->nonce != noted.nonce || value->ceiling != noted.ceiling)
      return name + " has the acknowledged revision and another content";
  }
  return "";
}

void Agent::fail_gone_back(const std::string& what) {
  const std::string text = "the store went back in time: " + what + "; was an older copy put back?";
  if (!options_.exclusive_store) emit(effect::SealStore{text});
  fail(text + " Run `gnomon control recover`");
}

}  // namespace gnomon::control
