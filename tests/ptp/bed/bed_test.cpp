// SPDX-License-Identifier: Apache-2.0
//
// What the test bed of time sources is worth: real ptp4l and chronyd processes on virtual clocks find the truth as far
// as anybody can, are misled by as much as theory says where they must be, and never touch the machine's clock.
//
// The bounds are far wider than what an idle machine shows (a microsecond), because the machine may be busy.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/timex.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/ptp/bed/rack.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

using support::nap;
using time::Duration;
using time::microseconds;
using time::milliseconds;
using time::seconds;

constexpr int kSettleMs = 4000;
constexpr int kAttempts = 15;

// The client's error over a second: the median, because one moment may be that of a packet which the machine had
// delayed; and how far it moved meanwhile.
struct TypicalError {
  Duration median;
  Duration spread;
};

TypicalError typical_error(const Rack& rack) {
  std::vector<Duration> errors;
  for (int i = 0; i < 101; ++i) {
    errors.push_back(rack.client_error(host_now()));
    nap(10);
  }
  std::sort(errors.begin(), errors.end());
  std::fputs(fmt::format("    client - truth: {} / {} / {} ns (least, median, most)\n", errors.front().ns,
                         errors[errors.size() / 2].ns, errors.back().ns)
                 .c_str(),
             stdout);
  return {errors[errors.size() / 2], errors.back() - errors.front()};
}

class Bed : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    if (!Rack::available(&why)) GTEST_SKIP() << why;
    adjtimex(&before_);
  }
  void TearDown() override {
    if (IsSkipped()) return;
    timex after{};
    adjtimex(&after);
    // Where somebody disciplines the machine's clock, that is his doing; nobody of ours has CAP_SYS_TIME.
    if ((before_.status & STA_UNSYNC) == 0) return;
    EXPECT_EQ(after.freq, before_.freq) << "the machine's own clock is not ours to touch";
    EXPECT_EQ(after.tick, before_.tick);
  }

  static void expect_within(Duration value, Duration least, Duration most, const Rack& rack) {
    EXPECT_GE(value.ns, least.ns) << rack.logs();
    EXPECT_LE(value.ns, most.ns) << rack.logs();
  }

  // A servo that had to slew far, or met a packet that the machine had held up, takes its time.
  // One that only swings through the right value hasn't settled.
  static testing::AssertionResult settles(const Rack& rack, Duration least, Duration most) {
    TypicalError error;
    for (int i = 0; i < kAttempts; ++i) {
      error = typical_error(rack);
      if (error.median >= least && error.median <= most && error.spread < microseconds(50))
        return testing::AssertionSuccess();
    }
    return testing::AssertionFailure() << error.median.ns << " ns, moving by " << error.spread.ns << " ns; expected "
                                       << least.ns << " to " << most.ns << " ns\n"
                                       << rack.logs();
  }
  static void expect_settles(const Rack& rack, Duration least, Duration most) {
    EXPECT_TRUE(settles(rack, least, most));
  }

  static void start(Rack& rack) {
    rack.start_grandmaster(0);
    rack.start_client();
    if (!rack.wait_for_client("SLAVE", 15s))
      throw std::runtime_error("the client is " + rack.client_state() + ", not SLAVE\n" + rack.logs());
    nap(kSettleMs);
  }

  timex before_{};
};

