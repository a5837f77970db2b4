// SPDX-License-Identifier: Apache-2.0
//
// What an operator wants to know of the etcd behind a store, as a plain value: whoever lays it out or judges it sees
// nothing of etcd's calls.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gnomon::cmd {

struct StoreMember {
  std::uint64_t id = 0;
  std::string name;      // empty: never started
  std::string endpoint;  // under which clients reach it
  bool asked = true;     // false: store.url names no endpoint of it
  bool reachable = false;
  std::string error;  // why not
  bool learner = false;
  bool leader = false;
  std::string version;
  std::uint64_t db_size = 0;         // bytes on disk
  std::uint64_t db_size_in_use = 0;  // of these, what a defragmentation would leave
  std::uint64_t raft_term = 0;
  std::uint64_t raft_index = 0;
  std::vector<std::string> complaints;  // its own
};

struct StoreMembers {
  std::uint64_t cluster = 0;
  bool leader_known = false;
  std::vector<StoreMember> members;
  std::vector<std::string> alarms;   // "NOSPACE at m1"
  std::vector<std::string> unknown;  // what could not be asked, and why: sentences
};

}  // namespace gnomon::cmd
