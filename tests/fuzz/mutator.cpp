// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/mutator.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace gnomon::fuzz {
namespace {

using support::Bytes;

constexpr std::uint64_t kMostChanges = 4;

// Addresses of the host, of its neighbour, and of nobody: whole ones, so that fields which must agree can.
constexpr std::array<std::string_view, 18> kAddresses{
    "02676e6f0001",                      // the host's MAC address
    "02676e6f0002",                      // its neighbour's
    "ffffffffffff",                      //
    "000000000000",                      //
    "333300000001",                      // of ff02::1
    "3333ff000001",                      // of the solicited group
    "c0000201",                          // the host's IPv4 address
    "c6336401",                          // its other one
    "c0000202",                          // its neighbour's
    "00000000",                          //
    "7f000001",                          //
    "e0000001",                          //
    "20010db8000000000000000000000001",  // the host's IPv6 address
    "20010db8000000000000000000000002",  // its neighbour's
    "00000000000000000000000000000000",  //
    "ff020000000000000000000000000001",  // all nodes
    "ff0200000000000000000001ff000001",  // the solicited group
    "00000000000000000000ffffc0000201",  // mapped
};

// Values at which some rule begins or ends: lengths, types, protocols, ports, fragments.
constexpr std::array<std::uint16_t, 34> kWords{
    0,      1,      7,      8,      19,     20,     24,     27,     28,     40,     72,     92,
    0x0806, 0x0800, 0x86dd, 0x8100, 0x88a8, 0x4500, 0x4600, 0x6000, 0x2000, 0x4000, 0x8000, 0x1fff,
    0x3fff, 0x0fff, 0x394a, 0x394b, 0x7fff, 0xffff, 0x8700, 0x8800, 0x0101, 0x3aff,
};
constexpr std::array<std::uint8_t, 22> kBytes{0,  1,  2,   6,   8,   17,  40,  43,  44,  45,   58,
                                              60, 64, 127, 128, 129, 133, 135, 136, 224, 0x45, 0xff};

// Where fields begin, untagged; with a tag, four bytes later from kTypes on.
constexpr std::array<std::size_t, 40> kFields{0,  6,  12, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
                                              26, 28, 30, 32, 34, 36, 38, 40, 42, 46, 48, 50, 54, 55,
                                              56, 58, 60, 62, 66, 70, 74, 76, 78, 79, 80, 86};
constexpr std::size_t kTypes = 12;
constexpr std::size_t kTagSize = 4;

}  // namespace

void Mutator::mutate(Bytes& frame, std::size_t max) {
  for (std::uint64_t changes = 1 + pick(kMostChanges); changes > 0; --changes)
    change(frame);
  if (frame.size() > max) frame.resize(max);
}

void Mutator::change(Bytes& frame) {
  if (frame.empty()) {
    frame.resize(1 + pick(100));
    return;
  }
  switch (pick(8)) {
    case 0: frame[pick(frame.size())] ^= static_cast<std::byte>(1U << pick(8)); return;
    case 1: frame[pick(frame.size())] = static_cast<std::byte>(pick(256)); return;
    case 2: change_size(frame); return;
    case 3: change_tag(frame); return;
    case 4:
    case 5: write_address(frame); return;
    default: change_field(frame); return;
  }
}

void Mutator::change_field(Bytes& frame) {
  const bool tagged = frame.size() > kTypes + 1 && frame[kTypes] == std::byte{0x81};
  std::size_t at = kFields[pick(kFields.size())];
  if (tagged && at >= kTypes) at += kTagSize;
  if (at + 2 > frame.size()) return;
  if (pick(2) == 0) {
    frame[at] = std::byte{kBytes[pick(kBytes.size())]};
    return;
  }
  const std::uint16_t word = kWords[pick(kWords.size())];
  frame[at] = static_cast<std::byte>(word >> 8);
  frame[at + 1] = static_cast<std::byte>(word & 0xff);
}

void Mutator::change_size(Bytes& frame) {
  const auto at = static_cast<std::ptrdiff_t>(pick(frame.size()));
  const auto some = static_cast<std::ptrdiff_t>(1 + pick(pick(2) == 0 ? 8 : 64));
  switch (pick(4)) {
    case 0: frame.resize(static_cast<std::size_t>(at)); return;
    case 1: frame.insert(frame.end(), static_cast<std::size_t>(some), static_cast<std::byte>(pick(256))); return;
    case 2: frame.insert(frame.begin() + at, static_cast<std::size_t>(some), static_cast<std::byte>(pick(256))); return;
    default: frame.erase(frame.begin() + at, frame.begin() + std::min(at + some, std::ssize(frame))); return;
  }
}

// Puts a tag in, or takes one out.
void Mutator::change_tag(Bytes& frame) {
  if (frame.size() < kTypes + kTagSize) return;
  const auto at = frame.begin() + static_cast<std::ptrdiff_t>(kTypes);
  if (*at == std::byte{0x81} && pick(2) == 0) {
    frame.erase(at, at + static_cast<std::ptrdiff_t>(kTagSize));
    return;
  }
  const std::byte low{pick(2) == 0 ? std::uint8_t{7} : static_cast<std::uint8_t>(pick(256))};
  frame.insert(at, {std::byte{0x81}, std::byte{0}, static_cast<std::byte>(pick(16) << 4), low});
}

void Mutator::write_address(Bytes& frame) {
  const Bytes address = support::from_hex(kAddresses[pick(kAddresses.size())]);
  const std::size_t at = pick(8) == 0 ? pick(frame.size()) : kFields[pick(kFields.size())];
  for (std::size_t i = 0; i < address.size() && at + i < frame.size(); ++i)
    frame[at + i] = address[i];
}

}  // namespace gnomon::fuzz
