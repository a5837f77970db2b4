// SPDX-License-Identifier: Apache-2.0
//
// What one daemon remembers of the store's leases, waiters and sessions: parsed once, with the revision as of which
// each is known.
//
// News comes by three ways, and the ways overtake each other: a watch tells late what an own commit has long changed,
// a read was made before a commit whose answer came first. Whoever just writes down what came last brings a released
// lease back to life. So every piece of news carries the revision as of which it is true, an absence too, and never
// overwrites what is known as of a later one. What was deleted stays known as deleted (bounded: an ancient echo that
// comes after kMostTombstones other deletions costs its reader a conflict, nothing else).
//
// It may be stale, and never says that it is not: who decides by it compares revisions in a commit, or reads first.
// What can't be parsed is kept as unreadable, at its revision. Marks of queues: queue_mark.hpp.
//
// Pure. Thread rule: one thread at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "control/store.hpp"
#include "oracle/lease/lease_rules.hpp"

namespace gnomon::control {

/// What changed since the news was taken last; each name or session may come more than once.
struct MirrorNews {
  struct Place {
    std::string name;
    lease::SessionId session{};
  };
  std::vector<std::string> leases;         // granted, released, or of a session that was closed
  std::vector<std::string> queues;         // somebody came or left, or the mark did
  std::vector<Place> left;                 // who is in a queue no more
  std::vector<lease::SessionId> sessions;  // appeared, ended or vanished; a renewal is none
};

class LeaseMirror {
 public:
  static constexpr std::size_t kMostTombstones = 16'384;

  /// The queue of one name.
  struct Queue {
    std::set<std::pair<Revision, lease::SessionId>> order;  // the first is served first
    std::map<lease::SessionId, Revision> places;
    Revision mark;       // {0}: none
    Revision listed_at;  // all that came up to here is known
  };

  // ---- news, in any order

  /// A commit of this daemon is known to have happened.
  void committed(const Transaction& transaction, Revision revision);
  /// `floor`: newest() when the read was sent, so what it did not find is absent as of that at least.
  void read_key(std::string_view key, const std::optional<Entry>& found, Revision floor);
  void read_prefix(std::string_view prefix, const Listing& listing);
  /// `complete`: the watch tells of everything; else of the prefixes whose keys it names.
  void heard(const Changes& changes, bool complete);

  /// All three prefixes were read behind the last gap, so what is not known is absent, but for what is under way.
  [[nodiscard]] bool synced() const { return held_synced_ && queues_synced_ && sessions_synced_; }
  [[nodiscard]] MirrorNews take_news();

  // ---- what is remembered

  [[nodiscard]] Revision newest() const { return newest_; }  // the highest that anything told of
  /// All changes of leases, or of queues, up to here have been told.
  [[nodiscard]] Revision held_through() const { return held_through_; }
  [[nodiscard]] Revision queues_through() const { return queues_through_; }
  /// All changes of leases and of the sessions that they hang on, likewise: what is remembered is no older than this.
  [[nodiscard]] Revision told_through() const { return std::min(held_through_, sessions_through_); }

  [[nodiscard]] const lease::Seen<lease::ClientSession>* session(const lease::SessionId& id) const;
  [[nodiscard]] const lease::Seen<lease::NamedLease>* lease(std::string_view name) const;
  [[nodiscard]] const Queue* queue(std::string_view name) const;
  /// {0}: it has no place.
  [[nodiscard]] Revision place(std::string_view name, const lease::SessionId& session) const;
  /// Everybody who was in the queue before this revision is known.
  [[nodiscard]] bool knows_queue(std::string_view name, Revision through) const;
  /// {0}: the key is not there, or none of ours.
  [[nodiscard]] Revision revision_of(std::string_view key) const;

