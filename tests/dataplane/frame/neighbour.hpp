// SPDX-License-Identifier: Apache-2.0
//
// What an honest neighbour sends to the host: one valid frame of each kind that is answered.
#pragma once

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

#include "tests/dataplane/frame/judge.hpp"

namespace gnomon::frame::testing {

constexpr std::uint16_t kGuestPort = 40000;
constexpr std::uint16_t kVlan7 = 0xb007;  // priority 5, may be dropped, VLAN 7

inline support::Envelope to_host4() {
  return {.from_mac = kGuestMac, .to_mac = kHostMac, .from = kGuest4, .to = kHost4, .tags = {}};
}
inline support::Envelope to_host6() {
  return {.from_mac = kGuestMac, .to_mac = kHostMac, .from = kGuest6, .to = kHost6, .tags = {}};
}
inline support::Envelope tagged(support::Envelope envelope, std::uint16_t tag = kVlan7) {
  envelope.tags.push_back(tag);
  return envelope;
}

/// `messages` requests for one ID each.
inline support::Bytes requests(std::size_t messages, std::uint64_t first_id = 1, std::uint32_t count = 1) {
  support::Bytes bytes(messages * wire::kMessageSize);
  for (std::size_t i = 0; i < messages; ++i)
    wire::store(serve::testing::next_id_request(first_id + i, count), bytes.data() + i * wire::kMessageSize);
  return bytes;
}

inline support::Bytes request_frame(const support::Envelope& envelope, const support::Bytes& payload = requests(1)) {
  return support::udp_frame(envelope, {.from = kGuestPort, .to = kPort}, payload);
}

/// `count` bytes from `begin` on; what is not there is an error of the test.
inline support::Bytes part(const support::Bytes& bytes, std::size_t begin, std::size_t count) {
  support::Bytes some;
  for (std::size_t i = begin; i < begin + count; ++i)
    some.push_back(bytes.at(i));
  return some;
}
inline std::uint16_t u16_at(const support::Bytes& bytes, std::size_t at) {
  return static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes.at(at)) << 8 |
                                    std::to_integer<unsigned>(bytes.at(at + 1)));
}
inline std::uint8_t u8_at(const support::Bytes& bytes, std::size_t at) {
  return std::to_integer<std::uint8_t>(bytes.at(at));
}

/// Unpadded, so that no byte of any is superfluous.
struct ValidFrame {
  std::string name;
  support::Bytes frame;
  page::Counter counter;
};
inline void PrintTo(const ValidFrame& valid, std::ostream* out) { *out << valid.name; }
[[nodiscard]] std::vector<ValidFrame> valid_frames();

}  // namespace gnomon::frame::testing
