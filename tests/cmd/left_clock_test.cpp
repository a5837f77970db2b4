// SPDX-License-Identifier: Apache-2.0
//
// A restart in the same boot: what the clock page of the earlier run says is taken up, so that now() serves at once; a
// page of another boot, of another version, or a damaged one is not. The earlier run is a real clock thread on a real
// page in /dev/shm; the later one has a source that says nothing, so whatever it serves it has from the page.
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "cmd/gnomond/clock_assembly.hpp"
#include "oracle/page/clock_reader.hpp"
#include "platform/cycle_counter.hpp"
#include "platform/shared_page.hpp"
#include "ptp/cycle_calibration.hpp"
#include "ptp/sources.hpp"

namespace gnomon::cmd {
namespace {

using time::ClockFault;

constexpr std::uint64_t kIncarnation = 0x5eed'5eed'5eed'5eedULL;

class SilentSource final : public ptp::TimeSource {
 public:
  ptp::News poll(time::CycleRate) override { return std::nullopt; }
  std::string describe() const override { return "silent source"; }
};

std::int64_t read_clock(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

class LeftClockTest : public testing::Test {
 protected:
  LeftClockTest() {
    static std::atomic<int> number{0};
    instance = fmt::format("left-{}-{}", getpid(), number++);
    settings.clock.sources = {"system"};
    settings.clock.bound_us = 1'000;
    settings.clock.oscillator_ppb = 200'000;
    settings.clock.source_timeout_ms = 3'000;
    settings.clock.holdover_ms = 60'000;
    settings.clock.max_epsilon_us = 5'000'000;
    settings.clock.confirm_ms = 10'000;
    settings.rights.max_lead_ms = 1'000;
  }
  ~LeftClockTest() override {
    std::error_code ignored;
    std::filesystem::remove(file(), ignored);
  }
  void SetUp() override {
    const auto calibration = ptp::calibrate_cycles();
    if (!calibration) GTEST_SKIP() << calibration.error().text;
    nominal = calibration->rate;
  }
  [[nodiscard]] std::string page_name() const { return "gnomon." + instance + ".clock"; }
  [[nodiscard]] std::string file() const { return "/dev/shm/" + page_name(); }

  /// A rate that is given stands for a counter that the kernel trusts, whatever this machine's kernel uses.
  [[nodiscard]] ptp::ClockThreadOptions options(const std::optional<LeftClock>& left) const {
    auto out = clock_options(settings, time::builtin_leap_table(), left);
    out.estimator.ordering.nominal = nominal;
    out.measure_cores = false;
    return out;
  }
  /// An earlier run that had the time, and stopped.
  void leave_a_page() const {
    auto page = platform::OwnedPage<page::ClockPage>::create(page_name());
    ASSERT_TRUE(page) << page.error().text;
    page::stamp(**page, kIncarnation, 1, 1);
    ptp::ClockThread clock(options(std::nullopt), ptp::system_source(time::milliseconds(1)), **page);
    const auto started = clock.start();
    ASSERT_TRUE(started) << started.error().text;
    clock.stop();
    page->keep_file();
  }
  /// Writes over a part of the file, as a disk or a stranger would.
  void spoil(const std::function<void(page::ClockPage&)>& how) const {
    const int fd = ::open(file().c_str(), O_RDWR | O_CLOEXEC);
    ASSERT_GE(fd, 0);
    void* const at = mmap(nullptr, sizeof(page::ClockPage), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    ASSERT_NE(at, MAP_FAILED);
    how(*static_cast<page::ClockPage*>(at));
    munmap(at, sizeof(page::ClockPage));
  }

  struct Later {
    bool resumed = false;
    ClockFault fault = ClockFault::kNone;  // of the first line that it published
    time::Now now = tl::make_unexpected(ClockFault::kNotProven);
    std::int64_t system_ns = 0;  // read right after
  };
  [[nodiscard]] Later run_with(const std::optional<LeftClock>& left) const {
    const auto page = std::make_unique<page::ClockPage>();
    page::stamp(*page, kIncarnation + 1, 1, 1);
    ptp::ClockSources sources;
    sources.system = ptp::system_source(time::milliseconds(1));
    sources.system_counts = false;
    sources.others.push_back(std::make_unique<SilentSource>());
    ptp::ClockThread clock(options(left), std::move(sources), *page);
    const auto started = clock.start();
    EXPECT_TRUE(started) << started.error().text;
    clock.stop();
    page::ClockReader reader(*page);
    Later out;
    out.now = reader.at(platform::read_cycles());
    out.system_ns = read_clock(CLOCK_REALTIME);
    out.resumed = clock.status().resumed;
    out.fault = reader.line().fault;
    return out;
  }
  void expect_not_resumed(const std::optional<LeftClock>& left) const {
    const Later later = run_with(left);
    EXPECT_FALSE(later.resumed);
    EXPECT_EQ(later.fault, ClockFault::kNotProven);
  }
  [[nodiscard]] LeftClock left_behind() const {
    leave_a_page();
    const auto left = read_left_clock(instance);
    EXPECT_TRUE(left);
    return left.value_or(LeftClock{});
  }
  [[nodiscard]] std::uint64_t cycles_in(time::Duration d) const {
    return (static_cast<std::uint64_t>(d.ns) << 20U) / (nominal.ns_per_cycle_q32 >> 12U);
  }

  std::string instance;
  Settings settings;
  time::CycleRate nominal;
};

TEST_F(LeftClockTest, OfTheSameBootServesAtOnce) {
  const LeftClock left = left_behind();
  EXPECT_EQ(left.line.fault, ClockFault::kNone);
  const Later later = run_with(left);
  EXPECT_TRUE(later.resumed);
  ASSERT_TRUE(later.now) << name_of(later.now.error());
  const time::LeapTable leaps = time::builtin_leap_table();
  const auto tai = leaps.to_tai(time::Utc{later.system_ns});
  ASSERT_TRUE(tai);
  EXPECT_TRUE(later.now->widened(time::seconds(1)).contains(*tai)) << "a second for the step from counter to clock";
  EXPECT_GT(later.now->width(), left.line.latest - left.line.earliest) << "nothing new was learned, and time went by";
}

TEST_F(LeftClockTest, ThatIsNotThereIsNotMissed) {
  EXPECT_FALSE(read_left_clock(instance));
  expect_not_resumed(std::nullopt);
}

TEST_F(LeftClockTest, SaysNothingIfABitOfItsLineIsFlipped) {
  const LeftClock left = left_behind();
  const std::size_t begin = offsetof(page::ClockPage, truth) + sizeof(std::uint64_t);  // behind the sequence
  std::size_t refused = 0;
  for (std::size_t bit = 0; bit < 8 * sizeof(page::PublishedLine); ++bit) {
    const auto flip = [&](page::ClockPage& page) {
      auto* const bytes = reinterpret_cast<unsigned char*>(&page);  // NOLINT(*-reinterpret-cast): bytes of a file
      bytes[begin + bit / 8] = static_cast<unsigned char>(bytes[begin + bit / 8] ^ (1U << (bit % 8)));
    };
    spoil(flip);
    const auto spoilt = read_left_clock(instance);
    EXPECT_TRUE(!spoilt || spoilt->line == left.line) << "bit " << bit << " is not one of the padding";
    if (!spoilt) ++refused;
    spoil(flip);
  }
  EXPECT_GE(refused, 8 * (7 * sizeof(std::uint64_t) + 1)) << "six numbers, the fault, and the check word";
  EXPECT_TRUE(read_left_clock(instance)) << "it is whole again";
}

TEST_F(LeftClockTest, SaysNothingIfItsHeadIsAnothers) {
  leave_a_page();
  const std::function<void(page::ClockPage&)> spoilers[] = {
      [](page::ClockPage& page) { page.header.version += 1; },
      [](page::ClockPage& page) { page.header.version -= 1; },
      [](page::ClockPage& page) { page.header.size += 64; },
      [](page::ClockPage& page) { page.header.kind = static_cast<std::uint32_t>(page::PageKind::kWorker); },
      [](page::ClockPage& page) { page.header.magic = 0; },
      [](page::ClockPage& page) { page.header.incarnation += 1; },  // the rest of another daemon's page
  };
  for (const auto& spoiler : spoilers) {
    page::PageHeader whole;
    spoil([&](page::ClockPage& page) {
      std::memcpy(static_cast<void*>(&whole), static_cast<const void*>(&page.header), sizeof whole);
      spoiler(page);
    });
    EXPECT_FALSE(read_left_clock(instance));
    spoil([&](page::ClockPage& page) {
      std::memcpy(static_cast<void*>(&page.header), static_cast<const void*>(&whole), sizeof whole);
    });
    EXPECT_TRUE(read_left_clock(instance)) << "it is whole again";
  }
}

// A daemon that was killed between the two stores of a write.
TEST_F(LeftClockTest, SaysNothingIfItWasLeftInTheMiddleOfAWrite) {
  leave_a_page();
  const auto add_to_sequence = [this](std::size_t of, std::uint64_t by) {
    spoil([&](page::ClockPage& page) {
      auto* const bytes = reinterpret_cast<unsigned char*>(&page);  // NOLINT(*-reinterpret-cast): bytes of a file
      std::uint64_t sequence = 0;
      std::memcpy(&sequence, bytes + of, sizeof sequence);
      sequence += by;
      std::memcpy(bytes + of, &sequence, sizeof sequence);
    });
  };
  for (const std::size_t of : {offsetof(page::ClockPage, truth), offsetof(page::ClockPage, details)}) {
    add_to_sequence(of, 1);
    EXPECT_FALSE(read_left_clock(instance));
    add_to_sequence(of, 1);
    EXPECT_TRUE(read_left_clock(instance)) << "it is whole again";
  }
}

TEST_F(LeftClockTest, SaysNothingIfItIsCutOff) {
  leave_a_page();
  for (const off_t size : {off_t{sizeof(page::ClockPage) - 1}, off_t{64}, off_t{0}}) {
    ASSERT_EQ(::truncate(file().c_str(), size), 0);
    EXPECT_FALSE(read_left_clock(instance)) << size;
  }
}

// CLOCK_BOOTTIME and the counter both begin anew, and nothing ties a count of the old boot to an instant of this one.
TEST_F(LeftClockTest, OfAnotherBootIsNotTakenUp) {
  const LeftClock whole = left_behind();
  LeftClock longer_up = whole;
  longer_up.details.uptime.at_anchor = longer_up.details.uptime.at_anchor + time::seconds(3'600);
  expect_not_resumed(longer_up);
  LeftClock shorter_up = whole;
  shorter_up.details.uptime.at_anchor = shorter_up.details.uptime.at_anchor - time::seconds(3'600);
  expect_not_resumed(shorter_up);
  LeftClock counted_further = whole;  // the counter of this boot has not come that far yet
  const std::uint64_t hour = cycles_in(time::seconds(3'600));
  counted_further.line.anchor.count += hour;
  counted_further.details.uptime.anchor.count += hour;
  counted_further.details.supported_at.count += hour;
  expect_not_resumed(counted_further);
}

// Suspended, restored or moved in between: the counter says less or more than the time that went by.
TEST_F(LeftClockTest, AcrossAJumpOfTheCounterIsNotTakenUp) {
  const LeftClock whole = left_behind();
  for (const std::int64_t jump_ms : {-500, 500}) {
    LeftClock jumped = whole;
    jumped.details.uptime.at_anchor = jumped.details.uptime.at_anchor + time::milliseconds(jump_ms);
    expect_not_resumed(jumped);
  }
  EXPECT_TRUE(run_with(whole).resumed) << "it was the jump";
}

TEST_F(LeftClockTest, WithoutALineIsNotTakenUp) {
  LeftClock refusing = left_behind();
  refusing.line = time::TrueTimeLine::refusing(ClockFault::kContradiction);
  expect_not_resumed(refusing);
}

TEST_F(LeftClockTest, ThatNoSourceSupportedForLongerThanTheHoldoverIsNotTakenUp) {
  LeftClock old = left_behind();
  old.details.supported_at.count -= cycles_in(time::seconds(61));
  expect_not_resumed(old);
  settings.clock.holdover_ms = 3'600'000;
  EXPECT_TRUE(run_with(old).resumed) << "by the operator's word";
}

// A line that claims to be supported by what is yet to come was not written by a clock thread.
TEST_F(LeftClockTest, SupportedAfterItsOwnAnchorIsNotTakenUp) {
  LeftClock odd = left_behind();
  odd.details.supported_at.count = odd.line.anchor.count + 1;
  expect_not_resumed(odd);
}

}  // namespace
}  // namespace gnomon::cmd
