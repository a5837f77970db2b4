// SPDX-License-Identifier: Apache-2.0
#include "ptp/roots.hpp"

#include <algorithm>
#include <numeric>

namespace gnomon::ptp {
namespace {

// Two functions of one card may show the same clock, one to the kernel and one to DPDK.
bool one_clock(ClockKind a, ClockKind b, bool phc2sys_runs) {
  const bool cards = a != ClockKind::kSystem && b != ClockKind::kSystem;
  return a == b || cards || phc2sys_runs;
}

bool sets(const Root& daemon, const Root& clock) {
  return daemon.sets_system && clock.bare_clock && clock.clock == ClockKind::kSystem;
}

bool one_witness(const Root& a, const Root& b, bool phc2sys_runs) {
  if (a.reference != 0 && a.reference == b.reference) return true;
  if (sets(a, b) || sets(b, a)) return true;
  if (!one_clock(a.clock, b.clock, phc2sys_runs)) return false;
  if (a.bare_clock && b.bare_clock) return true;
  return (a.bare_clock && b.disciplines) || (b.bare_clock && a.disciplines);
}

}  // namespace

Groups group_roots(std::span<const Root> roots, bool phc2sys_runs) {
  const std::size_t size = std::min(roots.size(), time::kMaxSources);
  Groups group{};
  std::iota(group.begin(), group.begin() + static_cast<std::ptrdiff_t>(size), std::size_t{0});
  for (std::size_t i = 0; i < size; ++i)
    for (std::size_t j = i + 1; j < size; ++j) {
      if (group[i] == group[j] || !one_witness(roots[i], roots[j], phc2sys_runs)) continue;
      const auto [kept, dropped] = std::minmax(group[i], group[j]);
      std::replace(group.begin(), group.end(), std::size_t{dropped}, std::size_t{kept});
    }
  return group;
}

}  // namespace gnomon::ptp
