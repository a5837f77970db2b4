// SPDX-License-Identifier: Apache-2.0
//
// A real driver's PTP clock, read as gnomond reads it. Runs as root inside of a guest machine that phc_guest.py boots,
// because it sets the clock, which nobody may do to a clock that somebody relies on: outside of it every case is
// skipped.
//
// The emulated card throws its time when its frequency is adjusted: it computes it anew from the machine's start, as if
// it had run at the new rate ever since. A card of metal does not; here it serves as a fault.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include "platform/cycle_counter.hpp"
#include "platform/unique_fd.hpp"
#include "ptp/cycle_calibration.hpp"
#include "ptp/phc.hpp"
#include "ptp/sources.hpp"

namespace gnomon::test {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
const std::string kCard = "/dev/ptp0";  // modules are loaded in that order

// The name that a driver gave its clock; empty if there is no such clock.
std::string driver_of(const std::string& path) {
  std::ifstream file("/sys/class/ptp/" + std::filesystem::path(path).filename().string() + "/clock_name");
  std::string name;
  std::getline(file, name);
  return name;
}

// Of the hypervisor, by way of ptp_kvm; empty on an emulated processor.
std::string clock_of_the_host() {
  for (const char* path : {"/dev/ptp0", "/dev/ptp1", "/dev/ptp2"})
    if (driver_of(path) == "KVM virtual PTP") return path;
  return {};
}

// Sets the clock and its rate, past PhcClock, which only reads.
class Hand {
 public:
  explicit Hand(const std::string& path) : fd_(open(path.c_str(), O_RDWR | O_CLOEXEC)) {
    if (!fd_.valid()) throw std::runtime_error("cannot open " + path + " for writing");
  }

  [[nodiscard]] std::int64_t read() const {
    timespec now{};
    if (clock_gettime(id(), &now) != 0) throw std::runtime_error("clock_gettime");
    return now.tv_sec * kSecond + now.tv_nsec;
  }
  void set(std::int64_t ns) const {
    const timespec to{ns / kSecond, ns % kSecond};
    if (clock_settime(id(), &to) != 0) throw std::runtime_error("clock_settime");
  }
  void step(std::int64_t ns) const {
    timex change{};
    change.modes = ADJ_SETOFFSET | ADJ_NANO;
    change.time.tv_sec = ns / kSecond;
    change.time.tv_usec = ns % kSecond;  // nanoseconds
    if (change.time.tv_usec < 0) {
      --change.time.tv_sec;
      change.time.tv_usec += kSecond;
    }
    if (clock_adjtime(id(), &change) < 0) throw std::runtime_error("clock_adjtime, offset");
  }
  void run_faster_by(std::int64_t ppm) const {
    timex change{};
    change.modes = ADJ_FREQUENCY;
    change.freq = ppm << 16;
    if (clock_adjtime(id(), &change) < 0) throw std::runtime_error("clock_adjtime, frequency");
  }

 private:
  [[nodiscard]] clockid_t id() const { return static_cast<clockid_t>((~static_cast<unsigned>(fd_.get()) << 3) | 3U); }

  platform::UniqueFd fd_;
};

std::int64_t system_now() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

class PhcInGuest : public testing::Test {
 protected:
  void SetUp() override {
    if (getpid() == 1 || std::getenv("GNOMON_GUEST") == nullptr)
      GTEST_SKIP() << "sets a PTP clock: only inside of a guest machine (./dev test --suite phc-guest)";
    ASSERT_EQ(access(kCard.c_str(), F_OK), 0);
    const auto calibrated = ptp::calibrate_cycles(time::milliseconds(200));
    ASSERT_TRUE(calibrated.has_value()) << calibrated.error().text;
    nominal_ = calibrated->rate;
    hand_ = std::make_unique<Hand>(kCard);
    hand_->run_faster_by(0);
    hand_->set(system_now());
    auto clock = ptp::PhcClock::open(kCard);
    ASSERT_TRUE(clock.has_value()) << clock.error().text;
    clock_ = std::move(*clock);
  }

