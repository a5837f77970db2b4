// SPDX-License-Identifier: Apache-2.0
//
// gnomon clock against a real gnomond: what the clock thread decides is what an operator reads, and the exit code says
// whether there is a true time. On a machine whose kernel doesn't trust the cycle counter there is none, and the view
// has to say that.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/cmd/http_get.hpp"
#include "tests/cmd/json_check.hpp"
#include "tests/cmd/json_field.hpp"
#include "tests/support/daemon.hpp"

namespace gnomon::cmd {
namespace {

using support::built;
using support::Output;

Output gnomon(const support::Daemon& daemon, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), built("cmd/gnomon"));
  return support::run_program(arguments, daemon.environment());
}

class ClockDaemonTest : public testing::Test {
 protected:
  support::ScratchFolder folder_;
};

TEST_F(ClockDaemonTest, ShowsTheSystemClockWithItsStatedBound) {
  support::Daemon daemon(
      folder_.path(), {{"clock.bound_us", "12345"}, {"metrics.listen", "127.0.0.1:0"}, {"rights.max_lead_ms", "700"}});
  daemon.start();
  ASSERT_TRUE(daemon.wait_ready()) << daemon.log();

  const Output json = gnomon(daemon, {"clock", "--json"});
  EXPECT_TRUE(JsonCheck::valid(json.text)) << json.text;
  const std::string state = json_field(json.text, "state");
  const bool synchronised = state == "synchronised";
  EXPECT_EQ(json.exit.code, synchronised ? 0 : 4) << json.text;
  EXPECT_EQ(json_field(json.text, "description"), "system clock, stated bound 12.345 ms");
  EXPECT_EQ(json_field(json.text, "sources_configured"), "1");
  EXPECT_EQ(json_field(json.text, "max_lead_ns"), "700000000");
  EXPECT_EQ(json_field(json.text, "lead_policy"), "refuse");
  EXPECT_TRUE(json_field(json.text, "tai_minus_utc_ns").ends_with("000000000")) << "whole seconds: " << json.text;
  const Output text = gnomon(daemon, {"clock"});
  EXPECT_EQ(text.exit.code, synchronised ? 0 : 4) << text.text;
  EXPECT_NE(text.text.find("system clock, stated bound 12.345 ms"), std::string::npos) << text.text;
  EXPECT_NE(text.text.find("\nordering following at "), std::string::npos) << text.text;
  if (synchronised) {
    EXPECT_EQ(json_field(json.text, "source"), "12345000") << "the first of the terms";
    EXPECT_NE(text.text.find("earliest 20"), std::string::npos) << text.text;
    EXPECT_GE(std::stoll(json_field(json.text, "latest_tai_ns")) - std::stoll(json_field(json.text, "earliest_tai_ns")),
              24'690'000);
  } else {
    EXPECT_NE(text.text.find("state    no true time (" + state + ")"), std::string::npos) << text.text;
  }

  const Output watched = gnomon(daemon, {"clock", "--watch", "--count", "3", "--interval", "0.05", "--json"});
  EXPECT_EQ(std::count(watched.text.begin(), watched.text.end(), '\n'), 3) << watched.text;

  const std::string metrics = json_field(gnomon(daemon, {"status", "--json"}).text, "metrics_listen");
  ASSERT_NE(metrics.find(':'), std::string::npos) << metrics;
  const auto port = static_cast<std::uint16_t>(std::stoi(metrics.substr(metrics.rfind(':') + 1)));
  const std::string page = http_get(port, "/metrics");
  EXPECT_NE(page.find("\ngnomon_clock_source_healthy{source=\"system clock, stated bound 12.345 ms\"} "),
            std::string::npos)
      << page;
  EXPECT_NE(page.find("\ngnomon_clock_sources_configured 1"), std::string::npos);
  EXPECT_EQ(page.find("\ngnomon_clock_term_seconds{term=\"source\"} 0.012345") != std::string::npos, synchronised);
  EXPECT_EQ(daemon.stop().code, 0) << daemon.log();
  EXPECT_EQ(gnomon(daemon, {"clock"}).exit.code, 3) << "nobody there any more";
}

TEST_F(ClockDaemonTest, WithoutATrueTimeItSaysWhatEachSourceLacksAndExitsWith4) {
  const std::string nowhere = (folder_.path() / "chronyd.sock").string();
  support::Daemon daemon(folder_.path(), {{"clock.sources", "chrony:" + nowhere}, {"clock.start_wait_ms", "0"}});
  daemon.start();
  ASSERT_TRUE(daemon.wait_ready()) << daemon.log();
  const Output text = gnomon(daemon, {"clock"});
  EXPECT_EQ(text.exit.code, 4) << text.text;
  EXPECT_NE(text.text.find("state    no true time ("), std::string::npos) << text.text;
  EXPECT_NE(text.text.find("0 independent and healthy"), std::string::npos) << text.text;
  const Output json = gnomon(daemon, {"clock", "--json"});
  EXPECT_EQ(json.exit.code, 4);
  EXPECT_TRUE(JsonCheck::valid(json.text)) << json.text;
  EXPECT_NE(json_field(json.text, "description").find(nowhere), std::string::npos) << json.text;
  EXPECT_EQ(json_field(json.text, "healthy"), "false");
  EXPECT_EQ(json_field(json.text, "earliest_tai_ns"), "null");
  if (json_field(json.text, "state") != "counter_untrusted") {
    EXPECT_EQ(json_field(json.text, "fault"), "unreadable") << "there is no such socket: " << json.text;
  }
  EXPECT_EQ(daemon.stop().code, 0) << daemon.log();
}

}  // namespace
}  // namespace gnomon::cmd