  /// Its names, ascending; nothing if it has none.
  [[nodiscard]] const std::set<std::string, std::less<>>* leases_of(const lease::SessionId& id) const;
  [[nodiscard]] const std::set<std::string, std::less<>>* places_of(const lease::SessionId& id) const;
  /// Entries in the store: those that are over count until they are swept away.
  [[nodiscard]] std::size_t sessions_of(std::string_view principal) const;
  /// Leases and places in queues that hang on the open ones.
  [[nodiscard]] std::size_t claims_of(std::string_view principal) const;
  /// Names of leases that begin with `prefix` and come behind `after`, ascending, at most `most`.
  [[nodiscard]] std::vector<std::string> names(std::string_view prefix, std::string_view after, std::size_t most) const;

  /// Of one name, for whoever asks as `asker` (nobody: only to look).
  [[nodiscard]] lease::Scene scene(std::string_view name, const lease::SessionId* asker) const;

  [[nodiscard]] std::size_t sessions() const { return sessions_.size(); }
  [[nodiscard]] std::size_t open_sessions() const { return open_; }
  [[nodiscard]] std::size_t leases() const { return leases_.size(); }
  /// Leases that hang on open sessions.
  [[nodiscard]] std::size_t held() const { return held_; }
  /// Places in all queues.
  [[nodiscard]] std::size_t waiters() const { return waiters_; }
  [[nodiscard]] std::size_t tombstones() const { return graves_.size(); }
  [[nodiscard]] std::size_t unreadable() const { return unreadable_; }

 private:
  using Names = std::set<std::string, std::less<>>;
  using Queues = std::map<std::string, Queue, std::less<>>;

  void present(const Entry& entry);
  void absent(std::string_view key, Revision as_of);
  void bury(std::string_view key, Revision as_of);
  [[nodiscard]] bool is_buried(std::string_view key, Revision modified) const;
  void put_session(const lease::SessionId& id, const Entry& entry);
  void put_lease(std::string_view name, const Entry& entry);
  void put_place(std::string_view name, const lease::SessionId& session, Revision modified);
  void drop_session(const lease::SessionId& id);
  void drop_lease(std::string_view name);
  void drop_place(std::string_view name, const lease::SessionId& session);
  void tidy_queue(std::string_view name);
  void count_session(const lease::SessionId& id, const lease::Seen<lease::ClientSession>& session, std::ptrdiff_t by);
  void count_lease(const lease::NamedLease& lease, std::ptrdiff_t by);
  void count_place(const lease::SessionId& id, std::ptrdiff_t by);
  void count_claims(const lease::ClientSession& owner, std::ptrdiff_t by);
  void closed(const lease::SessionId& id);
  [[nodiscard]] std::pair<Queues::const_iterator, Queues::const_iterator> queues_under(std::string_view prefix) const;
  [[nodiscard]] std::vector<std::string> keys_under(std::string_view prefix) const;

  std::map<lease::SessionId, lease::Seen<lease::ClientSession>> sessions_;
  std::map<std::string, lease::Seen<lease::NamedLease>, std::less<>> leases_;
  Queues queues_;
  std::map<lease::SessionId, Names> leases_of_;
  std::map<lease::SessionId, Names> places_of_;
  std::map<std::string, std::size_t, std::less<>> sessions_by_principal_;
  std::map<std::string, std::size_t, std::less<>> claims_by_principal_;
  std::unordered_map<std::string, Revision> graves_;
  std::deque<std::string> buried_;  // the oldest first; a key may come again
  MirrorNews news_;
  Revision newest_;
  Revision hole_until_;  // of the last gap: a listing that is older does not fill it
  Revision held_through_;
  Revision queues_through_;
  Revision sessions_through_;
  bool held_synced_ = false;
  bool queues_synced_ = false;
  bool sessions_synced_ = false;
  std::size_t open_ = 0;
  std::size_t held_ = 0;
  std::size_t waiters_ = 0;
  std::size_t unreadable_ = 0;
};

}  // namespace gnomon::control
