// SPDX-License-Identifier: Apache-2.0
//
// What gnomon clock prints of a report that is made up here, to the letter: a good day with four sources of which one
// lies and one stands for another, and a bad one on which nothing is known. No daemon is asked.
#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "cmd/gnomon/clock.hpp"
#include "oracle/time/uncertainty.hpp"
#include "tests/cmd/in_process.hpp"
#include "tests/cmd/json_check.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::cmd {
namespace {

using control::StatusReport;
using control::TimeSourceReport;
using time::microseconds;
using time::milliseconds;
using time::nanoseconds;
using time::seconds;

constexpr std::int64_t kUtc = 1'772'366'400'000'000'000;  // 2026-03-01T12:00:00Z
constexpr time::Duration kDay = seconds(86'400);

control::TrueTimeReport good_truth() {
  control::TrueTimeReport truth;
  truth.text = "synchronised";
  truth.earliest_utc = time::Utc{kUtc + 1'000};
  truth.latest_utc = time::Utc{kUtc + 121'000};
  truth.earliest = time::Tai{truth.earliest_utc->ns + 37'000'000'000};
  truth.latest = time::Tai{truth.latest_utc->ns + 37'000'000'000};
  truth.void_in = milliseconds(1995);
  truth.sample_age = milliseconds(63);
  truth.support_age = milliseconds(4);
  truth.holdover_limit = seconds(60);
  truth.max_epsilon = milliseconds(2000);
  const std::vector<time::Duration> values{
      microseconds(25), microseconds(30), nanoseconds(850), nanoseconds(95), microseconds(13), nanoseconds(200), {}};
  for (std::size_t i = 0; i < time::kTerms.size(); ++i)
    truth.terms.push_back({std::string(time::kTerms.at(i).name), values[i]});
  truth.configured = 4;
  truth.witnesses = 3;
  truth.believed = 2;
  truth.contradictions = 1;
  truth.contradicted_ago = seconds(7500);
  truth.suspect = milliseconds(20);
  truth.disagreements = 2;
  truth.phc2sys_runs = true;
  return truth;
}

std::vector<TimeSourceReport> good_sources() {
  std::vector<TimeSourceReport> sources(4);
  sources[0] = {.description = "ptp4l at /run/ptp4l, domain 0, system clock",
                .state = "used",
                .fault = "",
                .text = "",
                .healthy = true,
                .chosen = true,
                .earliest = true,
                .latest = false,
                .witness = 0,
                .root = "grandmaster 001122.fffe.334455",
                .offset = nanoseconds(-340),
                .epsilon = microseconds(69),
                .sample_age = milliseconds(63),
                .claims = 4711,
                .errors = 2,
                .evictions = 0};
  sources[1] = sources[0];
  sources[1].description = "ptp4l at /run/ptp4l, domain 1, system clock";
  sources[1].chosen = false;
  sources[1].earliest = false;
  sources[1].offset = microseconds(12);
  sources[1].epsilon = microseconds(90);
  sources[2] = {.description = "chronyd at /run/chrony/chronyd.sock",
                .state = "evicted",
                .fault = "",
                .text = "the others that have to be believed rule its interval out: it lies 3.100ms after theirs",
                .healthy = true,
                .chosen = false,
                .earliest = false,
                .latest = false,
                .witness = 2,
                .root = "reference id C0A80001",
                .offset = milliseconds(4),
                .epsilon = microseconds(800),
                .sample_age = milliseconds(900),
                .claims = 60,
                .errors = 0,
                .evictions = 3};
  sources[3] = {.description = "system clock, stated bound 10.000 ms",
                .state = "used",
                .fault = "unreadable",
                .text = "cannot read the clock",
                .healthy = true,
                .chosen = false,
                .earliest = false,
                .latest = true,
                .witness = 3,
                .root = "the system clock itself",
                .offset = microseconds(1),
                .epsilon = milliseconds(10),
                .sample_age = milliseconds(4),
                .claims = 9000,
                .errors = 1,
                .evictions = 0};
  return sources;
}

StatusReport good_day() {
  StatusReport report;
  report.daemon.instance = "main";
  auto& clock = report.clock;
  clock.state = "following";
  clock.now = {kUtc + 60'000};
  clock.lead = nanoseconds(-70);
  clock.era = {2};
  clock.epsilon = microseconds(60);
  clock.readings = 9000;
  clock.failed_readings = 1;
  clock.last_failure = "cannot read the clock";
  clock.true_time = "synchronised";
  clock.max_lead = milliseconds(1000);
  clock.lead_policy = "refuse";
  clock.orders_by_truth = true;
  clock.truth = good_truth();
  clock.sources = good_sources();
  clock.leap.tai_minus_utc = seconds(37);
  clock.leap.expires = {1'782'604'800'000'000'000};  // 2026-06-28
  clock.leap.expires_in = kDay * 118;
  clock.leap.doubt_text = "the second is certain";
  clock.leap.smear = time::Duration{};
  return report;
}

StatusReport bad_day() {
  StatusReport report = good_day();
  auto& clock = report.clock;
  clock.true_time = "no_source";
  clock.truth = {};
  clock.truth.text = "no source of time is healthy, and the last good sample is too old";
  clock.truth.configured = 1;
  clock.truth.counter_problem = "the kernel's clocksource is 'hpet', not the cycle counter";
  clock.truth.resumed = true;
  clock.epsilon = {};
  clock.sources.resize(1);
  clock.sources[0] = {};
  clock.sources[0].description = "ptp4l at /run/ptp4l, domain 0, system clock";
  clock.sources[0].state = "unhealthy";
  clock.sources[0].fault = "policy";
  clock.sources[0].text = "the grandmaster is of clock class 248, and the worst that is accepted is 7";
  clock.state = "behind";
  clock.lead = seconds(3);
  clock.last_failure = "";
  clock.lead_policy = "rotate";
  clock.orders_by_truth = false;
  clock.leap.expired = true;
  clock.leap.expires_in = kDay * -3;
  clock.leap.next = time::Utc{kUtc + kDay.ns / 2};
  clock.leap.next_step = seconds(1);
  clock.leap.announced_ago = seconds(5);
  clock.leap.doubt = seconds(2);
  clock.leap.doubt_text = "the leap table has expired: update tzdata";
  clock.leap.smear = milliseconds(-250);
  return report;
}

std::size_t widest_line(const std::string& text) {
  std::size_t out = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    out = std::max(out, line.size());
  return out;
}

TEST(ClockText, OfAGoodDay) {
  EXPECT_EQ(clock_text(good_day()), R"(earliest 2026-03-01T12:00:00.000001Z     2026-03-01T12:00:37.000001 TAI
latest   2026-03-01T12:00:00.000121Z     2026-03-01T12:00:37.000121 TAI
         synchronised: known to 60.0us either way (limit 2.000s); void in 1.995s
         unless renewed
         newest sample 63.000ms old; 4 sources configured, 3 independent and
         healthy, 2 must be right
         suspect: 2h 5m ago the sources denied what they had said before; what
         was answered in the 20.000ms before that may have been wrong (1
         contradiction since the start)
         the sources were without a majority 2 times since the start
         phc2sys runs: the system clock and the cards' clocks are one witness

why      source 0 counts and is the narrowest; its terms:
  source              25.0us  the reference's own accuracy or stated bound
  asymmetry           30.0us  what the two directions of the path may differ by
  offset               850ns  largest offset from the reference seen lately
  reading               95ns  width of the bracketed clock reading
  extrapolation       13.0us  drift since the sample
  cores                200ns  cycle counters of two cores
  leap                   0ns  one second while the leap second table is in doubt
  others              -9.1us  other sources, earlier samples, drift since then
  epsilon             60.0us

source  counts            offset        epsilon    sample age  evictions
     0  chosen            -340ns         69.0us      63.000ms          0
        ptp4l at /run/ptp4l, domain 0, system clock; root: grandmaster
        001122.fffe.334455; bounds the early end of the interval
     1  with 0           +12.0us         90.0us      63.000ms          0
        ptp4l at /run/ptp4l, domain 1, system clock; root: grandmaster
        001122.fffe.334455; one witness with source 0
     2  evicted         +4.000ms        800.0us     900.000ms          3
        chronyd at /run/chrony/chronyd.sock; root: reference id C0A80001
        ! the others that have to be believed rule its interval out: it lies
          3.100ms after theirs
     3  used              +1.0us       10.000ms       4.000ms          0
        system clock, stated bound 10.000 ms; root: the system clock itself;
        bounds the late end of the interval
        ! unreadable: cannot read the clock

leap     TAI - UTC is 37 s; the leap table holds until 2026-06-28
         not smearing
ordering following at 2026-03-01T12:00:00.000060Z, era 2
         it follows the true time, else the system clock; lead -70ns of at most
         1.000s, beyond that clock_behind is answered
         1 of 9001 readings failed, the latest because: cannot read the clock
)");
}

TEST(ClockText, OfABadDay) {
  EXPECT_EQ(clock_text(bad_day()), R"(state    no true time (no_source): no source of time is healthy, and the last
         good sample is too old
         no good sample; 1 source configured, 0 independent and healthy
         cycle counter: the kernel's clocksource is 'hpet', not the cycle
         counter
         this run began with what an earlier one had proved

source  counts            offset        epsilon    sample age  evictions
     0  unhealthy              -              -             -          0
        ptp4l at /run/ptp4l, domain 0, system clock
        ! policy: the grandmaster is of clock class 248, and the worst that is
          accepted is 7
offsets are from the middle of all that are healthy, since there is no result

leap     TAI - UTC is 37 s; the leap table expired on 2026-06-28, 3d 0h ago:
         update tzdata
         next leap second: one is inserted at 2026-03-02T00:00:00Z
         a leap second is announced (last heard 5.000s ago)
         a UTC is in doubt by 2.000s: the leap table has expired: update tzdata
         smearing: the time in IDs is -250.000ms from UTC
ordering behind at 2026-03-01T12:00:00.000060Z, era 2
         it follows the system clock; lead 3.000s of at most 1.000s, beyond that
         fresh machine ids are taken
)");
}

TEST(ClockText, FitsATerminal) {
  EXPECT_LE(widest_line(clock_text(good_day())), 80U);
  EXPECT_LE(widest_line(clock_text(bad_day())), 80U);
  EXPECT_LE(widest_line(clock_text(StatusReport{})), 80U) << "of a daemon that tells nothing";
}

/// The rest of the sum is what makes the rows come to epsilon; whoever adds them up must not be told otherwise.
TEST(ClockText, TermsAndOthersAddUpToEpsilon) {
  StatusReport report = good_day();
  report.clock.epsilon = milliseconds(10);
  const std::string text = clock_text(report);
  EXPECT_NE(text.find("others            +9.931ms"), std::string::npos) << text;
  report.clock.truth.terms.clear();
  EXPECT_EQ(clock_text(report).find("epsilon        "), std::string::npos) << "no terms, no table of them";
}

TEST(ClockText, WarnsBeforeTheLeapTableExpires) {
  StatusReport report = good_day();
  EXPECT_EQ(clock_text(report).find("update tzdata"), std::string::npos);
  report.clock.leap.expires_in = kDay * 20;
  EXPECT_NE(clock_text(report).find("update tzdata"), std::string::npos) << clock_text(report);
}

TEST(ClockText, SaysHoldoverAndHowLongItLasts) {
  StatusReport report = good_day();
  report.clock.truth.holdover = true;
  report.clock.truth.support_age = seconds(12);
  const std::string text = clock_text(report);
  EXPECT_NE(text.find("holdover: no source has been healthy for 12.000s"), std::string::npos) << text;
  EXPECT_NE(text.find("for at most 1m 0s"), std::string::npos) << text;
}

TEST(ClockJson, OfAGoodDay) {
  const std::string json = clock_json(good_day());
  EXPECT_TRUE(JsonCheck::valid(json)) << json;
  EXPECT_EQ(json, R"({"instance":"main","true_time":{"state":"synchronised","text":"synchronised",)"
                  R"("earliest_tai_ns":"1772366437000001000","latest_tai_ns":"1772366437000121000",)"
                  R"("earliest_utc":"2026-03-01T12:00:00.000001Z","latest_utc":"2026-03-01T12:00:00.000121Z",)"
                  R"("epsilon_ns":60000,"max_epsilon_ns":2000000000,"void_in_ns":1995000000,)"
                  R"("sample_age_ns":63000000,"support_age_ns":4000000,"holdover":false,)"
                  R"("holdover_limit_ns":60000000000,"terms_ns":{"source":25000,"asymmetry":30000,"offset":850,)"
                  R"("reading":95,"extrapolation":13000,"cores":200,"leap":0},"sources_configured":4,)"
                  R"("sources_counted":3,"sources_believed":2,"contradictions":1,)"
                  R"("contradicted_ago_ns":7500000000000,"suspect_ns":20000000,"disagreements":2,"resumed":false,)"
                  R"("phc2sys_runs":true,"counter_problem":""},)"
                  R"("sources":[{"description":"ptp4l at /run/ptp4l, domain 0, system clock","state":"used",)"
                  R"("fault":"","text":"","healthy":true,"chosen":true,"bounds_earliest":true,"bounds_latest":false,)"
                  R"("witness":0,"root":"grandmaster 001122.fffe.334455","offset_ns":-340,"epsilon_ns":69000,)"
                  R"("sample_age_ns":63000000,"claims":4711,"errors":2,"evictions":0},)"
                  R"({"description":"ptp4l at /run/ptp4l, domain 1, system clock","state":"used","fault":"",)"
                  R"("text":"","healthy":true,"chosen":false,"bounds_earliest":false,"bounds_latest":false,)"
                  R"("witness":0,"root":"grandmaster 001122.fffe.334455","offset_ns":12000,"epsilon_ns":90000,)"
                  R"("sample_age_ns":63000000,"claims":4711,"errors":2,"evictions":0},)"
                  R"({"description":"chronyd at /run/chrony/chronyd.sock","state":"evicted","fault":"",)"
                  R"("text":"the others that have to be believed rule its interval out: it lies 3.100ms after theirs",)"
                  R"("healthy":true,"chosen":false,"bounds_earliest":false,"bounds_latest":false,"witness":2,)"
                  R"("root":"reference id C0A80001","offset_ns":4000000,"epsilon_ns":800000,)"
                  R"("sample_age_ns":900000000,"claims":60,"errors":0,"evictions":3},)"
                  R"({"description":"system clock, stated bound 10.000 ms","state":"used","fault":"unreadable",)"
                  R"("text":"cannot read the clock","healthy":true,"chosen":false,"bounds_earliest":false,)"
                  R"("bounds_latest":true,"witness":3,"root":"the system clock itself","offset_ns":1000,)"
                  R"("epsilon_ns":10000000,"sample_age_ns":4000000,"claims":9000,"errors":1,"evictions":0}],)"
                  R"("leap":{"tai_minus_utc_ns":37000000000,"table_expires":"2026-06-28T00:00:00Z",)"
                  R"("table_expired":false,"table_expires_in_ns":10195200000000000,"next":null,"next_step_ns":0,)"
                  R"("announced_ago_ns":null,"doubt_ns":0,"doubt_text":"the second is certain","smear_ns":0},)"
                  R"("ordering":{"state":"following","now":"2026-03-01T12:00:00.000060Z","era":2,"lead_ns":-70,)"
                  R"("max_lead_ns":1000000000,"lead_policy":"refuse","by_true_time":true,"readings":9000,)"
                  R"("failed_readings":1,"last_failure":"cannot read the clock"}})"
                  "\n");
}

TEST(ClockJson, SaysNullWhereThereIsNothing) {
  const std::string json = clock_json(bad_day());
  EXPECT_TRUE(JsonCheck::valid(json)) << json;
  for (const char* part :
       {R"("state":"no_source")", R"("earliest_tai_ns":null)", R"("latest_utc":null)", R"("void_in_ns":null)",
        R"("terms_ns":{})", R"("contradicted_ago_ns":null)", R"("offset_ns":null)", R"("fault":"policy")",
        R"("next":"2026-03-02T00:00:00Z","next_step_ns":1000000000)", R"("smear_ns":-250000000)"})
    EXPECT_NE(json.find(part), std::string::npos) << part << "\n" << json;
  EXPECT_TRUE(JsonCheck::valid(clock_json(StatusReport{})));
}

TEST(ClockCommand, WithoutADaemonIsUnreachable) {
  const support::ScratchFolder folder;
  const std::string socket = (folder.path() / "none.sock").string();
  for (const std::vector<std::string>& more : {std::vector<std::string>{}, {"--json"}, {"--watch", "--count", "3"}}) {
    std::vector<std::string> arguments{"clock", "--socket", socket};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Ran run = gnomon(arguments);
    EXPECT_EQ(run.code, ExitCode::kUnreachable) << run.err;
    EXPECT_EQ(run.out, "");
    EXPECT_NE(run.err.find(socket), std::string::npos) << run.err;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << "at once, though it is to watch";
  }
}

TEST(ClockCommand, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(gnomon({"clock", "--instance", "a/b"}).code, ExitCode::kUsage);
  EXPECT_EQ(gnomon({"clock", "--interval", "0"}).code, ExitCode::kUsage);
  EXPECT_EQ(gnomon({"clock", "--ports"}).code, ExitCode::kUsage);
  const Ran help = gnomon({"clock", "--help"});
  EXPECT_EQ(help.code, ExitCode::kOk);
  for (const char* flag : {"--instance", "--socket", "--json", "--watch", "--interval", "--count"})
    EXPECT_NE(help.out.find(flag), std::string::npos) << flag;
}

}  // namespace
}  // namespace gnomon::cmd
