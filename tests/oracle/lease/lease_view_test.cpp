// SPDX-License-Identifier: Apache-2.0
//
// What a lease looks like to those who only ask: its states over time, and the standing of tokens.
#include <gtest/gtest.h>

#include "oracle/lease/lease_rules.hpp"
#include "tests/oracle/lease/lease_fixture.hpp"

namespace gnomon::lease {
namespace {

using time::Duration;
using time::nanoseconds;

class LeaseViews : public Leases {};

TEST_F(LeaseViews, a_free_name_is_told_with_who_waits_for_it) {
  const LeaseView nothing = look();
  EXPECT_EQ(nothing.name, kName);
  EXPECT_EQ(nothing.state, LeaseState::kFree);
  EXPECT_EQ(nothing.token, mint::Token{});
  EXPECT_EQ(nothing.free_in, Duration{});
  open(1);
  open(2);
  const mint::Token token = held_token(take(1));
  queue(2);
  give(1, token);
  EXPECT_EQ(look().state, LeaseState::kFree);
  EXPECT_EQ(look().waiters, 1U);
}

TEST_F(LeaseViews, a_held_one_is_told_with_all_that_is_known_of_its_holder) {
  epsilon = milliseconds(7);
  open(1);
  perform(acquire(scene(1), policy, asker(1), {std::string(kName), seconds(2), "10.0.0.7:80", false}));
  now = now + seconds(4);
  const LeaseView held = look();
  EXPECT_EQ(held.state, LeaseState::kHeld);
  EXPECT_EQ(held.token, make_token(5, shelf.revision));
  EXPECT_EQ(held.session, session_id(1));
  EXPECT_EQ(held.principal, "local");
  EXPECT_EQ(held.label, "client-A");
  EXPECT_EQ(held.metadata, "10.0.0.7:80");
  EXPECT_EQ(held.remaining, seconds(6)) << "latest against latest";
  EXPECT_EQ(held.free_in, seconds(8) + milliseconds(14) + nanoseconds(1));
}

TEST_F(LeaseViews, it_goes_from_held_over_expiring_to_expired) {
  epsilon = milliseconds(7);
  open(1);
  lock_delay = seconds(2);
  const mint::Token token = held_token(take(1));
  struct Case {
    time::Tai at;
    LeaseState state;
    TokenStanding standing;
  };
  const time::Tai end = session(1).expiry.at;
  for (const Case& c : {Case{end - milliseconds(8), LeaseState::kHeld, TokenStanding::kCurrent},
                        Case{end - milliseconds(7), LeaseState::kExpiring, TokenStanding::kDoubtful},
                        Case{end + milliseconds(7), LeaseState::kExpiring, TokenStanding::kDoubtful},
                        Case{end + milliseconds(7) + nanoseconds(1), LeaseState::kExpired, TokenStanding::kStale},
                        Case{end + seconds(60), LeaseState::kExpired, TokenStanding::kStale}}) {
    now = c.at;
    EXPECT_EQ(look().state, c.state) << (c.at - end).ns;
    EXPECT_EQ(standing(token), c.standing) << (c.at - end).ns;
    EXPECT_EQ(look().token, token);
  }
  EXPECT_EQ(look().free_in, Duration{});
}

TEST_F(LeaseViews, what_a_closed_session_left_is_free) {
  open(1);
  const mint::Token token = held_token(take(1));
  close(1);
  EXPECT_EQ(look().state, LeaseState::kFree);
  EXPECT_EQ(look().token, mint::Token{});
  EXPECT_EQ(standing(token), TokenStanding::kStale);
}

TEST_F(LeaseViews, quarantined_and_damaged_ones_say_so) {
  open(1);
  const mint::Token token = held_token(take(1));
  ClientSession mad = session(1);
  mad.expiry.at = now + seconds(1'000'000);
  rewrite(1, mad);
  EXPECT_EQ(look().state, LeaseState::kQuarantined);
  EXPECT_EQ(look().label, "client-A");
  EXPECT_EQ(standing(token), TokenStanding::kDoubtful);
  damage(client_key(session_id(1)));
  EXPECT_EQ(look().state, LeaseState::kUnreadable);
  EXPECT_EQ(look().token, token);
  EXPECT_EQ(standing(token), TokenStanding::kDoubtful);
  damage(lease_key(kName));
  EXPECT_EQ(look().state, LeaseState::kUnreadable);
  EXPECT_EQ(look().token, mint::Token{});
  EXPECT_EQ(standing(token), TokenStanding::kStale) << "written after that grant";
  EXPECT_EQ(standing(make_token(5, shelf.revision)), TokenStanding::kDoubtful) << "nobody can say what it is";
}

TEST_F(LeaseViews, tokens_of_earlier_grants_are_stale) {
  open(1);
  open(2);
  const mint::Token first = held_token(take(1));
  EXPECT_EQ(standing(first), TokenStanding::kCurrent);
  give(1, first);
  EXPECT_EQ(standing(first), TokenStanding::kStale) << "nobody holds it";
  const mint::Token second = held_token(take(2));
  EXPECT_EQ(standing(first), TokenStanding::kStale);
  EXPECT_EQ(standing(second), TokenStanding::kCurrent);
  EXPECT_EQ(standing({}), TokenStanding::kStale);
  crush();
  EXPECT_EQ(standing(second), TokenStanding::kStale);
}

TEST_F(LeaseViews, a_killed_session_s_other_leases_are_doubtful_until_they_are_over) {
  open(1);
  take(1);
  const mint::Token other = held_token(take(1, "other"));
  crush();
  EXPECT_EQ(look("other").state, LeaseState::kHeld) << "its client may believe so until it hears";
  EXPECT_EQ(standing(other, "other"), TokenStanding::kDoubtful);
  now = now + seconds(11);
  EXPECT_EQ(standing(other, "other"), TokenStanding::kStale);
}

TEST_F(LeaseViews, tokens_that_this_store_never_gave_are_unknown) {
  open(1);
  const mint::Token token = held_token(take(1));
  EXPECT_EQ(standing(make_token(5, {shelf.revision.value + 1})), TokenStanding::kUnknown);
  EXPECT_EQ(standing(make_token(6, {1})), TokenStanding::kUnknown) << "an epoch above the store's";
  EXPECT_EQ(standing(make_token(4, {shelf.revision.value + 1000})), TokenStanding::kStale) << "of before a recovery";
  EXPECT_EQ(standing({token.value - 1}), TokenStanding::kStale);
  EXPECT_EQ(standing(make_token(5, shelf.revision), "never-held"), TokenStanding::kStale);
}

TEST(LeaseStates, have_stable_texts) {
  EXPECT_EQ(text_of(LeaseState::kFree), "free");
  EXPECT_EQ(text_of(LeaseState::kHeld), "held");
  EXPECT_EQ(text_of(LeaseState::kExpiring), "expiring");
  EXPECT_EQ(text_of(LeaseState::kExpired), "expired");
  EXPECT_EQ(text_of(LeaseState::kQuarantined), "quarantined");
  EXPECT_EQ(text_of(LeaseState::kUnreadable), "unreadable");
  EXPECT_EQ(text_of(TokenStanding::kCurrent), "current");
  EXPECT_EQ(text_of(TokenStanding::kDoubtful), "doubtful");
  EXPECT_EQ(text_of(TokenStanding::kStale), "stale");
  EXPECT_EQ(text_of(TokenStanding::kUnknown), "unknown");
}

TEST_F(LeaseViews, the_last_nanosecond_counts) {
  open(1);
  const mint::Token token = held(take(1)).token;
  now = kStart + seconds(10) - time::nanoseconds(1);
  EXPECT_EQ(look().state, LeaseState::kHeld);
  EXPECT_EQ(standing(token), TokenStanding::kCurrent);
  now = kStart + seconds(10);
  EXPECT_EQ(look().state, LeaseState::kExpiring);
  EXPECT_EQ(standing(token), TokenStanding::kDoubtful);
}

TEST_F(LeaseViews, on_another_kind_of_clock_it_ends_a_ttl_after_the_latest_that_may_be_now) {
  epsilon = milliseconds(7);
  const Expiry elsewhere{{1}, kStart};
  EXPECT_EQ(latest_end(elsewhere, seconds(10), moment()).at, now + epsilon + seconds(10));
}

}  // namespace
}  // namespace gnomon::lease
