// SPDX-License-Identifier: Apache-2.0
//
// What happens to a client's session: opened, renewed, closed, over.
#include <gtest/gtest.h>

#include "oracle/lease/lease_rules.hpp"
#include "tests/oracle/lease/lease_fixture.hpp"

namespace gnomon::lease {
namespace {

using time::Duration;
using time::nanoseconds;

constexpr Boot kFirstBoot{1};
constexpr Boot kSecondBoot{2};

class LeaseSessions : public Leases {
 protected:
  /// The same commands on one host, whose clock shows `up` in this boot.
  Answer renew_on(const Boot& boot, Duration up, Duration ttl) {
    Asker who = asker(1);
    who.moment = {boot, {{up.ns}, {up.ns}}};
    return perform(renew_session(scene(1), policy, who, ttl));
  }
  static bool is_open_for(const Answer& answer, Duration ttl) {
    const auto* open = std::get_if<answer::SessionOpen>(&answer);
    return open != nullptr && open->ttl == ttl;
  }
  static std::string text_of_refused(const Answer& answer) {
    const auto* refused = std::get_if<answer::Refused>(&answer);
    return refused == nullptr ? "" : refused->text;
  }
};

TEST_F(LeaseSessions, opening_stores_all_that_is_known_of_the_client) {
  epsilon = milliseconds(7);
  EXPECT_TRUE(is_open_for(open(1, seconds(10)), seconds(10)));
  const ClientSession stored = session(1);
  EXPECT_EQ(stored.state, SessionState::kOpen);
  EXPECT_EQ(stored.expiry, (Expiry{{}, kStart + milliseconds(7) + seconds(10)})) << "from the latest";
  EXPECT_EQ(stored.ttl, seconds(10));
  EXPECT_EQ(stored.principal, "local");
  EXPECT_EQ(stored.label, "client-A");
  EXPECT_EQ(stored.nonce, (Nonce{1}));
}

TEST_F(LeaseSessions, an_opening_that_is_sent_again_renews) {
  open(1);
  now = now + seconds(4);
  EXPECT_TRUE(is_open_for(open(1), seconds(10)));
  EXPECT_EQ(session(1).expiry.at, kStart + seconds(14));
  close(1);
  EXPECT_EQ(refusal_of(open(1)), Refusal::kSessionOver) << "but what was closed stays closed";
}

TEST_F(LeaseSessions, every_renewal_writes_its_own_nonce) {
  open(1);
  const Nonce before = session(1).nonce;
  renew(1);
  EXPECT_NE(session(1).nonce, before);
}

TEST_F(LeaseSessions, closing_writes_its_own_nonce) {
  open(1);
  const Nonce before = session(1).nonce;
  close(1);
  EXPECT_NE(session(1).nonce, before) << "whose answer was lost finds by it that it was carried out";
}

TEST_F(LeaseSessions, breaking_a_lease_leaves_a_closed_session_closed) {
  open(1);
  open(2);
  lock_delay = seconds(30);
  take(1);
  take(1, "other");
  close(1);
  EXPECT_TRUE(std::holds_alternative<answer::Broken>(crush()));
  EXPECT_EQ(session(1).state, SessionState::kClosed);
  EXPECT_TRUE(held(take(2, "other")).anew) << "its other leases are free as they were, without a lock-delay";
}

TEST_F(LeaseSessions, renewal_is_granted_to_the_last_instant_and_never_after_it) {
  for (const Duration width : {Duration{}, milliseconds(7)}) {
    shelf = Shelf{};
    now = kStart;
    epsilon = width;
    open(1);
    const time::Tai end = session(1).expiry.at;
    now = end + width;
    EXPECT_TRUE(std::holds_alternative<Step>(renew_session(scene(1), policy, asker(1), seconds(10))));
    now = end + width + nanoseconds(1);
    EXPECT_EQ(refusal_of(renew_session(scene(1), policy, asker(1), seconds(10))), Refusal::kSessionOver);
  }
}

TEST_F(LeaseSessions, a_shorter_ttl_shortens_nothing_that_was_promised) {
  open(1, seconds(100));
  now = now + seconds(1);
  EXPECT_TRUE(is_open_for(renew(1, seconds(5)), seconds(5))) << "the client counts with what it asked for";
  EXPECT_EQ(session(1).expiry.at, kStart + seconds(100));
  EXPECT_EQ(session(1).ttl, seconds(100)) << "as long as the longer one still counts";
  now = kStart + seconds(95);
  renew(1, seconds(5));
  EXPECT_EQ(session(1).expiry.at, kStart + seconds(100));
  EXPECT_EQ(session(1).ttl, seconds(5)) << "ends no later than what is asked for now";
  now = kStart + seconds(96);
  renew(1, seconds(5));
  EXPECT_EQ(session(1).expiry.at, kStart + seconds(101));
}

TEST_F(LeaseSessions, a_clock_that_is_behind_shortens_nothing) {
  open(1);
  now = kStart - seconds(3600);
  renew(1);
  EXPECT_EQ(session(1).expiry.at, kStart + seconds(10));
}

TEST_F(LeaseSessions, a_longer_ttl_counts_from_its_own_renewal) {
  open(1, seconds(5));
  now = now + seconds(1);
  renew(1, seconds(100));
  EXPECT_EQ(session(1).expiry.at, kStart + seconds(101));
  EXPECT_EQ(session(1).ttl, seconds(100));
}

TEST_F(LeaseSessions, quarantined_session_is_renewed_and_not_shortened) {
  open(1);
  ClientSession mad = session(1);
  mad.expiry.at = kStart + seconds(1'000'000);
  rewrite(1, mad);
  EXPECT_TRUE(is_open_for(renew(1), seconds(10)));
  EXPECT_EQ(session(1).expiry.at, mad.expiry.at);
}

TEST_F(LeaseSessions, after_another_boot_what_was_promised_before_still_counts) {
  Asker who = asker(1);
  who.moment = {kFirstBoot, {{seconds(5'000).ns}, {seconds(5'000).ns}}};
  perform(open_session(scene(1), policy, who, seconds(100), ""));
  EXPECT_EQ(session(1).expiry, (Expiry{kFirstBoot, {seconds(5'100).ns}}));

  EXPECT_TRUE(is_open_for(renew_on(kSecondBoot, seconds(20), seconds(10)), seconds(10)));
  EXPECT_EQ(session(1).expiry, (Expiry{kSecondBoot, {seconds(100).ns}})) << "granted for 100 s before this boot began";
  EXPECT_EQ(session(1).ttl, seconds(100));
  renew_on(kSecondBoot, seconds(95), seconds(10));
  EXPECT_EQ(session(1).expiry, (Expiry{kSecondBoot, {seconds(105).ns}}));
  EXPECT_EQ(session(1).ttl, seconds(10));
}

TEST_F(LeaseSessions, after_another_boot_it_is_over_once_the_clock_shows_its_ttl) {
  Asker who = asker(1);
  who.moment = {kFirstBoot, {{seconds(5'000).ns}, {seconds(5'000).ns}}};
  perform(open_session(scene(1), policy, who, seconds(10), ""));
  who.moment = {kSecondBoot, {{seconds(10).ns + 1}, {seconds(10).ns + 1}}};
  EXPECT_EQ(refusal_of(renew_session(scene(1), policy, who, seconds(10))), Refusal::kSessionOver);
}

// A store that was moved between one host and many: what the old clock said can't be read, but it was written before.
TEST_F(LeaseSessions, on_another_kind_of_clock_nothing_is_over_and_a_renewal_counts_the_longer_ttl) {
  Asker who = asker(1);
  who.moment = {kFirstBoot, {{seconds(5'000).ns}, {seconds(5'000).ns}}};
  perform(open_session(scene(1), policy, who, seconds(100), ""));
  EXPECT_TRUE(is_open_for(renew(1, seconds(10)), seconds(10)));
  EXPECT_EQ(session(1).expiry, (Expiry{{}, kStart + seconds(100)}));
}

TEST_F(LeaseSessions, closing_keeps_the_end_of_the_session_and_is_final) {
  open(1);
  EXPECT_TRUE(std::holds_alternative<answer::SessionClosed>(close(1)));
  EXPECT_EQ(session(1).state, SessionState::kClosed);
  EXPECT_EQ(session(1).expiry.at, kStart + seconds(10));
  EXPECT_EQ(refusal_of(renew(1)), Refusal::kSessionOver);
  EXPECT_EQ(refusal_of(take(1)), Refusal::kSessionOver);
  const Revision before = shelf.revision;
  EXPECT_TRUE(std::holds_alternative<answer::SessionClosed>(close(1)));
  EXPECT_EQ(shelf.revision, before) << "what is over needs no commit";
}

TEST_F(LeaseSessions, closing_what_was_never_there_or_is_killed_changes_nothing) {
  EXPECT_TRUE(std::holds_alternative<answer::SessionClosed>(close(1)));
  open(1);
  ClientSession killed = session(1);
  killed.state = SessionState::kKilled;
  rewrite(1, killed);
  EXPECT_TRUE(std::holds_alternative<answer::SessionClosed>(close(1)));
  EXPECT_EQ(session(1).state, SessionState::kKilled) << "its leases still wait out their lock-delays";
}

TEST_F(LeaseSessions, closing_one_that_has_expired_frees_its_leases_without_their_lock_delays) {
  open(1);
  open(2, seconds(100));
  lock_delay = seconds(30);
  take(1);
  now = now + seconds(11);
  EXPECT_EQ(refusal_of(take(2)), Refusal::kHeld) << "expired, but nobody announced it";
  close(1);
  EXPECT_NE(held_token(take(2)), mint::Token{0});
}

TEST_F(LeaseSessions, every_refusal_of_a_session_names_it_and_says_what_to_do) {
  EXPECT_EQ(refusal_of(renew(1)), Refusal::kNoSession);
  EXPECT_EQ(text_of_refused(renew(1)),
            "session 01010101010101010101010101010101 is not there: it was never opened, or it ended so long ago that "
            "nothing is left of it; open another one");
  open(1);
  Asker stranger = asker(1);
  stranger.principal = "spiffe://mallory";
  for (const Decision& decision :
       {open_session(scene(1), policy, stranger, seconds(10), ""),
        renew_session(scene(1), policy, stranger, seconds(10)), close_session(scene(1), policy, stranger),
        acquire(scene(1), policy, stranger, {"x"}), release(scene(1), policy, stranger, "x", {})}) {
    ASSERT_EQ(refusal_of(decision), Refusal::kForeignSession);
    const std::string text = text_of_refused(std::get<Answer>(decision));
    EXPECT_NE(text.find("spiffe://mallory"), std::string::npos) << text;
    EXPECT_EQ(text.find("local"), std::string::npos) << "whose it is, is nobody else's business: " << text;
  }
  now = now + seconds(11);
  EXPECT_EQ(
      text_of_refused(renew(1)),
      "session 01010101010101010101010101010101 is over: it was not renewed within its TTL of 10.000 s; stop what "
      "relies on its leases and open another one");
  close(1);
  EXPECT_NE(text_of_refused(renew(1)).find("it was closed"), std::string::npos);
  damage(client_key(session_id(1)));
  for (const Answer& answer : {open(1), renew(1), close(1), take(1), give(1, {})}) {
    EXPECT_EQ(refusal_of(answer), Refusal::kUnreadable);
    EXPECT_NE(text_of_refused(answer).find("client/01010101010101010101010101010101"), std::string::npos);
  }
}

TEST_F(LeaseSessions, what_a_client_may_ask_for_has_bounds) {
  policy.min_ttl = seconds(2);
  policy.max_ttl = seconds(60);
  for (const Duration ttl : {seconds(2) - nanoseconds(1), seconds(60) + nanoseconds(1), Duration{}, seconds(-1)}) {
    EXPECT_EQ(refusal_of(open(1, ttl)), Refusal::kBadTtl);
  }
  EXPECT_EQ(text_of_refused(open(1, seconds(61))),
            "a TTL of 61000000000 ns is not allowed here: ask for 2.000 s to 60.000 s");
  EXPECT_TRUE(is_open_for(open(1, seconds(2)), seconds(2)));
  EXPECT_TRUE(is_open_for(renew(1, seconds(60)), seconds(60)));
  EXPECT_EQ(refusal_of(renew(1, seconds(61))), Refusal::kBadTtl);
  for (const std::string& label : {std::string(kMaxLabel + 1, 'x'), std::string("a\nb")})
    EXPECT_EQ(refusal_of(open_session(scene(2), policy, asker(2), seconds(10), label)), Refusal::kBadLabel);
  for (const std::string& principal :
       {std::string(), std::string("CN=the client"), std::string(kMaxPrincipal + 1, 'x')}) {
    Asker who = asker(2);
    who.principal = principal;
    EXPECT_EQ(refusal_of(open_session(scene(2), policy, who, seconds(10), "")), Refusal::kForeignSession);
  }
}

}  // namespace
}  // namespace gnomon::lease
