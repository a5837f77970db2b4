// SPDX-License-Identifier: Apache-2.0
//
// What docs/protocol.md says of a datagram and of a reply, written down once more: fields at written-out offsets, rules
// as the page has them, no code shared with the server but libsodium. So a mistake in the server's tables shows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "oracle/time/interval.hpp"
#include "oracle/time/true_time.hpp"

namespace gnomon::fuzz {

/// The 64 bytes of a message, read at written-out offsets.
class Fields {
 public:
  explicit Fields(const std::byte* at) : at_(at) {}

  [[nodiscard]] std::uint32_t magic() const { return get<std::uint32_t>(0); }
  [[nodiscard]] std::uint8_t version() const { return get<std::uint8_t>(4); }
  [[nodiscard]] std::uint8_t op() const { return get<std::uint8_t>(5); }
  [[nodiscard]] std::uint8_t flags() const { return get<std::uint8_t>(6); }
  [[nodiscard]] std::uint8_t status() const { return get<std::uint8_t>(7); }
  [[nodiscard]] std::uint64_t request_id() const { return get<std::uint64_t>(8); }
  [[nodiscard]] std::uint64_t a() const { return get<std::uint64_t>(16); }
  [[nodiscard]] std::uint64_t b() const { return get<std::uint64_t>(24); }
  [[nodiscard]] std::uint32_t count() const { return get<std::uint32_t>(32); }
  [[nodiscard]] std::uint32_t stride() const { return get<std::uint32_t>(36); }
  [[nodiscard]] std::uint32_t epsilon_ns() const { return get<std::uint32_t>(40); }
  [[nodiscard]] std::uint16_t machine_id() const { return get<std::uint16_t>(44); }
  [[nodiscard]] std::uint16_t format() const { return get<std::uint16_t>(46); }
  [[nodiscard]] std::uint32_t token_low() const { return get<std::uint32_t>(48); }
  [[nodiscard]] std::uint16_t remaining_ms() const { return get<std::uint16_t>(52); }
  [[nodiscard]] std::uint16_t key_id() const { return get<std::uint16_t>(54); }
  [[nodiscard]] std::uint64_t tag() const { return get<std::uint64_t>(56); }

  [[nodiscard]] bool is_signed() const { return (flags() & 1U) != 0; }
  /// Whether it bears the tag that the fuzzers' key makes of it.
  [[nodiscard]] bool tag_holds() const;

 private:
  template <typename T>
  [[nodiscard]] T get(std::size_t at) const {
    T value{};
    std::memcpy(&value, at_ + at, sizeof value);
    return value;
  }

  const std::byte* at_;
};

/// The name of the counter of the first reason to drop a datagram for what its messages are; empty: none.
[[nodiscard]] std::string_view reason_to_drop(std::span<const std::byte> datagram);

enum class Order : std::uint8_t { kNoTime, kFollowing, kUnconfirmed, kBehind };

/// What a reply depends on besides its request.
struct Circumstances {
  bool key_known = false;
  bool auth_required = false;
  bool has_rights = false;
  Order order = Order::kFollowing;
  std::optional<time::Interval> truth;
  std::uint64_t incarnation = 0;
};

/// What is wrong with these 64 bytes as a reply to that request; empty: nothing. `at_once`: it did not wait.
[[nodiscard]] std::string_view fault_of_reply(const Fields& request, const Fields& reply, const Circumstances& world,
                                              bool at_once);

}  // namespace gnomon::fuzz
