// SPDX-License-Identifier: Apache-2.0
//
// The store: a small, linearizable key-value map with one kind of write, a transaction that compares the revision of
// every key it relied on. SQLite on one host, etcd on several; the simulator has a third. docs/architecture.md says
// what is kept in it.
//
// Two outcomes are easy to confuse and must not be: `kConflict` (it did not happen: a compared key had changed) and
// `kUnknown` (it may have happened: the answer was lost). After kUnknown the caller reads and counts as its own only a
// value that is byte-equal to what it wrote, which is why every value carries a fresh random nonce.
//
// Thread rule: one thread at a time per Store, and one at a time per Watch, which may be another one. All calls may
// block on disk or network: never from a worker.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "oracle/lease/record.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::control {

// Plain data that the pure rules produce, too: oracle/lease/record.hpp.
using lease::Compare;
using lease::Entry;
using lease::Listing;
using lease::Nonce;
using lease::Put;
using lease::Revision;
using lease::Transaction;

enum class StoreErrorKind : std::uint8_t {
  kConflict,     // a compared key had another revision: nothing was written
  kUnknown,      // the outcome is not known: read before you go on
  kUnavailable,  // nothing was written; the store can't be reached at the moment
  kFatal,        // the store is damaged, full, read-only or gone back in time: this daemon must stop
};

struct StoreError {
  StoreErrorKind kind = StoreErrorKind::kFatal;
  std::string text;  // what happened, to what, and what to do
};

/// What became of one key at one revision. Of a deletion: an empty value, and the revision that deleted it.
struct Change {
  Entry entry;
  bool deleted = false;
  friend bool operator==(const Change&, const Change&) = default;
};

struct Changes {
  Revision through;             // all that happened up to here has been told
  std::vector<Change> changes;  // ascending by revision; a key may come more than once
  bool gap = false;  // what happened in between can't be told any more (compacted, another history): list anew; what is
                     // told from here on begins after `through`
};

/// Tells of every change under a prefix, each once and in order, through reconnections. It is for being prompt: who
/// decides by what the store holds lists it. Not to be used any more once its store is gone.
class Watch {
 public:
  Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;
  virtual ~Watch() = default;

  /// Waits up to `timeout` (real time) for something new; nothing new: no changes, and `through` may have moved. Errors
  /// other than kFatal pass: the next call goes on where the last one ended.
  [[nodiscard]] virtual tl::expected<Changes, StoreError> next(time::Duration timeout) = 0;
};

class Store {
 public:
  Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;
  virtual ~Store() = default;

  [[nodiscard]] virtual tl::expected<std::optional<Entry>, StoreError> get(std::string_view key) = 0;
  [[nodiscard]] virtual tl::expected<Listing, StoreError> list(std::string_view prefix) = 0;
  /// All or nothing; durable when it returns a revision. All puts get that revision.
  [[nodiscard]] virtual tl::expected<Revision, StoreError> commit(const Transaction& transaction) = 0;
  /// All changes of keys under the prefix at revisions after `after`.
  [[nodiscard]] virtual std::unique_ptr<Watch> watch(std::string_view prefix, Revision after) = 0;
};

}  // namespace gnomon::control
