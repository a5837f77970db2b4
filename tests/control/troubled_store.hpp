// SPDX-License-Identifier: Apache-2.0
//
// A store whose commits go wrong when a test says so, and whose caller "dies" with them: after the trouble nothing
// reaches the store any more, as after a crash.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "control/store.hpp"

namespace gnomon::control {

enum class Trouble : std::uint8_t {
  kUnknownLanded,  // it happened, and the answer was lost
  kUnknownLost,    // it did not happen, and the answer was lost
  kCrashBefore,    // the caller dies; nothing happened
  kCrashAfter,     // the caller dies; it happened
};

class TroubledStore final : public Store {
 public:
  explicit TroubledStore(Store& store) : store_(store) {}

  tl::expected<std::optional<Entry>, StoreError> get(std::string_view key) override {
    if (dead_) return tl::make_unexpected(kDead);
    return store_.get(key);
  }
  tl::expected<Listing, StoreError> list(std::string_view prefix) override {
    if (dead_) return tl::make_unexpected(kDead);
    auto listing = store_.list(prefix);
    if (const auto hook = after_list) hook(prefix);
    return listing;
  }
  tl::expected<Revision, StoreError> commit(const Transaction& transaction) override {
    if (dead_) return tl::make_unexpected(kDead);
    ++commits;
    last = transaction;
    largest = std::max({largest, transaction.compares.size(), transaction.puts.size() + transaction.deletes.size()});
    if (const auto hook = before_commit) hook();  // a copy: it may put itself out of use
    if (always) return tl::make_unexpected(StoreError{*always, "no commit succeeds"});
    if (!trouble || commits != at) return store_.commit(transaction);
    const bool lands = *trouble == Trouble::kUnknownLanded || *trouble == Trouble::kCrashAfter;
    if (lands) {
      if (auto done = store_.commit(transaction); !done) return done;
    }
    dead_ = *trouble == Trouble::kCrashBefore || *trouble == Trouble::kCrashAfter;
    return tl::make_unexpected(dead_ ? kDead : StoreError{StoreErrorKind::kUnknown, "the answer was lost"});
  }
  std::unique_ptr<Watch> watch(std::string_view prefix, Revision after) override { return store_.watch(prefix, after); }

  std::optional<Trouble> trouble;
  std::size_t at = 1;                    // the commit that goes wrong
  std::optional<StoreErrorKind> always;  // so every commit ends, and none happens
  std::function<void()> before_commit;
  std::function<void(std::string_view)> after_list;
  std::size_t commits = 0;
  Transaction last;
  std::size_t largest = 0;  // operations in one commit: compares, or puts and deletes

 private:
  inline static const StoreError kDead{StoreErrorKind::kUnavailable, "the store can't be reached"};
  Store& store_;
  bool dead_ = false;
};

}  // namespace gnomon::control
