// SPDX-License-Identifier: Apache-2.0
//
// What a fuzzer's bytes mean: two bytes of circumstances, then the frame.
//
//   byte 0   bits 0, 1: the frame's checksums, its lengths are put right before the station sees it
//            bit 2: the port makes checksums   bit 3: only untagged frames and VLAN 7 are served
//            bits 4-5, 6-7: what the port says about the checksums of IPv4 and UDP: 1 good, 2 bad, else nothing
//   byte 1   how many bytes longer than the frame its buffer is
//
// Without the repair nearly every mutation would die of a wrong checksum, and nothing behind that check would ever be
// reached.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dataplane/frame/station.hpp"
#include "tests/support/frames.hpp"

namespace gnomon::fuzz {

constexpr std::size_t kCircumstances = 2;
constexpr std::size_t kMaxInput = kCircumstances + 2048;

enum Flag : std::uint8_t {
  kRepairChecksums = 0x01,
  kRepairLengths = 0x02,
  kPortMakesChecksums = 0x04,
  kFewVlans = 0x08,
};

struct FrameInput {
  std::uint8_t flags = 0;
  std::size_t slack = 0;
  frame::PortChecks checks;
  support::Bytes frame;  // repaired, if it is to be
};
[[nodiscard]] FrameInput read_input(std::span<const std::uint8_t> bytes);

/// Makes the lengths, and the checksums, of the headers that are there right, whatever else is wrong.
void repair_lengths(support::Bytes& frame);
void repair_checksums(support::Bytes& frame);

}  // namespace gnomon::fuzz
