// SPDX-License-Identifier: Apache-2.0
//
// One daemon's view of a shared store, for examples of the vote: the others' sessions are put into the room by hand, at
// revisions that grow.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "oracle/lease/clock_vote.hpp"

namespace gnomon::lease {

using time::Duration;
using time::milliseconds;
using time::seconds;
using Verdict = Vote::Verdict;

constexpr Duration kBeat = seconds(1);
constexpr std::int64_t kEpochMs = 1'700'000'000'000;
constexpr Duration kDay = seconds(86'400);

inline Nonce id_of(int number) {
  Nonce id{};
  id[0] = static_cast<std::uint8_t>(number >> 8);
  id[1] = static_cast<std::uint8_t>(number);
  return id;
}

/// 10 ms to either side of `at`, on both timelines.
inline ClockWord word(Duration at) {
  const Duration since_epoch = milliseconds(kEpochMs) + at;
  ClockWord said;
  said.ordering = time::SmearedInterval{{since_epoch.ns}, {since_epoch.ns}}.widened(milliseconds(10));
  said.truth = time::Interval{{since_epoch.ns}, {since_epoch.ns}}.widened(milliseconds(10));
  return said;
}

inline ClockWord ordering_only(Duration at) {
  ClockWord said = word(at);
  said.truth.reset();
  return said;
}

class Room : public ::testing::Test {
 protected:
  static constexpr int kMe = 500;

  /// Somebody else commits a session that was read having seen `seen`.
  Revision put(int who, Standing standing, Revision seen, const ClockWord& clock) {
    return put_text(session_key(id_of(who)), encode({next_nonce(), standing, seen, clock, holder(who)}));
  }
  /// One that has seen everything up to now.
  Revision put(int who, Standing standing, const ClockWord& clock) { return put(who, standing, at_, clock); }
  Revision put(int who, Standing standing) { return put(who, standing, word(now_)); }

  Revision put_text(const std::string& key, const std::string& value) {
    at_.value += 1;
    for (Entry& entry : entries_)
      if (entry.key == key) {
        entry = {key, value, at_};
        return at_;
      }
    entries_.push_back({key, value, at_});
    std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.key < b.key; });
    return at_;
  }
  void remove(int who) {
    at_.value += 1;
    std::erase_if(entries_, [&](const Entry& entry) { return entry.key == session_key(id_of(who)); });
  }

  Revision publish(Standing standing, const ClockWord& clock) {
    const Session session{next_nonce(), standing, at_, clock, holder(kMe)};
    const Revision at = put_text(session_key(id_of(kMe)), encode(session));
    vote_.published(at, session, now_);
    return at;
  }
  Revision publish(Standing standing) { return publish(standing, word(now_)); }

  Vote list(const ClockWord& clock) {
    vote_.listed({at_, entries_}, clock, now_);
    return vote_.vote(now_);
  }
  Vote list() { return list(word(now_)); }

  void pass(Duration d) { now_ = now_ + d; }

  /// A heartbeat of a daemon that is a member among `others`, all with right clocks but for `ahead` of this one.
  Vote beat(std::initializer_list<int> others, Duration ahead = {}) {
    publish(Standing::kMember, word(now_ + ahead));
    for (const int other : others)
      put(other, Standing::kMember);
    pass(kBeat);
    return list(word(now_ + ahead));
  }

  static std::string holder(int who) { return "host-" + std::to_string(who); }
  Nonce next_nonce() {
    Nonce nonce{};
    nonce[15] = static_cast<std::uint8_t>(++nonces_);
    nonce[14] = static_cast<std::uint8_t>(nonces_ >> 8);
    return nonce;
  }

  Revision at_{100};
  Duration now_ = seconds(5000);
  std::vector<Entry> entries_;
  int nonces_ = 0;
  ClockVote vote_{id_of(kMe), VoteLimits{}};
};

}  // namespace gnomon::lease
