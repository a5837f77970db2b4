// SPDX-License-Identifier: Apache-2.0
//
// Who may ask, and how much: CIDR lists and per-source rates, before a byte of the payload is looked at.
//
// The lists are short and read in order, so they are arrays. The rate limiter must not become the thing that a flood
// of forged sources fills up: it is a fixed table, and a new source takes the place of the most idle one in its set.
// Its rule is GCRA (ITU-T I.371): one instant per source instead of a counter and a timer. IPv6 sources count per /64,
// because one host owns that many addresses.
//
// Thread rule: an AccessPolicy is immutable and shared; a RateLimiter belongs to one worker.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "oracle/serve/source.hpp"
#include "oracle/time/instant.hpp"
#include "oracle/wire/auth.hpp"

namespace gnomon::serve {

/// A prefix of v6 or v4-mapped addresses: 10.0.0.0/8 is {::ffff:10.0.0.0, 104}. A v6 prefix never covers IPv4 sources,
/// although v4-mapped addresses lie inside ::/0: whoever lets all of IPv6 in, or shuts it out, means IPv6.
struct Cidr {
  static constexpr std::uint8_t kV4PrefixBits = 96;  // ::ffff:0:0/96 is 0.0.0.0/0

  Address network;
  std::uint8_t prefix_bits = 0;  // 0 to 128

  [[nodiscard]] bool contains(const Address& address) const;
};

struct RateLimit {
  std::uint32_t messages_per_second = 0;  // per source; 0: no limit
  std::uint32_t burst = 0;                // messages that may come at once; a whole datagram always may
};

enum class AuthRule : std::uint8_t {
  kExceptLoopback,  // required, but not from 127.0.0.0/8 and ::1
  kAlways,
  kNever,
};

/// Everything that SIGHUP can change.
struct AccessPolicy {
  std::uint64_t version = 0;
  std::vector<Cidr> allow;  // empty: everybody that is not denied
  std::vector<Cidr> deny;   // wins over allow
  RateLimit rate;
  AuthRule auth = AuthRule::kExceptLoopback;
  wire::KeyRing keys;

  [[nodiscard]] bool admits(const Address& source) const {
    return (allow.empty() && deny.empty()) || listed_as_admitted(source);
  }
  [[nodiscard]] bool auth_required(const Address& source) const {
    return auth == AuthRule::kAlways || (auth == AuthRule::kExceptLoopback && !source.is_loopback());
  }

 private:
  [[nodiscard]] bool listed_as_admitted(const Address& source) const;
};

class RateLimiter {
 public:
  static constexpr std::size_t kSets = 1024;  // x kWays sources tracked: 96 KiB a worker
  static constexpr std::size_t kWays = 4;

  explicit RateLimiter(std::uint64_t hash_seed) : seed_(hash_seed), sets_(kSets) {}

  /// Whether `messages` more from this source are within its rate at `now`; counts them if so.
  [[nodiscard]] bool admit(const Address& source, std::uint32_t messages, const RateLimit& limit, time::Uptime now) {
    return limit.messages_per_second == 0 || admit_limited(source, messages, limit, now);
  }

 private:
  [[nodiscard]] bool admit_limited(const Address& source, std::uint32_t messages, const RateLimit& limit,
                                   time::Uptime now);

  struct Entry {
    std::uint64_t key_high = 0;
    std::uint64_t key_low = 0;
    std::int64_t full_until_ns = 0;  // GCRA's theoretical arrival time: idle if in the past
  };
  using Set = std::array<Entry, kWays>;

  std::uint64_t seed_;  // secret per start: nobody can aim at a victim's set
  std::vector<Set> sets_;
};

}  // namespace gnomon::serve
