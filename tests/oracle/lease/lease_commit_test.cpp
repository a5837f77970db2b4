// SPDX-License-Identifier: Apache-2.0
//
// What each commit about leases relies on and what it writes; and that of two that can't both be right one conflicts.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "oracle/lease/lease_rules.hpp"
#include "tests/oracle/lease/lease_fixture.hpp"

namespace gnomon::lease {
namespace {

using time::nanoseconds;
using Crowd = std::vector<std::uint8_t>;

class LeaseCommits : public Leases {
 protected:
  Decision decide(std::uint8_t who, bool wait = false) {
    return acquire(scene(who), policy, asker(who), {std::string(kName), lock_delay, "", wait});
  }
  mint::Token granted() const { return look().token; }
};

struct Commit {
  std::vector<Compare> compares;
  std::set<std::string> puts;
  std::set<std::string> deletes;
};

Commit commit_of(const Decision& decision) {
  const auto* step = std::get_if<Step>(&decision);
  if (step == nullptr) return {};
  Commit commit;
  commit.compares = step->transaction.compares;
  for (const Put& put : step->transaction.puts)
    commit.puts.insert(put.key);
  commit.deletes = {step->transaction.deletes.begin(), step->transaction.deletes.end()};
  return commit;
}

TEST_F(LeaseCommits, every_command_names_all_that_it_relied_on) {
  policy.store.identity = {77};
  const std::string one = client_key(session_id(1));
  const std::string two = client_key(session_id(2));
  const std::string three = client_key(session_id(3));
  const std::string name = lease_key(kName);
  const auto at = [&](const std::string& key) { return Compare{key, shelf.revision_of(key)}; };
  const Compare store{"meta/store", {77}};
  using Compares = std::vector<Compare>;
  using Keys = std::set<std::string>;
  const auto run = [&](const Decision& decision) {
    Transaction transaction = std::get<Step>(decision).transaction;
    transaction.compares.erase(transaction.compares.begin());  // this shelf has no identity
    ASSERT_TRUE(shelf.commit(transaction));
  };

  Commit commit = commit_of(open_session(scene(1), policy, asker(1), seconds(10), ""));
  EXPECT_EQ(commit.compares, (Compares{store, {one, {}}})) << "open";
  EXPECT_EQ(commit.puts, Keys{one});

  for (const std::uint8_t who : Crowd{1, 2, 3})
    run(open_session(scene(who), policy, asker(who), seconds(who == 1 ? 10 : 100), ""));
  commit = commit_of(renew_session(scene(1), policy, asker(1), seconds(10)));
  EXPECT_EQ(commit.compares, (Compares{store, at(one)})) << "renew";
  EXPECT_EQ(commit.puts, Keys{one});
  EXPECT_EQ(commit_of(close_session(scene(1), policy, asker(1))).compares, (Compares{store, at(one)})) << "close";

  commit = commit_of(decide(1));
  EXPECT_EQ(commit.compares, (Compares{store, at(one), {name, {}}, {waiting_for(1), {}}})) << "acquire what is free";
  EXPECT_EQ(commit.puts, Keys{name});
  EXPECT_TRUE(commit.deletes.empty());

  run(decide(1));
  commit = commit_of(decide(2, true));
  EXPECT_EQ(commit.compares, (Compares{store, at(two), at(name), {waiting_for(2), {}}})) << "queue up";
  EXPECT_EQ(commit.puts, Keys{waiting_for(2)});

  const mint::Token token = granted();
  commit = commit_of(release(scene(1), policy, asker(1), kName, token));
  EXPECT_EQ(commit.compares, (Compares{store, at(one), at(name)})) << "release";
  EXPECT_EQ(commit.deletes, Keys{name});
  EXPECT_TRUE(commit.puts.empty());

  run(decide(3, true));
  run(decide(2, true));
  commit = commit_of(release(scene(2), policy, asker(2), kName, {}));
  EXPECT_EQ(commit.compares, (Compares{store, at(two), at(waiting_for(2))})) << "withdraw";
  EXPECT_EQ(commit.deletes, Keys{waiting_for(2)});

  commit = commit_of(break_lease(scene(0), policy, {}, kName));
  EXPECT_EQ(commit.compares, (Compares{store, at(name), at(one)})) << "break";
  EXPECT_EQ(commit.puts, Keys{one});
  EXPECT_EQ(commit.deletes, Keys{name});

  now = now + seconds(11);
  ClientSession short_lived = session(3);
  short_lived.expiry.at = now - seconds(1);
  rewrite(3, short_lived);
  commit = commit_of(decide(2));
  EXPECT_EQ(commit.compares, (Compares{store, at(two), at(name), at(waiting_for(2)), at(one), at(three)}))
      << "take over, past a waiter that has expired";
  EXPECT_EQ(commit.puts, (Keys{name, one})) << "and kill the session";
  EXPECT_EQ(commit.deletes, (Keys{waiting_for(2), waiting_for(3)}));

  perform(close_session(scene(1), LeasePolicy{}, asker(1)));
  commit = commit_of(decide(2));
  EXPECT_EQ(commit.compares, (Compares{store, at(two), at(name), at(waiting_for(2)), at(one), at(three)}))
      << "take what a closed session left";
  EXPECT_EQ(commit.puts, Keys{name});

  damage(name);
  commit = commit_of(break_lease(scene(0), policy, {}, kName));
  EXPECT_EQ(commit.compares, (Compares{store, at(name)})) << "break what can't be read";
}

// The race that exclusion rests on: whichever of the two comes first, the other conflicts.
TEST_F(LeaseCommits, of_a_late_renewal_and_a_takeover_one_conflicts) {
  for (const bool renewal_first : {true, false}) {
    shelf = Shelf{};
    now = kStart;
    open(1);
    open(2, seconds(100));
    take(1);
    now = now + seconds(10);
    const Decision renewal = renew_session(scene(1), policy, asker(1), seconds(10));
    now = now + nanoseconds(1);
    const Decision takeover = decide(2);
    const Transaction& first = std::get<Step>(renewal_first ? renewal : takeover).transaction;
    const Transaction& second = std::get<Step>(renewal_first ? takeover : renewal).transaction;
    EXPECT_TRUE(shelf.commit(first));
    EXPECT_FALSE(shelf.commit(second));
    EXPECT_EQ(refusal_of(renewal_first ? take(2) : renew(1)), renewal_first ? Refusal::kHeld : Refusal::kSessionOver);
  }
}

TEST_F(LeaseCommits, of_two_takeovers_of_different_leases_of_one_session_both_go_through_in_turn) {
  open(1);
  open(2, seconds(100));
  open(3, seconds(100));
  take(1);
  take(1, "other");
  now = now + seconds(11);
  const Decision stale = acquire(scene(3, "other"), policy, asker(3), {"other"});
  take(2);
  EXPECT_FALSE(shelf.commit(std::get<Step>(stale).transaction)) << "the session was killed meanwhile";
  EXPECT_TRUE(held(take(3, "other")).taken_over);
}

TEST_F(LeaseCommits, every_command_fails_once_the_store_is_another) {
  open(1);
  const mint::Token token = held(take(1)).token;
  const Decision decisions[] = {renew_session(scene(1), policy, asker(1), seconds(10)),
                                close_session(scene(1), policy, asker(1)),
                                acquire(scene(1, "x"), policy, asker(1), {"x"}),
                                release(scene(1), policy, asker(1), kName, token),
                                break_lease(scene(1), policy, {}, kName),
                                open_session(scene(9), policy, asker(9), seconds(10), "")};
  shelf.commit({{}, {{std::string(kStoreKey), "recovered"}}, {}});
  for (const Decision& decision : decisions)
    EXPECT_FALSE(shelf.commit(std::get<Step>(decision).transaction));
}

}  // namespace
}  // namespace gnomon::lease
