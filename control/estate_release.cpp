// SPDX-License-Identifier: Apache-2.0
//
// Giving an estate back: list, hold each part against what the store has, one commit, journal. Nobody uses these
// rights any more, so it may be tried again after any outcome: every commit compares the windows as they were listed,
// and of several that were sent one can land.
#include <algorithm>
#include <optional>
#include <utility>

#include "control/agent/attempts.hpp"
#include "control/estate.hpp"
#include "oracle/lease/session.hpp"
#include "oracle/lease/stored_right.hpp"

namespace gnomon::control {
namespace {

using lease::WindowState;

std::string name_of(const mint::Right& right) { return "machine id " + std::to_string(right.machine.value); }

tl::unexpected<StoreError> give_up(StoreErrorKind kind, std::string text) {
  return tl::make_unexpected(StoreError{kind, std::move(text)});
}

class Release {
 public:
  Release(const EstateStore& to, const Estate& estate, const EstateHooks& hooks)
      : to_(to), hooks_(hooks), incarnation_(estate.incarnation), parts_(estate.parts) {
    report_.left = estate.left;
    policy_.store = to.facts;
    policy_.exclusive_store = to.exclusive;
  }

  tl::expected<EstateReport, StoreError> run() {
    StoreError last{StoreErrorKind::kUnavailable, "nothing was tried"};
    for (int tried = 0; tried < kEstateTries; ++tried) {
      if (tried != 0 && hooks_.pause) hooks_.pause();
      const auto done = turn();
      if (done) return report_;
      last = done.error();
      if (last.kind == StoreErrorKind::kFatal) break;
      if (last.kind == StoreErrorKind::kConflict && ++conflicts_ > 1) break;
    }
    return tl::make_unexpected(last);
  }

 private:
  /// What the store says against giving a part back; `settled`: one of our own commits gave it back already.
  struct Judgement {
    std::string against;
    std::optional<lease::HeldRight> settled;
    lease::HeldRight held{};
  };

  /// One listing and one commit at most, after which there is nothing more to do.
  tl::expected<void, StoreError> turn() {
    auto rights = to_.store.list(lease::kRightPrefix);
    if (!rights) return tl::make_unexpected(rights.error());
    if (rights->at < to_.journal.content().highest)
      return give_up(StoreErrorKind::kFatal, "the store went back in time: it stands at revision " +
                                                 std::to_string(rights->at.value) + ", and revision " +
                                                 std::to_string(to_.journal.content().highest.value) +
                                                 " was acknowledged; run `gnomon control recover`");
    std::vector<lease::Used> used;
    std::vector<lease::HeldRight> settled;
    if (auto sorted = sort_out(*rights, used, settled); !sorted) return tl::make_unexpected(sorted.error());
    if (!settled.empty()) {
      finished(settled);
      return {};
    }
    const auto found = find_session();
    if (!found) return tl::make_unexpected(found.error());
    const std::optional<Entry>& session = *found;
    if (used.empty() && !session) return {};

    Transaction transaction = lease::release(used, policy_, hooks_.nonce());
    if (session) {
      transaction.compares.push_back({session->key, session->modified});
      transaction.deletes.push_back(session->key);
    }
    return commit(std::move(transaction), used);
  }

  tl::expected<void, StoreError> commit(Transaction transaction, const std::vector<lease::Used>& used) {
    const auto revision = to_.store.commit(transaction);
    if (!revision) {
      if (revision.error().kind == StoreErrorKind::kUnknown) sent_.push_back(std::move(transaction));
      return tl::make_unexpected(revision.error());
    }
    report_.session_deleted = report_.session_deleted || !transaction.deletes.empty();
    std::vector<lease::HeldRight> given;
    given.reserve(used.size());
    for (const lease::Used& each : used)
      given.push_back(lease::held_after(transaction, each.right.machine, *revision, &each.right, policy_.store.epoch));
    finished(given);
    return {};
  }

  /// The commit is known to have happened: what is left is to remember it.
  void finished(const std::vector<lease::HeldRight>& given) {
    Revision highest;
    std::vector<JournalRight> notes;
    for (const lease::HeldRight& right : given) {
      highest = std::max(highest, right.window);
      notes.push_back({right.machine, right.window, right.window_nonce, right.ceiling});
      report_.released.push_back(right.machine);
    }
    if (const auto merged = to_.journal.merge(highest, notes); !merged) report_.journal_fault = merged.error().text;
  }

