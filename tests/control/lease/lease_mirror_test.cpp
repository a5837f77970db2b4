// SPDX-License-Identifier: Apache-2.0
//
// What a desk remembers: whatever the order in which news arrives, the newest wins, and the indexes agree with it.
#include "control/lease/lease_mirror.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "control/lease/queue_mark.hpp"

namespace gnomon::control {
namespace {

lease::SessionId id_of(unsigned number) {
  lease::SessionId id{};
  id[15] = static_cast<std::uint8_t>(number);
  return id;
}

std::string session_value(lease::SessionState state, const std::string& principal = "local", std::int64_t expiry = 10) {
  lease::ClientSession session;
  session.state = state;
  session.expiry = {{}, {expiry}};
  session.ttl = time::seconds(10);
  session.principal = principal;
  return encode(session);
}
std::string open_value(const std::string& principal = "local") {
  return session_value(lease::SessionState::kOpen, principal);
}
std::string lease_value(unsigned session) {
  lease::NamedLease lease;
  lease.session = id_of(session);
  lease.epoch = 1;
  return encode(lease);
}
std::string place_value() { return encode(lease::Waiter{}); }

Entry entry(std::string key, std::string value, std::uint64_t revision) {
  return {std::move(key), std::move(value), {revision}};
}
Changes told(std::vector<Change> changes) { return {changes.back().entry.modified, changes, false}; }
Change put(const std::string& key, const std::string& value, std::uint64_t revision) {
  return {entry(key, value, revision), false};
}
Change gone(const std::string& key, std::uint64_t revision) { return {entry(key, "", revision), true}; }

TEST(LeaseMirror, AnOldPieceOfNewsNeverOverwritesANewerOne) {
  LeaseMirror mirror;
  mirror.heard(told({put("lease/h/a", lease_value(2), 7)}), true);
  mirror.heard(told({put("lease/h/a", lease_value(1), 5)}), true);
  ASSERT_NE(mirror.lease("a"), nullptr);
  EXPECT_EQ(mirror.lease("a")->value->session, id_of(2));
  mirror.heard(told({gone("lease/h/a", 6)}), true);
  ASSERT_NE(mirror.lease("a"), nullptr) << "a deletion of before";
  EXPECT_EQ(mirror.newest(), Revision{7});
}

TEST(LeaseMirror, WhatWasReleasedIsNotBroughtBackByItsEcho) {
  LeaseMirror mirror;
  mirror.committed({{}, {{"lease/h/a", lease_value(1)}}, {}}, {5});
  mirror.committed({{}, {}, {"lease/h/a"}}, {6});
  (void)mirror.take_news();
  mirror.heard(told({put("lease/h/a", lease_value(1), 5)}), true);
  EXPECT_EQ(mirror.lease("a"), nullptr);
  EXPECT_TRUE(mirror.take_news().leases.empty());
  mirror.heard(told({put("lease/h/a", lease_value(2), 7)}), true);
  EXPECT_NE(mirror.lease("a"), nullptr) << "but granted again it is";
}

TEST(LeaseMirror, AnAbsenceIsKnownAsOfTheReadsBeginning) {
  LeaseMirror mirror;
  mirror.committed({{}, {{"lease/h/a", lease_value(1)}}, {}}, {5});
  mirror.read_key("lease/h/a", std::nullopt, {4});
  EXPECT_NE(mirror.lease("a"), nullptr) << "the read may have been made before the grant";
  mirror.read_key("lease/h/a", std::nullopt, {5});
  EXPECT_EQ(mirror.lease("a"), nullptr) << "it was sent when the grant was known: so the lease is gone";
}

TEST(LeaseMirror, AListingSaysWhatIsAbsentBelowItsPrefixOnly) {
  LeaseMirror mirror;
  mirror.heard(told({put("lease/h/a", lease_value(1), 2), put("lease/h/ab", lease_value(1), 3),
                     put("lease/h/b", lease_value(1), 4), put("lease/q/a#" + std::string(32, '0'), place_value(), 5)}),
               true);
  mirror.read_prefix("lease/h/a", {{6}, {entry("lease/h/ab", lease_value(2), 6)}});
  EXPECT_EQ(mirror.lease("a"), nullptr);
  EXPECT_EQ(mirror.lease("ab")->value->session, id_of(2));
  EXPECT_NE(mirror.lease("b"), nullptr);
  EXPECT_NE(mirror.place("a", id_of(0)), Revision{});
  EXPECT_EQ(mirror.leases_of(id_of(1))->size(), 1u);
}

TEST(LeaseMirror, AListingOfMoreThanTheHeldOnesSaysWhatIsAbsentOfThemToo) {
  for (const std::string prefix : {"lease/", ""}) {
    LeaseMirror mirror;
    mirror.heard(told({put("lease/h/a", lease_value(1), 2), put("lease/h/b", lease_value(1), 3),
                       put(lease::waiter_key("a", id_of(2)), place_value(), 4),
                       put(lease::client_key(id_of(1)), open_value(), 5)}),
                 true);
    mirror.read_prefix(prefix, {{6}, {entry("lease/h/b", lease_value(1), 3)}});
    EXPECT_EQ(mirror.lease("a"), nullptr) << "released while nobody listened, under '" << prefix << "'";
    EXPECT_NE(mirror.lease("b"), nullptr);
    EXPECT_EQ(mirror.place("a", id_of(2)), Revision{});
    EXPECT_EQ(mirror.session(id_of(1)) == nullptr, prefix.empty()) << "sessions lie below another prefix";
    EXPECT_EQ(mirror.held_through(), Revision{6});
    EXPECT_EQ(mirror.queues_through(), Revision{6});
  }
}

TEST(LeaseMirror, OneQueueIsListedWithoutTouchingItsNeighbours) {
  LeaseMirror mirror;
  for (const std::string name : {"a", "a-b", "a.b"})
    mirror.heard(told({put(lease::waiter_key(name, id_of(1)), place_value(), 3),
                       put(queue_mark_key(name), encode_queue_mark({}), 3)}),
                 true);
  mirror.read_prefix(lease::queue_prefix("a"), {{9}, {}});
  EXPECT_EQ(mirror.place("a", id_of(1)), Revision{});
  EXPECT_EQ(mirror.queue("a"), nullptr);
  EXPECT_EQ(mirror.place("a-b", id_of(1)), Revision{3});
  EXPECT_EQ(mirror.place("a.b", id_of(1)), Revision{3});
}

TEST(LeaseMirror, WaitersStandInTheOrderOfTheirRevisions) {
  LeaseMirror mirror;
  mirror.heard(told({put("client/" + std::string(31, '0') + "2", open_value(), 1)}), true);
  mirror.heard(told({put(lease::waiter_key("a", id_of(1)), place_value(), 9)}), true);
  mirror.heard(told({put(lease::waiter_key("a", id_of(2)), place_value(), 4)}), true);
  mirror.heard(told({put(lease::waiter_key("a", id_of(3)), place_value(), 6)}), true);
  const lease::Scene scene = mirror.scene("a", nullptr);
  ASSERT_EQ(scene.queue.size(), 3u);
  EXPECT_EQ(scene.queue[0].session, id_of(2));
  EXPECT_TRUE(scene.queue[0].owner.has_value());
  EXPECT_EQ(scene.queue[1].session, id_of(3));
  EXPECT_FALSE(scene.queue[1].owner.has_value());
  EXPECT_EQ(scene.queue[2].session, id_of(1));
}

TEST(LeaseMirror, DamagedValuesAreKeptAsSuch) {
  LeaseMirror mirror;
  mirror.heard(told({put("lease/h/a", "lease 1 nonce=??", 2), put(lease::client_key(id_of(1)), "", 3)}), true);
  ASSERT_NE(mirror.lease("a"), nullptr);
  EXPECT_FALSE(mirror.lease("a")->value.has_value());
  EXPECT_EQ(mirror.lease("a")->modified, Revision{2});
  ASSERT_NE(mirror.session(id_of(1)), nullptr);
  EXPECT_EQ(mirror.unreadable(), 2u);
  EXPECT_TRUE(mirror.scene("a", nullptr).lease.has_value());
  mirror.heard(told({put("lease/h/a", lease_value(1), 4), gone(lease::client_key(id_of(1)), 5)}), true);
  EXPECT_EQ(mirror.unreadable(), 0u);
}

TEST(LeaseMirror, ForeignKeysAreNobodysNews) {
  LeaseMirror mirror;
  mirror.heard(told({put("lease/h/", lease_value(1), 2), put("lease/h/a b", lease_value(1), 3),
                     put("lease/q/a", place_value(), 4), put("lease/q/a#12", place_value(), 5),
                     put("client/xyz", open_value(), 6), put("meta/store", "x", 7)}),
               true);
  EXPECT_EQ(mirror.leases() + mirror.sessions(), 0u);
  EXPECT_EQ(mirror.queue("a"), nullptr);
  const MirrorNews news = mirror.take_news();
  EXPECT_TRUE(news.leases.empty() && news.queues.empty() && news.sessions.empty());
}

TEST(LeaseMirror, ASessionCountsForItsPrincipalUntilItIsGone) {
  LeaseMirror mirror;
  for (unsigned i = 1; i <= 3; ++i)
    mirror.heard(told({put(lease::client_key(id_of(i)), open_value("anna"), i)}), true);
  EXPECT_EQ(mirror.sessions_of("anna"), 3u);
  mirror.heard(told({put(lease::client_key(id_of(1)), session_value(lease::SessionState::kClosed, "anna"), 4),
                     put(lease::client_key(id_of(2)), session_value(lease::SessionState::kKilled, "anna"), 5)}),
               true);
  EXPECT_EQ(mirror.sessions_of("anna"), 3u);
  EXPECT_EQ(mirror.open_sessions(), 1u);
  mirror.heard(told({gone(lease::client_key(id_of(3)), 6), gone(lease::client_key(id_of(1)), 7)}), true);
  EXPECT_EQ(mirror.sessions_of("anna"), 1u);
  mirror.heard(told({gone(lease::client_key(id_of(2)), 8)}), true);
  EXPECT_EQ(mirror.sessions_of("anna"), 0u);
}

TEST(LeaseMirror, ARenewalIsNoNewsAnEndIs) {
  LeaseMirror mirror;
  const std::string key = lease::client_key(id_of(1));
  mirror.heard(told({put(key, open_value(), 1), put("lease/h/a", lease_value(1), 2)}), true);
  EXPECT_EQ(mirror.take_news().sessions.size(), 1u);
  mirror.heard(told({put(key, session_value(lease::SessionState::kOpen, "local", 99), 3)}), true);
  EXPECT_TRUE(mirror.take_news().sessions.empty());
  EXPECT_EQ(mirror.session(id_of(1))->value->expiry.at.ns, 99) << "it is remembered all the same";
  mirror.heard(told({put(key, session_value(lease::SessionState::kClosed), 4)}), true);
  const MirrorNews closed = mirror.take_news();
  EXPECT_EQ(closed.sessions.size(), 1u);
  EXPECT_EQ(closed.leases, std::vector<std::string>{"a"}) << "its leases are free";
  mirror.heard(told({gone("lease/h/a", 5)}), true);
  EXPECT_TRUE(mirror.take_news().leases.empty()) << "which was told";
}

TEST(LeaseMirror, AGapIsFilledOnlyByListingsThatReachBehindIt) {
  LeaseMirror mirror;
  const auto list_all = [&](std::uint64_t at) {
    for (const std::string_view prefix : {lease::kHeldPrefix, lease::kQueuePrefix, lease::kClientPrefix})
      mirror.read_prefix(prefix, {{at}, {}});
  };
  EXPECT_FALSE(mirror.synced());
  list_all(5);
  EXPECT_TRUE(mirror.synced());
  mirror.heard({{9}, {}, true}, true);
  EXPECT_FALSE(mirror.synced());
  EXPECT_EQ(mirror.held_through(), Revision{});
  list_all(8);
  EXPECT_FALSE(mirror.synced()) << "it was sent before the gap";
  list_all(9);
  EXPECT_TRUE(mirror.synced());
  EXPECT_EQ(mirror.queues_through(), Revision{9});
}

TEST(LeaseMirror, HowMuchIsKnownGrowsByWhatTheWatchTellsOfOnly) {
  LeaseMirror mirror;
  mirror.heard(told({put("lease/h/a", lease_value(1), 4)}), true);
  EXPECT_EQ(mirror.held_through(), Revision{}) << "before a listing there is a hole in front";
  for (const std::string_view prefix : {lease::kHeldPrefix, lease::kQueuePrefix, lease::kClientPrefix})
    mirror.read_prefix(prefix, {{5}, {}});
  mirror.committed({{}, {{lease::waiter_key("a", id_of(1)), place_value()}}, {}}, {9});
  EXPECT_FALSE(mirror.knows_queue("a", {9})) << "others may have come at 6, 7 and 8";
  mirror.heard(told({put("lease/h/b", lease_value(1), 10)}), false);
  EXPECT_EQ(mirror.held_through(), Revision{10});
  EXPECT_EQ(mirror.told_through(), Revision{5}) << "of sessions nothing was told since they were listed";
  EXPECT_FALSE(mirror.knows_queue("a", {9})) << "that was the watch of another prefix";
  mirror.read_prefix(lease::queue_prefix("a"), {{11}, {entry(lease::waiter_key("a", id_of(1)), place_value(), 9)}});
  EXPECT_TRUE(mirror.knows_queue("a", {9}));
  EXPECT_FALSE(mirror.knows_queue("b", {9}));
  mirror.heard({{12}, {}, false}, true);
  EXPECT_TRUE(mirror.knows_queue("b", {9}));
  mirror.read_prefix("client/", {{12}, {}});
  EXPECT_EQ(mirror.told_through(), Revision{12});
  mirror.heard({{13}, {}, false}, true);
  EXPECT_EQ(mirror.told_through(), Revision{13});
  mirror.heard({{14}, {}, true}, true);
  EXPECT_EQ(mirror.told_through(), Revision{}) << "behind a gap nothing is certain";
}

TEST(LeaseMirror, GravesAreBounded) {
  LeaseMirror mirror;
  for (std::uint64_t i = 1; i <= LeaseMirror::kMostTombstones + 100; ++i)
    mirror.heard(told({gone("lease/h/n" + std::to_string(i), i)}), true);
  EXPECT_EQ(mirror.tombstones(), LeaseMirror::kMostTombstones);
}

// A store's whole history, told in any order and by every way, ends in the same memory.
TEST(LeaseMirror, AnyOrderOfTheNewsEndsInTheStoresState) {
  for (unsigned seed = 1; seed <= 200; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
    std::map<std::string, Entry> truth;
    std::vector<Change> history;
    std::vector<std::pair<std::string, Entry>> reads;  // as they were, when they were read
    for (std::uint64_t revision = 1; revision <= 60; ++revision) {
      const unsigned session = 1 + below(3);
      const std::string name(1, static_cast<char>('a' + below(3)));
      const std::vector<std::pair<std::string, std::string>> kinds{
          {lease::lease_key(name), lease_value(session)},
          {lease::waiter_key(name, id_of(session)), place_value()},
          {queue_mark_key(name), encode_queue_mark({})},
          {lease::client_key(id_of(session)),
           session_value(below(2) == 0 ? lease::SessionState::kOpen : lease::SessionState::kClosed,
                         below(2) == 0 ? "anna" : "bert")}};
      const auto& [key, value] = kinds[below(4)];
      if (below(3) == 0) {
        history.push_back(gone(key, revision));
        truth.erase(key);
      } else {
        history.push_back(put(key, value, revision));
        truth[key] = entry(key, value, revision);
        reads.emplace_back(key, truth[key]);
      }
    }
    LeaseMirror mirror;
    std::shuffle(history.begin(), history.end(), random);
    for (const Change& change : history) {
      mirror.heard({change.entry.modified, {change}, false}, true);
      if (!reads.empty() && below(2) == 0) {
        const auto& [key, found] = reads[below(static_cast<unsigned>(reads.size()))];
        mirror.read_key(key, found, {});
      }
    }
    std::size_t leases = 0;
    std::size_t anna = 0;
    std::size_t waiters = 0;
    std::map<lease::SessionId, std::string> open;  // and whose they are
    for (const auto& [key, known] : truth)
      if (const auto id = lease::session_of_key(key)) {
        const auto session = lease::parse_client_session(known.value);
        if (session->state == lease::SessionState::kOpen) open[*id] = session->principal;
      }
    std::size_t held = 0;
    std::map<std::string, std::size_t> claims;
    const auto claim = [&](const lease::SessionId& id) {
      if (open.contains(id)) ++claims[open[id]];
    };
    for (const auto& [key, known] : truth) {
      EXPECT_EQ(mirror.revision_of(key), known.modified) << key << ", seed " << seed;
      leases += lease::name_of_lease_key(key) ? 1 : 0;
      if (lease::session_of_key(key)) {
        const auto session = lease::parse_client_session(known.value);
        anna += session->principal == "anna" ? 1 : 0;
      }
      if (const auto name = lease::name_of_lease_key(key)) {
        const lease::SessionId holder = lease::parse_named_lease(known.value)->session;
        EXPECT_TRUE(mirror.leases_of(holder)->contains(std::string(*name)));
        held += open.contains(holder) ? 1 : 0;
        claim(holder);
      }
      if (const auto place = lease::parts_of_waiter_key(key)) {
        EXPECT_TRUE(mirror.places_of(place->session)->contains(std::string(place->name)));
        ++waiters;
        claim(place->session);
      }
    }
    EXPECT_EQ(mirror.leases(), leases) << "seed " << seed;
    EXPECT_EQ(mirror.sessions_of("anna"), anna) << "seed " << seed;
    EXPECT_EQ(mirror.open_sessions(), open.size()) << "seed " << seed;
    EXPECT_EQ(mirror.held(), held) << "seed " << seed;
    EXPECT_EQ(mirror.waiters(), waiters) << "seed " << seed;
    for (const char* who : {"anna", "bert"})
      EXPECT_EQ(mirror.claims_of(who), claims[who]) << who << ", seed " << seed;
    std::size_t indexed = 0;
    for (unsigned session = 1; session <= 3; ++session)
      if (const auto* names = mirror.leases_of(id_of(session))) indexed += names->size();
    EXPECT_EQ(indexed, leases) << "seed " << seed;
  }
}

}  // namespace
}  // namespace gnomon::control
