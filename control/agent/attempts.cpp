// SPDX-License-Identifier: Apache-2.0
#include "control/agent/attempts.hpp"

#include <algorithm>

#include "oracle/lease/stored_right.hpp"

namespace gnomon::control {
namespace {

// The revision at which all puts stand in the listing.
std::optional<Revision> revision_of(const Transaction& transaction, const Listing& listing) {
  std::optional<Revision> revision;
  for (const Put& put : transaction.puts) {
    if (!put.key.starts_with(lease::kRightPrefix)) continue;  // the listing is one of rights
    const Entry* entry = find_entry(listing, put.key);
    if (entry == nullptr || entry->value != put.value) return std::nullopt;
    if (revision && *revision != entry->modified) return std::nullopt;
    revision = entry->modified;
  }
  return revision;
}

}  // namespace

const Entry* find_entry(const Listing& listing, std::string_view key) {
  const auto at = std::lower_bound(listing.entries.begin(), listing.entries.end(), key,
                                   [](const Entry& entry, std::string_view k) { return entry.key < k; });
  return at != listing.entries.end() && at->key == key ? &*at : nullptr;
}

void Attempts::add(Attempt attempt) {
  if (attempts_.size() == kMax) attempts_.erase(attempts_.begin());
  attempts_.push_back(std::move(attempt));
}

std::optional<std::pair<Attempt, Revision>> Attempts::whole(const Listing& listing, Purpose purpose) const {
  for (const Attempt& attempt : attempts_) {
    if (attempt.purpose != purpose) continue;
    if (const auto revision = revision_of(attempt.transaction, listing)) return std::pair{attempt, *revision};
  }
  return std::nullopt;
}

const Attempt* Attempts::that_wrote(std::string_view key, std::string_view value) const {
  for (const Attempt& attempt : attempts_)
    for (const Put& put : attempt.transaction.puts)
      if (put.key == key && put.value == value) return &attempt;
  return nullptr;
}

}  // namespace gnomon::control
