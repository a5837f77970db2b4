// SPDX-License-Identifier: Apache-2.0
//
// Clocks in network cards: what is no such clock is told apart by error and text; and what is made of a driver's
// answers. `ioctl` is answered by the test while a driver is put up, because hardly a machine that runs tests has such
// a card: this file defines it, and the program's own definition goes before libc's.
#include "ptp/phc.hpp"

#include <gtest/gtest.h>
#include <linux/ptp_clock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include "ptp/cycle_calibration.hpp"

namespace gnomon::ptp {
namespace {

std::int64_t system_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

ptp_clock_time clock_time(std::int64_t ns) {
  ptp_clock_time out{};
  out.sec = ns / 1'000'000'000;
  out.nsec = static_cast<std::uint32_t>(ns % 1'000'000'000);
  return out;
}

/// Behind whatever descriptor is asked: a card's clock that is the system clock plus 37 s. It answers what it is told
/// to.
struct Driver {
  static constexpr std::int64_t kAhead = 37'000'000'000;
  struct Sample {
    std::int64_t width_ns = 0;
    std::int64_t device_ns = 0;
  };

  int precise = EOPNOTSUPP;  // an errno; 0: it can
  int extended = EOPNOTSUPP;
  std::vector<Sample> samples;  // of the latest extended answer
  std::int64_t crossed_ns = 0;  // the device's time in the latest precise answer

  int answer(unsigned long request, void* argument) {
    if (request == PTP_CLOCK_GETCAPS) return 0;
    if (request == PTP_SYS_OFFSET_PRECISE) return precise != 0 ? precise : cross(argument);
    if (request == PTP_SYS_OFFSET_EXTENDED) return extended != 0 ? extended : sample(argument);
    return ENOTTY;
  }

 private:
  int cross(void* argument) {
    ptp_sys_offset_precise answer{};
    const std::int64_t now = system_ns();
    crossed_ns = now + kAhead;
    answer.device = clock_time(crossed_ns);
    answer.sys_realtime = clock_time(now);
    *static_cast<ptp_sys_offset_precise*>(argument) = answer;
    return 0;
  }
  // The first are cold; the last but one is the narrowest, unless the thread is held up just there.
  int sample(void* argument) {
    auto& answer = *static_cast<ptp_sys_offset_extended*>(argument);
    samples.clear();
    for (unsigned i = 0; i < answer.n_samples; ++i) {
      const std::int64_t before = system_ns();
      const std::int64_t cold = i + 2 == answer.n_samples ? 0 : 40'000 - 5'000 * static_cast<std::int64_t>(i);
      while (system_ns() < before + cold) {
      }
      const std::int64_t device = system_ns() + kAhead;
      const std::int64_t after = system_ns();
      answer.ts[i][0] = clock_time(before);
      answer.ts[i][1] = clock_time(device);
      answer.ts[i][2] = clock_time(after);
      samples.push_back({after - before, device});
    }
    return 0;
  }
};
Driver* present = nullptr;

}  // namespace
}  // namespace gnomon::ptp

extern "C" int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list arguments;
  va_start(arguments, request);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  if (gnomon::ptp::present == nullptr) return static_cast<int>(syscall(SYS_ioctl, fd, request, argument));
  const int code = gnomon::ptp::present->answer(request, argument);
  errno = code;
  return code == 0 ? 0 : -1;
}

namespace gnomon::ptp {
namespace {

class NoPhc : public testing::Test {
 protected:
  NoPhc() {
    const char* const base = std::getenv("TMPDIR");
    std::string name = std::string(base == nullptr ? "/tmp" : base) + "/gnomon-phc-XXXXXX";
    if (mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::generic_category());
    folder_ = name;
  }
  ~NoPhc() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  static void expect_refused(const std::string& path, SourceFault fault, const std::string& part) {
    const auto clock = PhcClock::open(path);
    ASSERT_FALSE(clock) << path;
    EXPECT_EQ(clock.error().fault, fault) << path << ": " << clock.error().text;
    EXPECT_NE(clock.error().text.find(path), std::string::npos) << clock.error().text;
    EXPECT_NE(clock.error().text.find(part), std::string::npos) << clock.error().text;
  }

  std::filesystem::path folder_;
};

TEST_F(NoPhc, NoSuchFile) {
  expect_refused(folder_ / "ptp0", SourceFault::kUnreadable, "No such file");
  expect_refused("", SourceFault::kUnreadable, "open PTP clock");
}

TEST_F(NoPhc, ADeviceOfAnotherKind) { expect_refused("/dev/null", SourceFault::kUnsupported, "ethtool -T"); }

TEST_F(NoPhc, AFile) {
  std::ofstream(folder_ / "file") << "1790000000\n";
  expect_refused(folder_ / "file", SourceFault::kUnsupported, "is no PTP clock");
}

TEST_F(NoPhc, AFolder) { expect_refused(folder_, SourceFault::kUnsupported, "is no PTP clock"); }

TEST_F(NoPhc, APipeThatNobodyWritesToDoesNotHoldItUp) {
  const std::string pipe = folder_ / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  expect_refused(pipe, SourceFault::kUnsupported, "is no PTP clock");
}

class PhcWithDriver : public testing::Test {
 protected:
  void SetUp() override {
    const auto calibration = calibrate_cycles();
    if (!calibration) GTEST_SKIP() << calibration.error().text;
    nominal = calibration->rate;
    present = &driver;
  }
  void TearDown() override { present = nullptr; }

