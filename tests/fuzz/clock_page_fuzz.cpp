// SPDX-License-Identifier: Apache-2.0
//
// A libFuzzer target: any bytes as a clock page in shared memory. Whatever is found wrong, and whatever a sanitizer
// sees, ends the program. Demanded:
//
//   of the header:   a page is accepted if magic, kind, version and size are right, and otherwise the reason has a text
//   of the reader:   an interval only from a line whose check word holds, and then the one that the line means; with an
//                    older copy in hand, that copy or the newer line, and nothing between
//   of the details:  the name ends within its field
//
// Each input is judged as it is, with a good header, and as a line with a good check word whose values a clock may have
// (the arithmetic of instants is for values that are in range). Without these repairs hardly a mutation would get past
// the header, and none past the check word. Fields are read here at written-out offsets (docs/clock-page.md), because a
// mistake in the struct would go unseen.
//
// Input: the reading of the counter, 8 bytes, then the page; what is missing of it is zero.
//
// Built by clang for libFuzzer, and by the project's compiler for clock_page_fuzz_test, which gives it the seeds.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include "oracle/page/clock_page.hpp"
#include "oracle/page/clock_reader.hpp"
#include "oracle/time/int128.hpp"

// A name that libFuzzer gives.
// NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace gnomon::page {
namespace {

constexpr std::size_t kMaxInput = 8 + sizeof(ClockPage);

// In the header.
constexpr std::size_t kMagicAt = 0;
constexpr std::size_t kKindAt = 8;
constexpr std::size_t kVersionAt = 12;
constexpr std::size_t kSizeAt = 16;
constexpr std::size_t kIncarnationAt = 24;
// In the page: of truth.
constexpr std::size_t kSequenceAt = offsetof(ClockPage, truth);
constexpr std::size_t kAnchorAt = kSequenceAt + 8;
constexpr std::size_t kVoidAfterAt = kSequenceAt + 16;
constexpr std::size_t kEarliestAt = kSequenceAt + 24;
constexpr std::size_t kLatestAt = kSequenceAt + 32;
constexpr std::size_t kSlowAt = kSequenceAt + 40;
constexpr std::size_t kFastAt = kSequenceAt + 48;
constexpr std::size_t kFaultAt = kSequenceAt + 56;
constexpr std::size_t kCheckAt = kSequenceAt + 64;

void demand(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

/// The memory that a mapping would be: at its own place on the heap, so that a sanitizer sees a read past its end.
class Memory {
 public:
  Memory() : bytes_(new Bytes) {}

  void fill(const std::uint8_t* data, std::size_t size) {
    bytes_->fill({});
    if (size > 0) std::memcpy(bytes_->data(), data, std::min(size, bytes_->size()));
  }
  [[nodiscard]] ClockPage& page() { return *reinterpret_cast<ClockPage*>(bytes_->data()); }

  template <typename T = std::uint64_t>
  [[nodiscard]] T get(std::size_t at) const {
    T value{};
    std::memcpy(&value, bytes_->data() + at, sizeof(T));
    return value;
  }
  template <typename T>
  void put(std::size_t at, T value) {
    std::memcpy(bytes_->data() + at, &value, sizeof(T));
  }

 private:
  struct alignas(64) Bytes : std::array<std::byte, sizeof(ClockPage)> {};
  std::unique_ptr<Bytes> bytes_;
};

time::TrueTimeLine line_in(const Memory& memory) {
  time::TrueTimeLine line;
  line.anchor = {memory.get(kAnchorAt)};
  line.void_after = {memory.get(kVoidAfterAt)};
  line.earliest = {memory.get<std::int64_t>(kEarliestAt)};
  line.latest = {memory.get<std::int64_t>(kLatestAt)};
  line.slow = {memory.get(kSlowAt)};
  line.fast = {memory.get(kFastAt)};
  line.fault = static_cast<time::ClockFault>(memory.get<std::uint8_t>(kFaultAt));
  return line;
}

constexpr std::int64_t kMaxTai = std::int64_t{1} << 61;
constexpr std::uint64_t kMaxSpan = std::uint64_t{1} << 50;  // cycles
constexpr std::uint64_t kMaxRate = std::uint64_t{1} << 43;

/// A clock may say so (docs/clock-page.md).
bool in_range(const time::TrueTimeLine& line) {
  return line.earliest.ns >= -kMaxTai && line.latest.ns <= kMaxTai && line.earliest.ns <= line.latest.ns &&
         line.slow.ns_per_cycle_q32 <= line.fast.ns_per_cycle_q32 && line.fast.ns_per_cycle_q32 < kMaxRate &&
         line.anchor.count <= line.void_after.count && line.void_after.count - line.anchor.count < kMaxSpan &&
         (line.fault == time::ClockFault::kNone || line.void_after.count == line.anchor.count);
}

bool holds(const Memory& memory) {
  const time::TrueTimeLine line = line_in(memory);
  return memory.get(kCheckAt) == PublishedLine::check_of(line, memory.get(kIncarnationAt)) &&
         memory.get<std::uint8_t>(kFaultAt) < time::kClockFaults && in_range(line);
}

/// Whether `now` is what a line means at a count, in plain integers that are wide enough.
bool means(const time::TrueTimeLine& line, std::uint64_t count, const time::Now& now) {
  const auto span = [](std::uint64_t cycles, time::CycleRate rate) {
    return static_cast<time::Int128>((static_cast<time::UInt128>(cycles) * rate.ns_per_cycle_q32) >> 32);
  };
  if (line.fault != time::ClockFault::kNone) {
    const bool ended = line.void_after.count != 0 && count >= line.void_after.count;
    return !now && now.error() == (ended ? time::ClockFault::kVoid : line.fault);
  }
  if (count >= line.void_after.count && count >= line.anchor.count)
    return !now && now.error() == time::ClockFault::kVoid;
  time::Int128 earliest = line.earliest.ns;
  time::Int128 latest = line.latest.ns;
  if (count >= line.anchor.count) {
    earliest += span(count - line.anchor.count, line.slow);
    latest += span(count - line.anchor.count, line.fast) + 1;
  } else {
    const std::uint64_t lag = line.anchor.count - count;
    if (lag >= kMaxSpan || span(lag, line.fast) > 100'000'000)
      return !now && now.error() == time::ClockFault::kCounterUntrusted;
    earliest -= span(lag, line.fast) + 1;
    latest -= span(lag, line.slow);
  }
  return now && now->earliest.ns == earliest && now->latest.ns == latest;
}

void judge_header(Memory& memory) {
  const PageFault fault = check(memory.page());
  demand(!text_of(fault).empty() && text_of(fault) != "unknown page fault", "a page is refused without a reason");
  const bool good = memory.get(kMagicAt) == kPageMagic && memory.get<std::uint32_t>(kKindAt) == 0x4b434c43 &&
                    memory.get<std::uint32_t>(kVersionAt) == ClockPage::kVersion &&
                    memory.get(kSizeAt) == sizeof(ClockPage);
  demand(good == (fault == PageFault::kNone), "a page is accepted or refused that should not be");
}

void judge_details(Memory& memory) {
  const auto details = std::make_unique<ClockDetails>();
  std::uint64_t version = 0;
  if (!memory.page().details.try_read(*details, version)) return;
  const std::string_view name = details->name();
  demand(name.data() == details->source.data() && name.size() <= ClockDetails::kNameLength, "a name runs over its end");
  demand(name.find('\0') == std::string_view::npos, "a name goes on behind its end");
  if (details->plausible()) demand(details->terms.sum() >= time::Duration{}, "terms that are believed overflow");
}

/// Nothing read before: nothing but what stands in the page.
void judge_newcomer(Memory& memory, std::uint64_t count) {
  const time::TrueTimeLine line = line_in(memory);
  ClockReader reader(memory.page());
  const time::Now now = reader.at({count});
  const std::uint64_t sequence = memory.get(kSequenceAt);
  const bool readable = sequence != 0 && sequence % 2 == 0 && holds(memory);
  demand(now || time::text_of(now.error()) != "unknown fault", "a fault without a text");
  if (readable)
    demand(means(line, count, now), "not what the line means");
  else
    demand(!now && now.error() == time::ClockFault::kUnreadable, "a line that can't be believed is");
}

/// A line that the reader has a copy of, before the page becomes what the input says.
time::TrueTimeLine known_line(std::uint64_t count) {
  time::TrueTimeLine line;
  line.anchor = {count / 2};
  line.void_after = {line.anchor.count + kMaxSpan - 1};
  line.earliest = {1000};
  line.latest = {2000};
  line.slow = line.fast = {std::uint64_t{1} << 30};
  line.fault = time::ClockFault::kNone;
  return line;
}

void judge_who_has_a_copy(Memory& memory, std::uint64_t count) {
  const time::TrueTimeLine fresh = line_in(memory);
  Memory shared;
  shared.fill(nullptr, 0);
  stamp(shared.page(), 7, 2, 3);
  const time::TrueTimeLine known = known_line(count);
  shared.page().truth.write(PublishedLine::of(known, 7));
  ClockReader reader(shared.page());
  demand(reader.at(known.anchor).has_value(), "a good line gives no interval");
  const std::uint64_t version = shared.get(kSequenceAt);
  shared.page().~ClockPage();
  std::memcpy(static_cast<void*>(&shared.page()), &memory.page(), sizeof(ClockPage));

  const std::uint64_t sequence = shared.get(kSequenceAt);
  const time::Now now = reader.at({count});
  const bool keeps = sequence == version || sequence == 0 || sequence % 2 != 0;
  if (keeps)
    demand(means(known, count, now), "not what the copy means, although there is nothing newer");
  else if (holds(shared))
    demand(means(fresh, count, now), "not what the newer line means");
  else
    demand(!now && now.error() == time::ClockFault::kUnreadable, "a newer line that can't be believed is");
}

void judge(Memory& memory, std::uint64_t count) {
  judge_header(memory);
  judge_details(memory);
  if (check(memory.page()) != PageFault::kNone) return;
  // Where a line begins, ends, and is no longer reached back to.
  const std::uint64_t anchor = memory.get(kAnchorAt);
  const std::uint64_t void_after = memory.get(kVoidAfterAt);
  for (const std::uint64_t at : {count, anchor, anchor - 1, anchor + 1, void_after, void_after - 1})
    judge_newcomer(memory, at);
  judge_who_has_a_copy(memory, count);
}

void repair_header(Memory& memory) {
  memory.put(kMagicAt, kPageMagic);
  memory.put(kKindAt, static_cast<std::uint32_t>(PageKind::kClock));
  memory.put(kVersionAt, ClockPage::kVersion);
  memory.put(kSizeAt, std::uint64_t{sizeof(ClockPage)});
}

// As the clock thread publishes: with a fault both counts are the one at which it is not renewed any more.
void repair_line(Memory& memory) {
  time::TrueTimeLine line = line_in(memory);
  line.anchor.count /= 2;
  line.void_after.count = line.anchor.count + line.void_after.count % kMaxSpan;
  line.earliest.ns %= kMaxTai;
  line.latest.ns = std::max(line.earliest.ns, line.latest.ns % kMaxTai);
  line.slow.ns_per_cycle_q32 %= kMaxRate;
  line.fast.ns_per_cycle_q32 = std::max(line.slow.ns_per_cycle_q32, line.fast.ns_per_cycle_q32 % kMaxRate);
  const auto fault = static_cast<std::uint8_t>(memory.get<std::uint8_t>(kFaultAt) % 16);
  line.fault = static_cast<time::ClockFault>(fault < time::kClockFaults ? fault : 0);
  if (line.fault != time::ClockFault::kNone) line.anchor = line.void_after;
  memory.put(kSequenceAt, std::max<std::uint64_t>(2, memory.get(kSequenceAt) & ~std::uint64_t{1}));
  memory.put(kAnchorAt, line.anchor.count);
  memory.put(kVoidAfterAt, line.void_after.count);
  memory.put(kEarliestAt, line.earliest.ns);
  memory.put(kLatestAt, line.latest.ns);
  memory.put(kSlowAt, line.slow.ns_per_cycle_q32);
  memory.put(kFastAt, line.fast.ns_per_cycle_q32);
  memory.put(kFaultAt, static_cast<std::uint8_t>(line.fault));
  memory.put(kCheckAt, PublishedLine::check_of(line, memory.get(kIncarnationAt)));
  demand(holds(memory), "the repair is none");
}

}  // namespace
}  // namespace gnomon::page

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gnomon::page;  // NOLINT(google-build-using-namespace)
  if (size > kMaxInput) return -1;
  std::uint64_t count = 0;
  const std::size_t of_count = std::min(size, sizeof(count));
  if (of_count > 0) std::memcpy(&count, data, of_count);
  Memory memory;
  memory.fill(data + of_count, size - of_count);
  judge(memory, count);
  repair_header(memory);
  judge(memory, count);
  repair_line(memory);
  judge(memory, count);
  return 0;
}
