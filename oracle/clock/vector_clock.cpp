// SPDX-License-Identifier: Apache-2.0
#include "oracle/clock/vector_clock.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

namespace gnomon::clock {
namespace {

using Entries = std::vector<VectorEntry>;

constexpr std::uint64_t kMaxCount = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint8_t kEncodingVersion = 1;
constexpr std::size_t kHeaderSize = 4;
constexpr std::size_t kEntrySize = 16;
static_assert(VectorClock::kMaxEntries <= std::numeric_limits<std::uint16_t>::max(), "the header counts in 16 bits");

bool lies_before(const VectorEntry& entry, ProcessId process) { return entry.process < process; }

// Calls visit(process, count of it in a, count of it in b) for each process that either knows, in ascending order.
template <typename Visit>
void for_each_process(std::span<const VectorEntry> a, std::span<const VectorEntry> b, Visit visit) {
  auto in_a = a.begin();
  auto in_b = b.begin();
  while (in_a != a.end() || in_b != b.end()) {
    const bool take_a = in_b == b.end() || (in_a != a.end() && in_a->process <= in_b->process);
    const bool take_b = in_a == a.end() || (in_b != b.end() && in_b->process <= in_a->process);
    visit(take_a ? in_a->process : in_b->process, take_a ? in_a->count : 0, take_b ? in_b->count : 0);
    if (take_a) ++in_a;
    if (take_b) ++in_b;
  }
}

tl::expected<Entries, VectorFault> joined(std::span<const VectorEntry> a, std::span<const VectorEntry> b) {
  Entries all;
  all.reserve(a.size() + b.size());
  for_each_process(a, b, [&](ProcessId process, std::uint64_t count_a, std::uint64_t count_b) {
    all.push_back({process, std::max(count_a, count_b)});
  });
  if (all.size() > VectorClock::kMaxEntries) return tl::make_unexpected(VectorFault::kTooManyProcesses);
  return all;
}

tl::expected<void, VectorFault> count_event(Entries& entries, ProcessId self) {
  const auto at = std::lower_bound(entries.begin(), entries.end(), self, lies_before);
  if (at == entries.end() || at->process != self) {
    if (entries.size() >= VectorClock::kMaxEntries) return tl::make_unexpected(VectorFault::kTooManyProcesses);
    entries.insert(at, {self, 1});
    return {};
  }
  if (at->count == kMaxCount) return tl::make_unexpected(VectorFault::kCountAtTop);
  ++at->count;
  return {};
}

void append_little_endian(std::vector<std::byte>& out, std::uint64_t value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i)
    out.push_back(static_cast<std::byte>(value >> (8 * i)));
}

// Reads from the front and never beyond the end.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : left_(bytes) {}

  std::optional<std::uint64_t> little_endian(std::size_t size) {
    if (left_.size() < size) return std::nullopt;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i)
      value |= std::to_integer<std::uint64_t>(left_[i]) << (8 * i);
    left_ = left_.subspan(size);
    return value;
  }
  [[nodiscard]] std::size_t left() const { return left_.size(); }

 private:
  std::span<const std::byte> left_;
};

// Checks the header and returns the number of entries; the cursor then has exactly that many in front of it.
tl::expected<std::size_t, VectorDecodeFault> read_header(Cursor& cursor, std::size_t max_entries) {
  const auto version = cursor.little_endian(1);
  const auto reserved = cursor.little_endian(1);
  const auto count = cursor.little_endian(2);
  // The version first: whoever wrote another one may have a shorter header.
  if (!version) return tl::make_unexpected(VectorDecodeFault::kTruncated);
  if (*version != kEncodingVersion) return tl::make_unexpected(VectorDecodeFault::kOtherVersion);
  if (!reserved || !count) return tl::make_unexpected(VectorDecodeFault::kTruncated);
  if (*reserved != 0) return tl::make_unexpected(VectorDecodeFault::kReserved);
  if (*count > std::min(max_entries, VectorClock::kMaxEntries))
    return tl::make_unexpected(VectorDecodeFault::kTooManyEntries);
  if (cursor.left() < *count * kEntrySize) return tl::make_unexpected(VectorDecodeFault::kTruncated);
  if (cursor.left() > *count * kEntrySize) return tl::make_unexpected(VectorDecodeFault::kTrailing);
  return *count;
}

}  // namespace

std::string_view text_of(Causality causality) {
  switch (causality) {
    case Causality::kBefore: return "before";
    case Causality::kAfter: return "after";
    case Causality::kEqual: return "equal";
    case Causality::kConcurrent: return "concurrent";
  }
  return "unknown relation";
}

