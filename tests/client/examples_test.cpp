// SPDX-License-Identifier: Apache-2.0
//
// The examples and the C test, run as the programs that they are, against a real little server. The folder of the
// programs comes from the environment (GNOMON_EXAMPLES).
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/client/example_program.hpp"
#include "tests/client/test_server.hpp"

namespace gnomon::client {
namespace {

Ran run(const std::string& program, std::vector<std::string> arguments) {
  return run_example("GNOMON_EXAMPLES", program, std::move(arguments));
}

TEST(Examples, EachPrintsIds) {
  const testing::TestServer server;
  const std::pair<const char*, std::size_t> examples[] = {
      {"example_next_id", 1}, {"example_async", 100}, {"example_stream", 10}, {"example_c_next_id", 3}};
  for (const auto& [program, lines] : examples) {
    const std::uint64_t before = server.count(page::Counter::kIds);
    const Ran ran = run(program, {server.address()});
    ASSERT_EQ(ran.status, 0) << program << ": " << (ran.lines.empty() ? "" : ran.lines[0]);
    ASSERT_EQ(ran.lines.size(), lines) << program;
    EXPECT_GT(std::stoull(ran.lines[0]), std::uint64_t{1} << 50) << program;
    EXPECT_GT(server.count(page::Counter::kIds), before) << program;
  }
}

std::vector<std::int64_t> numbers(const Ran& ran) {
  std::vector<std::int64_t> found;
  found.reserve(ran.lines.size());
  for (const std::string& line : ran.lines)
    found.push_back(std::stoll(line));
  return found;
}

TEST(Examples, TheTimeAndACommit) {
  testing::TestServer server;
  server.set_truth(time::milliseconds(2), {});
  const std::int64_t before = testing::TestServer::true_time().ns;
  const Ran now = run("example_c_now", {server.address()});
  ASSERT_EQ(now.status, 0) << now.lines.at(0);
  const std::vector<std::int64_t> interval = numbers(now);
  ASSERT_EQ(interval.size(), 2U);
  EXPECT_LE(interval[0], testing::TestServer::true_time().ns);
  EXPECT_GE(interval[1], before);

  const Ran commit = run("example_commit", {server.address()});
  ASSERT_EQ(commit.status, 0) << commit.lines.at(0);
  const std::vector<std::int64_t> committed = numbers(commit);
  ASSERT_EQ(committed.size(), 2U);
  EXPECT_GT(committed[0], before);
  EXPECT_GT(committed[1], committed[0]);
  EXPECT_LT(committed[0], testing::TestServer::true_time().ns);
}

TEST(Examples, StampsAreInOrder) {
  const Ran ran = run("example_stamp", {});
  ASSERT_EQ(ran.status, 0);
  const std::vector<std::int64_t> stamps = numbers(ran);
  ASSERT_EQ(stamps.size(), 3U);
  EXPECT_LT(stamps[0], stamps[1]);
  EXPECT_LT(stamps[1], stamps[2]);
}

TEST(Examples, EachSaysWhatIsWrongWhenNobodyServes) {
  const std::string dead = "127.0.0.1:" + std::to_string(testing::unused_port());
  for (const char* program : {"example_next_id", "example_c_next_id", "example_c_now", "example_commit"}) {
    const Ran ran = run(program, {dead});
    EXPECT_EQ(ran.status, 1) << program;
    ASSERT_EQ(ran.lines.size(), 1U) << program;
    EXPECT_NE(ran.lines[0].find(dead + " refused"), std::string::npos) << ran.lines[0];
    EXPECT_NE(ran.lines[0].find("start gnomond"), std::string::npos) << ran.lines[0];
  }
}

TEST(CApi, DoesFromCWhatItSays) {
  testing::TestServer server;
  server.set_truth(time::milliseconds(2), time::milliseconds(1));
  const Ran ran = run("c_api_test", {server.address()});
  for (const std::string& line : ran.lines)
    ADD_FAILURE() << line;
  EXPECT_EQ(ran.status, 0);
}

}  // namespace
}  // namespace gnomon::client
