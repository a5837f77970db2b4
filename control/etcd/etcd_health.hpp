// SPDX-License-Identifier: Apache-2.0
//
// How an etcd cluster is: every configured endpoint is asked for its status, all at once, and any of them for the list
// of members and the alarms. For people and for monitoring, never for a decision: each member speaks for itself, and a
// member that is cut off believes what it knew last.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "control/etcd/etcd_options.hpp"
#include "control/store.hpp"

namespace gnomon::control {

struct EtcdMember {
  std::uint64_t id = 0;  // 0: an endpoint that nobody answers at and no member claims
  std::string name;      // empty: it has never started
  std::vector<std::string> peer_urls;
  std::vector<std::string> client_urls;
  bool learner = false;

  std::string endpoint;  // configured one that leads to it; empty: none does
  bool reachable = false;
  std::string error;    // why it is not, or that it belongs to another cluster; a complete sentence
  std::string version;  // the rest is its own word, and only there if it is reachable
  std::int64_t db_size_bytes = 0;
  std::int64_t db_size_in_use_bytes = 0;
  std::uint64_t raft_index = 0;
  std::uint64_t raft_term = 0;
  std::uint64_t leader_id = 0;  // 0: it knows none
  bool is_leader = false;
  std::vector<std::string> errors;
};

struct EtcdAlarm {
  std::uint64_t member_id = 0;
  std::string name;  // "NOSPACE", "CORRUPT"
};

struct EtcdHealth {
  std::uint64_t cluster_id = 0;  // 0: nobody answered
  std::int64_t revision = 0;     // 0: unknown
  bool leader_known = false;     // to a member that is reachable
  std::vector<EtcdMember> members;
  std::string members_error;  // why the list of members is missing; then `members` are the endpoints that answered
  std::vector<EtcdAlarm> alarms;
  std::string alarms_error;  // why the alarms are not known
};

/// Blocks until the options' deadline, twice at most. Fails only on options that can't work.
[[nodiscard]] tl::expected<EtcdHealth, StoreError> ask_health(const EtcdOptions& options);

}  // namespace gnomon::control