std::string_view text_of(VectorFault fault) {
  switch (fault) {
    case VectorFault::kCountAtTop:
      return "the process has counted the largest number of events that a vector clock holds; start it anew under a "
             "fresh process id";
    case VectorFault::kTooManyProcesses:
      return "the vector clock would name more processes than it may; retire the ids of processes that are gone";
    case VectorFault::kUnknownOwnEvents:
      return "the message knows of events of this process that it never made, and was not taken; if the process has "
             "lost its counters, start it under a fresh process id, else look at the sender";
  }
  return "unknown fault";
}

std::string_view text_of(VectorDecodeFault fault) {
  switch (fault) {
    case VectorDecodeFault::kTruncated: return "the vector clock ends before its last entry; it was cut on its way";
    case VectorDecodeFault::kOtherVersion: return "the vector clock is of another version; read it with what wrote it";
    case VectorDecodeFault::kReserved: return "the vector clock has a reserved byte set; it is damaged, or newer";
    case VectorDecodeFault::kTooManyEntries:
      return "the vector clock names more processes than are taken; retire the ids of processes that are gone";
    case VectorDecodeFault::kNotAscending:
      return "the process ids of the vector clock do not ascend; it is damaged, or its writer does not sort";
    case VectorDecodeFault::kZeroCount:
      return "the vector clock has an entry of zero events; it is damaged, or its writer does not leave them out";
    case VectorDecodeFault::kTrailing: return "bytes follow the last entry of the vector clock; hand over it alone";
  }
  return "unknown fault";
}

tl::expected<void, VectorFault> VectorClock::tick(ProcessId self) { return count_event(entries_, self); }

tl::expected<void, VectorFault> VectorClock::merge(const VectorClock& other) {
  return joined(entries_, other.entries_).map([&](Entries&& all) { entries_ = std::move(all); });
}

tl::expected<void, VectorFault> VectorClock::receive(ProcessId self, const VectorClock& remote) {
  if (remote.count_of(self) > count_of(self)) return tl::make_unexpected(VectorFault::kUnknownOwnEvents);
  auto all = joined(entries_, remote.entries_);
  if (!all) return tl::make_unexpected(all.error());
  return count_event(*all, self).map([&] { entries_ = std::move(*all); });
}

std::uint64_t VectorClock::count_of(ProcessId process) const {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), process, lies_before);
  return at == entries_.end() || at->process != process ? 0 : at->count;
}

Causality VectorClock::compare(const VectorClock& a, const VectorClock& b) {
  bool a_knows_more = false;
  bool b_knows_more = false;
  for_each_process(a.entries_, b.entries_, [&](ProcessId, std::uint64_t count_a, std::uint64_t count_b) {
    a_knows_more |= count_a > count_b;
    b_knows_more |= count_b > count_a;
  });
  if (a_knows_more) return b_knows_more ? Causality::kConcurrent : Causality::kAfter;
  return b_knows_more ? Causality::kBefore : Causality::kEqual;
}

std::vector<std::byte> VectorClock::encode() const {
  std::vector<std::byte> bytes;
  bytes.reserve(kHeaderSize + kEntrySize * entries_.size());
  append_little_endian(bytes, kEncodingVersion, 1);
  append_little_endian(bytes, 0, 1);
  append_little_endian(bytes, entries_.size(), 2);
  for (const auto& [process, count] : entries_) {
    append_little_endian(bytes, process.value, 8);
    append_little_endian(bytes, count, 8);
  }
  return bytes;
}

tl::expected<VectorClock, VectorDecodeFault> VectorClock::decode(std::span<const std::byte> bytes,
                                                                 std::size_t max_entries) {
  Cursor cursor(bytes);
  const auto size = read_header(cursor, max_entries);
  if (!size) return tl::make_unexpected(size.error());
  VectorClock clock;
  clock.entries_.reserve(*size);
  while (clock.entries_.size() < *size) {
    const auto process = cursor.little_endian(8);
    const auto count = cursor.little_endian(8);
    if (!process || !count) return tl::make_unexpected(VectorDecodeFault::kTruncated);
    if (*count == 0) return tl::make_unexpected(VectorDecodeFault::kZeroCount);
    if (!clock.entries_.empty() && ProcessId{*process} <= clock.entries_.back().process)
      return tl::make_unexpected(VectorDecodeFault::kNotAscending);
    clock.entries_.push_back({{*process}, *count});
  }
  return clock;
}

}  // namespace gnomon::clock
