// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/frame_input.hpp"

#include <algorithm>

namespace gnomon::fuzz {
namespace {

using support::Bytes;

std::uint8_t u8(const Bytes& bytes, std::size_t at) { return std::to_integer<std::uint8_t>(bytes.at(at)); }
std::uint16_t u16(const Bytes& bytes, std::size_t at) {
  return static_cast<std::uint16_t>(u8(bytes, at) << 8 | u8(bytes, at + 1));
}
void put16(Bytes& bytes, std::size_t at, std::size_t value) {
  bytes.at(at) = static_cast<std::byte>(value >> 8 & 0xff);
  bytes.at(at + 1) = static_cast<std::byte>(value & 0xff);
}
void append(Bytes& to, const Bytes& from, std::size_t begin, std::size_t count) {
  const auto first = from.begin() + static_cast<std::ptrdiff_t>(begin);
  to.insert(to.end(), first, first + static_cast<std::ptrdiff_t>(count));
}

// Where things lie in a frame that has at least a whole IP header; `ip` is 0 if it has none.
struct Layout {
  std::size_t ip = 0;
  bool v4 = false;
  std::uint8_t protocol = 0;
  [[nodiscard]] std::size_t inner() const { return ip + (v4 ? 20 : 40); }
};

Layout layout_of(const Bytes& frame) {
  std::size_t ip = 14;
  if (frame.size() >= 18 && u16(frame, 12) == 0x8100) ip = 18;
  if (frame.size() < ip) return {};
  const bool v4 = u16(frame, ip - 2) == support::kTypeIpv4;
  const bool v6 = u16(frame, ip - 2) == support::kTypeIpv6;
  if (!(v4 && frame.size() >= ip + 20) && !(v6 && frame.size() >= ip + 40)) return {};
  return {.ip = ip, .v4 = v4, .protocol = u8(frame, ip + (v4 ? 9 : 6))};
}

// What its header says the packet holds behind it, as far as it is there.
std::size_t inner_size(const Bytes& frame, const Layout& layout) {
  const std::size_t there = frame.size() - layout.inner();
  const std::size_t said = u16(frame, layout.ip + (layout.v4 ? 2 : 4));
  if (!layout.v4) return std::min(said, there);
  return said < 20 ? 0 : std::min(said - 20, there);
}

std::uint16_t transport_checksum(const Bytes& frame, const Layout& layout, std::size_t size) {
  Bytes data;
  append(data, frame, layout.ip + (layout.v4 ? 12 : 8), layout.v4 ? 8 : 32);
  data.insert(data.end(), {std::byte{0}, std::byte{layout.protocol}, static_cast<std::byte>(size >> 8 & 0xff),
                           static_cast<std::byte>(size & 0xff)});
  append(data, frame, layout.inner(), size);
  return support::internet_checksum(data);
}

frame::Verified verified(unsigned bits) {
  if (bits == 1) return frame::Verified::kGood;
  return bits == 2 ? frame::Verified::kBad : frame::Verified::kUnknown;
}

}  // namespace

void repair_lengths(Bytes& frame) {
  const Layout layout = layout_of(frame);
  if (layout.ip == 0) return;
  const std::size_t size = frame.size() - layout.inner();
  put16(frame, layout.ip + (layout.v4 ? 2 : 4), size + (layout.v4 ? 20 : 0));
  if (layout.protocol == support::kProtocolUdp && size >= 8) put16(frame, layout.inner() + 4, size);
}

void repair_checksums(Bytes& frame) {
  const Layout layout = layout_of(frame);
  if (layout.ip == 0) return;
  if (layout.v4) {
    put16(frame, layout.ip + 10, 0);
    Bytes header;
    append(header, frame, layout.ip, 20);
    put16(frame, layout.ip + 10, support::internet_checksum(header));
  }
  const std::size_t size = inner_size(frame, layout);
  const std::size_t inner = layout.inner();
  if (layout.protocol == support::kProtocolUdp && size >= 8) {
    put16(frame, inner + 6, 0);
    const std::uint16_t sum = transport_checksum(frame, layout, size);
    put16(frame, inner + 6, sum == 0 ? 0xffff : sum);
  }
  if (layout.v4 && layout.protocol == support::kProtocolIcmp && size >= 4) {
    put16(frame, inner + 2, 0);
    Bytes message;
    append(message, frame, inner, size);
    put16(frame, inner + 2, support::internet_checksum(message));
  }
  if (!layout.v4 && layout.protocol == support::kProtocolIcmp6 && size >= 4) {
    put16(frame, inner + 2, 0);
    put16(frame, inner + 2, transport_checksum(frame, layout, size));
  }
}

FrameInput read_input(std::span<const std::uint8_t> bytes) {
  FrameInput input;
  if (bytes.size() < kCircumstances) return input;
  input.flags = bytes[0];
  input.slack = bytes[1];
  input.checks = {.ip = verified(bytes[0] >> 4 & 3U), .udp = verified(bytes[0] >> 6 & 3U)};
  for (const std::uint8_t byte : bytes.subspan(kCircumstances))
    input.frame.push_back(std::byte{byte});
  if ((input.flags & kRepairLengths) != 0) repair_lengths(input.frame);
  if ((input.flags & kRepairChecksums) != 0) repair_checksums(input.frame);
  return input;
}

}  // namespace gnomon::fuzz
