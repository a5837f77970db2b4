// SPDX-License-Identifier: Apache-2.0
//
// The rules of the vote, one example for each sentence of its contract: what is compared with what, and joining.
#include "tests/oracle/lease/vote_room.hpp"

namespace gnomon::lease {
namespace {

// --- comparisons ---

TEST(CompareClocks, right_clocks_agree_however_far_apart_they_were_read) {
  const ClockWord before = word({});
  const ClockWord now = word(seconds(7000));
  EXPECT_EQ(compare_clocks(now, &before, word(seconds(3))), Finding::kAgrees);
  EXPECT_EQ(compare_clocks(now, nullptr, word(seconds(7000))), Finding::kAgrees);
}

TEST(CompareClocks, the_ends_may_touch_and_not_a_nanosecond_less) {
  const auto at = [](std::int64_t earliest, std::int64_t latest) {
    ClockWord said;
    said.ordering = {{earliest}, {latest}};
    return said;
  };
  const ClockWord theirs = at(1'000, 2'000);
  EXPECT_EQ(compare_clocks(at(0, 1'000), nullptr, theirs), Finding::kAgrees);
  EXPECT_EQ(compare_clocks(at(0, 999), nullptr, theirs), Finding::kBehind);
  const ClockWord touching = at(2'000, 9'000);
  const ClockWord beyond = at(2'001, 9'000);
  EXPECT_EQ(compare_clocks(at(0, 9'000), &touching, theirs), Finding::kAgrees);
  EXPECT_EQ(compare_clocks(at(0, 9'000), &beyond, theirs), Finding::kAhead);
  EXPECT_EQ(compare_clocks(beyond, nullptr, theirs), Finding::kAgrees) << "they have not seen this word";
}

TEST(CompareClocks, true_times_count_only_where_both_have_one) {
  ClockWord wrong_truth = word({});
  wrong_truth.truth = word(kDay).truth;
  EXPECT_EQ(compare_clocks(word({}), nullptr, wrong_truth), Finding::kBehind);
  EXPECT_EQ(compare_clocks(ordering_only({}), nullptr, wrong_truth), Finding::kAgrees);
  EXPECT_EQ(compare_clocks(wrong_truth, &wrong_truth, word({})), Finding::kAhead);
  EXPECT_EQ(compare_clocks(wrong_truth, &wrong_truth, ordering_only({})), Finding::kAgrees);
  const ClockWord unsynchronised = ordering_only({});
  EXPECT_EQ(compare_clocks(unsynchronised, &wrong_truth, word({})), Finding::kAhead) << "what was said then counts";
  EXPECT_EQ(compare_clocks(wrong_truth, &unsynchronised, word({})), Finding::kAgrees);
}

TEST(CompareClocks, ordering_timelines_count_always) {
  ClockWord wrong_ordering = word({});
  wrong_ordering.ordering = word(kDay).ordering;
  EXPECT_EQ(compare_clocks(word({}), nullptr, wrong_ordering), Finding::kBehind);
  EXPECT_EQ(compare_clocks(ordering_only({}), nullptr, wrong_ordering), Finding::kBehind);
  EXPECT_EQ(compare_clocks(wrong_ordering, &wrong_ordering, ordering_only({})), Finding::kAhead);
}

TEST(CompareClocks, hostile_values_have_no_sum_to_overflow) {
  ClockWord first;
  first.ordering = {time::SmearedUtc::min(), time::SmearedUtc::min()};
  first.truth = time::Interval{time::Tai::min(), time::Tai::min()};
  ClockWord last;
  last.ordering = {time::SmearedUtc::max(), time::SmearedUtc::max()};
  last.truth = time::Interval{time::Tai::max(), time::Tai::max()};
  EXPECT_EQ(compare_clocks(first, &first, last), Finding::kBehind);
  EXPECT_EQ(compare_clocks(last, &last, first), Finding::kAhead);
  EXPECT_EQ(compare_clocks(last, &last, last), Finding::kAgrees);
}

// --- joining ---

TEST_F(Room, nothing_is_decided_before_the_own_session_is_published_and_then_listed) {
  EXPECT_EQ(vote_.vote(now_).verdict, Verdict::kUndecided);
  EXPECT_EQ(list().verdict, Verdict::kUndecided);
  const Listing before{at_, entries_};
  publish(Standing::kJoining);
  EXPECT_EQ(vote_.vote(now_).verdict, Verdict::kUndecided);
  vote_.listed(before, word(now_), now_);
  EXPECT_EQ(vote_.vote(now_).verdict, Verdict::kUndecided) << "that list is older than the publication";
  const Vote vote = list();
  EXPECT_EQ(vote.verdict, Verdict::kPassed);
  EXPECT_EQ(vote.standing, Standing::kMember);
  EXPECT_EQ(vote.voters, 0U) << "alone it passes";
  EXPECT_EQ(vote.text, "");
}

TEST_F(Room, nobody_has_a_vote_on_what_was_not_asked) {
  put(1, Standing::kMember, word(now_ + kDay));
  list();
  put(1, Standing::kMember, word(now_ + kDay));
  const Vote vote = list();
  EXPECT_EQ(vote.voters, 0U);
  EXPECT_EQ(vote.against, 0U);
  EXPECT_EQ(vote.text, "the sessions were not listed yet since this daemon first published its own");
}

TEST_F(Room, a_newcomer_waits_for_every_live_session_to_answer) {
  put(1, Standing::kMember);
  put(2, Standing::kTied);
  put(3, Standing::kJoining);
  const Revision mine = publish(Standing::kJoining);
  const Vote waiting = list();
  EXPECT_EQ(waiting.verdict, Verdict::kUndecided);
  EXPECT_EQ(waiting.standing, Standing::kJoining);
  EXPECT_NE(waiting.text.find("waiting for 3 to answer"), std::string::npos) << waiting.text;
  EXPECT_NE(waiting.text.find("host-2"), std::string::npos) << waiting.text;
  put(1, Standing::kMember, mine, word(now_));
  put(2, Standing::kTied, {mine.value - 1}, word(now_));
  put(3, Standing::kJoining, mine, word(now_));
  EXPECT_EQ(list().verdict, Verdict::kUndecided)
      << "the second one moved, but its clock may be older than the question";
  put(2, Standing::kTied, mine, word(now_));
  const Vote vote = list();
  EXPECT_EQ(vote.verdict, Verdict::kPassed) << vote.text;
  EXPECT_EQ(vote.voters, 3U);
}

TEST_F(Room, a_dead_session_that_lingers_delays_a_newcomer_once) {
  put(1, Standing::kMember, word(now_ + kDay));
  publish(Standing::kJoining);
  EXPECT_EQ(list().verdict, Verdict::kUndecided);
  pass(kBeat);
  EXPECT_EQ(list().verdict, Verdict::kUndecided);
  pass(kBeat);
  const Vote vote = list();
  EXPECT_EQ(vote.verdict, Verdict::kPassed) << "answer_within is over: " << vote.text;
  EXPECT_EQ(vote.voters, 0U) << "a word from the dead does not count, not even one from the future";
  publish(Standing::kJoining);
  EXPECT_EQ(list().verdict, Verdict::kPassed) << "not once more";
}

TEST_F(Room, who_is_taken_for_dead_is_awaited_again_when_it_moves) {
  put(1, Standing::kMember);
  const Revision mine = publish(Standing::kJoining);
  EXPECT_EQ(list().verdict, Verdict::kUndecided);
  pass(kBeat);
  put(1, Standing::kMember, {mine.value - 1}, word(now_));
  EXPECT_EQ(list().verdict, Verdict::kUndecided);
  pass(kBeat);
  EXPECT_EQ(list().verdict, Verdict::kUndecided) << "it has moved since it was asked: its time starts anew";
  pass(kBeat);
  EXPECT_EQ(list().verdict, Verdict::kPassed);
  put(1, Standing::kMember, {mine.value - 1}, word(now_));
  EXPECT_EQ(list().verdict, Verdict::kUndecided) << "it is back";
}

TEST_F(Room, who_moves_but_never_answers_is_not_awaited_for_ever) {
  put(1, Standing::kMember);
  const Revision mine = publish(Standing::kJoining);
  list();
  int beats = 0;
  while (vote_.vote(now_).verdict == Verdict::kUndecided && beats < 100) {
    pass(kBeat);
    put(1, Standing::kMember, {mine.value - 1}, word(now_ + kDay));
    list();
    ++beats;
  }
  EXPECT_EQ(beats, ClockVote::kLongestWait * 2);
  EXPECT_EQ(vote_.vote(now_).voters, 0U) << "who can't be compared both ways has no vote";
}

TEST_F(Room, later_newcomers_delay_nobody) {
  put(1, Standing::kMember);
  const Revision mine = publish(Standing::kJoining);
  list();
  put(1, Standing::kMember);
  for (int crash = 0; crash < 20; ++crash) {
    put(50 + crash, Standing::kJoining, {mine.value - 1}, word(now_ + kDay));
    const Vote vote = list();
    EXPECT_EQ(vote.verdict, Verdict::kPassed) << crash << vote.text;
    EXPECT_EQ(vote.voters, 1U);
    pass(milliseconds(200));
    put(1, Standing::kMember);
  }
}

TEST_F(Room, what_a_crashing_newcomer_leaves_behind_has_no_say) {
  put(1, Standing::kMember);
  publish(Standing::kJoining);
  put(50, Standing::kJoining, word(now_ + kDay));
  put(51, Standing::kJoining, word(now_ + kDay));
  put(1, Standing::kMember);
  EXPECT_EQ(list().verdict, Verdict::kUndecided) << "are they alive?";
  pass(kBeat);
  put(1, Standing::kMember);
  list();
  pass(kBeat);
  put(1, Standing::kMember);
  EXPECT_EQ(list().verdict, Verdict::kPassed);
  put(52, Standing::kJoining, word(now_ + kDay));
  EXPECT_EQ(list().verdict, Verdict::kPassed) << "one more";
  put(52, Standing::kJoining, word(now_ + kDay));
  put(51, Standing::kJoining, word(now_ + kDay));
  const Vote vote = list();
  EXPECT_EQ(vote.against, 2U) << "these are alive";
  EXPECT_EQ(vote.verdict, Verdict::kFailed);
}

TEST_F(Room, a_newcomer_that_fails_stays_one_and_passes_later) {
  put(1, Standing::kMember);
  publish(Standing::kJoining, word(now_ - kDay));
  put(1, Standing::kMember);
  const Vote vote = list(word(now_ - kDay));
  EXPECT_EQ(vote.verdict, Verdict::kFailed);
  EXPECT_EQ(vote.standing, Standing::kJoining) << "as a tied one it would have a vote on the member";
  EXPECT_EQ(vote.against, 1U);
  publish(Standing::kJoining);
  EXPECT_EQ(list().verdict, Verdict::kPassed) << "it was set right";
}

TEST_F(Room, a_late_list_is_no_ground_for_a_newcomer) {
  publish(Standing::kJoining);
  EXPECT_EQ(list().verdict, Verdict::kPassed);
  pass(kBeat * ClockVote::kSilentAfter);
  EXPECT_EQ(vote_.vote(now_).verdict, Verdict::kPassed);
  pass({1});
  EXPECT_EQ(vote_.vote(now_).verdict, Verdict::kUndecided);
  EXPECT_EQ(vote_.vote(now_).text, "the last list of sessions is 3.000000 s old");
  publish(Standing::kMember);
  EXPECT_EQ(vote_.vote(now_).verdict, Verdict::kPassed) << "a member doesn't fall because the store is away";
}

// --- what is compared with what ---

// Their interval was read before my commit and written after it: as it stands, it lies far behind mine.
TEST_F(Room, only_a_publication_that_they_had_seen_is_held_against_them) {
  beat({1, 2});
  const Revision seen_before_the_pause = at_;
  const ClockWord read_before_the_pause = word(now_);
  pass(seconds(60));
  publish(Standing::kMember);
  put(1, Standing::kMember, seen_before_the_pause, read_before_the_pause);
  put(2, Standing::kMember);
  const Vote vote = list();
  EXPECT_EQ(vote.voters, 2U);
  EXPECT_EQ(vote.against, 0U) << vote.text;
}

TEST_F(Room, the_newest_publication_that_they_had_seen_is_the_one) {
  beat({1, 2});
  publish(Standing::kMember, word(now_ + kDay));
  publish(Standing::kMember, word(now_));
  put(1, Standing::kMember);
  EXPECT_EQ(list().against, 0U) << "what was said before it was set right is forgotten";
  const Revision mad = publish(Standing::kMember, word(now_ + kDay));
  publish(Standing::kMember, word(now_));
  put(1, Standing::kMember, mad, word(now_));
  EXPECT_EQ(list().against, 1U);
}

TEST_F(Room, an_unchanged_word_bounds_whatever_i_say_later) {
  beat({1, 2});
  EXPECT_EQ(list(word(now_)).against, 0U);
  EXPECT_EQ(list(word(now_ - seconds(3))).against, 2U) << "my clock was set back; nobody has said anything new";
}

TEST_F(Room, text_says_who_is_against_and_by_how_much) {
  beat({1, 2});
  put(1, Standing::kMember, ordering_only(now_ + seconds(2)));
  const Vote vote = list();
  EXPECT_EQ(vote.verdict, Verdict::kPassed);
  EXPECT_EQ(vote.text, "1 of 2 other clocks contradict this one: " + session_key(id_of(1)) +
                           " (host-1): this clock is 1.980000 s behind it (ordering timeline)");
  for (int other = 3; other < 400; ++other)
    put(other, Standing::kMember, word(now_ + kDay));
  EXPECT_NE(list().text.find("and 395 more; check the time sources"), std::string::npos) << list().text;
  EXPECT_LT(list().text.size(), 2000U) << "whatever happens, a line of a log";
}

TEST_F(Room, text_says_on_which_timelines_and_on_which_side) {
  const std::string one = "1 of 2 other clocks contradict this one: " + session_key(id_of(1)) + " (host-1): ";
  beat({1, 2});
  put(1, Standing::kMember, word(now_ + seconds(2)));
  EXPECT_EQ(list().text, one +
                             "this clock is 1.980000 s behind it (ordering timeline), this clock is 1.980000 s behind "
                             "it (true time)");
  ClockWord wrong_truth = word(now_);
  wrong_truth.truth = word(now_ + seconds(2)).truth;
  put(1, Standing::kMember, wrong_truth);
  EXPECT_EQ(list().text, one + "this clock is 1.980000 s behind it (true time)");
  publish(Standing::kMember);
  put(1, Standing::kMember, ordering_only(now_ - seconds(2)));
  EXPECT_EQ(list().text, one + "this clock is 1.980000 s ahead of it (ordering timeline)");
}

TEST_F(Room, text_names_three_and_counts_only_what_it_does_not_name) {
  beat({1, 2, 3});
  for (const int other : {1, 2, 3})
    put(other, Standing::kMember, ordering_only(now_ + seconds(2)));
  const std::string text = list().text;
  EXPECT_NE(text.find("(host-3): this clock is 1.980000 s behind it (ordering timeline); "), std::string::npos) << text;
  put(4, Standing::kMember, ordering_only(now_ + seconds(2)));
  EXPECT_NE(list().text.find(" and 1 more; "), std::string::npos) << list().text;
}

}  // namespace
}  // namespace gnomon::lease
