// SPDX-License-Identifier: Apache-2.0
//
// The store and its daemons, judged from outside: is anything wrong, and what is it?
//
// Two traps. The revision of a session says that it was written again, not when: a busy store counts a thousand in a
// second. And the age of its clock's word says nothing if the clock is the one that is wrong. So life is what moved
// between two looks, and clocks are held against each other only where the order of their readings is certain: a word
// that was read after its holder had seen another one's commit is later in true time than that other word, so it must
// not end before that one begins. This host's own clock is shown beside them and judges nobody.
// Pure: entries and instants in, findings out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cmd/gnomon/members.hpp"
#include "cmd/gnomon/store_look.hpp"

namespace gnomon::cmd {

/// One list of all sessions; `now` was read by this host after it was in.
struct SessionLook {
  control::Listing sessions;
  time::SmearedUtc now;
};

struct ClusterFacts {
  std::string url;  // of the store
  std::string source;
  std::optional<control::Listing> meta;  // none: the store could not be read
  std::string unread;                    // why
  std::vector<SessionLook> looks;        // one or two, in that order; none: as above
  time::Duration between;                // the looks
  std::optional<StoreMembers> members;   // of etcd
  std::string no_members;                // why there are none, if the store is an etcd
  bool members_silent = false;           // they were asked, and none answered
};

enum class Sign : std::uint8_t {
  kMoves,    // written again between the two looks, or new
  kSilent,   // not written in between
  kUnknown,  // there was one look only
};
[[nodiscard]] std::string_view text_of(Sign sign);

/// A certain contradiction between two clocks.
struct Clash {
  std::string other;       // whom it contradicts
  bool ahead = false;      // this one is ahead of the other
  time::Duration by;       // at least
  bool true_time = false;  // in what they call the true time; else on the ordering timeline
};

struct SessionRow {
  SeenSession seen;  // its latest word
  Sign sign = Sign::kUnknown;
  std::string name;
  time::Duration earliest_from_here;  // of its word, minus this host's time of the last look
  time::Duration latest_from_here;
  std::uint32_t voters = 0;                            // others that judge its clock
  std::vector<Clash> clashes;                          // with those
  lease::Standing outlook = lease::Standing::kMember;  // what a vote on these words makes of it
};

struct ClusterView {
  ClusterFacts facts;
  StoreFace store;
  std::vector<SessionRow> sessions;  // ascending by name
  std::vector<std::string> unreadable;
  std::vector<std::string> problems;  // each half a sentence; empty: healthy
  std::vector<std::string> advice;    // sentences
};
[[nodiscard]] ClusterView view_cluster(ClusterFacts facts);

/// The findings on etcd's members: problems and advice of one view.
void judge_members(ClusterView& view);

/// For people. The last line says whether all is well, or what is not.
[[nodiscard]] std::string cluster_text(const ClusterView& view);
/// The same for programs: one line of JSON.
[[nodiscard]] std::string cluster_json(const ClusterView& view);

/// "1 session", "2 sessions".
[[nodiscard]] std::string counted(std::size_t n, std::string_view one, std::string_view several);

}  // namespace gnomon::cmd
