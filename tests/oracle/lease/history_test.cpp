// SPDX-License-Identifier: Apache-2.0
#include "oracle/lease/history.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>

#include "oracle/lease/heal.hpp"
#include "oracle/lease/last_revision.hpp"
#include "tests/oracle/lease/rules_fixture.hpp"

namespace gnomon::lease {
namespace {

using Verdict = AuditFinding::Verdict;

Nonce nonce_of(std::uint8_t seed) {
  Nonce nonce{};
  nonce.fill(seed);
  return nonce;
}

Acquisition sample() {
  Acquisition acquisition{nonce_of(0xab), nonce_of(0xcd), 7, {}, "host a, pid 5 = first"};
  acquisition.taken[{5}] = {kNow, std::nullopt};
  acquisition.taken[{6}] = {{-7}, Revision{0}};
  acquisition.taken[{65535}] = {SmearedUtc::min(), Revision{99}};
  return acquisition;
}

TEST(HistoryValue, ReadsBackWhatItWrote) {
  const std::string text = encode(sample());
  EXPECT_EQ(text,
            "acquisition 1 nonce=abababababababababababababababab incarnation=cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd epoch=7 "
            "floors=5-1800000000000000000_6--7-0_65535--9223372036854775808-99 holder=host a, pid 5 = first");
  EXPECT_EQ(parse_history(text), sample());
}

TEST(HistoryValue, TakesOneTextForOneValue) {
  const std::string head =
      "acquisition 1 nonce=abababababababababababababababab incarnation=cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd epoch=7 "
      "floors=";
  ASSERT_TRUE(parse_history(head + "5-1 holder="));
  for (const char* floors : {"",
                             "5",
                             "5-",
                             "5-1-",
                             "5-1-2-3",
                             "-1",
                             "5-01",
                             "05-1",
                             "5-1_",
                             "_5-1",
                             "5-1__6-1",
                             "5-1_5-2",
                             "6-1_5-1",
                             "65536-1",
                             "5-9223372036854775808",
                             "5-1--2",
                             "5--0",
                             "5-1_6",
                             "5-a",
                             "5-1-x",
                             "5-+1",
                             "5-1-18446744073709551616"})
    EXPECT_FALSE(parse_history(head + floors + " holder=")) << floors;
  EXPECT_FALSE(parse_history(head + "5-1"));
  EXPECT_FALSE(parse_history("grant 1 nonce="));
}

TEST(HistoryValue, EveryCutIsNoticed) {
  const std::string good = encode(sample());
  const std::size_t rest = good.find("holder=") + 7;
  for (std::size_t size = 0; size < rest; ++size)
    EXPECT_FALSE(parse_history(good.substr(0, size))) << size;
}

TEST(HistoryKey, SortsByTimeAndIsReadBack) {
  EXPECT_EQ(history_key(kNow, nonce_of(0x0f)), "history/01800000000000000000-0f0f0f0f0f0f0f0f");
  EXPECT_LT(history_key({999}, nonce_of(9)), history_key({1000}, nonce_of(1)));
  EXPECT_EQ(instant_of_history(history_key(kNow, nonce_of(1))), kNow);
  EXPECT_EQ(instant_of_history(history_key(SmearedUtc::max(), nonce_of(1))), SmearedUtc::max());
  EXPECT_EQ(instant_of_history(history_key({-5}, nonce_of(1))), SmearedUtc{0}) << "a clock before 1970";
  for (const char* key :
       {"history/", "history/1-0f0f0f0f0f0f0f0f", "history/01800000000000000000_0f0f0f0f0f0f0f0f",
        "history/99999999999999999999-0f0f0f0f0f0f0f0f", "right/m/00001/grant", "",
        "history/0000000000000000000x-0f0f0f0f0f0f0f0f", "history/-0000000000000000001-0f0f0f0f0f0f0f0f"})
    EXPECT_EQ(instant_of_history(key), std::nullopt) << key;
}

class Audit : public Rules {
 protected:
  Audit() {
    policy.store.epoch = 1;
    policy.machine_ids = 8;
  }
  AuditFinding ask(std::uint16_t machine, SmearedUtc t) const {
    return who_could_have(read_history(shelf.list(kHistoryPrefix)), shelf.table(), policy.store, {machine}, t);
  }
  void expect_holder(std::uint16_t machine, SmearedUtc t, const HeldRight& right, SmearedUtc end) const {
    const AuditFinding found = ask(machine, t);
    ASSERT_EQ(found.verdict, Verdict::kHolder) << found.text;
    ASSERT_TRUE(found.holder);
    EXPECT_EQ(found.holder->token, right.token);
    EXPECT_EQ(found.holder->floor, right.floor);
    EXPECT_EQ(found.holder->end, end);
    EXPECT_FALSE(found.text.empty());
  }
  void expect_nobody(std::uint16_t machine, SmearedUtc t) const {
    const AuditFinding found = ask(machine, t);
    EXPECT_EQ(found.verdict, Verdict::kNobody) << found.text;
    EXPECT_FALSE(found.holder);
  }
  // `suspected`: the token of the one who could have, among others.
  void expect_unknown(std::uint16_t machine, SmearedUtc t, std::optional<mint::Token> suspected,
                      const char* why) const {
    const AuditFinding found = ask(machine, t);
    EXPECT_EQ(found.verdict, Verdict::kUnknown) << found.text;
    EXPECT_EQ(found.holder ? std::optional(found.holder->token) : std::nullopt, suspected);
    EXPECT_NE(found.text.find(why), std::string::npos) << found.text;
  }
  std::vector<std::string> history_keys() const {
    std::vector<std::string> keys;
    for (const Entry& entry : shelf.list(kHistoryPrefix).entries)
      keys.push_back(entry.key);
    return keys;
  }
};

TEST_F(Audit, AcquisitionLeavesOneEntryInItsCommit) {
  const std::vector<MachineId> ids{{4}, {2}};
  Claim who = claim(3);
  who.holder = "host b";
  const auto revision = shelf.commit(acquire(shelf.table(), policy, kNow, ids, who));
  ASSERT_TRUE(revision);
  const History history = read_history(shelf.list());
  ASSERT_EQ(history.recorded.size(), 1U);
  const Recorded& recorded = history.recorded[0];
  EXPECT_EQ(recorded.key, history_key(kNow, who.nonce));
  EXPECT_EQ(recorded.at, kNow);
  EXPECT_EQ(recorded.token(), *shelf.table().find({2})->token()) << "the revision is that of the grants";
  EXPECT_EQ(recorded.acquisition,
            (Acquisition{who.nonce, who.incarnation, 1, {{{2}, {{0}, {}}}, {{4}, {{0}, {}}}}, "host b"}));
}

TEST_F(Audit, ExtensionAndReleaseLeaveTheHistoryAlone) {
  const HeldRight right = take(0, kNow);
  const Listing before = shelf.list(kHistoryPrefix);
  ASSERT_TRUE(give_back(prolong(right, kNow + seconds(5)), kNow + seconds(1)));
  EXPECT_EQ(shelf.list(kHistoryPrefix).entries, before.entries);
}

TEST_F(Audit, TheLargestAcquisitionIsReadBack) {
  policy.machine_ids = 65536;
  policy.store.floor = SmearedUtc::min();
  std::vector<MachineId> ids;
  for (std::uint32_t id = 65536 - 1024; id < 65536; ++id)
    ids.push_back({static_cast<std::uint16_t>(id)});
  ASSERT_TRUE(shelf.commit(acquire(shelf.table(), policy, kNow, ids, claim())));
  const History history = read_history(shelf.list());
  ASSERT_EQ(history.recorded.size(), 1U);
  EXPECT_EQ(history.recorded[0].acquisition.taken.size(), 1024U);
  EXPECT_LT(shelf.list(kHistoryPrefix).entries[0].value.size(), 48U << 10);
}

TEST_F(Audit, NamesTheHolderOfEachWindow) {
  const HeldRight first = take(0, kNow);
  ASSERT_TRUE(give_back(first, kNow + seconds(3)));
  const HeldRight second = take(0, kNow + seconds(20), 2);
  const HeldRight third = take(0, kNow + seconds(40), 3);
  const HeldRight present = prolong(third, kNow + seconds(45));
  expect_holder(0, first.floor, first, kNow + seconds(3));
  expect_holder(0, kNow + seconds(3) - time::nanoseconds(1), first, kNow + seconds(3));
  expect_holder(0, second.floor, second, third.floor);
  expect_holder(0, kNow + seconds(29), second, third.floor);
  expect_holder(0, third.floor, third, present.ceiling);
  expect_holder(0, present.ceiling - time::nanoseconds(1), third, present.ceiling);
  expect_nobody(0, present.ceiling);
  EXPECT_EQ(ask(0, kNow).back_to, SmearedUtc{0});
  ASSERT_TRUE(give_back(present, kNow + seconds(41)));
  expect_nobody(0, kNow + seconds(42));
}

TEST_F(Audit, AnEmptyWindowIssuedNothing) {
  const HeldRight first = take(0, kNow);
  ASSERT_TRUE(give_back(first, first.floor));
  const HeldRight second = take(0, kNow, 2);
  EXPECT_EQ(second.floor, first.floor);
  expect_holder(0, second.floor, second, second.ceiling);
}

TEST_F(Audit, NobodyWhereNoWindowIs) {
  expect_nobody(3, kNow);
  expect_nobody(3, SmearedUtc{-1});
  const HeldRight right = take(0, kNow);
  expect_nobody(0, right.floor - time::nanoseconds(1));
  expect_nobody(0, right.ceiling);
  expect_nobody(1, kNow);
  EXPECT_EQ(ask(1, kNow).back_to, std::nullopt);
  take(0, kNow + seconds(20), 2);
  expect_nobody(0, right.floor - time::nanoseconds(1));
}

TEST_F(Audit, NobodyAboveTheCeilingHoweverHighTheStoresFloorIs) {
  const HeldRight right = take(0, kNow);
  policy.store.floor = right.ceiling + seconds(1);
  expect_holder(0, right.ceiling - time::nanoseconds(1), right, right.ceiling);
  expect_nobody(0, right.ceiling);
}

TEST_F(Audit, EntryAtARevisionThatNoStoreCanHaveIsUnreadable) {
  const HeldRight right = take(0, kNow);
  const std::string key = history_keys().front();
  shelf.entries[key].modified = kLastRevision;
  EXPECT_EQ(read_history(shelf.list()).recorded.size(), 1U);
  shelf.entries[key].modified.value += 1;
  const History history = read_history(shelf.list());
  EXPECT_TRUE(history.recorded.empty());
  ASSERT_EQ(history.unreadable.size(), 1U);
  EXPECT_EQ(history.unreadable.front().substr(0, key.size()), key);
  expect_unknown(0, right.floor, std::nullopt, "no history of this id");
}

TEST_F(Audit, MissingEntryMakesItUnknownNotWrong) {
  const HeldRight first = take(0, kNow);
  const HeldRight second = take(0, kNow + seconds(20), 2);
  const HeldRight third = take(0, kNow + seconds(40), 3);
  const std::vector<std::string> keys = history_keys();
  const Shelf whole = shelf;

  shelf.entries.erase(keys[1]);
  expect_unknown(0, first.floor, first.token, "missing from the history");
  expect_unknown(0, second.floor, first.token, "missing from the history");
  expect_holder(0, third.floor, third, third.ceiling);

  shelf = whole;
  shelf.entries.erase(keys[0]);
  expect_unknown(0, first.floor, std::nullopt, "does not reach back that far");
  expect_holder(0, second.floor, second, third.floor);
  EXPECT_EQ(ask(0, first.floor).back_to, second.floor);

  shelf = whole;
  shelf.entries.erase(keys[2]);
  expect_unknown(0, third.floor, second.token, "not the one that the history ends with");
  expect_holder(0, first.floor, first, second.floor);

  shelf = whole;
  shelf.entries[keys[1]].value += " ";
  shelf.entries[keys[1]].value[0] = 'x';
  expect_unknown(0, second.floor, first.token, "missing from the history");
  EXPECT_EQ(read_history(shelf.list()).unreadable.size(), 1U);

  shelf = whole;
  for (const std::string& key : keys)
    shelf.entries.erase(key);
  expect_unknown(0, second.floor, std::nullopt, "no history of this id");
}

TEST_F(Audit, DamagedRightLeavesOnlyThePastCertain) {
  const HeldRight first = take(0, kNow);
  const HeldRight second = take(0, kNow + seconds(20), 2);
  shelf.entries[window_key({0})].value = "damaged";
  expect_holder(0, first.floor, first, second.floor);
  expect_unknown(0, second.floor, second.token, "not the one that the history ends with");
  expect_unknown(0, kNow + seconds(86'400), second.token, "not the one that the history ends with");
}

// A store that was put back knows nothing of what was granted after the backup; the lifted floor hides a gap.
TEST_F(Audit, RecoveryMakesWhatLiesBeforeItUnknown) {
  const HeldRight first = take(0, kNow);
  const HeldRight second = take(0, kNow + seconds(20), 2);
  policy.store.epoch = 2;
  policy.store.floor = kNow + seconds(1000);
  expect_holder(0, first.floor, first, second.floor);
  expect_unknown(0, second.floor, second.token, "recovered after");
  expect_unknown(0, kNow + seconds(999), second.token, "recovered after");
  expect_nobody(0, policy.store.floor);
  expect_unknown(5, kNow, std::nullopt, "recovered since");
  expect_nobody(5, policy.store.floor);

  const HeldRight third = take(0, kNow + seconds(1100), 3);
  EXPECT_EQ(third.floor, policy.store.floor);
  expect_unknown(0, second.floor, second.token, "recovered between");
  expect_unknown(0, kNow + seconds(999), second.token, "recovered between");
  expect_holder(0, first.floor, first, second.floor);
  expect_holder(0, third.floor, third, third.ceiling);
  take(5, kNow + seconds(1100));
  expect_unknown(5, kNow, std::nullopt, "recovered before the first");
}

TEST_F(Audit, HealingBreaksNoChain) {
  const HeldRight mad = take(0, kNow + seconds(86'400));
  const auto cure = heal(shelf.table(), policy.store, {0}, {"operator", {}, next_nonce()});
  ASSERT_TRUE(cure && shelf.commit(*cure));
  expect_holder(0, kNow + seconds(86'400), mad, mad.ceiling);
  expect_nobody(0, mad.ceiling);
  const HeldRight next = take(0, mad.ceiling, 2);
  expect_holder(0, kNow + seconds(86'400), mad, next.floor);
  expect_holder(0, next.floor, next, next.ceiling);
}

TEST_F(Audit, HistoryThatContradictsItselfIsNotBelieved) {
  take(0, kNow);
  const HeldRight second = take(0, kNow + seconds(20), 2);
  for (auto& [key, entry] : shelf.entries) {
    if (!key.starts_with(kHistoryPrefix) || entry.modified != second.grant) continue;
    Acquisition acquisition = *parse_history(entry.value);
    acquisition.taken[{0}].floor = {-1};
    entry.value = encode(acquisition);
  }
  expect_unknown(0, kNow, std::nullopt, "contradicts itself");
}

TEST_F(Audit, PruningKeepsTheNewestOfEachId) {
  for (int i = 0; i < 5; ++i)
    take(0, kNow + seconds(20 * i));
  take(1, kNow);
  ASSERT_EQ(history_keys().size(), 6U);
  EXPECT_TRUE(prune(shelf.list(), kNow, 100).deletes.empty()) << "nothing is older";
  const Transaction some = prune(shelf.list(), kNow + seconds(1000), 2);
  EXPECT_EQ(some.deletes.size(), 2U);
  ASSERT_EQ(some.compares.size(), 2U);
  EXPECT_EQ(some.compares[0].modified, Revision{101}) << "the oldest first";
  ASSERT_TRUE(shelf.commit(some));
  EXPECT_FALSE(shelf.commit(some)) << "another one who prunes at the same time conflicts";
  ASSERT_TRUE(shelf.commit(prune(shelf.list(), kNow + seconds(1000), 100)));
  EXPECT_EQ(history_keys().size(), 2U);
  EXPECT_TRUE(prune(shelf.list(), SmearedUtc::max(), 100).deletes.empty());
  shelf.entries[history_key({5}, nonce_of(1))] = {history_key({5}, nonce_of(1)), "by a newer program", {1}};
  EXPECT_TRUE(prune(shelf.list(), SmearedUtc::max(), 100).deletes.empty()) << "not ours to judge";
}

TEST_F(Audit, EntryOfSeveralIdsIsKeptForOne) {
  const std::vector<MachineId> both{{0}, {1}};
  ASSERT_TRUE(shelf.commit(acquire(shelf.table(), policy, kNow, both, claim())));
  take(0, kNow + seconds(20), 2);
  EXPECT_TRUE(prune(shelf.list(), SmearedUtc::max(), 100).deletes.empty()) << "the newest of id 1";
  take(1, kNow + seconds(20), 2);
  EXPECT_EQ(prune(shelf.list(), SmearedUtc::max(), 100).deletes, std::vector<std::string>{history_keys()[0]});
}

// Against the truth, under random commands, mad clocks, pruning and recoveries: whoever is called certain is the one,
// nobody is nobody, and without pruning and recoveries nothing is unknown.
class AuditProperty : public Audit {
 protected:
  struct Issued {
    mint::Token token;
    SmearedUtc floor;
    SmearedUtc ceiling;
  };
  struct Tally {
    int holder = 0;
    int nobody = 0;
    int unknown = 0;
  };

  void step(std::mt19937_64& random) {
    const auto id = static_cast<std::uint16_t>(random() % 3);
    const SmearedUtc now = kNow + seconds(static_cast<std::int64_t>(random() % 2'000) - 1'000);
    const auto held = held_.find(id);
    const std::uint64_t action = random() % 4;
    if (held == held_.end() || action == 0) {
      const HeldRight right = take(id, now, static_cast<std::uint8_t>(random() % 5));
      truth_[id].push_back({right.token, right.floor, right.ceiling});
      held_[id] = right;
    } else if (action == 1) {
      held->second = prolong(held->second, now);
      truth_[id].back().ceiling = held->second.ceiling;
    } else if (action == 2) {
      const auto span = static_cast<std::uint64_t>((held->second.ceiling - held->second.floor).ns) + 1;
      const SmearedUtc used = held->second.floor + time::nanoseconds(static_cast<std::int64_t>(random() % span));
      ASSERT_TRUE(give_back(held->second, used));
      truth_[id].back().ceiling = used;
      held_.erase(held);
    } else {
      const auto cure = heal(shelf.table(), policy.store, {id}, {"operator", {}, next_nonce()});
      ASSERT_TRUE(cure && shelf.commit(*cure));
      held_.erase(held);
    }
  }
  void check(std::mt19937_64& random, Tally& tally) const {
    const auto id = static_cast<std::uint16_t>(random() % 3);
    SmearedUtc t = kNow + seconds(static_cast<std::int64_t>(random() % 40'000) - 5'000);
    if (const auto known = truth_.find(id); known != truth_.end() && random() % 2 == 0) {
      const Issued& one = known->second[random() % known->second.size()];
      t = random() % 2 == 0 ? one.floor : one.ceiling - time::nanoseconds(1);
    }
    std::set<mint::Token> could;
    if (const auto known = truth_.find(id); known != truth_.end())
      for (const Issued& one : known->second)
        if (one.floor <= t && t < one.ceiling) could.insert(one.token);
    ASSERT_LE(could.size(), 1U) << "windows of one id overlap";
    const AuditFinding found = ask(id, t);
    if (found.verdict == Verdict::kHolder) {
      ++tally.holder;
      ASSERT_EQ(could, std::set<mint::Token>{found.holder->token}) << found.text;
    } else if (found.verdict == Verdict::kNobody) {
      ++tally.nobody;
      ASSERT_TRUE(could.empty()) << found.text;
    } else {
      ++tally.unknown;
    }
  }

  std::map<std::uint16_t, std::vector<Issued>> truth_;
  std::map<std::uint16_t, HeldRight> held_;
};

TEST_F(AuditProperty, IsRightAndKnowsAllWhileNothingIsLost) {
  std::mt19937_64 random(11);
  Tally tally;
  for (int i = 0; i < 400 && !HasFatalFailure(); ++i) {
    step(random);
    for (int question = 0; question < 4; ++question)
      check(random, tally);
  }
  EXPECT_GT(tally.holder, 300);
  EXPECT_GT(tally.nobody, 100);
  EXPECT_EQ(tally.unknown, 0);
}

TEST_F(AuditProperty, IsNeverWrongWhateverIsLost) {
  Tally tally;
  for (std::uint64_t seed = 0; seed < 30 && !HasFatalFailure(); ++seed) {
    std::mt19937_64 random(seed);
    shelf = Shelf{};
    policy.store = {.identity = {}, .epoch = 1, .floor = {}};
    truth_.clear();
    held_.clear();
    Shelf backup = shelf;
    for (int i = 0; i < 80 && !HasFatalFailure(); ++i) {
      step(random);
      if (random() % 8 == 0)
        shelf.commit(prune(shelf.list(), kNow + seconds(static_cast<std::int64_t>(random() % 4'000) - 1'000), 3));
      if (random() % 16 == 0) backup = shelf;
      if (random() % 24 == 0) {  // put back, and recovered
        SmearedUtc highest = policy.store.floor;
        for (const auto& [id, all] : truth_)
          for (const Issued& one : all)
            highest = std::max(highest, one.ceiling);
        shelf = backup;
        ++policy.store.epoch;
        policy.store.floor = highest;
        held_.clear();
        shelf.commit({{}, {{std::string(kStoreKey), "recovered"}}, {}});
        policy.store.identity = shelf.revision;
      }
      for (int question = 0; question < 4; ++question)
        check(random, tally);
    }
  }
  EXPECT_GT(tally.holder, 1'000);
  EXPECT_GT(tally.nobody, 300);
  EXPECT_GT(tally.unknown, 300);
}

}  // namespace
}  // namespace gnomon::lease
