// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/store_door.hpp"

namespace gnomon::sim {

using control::StoreError;
using control::StoreErrorKind;

namespace {

tl::unexpected<StoreError> out_of_reach() {
  return tl::make_unexpected(StoreError{StoreErrorKind::kUnavailable, "the store is away"});
}
tl::unexpected<StoreError> answer_lost() {
  return tl::make_unexpected(StoreError{StoreErrorKind::kUnknown, "the answer was lost"});
}

}  // namespace

bool StoreDoor::is_out_of_reach() { return link_ != nullptr && link_->mode() == StoreLink::Mode::kAway; }

bool StoreDoor::loses_the_answer() {
  return link_ != nullptr && link_->mode() == StoreLink::Mode::kLosesAnswers && env_.random.below(2) == 0;
}

tl::expected<std::optional<control::Entry>, StoreError> StoreDoor::get(std::string_view key) {
  if (is_out_of_reach() || loses_the_answer()) return out_of_reach();
  return env_.store.get(key);
}

tl::expected<control::Listing, StoreError> StoreDoor::list(std::string_view prefix) {
  if (is_out_of_reach() || loses_the_answer()) return out_of_reach();
  return env_.store.list(prefix);
}

tl::expected<control::Revision, StoreError> StoreDoor::commit(const control::Transaction& transaction) {
  if (is_out_of_reach()) return out_of_reach();
  const bool lost = loses_the_answer();
  if (lost && env_.random.below(2) == 0) return answer_lost();  // and the request with it
  auto committed = env_.store.commit(transaction);
  if (committed) env_.landed(transaction, *committed, by_, env_.now());
  if (lost) return answer_lost();
  return committed;
}

}  // namespace gnomon::sim
