// SPDX-License-Identifier: Apache-2.0
//
// The examples of leases, run as the programs that they are. Their folder comes from the environment
// (GNOMON_LEASE_EXAMPLES).
#include <string>
#include <utility>
#include <vector>

#include "tests/client/example_program.hpp"
#include "tests/client/lease/lease_fixture.hpp"

namespace gnomon::client {
namespace {

using Lines = std::vector<std::string>;

Ran run(const std::string& program, std::vector<std::string> arguments) {
  return run_example("GNOMON_LEASE_EXAMPLES", program, std::move(arguments));
}

class LeaseExamples : public LeaseTest {};

TEST_F(LeaseExamples, PrintWhatTheirCommentsSay) {
  const std::pair<std::string, Lines> examples[] = {
      {"example_lease_election", {"term 1: leading", "term 1: resigned"}},
      {"example_lease_job", {"running", "done"}},
      {"example_lease_cache",
       {"the reader has \"old\", valid", "the writer writes; the copy is invalid", "the reader has \"new\", valid"}},
      {"example_lease_chunks", {"primary of 100 chunks on one session", "1000 lookups, 100 questions"}},
      {"example_lease_guard",
       {"the first holder writes: admitted, the row says the first holder",
        "the second holder writes: admitted, the row says the second holder",
        "the first holder, late, writes: refused, the row says the second holder"}}};
  for (const auto& [program, lines] : examples) {
    const Ran ran = run(program, {server_.address(), "cache/example"});
    EXPECT_EQ(ran.status, 0) << program;
    EXPECT_EQ(ran.lines, lines) << program;
  }
  EXPECT_TRUE(table_.list("").empty()) << "and leave nothing behind";
  EXPECT_EQ(table_.open_sessions(), 0U);
}

TEST_F(LeaseExamples, AJobFindsThatItRunsElsewhere) {
  const auto client = connect();
  const auto session = open(*client);
  const auto lease = session->acquire("nightly");
  const Ran ran = run("example_lease_job", {server_.address(), "nightly"});
  EXPECT_EQ(ran.status, 3);
  EXPECT_EQ(ran.lines, (Lines{"it runs elsewhere"}));
}

TEST_F(LeaseExamples, TwoProcessesLeadInTurn) {
  auto other = later([&] { return run("example_lease_election", {server_.address(), "leader", "2"}); });
  const Ran ran = run("example_lease_election", {server_.address(), "leader", "2"});
  const Lines lines{"term 1: leading", "term 1: resigned", "term 2: leading", "term 2: resigned"};
  EXPECT_EQ(ran.lines, lines);
  EXPECT_EQ(other.get().lines, lines);
}

TEST_F(LeaseExamples, SayWhatIsWrongWhenNobodyServes) {
  const Ran ran = run("example_lease_guard", {"unix:" + (folder_.path() / "nobody").string(), "a"});
  EXPECT_EQ(ran.status, 1);
  ASSERT_EQ(ran.lines.size(), 1U);
  EXPECT_NE(ran.lines[0].find("check that gnomond runs there"), std::string::npos) << ran.lines[0];
}

}  // namespace
}  // namespace gnomon::client
