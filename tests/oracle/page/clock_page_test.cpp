// SPDX-License-Identifier: Apache-2.0
//
// The clock page under what may befall it: a writer at full speed, a writer that is killed in the middle of a write, a
// bit that flips, the rest of another daemon's page. Whoever reads gets an interval that contains the time of his
// reading, or an error; and after the writer's death an error soon.
//
// Time here is a count: a cycle is a nanosecond of TAI. So what a line may say at any count is known exactly.
#include "oracle/page/clock_page.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "oracle/page/clock_reader.hpp"

namespace gnomon::page {
namespace {

constexpr time::CycleRate kOne{std::uint64_t{1} << 32};  // a nanosecond per cycle
constexpr std::int64_t kOrigin = 1'790'000'000'000'000'000;
constexpr std::uint64_t kIncarnation = 0x1234'5678'9abc'def0;
constexpr std::uint64_t kVoidAfter = 5000;

time::Tai tai_at(std::uint64_t count) { return {kOrigin + static_cast<std::int64_t>(count)}; }

/// Every field follows from the count; the width changes from one line to the next.
time::TrueTimeLine line_at(std::uint64_t count) {
  time::TrueTimeLine line;
  line.anchor = {count};
  line.void_after = {count + kVoidAfter};
  line.earliest = tai_at(count) - time::nanoseconds(static_cast<std::int64_t>(count % 101));
  line.latest = tai_at(count) + time::nanoseconds(static_cast<std::int64_t>(count % 89));
  line.slow = {kOne.ns_per_cycle_q32 - count % 1000};
  line.fast = {kOne.ns_per_cycle_q32 + count % 1000};
  line.fault = time::ClockFault::kNone;
  return line;
}

ClockDetails details_at(std::uint64_t count) {
  ClockDetails details;
  details.sampled_at = {count};
  details.supported_at = {count * 3};
  details.terms.source = {static_cast<std::int64_t>(count % 1'000'003)};
  details.sources = static_cast<std::uint32_t>(count);
  details.name(std::string(count % (ClockDetails::kNameLength - 1), static_cast<char>('a' + count % 26)));
  return details;
}

bool belongs_together(const ClockDetails& details) {
  const ClockDetails whole = details_at(details.sampled_at.count);
  return details.supported_at == whole.supported_at && details.terms == whole.terms &&
         details.sources == whole.sources && details.name() == whole.name();
}

std::unique_ptr<ClockPage> stamped_page() {
  auto page = std::make_unique<ClockPage>();
  stamp(*page, kIncarnation, 2, 3);
  return page;
}

TEST(ClockPage, IsNeverTornUnderAWriterAtFullSpeed) {
  constexpr int kReaders = 3;
  constexpr std::uint64_t kReads = 20'000;
  const auto page = stamped_page();
  page->truth.write(PublishedLine::of(line_at(1), kIncarnation));
  page->details.write(details_at(1));
  std::atomic<int> reading{kReaders};
  std::atomic<std::uint64_t> wrong{0};
  std::atomic<std::uint64_t> missed{0};
  std::vector<std::thread> readers;
  readers.reserve(kReaders);
  for (int r = 0; r < kReaders; ++r)
    readers.emplace_back([&] {
      const auto must = [&](bool holds) { wrong.fetch_add(holds ? 0 : 1, std::memory_order_relaxed); };
      ClockReader reader(*page);
      std::uint64_t newest = 0;
      for (std::uint64_t reads = 0; reads < kReads;) {
        PublishedLine published;
        std::uint64_t version = 0;
        if (!page->truth.try_read(published, version)) {
          missed.fetch_add(1, std::memory_order_relaxed);
          continue;
        }
        ++reads;
        must(published.holds(kIncarnation) && published.line == line_at(published.line.anchor.count));
        must(published.line.anchor.count >= newest);
        newest = published.line.anchor.count;
        // Through the reader: whichever line it has, it is a whole one, and one that may speak of this count.
        const time::Now now = reader.at({newest});
        const std::uint64_t anchor = reader.line().anchor.count;
        must(reader.line() == line_at(anchor) || reader.line().fault == time::ClockFault::kUnreadable);
        must(!now || now->contains(tai_at(newest)));
        ClockDetails details;
        if (page->details.try_read(details, version)) must(belongs_together(details));
      }
      reading.fetch_sub(1);
    });
  std::uint64_t count = 1;
  while (reading.load(std::memory_order_relaxed) > 0) {
    ++count;
    page->truth.write(PublishedLine::of(line_at(count), kIncarnation));
    page->details.write(details_at(count));
    if (count % 1024 == 0) std::this_thread::yield();
  }
  for (std::thread& reader : readers)
    reader.join();
  EXPECT_EQ(wrong.load(), 0U) << "after " << count << " writes; " << missed.load() << " reads met only writes";
  EXPECT_GT(count, 1000U);
}

// --- a writer that is killed
// --------------------------------------------------------------------------------------------------

/// What the processes share.
struct Stage {
  ClockPage page;
  std::atomic<std::uint64_t> count{1};  // the counter of this world
  std::atomic<std::uint64_t> batches{0};
};

class SharedStage {
 public:
  SharedStage() : memory_(mmap(nullptr, sizeof(Stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {
    if (memory_ == MAP_FAILED) std::abort();
    stage_ = new (memory_) Stage;
  }
  SharedStage(const SharedStage&) = delete;
  SharedStage& operator=(const SharedStage&) = delete;
  ~SharedStage() { munmap(memory_, sizeof(Stage)); }
  [[nodiscard]] Stage* operator->() const { return stage_; }

 private:
  void* memory_;
  Stage* stage_;
};

class KilledWriter {
 public:
  explicit KilledWriter(const SharedStage& stage) : pid_(fork()) {
    if (pid_ == 0) write_for_ever(stage);
  }
  KilledWriter(const KilledWriter&) = delete;
  KilledWriter& operator=(const KilledWriter&) = delete;
  ~KilledWriter() { kill_it(); }
  [[nodiscard]] bool started() const { return pid_ > 0; }
  void kill_it() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  [[noreturn]] static void write_for_ever(const SharedStage& stage) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::array<PublishedLine, 16> lines;
    while (true) {
      // Made in advance, and each written many times: so it spends its time in writes, and dies there.
      for (PublishedLine& line : lines)
        line = PublishedLine::of(line_at(stage->count.fetch_add(7, std::memory_order_relaxed)), kIncarnation);
      for (int times = 0; times < 50; ++times)
        for (const PublishedLine& line : lines)
          stage->page.truth.write(line);
      stage->batches.fetch_add(1, std::memory_order_relaxed);
    }
  }

  pid_t pid_;
};

/// At the present count: contained, or an error that such a page may give.
std::string fault_of(const time::Now& now, std::uint64_t count) {
  if (now) return now->contains(tai_at(count)) ? "" : "an interval that does not contain the time of the reading";
  if (now.error() == time::ClockFault::kVoid || now.error() == time::ClockFault::kUnreadable) return "";
  return std::string(text_of(now.error()));
}

TEST(ClockPage, AWriterKilledInTheMiddleOfAWriteLeavesNobodyWithAWrongTime) {
  const int rounds = std::getenv("GNOMON_TEST_FULL") != nullptr ? 2000 : 200;
  std::mt19937_64 random(20261124);
  int in_the_middle = 0;
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE(round);
    const SharedStage stage;
    stamp(stage->page, kIncarnation, 2, 3);
    KilledWriter writer(stage);
    ASSERT_TRUE(writer.started());
    ClockReader reader(stage->page);
    // Reads while it writes, and has read something before the end comes.
    const std::uint64_t enough = 1 + random() % 20;
    while (stage->batches.load(std::memory_order_relaxed) < enough || reader.line().anchor.count == 0) {
      // The count first, as everybody reads: a line that is published after it lies ahead.
      const std::uint64_t count = stage->count.load(std::memory_order_acquire);
      ASSERT_EQ(fault_of(reader.at({count}), count), "");
      std::this_thread::yield();  // both may have to share a core
    }
    writer.kill_it();
    const bool odd = (stage->page.truth.version() & 1) != 0;
    in_the_middle += odd ? 1 : 0;

    const std::uint64_t died_at = stage->count.load();
    ClockReader late(stage->page);
    bool known_late = false;
    for (std::uint64_t count = died_at; count < died_at + kVoidAfter + 10; count += 1 + random() % 20) {
      ASSERT_EQ(fault_of(reader.at({count}), count), "");
      const time::Now now = late.at({count});
      ASSERT_EQ(fault_of(now, count), "");
      known_late = known_late || now.has_value();
    }
    EXPECT_NE(known_late, odd) << "who comes later reads what was written whole, and only that";
    for (const std::uint64_t count : {died_at + kVoidAfter, died_at + 1'000'000'000}) {
      EXPECT_EQ(reader.at({count}).error(), time::ClockFault::kVoid);
      EXPECT_EQ(late.at({count}).error(), odd ? time::ClockFault::kUnreadable : time::ClockFault::kVoid);
    }
  }
  RecordProperty("killed_in_the_middle", in_the_middle);
  EXPECT_GT(in_the_middle, 0) << "no writer was killed in the middle of a write: this has shown nothing";
  EXPECT_LT(in_the_middle, rounds);
}

// --- what a page is not to be believed for
// ------------------------------------------------------------------------------------

/// The page's bytes, as another process might change them.
std::byte* bytes_of(ClockPage& page) { return reinterpret_cast<std::byte*>(&page); }

constexpr std::uint64_t kCount = 1'000'000;

/// Whether somebody who opens the page now gets an interval; if it is another one than `right`, that fails the test.
bool believed(const ClockPage& page, const time::Interval& right, std::size_t bit) {
  if (check(page) != PageFault::kNone) return false;
  const time::Now now = ClockReader(page).at({kCount + 100});
  if (now) {
    EXPECT_EQ(*now, right) << "bit " << bit;
    return true;
  }
  EXPECT_EQ(now.error(), time::ClockFault::kUnreadable) << "bit " << bit;
  return false;
}

TEST(ClockPage, ASingleFlippedBitIsRefusedWhereItWouldMatter) {
  const auto page = stamped_page();
  page->truth.write(PublishedLine::of(line_at(kCount), kIncarnation));
  const time::Now right = ClockReader(*page).at({kCount + 100});
  ASSERT_TRUE(right);
  ASSERT_TRUE(right->contains(tai_at(kCount + 100)));

  const auto flip = [&](std::size_t bit) { bytes_of(*page)[bit / 8] ^= std::byte{1} << (bit % 8); };
  const auto believed_after_flip = [&](std::size_t bit) {
    flip(bit);
    const bool yes = believed(*page, *right, bit);
    flip(bit);
    return yes;
  };
  // The header: harmless are the pid, the start and what is reserved.
  for (std::size_t bit = 0; bit < sizeof(PageHeader) * 8; ++bit)
    EXPECT_EQ(believed_after_flip(bit), bit >= offsetof(PageHeader, pid) * 8) << "bit " << bit << " of the header";
  // The sequence: odd is a write that has not ended, 0 (from 2) is nothing ever written, others are other versions.
  const std::size_t sequence = offsetof(ClockPage, truth) * 8;
  for (std::size_t bit = 0; bit < 64; ++bit)
    EXPECT_EQ(believed_after_flip(sequence + bit), bit > 1) << "bit " << bit << " of the sequence";
  // The line: harmless is what fills up the fault to a word.
  const std::size_t line = sequence + 64;
  const std::size_t padding = (offsetof(PublishedLine, line) + offsetof(time::TrueTimeLine, fault) + 1) * 8;
  const std::size_t check_word = offsetof(PublishedLine, check) * 8;
  ASSERT_EQ(check_word - padding, 56U);
  for (std::size_t bit = 0; bit < sizeof(PublishedLine) * 8; ++bit)
    EXPECT_EQ(believed_after_flip(line + bit), bit >= padding && bit < check_word) << "bit " << bit << " of the line";
  EXPECT_TRUE(believed(*page, *right, 0)) << "and all is as it was";
}

TEST(ClockPage, ADamagedLineIsRefusedUntilTheNextOneIsWritten) {
  const auto page = stamped_page();
  ClockReader reader(*page);
  PublishedLine damaged = PublishedLine::of(line_at(kCount), kIncarnation);
  damaged.line.latest = damaged.line.latest - time::nanoseconds(1);
  page->truth.write(damaged);
  EXPECT_EQ(reader.at({kCount}).error(), time::ClockFault::kUnreadable);
  page->truth.write(PublishedLine::of(line_at(kCount + 1), kIncarnation));
  ASSERT_TRUE(reader.at({kCount + 1}));
  page->truth.write(damaged);
  EXPECT_EQ(reader.at({kCount}).error(), time::ClockFault::kUnreadable)
      << "not the copy it had: the newest line counts";
}

TEST(ClockPage, ALineOfAnotherIncarnationIsRefused) {
  const auto page = stamped_page();
  for (const std::uint64_t other : {std::uint64_t{0}, kIncarnation ^ 1, kIncarnation + 1, ~kIncarnation}) {
    page->truth.write(PublishedLine::of(line_at(kCount), other));
    EXPECT_EQ(ClockReader(*page).at({kCount}).error(), time::ClockFault::kUnreadable) << other;
  }
  page->truth.write(PublishedLine::of(line_at(kCount), kIncarnation));
  EXPECT_TRUE(ClockReader(*page).at({kCount}));
}

TEST(ClockPage, AReaderGoesOnWithTheNextIncarnationOfTheSamePage) {
  const auto page = stamped_page();
  ClockReader reader(*page);
  page->truth.write(PublishedLine::of(line_at(kCount), kIncarnation));
  ASSERT_TRUE(reader.at({kCount}));
  stamp(*page, kIncarnation + 1, 4, 5);
  EXPECT_TRUE(reader.at({kCount})) << "what it had was right";
  page->truth.write(PublishedLine::of(line_at(kCount + 50), kIncarnation + 1));
  const time::Now now = reader.at({kCount + 60});
  ASSERT_TRUE(now);
  EXPECT_EQ(reader.line(), line_at(kCount + 50));
}

TEST(ClockPage, SaysWhyThereIsNoTimeAsTheWriterDoes) {
  const auto page = stamped_page();
  ClockReader reader(*page);
  EXPECT_EQ(reader.at({kCount}).error(), time::ClockFault::kUnreadable) << "nothing was ever written";
  for (std::size_t i = 1; i < time::kClockFaults; ++i) {
    const auto fault = static_cast<time::ClockFault>(i);
    page->truth.write(PublishedLine::of(time::TrueTimeLine::refusing(fault), kIncarnation));
    EXPECT_EQ(reader.at({kCount}).error(), fault);
  }
  const auto unknown = static_cast<time::ClockFault>(time::kClockFaults);
  page->truth.write(PublishedLine::of(time::TrueTimeLine::refusing(unknown), kIncarnation));
  EXPECT_EQ(reader.at({kCount}).error(), time::ClockFault::kUnreadable);
}

TEST(ClockPage, TheNameOfTheSourceIsCutNotRunOver) {
  ClockDetails details;
  details.name(std::string(500, 'x'));
  EXPECT_EQ(details.name(), std::string(ClockDetails::kNameLength - 1, 'x'));
  details.source.fill('y');  // no zero at its end
  EXPECT_EQ(details.name(), std::string(ClockDetails::kNameLength, 'y'));
  details.name("");
  EXPECT_EQ(details.name(), "");
}

// A client may be of another build than the daemon whose page it reads.
TEST(ClockPage, TheCheckIsPartOfThePagesVersion) {
  const time::TrueTimeLine line{.anchor = {1},
                                .void_after = {2},
                                .earliest = {3},
                                .latest = {4},
                                .slow = {5},
                                .fast = {6},
                                .fault = time::ClockFault::kNone};
  EXPECT_EQ(PublishedLine::check_of(line, 7), 0xc607'3a0a'e369'383dU) << "another check: raise ClockPage::kVersion";
}

}  // namespace
}  // namespace gnomon::page