  tl::expected<void, StoreError> sort_out(const Listing& rights, std::vector<lease::Used>& used,
                                          std::vector<lease::HeldRight>& settled) {
    if (const auto stands = check_identity(); !stands) return stands;
    const lease::RightTable table = lease::read_rights(rights.entries);
    std::vector<EstatePart> kept;
    for (const EstatePart& part : parts_) {
      const Judgement judged = judge(part, table, rights);
      if (!judged.against.empty()) {
        report_.left.push_back(name_of(part.right) + ": " + judged.against);
        continue;
      }
      kept.push_back(part);
      if (judged.settled)
        settled.push_back(*judged.settled);
      else
        used.push_back({judged.held, part.used_until});
    }
    parts_ = std::move(kept);
    return {};
  }

  /// A recovery or a seal rewrites the store's identity; nothing may be committed there from what was known before.
  tl::expected<void, StoreError> check_identity() {
    const auto read = to_.store.get(lease::kStoreKey);
    if (!read) return tl::make_unexpected(read.error());
    const std::optional<Entry>& identity = *read;
    if (identity && identity->modified == policy_.store.identity) return {};
    return give_up(StoreErrorKind::kFatal, "the store's identity (" + std::string(lease::kStoreKey) +
                                               ") was rewritten meanwhile; what the dead daemon held runs out");
  }

  Judgement judge(const EstatePart& part, const lease::RightTable& table, const Listing& listing) {
    const mint::Right& right = part.right;
    const lease::StoredRight* stored = table.find(right.machine);
    if (stored == nullptr || !stored->grant || !stored->window) return {"the store does not know it", {}, {}};
    const lease::Window& window = stored->window->value;
    const lease::HeldRight held{
        right.machine, right.token, window.floor, window.ceiling, stored->grant->modified, stored->window->modified,
        window.nonce};
    if (was_sent(right.machine, listing)) return {"", held, held};
    if (stored->token() != right.token) return {"the store has it under another token", {}, {}};
    if (page_incarnation(stored->grant->value.incarnation) != incarnation_)
      return {"the store has it under another incarnation", {}, {}};
    if (window.state != WindowState::kHeld) return {"it was given back before", {}, {}};
    if (window.floor != right.floor || window.ceiling < right.ceiling)
      return {"the store's window is not the one that was published", {}, {}};
    if (!to_.exclusive && !is_journaled(held)) {
      copy_suspected_ = true;
      return {"its last write in the store is not the one that was acknowledged to the dead daemon", {}, {}};
    }
    return {"", {}, held};
  }

  /// A commit of ours whose outcome was not known: its value stands there, nonce included.
  [[nodiscard]] bool was_sent(mint::MachineId machine, const Listing& listing) const {
    const Entry* entry = find_entry(listing, lease::window_key(machine));
    return entry != nullptr && std::any_of(sent_.begin(), sent_.end(), [&](const Transaction& sent) {
             return std::find(sent.puts.begin(), sent.puts.end(), Put{entry->key, entry->value}) != sent.puts.end();
           });
  }

  [[nodiscard]] bool is_journaled(const lease::HeldRight& held) const {
    const auto& rights = to_.journal.content().rights;
    const auto noted = rights.find(held.machine);
    return noted != rights.end() && noted->second.modified == held.window && noted->second.nonce == held.window_nonce &&
           noted->second.ceiling == held.ceiling;
  }

  /// The dead one's session, if it stands alone: that of a copy would be missed by the copy.
  tl::expected<std::optional<Entry>, StoreError> find_session() {
    if (copy_suspected_) return std::optional<Entry>{};
    const auto sessions = to_.store.list(lease::kSessionPrefix);
    if (!sessions) return tl::make_unexpected(sessions.error());
    for (const Entry& entry : sessions->entries) {
      const auto incarnation = lease::incarnation_of_session(entry.key);
      if (incarnation && page_incarnation(*incarnation) == incarnation_) return std::optional(entry);
    }
    return std::optional<Entry>{};
  }

  const EstateStore& to_;
  const EstateHooks& hooks_;
  std::uint64_t incarnation_;
  lease::RightPolicy policy_;
  std::vector<EstatePart> parts_;
  std::vector<Transaction> sent_;  // with unknown outcomes
  int conflicts_ = 0;
  bool copy_suspected_ = false;
  EstateReport report_;
};

}  // namespace

tl::expected<EstateReport, StoreError> release_estate(const EstateStore& to, const Estate& estate,
                                                      const EstateHooks& hooks) {
  return Release(to, estate, hooks).run();
}

}  // namespace gnomon::control
