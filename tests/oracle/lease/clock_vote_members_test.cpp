// SPDX-License-Identifier: Apache-2.0
//
// The rules of the vote among members, who is alive, and what can't be judged by.
#include "tests/oracle/lease/vote_room.hpp"

namespace gnomon::lease {
namespace {

// --- members ---

TEST_F(Room, no_member_is_bothered_by_a_newcomer) {
  beat({1});
  for (int other = 2; other < 9; ++other) {
    put(other, Standing::kJoining, word(now_ + kDay));
    put(other + 10, Standing::kOutvoted, word(now_ + kDay));
  }
  list();
  for (int other = 2; other < 9; ++other)
    put(other, Standing::kJoining, word(now_ + kDay));
  const Vote vote = list();
  EXPECT_EQ(vote.verdict, Verdict::kPassed);
  EXPECT_EQ(vote.voters, 1U);
  put(2, Standing::kTied, word(now_ + kDay));
  EXPECT_EQ(list().voters, 2U) << "who was in and is tied counts";
}

struct Count {
  std::initializer_list<int> agreeing;
  std::initializer_list<int> contradicting;
  Verdict verdict;
  Standing standing;
};

TEST_F(Room, more_than_half_of_all_must_agree) {
  const Count counts[] = {
      {{}, {1}, Verdict::kFailed, Standing::kTied},          {{1}, {2}, Verdict::kPassed, Standing::kMember},
      {{}, {1, 2}, Verdict::kFailed, Standing::kOutvoted},   {{1}, {2, 3}, Verdict::kFailed, Standing::kTied},
      {{1, 2}, {3}, Verdict::kPassed, Standing::kMember},    {{1}, {2, 3, 4}, Verdict::kFailed, Standing::kOutvoted},
      {{1, 2}, {3, 4}, Verdict::kPassed, Standing::kMember}, {{1, 2}, {3, 4, 5}, Verdict::kFailed, Standing::kTied},
  };
  for (const Standing own : {Standing::kMember, Standing::kTied})
    for (const Count& count : counts) {
      vote_ = ClockVote(id_of(kMe), {});
      entries_.clear();
      publish(own);
      for (const int other : count.agreeing)
        put(other, Standing::kMember);
      for (const int other : count.contradicting)
        put(other, Standing::kMember, word(now_ - kDay));
      const Vote vote = list();
      EXPECT_EQ(vote.verdict, count.verdict) << vote.text;
      EXPECT_EQ(vote.standing, count.standing) << vote.text;
      EXPECT_EQ(vote.voters, count.agreeing.size() + count.contradicting.size());
      EXPECT_EQ(vote.against, count.contradicting.size());
    }
}

TEST_F(Room, a_tied_one_passes_when_the_other_agrees_again) {
  beat({1});
  put(1, Standing::kMember, word(now_ + kDay));
  EXPECT_EQ(list().standing, Standing::kTied);
  publish(Standing::kTied);
  put(1, Standing::kTied, word(now_ + kDay));
  EXPECT_EQ(list().standing, Standing::kTied);
  put(1, Standing::kTied);
  const Vote vote = list();
  EXPECT_EQ(vote.verdict, Verdict::kPassed);
  EXPECT_EQ(vote.standing, Standing::kMember);
}

TEST_F(Room, a_tied_one_passes_when_the_other_is_gone) {
  beat({1});
  put(1, Standing::kTied, word(now_ + kDay));
  EXPECT_EQ(list().standing, Standing::kTied);
  publish(Standing::kTied);
  for (int silent = 1; silent < ClockVote::kSilentAfter; ++silent) {
    pass(kBeat);
    EXPECT_EQ(list().verdict, Verdict::kFailed) << silent;
  }
  pass(kBeat);
  EXPECT_EQ(list().verdict, Verdict::kPassed) << "it fell silent";
  put(1, Standing::kTied, word(now_ + kDay));
  EXPECT_EQ(list().verdict, Verdict::kFailed) << "it is back";
  remove(1);
  EXPECT_EQ(list().verdict, Verdict::kPassed) << "its session was taken away";
}

TEST_F(Room, who_was_outvoted_rejoins_like_a_new_one) {
  beat({1, 2});
  EXPECT_EQ(beat({1, 2}, kDay).standing, Standing::kOutvoted);
  const Revision fall = publish(Standing::kOutvoted, word(now_ + kDay));
  EXPECT_EQ(vote_.vote(now_).verdict, Verdict::kUndecided);
  Vote vote = list(word(now_ + kDay));
  EXPECT_EQ(vote.verdict, Verdict::kUndecided) << "what they said before it fell is no answer";
  EXPECT_EQ(vote.standing, Standing::kOutvoted);
  put(1, Standing::kMember, {fall.value - 1}, word(now_));
  put(2, Standing::kMember, fall, word(now_));
  EXPECT_EQ(list(word(now_ + kDay)).verdict, Verdict::kUndecided);
  put(1, Standing::kMember, fall, word(now_));
  vote = list(word(now_ + kDay));
  EXPECT_EQ(vote.verdict, Verdict::kFailed);
  EXPECT_EQ(vote.standing, Standing::kOutvoted);
  publish(Standing::kOutvoted);
  EXPECT_EQ(list().against, 2U) << "they have not seen yet that it was set right";
  put(1, Standing::kMember);
  put(2, Standing::kMember);
  vote = list();
  EXPECT_EQ(vote.verdict, Verdict::kPassed);
  EXPECT_EQ(vote.standing, Standing::kMember);
}

TEST_F(Room, the_time_to_answer_counts_from_the_publication) {
  beat({1, 2});
  EXPECT_EQ(beat({1, 2}, kDay).standing, Standing::kOutvoted);
  pass(milliseconds(900));
  publish(Standing::kOutvoted);
  pass(milliseconds(100));
  EXPECT_EQ(list().verdict, Verdict::kUndecided);
  pass(kBeat);
  EXPECT_EQ(list().verdict, Verdict::kUndecided);
  pass(milliseconds(899));
  EXPECT_EQ(list().verdict, Verdict::kUndecided);
  pass(milliseconds(1));
  EXPECT_EQ(list().verdict, Verdict::kPassed);
}

// --- who is alive ---

TEST_F(Room, an_outage_of_the_store_makes_nobody_look_dead) {
  beat({1, 2, 3});
  pass(seconds(600));
  EXPECT_EQ(list().voters, 3U) << "nobody could move";
  pass(kBeat);
  EXPECT_EQ(list().voters, 3U);
  pass(kBeat);
  EXPECT_EQ(list().voters, 3U) << "and they have as long to come back as they ever have";
  pass(kBeat);
  EXPECT_EQ(list().voters, 0U);
}

TEST_F(Room, a_newcomer_that_comes_through_an_outage_waits_for_the_others) {
  put(1, Standing::kMember);
  const Revision mine = publish(Standing::kJoining, word(now_ + kDay));
  list(word(now_ + kDay));
  pass(seconds(600));
  EXPECT_EQ(list(word(now_ + kDay)).verdict, Verdict::kUndecided);
  pass(kBeat);
  EXPECT_EQ(list(word(now_ + kDay)).verdict, Verdict::kUndecided);
  put(1, Standing::kMember, mine, word(now_));
  EXPECT_EQ(list(word(now_ + kDay)).verdict, Verdict::kFailed);
}

TEST_F(Room, an_outage_between_the_publication_and_the_first_list_is_not_time_to_answer) {
  put(1, Standing::kMember);
  list();
  publish(Standing::kJoining, word(now_ + kDay));
  pass(seconds(600));
  EXPECT_EQ(list(word(now_ + kDay)).verdict, Verdict::kUndecided) << "nobody could answer meanwhile";
}

TEST_F(Room, nobody_votes_before_the_publication_was_listed) {
  put(1, Standing::kMember);
  list();
  put(1, Standing::kMember, word(now_ + kDay));
  const Listing before{at_, entries_};
  publish(Standing::kJoining);
  vote_.listed(before, word(now_), now_);
  const Vote vote = vote_.vote(now_);
  EXPECT_EQ(vote.voters, 0U);
  EXPECT_EQ(vote.text, "the sessions were not listed yet since this daemon first published its own");
}

TEST_F(Room, a_gap_of_three_heartbeats_is_no_outage_yet) {
  beat({1, 2});
  pass(kBeat * ClockVote::kSilentAfter);
  EXPECT_EQ(list().voters, 2U) << "one and a half heartbeats were observed";
  pass(kBeat * ClockVote::kSilentAfter);
  EXPECT_EQ(list().voters, 0U) << "three were";
}

TEST_F(Room, a_late_list_counts_for_one_and_a_half_heartbeats) {
  beat({1, 2, 3});
  pass(kBeat * 5 / 2);
  EXPECT_EQ(list().voters, 3U);
  pass(kBeat * 149 / 100);
  EXPECT_EQ(list().voters, 3U) << "2.99 heartbeats were observed";
  pass(kBeat / 100);
  EXPECT_EQ(list().voters, 0U);
}

TEST_F(Room, members_vote_as_long_as_they_move) {
  beat({1, 2});
  for (int i = 0; i < 20; ++i) {
    publish(Standing::kMember);
    pass(kBeat * 2);
    put(1, Standing::kMember);
    list();
  }
  EXPECT_EQ(list().voters, 1U);
  put(2, Standing::kMember);
  EXPECT_EQ(list().voters, 2U) << "it came back";
}

TEST_F(Room, who_never_saw_this_daemon_has_no_vote_on_it) {
  publish(Standing::kMember);
  const Revision before{at_.value - 1};
  put(1, Standing::kMember, before, word(now_ + kDay));
  EXPECT_EQ(list().voters, 0U);
  put(1, Standing::kMember, word(now_ + kDay));
  EXPECT_EQ(list().voters, 1U);
}

// --- what can't be judged by ---

TEST_F(Room, what_cannot_be_read_is_ignored_and_named) {
  beat({1});
  put_text(session_key(id_of(2)), "session 2 from=the future");
  const Revision at{at_.value + 1};
  put(3, Standing::kMember, at, word(now_ + kDay));  // has seen its own revision
  put(4, Standing::kMember, {UINT64_MAX}, word(now_ + kDay));
  put_text("session/readme", "a foreign key");
  ClockWord first;
  first.ordering = {time::SmearedUtc::min(), time::SmearedUtc::min()};
  put(5, Standing::kMember, first);
  const Vote vote = list();
  EXPECT_EQ(vote.voters, 2U) << vote.text;
  EXPECT_EQ(vote.against, 1U) << "nonsense that can be read is a word";
  EXPECT_EQ(vote.verdict, Verdict::kPassed);
  EXPECT_NE(vote.text.find(session_key(id_of(2)) + ": written by another version of gnomon"), std::string::npos)
      << vote.text;
  for (const int bad : {3, 4})
    EXPECT_NE(vote.text.find(session_key(id_of(bad)) + ": it claims to have seen"), std::string::npos) << vote.text;
  EXPECT_EQ(vote.text.find("readme"), std::string::npos) << vote.text;
}

TEST_F(Room, a_single_one_that_cannot_be_read_is_named) {
  beat({1});
  put_text(session_key(id_of(2)), "nonsense");
  EXPECT_NE(list().text.find("ignored, because they can't be read: " + session_key(id_of(2))), std::string::npos);
}

TEST_F(Room, an_unreadable_session_is_not_awaited) {
  put_text(session_key(id_of(2)), "session 2 from=the future");
  publish(Standing::kJoining);
  EXPECT_EQ(list().verdict, Verdict::kPassed);
}

TEST_F(Room, a_copy_of_this_process_is_named_and_not_judged_by) {
  beat({1, 2});
  put(kMe, Standing::kOutvoted, word(now_ + kDay));
  put(1, Standing::kMember);
  put(2, Standing::kMember);
  const Vote vote = list();
  EXPECT_EQ(vote.verdict, Verdict::kPassed);
  EXPECT_EQ(vote.voters, 2U);
  EXPECT_EQ(vote.against, 0U) << "the copy's word is none of mine: " << vote.text;
  EXPECT_NE(vote.text.find("a copy of this process"), std::string::npos) << vote.text;
  EXPECT_FALSE(vote_.asked());
  pass(kBeat * 60);
  list();
  for (const Compare& compare : vote_.abandoned())
    EXPECT_NE(compare.key, session_key(id_of(kMe)));
  publish(Standing::kMember);
  EXPECT_NE(vote_.vote(now_).text.find("a copy of this process"), std::string::npos) << "as the last list has it";
  EXPECT_EQ(list().text, "");
}

TEST_F(Room, a_publication_that_was_given_up_and_landed_can_be_told_of_later) {
  const Session lost{next_nonce(), Standing::kJoining, at_, word(now_), holder(kMe)};
  const Revision landed = put_text(session_key(id_of(kMe)), encode(lost));
  put(1, Standing::kMember);
  list();
  vote_.published(landed, lost, now_);
  const Vote vote = vote_.vote(now_);
  EXPECT_EQ(vote.text.find("copy"), std::string::npos) << vote.text;
  list();
  put(1, Standing::kMember);
  EXPECT_EQ(list().verdict, Verdict::kPassed);
}

TEST_F(Room, what_is_told_of_later_counts_at_its_revision) {
  beat({1, 2});
  const Session mad{next_nonce(), Standing::kMember, at_, word(now_ + kDay), holder(kMe)};
  const Revision landed = put_text(session_key(id_of(kMe)), encode(mad));
  publish(Standing::kMember);
  vote_.published(landed, mad, now_);
  put(1, Standing::kMember, landed, word(now_));
  EXPECT_EQ(list().against, 1U);
}

TEST_F(Room, what_is_told_of_twice_counts_once) {
  beat({1, 2});
  const Revision mad = publish(Standing::kMember, word(now_ + kDay));
  const Session sane{next_nonce(), Standing::kMember, at_, word(now_), holder(kMe)};
  const Revision landed = put_text(session_key(id_of(kMe)), encode(sane));
  for (std::size_t i = 0; i < 3 * ClockVote::kMaxPublications; ++i)
    vote_.published(landed, sane, now_);
  put(1, Standing::kMember, mad, word(now_));
  EXPECT_EQ(list().against, 1U) << "the one between was not thinned out";
}

TEST_F(Room, what_stood_there_before_the_first_publication_is_no_copy) {
  put(kMe, Standing::kMember);
  put(1, Standing::kMember);
  const Listing before{at_, entries_};
  publish(Standing::kJoining);
  vote_.listed(before, word(now_), now_);
  EXPECT_EQ(vote_.vote(now_).text.find("copy"), std::string::npos);
}

TEST_F(Room, text_says_that_the_own_session_was_taken_away) {
  beat({1, 2});
  remove(kMe);
  EXPECT_NE(list().text.find("the own session is gone"), std::string::npos);
  publish(Standing::kMember);
  EXPECT_EQ(vote_.vote(now_).text, "") << "it is there again, and that list is older";
  EXPECT_EQ(list().text, "");
}

TEST_F(Room, a_list_older_than_the_last_is_ignored) {
  beat({1});
  const Listing old{at_, entries_};
  put(1, Standing::kMember, word(now_ + kDay));
  EXPECT_EQ(list().verdict, Verdict::kFailed);
  vote_.listed(old, word(now_), now_);
  EXPECT_EQ(vote_.vote(now_).verdict, Verdict::kFailed);
}

// --- answering ---

TEST_F(Room, a_live_newcomer_asks_once) {
  EXPECT_FALSE(vote_.asked());
  beat({1});
  EXPECT_FALSE(vote_.asked());
  put(1, Standing::kTied);
  list();
  EXPECT_FALSE(vote_.asked()) << "a tied one waits for nobody";
  put(2, Standing::kJoining);
  list();
  EXPECT_TRUE(vote_.asked());
  publish(Standing::kMember);
  EXPECT_FALSE(vote_.asked());
  put(2, Standing::kJoining);
  list();
  EXPECT_FALSE(vote_.asked()) << "two newcomers that disagree would ask each other for ever";
  put(2, Standing::kMember);
  list();
  put(2, Standing::kOutvoted);
  list();
  EXPECT_TRUE(vote_.asked()) << "it fell and asks anew";
}

TEST_F(Room, an_answer_that_was_read_too_early_is_none) {
  beat({1});
  const Session early{next_nonce(), Standing::kMember, at_, word(now_), holder(kMe)};
  put(2, Standing::kJoining);
  list();
  vote_.published(put_text(session_key(id_of(kMe)), encode(early)), early, now_);
  EXPECT_TRUE(vote_.asked());
}

TEST_F(Room, the_dead_are_not_answered) {
  beat({1});
  put(2, Standing::kJoining);
  const Session early{next_nonce(), Standing::kMember, {at_.value - 1}, word(now_), holder(kMe)};
  vote_.published(put_text(session_key(id_of(kMe)), encode(early)), early, now_);
  for (int i = 0; i <= ClockVote::kSilentAfter; ++i) {
    list();
    EXPECT_EQ(vote_.asked(), i < ClockVote::kSilentAfter);
    pass(kBeat);
  }
}

TEST_F(Room, what_nobody_renews_for_long_is_abandoned) {
  beat({1, 2});
  put_text(session_key(id_of(3)), "unreadable");
  const Revision unreadable = at_;
  put_text("session/readme", "a foreign key");
  const Revision last = put(1, Standing::kMember);
  list();
  for (int i = 1; i < ClockVote::kAbandonedAfter; ++i) {
    pass(kBeat);
    put(2, Standing::kMember);
    list();
    EXPECT_TRUE(vote_.abandoned().empty()) << i;
  }
  pass(kBeat);
  list();
  EXPECT_EQ(vote_.abandoned(),
            (std::vector<Compare>{{session_key(id_of(1)), last}, {session_key(id_of(3)), unreadable}}));
}

// --- bounds ---

TEST_F(Room, old_publications_are_thinned_out_and_stay_sound) {
  beat({1, 2});
  std::vector<Revision> revisions;
  const Duration start = now_;
  for (int i = 0; i < 5000; ++i) {
    revisions.push_back(publish(Standing::kMember));
    pass(milliseconds(100));
  }
  const auto said_at = [&](std::size_t i) { return start + milliseconds(100) * static_cast<std::int64_t>(i); };
  // A right clock that had seen the i-th, read just then, never contradicts; one that is behind by more than the
  // distance to the publication that is left does.
  for (std::size_t i = 0; i < revisions.size(); i += 7) {
    put(1, Standing::kMember, revisions[i], word(said_at(i)));
    ASSERT_EQ(list().against, 0U) << i;
  }
  for (std::size_t i = revisions.size() - 32; i < revisions.size(); ++i) {
    put(1, Standing::kMember, revisions[i], word(said_at(i) - milliseconds(21)));
    ASSERT_EQ(list().against, 1U) << "the newest ones are all there: " << i;
  }
  put(1, Standing::kMember, revisions[2], word(start - kDay));
  EXPECT_EQ(list().against, 1U) << "the first one stays";
  std::size_t kept = 0;
  for (std::size_t i = 1; i < revisions.size(); i += 7) {
    put(1, Standing::kMember, revisions[i], word(said_at(i) - milliseconds(21)));
    kept += list().against;
  }
  EXPECT_LE(kept, ClockVote::kMaxPublications);
}

TEST_F(Room, thousands_of_sessions_are_counted) {
  publish(Standing::kMember);
  for (int other = 1000; other < 6000; ++other) {
    const Session session{next_nonce(), Standing::kMember, at_, word(now_ + (other % 5 == 0 ? kDay : Duration{})), ""};
    entries_.push_back({session_key(id_of(other)), encode(session), {at_.value + 1}});
  }
  at_.value += 1;
  const Vote vote = list();
  EXPECT_EQ(vote.voters, 5000U);
  EXPECT_EQ(vote.against, 1000U);
  EXPECT_EQ(vote.verdict, Verdict::kPassed);
}

}  // namespace
}  // namespace gnomon::lease