  [[nodiscard]] ptp::ClockReading read() const {
    const auto reading = clock_->read(nominal_);
    if (!reading) throw std::runtime_error(reading.error().text);
    return *reading;
  }
  // The narrowest of a hundred.
  [[nodiscard]] ptp::ClockReading read_well() const {
    ptp::ClockReading best = read();
    for (int i = 1; i < 100; ++i)
      if (const auto next = read(); next.width_cycles() < best.width_cycles()) best = next;
    return best;
  }
  // What the clock may seem to have moved by if it did not: both brackets, and 1000 ppm for two oscillators and the
  // calibration.
  [[nodiscard]] time::Duration allowed(const ptp::ClockReading& a, const ptp::ClockReading& b) const {
    return a.half_width(nominal_) + b.half_width(nominal_) +
           time::nanoseconds(nominal_.span(b.middle().count - a.middle().count).ns / 1000);
  }

  time::CycleRate nominal_;
  std::unique_ptr<Hand> hand_;
  std::unique_ptr<ptp::PhcClock> clock_;
};

TEST_F(PhcInGuest, OffersExtendedOffsets) {
  EXPECT_EQ(clock_->method(), ptp::PhcMethod::kExtended) << clock_->describe();
  EXPECT_EQ(clock_->describe(), "PTP clock /dev/ptp0 (extended offsets)");
  EXPECT_EQ(clock_->kind(), ptp::ClockKind::kPhc);
}

TEST_F(PhcInGuest, ReadsWithinBrackets) {
  for (int i = 0; i < 100; ++i) {
    const time::Cycles before = platform::read_cycles();
    const std::int64_t low = hand_->read();
    const ptp::ClockReading reading = read();
    const std::int64_t high = hand_->read();
    const time::Cycles after = platform::read_cycles();
    ASSERT_GE(reading.value, low);
    ASSERT_LE(reading.value, high);
    ASSERT_GE(reading.middle(), before);
    ASSERT_LE(reading.middle(), after);
    ASSERT_GT(reading.width_cycles(), 0U);
  }
  const std::int64_t width_ns = nominal_.span(read_well().width_cycles()).ns;
  std::cout << "narrowest of 100 readings: " << width_ns << " ns wide\n";
  RecordProperty("narrowest_ns", std::to_string(width_ns));
  EXPECT_LT(width_ns, kSecond / 500) << "a register behind a hypervisor takes about 100 us at worst";
}

TEST_F(PhcInGuest, AdvancesWithTheCounter) {
  const ptp::ClockReading first = read_well();
  std::this_thread::sleep_for(std::chrono::seconds(1));
  const ptp::ClockReading second = read_well();
  ASSERT_GE(second.value - first.value, kSecond / 2);
  const time::Duration moved = ptp::clock_moved(first, second, nominal_);
  std::cout << "apart from the counter after " << (second.value - first.value) / 1'000'000 << " ms: " << moved.ns
            << " ns\n";
  EXPECT_LE(moved, allowed(first, second));
}

TEST_F(PhcInGuest, ShowsASet) {
  for (const std::int64_t step : {37 * kSecond, -37 * kSecond, kSecond / 1000}) {
    const ptp::ClockReading first = read_well();
    hand_->step(step);
    const ptp::ClockReading second = read_well();
    const time::Duration moved = ptp::clock_moved(first, second, nominal_);
    // Setting reads and writes the register, which takes the card's time.
    const time::Duration slack = allowed(first, second) + time::milliseconds(5);
    EXPECT_LE(std::llabs(moved.ns - std::llabs(step)), slack.ns) << "a step by " << step << " ns";
  }
  const std::int64_t there = 1'000 * kSecond;
  const ptp::ClockReading first = read_well();
  hand_->set(there);
  const ptp::ClockReading second = read_well();
  EXPECT_GE(second.value, there);
  EXPECT_GT(ptp::clock_moved(first, second, nominal_), time::seconds(1'000'000));
}

TEST_F(PhcInGuest, FollowsAnAdjustedFrequency) {
  for (const std::int64_t wanted : {500, -200}) {
    const ptp::ClockReading before = read_well();
    hand_->run_faster_by(wanted);
    const ptp::ClockReading first = read_well();
    std::this_thread::sleep_for(std::chrono::seconds(2));
    const ptp::ClockReading second = read_well();
    const std::int64_t passed = nominal_.span(second.middle().count - first.middle().count).ns;
    const std::int64_t moved = ptp::clock_moved(first, second, nominal_).ns;
    const std::int64_t ppm = moved * 1'000'000 / passed;
    std::cout << "adjusted by " << wanted << " ppm: thrown by " << ptp::clock_moved(before, first, nominal_).ns
              << " ns, apart from the counter by " << ppm << " ppm\n";
    EXPECT_GE(ppm, std::llabs(wanted) - 50);
    EXPECT_LE(ppm, std::llabs(wanted) + 50);
    EXPECT_EQ(second.value - first.value > passed, wanted > 0);
  }
}

TEST_F(PhcInGuest, IsASource) {
  const auto spec = ptp::parse_source("phc:/dev/ptp0?bound_us=50", time::milliseconds(10));
  ASSERT_TRUE(spec.has_value()) << spec.error();
  const auto source = ptp::make_source(*spec, {"/tmp", "guest", {200'000}}, 0);
  ASSERT_TRUE(source.has_value()) << source.error().text;
  EXPECT_NE((*source)->describe().find(kCard), std::string::npos) << (*source)->describe();
  hand_->set(system_now() + 37 * kSecond);  // as ptp4l would
  for (int i = 0; i < 10; ++i) {
    const std::int64_t low = hand_->read();
    const ptp::News news = (*source)->poll(nominal_);
    const std::int64_t high = hand_->read();
    ASSERT_TRUE(news.has_value());
    ASSERT_TRUE(news->has_value()) << news->error().text;
    const ptp::Claim& claim = **news;
    EXPECT_EQ(claim.scale, ptp::Scale::kTai);
    EXPECT_GE(claim.reading_ns, low);
    EXPECT_LE(claim.reading_ns, high);
    EXPECT_EQ(claim.terms.source, time::microseconds(50));
    EXPECT_GT(claim.terms.reading, time::nanoseconds(0));
    EXPECT_TRUE(claim.root.bare_clock);
    EXPECT_EQ(claim.root.clock, ptp::ClockKind::kPhc);
  }
}

TEST_F(PhcInGuest, RefusesWhatIsNoClock) {
  const auto none = ptp::PhcClock::open("/dev/null");
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().fault, ptp::SourceFault::kUnsupported);
  const auto absent = ptp::PhcClock::open("/dev/ptp77");
  ASSERT_FALSE(absent.has_value());
  EXPECT_EQ(absent.error().fault, ptp::SourceFault::kUnreadable);
}

// The hypervisor's own clock, which is the system clock of the host.
TEST_F(PhcInGuest, ReadsTheHostsClockAsItsDriverAllows) {
  const std::string path = clock_of_the_host();
  if (path.empty()) GTEST_SKIP() << "no ptp_kvm: the processor is emulated";
  const auto host = ptp::PhcClock::open(path);
  ASSERT_TRUE(host.has_value()) << host.error().text;
  std::cout << (*host)->describe() << '\n';
  EXPECT_NE((*host)->method(), ptp::PhcMethod::kExtended) << "ptp_kvm has no such call";
  const Hand direct(path);
  for (int i = 0; i < 20; ++i) {
    const time::Cycles before = platform::read_cycles();
    const std::int64_t low = direct.read();
    const auto reading = (*host)->read(nominal_);
    const std::int64_t high = direct.read();
    const time::Cycles after = platform::read_cycles();
    ASSERT_TRUE(reading.has_value()) << reading.error().text;
    EXPECT_GE(reading->value, low);
    EXPECT_LE(reading->value, high);
    EXPECT_GE(reading->middle(), before);
    EXPECT_LE(reading->middle(), after);
  }
}

}  // namespace
}  // namespace gnomon::test
