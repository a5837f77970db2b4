// SPDX-License-Identifier: Apache-2.0
//
// Judges what the decoders make of any bytes. Tests, fuzzers and mutations share it, so that what one of them demands
// all of them demand. It reads fields at written-out offsets, not through the decoder's cursor: a mistake that both had
// would go unseen.
//
// Demanded of a refusal: that its reason has a text. Demanded of what was accepted: every check that the decoder owes,
// done once more; every value in its range; every time rounded away from zero by less than a unit; and that the same
// bytes, one fewer or one more, are refused.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "ptp/chrony.hpp"

namespace gnomon::ptp::testing {

/// What is wrong, or nothing.
[[nodiscard]] std::string judge_management(std::span<const std::byte> datagram);
[[nodiscard]] std::string judge_tracking(std::span<const std::byte> datagram, ChronySequence sequence);

}  // namespace gnomon::ptp::testing
