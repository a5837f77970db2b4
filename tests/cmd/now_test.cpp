// SPDX-License-Identifier: Apache-2.0
//
// The commands about the time, run in this process against a clock page and a server of the test's own.
#include "cmd/gnomon/now.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "cmd/gnomon/time_text.hpp"
#include "oracle/page/clock_page.hpp"
#include "platform/cycle_counter.hpp"
#include "platform/shared_page.hpp"
#include "tests/client/test_server.hpp"
#include "tests/cmd/in_process.hpp"
#include "tests/cmd/json_check.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::cmd {
namespace {

using client::testing::TestServer;
using client::testing::unused_port;

constexpr time::Tai kSome{1'800'000'037'500'000'000};  // 2027-01-15T08:00:00.5Z

/// A page as gnomond would publish it, with a line that stands still: so what is printed is known to the nanosecond.
class PageOfTheTest {
 public:
  PageOfTheTest() : page_(platform::OwnedPage<page::ClockPage>::create("gnomon." + instance() + ".clock").value()) {
    page::stamp(*page_, 7, 1, 1);
    publish(time::ClockFault::kNone);
    page::ClockDetails details;
    details.terms.source = {1'000};
    details.terms.asymmetry = {20'000};
    details.terms.reading = {300};
    details.nominal = {std::uint64_t{1} << 31};
    details.sampled_at = details.supported_at = platform::read_cycles();
    details.name("ptp4l \"rack\", one");
    details.sources = 3;
    details.roots = 2;
    page_->details.write(details);
  }
  void publish(time::ClockFault fault) {
    time::TrueTimeLine line = time::TrueTimeLine::refusing(fault);
    if (fault == time::ClockFault::kNone)
      line = {.anchor = platform::read_cycles(),
              .void_after = {platform::read_cycles().count + (std::uint64_t{1} << 40)},
              .earliest = kSome,
              .latest = kSome + time::microseconds(50),
              .slow = {0},
              .fast = {0},
              .fault = fault};
    page_->truth.write(page::PublishedLine::of(line, 7));
  }
  [[nodiscard]] static std::string instance() { return "now-test-" + std::to_string(getpid()); }

 private:
  platform::OwnedPage<page::ClockPage> page_;
};

TEST(Now, SaysTheIntervalAndEveryTermOfItsWidth) {
  const PageOfTheTest page;
  const Ran run = gnomon({"now", "--instance", PageOfTheTest::instance()});
  EXPECT_EQ(run.code, ExitCode::kOk) << run.err;
  EXPECT_NE(run.out.find("earliest  2027-01-15T08:00:00.500Z        1800000037500000000 ns TAI\n"), std::string::npos)
      << run.out;
  EXPECT_NE(run.out.find("latest    2027-01-15T08:00:00.500050001Z  1800000037500050001 ns TAI\n"), std::string::npos)
      << run.out;
  EXPECT_NE(run.out.find("epsilon   25.0us\n"), std::string::npos) << run.out;
  for (const time::TermInfo& info : time::kTerms)
    EXPECT_NE(run.out.find(info.name), std::string::npos) << info.name << " is not told";
  EXPECT_NE(run.out.find("3 configured, 2 independent"), std::string::npos) << run.out;
}

TEST(Now, AsJsonAndAsARecording) {
  const PageOfTheTest page;
  const Ran json = gnomon({"now", "--json", "--instance", PageOfTheTest::instance()});
  EXPECT_EQ(json.code, ExitCode::kOk);
  EXPECT_TRUE(JsonCheck::valid(json.out)) << json.out;
  EXPECT_NE(json.out.find("\"earliest_tai_ns\":1800000037500000000"), std::string::npos) << json.out;
  EXPECT_NE(json.out.find("\"asymmetry\":20000"), std::string::npos) << json.out;

  const Ran csv = gnomon(
      {"now", "--watch", "--csv", "--count", "3", "--interval", "0.01", "--instance", PageOfTheTest::instance()});
  EXPECT_EQ(csv.code, ExitCode::kOk);
  EXPECT_TRUE(csv.out.starts_with(recording_header() + "\n"));
  EXPECT_EQ(std::count(csv.out.begin(), csv.out.end(), '\n'), 4);
  EXPECT_NE(csv.out.find(",synchronised,25001,"), std::string::npos) << csv.out;
  EXPECT_NE(csv.out.find("\"ptp4l 'rack', one\"\n"), std::string::npos) << csv.out;
}

TEST(Now, WithoutAnIntervalSaysWhyAndEndsWithFour) {
  PageOfTheTest page;
  page.publish(time::ClockFault::kDisagreement);
  const Ran run = gnomon({"now", "--instance", PageOfTheTest::instance()});
  EXPECT_EQ(run.code, ExitCode::kUnsynchronised);
  EXPECT_EQ(run.out, "");
  EXPECT_NE(run.err.find("contradict"), std::string::npos) << run.err;
  const Ran watched = gnomon({"now", "-w", "--count", "1", "--instance", PageOfTheTest::instance()});
  EXPECT_EQ(watched.code, ExitCode::kUnsynchronised);
  EXPECT_NE(watched.out.find("disagreement"), std::string::npos) << watched.out;
}

TEST(Now, WithoutAPageSaysSoAndNamesTheWayOut) {
  const Ran run = gnomon({"now", "--instance", "no-such-one"});
  EXPECT_EQ(run.code, ExitCode::kUnreachable);
  EXPECT_NE(run.err.find("gnomon.no-such-one.clock"), std::string::npos) << run.err;
  EXPECT_NE(run.err.find("--server"), std::string::npos) << run.err;
}

TEST(Now, AsksServersWhenTheyAreNamed) {
  TestServer server;
  server.set_truth(time::milliseconds(2), time::milliseconds(2));
  const time::Tai before = TestServer::true_time();
  const Ran run = gnomon({"now", "--json", "--server", server.address()});
  ASSERT_EQ(run.code, ExitCode::kOk) << run.err;
  EXPECT_TRUE(JsonCheck::valid(run.out)) << run.out;
  const std::size_t at = run.out.find("\"latest_tai_ns\":");
  ASSERT_NE(at, std::string::npos) << run.out;
  EXPECT_GE(std::stoll(run.out.substr(at + 16)), before.ns);
  EXPECT_NE(run.out.find("round_trip_ns"), std::string::npos);

  server.lose_truth();
  EXPECT_EQ(gnomon({"now", "--server", server.address(), "--timeout", "1"}).code, ExitCode::kUnsynchronised);
  const std::string dead = "127.0.0.1:" + std::to_string(unused_port());
  EXPECT_EQ(gnomon({"now", "--server", dead, "--timeout", "0.2"}).code, ExitCode::kUnreachable);
}

TEST(Wait, EndsWhenTheTimeHasPassedForCertain) {
  TestServer server;
  server.set_truth(time::milliseconds(3), {});
  const time::Tai before = TestServer::true_time();
  const Ran run = gnomon({"wait", "now+5ms", "--json", "--server", server.address()});
  const time::Tai after = TestServer::true_time();
  ASSERT_EQ(run.code, ExitCode::kOk) << run.err;
  EXPECT_TRUE(JsonCheck::valid(run.out)) << run.out;
  const std::int64_t t = std::stoll(run.out.substr(run.out.find("\"t_tai_ns\":") + 11));
  EXPECT_GE(t, (before + time::milliseconds(5)).ns);
  EXPECT_GT(after.ns, t);
}

TEST(Wait, RefusesWhatItCannotWaitFor) {
  const PageOfTheTest page;  // stands still: nothing passes
  const std::string instance = PageOfTheTest::instance();
  EXPECT_EQ(gnomon({"wait", "1800000037499999999", "--instance", instance}).code, ExitCode::kOk) << "has passed";
  EXPECT_EQ(gnomon({"wait", "2027-01-15T08:00:00.4Z", "--instance", instance}).code, ExitCode::kOk) << "has passed";
  EXPECT_EQ(gnomon({"wait", "now+20s", "--instance", instance}).code, ExitCode::kRefused) << "beyond the limit";
  EXPECT_EQ(gnomon({"wait", "99999999999999999999", "--instance", instance}).code, ExitCode::kUsage);
  EXPECT_EQ(gnomon({"wait", "tomorrow", "--instance", instance}).code, ExitCode::kUsage);
  EXPECT_EQ(gnomon({"wait", "now*2s", "--instance", instance}).code, ExitCode::kUsage);
  EXPECT_EQ(gnomon({"wait", "now", "--limit", "soon", "--instance", instance}).code, ExitCode::kUsage);
  EXPECT_EQ(gnomon({"wait", "now", "--instance", "no-such-one"}).code, ExitCode::kUnreachable);
}

TEST(Hlc, GetsATimestampLargerThanTheGivenOneAndTakesItApart) {
  TestServer server;
  server.set_truth(time::milliseconds(1), time::milliseconds(1));
  const Ran first = gnomon({"hlc", "--json", "--server", server.address()});
  ASSERT_EQ(first.code, ExitCode::kOk) << first.err;
  EXPECT_TRUE(JsonCheck::valid(first.out)) << first.out;
  const std::uint64_t value = std::stoull(first.out.substr(first.out.find("\"hlc\":") + 6));
  const std::uint64_t ahead = value + (std::uint64_t{100} << clock::kHlcCounterBits);
  const Ran second = gnomon({"hlc", std::to_string(ahead), "--json", "--server", server.address()});
  ASSERT_EQ(second.code, ExitCode::kOk) << second.err;
  EXPECT_GT(std::stoull(second.out.substr(second.out.find("\"hlc\":") + 6)), ahead);
  EXPECT_EQ(gnomon({"hlc", "18446744073709551615", "--server", server.address()}).code, ExitCode::kRefused);

  const std::uint64_t known = (std::uint64_t{1'800'000'037'500} << clock::kHlcCounterBits) + 9;
  const Ran apart = gnomon({"hlc", "--decode", std::to_string(known)});
  EXPECT_EQ(apart.out, std::to_string(known) + "  2027-01-15T08:00:00.500Z  counter 9\n");
  EXPECT_EQ(gnomon({"hlc", "--decode"}).code, ExitCode::kUsage);
  EXPECT_EQ(gnomon({"hlc", "--decode", "18446744073709551615"}).code, ExitCode::kOk);
}

TEST(TimeText, ALeapSecondIsShownAsOne) {
  const time::LeapTable leaps = time::builtin_leap_table();
  const time::Tai inside{1'483'228'836'500'000'000};  // 2016-12-31T23:59:60.5
  EXPECT_EQ(utc_text(inside, leaps), "2016-12-31T23:59:60.500Z");
  EXPECT_EQ(utc_text(inside + time::seconds(1), leaps), "2017-01-01T00:00:00.500Z");
  EXPECT_EQ(utc_text({0}, leaps), "0 ns TAI") << "before the table";
}

std::string recording() {
  return recording_header() +
         "\n1000000000,synchronised,25000,5,1000,20000,0,300,0,0,0,\"a source, with a comma\""
         "\n1500000000,disagreement,,,,,,,,,,\"x\""
         "\n2000000000,synchronised,30000,5,1000,20000,0,300,5000,0,0,\"s\"\n";
}

TEST(Plot, TellsGnuplotNumbersOnlyWithAGapWhereThereWasNoInterval) {
  const Ran run = gnomon({"plot", "-", "--script"}, recording());
  ASSERT_EQ(run.code, ExitCode::kOk) << run.err;
  EXPECT_NE(run.out.find("\n0.000000 25.000 1.000 21.000 21.000 21.300 21.300 21.300 21.300\n\n1.000000 30.000 "),
            std::string::npos)
      << run.out;
  EXPECT_EQ(run.out.find("comma"), std::string::npos) << "what a recording says in words is not passed on";
}

TEST(Plot, RefusesWhatIsNoRecording) {
  EXPECT_EQ(gnomon({"plot", "-", "--script"}, "hello\n").code, ExitCode::kRefused);
  EXPECT_EQ(gnomon({"plot", "-", "--script"}, "").code, ExitCode::kRefused);
  EXPECT_EQ(gnomon({"plot", "-", "--script"}, recording_header() + "\n").code, ExitCode::kRefused);
  const Ran damaged = gnomon({"plot", "-", "--script"}, recording() + "3000000000,sync\n");
  EXPECT_EQ(damaged.code, ExitCode::kRefused);
  EXPECT_NE(damaged.err.find("line 5"), std::string::npos) << damaged.err;
  EXPECT_EQ(gnomon({"plot", "/no/such/file"}).code, ExitCode::kUsage);
}

TEST(Plot, DrawsAPicture) {
  if (std::system("gnuplot --version >/dev/null 2>&1") != 0)  // NOLINT(cert-env33-c): fixed text
    GTEST_SKIP() << "gnuplot is not installed (package gnuplot-nox)";
  const support::ScratchFolder folder;
  const std::string picture = (folder.path() / "epsilon.svg").string();
  const Ran run = gnomon({"plot", "-", "-o", picture}, recording());
  ASSERT_EQ(run.code, ExitCode::kOk) << run.err;
  std::ifstream file(picture);
  const std::string svg{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_NE(svg.find("<svg"), std::string::npos);
  EXPECT_NE(svg.find("asymmetry"), std::string::npos);
  EXPECT_NE(svg.find("</svg>"), std::string::npos);
}

TEST(Plot, WithoutGnuplotSaysWhatToInstall) {
  std::istringstream in(recording());
  std::ostringstream out;
  std::ostringstream err;
  PlotOptions options;
  options.recording = "-";
  options.gnuplot = "no-such-gnuplot";
  EXPECT_EQ(run_plot(options, in, {out, err}), ExitCode::kRefused);
  EXPECT_NE(err.str().find("gnuplot-nox"), std::string::npos) << err.str();
}

}  // namespace
}  // namespace gnomon::cmd
