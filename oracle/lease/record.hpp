// SPDX-License-Identifier: Apache-2.0
//
// What a store is made of, as plain data: entries with the revision that wrote them, and the one kind of write, a
// transaction that compares the revision of every key it relied on. The rules (right_rules.hpp) turn stored entries
// into transactions; control/store.hpp performs them.
//
// Reading a value and writing it back later is only safe if nobody wrote in between, and a value alone can't say that
// (it may have changed and changed back). Revisions can: they grow by every commit and are never used twice.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <vector>

namespace gnomon::lease {

/// Position in the store's history; grows by every commit. 0: before anything, and "absent" in a compare.
struct Revision {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(Revision, Revision) = default;
};

/// 128 fresh random bits: one for every commit, one for every incarnation of a daemon, one for every store.
using Nonce = std::array<std::uint8_t, 16>;

struct Entry {
  std::string key;
  std::string value;
  Revision modified;  // of the commit that wrote this value
  friend bool operator==(const Entry&, const Entry&) = default;
};

/// All entries under a prefix, ascending by key, as of one revision.
struct Listing {
  Revision at;
  std::vector<Entry> entries;
  friend bool operator==(const Listing&, const Listing&) = default;
};

struct Compare {
  std::string key;
  Revision modified;  // {0}: the key must be absent
  friend bool operator==(const Compare&, const Compare&) = default;
};

struct Put {
  std::string key;
  std::string value;
  friend bool operator==(const Put&, const Put&) = default;
};

/// All or nothing: the puts and deletes happen only if every compare holds. All puts get the same revision.
struct Transaction {
  std::vector<Compare> compares;
  std::vector<Put> puts;
  std::vector<std::string> deletes;
  friend bool operator==(const Transaction&, const Transaction&) = default;
};

}  // namespace gnomon::lease
