// SPDX-License-Identifier: Apache-2.0
//
// The worker page: what one worker tells the rest of the host. It has one writer, the worker; the agent reads the
// acknowledgement and the last used timestamps for a release, everybody else reads counters.
//
// The release handshake (docs/architecture.md, "Release") hangs on two orders that the stores here keep:
//   - `used_until` of a unit is stored before any reply out of that unit is handed to the wire;
//   - `acknowledged` = generation g is stored after the worker has dropped every older generation, parked requests
//     included. So who reads acknowledged >= g (acquire) reads the final used_until of the generations before g.
//
// A process that was killed answers no handshake. Its page then is all that is left, and its last stores may be half
// of a change: a slot that changes hands is three stores. So each slot carries a check word over the three, stored
// last and before any reply out of the unit: where it does not agree, the supervisor believes nothing of the slot
// (control/estate.hpp).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "oracle/mint/right.hpp"
#include "oracle/page/check_word.hpp"
#include "oracle/page/counters.hpp"
#include "oracle/page/header.hpp"

namespace gnomon::page {

/// The right that a slot stood for, and how far it was used. All zero: it never stood for one.
struct alignas(32) SlotUse {
  std::atomic<std::uint64_t> token{0};
  std::atomic<std::int64_t> used_until_ns{0};  // SmearedUtc: end of the last unit opened, over all layouts
  std::atomic<std::uint64_t> machine{0};
  std::atomic<std::uint64_t> check{0};  // over the three

  [[nodiscard]] static constexpr std::uint64_t check_of(std::uint64_t token, std::uint64_t machine,
                                                        std::int64_t used_until_ns) {
    return mixed_in(mixed_in(mixed_in(kCheckSeed, token), machine), static_cast<std::uint64_t>(used_until_ns));
  }
};
static_assert(sizeof(SlotUse) == 32, "two to a cache line, none across two");

struct WorkerPage {
  static constexpr PageKind kKind = PageKind::kWorker;
  static constexpr std::uint32_t kVersion = 4;  // 2: counters of frames; 3: of times and commit-waits; 4: check words

  PageHeader header;
  alignas(64) std::atomic<std::uint64_t> acknowledged{0};  // Generation
  std::atomic<std::uint64_t> policy_seen{0};               // version of the access policy in use
  /// Of the last generation that held any right: a revocation leaves it standing, for the release to read.
  alignas(64) std::array<SlotUse, mint::kMaxRightsPerWorker> slots;
  alignas(64) Counters counters;
};

}  // namespace gnomon::page
