// SPDX-License-Identifier: Apache-2.0
//
// What the kernel says of the system clock, and what is believed of it. `adjtimex` is answered by the test: this file
// defines it, and the program's own definition goes before libc's. So the C struct is taken apart by the production
// code, in states that a machine shows once in years.
#include <gtest/gtest.h>
#include <sys/timex.h>

#include <cerrno>
#include <deque>
#include <string>

#include "ptp/claim_to_tai.hpp"
#include "ptp/kernel_source.hpp"

namespace gnomon::ptp {
namespace {

/// What adjtimex answers to the next calls; the last answer stays.
struct KernelAnswer {
  int result = TIME_OK;  // -1: it fails with EPERM
  timex state{};
};
std::deque<KernelAnswer>& answers() {
  static std::deque<KernelAnswer> kept{KernelAnswer{}};
  return kept;
}

}  // namespace
}  // namespace gnomon::ptp

extern "C" int adjtimex(timex* __ntx) noexcept {  // NOLINT(readability-identifier-naming): as in its header
  auto& answers = gnomon::ptp::answers();
  const gnomon::ptp::KernelAnswer answer = answers.front();
  if (answers.size() > 1) answers.pop_front();
  if (answer.result < 0) {
    errno = EPERM;
    return -1;
  }
  *__ntx = answer.state;
  return answer.result;
}

