// SPDX-License-Identifier: Apache-2.0
#include "tests/support/ledger.hpp"

#include <fmt/format.h>
#include <tbb/parallel_sort.h>

#include <algorithm>
#include <set>

namespace gnomon::support {
namespace {

std::string describe(const IssuedRange& r) {
  return fmt::format("[{}, +{}) of layout {} by machine {} under token ..{:08x}", r.first, r.count, r.layout, r.machine,
                     r.token_low);
}

bool in_order(const IssuedRange& x, const IssuedRange& y) {
  return std::tie(x.layout, x.first, x.count) < std::tie(y.layout, y.first, y.count);
}

}  // namespace

void Ledger::add(const IssuedRange& range) {
  ids_ += range.count;
  singles_ += range.count == 1 ? 1U : 0U;
  const std::uint64_t last_id = range.first + range.count - 1;
  const auto [entry, is_new] =
      reach_.try_emplace({range.layout, range.machine, range.token_low}, Reach{range.first, last_id});
  Reach& reach = entry->second;
  if (!is_new && range.first <= reach.highest && order_violations_++ == 0)
    first_order_violation_ = describe(range) + fmt::format(" came after {}", reach.highest);
  reach.lowest = std::min(reach.lowest, range.first);
  reach.highest = std::max(reach.highest, last_id);
  ranges_.push_back(range);
}

void Ledger::absorb(Ledger&& other) {
  ranges_.insert(ranges_.end(), other.ranges_.begin(), other.ranges_.end());
  for (const auto& [right, theirs] : other.reach_) {
    Reach& ours = reach_.try_emplace(right, theirs).first->second;
    ours.lowest = std::min(ours.lowest, theirs.lowest);
    ours.highest = std::max(ours.highest, theirs.highest);
  }
  ids_ += other.ids_;
  singles_ += other.singles_;
  if (order_violations_ == 0) first_order_violation_ = other.first_order_violation_;
  order_violations_ += other.order_violations_;
  other = Ledger();
}

void Ledger::follow_with(Ledger&& later) {
  for (const auto& [right, theirs] : later.reach_) {
    const auto ours = reach_.find(right);
    if (ours == reach_.end() || theirs.lowest > ours->second.highest) continue;
    if (order_violations_++ == 0)
      first_order_violation_ =
          fmt::format("{} of layout {} by machine {} under token ..{:08x} came in a later phase than {}", theirs.lowest,
                      std::get<0>(right), std::get<1>(right), std::get<2>(right), ours->second.highest);
  }
  absorb(std::move(later));
}

std::vector<std::uint16_t> Ledger::machines() const {
  std::set<std::uint16_t> machines;
  for (const auto& [right, reach] : reach_)
    machines.insert(std::get<1>(right));
  return {machines.begin(), machines.end()};
}

std::uint64_t Ledger::lowest() const {
  return std::min_element(ranges_.begin(), ranges_.end(),
                          [](const auto& x, const auto& y) { return x.first < y.first; })
      ->first;
}

std::uint64_t Ledger::highest() const {
  std::uint64_t highest = 0;
  for (const IssuedRange& r : ranges_)
    highest = std::max(highest, r.first + r.count - 1);
  return highest;
}

Ledger::Duplicates Ledger::duplicates() const {
  std::vector<IssuedRange> sorted = ranges_;
  tbb::parallel_sort(sorted.begin(), sorted.end(), in_order);
  Duplicates found;
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    IssuedRange& earlier = sorted[i - 1];
    IssuedRange& later = sorted[i];
    if (earlier.layout != later.layout) continue;
    const std::uint64_t end = earlier.first + earlier.count;
    if (later.first >= end) continue;
    if (found.count == 0) found.first = describe(earlier) + " overlaps " + describe(later);
    const std::uint64_t later_end = later.first + later.count;
    found.count += std::min(end, later_end) - later.first;
    if (end > later_end) later.count = static_cast<std::uint32_t>(end - later.first);  // keep the longer reach
  }
  return found;
}

}  // namespace gnomon::support
