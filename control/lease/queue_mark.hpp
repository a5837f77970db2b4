// SPDX-License-Identifier: Apache-2.0
//
// The mark of a queue: `lease/q/<name>#`, rewritten by everybody who takes a place there.
//
// One commit compares the revisions of keys, and a waiter that nobody has heard of has a key that nobody can compare. A
// daemon whose watch is late would find a name free, see nobody waiting, and take it in front of those who do. So
// whoever takes a name without having had a place compares the mark: an unseen waiter has moved it. Whoever has a place
// needs no mark, since nobody ever comes in front; it only has to have been told of all who came before.
//
// Invariant: no mark, no waiters. Who deletes a mark compares it, and knew the queue through its revision to be empty.
//
// Pure. Thread rule: values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "oracle/lease/named_lease.hpp"
#include "oracle/lease/record.hpp"
#include "oracle/lease/text_value.hpp"

namespace gnomon::control {

[[nodiscard]] inline std::string queue_mark_key(std::string_view name) { return lease::queue_prefix(name); }

/// The name whose queue it marks; nothing if the key is none of a mark.
[[nodiscard]] inline std::optional<std::string_view> name_of_queue_mark(std::string_view key) {
  if (!key.starts_with(lease::kQueuePrefix) || !key.ends_with('#')) return std::nullopt;
  key.remove_prefix(lease::kQueuePrefix.size());
  key.remove_suffix(1);
  return lease::is_name(key) ? std::optional(key) : std::nullopt;
}

[[nodiscard]] inline std::string encode_queue_mark(const lease::Nonce& nonce) {
  return lease::TextWriter("queue", 1).hex("nonce", nonce).take();
}

}  // namespace gnomon::control
