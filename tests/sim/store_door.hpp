// SPDX-License-Identifier: Apache-2.0
//
// The store as the production code sees it that opens, seals, heals and recovers: calls that return at once, all of
// them in one instant of virtual time. What may happen to them on the way follows from the mode of the host's link; who
// is beside the store (an operator) has no link. Whatever lands is told to the world.
#pragma once

#include <memory>
#include <string_view>

#include "control/store.hpp"
#include "tests/sim/committer.hpp"
#include "tests/sim/environment.hpp"
#include "tests/sim/store_link.hpp"

namespace gnomon::sim {

class StoreDoor final : public control::Store {
 public:
  /// `link`: nullptr: beside the store.
  StoreDoor(Environment& environment, const StoreLink* link, const Committer& by)
      : env_(environment), link_(link), by_(by) {}

  [[nodiscard]] tl::expected<std::optional<control::Entry>, control::StoreError> get(std::string_view key) override;
  [[nodiscard]] tl::expected<control::Listing, control::StoreError> list(std::string_view prefix) override;
  [[nodiscard]] tl::expected<control::Revision, control::StoreError> commit(
      const control::Transaction& transaction) override;
  [[nodiscard]] std::unique_ptr<control::Watch> watch(std::string_view prefix, control::Revision after) override {
    return env_.store.watch(prefix, after);
  }

 private:
  [[nodiscard]] bool is_out_of_reach();
  [[nodiscard]] bool loses_the_answer();

  Environment& env_;
  const StoreLink* link_;
  Committer by_;
};

}  // namespace gnomon::sim
