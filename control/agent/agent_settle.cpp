// SPDX-License-Identifier: Apache-2.0
//
// What is ours after a conflict or a lost answer. A list is compared with what this agent last proved and with every
// attempt that may still have landed. Three rules, none of which trusts a revision alone:
//   - a value is ours if it is byte-equal to one that we sent, nonce included; a window with our token but a value that
//     we never sent was written by a copy of this process, so the right counts as lost;
//   - a grant written after ours is somebody else's: lost;
//   - anything older than what was acknowledged to us means that the store went back: stop.
#include <algorithm>

#include "control/agent/agent.hpp"
#include "oracle/canary.hpp"

namespace gnomon::control {
namespace {

// What a canary does (oracle/canary.hpp).
void take_for_own(lease::HeldRight& right, const Entry& entry) {
  const auto window = lease::parse_window(entry.value);
  if (!window) return;
  right.window = entry.modified;
  right.window_nonce = window->nonce;
  right.ceiling = window->ceiling;
}

}  // namespace

// A conflict says that a compared key has changed. If no right's key has, it was the store's identity.
void Agent::settle_conflict(const Listing& listing) {
  const std::vector<Compare> compares = std::exchange(conflicted_, {});
  if (compares.empty()) return;
  const bool right_changed = std::any_of(compares.begin(), compares.end(), [&](const Compare& compare) {
    if (compare.key == lease::kStoreKey) return false;
    const Entry* entry = find_entry(listing, compare.key);
    return (entry == nullptr ? Revision{} : entry->modified) != compare.modified;
  });
  if (right_changed) return;
  fail_other_identity();
}

void Agent::fail_other_identity() {
  fail("the store's identity (" + std::string(lease::kStoreKey) +
       ") changed while this daemon ran: it was recovered, adopted or sealed meanwhile; start the daemon again");
}

void Agent::settle_acquisition(const Listing& listing) {
  lease::RightTable table = lease::read_rights(listing.entries);
  if (!table.unreadable.empty())
    note(NoteKind::kUnreadable, std::to_string(table.unreadable.size()) +
                                    " stored rights can't be read, the first is " + table.unreadable.front().text);
  if (const auto found = attempts_.whole(listing, Purpose::kAcquire)) return adopt(found->first, found->second);
  table_ = std::move(table);
  table_read_at_ = attended_;
}

void Agent::settle_holdings(const Listing& listing) {
  std::vector<Holding> kept;
  std::string lost;
  journal_.clear();
  for (Holding& holding : holdings_) {
    Finding finding = judge(holding, listing);
    if (canary::planted(canary::Bug::kForgottenAcknowledged) && finding == Finding::kWentBack) finding = Finding::kLost;
    if (finding == Finding::kWentBack)
      return fail_gone_back("the window of machine id " + std::to_string(holding.right.machine.value) +
                            " is older than what was acknowledged to this daemon");
    if (finding == Finding::kLost) {
      lost += (lost.empty() ? "machine id " : ", ") + std::to_string(holding.right.machine.value);
      highest_used_ = std::max(highest_used_, holding.right.ceiling);
      continue;
    }
    if (finding != Finding::kUnchanged) to_journal(holding.right);
    if (finding != Finding::kReleased) kept.push_back(holding);
  }
  holdings_ = std::move(kept);
  if (!lost.empty()) {
    note(NoteKind::kLost, lost + " was taken over by another holder; never used again here");
    if (state_ == AgentState::kHeld) revoke(Goal::kReacquire);
  }
}

// Whoever takes an id over begins where the last window ended. One that begins earlier was granted by a store that had
// forgotten how far ours reached. Once a release was sent that is no longer certain: it may have landed.
bool Agent::taken_honestly(const lease::HeldRight& right, const Entry& window) const {
  if (state_ != AgentState::kHeld) return true;
  const auto value = lease::parse_window(window.value);
  return !value || value->floor >= right.ceiling;
}

// Updates the holding if the list proves a later write of ours.
Agent::Finding Agent::judge(Holding& holding, const Listing& listing) const {
  lease::HeldRight& right = holding.right;
  const Entry* grant = find_entry(listing, lease::grant_key(right.machine));
  const Entry* window = find_entry(listing, lease::window_key(right.machine));
  if (grant == nullptr || window == nullptr) return Finding::kWentBack;  // nobody deletes them
  if (grant->modified < right.grant || window->modified < right.window) return Finding::kWentBack;
  if (grant->modified > right.grant) return taken_honestly(right, *window) ? Finding::kLost : Finding::kWentBack;
  if (window->modified == right.window) {
    const auto value = lease::parse_window(window->value);
    return value && value->nonce == right.window_nonce ? Finding::kUnchanged : Finding::kWentBack;
  }
  const Attempt* attempt = attempts_.that_wrote(window->key, window->value);
  if (attempt == nullptr && canary::planted(canary::Bug::kCopyTakenForOwn)) {
    take_for_own(right, *window);
    return Finding::kExtended;
  }
  if (attempt == nullptr) return Finding::kLost;
  right = lease::held_after(attempt->transaction, right.machine, window->modified, &right, policy_.store.epoch);
  return attempt->purpose == Purpose::kRelease ? Finding::kReleased : Finding::kExtended;
}

}  // namespace gnomon::control
