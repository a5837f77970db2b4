// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/named_lease.hpp"

#include <algorithm>
#include <cassert>

namespace gnomon::lease {
namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";
constexpr std::string_view kNoMetadata = "-";  // a field is never empty
constexpr std::string_view kPunctuation = "._:/@=+-";
constexpr char kBeforeSession = '#';
constexpr unsigned kVersion = 1;

bool is_name_char(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
         kPunctuation.find(c) != std::string_view::npos;
}

std::string hex_of_bytes(std::string_view bytes) {
  if (bytes.empty()) return std::string(kNoMetadata);
  std::string text;
  text.reserve(2 * bytes.size());
  for (const char c : bytes) {
    const auto byte = static_cast<std::uint8_t>(c);
    text += kHexDigits[byte >> 4];
    text += kHexDigits[byte & 0xf];
  }
  return text;
}

std::string read_metadata(TextReader& reader) {
  const std::string_view word = reader.word("metadata");
  std::string bytes;
  if (word == kNoMetadata) return bytes;
  if (word.size() % 2 != 0) {
    reader.fail(ValueFault::kMalformed);
    return bytes;
  }
  if (word.size() > 2 * kMaxMetadata) {
    reader.fail(ValueFault::kOutOfRange);
    return bytes;
  }
  for (std::size_t i = 0; i < word.size(); i += 2) {
    const std::size_t high = kHexDigits.find(word[i]);
    const std::size_t low = kHexDigits.find(word[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) {
      reader.fail(ValueFault::kMalformed);
      return {};
    }
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

}  // namespace

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxName && std::all_of(text.begin(), text.end(), is_name_char);
}

std::string lease_key(std::string_view name) { return std::string(kHeldPrefix).append(name); }

std::string queue_prefix(std::string_view name) {
  std::string prefix(kQueuePrefix);
  prefix.append(name).push_back(kBeforeSession);
  return prefix;
}

std::string waiter_key(std::string_view name, const SessionId& session) { return queue_prefix(name) + hex_of(session); }

std::optional<std::string_view> name_of_lease_key(std::string_view key) {
  if (!key.starts_with(kHeldPrefix)) return std::nullopt;
  const std::string_view name = key.substr(kHeldPrefix.size());
  return is_name(name) ? std::optional(name) : std::nullopt;
}

std::optional<WaiterKey> parts_of_waiter_key(std::string_view key) {
  if (!key.starts_with(kQueuePrefix)) return std::nullopt;
  key.remove_prefix(kQueuePrefix.size());
  const std::size_t at = key.find(kBeforeSession);
  if (at == std::string_view::npos || !is_name(key.substr(0, at))) return std::nullopt;
  const std::optional<SessionId> session = session_of_hex(key.substr(at + 1));
  if (!session) return std::nullopt;
  return WaiterKey{key.substr(0, at), *session};
}

std::string encode(const NamedLease& lease) {
  assert(lease.lock_delay.ns >= 0 && lease.lock_delay <= kMaxLockDelay && lease.metadata.size() <= kMaxMetadata);
  return TextWriter("lease", kVersion)
      .hex("nonce", lease.nonce)
      .hex("session", lease.session)
      .unsigned_number("epoch", lease.epoch)
      .number("lock_delay", lease.lock_delay.ns)
      .word("metadata", hex_of_bytes(lease.metadata))
      .take();
}

std::string encode(const Waiter& waiter) { return TextWriter("waiter", kVersion).hex("nonce", waiter.nonce).take(); }

tl::expected<NamedLease, ValueFault> parse_named_lease(std::string_view text) {
  TextReader reader(text, "lease", kVersion);
  NamedLease lease;
  lease.nonce = reader.hex("nonce");
  lease.session = reader.hex("session");
  lease.epoch = static_cast<std::uint16_t>(reader.unsigned_number("epoch", UINT16_MAX));
  lease.lock_delay = {reader.number("lock_delay")};
  if (lease.lock_delay.ns < 0 || lease.lock_delay > kMaxLockDelay) reader.fail(ValueFault::kOutOfRange);
  lease.metadata = read_metadata(reader);
  return reader.finish().map([&] { return lease; });
}

tl::expected<Waiter, ValueFault> parse_waiter(std::string_view text) {
  TextReader reader(text, "waiter", kVersion);
  Waiter waiter;
  waiter.nonce = reader.hex("nonce");
  return reader.finish().map([&] { return waiter; });
}

}  // namespace gnomon::lease
