// SPDX-License-Identifier: Apache-2.0
//
// Leader election: whoever holds the lease of the election's name leads.
//
// What fails. "I was elected, so I lead" is true for the moment of the election only: a leader that pauses wakes up
// believing, and for as long as nobody tells it there are two. So:
//   the leader pauses, or loses the network   its belief ends before its session can be taken over: `leads` says no,
//                                             `on_deposed` is told; only then can another one be elected
//   it acts between the look and the pause    nobody can prevent that: what it writes carries `token`, and the resource
//                                             refuses smaller ones (token_guard.hpp)
//   it crashes                                another one leads after the rest of the TTL and the lock-delay
//   it resigns                                another one leads at once
//   all servers are gone                      nobody leads, once the belief has ended
// Observers learn who led when the server looked. By the time that they read it, somebody else may.
//
// Campaigners are served in the order in which they came. Thread rule: any thread; callbacks run on the election's own
// thread, which may block; they must not destroy the election.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "client/lease/lease_client.hpp"

namespace gnomon::client {

struct ElectionOptions {
  std::string name{};
  std::string metadata{};       // for observers: where the leader is to be found
  time::Duration lock_delay{};  // after a leader that did not resign
};

class LeaderElection {
 public:
  /// The session has to outlive the election.
  LeaderElection(Session& session, ElectionOptions options);
  LeaderElection(const LeaderElection&) = delete;
  LeaderElection& operator=(const LeaderElection&) = delete;
  /// Resigns.
  ~LeaderElection();

  /// Waits to be elected, at most `patience`; the token of the term. Elected already: that term's.
  [[nodiscard]] LeaseResult<std::uint64_t> campaign(time::Duration patience);

  struct Callbacks {
    std::function<void(std::uint64_t token)> on_elected{};
    std::function<void()> on_deposed{};                        // the term is over, however it ended
    std::function<void(const LeaseError& why)> on_given_up{};  // no more campaigns: the session is over
  };
  /// Campaigns again and again, on a thread of its own, until `resign` or the end of the session. Once per election.
  [[nodiscard]] LeaseResult<void> campaign_for_ever(Callbacks callbacks);

  [[nodiscard]] bool leads() const;
  /// Of the present term, or the last one; 0: never elected.
  [[nodiscard]] std::uint64_t token() const;
  /// Ends the term, and any campaign.
  LeaseResult<void> resign();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct Leadership {
  bool vacant = true;  // the rest is empty then
  std::uint64_t token = 0;
  std::string principal;
  std::string label;
  std::string metadata;
  friend bool operator==(const Leadership&, const Leadership&) = default;
};

/// Who leads, as an observer that takes no part is told. One thread at a time.
class LeaderObserver {
 public:
  [[nodiscard]] static LeaseResult<std::unique_ptr<LeaderObserver>> open(LeaseClient& client, std::string name);
  /// The next change within `timeout`, the first one being what is there; nothing new: nullopt. After lost servers only
  /// the last state is told.
  [[nodiscard]] LeaseResult<std::optional<Leadership>> next(time::Duration timeout);

 private:
  LeaderObserver(std::unique_ptr<LeaseWatch> watch, std::string name);

  std::unique_ptr<LeaseWatch> watch_;
  std::string name_;
  std::optional<Leadership> told_;
  bool seen_ = false;  // since the stream began
};

}  // namespace gnomon::client
