// SPDX-License-Identifier: Apache-2.0
//
// What the bytes of the request fuzzer mean: the circumstances of a server, then datagrams that it is sent.
//
//   byte 0   bits 0-1: the access policy (Policy)   bits 2-3: the true time is known, lost, known within an hour, or
//   far
//            in the future   bits 4-5: state of the ordering timeline   bit 6: no rights   bit 7: two machine ids
//   then, until the input ends, for each datagram:
//   byte 0   bits 0-1: where from (Source)   bits 2-7: how many units of 50 us later than the one before
//   byte 1   its length in bytes, low half; byte 2: high half; then its bytes, as many as there are
//
// The mutator changes messages as one who knows their fields, and mostly signs again what bore a tag: otherwise no
// change of a signed message would get beyond the check of its tag.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "oracle/wire/auth.hpp"
#include "tests/fuzz/fuzzer.hpp"

namespace gnomon::fuzz {

constexpr std::size_t kMaxRequestInput = 6144;
constexpr std::size_t kMostDatagrams = 8;
inline const wire::Key kRequestKey{{7}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

enum class Policy : std::uint8_t { kOpen, kSigned, kExceptLoopback, kListsAndRate };
enum class Truth : std::uint8_t { kKnown, kLost, kWide, kFarAhead };
enum class Source : std::uint8_t { kLoopback, kFar, kDenied, kOtherFamily };

struct SentDatagram {
  Source source = Source::kLoopback;
  std::uint8_t later = 0;
  Input bytes{};
};

struct RequestInput {
  Policy policy = Policy::kOpen;
  Truth truth = Truth::kKnown;
  std::uint8_t ordering = 0;
  bool without_rights = false;
  bool two_machines = false;
  std::vector<SentDatagram> datagrams{};
};

[[nodiscard]] RequestInput read_request_input(std::span<const std::uint8_t> bytes);
[[nodiscard]] Input write_request_input(const RequestInput& input);

/// Changes messages of datagrams; the same seed makes the same changes.
void mutate_requests(RequestInput& input, std::uint64_t seed);

}  // namespace gnomon::fuzz
