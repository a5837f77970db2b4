// SPDX-License-Identifier: Apache-2.0
#include "oracle/serve/gate.hpp"

#include <algorithm>
#include <cstring>

namespace gnomon::serve {
namespace {

std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 33)) * 0xff51afd7ed558ccdULL;
  x = (x ^ (x >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 33);
}

bool any_contains(const std::vector<Cidr>& list, const Address& address) {
  return std::any_of(list.begin(), list.end(), [&](const Cidr& cidr) { return cidr.contains(address); });
}

}  // namespace

bool Cidr::contains(const Address& address) const {
  if (prefix_bits < kV4PrefixBits && address.is_v4()) return false;
  const std::size_t whole = prefix_bits / 8;
  if (!std::equal(network.bytes.begin(), network.bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                  address.bytes.begin()))
    return false;
  const unsigned rest = prefix_bits % 8;
  if (rest == 0) return true;
  const unsigned mask = 0xffU << (8 - rest);
  return ((network.bytes[whole] ^ address.bytes[whole]) & mask & 0xffU) == 0;
}

bool AccessPolicy::listed_as_admitted(const Address& source) const {
  if (any_contains(deny, source)) return false;
  return allow.empty() || any_contains(allow, source);
}

bool RateLimiter::admit_limited(const Address& source, std::uint32_t messages, const RateLimit& limit,
                                time::Uptime now) {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  std::memcpy(&high, source.bytes.data(), 8);
  if (source.is_v4()) std::memcpy(&low, source.bytes.data() + 8, 8);  // IPv6: the /64 alone is the key

  Set& set = sets_[mix(mix(high ^ seed_) ^ low) % kSets];
  auto entry =
      std::find_if(set.begin(), set.end(), [&](const Entry& e) { return e.key_high == high && e.key_low == low; });
  if (entry == set.end()) {
    entry = std::min_element(set.begin(), set.end(),
                             [](const Entry& x, const Entry& y) { return x.full_until_ns < y.full_until_ns; });
    *entry = {high, low, 0};
  }
  // Rounded up, so that no rounding ever admits more than the rate.
  const auto cost_ns = [&](std::int64_t n) { return (n * 1'000'000'000 - 1) / limit.messages_per_second + 1; };
  const std::int64_t full_until = std::max(entry->full_until_ns, now.ns) + cost_ns(messages);
  if (full_until - now.ns > cost_ns(std::max(limit.burst, messages))) return false;
  entry->full_until_ns = full_until;
  return true;
}

}  // namespace gnomon::serve
