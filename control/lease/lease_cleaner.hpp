// SPDX-License-Identifier: Apache-2.0
//
// What sessions leave behind when they are over, swept away in the background: their leases, their places in queues, in
// the end their own entries; and marks of queues that are empty (queue_mark.hpp).
//
//   open, but surely past by more than kGrace -> killed
//   closed                                    -> leases and places go
//   killed                                    -> places go, each lease once its lock-delay is surely over, too
//   nothing refers to it                      -> the session goes
//
// A session must not go before its leases: a lease without session is unreadable, and stays so until an operator breaks
// it. Leases that this daemon has not heard of yet are the trap: so a session goes only when everything that was
// granted up to its end is known to be known. Every commit compares what it deletes; several daemons sweep at once,
// spread by chance, and a conflict only means that another was there first.
//
// One entry in the agenda per session, looked at again when its end can come at the earliest; renewals touch nothing.
// At most kMostAtOnce commits are under way, kPerRound begin in one round; kBehind times as many while kBacklog wait
// for their turn, since what is over counts towards its client's limit until it is gone. Pure. Thread rule: one thread
// at a time.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/lease/lease_mirror.hpp"
#include "control/lease/nonce_source.hpp"
#include "oracle/lease/lease_rules.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::control {

struct CleaningJob {
  std::string subject;  // key of the session or mark that it is about
  Transaction transaction;
};

class LeaseCleaner {
 public:
  static constexpr std::size_t kMostAtOnce = 4;
  static constexpr std::size_t kPerRound = 2;
  static constexpr std::size_t kBehind = 4;
  static constexpr std::size_t kBacklog = 64;
  static constexpr std::size_t kMostDeletes = 32;  // of one commit
  static constexpr time::Duration kGrace = time::seconds(60);

  explicit LeaseCleaner(const lease::LeasePolicy& policy) : policy_(policy) {}

  /// It appeared, ended or vanished.
  void session_changed(const lease::SessionId& id, time::Uptime now, NonceSource& chance);
  void queue_changed(const LeaseMirror& mirror, std::string_view name, time::Uptime now, NonceSource& chance);

  /// What is due. `moment`: none while the time can't be told.
  [[nodiscard]] std::vector<CleaningJob> round(const LeaseMirror& mirror, const lease::Moment* moment, time::Uptime now,
                                               NonceSource& nonces);
  void done(const std::string& subject, time::Uptime now);
  void failed(const std::string& subject, time::Uptime now, NonceSource& chance);

  /// When it wants a round, at the latest.
  [[nodiscard]] std::optional<time::Uptime> next() const;
  /// A session could go if all leases and queues were read once more.
  [[nodiscard]] bool wants_listing() const { return wants_listing_; }
  void listed() { wants_listing_ = false; }
  [[nodiscard]] std::size_t scheduled() const { return due_.size(); }

 private:
  /// A commit, or when to look again; neither: never.
  struct Plan {
    std::optional<Transaction> transaction;
    std::optional<time::Duration> again;
  };
  struct Subject {
    lease::SessionId id{};
    const lease::ClientSession& session;
    Revision modified;
  };
  void schedule(const std::string& subject, time::Uptime at);
  void forget(const std::string& subject);
  [[nodiscard]] bool is_behind(time::Uptime now) const;
  [[nodiscard]] Plan plan(const LeaseMirror& mirror, const lease::Moment* moment, const std::string& subject,
                          NonceSource& nonces);
  [[nodiscard]] Plan plan_open(const Subject& subject, const lease::Moment* moment, NonceSource& nonces) const;
  [[nodiscard]] Plan plan_over(const LeaseMirror& mirror, const Subject& subject, const lease::Moment* moment);
  [[nodiscard]] Plan plan_mark(const LeaseMirror& mirror, std::string_view name) const;
  [[nodiscard]] Transaction begin(std::string key, Revision modified) const;

  lease::LeasePolicy policy_;
  std::map<std::string, time::Uptime> due_;
  std::set<std::pair<time::Uptime, std::string>> agenda_;  // the same, by time
  std::set<std::string> under_way_;
  time::Uptime next_round_ = time::Uptime::min();
  std::size_t most_at_once_ = kMostAtOnce;  // as of the last round
  bool wants_listing_ = false;
};

}  // namespace gnomon::control
