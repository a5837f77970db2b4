// SPDX-License-Identifier: Apache-2.0
//
// The virtual clock that the tests of time sources take for the truth: its arithmetic alone, its file under several
// writers and their death, and what a program that is preloaded with it sees.
#include "tests/ptp/bed/virtual_clock.hpp"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <thread>

#include "tests/support/child_process.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::bed {
namespace {

using time::Duration;
using time::milliseconds;
using time::seconds;

const HostTime kStart{1'767'225'600'000'000'000};
constexpr std::int64_t kHourS = 3600;

ClockState clock_with(std::int64_t drift_ppb) {
  ClockState state;
  state.drift_ppb = drift_ppb;
  state.max_error_since = kStart;
  state.line = Line(kStart, {kStart.ns}, rate_of(drift_ppb, kNominalTickUs, 0));
  return state;
}

timex request_of(unsigned modes) {
  timex request{};
  request.modes = modes;
  return request;
}

// --- the line

TEST(Line, IsExactOverHours) {
  for (const std::int64_t ppb : {200'000, -200'000, 1, -1, 0, 99'999'999}) {
    const ClockState state = clock_with(ppb);
    for (const std::int64_t hours : {1, 10, 100, -10}) {
      const std::int64_t elapsed_s = hours * kHourS;
      const std::int64_t off = (state.line.at(kStart + seconds(elapsed_s)) - VirtualTime{kStart.ns}).ns -
                               elapsed_s * kBillion;  // a second of 1 ppb is 1 ns
      EXPECT_LE(std::abs(off - elapsed_s * ppb), 1) << ppb << " ppb, " << hours << " h";
    }
  }
}

// A servo that writes eight times a second for ten hours: the fractions must not be lost, or it is off by 0.1 ms.
TEST(Line, ManyChangesLoseNothing) {
  ClockState state = clock_with(0);
  const ClockState untouched = clock_with(0);
  HostTime now = kStart;
  timex request{};
  for (int i = 0; i < 288'000; ++i) {
    now = now + Duration{125'000'001};
    request = request_of(ADJ_FREQUENCY);
    request.freq = i % 2 == 0 ? 1 : -1;  // 15 ppt; for every two, nothing remains
    ASSERT_GE(adjust(state, request, now), 0);
  }
  EXPECT_LE(std::abs((state.line.at(now) - untouched.line.at(now)).ns), 1);
}

TEST(Line, DoesNotJumpWhereItsRateChanges) {
  ClockState state = clock_with(0);
  const HostTime when = kStart + seconds(77);
  const VirtualTime before = state.line.at(when);
  state.drift_ppb = 200'000;
  renew_rate(state, when);
  EXPECT_EQ(state.line.at(when), before);
  EXPECT_LE(std::abs((state.line.at(when + seconds(1)) - before).ns - 1'000'200'000), 1);
}

TEST(Line, StillKnowsWhatItShowedBeforeAStep) {
  ClockState state = clock_with(0);
  const HostTime when = kStart + seconds(1);
  step(state, when, milliseconds(5));
  EXPECT_EQ(state.line.at(when).ns, when.ns + 5'000'000);
  EXPECT_EQ(state.line.at(when - Duration{1}).ns, when.ns - 1) << "a packet that came just before the step";
  for (int i = 1; i < static_cast<int>(kHistory) - 1; ++i)
    step(state, when + Duration{i}, milliseconds(-5));
  EXPECT_EQ(state.line.at(when - Duration{1}).ns, when.ns - 1);
}

TEST(Line, TakesChangesInTheirOwnOrder) {
  ClockState state = clock_with(0);
  step(state, kStart + seconds(2), milliseconds(1));
  step(state, kStart + seconds(1), milliseconds(1));  // its writer read the clock and then had to wait
  EXPECT_EQ(state.line.since(), kStart + seconds(2));
  EXPECT_EQ(state.line.at(kStart + seconds(2)).ns, (kStart + seconds(2) + milliseconds(2)).ns);
}

TEST(Line, EndsInsteadOfWrapping) {
  const ClockState state = clock_with(200'000);
  EXPECT_EQ(state.line.at(HostTime::max()), VirtualTime::max());
  EXPECT_LT(state.line.at(HostTime::min()).ns, 0);
}

// --- what a servo may ask for

TEST(Adjtimex, FrequencyAndTickAddUpOnAFastOscillator) {
  ClockState state = clock_with(200'000);
  timex request = request_of(ADJ_FREQUENCY | ADJ_TICK);
  request.freq = -100 * 65'536;
  request.tick = 10'001;  // +100 ppm
  EXPECT_EQ(adjust(state, request, kStart), TIME_ERROR) << "not synchronised yet";
  EXPECT_EQ(state.line.rate(), rate_of(200'000, kNominalTickUs, 0)) << "+100 ppm and -100 ppm are nothing";
  EXPECT_EQ(state.rate_changes, 1U);
  request = request_of(ADJ_FREQUENCY);
  request.freq = 1'000'000L * 65'536;
  EXPECT_GE(adjust(state, request, kStart), 0);
  EXPECT_EQ(request.freq, kMaxFrequency) << "cut off without a word";
}

TEST(Adjtimex, AServoCancelsTheDrift) {
  ClockState state = clock_with(-200'000);
  timex request = request_of(ADJ_FREQUENCY);
  request.freq = 200 * 65'536;
  ASSERT_GE(adjust(state, request, kStart), 0);
  // (1 + 200 ppm)(1 - 200 ppm) = 1 - 40 ppb
  EXPECT_LE(std::abs((state.line.at(kStart + seconds(1000)) - VirtualTime{kStart.ns}).ns - 999'999'960'000), 1);
}

TEST(Adjtimex, AStepMakesTheClockUnsynchronised) {
  ClockState state = clock_with(0);
  timex request = request_of(ADJ_STATUS | ADJ_MAXERROR);
  request.maxerror = 100;
  EXPECT_EQ(adjust(state, request, kStart), TIME_OK);
  request = request_of(ADJ_SETOFFSET | ADJ_NANO);
  request.time = {-1, 999'999'999};
  EXPECT_EQ(adjust(state, request, kStart), TIME_ERROR);
  EXPECT_EQ(state.line.at(kStart).ns, kStart.ns - 1);
  EXPECT_EQ(request.maxerror, kUnknownErrorUs);
  EXPECT_EQ(state.steps, 1U);
  request = request_of(ADJ_MAXERROR);
  request.maxerror = 100;
  EXPECT_EQ(adjust(state, request, kStart), TIME_ERROR) << "a bound alone does not make it good again";
  EXPECT_EQ(request.maxerror, 100);
}

TEST(Adjtimex, TheErrorGrowsUntilItIsUnknown) {
  ClockState state = clock_with(0);
  timex request = request_of(ADJ_STATUS | ADJ_MAXERROR);
  request.maxerror = 100;
  ASSERT_EQ(adjust(state, request, kStart), TIME_OK);
  request = {};
  EXPECT_EQ(adjust(state, request, kStart + seconds(10)), TIME_OK);
  EXPECT_EQ(request.maxerror, 5100) << "500 ppm";
  request = {};
  EXPECT_EQ(adjust(state, request, kStart + seconds(40'000)), TIME_ERROR);
  EXPECT_EQ(request.maxerror, kUnknownErrorUs);
  EXPECT_NE(request.status & STA_UNSYNC, 0);
}

TEST(Adjtimex, WhatIsNotModelledIsRefusedAndChangesNothing) {
  ClockState state = clock_with(0);
  timex request = request_of(ADJ_TICK | ADJ_FREQUENCY);
  request.tick = 8999;
  request.freq = 5;
  EXPECT_EQ(adjust(state, request, kStart), -EINVAL);
  EXPECT_EQ(state.frequency, 0);
  request = request_of(ADJ_SETOFFSET | ADJ_NANO);
  request.time = {0, -1};
  EXPECT_EQ(adjust(state, request, kStart), -EINVAL);
  request.time = {0x7fff'ffff'ffff'ffff, 0};
  EXPECT_EQ(adjust(state, request, kStart), -EINVAL);
  request = request_of(ADJ_OFFSET | ADJ_STATUS);
  request.status = STA_PLL;
  request.offset = 10;
  EXPECT_EQ(adjust(state, request, kStart), -EOPNOTSUPP);
  EXPECT_EQ(state.status, STA_UNSYNC);
  EXPECT_EQ(state.steps, 0U);
}

TEST(Adjtimex, AFrozenClockIsSteppedButNotSpedUp) {
  ClockState state = clock_with(0);
  state.frozen = true;
  renew_rate(state, kStart);
  timex request = request_of(ADJ_FREQUENCY);
  request.freq = kMaxFrequency;
  ASSERT_GE(adjust(state, request, kStart), 0);
  step(state, kStart + seconds(1), seconds(-3));
  EXPECT_EQ(state.line.at(kStart + seconds(1000)).ns, (kStart - seconds(3)).ns);
}

// --- the file

class ClockFile : public testing::Test {
 protected:
  support::Output child(const std::string& what) {
    return support::run_program({support::built("tests/ptp/bed/virtual_clock_child"), what}, clock_.environment());
  }
  // "name value" lines.
  std::map<std::string, std::int64_t> told_by_child(const std::string& what) {
    const support::Output output = child(what);
    EXPECT_EQ(output.exit.code, 0) << output.text;
    std::map<std::string, std::int64_t> told;
    std::istringstream in(output.text);
    std::int64_t value = 0;
    for (std::string name; in >> name >> value;)
      told[name] = value;
    return told;
  }
  void expect_between(std::int64_t value, VirtualTime before, VirtualTime after, const std::string& what,
                      Duration coarse = {}) {
    EXPECT_GE(value, (before - coarse).ns) << what;
    EXPECT_LE(value, after.ns) << what;
  }

  support::ScratchFolder folder_;
  VirtualClock clock_{folder_.path() / "clock", {.ahead = seconds(7 * kHourS), .drift_ppb = 200'000}};
};

TEST_F(ClockFile, RunsBesideTheHost) {
  const HostTime now = host_now();
  const Duration ahead = clock_.at(now) - VirtualTime{now.ns};
  EXPECT_GE(ahead, seconds(7 * kHourS));
  EXPECT_LT(ahead, seconds(7 * kHourS + 1));
  clock_.freeze();
  EXPECT_EQ(clock_.now(), clock_.at(host_now() + seconds(100)));
  const VirtualTime frozen = clock_.now();
  clock_.step(seconds(-1));
  EXPECT_EQ(clock_.now(), frozen - seconds(1));
  clock_.thaw();
  clock_.set_drift_ppb(0);
  EXPECT_EQ(clock_.state().line.rate(), Rate{});
  EXPECT_THROW(clock_.set_drift_ppb(kMaxDriftPpb + 1), std::invalid_argument);
  EXPECT_THROW(VirtualClock(clock_.file(), {}), std::system_error) << "it is another one's";
}

// Readers never see half a change: the line and its drift are always of one write.
TEST_F(ClockFile, IsConsistentUnderSeveralWriters) {
  std::atomic<bool> done{false};
  std::vector<std::thread> writers;
  for (const std::int64_t ppb : {100'000, -100'000})
    writers.emplace_back([this, ppb, &done] {
      while (!done)
        clock_.set_drift_ppb(ppb);
    });
  for (int i = 0; i < 20'000; ++i) {
    const ClockState state = clock_.state();
    EXPECT_EQ(state.line.rate(), rate_of(state.drift_ppb, kNominalTickUs, 0));
    if (HasFailure()) break;
  }
  done = true;
  for (std::thread& writer : writers)
    writer.join();
}

// Killed at any place, also with the lock in hand, a writer leaves a clock that reads and can be set.
TEST_F(ClockFile, SurvivesAWriterThatIsKilled) {
  for (int i = 0; i < 30; ++i) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);  // a test that is killed leaves nobody behind
      while (true)
        clock_.step(Duration{1});
    }
    const std::uint64_t before = clock_.state().steps;
    while (clock_.state().steps < before + 50)
      support::nap(1);
    kill(child, SIGKILL);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    ASSERT_NO_THROW(clock_.step(Duration{1}));
  }
}

// --- the library

TEST_F(ClockFile, EveryWayToReadTheTimeShowsIt) {
  const VirtualTime before = clock_.now();
  auto told = told_by_child("read");
  const VirtualTime after = clock_.now();
  for (const char* way : {"clock_gettime", "coarse", "tai", "timespec_get", "chrono"})
    expect_between(told[way], before, after, way);
  for (const char* way : {"gettimeofday", "adjtimex"})
    expect_between(told[way], before, after, way, Duration{1000});
  expect_between(told["time"], before, after, "time", seconds(1));
  EXPECT_EQ(told["state"], TIME_ERROR);
  timespec monotonic{};
  clock_gettime(CLOCK_MONOTONIC, &monotonic);
  EXPECT_LT(monotonic.tv_sec * kBillion + monotonic.tv_nsec - told["monotonic"], 60 * kBillion) << "not ours to change";
}

TEST_F(ClockFile, EveryTimestampOfAPacketIsTranslated) {
  const VirtualTime before = clock_.now();
  auto told = told_by_child("stamps");
  const VirtualTime after = clock_.now();
  ASSERT_EQ(told.size(), 6U);
  for (const auto& [way, value] : told)
    expect_between(value, before, after, way, Duration{1000});
  EXPECT_GE(clock_.translated(), 6U);
}

TEST_F(ClockFile, WhatAServoWritesIsKept) {
  clock_.set_drift_ppb(0);
  auto told = told_by_child("set");
  for (const char* call : {"clock_settime", "settimeofday"})
    EXPECT_EQ(told[call], 0) << call;
  for (const char* call : {"setoffset"})
    EXPECT_EQ(told[call], TIME_ERROR) << call;
  for (const char* call : {"adjtimex", "ntp_adjtime", "state"})
    EXPECT_EQ(told[call], TIME_OK) << call;
  EXPECT_GE(told["after_settime"], 5'000'000'000 * kBillion + 1);
  EXPECT_LT(told["after_settime"], 5'000'000'010 * kBillion);
  EXPECT_GE(told["after_settimeofday"], 6'000'000'000 * kBillion + 2000);
  EXPECT_EQ(told["freq"], 100 * 65'536);
  EXPECT_EQ(told["tick"], 10'001);
  EXPECT_EQ(told["status"], STA_NANO);
  EXPECT_EQ(told["maxerror"], 1234);
  EXPECT_EQ(told["esterror"], 56);
  EXPECT_EQ(told["tai"], 37);
  const ClockState state = clock_.state();
  EXPECT_EQ(state.steps, 3U);
  EXPECT_EQ(state.line.rate(), rate_of(0, 10'001, 100 * 65'536));
  EXPECT_GT(clock_.now().ns, 5'999'999'999 * kBillion) << "another process sees the same clock";
}

TEST_F(ClockFile, WhatAServoMayNotDoIsRefused) {
  auto told = told_by_child("refused");
  EXPECT_EQ(told["singleshot"], EOPNOTSUPP);
  EXPECT_EQ(told["adjtime"], EOPNOTSUPP);
  EXPECT_EQ(told["tick"], EINVAL);
  EXPECT_EQ(told["settime"], EINVAL);
  EXPECT_EQ(clock_.state().steps, 0U);
}

TEST_F(ClockFile, AnUnmodifiedProgramSeesIt) {
  const VirtualTime before = clock_.now();
  const support::Output output = support::run_program({support::find_program("date"), "+%s%N"}, clock_.environment());
  expect_between(std::strtoll(output.text.c_str(), nullptr, 10), before, clock_.now(), output.text);
}

// A program that fell back to the host's clock would set that one.
TEST_F(ClockFile, WithoutAUsableFileNothingRuns) {
  const std::string date = support::find_program("date");
  std::ofstream(folder_.path() / "short") << "no clock";
  std::ofstream(folder_.path() / "foreign") << std::string(65'536, 'x');
  for (const char* file : {"missing", "short", "foreign"}) {
    auto environment = clock_.environment();
    environment[kFileVariable] = (folder_.path() / file).string();
    const support::Output output = support::run_program({date}, environment);
    EXPECT_EQ(output.exit.code, 125) << file;
    EXPECT_EQ(output.text.find("libgnomon_vclock: the file that VIRTUAL_CLOCK_FILE names"), 0U) << output.text;
  }
}

}  // namespace
}  // namespace gnomon::bed
