// SPDX-License-Identifier: Apache-2.0
//
// Who may take a name, give it back, or have it taken away. What each commit relies on: lease_commit_test.cpp.
#include "oracle/lease/lease_rules.hpp"

#include <gtest/gtest.h>

#include <set>

#include "tests/oracle/lease/lease_fixture.hpp"

namespace gnomon::lease {
namespace {

using time::Duration;
using time::nanoseconds;

using Crowd = std::vector<std::uint8_t>;

class LeaseRules : public Leases {
 protected:
  Decision decide(std::uint8_t who, bool wait = false) {
    return acquire(scene(who), policy, asker(who), {std::string(kName), lock_delay, "", wait});
  }
  Crowd waiters() const {
    Crowd who;
    for (const SeenWaiter& waiter : scene(0).queue)
      who.push_back(waiter.session[0]);
    return who;
  }
  /// The token of the present grant.
  mint::Token granted() const { return look().token; }
  SessionState state(std::uint8_t who) const { return session(who).state; }
};

// --- acquire ---

TEST_F(LeaseRules, a_grant_is_under_the_revision_that_wrote_it) {
  open(1);
  const answer::Held first = held(take(1));
  EXPECT_EQ(first.token, make_token(5, shelf.revision));
  EXPECT_TRUE(first.anew);
  EXPECT_FALSE(first.taken_over);
  EXPECT_EQ(first.session_left, seconds(10));
  const NamedLease stored = *scene(1).lease->value;
  EXPECT_EQ(stored.session, session_id(1));
  EXPECT_EQ(stored.epoch, 5);
}

TEST_F(LeaseRules, acquiring_again_answers_with_the_grant_that_is_there) {
  open(1);
  const mint::Token token = held(take(1)).token;
  now = now + seconds(3);
  const Revision before = shelf.revision;
  const Decision again = acquire(scene(1), policy, asker(1), {std::string(kName), seconds(5), "other", true});
  ASSERT_TRUE(std::holds_alternative<Answer>(again)) << "without a commit, whatever the terms";
  const answer::Held answer = held(std::get<Answer>(again));
  EXPECT_EQ(answer.token, token);
  EXPECT_FALSE(answer.anew);
  EXPECT_EQ(answer.session_left, seconds(7));
  EXPECT_EQ(shelf.revision, before);
}

TEST_F(LeaseRules, a_held_name_is_refused_with_who_holds_it_and_for_how_long) {
  open(1);
  open(2, seconds(100));
  lock_delay = seconds(2);
  const mint::Token token = held(take(1)).token;
  now = now + seconds(4);
  const answer::Refused answer = refused(take(2));
  EXPECT_EQ(answer.why, Refusal::kHeld);
  EXPECT_EQ(answer.holder, "client-A");
  EXPECT_EQ(answer.token, token);
  EXPECT_EQ(answer.retry_after, seconds(8) + nanoseconds(1));
  EXPECT_EQ(answer.text, "\"database:1\" is held by client-A (local) under token " + std::to_string(token.value) +
                             ": wait in its queue, or ask again in 8.001 s, when it is free unless it is renewed");
  now = now + answer.retry_after;
  EXPECT_TRUE(held(take(2)).taken_over) << "and then it is";
}

TEST_F(LeaseRules, takeover_waits_for_the_whole_doubt_of_both_clocks_and_the_lock_delay) {
  for (const Duration width : {Duration{}, milliseconds(7)})
    for (const Duration delay : {Duration{}, seconds(3)}) {
      shelf = Shelf{};
      now = kStart;
      epsilon = width;
      lock_delay = delay;
      open(1);
      open(2, seconds(100));
      take(1);
      const time::Tai end = kStart + seconds(10) + width * 2 + delay;
      now = end;
      EXPECT_EQ(refusal_of(take(2)), Refusal::kHeld);
      now = end + nanoseconds(1);
      EXPECT_TRUE(held(take(2)).taken_over);
    }
}

TEST_F(LeaseRules, takeover_kills_the_session_so_nothing_of_it_can_be_renewed) {
  open(1);
  open(2, seconds(100));
  take(1);
  take(1, "other");
  now = now + seconds(10) + nanoseconds(1);
  const mint::Token first = granted();
  const Nonce renewed_last = session(1).nonce;
  EXPECT_GT(held(take(2)).token, first);
  EXPECT_EQ(state(1), SessionState::kKilled);
  EXPECT_EQ(session(1).expiry.at, kStart + seconds(10)) << "when it ended stays known";
  EXPECT_NE(session(1).nonce, renewed_last) << "a renewal whose answer was lost does not take this for its own";
  EXPECT_EQ(refusal_of(renew(1)), Refusal::kSessionOver);
  EXPECT_TRUE(held(take(2, "other")).taken_over) << "the rest of it goes on expiring";
}

TEST_F(LeaseRules, a_closed_session_leaves_its_leases_free_at_once) {
  open(1);
  open(2);
  lock_delay = seconds(30);
  take(1);
  close(1);
  const answer::Held answer = held(take(2));
  EXPECT_TRUE(answer.anew);
  EXPECT_FALSE(answer.taken_over);
  EXPECT_EQ(state(1), SessionState::kClosed) << "how it ended stays in the store";
}

TEST_F(LeaseRules, a_killed_session_s_leases_wait_out_their_own_lock_delays) {
  open(1);
  open(2, seconds(100));
  take(1, "short");
  lock_delay = seconds(20);
  take(1, "long");
  now = now + seconds(11);
  take(2, "short");
  ASSERT_EQ(state(1), SessionState::kKilled);
  EXPECT_EQ(refusal_of(take(2, "long")), Refusal::kHeld);
  now = kStart + seconds(30) + nanoseconds(1);
  EXPECT_TRUE(held(take(2, "long")).taken_over);
}

TEST_F(LeaseRules, an_expiry_beyond_the_horizon_is_granted_to_nobody) {
  open(1);
  open(2);
  take(1);
  ClientSession mad = session(1);
  mad.expiry.at = now + mad.ttl + policy.tolerance;
  rewrite(1, mad);
  EXPECT_EQ(refusal_of(take(2)), Refusal::kHeld);
  epsilon = milliseconds(7);
  mad.expiry.at = mad.expiry.at + epsilon;
  rewrite(1, mad);
  EXPECT_EQ(refusal_of(take(2)), Refusal::kHeld) << "it may be that late";
  mad.expiry.at = mad.expiry.at + nanoseconds(1);
  for (const SessionState each : {SessionState::kOpen, SessionState::kKilled}) {
    mad.state = each;
    rewrite(1, mad);
    const answer::Refused answer = refused(queue(2));
    EXPECT_EQ(answer.why, Refusal::kQuarantined) << "nor does anybody wait for it";
    EXPECT_EQ(answer.holder, "client-A");
    EXPECT_EQ(answer.retry_after, Duration{});
    EXPECT_NE(answer.text.find("`gnomon lease break database:1`"), std::string::npos) << answer.text;
  }
  mad.state = SessionState::kClosed;
  rewrite(1, mad);
  EXPECT_TRUE(held(take(2)).anew) << "what was given back is free, whatever its expiry";
}

TEST_F(LeaseRules, an_expiry_on_another_kind_of_clock_is_granted_to_nobody) {
  open(1);
  open(2);
  take(1);
  ClientSession moved = session(1);
  moved.expiry.boot = {1};
  rewrite(1, moved);
  now = now + seconds(5);
  EXPECT_EQ(refusal_of(take(2)), Refusal::kQuarantined);
  crush();
  EXPECT_TRUE(held(take(2)).anew);
}

TEST_F(LeaseRules, what_is_damaged_is_granted_to_nobody_until_it_is_broken) {
  open(1);
  open(2, seconds(100));
  take(1);
  const auto expect_unreadable = [&](const std::string& key) {
    const answer::Refused answer = refused(queue(2));
    EXPECT_EQ(answer.why, Refusal::kUnreadable);
    EXPECT_NE(answer.text.find(key), std::string::npos) << answer.text;
    EXPECT_NE(answer.text.find("`gnomon lease break database:1`"), std::string::npos) << answer.text;
  };
  const Shelf before = shelf;
  damage(lease_key(kName));
  now = now + seconds(60);
  expect_unreadable("lease/h/database:1");
  shelf = before;
  damage(client_key(session_id(1)));
  expect_unreadable("client/01010101010101010101010101010101");
  shelf = before;
  shelf.commit({{}, {}, {client_key(session_id(1))}});
  expect_unreadable("client/01010101010101010101010101010101");
  EXPECT_TRUE(std::holds_alternative<answer::Broken>(crush()));
  EXPECT_TRUE(held(take(2)).anew);
}

TEST_F(LeaseRules, what_an_acquisition_may_carry_has_bounds) {
  open(1);
  const auto with = [&](std::string name, Duration delay, std::size_t bytes) {
    return refusal_of(acquire(scene(1), policy, asker(1), {std::move(name), delay, std::string(bytes, 'x'), false}));
  };
  EXPECT_EQ(with("a b", {}, 0), Refusal::kBadName);
  EXPECT_EQ(with("", {}, 0), Refusal::kBadName);
  EXPECT_EQ(with("a", {}, kMaxMetadata + 1), Refusal::kBadMetadata);
  EXPECT_EQ(with("a", nanoseconds(-1), 0), Refusal::kBadLockDelay);
  EXPECT_EQ(with("a", kMaxLockDelay + nanoseconds(1), 0), Refusal::kBadLockDelay);
  EXPECT_EQ(with("a", kMaxLockDelay, kMaxMetadata), std::nullopt);
  EXPECT_EQ(refused(perform(release(scene(1), policy, asker(1), "a\nb", {}))).text,
            "\"a?b\" can't be the name of a lease: it takes 1 to 200 characters of [A-Za-z0-9._:/@=+-]");
  EXPECT_EQ(refusal_of(break_lease(scene(1), policy, {}, "#")), Refusal::kBadName);
}

TEST_F(LeaseRules, nothing_is_taken_under_a_session_that_is_over) {
  EXPECT_EQ(refusal_of(take(1)), Refusal::kNoSession);
  open(1);
  now = now + seconds(10);
  EXPECT_TRUE(std::holds_alternative<Step>(decide(1))) << "its last instant";
  now = now + nanoseconds(1);
  EXPECT_EQ(refusal_of(take(1)), Refusal::kSessionOver);
}

// --- the queue ---

TEST_F(LeaseRules, waiters_are_served_in_the_order_in_which_they_came) {
  for (const std::uint8_t who : Crowd{1, 2, 3, 4})
    open(who);
  const mint::Token token = held(take(1)).token;
  EXPECT_EQ(waiting(queue(3)).in_front, 0U);
  EXPECT_EQ(waiting(queue(2)).in_front, 1U);
  EXPECT_EQ(waiters(), (Crowd{3, 2}));
  give(1, token);
  EXPECT_EQ(waiting(queue(2)).in_front, 1U) << "free, but not its turn";
  const answer::Refused barging = refused(take(4));
  EXPECT_EQ(barging.why, Refusal::kQueued);
  EXPECT_EQ(barging.retry_after, seconds(10) + nanoseconds(1)) << "when those in front are over";
  EXPECT_EQ(refusal_of(take(2)), Refusal::kQueued);
  EXPECT_TRUE(held(take(3)).anew);
  EXPECT_EQ(waiters(), Crowd{2}) << "a grant takes its place away";
  give(3, look().token);
  EXPECT_TRUE(held(take(2)).anew);
  EXPECT_TRUE(waiters().empty());
}

TEST_F(LeaseRules, a_place_is_taken_once_and_kept) {
  open(1);
  open(2);
  take(1);
  queue(2);
  const Revision place = scene(2).queue.front().modified;
  const Decision again = decide(2, true);
  EXPECT_TRUE(std::holds_alternative<Answer>(again)) << "no commit";
  EXPECT_EQ(scene(2).queue.front().modified, place);
}

TEST_F(LeaseRules, whoever_waits_hears_when_it_can_be_its_turn) {
  open(1);
  open(2, seconds(100));
  open(3, seconds(100));
  lock_delay = seconds(2);
  take(1);
  EXPECT_EQ(waiting(queue(2)).retry_after, seconds(12) + nanoseconds(1)) << "when the holder's lock-delay is over";
  EXPECT_EQ(waiting(queue(3)).retry_after, seconds(100) + nanoseconds(1)) << "when the one in front is over, too";
}

TEST_F(LeaseRules, waiters_whose_sessions_are_over_do_not_count_and_are_swept_away) {
  open(1, seconds(100));
  for (const std::uint8_t who : Crowd{2, 3, 4, 5, 6})
    open(who, who < 5 ? seconds(10) : seconds(100));
  const mint::Token token = held(take(1)).token;
  for (const std::uint8_t who : Crowd{2, 3, 4, 5, 6})
    queue(who);
  close(2);
  shelf.commit({{}, {}, {client_key(session_id(3))}});
  now = now + seconds(11);  // 4 was not renewed
  give(1, token);
  EXPECT_EQ(look().waiters, 2U);
  EXPECT_EQ(waiting(queue(6)).in_front, 1U);
  EXPECT_TRUE(held(take(5)).anew);
  EXPECT_EQ(waiters(), Crowd{6});
}

TEST_F(LeaseRules, a_waiter_that_only_looks_expired_keeps_its_place) {
  open(1, seconds(100));
  open(2, seconds(10));
  open(3, seconds(100));
  const mint::Token token = held(take(1)).token;
  queue(2);
  queue(3);
  give(1, token);
  now = now + seconds(11);
  const Decision stale = decide(3);
  ASSERT_TRUE(std::holds_alternative<Step>(stale));
  now = now - seconds(2);
  renew(2);
  EXPECT_FALSE(shelf.commit(std::get<Step>(stale).transaction)) << "it was renewed meanwhile";
  EXPECT_EQ(waiters(), (Crowd{2, 3}));
}

TEST_F(LeaseRules, waiters_that_nobody_can_judge_are_passed_and_left_alone) {
  open(1, seconds(100));
  open(2);
  open(3);
  open(4, seconds(100));
  const mint::Token token = held(take(1)).token;
  for (const std::uint8_t who : Crowd{2, 3, 4})
    queue(who);
  give(1, token);
  damage(client_key(session_id(2)));
  ClientSession mad = session(3);
  mad.expiry.at = now + seconds(1'000'000);
  rewrite(3, mad);
  EXPECT_TRUE(held(take(4)).anew) << "a mad clock's waiter would block the name for as long as it is mad";
  EXPECT_EQ(waiters(), (Crowd{2, 3}));
}

TEST_F(LeaseRules, a_grant_sweeps_a_bounded_number_of_places) {
  open(1, seconds(100));
  const mint::Token token = held(take(1)).token;
  for (std::uint8_t who = 2; who < 42; ++who) {
    open(who);
    queue(who);
    close(who);
  }
  open(50, seconds(100));
  queue(50);
  give(1, token);
  EXPECT_TRUE(held(take(50)).anew);
  EXPECT_EQ(waiters().size(), 40U - 16U);
}

// --- release and break ---

TEST_F(LeaseRules, only_the_grant_that_is_meant_is_released) {
  open(1);
  const mint::Token first = held(take(1)).token;
  EXPECT_TRUE(std::holds_alternative<answer::Released>(give(1, first)));
  const mint::Token second = held(take(1)).token;
  EXPECT_GT(second, first);
  const answer::Refused late = refused(give(1, first));
  EXPECT_EQ(late.why, Refusal::kNotHeld);
  EXPECT_NE(late.text.find("but under token " + std::to_string(second.value)), std::string::npos) << late.text;
  EXPECT_EQ(look().token, second) << "a late duplicate releases nothing";
  EXPECT_TRUE(std::holds_alternative<answer::Released>(give(1, second)));
  EXPECT_EQ(refusal_of(give(1, second)), Refusal::kNotHeld);
}

// It says "no more" to a wait, and may arrive when the session has long been granted the name.
TEST_F(LeaseRules, no_token_releases_no_grant) {
  open(1);
  const mint::Token token = held(take(1)).token;
  const answer::Refused late = refused(give(1, {}));
  EXPECT_EQ(late.why, Refusal::kNotHeld);
  EXPECT_NE(late.text.find("but holds it under token " + std::to_string(token.value)), std::string::npos) << late.text;
  EXPECT_EQ(look().token, token);
  EXPECT_TRUE(std::holds_alternative<answer::Released>(give(1, token)));
  EXPECT_EQ(refusal_of(give(1, {})), Refusal::kNotHeld);
}

TEST_F(LeaseRules, nobody_releases_what_is_another_s) {
  open(1);
  open(2);
  const mint::Token token = held(take(1)).token;
  EXPECT_EQ(refusal_of(give(2, token)), Refusal::kNotHeld);
  EXPECT_EQ(refusal_of(give(2, {})), Refusal::kNotHeld);
  EXPECT_EQ(look().token, token);
  EXPECT_EQ(refusal_of(give(3, token)), Refusal::kNoSession);
}

TEST_F(LeaseRules, a_place_in_the_queue_is_given_up_only_under_no_token) {
  open(1);
  open(2);
  const mint::Token token = held(take(1)).token;
  queue(2);
  EXPECT_EQ(refusal_of(give(2, token)), Refusal::kNotHeld);
  EXPECT_EQ(waiters().size(), 1U);
  EXPECT_TRUE(std::holds_alternative<answer::Withdrawn>(give(2, {})));
  EXPECT_TRUE(waiters().empty());
  EXPECT_EQ(look().token, token);
}

TEST_F(LeaseRules, a_late_release_spares_the_next_holder_the_lock_delay) {
  open(1);
  open(2, seconds(100));
  lock_delay = seconds(30);
  const mint::Token token = held(take(1)).token;
  now = now + seconds(11);
  EXPECT_EQ(refusal_of(take(2)), Refusal::kHeld);
  EXPECT_TRUE(std::holds_alternative<answer::Released>(give(1, token))) << "its session is over, but it says so itself";
  EXPECT_TRUE(held(take(2)).anew);
  EXPECT_EQ(refusal_of(give(1, token)), Refusal::kNotHeld);
}

TEST_F(LeaseRules, an_unreadable_grant_is_not_released) {
  open(1);
  const mint::Token token = held(take(1)).token;
  damage(lease_key(kName));
  EXPECT_EQ(refusal_of(give(1, token)), Refusal::kUnreadable);
  EXPECT_EQ(refusal_of(give(1, {})), Refusal::kNotHeld) << "it does not wait";
}

TEST_F(LeaseRules, breaking_takes_the_grant_away_and_kills_the_session) {
  open(1);
  open(2);
  const mint::Token token = held(take(1)).token;
  const Answer answer = crush();
  ASSERT_TRUE(std::holds_alternative<answer::Broken>(answer));
  EXPECT_EQ(std::get<answer::Broken>(answer).token, token);
  EXPECT_EQ(std::get<answer::Broken>(answer).holder, "client-A");
  EXPECT_EQ(state(1), SessionState::kKilled);
  EXPECT_EQ(refusal_of(renew(1)), Refusal::kSessionOver);
  EXPECT_GT(held(take(2)).token, token);
  EXPECT_EQ(refusal_of(crush("another")), Refusal::kNotHeld);
}

TEST_F(LeaseRules, breaking_works_on_whatever_is_damaged) {
  open(1);
  take(1);
  const Shelf before = shelf;
  damage(lease_key(kName));
  EXPECT_TRUE(std::holds_alternative<answer::Broken>(crush()));
  EXPECT_EQ(state(1), SessionState::kOpen) << "nobody can say whose it was";
  shelf = before;
  damage(client_key(session_id(1)));
  EXPECT_TRUE(std::holds_alternative<answer::Broken>(crush()));
  EXPECT_EQ(look().state, LeaseState::kFree);
}

TEST_F(LeaseRules, only_a_fresh_grant_s_token_is_that_of_its_commit) {
  const Step fresh{{}, answer::Held{{}, true, true, seconds(3)}};
  EXPECT_EQ(held_token(completed(fresh, {42}, 7)), make_token(7, {42}));
  EXPECT_TRUE(held(completed(fresh, {42}, 7)).taken_over);
  const Step old{{}, answer::Held{{5}, false, false, {}}};
  EXPECT_EQ(held_token(completed(old, {42}, 7)), mint::Token{5});
  EXPECT_TRUE(std::holds_alternative<answer::Released>(completed({{}, answer::Released{}}, {42}, 7)));
}

TEST(LeaseRefusals, have_stable_texts) {
  std::set<std::string_view> texts;
  for (int i = 0; i <= static_cast<int>(Refusal::kUnreadable); ++i)
    texts.insert(text_of(static_cast<Refusal>(i)));
  EXPECT_EQ(texts, (std::set<std::string_view>{"no_session", "session_over", "foreign_session", "held", "queued",
                                               "not_held", "quarantined", "bad_name", "bad_ttl", "bad_metadata",
                                               "bad_lock_delay", "bad_label", "unreadable"}));
}

}  // namespace
}  // namespace gnomon::lease
