// SPDX-License-Identifier: Apache-2.0
#include "control/service/store_codec.hpp"

#include <algorithm>
#include <array>

namespace gnomon::control {
namespace {

constexpr std::array<std::string_view, 4> kServed{"right/", "session/", "history/", "meta/"};

}  // namespace

bool is_served_prefix(std::string_view prefix) {
  return std::any_of(kServed.begin(), kServed.end(),
                     [&](std::string_view served) { return prefix.starts_with(served); });
}

v1::ReadStoreResponse to_message(const Listing& listing) {
  v1::ReadStoreResponse message;
  message.set_revision(listing.at.value);
  for (const Entry& entry : listing.entries) {
    v1::StoreEntry& to = *message.add_entries();
    to.set_key(entry.key);
    to.set_value(entry.value);
    to.set_modified(entry.modified.value);
  }
  return message;
}

Listing from_message(const v1::ReadStoreResponse& message) {
  Listing listing{{message.revision()}, {}};
  listing.entries.reserve(static_cast<std::size_t>(message.entries_size()));
  for (const v1::StoreEntry& entry : message.entries())
    listing.entries.push_back({entry.key(), entry.value(), {entry.modified()}});
  return listing;
}

}  // namespace gnomon::control
