// SPDX-License-Identifier: Apache-2.0
//
// The judge is judged first: each kind of violation is planted, at the very edge of what is certain, and what lies just
// on the other side of that edge has to pass.
#include "tests/support/lease_history.hpp"

#include <gtest/gtest.h>

namespace gnomon::support {
namespace {

using What = LeaseLine::What;

LeaseLine line(const char* who, std::uint64_t token, What what, std::int64_t earliest, std::int64_t latest) {
  return {who, "database:1", token, what, {{earliest}, {latest}}};
}

/// a from [10, 20] to [100, 110], then b from `earliest` to `latest`, to 300.
LeaseHistory two(std::int64_t earliest, std::int64_t latest, std::uint64_t token = 8) {
  LeaseHistory history;
  history.add(line("a", 7, What::kBegan, 10, 20));
  history.add(line("a", 7, What::kEnded, 100, 110));
  history.add(line("b", token, What::kBegan, earliest, latest));
  history.add(line("b", token, What::kEnded, 300, 310));
  return history;
}

TEST(LeaseHistory, passes_one_holder_after_the_other) {
  EXPECT_TRUE(two(110, 120).violations(2).empty());
  EXPECT_EQ(two(110, 120).judged(), 1U);
  EXPECT_EQ(two(110, 120).tenures(), 2U);
}

TEST(LeaseHistory, passes_what_may_have_been_an_overlap) {
  EXPECT_TRUE(two(50, 100).violations(2).empty());  // b may have begun at 100, and a ended there
}

TEST(LeaseHistory, finds_a_certain_overlap) {
  const auto found = two(50, 99).violations(2);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NE(found.front().find("by a under 7 and by b under 8"), std::string::npos) << found.front();
}

TEST(LeaseHistory, finds_an_overlap_with_one_that_lasts_longer_than_the_last) {
  LeaseHistory history;
  history.add(line("a", 7, What::kBegan, 0, 0));
  history.add(line("a", 7, What::kEnded, 1'000, 1'000));
  LeaseHistory alone = history;
  history.add(line("b", 8, What::kBegan, 999, 1'000));
  history.add(line("b", 8, What::kEnded, 1'100, 1'100));
  EXPECT_TRUE(history.violations(2).empty());
  history.add(line("c", 9, What::kBegan, 1'099, 1'099));
  EXPECT_EQ(history.violations(2).size(), 1U);
  alone.add(line("b", 8, What::kBegan, 10, 10));
  alone.add(line("b", 8, What::kEnded, 20, 20));
  alone.add(line("c", 9, What::kBegan, 500, 500));
  EXPECT_EQ(alone.violations(2).size(), 2U);  // b and c, both with a
}

TEST(LeaseHistory, knows_of_a_killed_holder_what_it_last_said) {
  LeaseHistory silent;
  silent.add(line("a", 7, What::kBegan, 10, 20));
  silent.add(line("b", 8, What::kBegan, 20, 30));
  EXPECT_TRUE(silent.violations(2).empty());  // nobody knows when a was killed
  LeaseHistory history;
  history.add(line("a", 7, What::kBegan, 10, 20));
  history.add(line("a", 7, What::kActs, 200, 210));
  history.add(line("b", 8, What::kBegan, 190, 199));
  EXPECT_EQ(history.violations(2).size(), 1U);
}

TEST(LeaseHistory, finds_tokens_that_do_not_grow) {
  EXPECT_EQ(two(110, 120, 6).violations(2).size(), 1U);
  EXPECT_EQ(two(20, 120, 6).violations(2).size(), 0U);  // b may have begun first
  EXPECT_EQ(two(21, 120, 6).violations(2).size(), 1U);
}

TEST(LeaseHistory, finds_one_token_of_two_holders) {
  const auto found = two(110, 120, 7).violations(2);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NE(found.front().find("under 7 by a and by b"), std::string::npos) << found.front();
}

TEST(LeaseHistory, keeps_names_apart) {
  LeaseHistory history = two(110, 120);
  LeaseLine other = line("c", 1, What::kBegan, 50, 60);
  other.name = "elsewhere";
  history.add(other);
  EXPECT_TRUE(history.violations(1).empty());
}

TEST(LeaseHistory, asks_for_a_minimum) {
  EXPECT_EQ(LeaseHistory{}.violations(1).size(), 1U);
  EXPECT_TRUE(LeaseHistory{}.violations(0).empty());
  EXPECT_EQ(two(110, 120).violations(3).size(), 1U);
  LeaseHistory one;
  one.add(line("a", 7, What::kBegan, 10, 20));
  one.add(line("a", 7, What::kEnded, 30, 30));
  one.add(line("a", 8, What::kBegan, 40, 40));
  EXPECT_EQ(one.violations(2).size(), 1U);  // nobody ever took over
  EXPECT_TRUE(one.violations(1).empty());
}

TEST(LeaseHistory, finds_lines_that_contradict_one_another) {
  LeaseHistory history = two(110, 120);
  history.add(line("a", 7, What::kBegan, 400, 400));
  EXPECT_EQ(history.violations(2).size(), 1U);
  history.add(line("b", 8, What::kActs, 500, 500));  // it had ended
  EXPECT_EQ(history.violations(2).size(), 2U);
  history.add(line("c", 9, What::kEnded, 500, 500));  // it never began
  EXPECT_EQ(history.violations(2).size(), 3U);
}

TEST(LeaseHistory, reads_what_was_written) {
  const LeaseLine written = line("host:17", 281474976710700, What::kActs, -5, 12);
  EXPECT_EQ(encode(written), "host:17 database:1 281474976710700 acts -5 12");
  EXPECT_EQ(parse_lease_line(encode(written)), written);
  LeaseHistory history;
  EXPECT_TRUE(history.read("a n 7 began 1 2\na n 7 ended 3 4\nb n 8 began 5 5\nb n 8 en"));  // killed while it wrote
  EXPECT_EQ(history.tenures(), 2U);
  EXPECT_TRUE(history.violations(2).empty());
}

TEST(LeaseHistory, says_what_is_wrong_with_a_line) {
  for (const char* text : {"", "a n 7 began 1", "a n 7 began 1 2 3", "a n x began 1 2", "a n 7 held 1 2",
                           "a n 7 began 2 1", "a  7 began 1 2", "a n 7 began 1 2x", "a n -7 began 1 2"}) {
    const auto parsed = parse_lease_line(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_NE(parsed.error().find(text), std::string::npos);
  }
  LeaseHistory history;
  EXPECT_FALSE(history.read("a n 7 began 1 2\nrubbish\n"));
}

}  // namespace
}  // namespace gnomon::support