TEST_F(Bed, AClientFindsTheTruth) {
  Rack rack({.client = {.ahead = milliseconds(5), .drift_ppb = 25'000}});
  EXPECT_GT(rack.client_error(host_now()), milliseconds(4));
  start(rack);
  expect_settles(rack, milliseconds(-1), milliseconds(1));
  const ClockState client = rack.clock(rack.client()).state();
  EXPECT_EQ(client.steps, 1U) << rack.logs();
  EXPECT_GT(client.rate_changes, 10U);
  EXPECT_GT(rack.clock(rack.client()).translated(), 10U);
  EXPECT_EQ(rack.truth().state().steps + rack.truth().state().rate_changes, 0U) << "nobody disciplines the truth";
  const auto offset = rack.client_offset();
  ASSERT_TRUE(offset.has_value());
  EXPECT_LT(std::abs(offset->ns), milliseconds(1).ns);
}

// The machine's counter, on which everything else here runs, is then 200 ppm off against the truth.
TEST_F(Bed, AClientFollowsATruthThatDriftsAgainstTheMachine) {
  Rack rack({.grandmasters = {{.drift_ppb = 200'000}}, .client = {.ahead = milliseconds(-5), .drift_ppb = -50'000}});
  start(rack);
  expect_settles(rack, milliseconds(-1), milliseconds(1));
  const HostTime now = host_now();
  EXPECT_GT(rack.truth().at(now) - VirtualTime{now.ns}, microseconds(500)) << "several seconds of 200 ppm";
  const ClockState client = rack.clock(rack.client()).state();
  EXPECT_GT((client.tick_us - kNominalTickUs) * 100 * 65'536 + client.frequency, 150 * 65'536)
      << "the servo makes up for 250 ppm";
}

// ptp4l takes half the round trip for the way here, so 200 us more on that way put it 100 us behind, and it can't know.
// Each way with a client of its own. One that met a packet which the machine had held up for milliseconds swings on and
// on; another is tried then, a few times.
TEST_F(Bed, AnAsymmetricPathMisleadsByHalfTheDifference) {
  for (const bool slow_there : {true, false}) {
    testing::AssertionResult result = testing::AssertionFailure();
    for (int play = 0; play < 4 && !result; ++play) {
      Rack rack({.with_path = true});
      rack.path()->set_from_host(0, {.delay = microseconds(slow_there ? 500 : 300)});
      rack.path()->set_to_host(0, {.delay = microseconds(slow_there ? 300 : 500)});
      start(rack);
      result = settles(rack, microseconds(slow_there ? -500 : 50), microseconds(slow_there ? -50 : 500));
      EXPECT_GT(rack.path()->counts().forwarded, 50U);
      EXPECT_EQ(rack.path()->counts().dropped, 0U);
    }
    EXPECT_TRUE(result);
  }
}

TEST_F(Bed, AStepOfTheGrandmasterIsSeenAndFollowed) {
  Rack rack({});
  start(rack);
  const std::uint64_t steps = rack.clock(rack.client()).state().steps;
  rack.truth().step(milliseconds(10));
  expect_within(rack.client_error(host_now()), milliseconds(-12), milliseconds(-8), rack);
  Duration worst{};
  for (int i = 0; i < 20 && worst > milliseconds(-5); ++i)
    worst = std::min(worst, rack.client_offset().value_or(Duration{}));
  EXPECT_LT(worst, milliseconds(-5)) << "the sign: local less master\n" << rack.logs();
  nap(kSettleMs);
  expect_settles(rack, milliseconds(-1), milliseconds(1));
  EXPECT_EQ(rack.clock(rack.client()).state().steps, steps) << "the servo may only slew after its first step";
}

TEST_F(Bed, AFrozenGrandmasterLooksLikeAClientThatRunsAway) {
  Rack rack({});
  start(rack);
  rack.truth().freeze();
  const VirtualTime frozen = rack.truth().now();
  nap(2500);
  EXPECT_EQ(rack.truth().now(), frozen);
  const auto offset = rack.client_offset();
  ASSERT_TRUE(offset.has_value()) << rack.logs();
  EXPECT_GT(*offset, seconds(1));
  rack.truth().thaw();
}

TEST_F(Bed, AStoppedGrandmasterIsSilentAndComesBack) {
  Rack rack({});
  start(rack);
  rack.ptp4l(0).send_signal(SIGSTOP);
  nap(1000);
  const std::string last = rack.pmc(rack.client(), "GET TIME_STATUS_NP")["ingress_time"];
  nap(1000);
  EXPECT_EQ(rack.pmc(rack.client(), "GET TIME_STATUS_NP")["ingress_time"], last);
  rack.ptp4l(0).send_signal(SIGCONT);
  nap(1500);
  EXPECT_NE(rack.pmc(rack.client(), "GET TIME_STATUS_NP")["ingress_time"], last) << rack.logs();
  rack.kill_ptp4l(0);
  EXPECT_TRUE(rack.pmc(0, "GET TIME_STATUS_NP").empty());
}

TEST_F(Bed, TheSettingsOfAGrandmasterReachTheClient) {
  Rack rack({});
  rack.start_grandmaster(0, {.clock_class = 7, .clock_accuracy = 0x23, .current_utc_offset_s = 36, .leap61 = true});
  rack.start_client();
  ASSERT_TRUE(rack.wait_for_client("SLAVE", 15s)) << rack.logs();
  PmcAnswer parent = rack.pmc(rack.client(), "GET PARENT_DATA_SET");
  EXPECT_EQ(parent["gm.ClockClass"], "7");
  EXPECT_EQ(parent["gm.ClockAccuracy"], "0x23");
  PmcAnswer properties = rack.pmc(rack.client(), "GET TIME_PROPERTIES_DATA_SET");
  const bool leap_taken_back = Rack::is_linuxptp_4();
  EXPECT_EQ(properties["currentUtcOffset"], leap_taken_back ? "37" : "36");
  EXPECT_EQ(properties["leap61"], leap_taken_back ? "0" : "1");
  rack.set_grandmaster(0, {.clock_class = 248, .clock_accuracy = 0xfe});
  for (int i = 0; i < 30 && rack.pmc(rack.client(), "GET PARENT_DATA_SET")["gm.ClockClass"] != "248"; ++i)
    nap(100);
  EXPECT_EQ(rack.pmc(rack.client(), "GET PARENT_DATA_SET")["gm.ClockClass"], "248") << rack.logs();
}

// The best of three is followed; when it goes silent, another one.
TEST_F(Bed, AClientChangesToAnotherGrandmaster) {
  Rack rack({.grandmasters = {{}, {.ahead = milliseconds(3)}, {.ahead = milliseconds(6)}}});
  rack.path()->set_from_host(rack.client(), {.delay = microseconds(300)});
  rack.path()->set_to_host(rack.client(), {.delay = microseconds(300)});
  rack.start_grandmaster(0, {.clock_class = 6});
  rack.start_grandmaster(1, {.clock_class = 7});
  rack.start_grandmaster(2, {.clock_class = 13});
  rack.start_client();
  ASSERT_TRUE(rack.wait_for_client("SLAVE", 15s)) << rack.logs();
  nap(kSettleMs);
  expect_settles(rack, milliseconds(-1), milliseconds(1));
  rack.kill_ptp4l(0);
  for (int i = 0; i < 150 && rack.client_error(host_now()) < milliseconds(2); ++i)
    nap(100);
  nap(kSettleMs);
  expect_settles(rack, microseconds(2500), microseconds(3500));
}

// chronyd has its own ways to the kernel: adjtimex with ticks, recvmmsg with timestamps.
TEST_F(Bed, ChronydDisciplinesAVirtualClock) {
  Rack rack({.grandmasters = {{.drift_ppb = -100'000}}, .client = {.ahead = milliseconds(50), .drift_ppb = 25'000}});
  const std::string server_file = (rack.folder() / "server.conf").string();
  const std::string client_file = (rack.folder() / "chrony.conf").string();
  const auto common = [&](const char* name) {
    return fmt::format("pidfile {0}/{1}.pid\nbindcmdaddress {0}/{1}.sock\ncmdport 0\nmakestep 0.001 3\n",
                       rack.folder().string(), name);
  };
  std::ofstream(server_file) << common("server") << "local stratum 1\nallow all\n";
  std::ofstream(client_file) << common("chrony") << "server " << Rack::address(0)
                             << " minpoll -4 maxpoll -4 iburst\nport 0\n";
  const auto server = rack.start_program(0, {"chronyd", "-x", "-U", "-d", "-u", "root", "-f", server_file}, "server");
  const auto client =
      rack.start_program(rack.client(), {"chronyd", "-U", "-d", "-u", "root", "-f", client_file}, "chrony");
  Duration error{};
  for (int i = 0; i < 20; ++i) {
    nap(1000);
    error = rack.client_error(host_now());
    if (i >= 8 && std::abs(error.ns) < microseconds(500).ns) break;
  }
  expect_settles(rack, milliseconds(-1), milliseconds(1));
  const ClockState state = rack.clock(rack.client()).state();
  EXPECT_GE(state.steps, 1U);
  EXPECT_GT(state.rate_changes, 3U);
  EXPECT_EQ(rack.truth().state().rate_changes, 0U);
}

// It slews by the frequency, so the kernel knows of no offset: what is left must be in maxerror, on which the source
// `kernel` rests.
TEST_F(Bed, ChronydTellsTheKernelWhatItHasYetToSlewAway) {
  Rack rack({.grandmasters = {{}}, .client = {.ahead = milliseconds(50)}});
  const std::string server_file = (rack.folder() / "server.conf").string();
  const std::string client_file = (rack.folder() / "chrony.conf").string();
  const auto common = [&](const char* name) {
    return fmt::format("pidfile {0}/{1}.pid\nbindcmdaddress {0}/{1}.sock\ncmdport 0\n", rack.folder().string(), name);
  };
  std::ofstream(server_file) << common("server") << "local stratum 1\nallow all\n";
  std::ofstream(client_file) << common("chrony") << "rtcsync\nmaxslewrate 5000\nserver " << Rack::address(0)
                             << " minpoll -4 maxpoll -4 iburst\nport 0\n";
  const auto server = rack.start_program(0, {"chronyd", "-x", "-U", "-d", "-u", "root", "-f", server_file}, "server");
  const auto client =
      rack.start_program(rack.client(), {"chronyd", "-U", "-d", "-u", "root", "-f", client_file}, "chrony");
  int seen = 0;
  for (int i = 0; i < 100 && seen < 20; ++i) {
    nap(100);
    const ClockState said = rack.clock(rack.client()).state();  // before the error, which becomes smaller
    const Duration error = rack.client_error(host_now());
    if ((said.status & STA_UNSYNC) != 0) continue;
    ++seen;
    EXPECT_GT(error, milliseconds(10)) << "it has to be slewing yet";
    EXPECT_GE(time::microseconds(said.max_error_us + 1), error) << said.estimated_error_us;
  }
  EXPECT_EQ(seen, 20) << rack.logs();
}

}  // namespace
}  // namespace gnomon::bed
