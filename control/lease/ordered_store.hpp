// SPDX-License-Identifier: Apache-2.0
//
// One store for several threads, each served in its turn: the store of one host is open once and may be used by one
// thread at a time, but both the agent and the leases live on it.
//
// A std::mutex would do for safety, and starve: whoever releases it takes it again before the woken one has run, so a
// busy lease service could hold up the extension of a right until its window is over. Here a caller takes a ticket when
// it arrives, and whoever is done hands the store to the next ticket: nobody waits for more than those that came
// before.
//
// Thread rule: any thread. The watches that it makes have the rule of the store behind it.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include <tl/expected.hpp>

#include "control/store.hpp"

namespace gnomon::control {

class OrderedStore final : public Store {
 public:
  /// `behind` must outlive it, and nobody else may use it meanwhile.
  explicit OrderedStore(Store& behind) : behind_(behind) {}

  [[nodiscard]] tl::expected<std::optional<Entry>, StoreError> get(std::string_view key) override;
  [[nodiscard]] tl::expected<Listing, StoreError> list(std::string_view prefix) override;
  [[nodiscard]] tl::expected<Revision, StoreError> commit(const Transaction& transaction) override;
  [[nodiscard]] std::unique_ptr<Watch> watch(std::string_view prefix, Revision after) override;

  /// Callers that have a ticket and wait; a sample.
  [[nodiscard]] std::size_t waiting() const;

 private:
  struct Ticket;
  /// Has the store while it lives.
  class Turn;

  Store& behind_;
  mutable std::mutex mutex_;     // guards the two below
  std::deque<Ticket*> waiting_;  // in the order of arrival
  bool taken_ = false;           // somebody has the store; it is handed over without being free in between
};

}  // namespace gnomon::control
