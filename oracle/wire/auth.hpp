// SPDX-License-Identifier: Apache-2.0
//
// Authentication of messages: SipHash-2-4 (libsodium's crypto_shorthash; Aumasson and Bernstein, INDOCRYPT 2012) over
// bytes 0-55 under a key that client and server share. The tag says "made by somebody who has the key"; it does not
// hide anything, and a replayed request costs the replayer's victim nothing but values.
//
// Thread rule: a KeyRing is immutable after construction; read it from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "oracle/wire/message.hpp"

namespace gnomon::wire {

struct KeyId {
  std::uint16_t value = 0;
  friend constexpr auto operator<=>(KeyId, KeyId) = default;
};

using KeyBytes = std::array<std::uint8_t, 16>;

struct Key {
  KeyId id;
  KeyBytes bytes{};
};

/// The keys that are accepted at the moment; more than one while keys are being changed.
class KeyRing {
 public:
  static constexpr std::size_t kMaxKeys = 64;

  KeyRing() = default;
  /// Of keys with the same id the first counts; at most kMaxKeys are kept.
  explicit KeyRing(std::vector<Key> keys);

  [[nodiscard]] const Key* find(KeyId id) const;
  [[nodiscard]] bool empty() const { return keys_.empty(); }
  [[nodiscard]] std::size_t size() const { return keys_.size(); }

 private:
  std::vector<Key> keys_;
};

/// The tag of a message: over bytes 0-55, so every other field must be final.
[[nodiscard]] std::uint64_t tag_of(const Message& message, const KeyBytes& key);
/// Marks the message authenticated and fills in key id and tag.
void sign(Message& message, const Key& key);
/// Whether the message's tag was made with this key. Constant time.
[[nodiscard]] bool verify(const Message& message, const Key& key);

}  // namespace gnomon::wire
