// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/hardships.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace gnomon::sim {

std::string_view name_of(Hardship hardship) {
  switch (hardship) {
    case Hardship::kDiskFull: return "disk-full";
    case Hardship::kDiskSlow: return "disk-slow";
    case Hardship::kSystemTaiForUtc: return "system-tai-for-utc";
    case Hardship::kSourceTaiForUtc: return "source-tai-for-utc";
    case Hardship::kPowerLost: return "power-lost";
    case Hardship::kBitFlips: return "bit-flips";
    case Hardship::kOldDisk: return "old-disk";
    case Hardship::kCopy: return "copy";
  }
  return "?";
}

bool HardshipPlan::has(Hardship hardship) const {
  return std::find(kinds.begin(), kinds.end(), hardship) != kinds.end();
}

HardshipPlan draw_hardships(std::uint64_t seed, bool shared) {
  constexpr time::Duration kGaps[] = {time::milliseconds(1000), time::milliseconds(2500), time::milliseconds(6000)};
  Random random = Random(seed ^ 0x9b05688c2b3e6c1fULL).fork();
  HardshipPlan plan;
  plan.gap = random.one_of(kGaps);
  if (random.below(3) == 0) return plan;
  for (std::size_t i = 0; i < (shared ? kHardships : kHardshipsOfOneHost); ++i)
    if (random.below(3) == 0) plan.kinds.push_back(static_cast<Hardship>(i));
  return plan;
}

std::string text_of(const HardshipPlan& plan) {
  if (plan.kinds.empty()) return "";
  std::string text = fmt::format("; one in about {} ms of", plan.gap.ns / 1'000'000);
  for (const Hardship hardship : plan.kinds)
    text += fmt::format(" {}", name_of(hardship));
  return text;
}

void HardshipCounts::add(const HardshipCounts& other) {
  for (std::size_t i = 0; i < kHardships; ++i)
    struck[i] += other.struck[i];
  failed_writes += other.failed_writes;
  slow_writes += other.slow_writes;
  cut_writes += other.cut_writes;
  torn_files += other.torn_files;
  damaged_refused += other.damaged_refused;
  adoptions += other.adoptions;
  older_journals += other.older_journals;
  copies_found += other.copies_found;
  restarts_for_time += other.restarts_for_time;
}

std::string text_of(const HardshipCounts& counts) {
  std::string text = "hardships:";
  for (std::size_t i = 0; i < kHardships; ++i)
    text += fmt::format("{} {} {}", i == 0 ? "" : ",", counts.struck[i], name_of(static_cast<Hardship>(i)));
  return text + fmt::format(
                    "; {} writes failed, {} were slow, {} cut off, {} files torn; {} starts refused for a damaged "
                    "journal, {} adoptions, {} starts on an older journal; {} ends because of a copy; {} "
                    "restarts for a false TAI",
                    counts.failed_writes, counts.slow_writes, counts.cut_writes, counts.torn_files,
                    counts.damaged_refused, counts.adoptions, counts.older_journals, counts.copies_found,
                    counts.restarts_for_time);
}

}  // namespace gnomon::sim
