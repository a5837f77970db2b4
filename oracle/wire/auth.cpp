// SPDX-License-Identifier: Apache-2.0
#include "oracle/wire/auth.hpp"

#include <sodium/crypto_shorthash_siphash24.h>

#include <algorithm>
#include <utility>

namespace gnomon::wire {

static_assert(crypto_shorthash_siphash24_KEYBYTES == sizeof(KeyBytes));
static_assert(crypto_shorthash_siphash24_BYTES == sizeof(std::uint64_t));

KeyRing::KeyRing(std::vector<Key> keys) {
  for (Key& key : keys)
    if (keys_.size() < kMaxKeys && find(key.id) == nullptr) keys_.push_back(std::move(key));
}

const Key* KeyRing::find(KeyId id) const {
  const auto found = std::find_if(keys_.begin(), keys_.end(), [id](const Key& key) { return key.id == id; });
  return found == keys_.end() ? nullptr : &*found;
}

std::uint64_t tag_of(const Message& message, const KeyBytes& key) {
  std::array<unsigned char, kMessageSize> bytes{};
  std::memcpy(bytes.data(), &message, kMessageSize);
  std::array<unsigned char, sizeof(std::uint64_t)> out{};
  crypto_shorthash_siphash24(out.data(), bytes.data(), offsetof(Message, tag), key.data());
  std::uint64_t tag = 0;
  std::memcpy(&tag, out.data(), sizeof tag);  // the hash is a little-endian number by definition
  return tag;
}

void sign(Message& message, const Key& key) {
  message.flags |= kFlagAuthenticated;
  message.key_id = key.id.value;
  message.tag = tag_of(message, key.bytes);
}

bool verify(const Message& message, const Key& key) {
  return (tag_of(message, key.bytes) ^ message.tag) == 0;  // one 64-bit comparison: nothing to time
}

}  // namespace gnomon::wire