  /// What the clock shows when the system clock shows that must lie where the counter was then.
  void expect_in_place(const ClockReading& reading, const ClockReading& before, const ClockReading& after) const {
    const std::int64_t system = reading.value - Driver::kAhead;
    ASSERT_GE(system, before.value);
    ASSERT_LE(system, after.value);
    const double cycles_per_ns = static_cast<double>(after.middle().count - before.middle().count) /
                                 static_cast<double>(after.value - before.value);
    const double at = static_cast<double>(system - before.value) * cycles_per_ns;
    const auto from_before = [&](time::Cycles c) {
      return static_cast<double>(static_cast<std::int64_t>(c.count - before.middle().count));
    };
    const auto blur = static_cast<double>(before.width_cycles() + after.width_cycles());
    EXPECT_LE(from_before(reading.before), at + blur);
    EXPECT_GE(from_before(reading.after), at - blur);
  }

  Driver driver;
  time::CycleRate nominal;
};

TEST_F(PhcWithDriver, PrefersCrossTimestampsOfTheHardware) {
  driver.precise = driver.extended = 0;
  const auto clock = PhcClock::open("/dev/null");
  ASSERT_TRUE(clock) << clock.error().text;
  EXPECT_EQ((*clock)->method(), PhcMethod::kPrecise);
  EXPECT_EQ((*clock)->kind(), ClockKind::kPhc);
  EXPECT_NE((*clock)->describe().find("precise"), std::string::npos);
  const auto before = SystemClock().read(nominal);
  const auto reading = (*clock)->read(nominal);
  const auto after = SystemClock().read(nominal);
  ASSERT_TRUE(before && reading && after);
  EXPECT_EQ(reading->value, driver.crossed_ns);
  expect_in_place(*reading, *before, *after);
}

TEST_F(PhcWithDriver, ElseTakesTheNarrowestOfSeveralSamples) {
  driver.extended = 0;
  const auto clock = PhcClock::open("/dev/null");
  ASSERT_TRUE(clock) << clock.error().text;
  EXPECT_EQ((*clock)->method(), PhcMethod::kExtended);
  for (int round = 0; round < 20; ++round) {
    const auto before = SystemClock().read(nominal);
    const auto reading = (*clock)->read(nominal);
    const auto after = SystemClock().read(nominal);
    ASSERT_TRUE(before && reading && after);
    ASSERT_GE(driver.samples.size(), 5U);
    Driver::Sample narrowest = driver.samples[0];
    for (const Driver::Sample& sample : driver.samples)
      if (sample.width_ns < narrowest.width_ns) narrowest = sample;
    EXPECT_EQ(reading->value, narrowest.device_ns);
    EXPECT_GE(nominal.span(reading->width_cycles()).ns, narrowest.width_ns) << "the width is not forgotten";
    expect_in_place(*reading, *before, *after);
  }
}

// EOPNOTSUPP is what drivers say who lack a feature; EIO is a card that is being reset, and may be right again soon.
TEST_F(PhcWithDriver, AFaultOfTheMomentDoesNotCostTheBetterMethod) {
  driver.precise = EIO;
  driver.extended = 0;
  const auto clock = PhcClock::open("/dev/null");
  ASSERT_TRUE(clock) << clock.error().text;
  EXPECT_EQ((*clock)->method(), PhcMethod::kPrecise);
  const auto failed = (*clock)->read(nominal);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().fault, SourceFault::kUnreadable);
  EXPECT_NE(failed.error().text.find("/dev/null"), std::string::npos) << failed.error().text;
  driver.precise = 0;
  EXPECT_TRUE((*clock)->read(nominal));
}

TEST_F(PhcWithDriver, AClockThatCanNotBeReadInAnyWayIsRefused) {
  const auto clock = PhcClock::open("/dev/null");
  ASSERT_FALSE(clock);
  EXPECT_EQ(clock.error().fault, SourceFault::kUnsupported);
  EXPECT_NE(clock.error().text.find("read /dev/null"), std::string::npos) << clock.error().text;
}

TEST(Phc, OfThisMachine) {
  std::string path;
  std::error_code ignored;
  for (const auto& file : std::filesystem::directory_iterator("/dev", ignored))
    if (file.path().filename().string().starts_with("ptp")) path = file.path();
  if (path.empty()) GTEST_SKIP() << "this machine has no /dev/ptp*";
  const auto clock = PhcClock::open(path);
  if (!clock && geteuid() != 0) GTEST_SKIP() << clock.error().text;
  ASSERT_TRUE(clock) << clock.error().text;
  const auto calibration = calibrate_cycles();
  ASSERT_TRUE(calibration) << calibration.error().text;
  const auto first = (*clock)->read(calibration->rate);
  const auto second = (*clock)->read(calibration->rate);
  ASSERT_TRUE(first && second);
  EXPECT_GT(second->value, first->value) << (*clock)->describe();
  EXPECT_GT(second->middle(), first->middle());
}

}  // namespace
}  // namespace gnomon::ptp
