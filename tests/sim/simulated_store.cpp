// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/simulated_store.hpp"

namespace gnomon::sim {

using control::Entry;
using control::StoreError;

const Entry* SimulatedStore::find(std::string_view key) const {
  const auto at = entries_.find(key);
  return at == entries_.end() ? nullptr : &at->second;
}

tl::expected<std::optional<Entry>, StoreError> SimulatedStore::get(std::string_view key) {
  const Entry* entry = find(key);
  return entry == nullptr ? std::nullopt : std::optional<Entry>(*entry);
}

tl::expected<control::Listing, StoreError> SimulatedStore::list(std::string_view prefix) {
  control::Listing listing{.at = {revision_}, .entries = {}};
  for (auto at = entries_.lower_bound(prefix); at != entries_.end() && at->first.starts_with(prefix); ++at)
    listing.entries.push_back(at->second);
  return listing;
}

tl::expected<control::Revision, StoreError> SimulatedStore::commit(const control::Transaction& transaction) {
  for (const control::Compare& compare : transaction.compares) {
    const Entry* entry = find(compare.key);
    if ((entry == nullptr ? control::Revision{} : entry->modified) != compare.modified)
      return tl::make_unexpected(StoreError{control::StoreErrorKind::kConflict, compare.key + " had changed"});
  }
  const control::Revision revision{++revision_};
  for (const std::string& key : transaction.deletes)
    entries_.erase(key);
  for (const control::Put& put : transaction.puts)
    entries_.insert_or_assign(put.key, Entry{put.key, put.value, revision});
  log_.record(transaction, revision);
  return revision;
}

}  // namespace gnomon::sim
