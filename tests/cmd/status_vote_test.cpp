// SPDX-License-Identifier: Apache-2.0
//
// What gnomon status says of the store: the vote of the others on this daemon's clock, and calls that failed.
#include <gtest/gtest.h>

#include <string>

#include "cmd/gnomon/status.hpp"
#include "tests/cmd/json_check.hpp"

namespace gnomon::cmd {
namespace {

control::StatusReport outvoted() {
  control::StatusReport report;
  report.agent.vote = {
      .standing = "outvoted",
      .voters = 2,
      .against = 1,
      .text = "1 of 2 other clocks contradict this one: session/aa (host \"b\"): this clock is 4 s ahead"};
  report.agent.store_failures = {{"conflict", 0}, {"unknown", 3}, {"unavailable", 12}, {"fatal", 0}};
  return report;
}

TEST(StatusVote, SaysWhereTheClockStandsInWords) {
  control::StatusReport report = outvoted();
  const std::string text = status_text(report, {});
  EXPECT_NE(text.find("\nvote     outvoted: 2 other daemons judged this clock, 1 against it\n"
                      "         1 of 2 other clocks contradict this one: session/aa (host \"b\"): this clock is 4 s "
                      "ahead\nagent "),
            std::string::npos)
      << text;
  report.agent.vote = {.standing = "member", .voters = 1, .against = 0, .text = ""};
  EXPECT_NE(
      status_text(report, {}).find("\nvote     member: 1 other daemon judged this clock, none against it\nagent "),
      std::string::npos)
      << status_text(report, {});
  report.agent.vote = {.standing = "member", .voters = 0, .against = 0, .text = ""};
  EXPECT_NE(status_text(report, {}).find("\nvote     member: no other daemon has a say on this clock\nagent "),
            std::string::npos)
      << status_text(report, {});
}

TEST(StatusVote, SaysNothingOfAVoteOnAStoreOfOneHost) {
  EXPECT_EQ(status_text({}, {}).find("vote"), std::string::npos) << "there is nobody to vote";
  EXPECT_NE(status_json({}, {}).find(R"("clock_vote":null)"), std::string::npos);
}

TEST(StatusVote, NamesTheCallsThatFailedAndNoOthers) {
  EXPECT_NE(
      status_text(outvoted(), {}).find("\n         calls that failed since the start: 3 unknown, 12 unavailable\n"),
      std::string::npos)
      << status_text(outvoted(), {});
  control::StatusReport well;
  well.agent.store_failures = {{"conflict", 0}, {"unknown", 0}, {"unavailable", 0}, {"fatal", 0}};
  EXPECT_EQ(status_text(well, {}).find("calls that failed"), std::string::npos);
}

TEST(StatusVote, JsonHasBoth) {
  const std::string json = status_json(outvoted(), {});
  EXPECT_TRUE(JsonCheck::valid(json)) << json;
  EXPECT_NE(json.find(R"("store_failures":{"conflict":0,"unknown":3,"unavailable":12,"fatal":0},)"
                      R"("clock_vote":{"standing":"outvoted","voters":2,"against":1,)"
                      R"("text":"1 of 2 other clocks contradict this one: session/aa (host \"b\"): )"),
            std::string::npos)
      << json;
  EXPECT_TRUE(JsonCheck::valid(status_json({}, {})));
}

}  // namespace
}  // namespace gnomon::cmd