namespace gnomon::ptp {
namespace {

const time::CycleRate kNominal = time::CycleRate::from_hz(1'000'000'000);

/// A kernel that ntpd disciplines.
KernelAnswer synchronised() {
  KernelAnswer out;
  out.state.status = STA_PLL | STA_NANO;
  out.state.maxerror = 2'500;
  out.state.esterror = 30;
  out.state.offset = 0;
  out.state.tai = 37;
  return out;
}

class KernelClaim : public testing::Test {
 protected:
  /// One turn of the source, asked twice by the way.
  static ClaimOr claim(const KernelAnswer& before, const KernelAnswer& after, Scale scale = Scale::kUtc) {
    answers() = {before, after};
    KernelSource source(scale);
    const News news = source.poll(kNominal);
    EXPECT_TRUE(news) << "it has something to say in each turn";
    return news.value_or(tl::make_unexpected(SourceError{}));
  }
  static ClaimOr claim(const KernelAnswer& always, Scale scale = Scale::kUtc) { return claim(always, always, scale); }
  static void expect_refused(const ClaimOr& said, SourceFault fault, const std::string& part) {
    ASSERT_FALSE(said);
    EXPECT_EQ(said.error().fault, fault) << said.error().text;
    EXPECT_NE(said.error().text.find(part), std::string::npos) << said.error().text;
  }
};

TEST_F(KernelClaim, IsTheSystemClockWithTheLargestErrorThatTheKernelAdmits) {
  const auto said = claim(synchronised());
  ASSERT_TRUE(said);
  EXPECT_EQ(said->terms.source, time::microseconds(2'500)) << "maxerror, never esterror";
  EXPECT_EQ(said->scale, Scale::kUtc);
  EXPECT_EQ(said->root.clock, ClockKind::kSystem);
  EXPECT_TRUE(said->root.bare_clock) << "it is as good as whoever sets the clock";
  EXPECT_FALSE(said->leap_announced);
  EXPECT_GT(said->terms.reading, time::Duration{}) << "reading a clock takes time";
}

TEST_F(KernelClaim, IsRefusedWhileTheKernelCallsTheClockUnsynchronised) {
  KernelAnswer flagged = synchronised();
  flagged.state.status |= STA_UNSYNC;
  expect_refused(claim(flagged), SourceFault::kNotSynchronised, "unsynchronised");
  KernelAnswer returned = synchronised();
  returned.result = TIME_ERROR;
  expect_refused(claim(returned), SourceFault::kNotSynchronised, "unsynchronised");
  // What a machine says that nobody has synchronised since it started.
  KernelAnswer never;
  never.result = TIME_ERROR;
  never.state.status = STA_UNSYNC;
  never.state.maxerror = never.state.esterror = 16'000'000;
  expect_refused(claim(never), SourceFault::kNotSynchronised, "chronyd");
}

TEST_F(KernelClaim, IsRefusedIfEitherOfTheTwoWordsSaysSo) {
  KernelAnswer lost = synchronised();
  lost.state.status |= STA_UNSYNC;
  expect_refused(claim(synchronised(), lost), SourceFault::kNotSynchronised, "unsynchronised");
  expect_refused(claim(lost, synchronised()), SourceFault::kNotSynchronised, "unsynchronised");
}

TEST_F(KernelClaim, TakesTheWorseOfTheTwoWords) {
  KernelAnswer worse = synchronised();
  worse.state.maxerror = 9'000;
  worse.state.offset = -700'000;
  for (const auto& said : {claim(synchronised(), worse), claim(worse, synchronised())}) {
    ASSERT_TRUE(said);
    EXPECT_EQ(said->terms.source, time::microseconds(9'000));
    EXPECT_GE(said->terms.offset, time::microseconds(700));
  }
}

TEST_F(KernelClaim, CountsWhatIsStillToBeSlewedAwayInTheUnitThatTheKernelNames) {
  KernelAnswer slewing = synchronised();
  slewing.state.offset = -3'000'000;
  const auto fine = claim(slewing);
  ASSERT_TRUE(fine);
  EXPECT_GE(fine->terms.offset, time::milliseconds(3)) << "STA_NANO: nanoseconds";
  EXPECT_LT(fine->terms.offset, time::seconds(1));
  slewing.state.status &= ~STA_NANO;
  const auto coarse = claim(slewing);
  ASSERT_TRUE(coarse);
  EXPECT_GE(coarse->terms.offset, time::seconds(3)) << "without it they are microseconds";
}

// ptp4l and phc2sys set maxerror to 0 to keep the kernel's 16 s away; a bound it is not.
TEST_F(KernelClaim, IsRefusedIfMaxerrorIsLessThanTheEstimate) {
  KernelAnswer ptp4l = synchronised();
  ptp4l.state.maxerror = 0;
  ptp4l.state.esterror = 1;
  expect_refused(claim(ptp4l), SourceFault::kPolicy, "ptp4l");
  KernelAnswer equal = synchronised();
  equal.state.esterror = equal.state.maxerror;
  EXPECT_TRUE(claim(equal));
}

// systemd-timesyncd writes 0 into both while it slews by some hundred milliseconds, and the kernel lets maxerror grow.
TEST_F(KernelClaim, IsRefusedIfTheEstimateIsZero) {
  for (const std::int64_t max_error : {0, 500, 90'000}) {
    KernelAnswer timesyncd = synchronised();
    timesyncd.state.maxerror = max_error;
    timesyncd.state.esterror = 0;
    expect_refused(claim(timesyncd), SourceFault::kPolicy, "systemd-timesyncd");
  }
  KernelAnswer least = synchronised();
  least.state.esterror = 1;
  EXPECT_TRUE(claim(least)) << "a microsecond is an estimate";
}

TEST_F(KernelClaim, AnnouncesALeapSecondUntilItIsOver) {
  for (const int state : {TIME_INS, TIME_DEL, TIME_OOP, TIME_WAIT}) {
    KernelAnswer leaping = synchronised();
    leaping.result = state;
    const auto said = claim(leaping);
    ASSERT_TRUE(said) << state;
    EXPECT_TRUE(said->leap_announced) << state;
  }
  EXPECT_FALSE(claim(synchronised())->leap_announced);
}

// The kernel's own TAI - UTC is 0 until somebody sets it, and then CLOCK_TAI is UTC: 37 s off.
TEST_F(KernelClaim, LeavesTheWayToTaiToTheLeapTable) {
  const time::LeapTable known = time::builtin_leap_table();
  time::LeapTable leaps(time::LeapTable::kLastUtc);  // the same, and never expired
  for (const time::LeapEntry& entry : known.entries())
    ASSERT_TRUE(leaps.append(entry));
  for (const int tai : {0, 10, 37, -37}) {
    KernelAnswer told = synchronised();
    told.state.tai = tai;
    const auto said = claim(told);
    ASSERT_TRUE(said) << tai;
    const auto converted = claim_to_tai(*said, leaps, false);
    ASSERT_TRUE(converted) << converted.error().text;
    EXPECT_EQ(converted->interval.midpoint().ns - said->reading_ns, 37'000'000'000) << tai;
  }
}

TEST_F(KernelClaim, IsOnTheScaleThatTheOperatorNames) {
  for (const Scale scale : {Scale::kUtc, Scale::kSmearedUtc, Scale::kUnknownUtc})
    EXPECT_EQ(claim(synchronised(), scale)->scale, scale);
}

// A machine that was restored from a snapshot: maxerror is what it was before, and grows as if nothing had happened.
TEST_F(KernelClaim, IsRefusedAfterDistrustUntilMaxerrorGoesDown) {
  const auto turn = [](KernelSource& source, long max_error) {
    KernelAnswer says = synchronised();
    says.state.maxerror = max_error;
    answers() = {says};
    return source.poll(kNominal).value_or(tl::make_unexpected(SourceError{}));
  };
  KernelSource source(Scale::kUtc);
  EXPECT_TRUE(turn(source, 2'500));
  EXPECT_TRUE(turn(source, 2'000));
  EXPECT_TRUE(turn(source, 3'000)) << "it grows, as ever";
  source.distrust();
  for (const long max_error : {3'000, 3'000, 3'500, 4'000})
    expect_refused(turn(source, max_error), SourceFault::kSettling, "since");
  EXPECT_TRUE(turn(source, 2'500)) << "somebody set the clock anew";
  EXPECT_TRUE(turn(source, 3'000));
  source.distrust();
  expect_refused(turn(source, 2'000), SourceFault::kSettling, "since");  // set between the last turn and the warning?
  EXPECT_TRUE(turn(source, 1'500));
}

TEST_F(KernelClaim, SaysThatTheKernelDoesNotAnswer) {
  KernelAnswer denied;
  denied.result = -1;
  expect_refused(claim(denied, synchronised()), SourceFault::kUnreadable, "adjtimex");
  expect_refused(claim(synchronised(), denied), SourceFault::kUnreadable, "adjtimex");
}

// A step between the two readings of the clock, seen as movement that the counter denies, is part of the bound.
TEST(ClockMoved, IsWhatTheClockWentFurtherThanTheCounter) {
  const auto at = [](std::uint64_t count, std::int64_t value) {
    return ClockReading{{count - 10}, {count + 10}, value};
  };
  EXPECT_EQ(clock_moved(at(1'000, 5'000), at(2'000, 6'000), kNominal), time::Duration{});
  EXPECT_EQ(clock_moved(at(1'000, 5'000), at(2'000, 6'250), kNominal), time::nanoseconds(250));
  EXPECT_EQ(clock_moved(at(1'000, 5'000), at(2'000, 4'000), kNominal), time::nanoseconds(2'000)) << "it went back";
  EXPECT_EQ(clock_moved(at(2'000, 5'000), at(1'000, 9'000), kNominal), time::Duration{}) << "no order, no movement";
}

}  // namespace
}  // namespace gnomon::ptp
