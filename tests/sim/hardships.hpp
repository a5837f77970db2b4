// SPDX-License-Identifier: Apache-2.0
//
// What befalls a world besides the faults of its kind: disks that are full, slow, torn, flipped or put back, clocks
// that are off by exactly what TAI and UTC differ by, and a copy of a running machine. When and whom is drawn from a
// stream of their own, so that a world without them is what it would be if they did not exist.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "oracle/time/instant.hpp"
#include "tests/sim/random.hpp"

namespace gnomon::sim {

enum class Hardship : std::uint8_t {
  kDiskFull,         // a host's disk takes nothing for a while
  kDiskSlow,         // whoever writes to it stands still
  kSystemTaiForUtc,  // a system clock is 37 s ahead or behind, until somebody sets it right
  kSourceTaiForUtc,  // likewise a source of the true time
  kPowerLost,        // a host is without power, mostly in the middle of a write
  kBitFlips,         // a bit of the journal flips while no daemon runs
  kOldDisk,          // the disk of a host is put back: its journal is older than the store
  kCopy,             // a running machine is copied, and the copy is quicker
};
constexpr std::size_t kHardships = 8;
constexpr time::Duration kLookAtTimeEvery = time::milliseconds(500);  // an operator, at the sources
constexpr std::size_t kHardshipsOfOneHost = 4;  // the first: its store and its journal are not files of this simulator

[[nodiscard]] std::string_view name_of(Hardship hardship);

struct HardshipPlan {
  std::vector<Hardship> kinds;  // none in about half of all worlds
  time::Duration gap;           // typical, between two of them

  [[nodiscard]] bool has(Hardship hardship) const;
};
[[nodiscard]] HardshipPlan draw_hardships(std::uint64_t seed, bool shared);
[[nodiscard]] std::string text_of(const HardshipPlan& plan);

/// How often each really struck, and what came of it: what never happened was not proved.
struct HardshipCounts {
  std::array<std::uint64_t, kHardships> struck{};
  std::uint64_t failed_writes = 0;  // of a journal on a full disk
  std::uint64_t slow_writes = 0;
  std::uint64_t cut_writes = 0;       // the power was lost in the middle of one
  std::uint64_t torn_files = 0;       // that lay about when the power was back
  std::uint64_t damaged_refused = 0;  // starts on a damaged journal
  std::uint64_t adoptions = 0;
  std::uint64_t older_journals = 0;     // starts on a journal that had been put back
  std::uint64_t copies_found = 0;       // daemons that ended because a copy had written their session
  std::uint64_t restarts_for_time = 0;  // of a process that an operator had to restart: it believed a false TAI

  void add(const HardshipCounts& other);
  [[nodiscard]] std::uint64_t of(Hardship hardship) const { return struck[static_cast<std::size_t>(hardship)]; }
  void strike(Hardship hardship) { ++struck[static_cast<std::size_t>(hardship)]; }
};
[[nodiscard]] std::string text_of(const HardshipCounts& counts);

}  // namespace gnomon::sim
