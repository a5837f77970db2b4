// SPDX-License-Identifier: Apache-2.0
//
// The estate of a dead daemon: pages built by hand, each with one thing wrong. What is whole is given back exactly;
// everything else is left to run out, because a ceiling that is too low would be a duplicate.
#include "control/estate.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "control/meta.hpp"
#include "oracle/lease/session.hpp"
#include "oracle/lease/stored_right.hpp"
#include "tests/control/memory_store.hpp"
#include "tests/control/temp_directory.hpp"

namespace gnomon::control {
namespace {

constexpr time::SmearedUtc kFloor{1'800'000'000'000'000'000};
constexpr time::SmearedUtc kCeiling = kFloor + time::seconds(10);
constexpr time::SmearedUtc kUsed = kFloor + time::seconds(3);
constexpr DeadProcess kDead{.pid = 4711, .started = {1'000}};
constexpr std::uint64_t kIncarnation = 0x0807060504030201ULL;
constexpr Nonce kIncarnationNonce{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

mint::Right right_of(std::uint16_t machine, std::uint64_t token) { return {{machine}, {token}, kFloor, kCeiling}; }

void write_slot(page::SlotUse& slot, const mint::Right& right, time::SmearedUtc used) {
  slot.token = right.token.value;
  slot.machine = right.machine.value;
  slot.used_until_ns = used.ns;
  slot.check = page::SlotUse::check_of(right.token.value, right.machine.value, used.ns);
}

/// The pages that a daemon with two workers left: worker 0 holds the ids 3 and 4, worker 1 holds 7.
struct Pages {
  Pages() {
    page::stamp(*rights, kIncarnation, kDead.pid, 2'000);
    for (auto& worker : workers)
      page::stamp(*worker, kIncarnation, kDead.pid, 2'000);
    publish(0, 1, {right_of(3, 31), right_of(4, 41)});
    publish(1, 1, {right_of(7, 71)});
    write_slot(workers[0]->slots[0], right_of(3, 31), kUsed);
    write_slot(workers[0]->slots[1], right_of(4, 41), kFloor);
    write_slot(workers[1]->slots[0], right_of(7, 71), kUsed);
    for (auto& worker : workers)
      worker->acknowledged = 1;
  }
  void publish(std::size_t worker, std::uint64_t generation, const std::vector<mint::Right>& held) {
    mint::RightSet set;
    set.generation = {generation};
    for (const mint::Right& right : held)
      set.slots[set.count++] = right;
    rights->workers[worker].rights.write(set);
  }
  [[nodiscard]] tl::expected<Estate, std::string> read() const {
    const std::vector<const page::WorkerPage*> pointers{workers[0].get(), workers[1].get()};
    return read_estate(*rights, pointers, kDead);
  }

  std::unique_ptr<page::RightsPage> rights = std::make_unique<page::RightsPage>();
  std::vector<std::unique_ptr<page::WorkerPage>> workers = [] {
    std::vector<std::unique_ptr<page::WorkerPage>> made;
    made.push_back(std::make_unique<page::WorkerPage>());
    made.push_back(std::make_unique<page::WorkerPage>());
    return made;
  }();
};

std::vector<int> ids_of(const Estate& estate) {
  std::vector<int> ids(estate.parts.size());
  std::transform(estate.parts.begin(), estate.parts.end(), ids.begin(),
                 [](const EstatePart& part) { return part.right.machine.value; });
  return ids;
}

// What a killed writer leaves of a seqlock: an odd sequence. The sequence is the record's first word.
void tear(page::RightsRecord& record) {
  auto* sequence = reinterpret_cast<std::atomic<std::uint64_t>*>(&record.rights);
  sequence->store(sequence->load() | 1);
}

TEST(EstatePages, WholePagesGiveEveryRightAsFarAsItWasUsed) {
  const auto estate = Pages().read();
  ASSERT_TRUE(estate) << estate.error();
  EXPECT_EQ(estate->incarnation, kIncarnation);
  EXPECT_EQ(estate->parts,
            (std::vector<EstatePart>{{right_of(3, 31), kUsed}, {right_of(4, 41), kFloor}, {right_of(7, 71), kUsed}}));
  EXPECT_TRUE(estate->left.empty());
}

TEST(EstatePages, ThoseOfAnotherProcessOrRunAreNotTouched) {
  struct Case {
    const char* what;
    std::function<void(Pages&)> spoil;
  };
  const std::vector<Case> cases{
      {"no page", [](Pages& pages) { pages.rights->header.magic = 0; }},
      {"kind", [](Pages& pages) { pages.rights->header.kind ^= 1; }},
      {"version", [](Pages& pages) { ++pages.rights->header.version; }},
      {"size", [](Pages& pages) { ++pages.rights->header.size; }},
      {"pid", [](Pages& pages) { ++pages.rights->header.pid; }},
      {"made before the process", [](Pages& pages) { pages.rights->header.started_uptime_ns = 999; }},
      {"made at no time", [](Pages& pages) { pages.rights->header.started_uptime_ns = UINT64_MAX; }},
  };
  for (const Case& each : cases) {
    Pages pages;
    each.spoil(pages);
    EXPECT_FALSE(pages.read().has_value()) << each.what;
  }
}

// One thing wrong with worker 0: what it concerns is left, and told of; the rest is given back.
TEST(EstatePages, WhatIsTornForeignOrImplausibleIsLeft) {
  struct Case {
    const char* what;
    std::function<void(Pages&)> spoil;
    std::vector<int> given;
    std::size_t reasons;
  };
  const auto slot = [](Pages& pages) -> page::SlotUse& { return pages.workers[0]->slots[0]; };
  const std::vector<Case> cases{
      {"the worker's page is no page", [](Pages& p) { p.workers[0]->header.magic = 0; }, {7}, 2},
      {"of another version", [](Pages& p) { p.workers[0]->header.version = 3; }, {7}, 2},
      {"of another run", [](Pages& p) { ++p.workers[0]->header.incarnation; }, {7}, 2},
      {"of another process", [](Pages& p) { ++p.workers[0]->header.pid; }, {7}, 2},
      {"the set is torn", [](Pages& p) { tear(p.rights->workers[0]); }, {7}, 1},
      {"the set has an impossible size",
       [](Pages& p) {
         mint::RightSet set;
         set.count = mint::kMaxRightsPerWorker + 1;
         p.rights->workers[0].rights.write(set);
       },
       {7},
       1},
      {"the set is not sorted", [](Pages& p) { p.publish(0, 1, {right_of(4, 41), right_of(3, 31)}); }, {7}, 1},
      {"a window stands on its head", [](Pages& p) { p.publish(0, 1, {{{3}, {31}, kCeiling, kFloor}}); }, {7}, 1},
      {"the check word", [&](Pages& p) { slot(p).check ^= 1; }, {4, 7}, 1},
      {"the use moved and its check word did not",
       [&](Pages& p) { slot(p).used_until_ns = (kUsed + time::milliseconds(1)).ns; },
       {4, 7},
       1},
      {"the token moved and its check word did not", [&](Pages& p) { slot(p).token = 32; }, {4, 7}, 1},
      {"the machine moved and its check word did not", [&](Pages& p) { slot(p).machine = 5; }, {4, 7}, 1},
      {"another token, whole", [&](Pages& p) { write_slot(slot(p), right_of(3, 32), kUsed); }, {4, 7}, 1},
      {"another machine, whole", [&](Pages& p) { write_slot(slot(p), right_of(5, 31), kUsed); }, {4, 7}, 1},
      {"used below the floor",
       [&](Pages& p) { write_slot(slot(p), right_of(3, 31), kFloor + time::nanoseconds(-1)); },
       {4, 7},
       1},
      {"used beyond the ceiling and the longest unit",
       [&](Pages& p) { write_slot(slot(p), right_of(3, 31), kCeiling + lease::kLongestUnit + time::nanoseconds(1)); },
       {4, 7},
       1},
      {"acknowledged what was never published", [](Pages& p) { p.workers[0]->acknowledged = 2; }, {7}, 2},
      {"two workers show one id",
       [](Pages& p) {
         p.publish(1, 1, {right_of(4, 41)});
         write_slot(p.workers[1]->slots[0], right_of(4, 41), kUsed);
       },
       {3},
       2},
      {"a revocation is under way", [](Pages& p) { p.publish(0, 2, {}); }, {7}, 0},
  };
  for (const Case& each : cases) {
    Pages pages;
    each.spoil(pages);
    const auto estate = pages.read();
    ASSERT_TRUE(estate) << each.what;
    EXPECT_EQ(ids_of(*estate), each.given) << each.what;
    EXPECT_EQ(estate->left.size(), each.reasons) << each.what;
  }
}

TEST(EstatePages, UsedUpToTheEndOfAUnitBeyondTheCeilingIsPlausible) {
  Pages pages;
  write_slot(pages.workers[0]->slots[0], right_of(3, 31), kCeiling + lease::kLongestUnit);
  const auto estate = pages.read();
  ASSERT_TRUE(estate);
  EXPECT_EQ(ids_of(*estate), (std::vector<int>{3, 4, 7}));
}

TEST(EstatePages, AMissingWorkerPageLeavesThatWorkersRights) {
  const Pages pages;
  const std::vector<const page::WorkerPage*> pointers{nullptr, pages.workers[1].get()};
  const auto estate = read_estate(*pages.rights, pointers, kDead);
  ASSERT_TRUE(estate);
  EXPECT_EQ(ids_of(*estate), std::vector<int>{7});
  EXPECT_EQ(estate->left.size(), 2U);
}

// A worker answers nothing under a set before it has acknowledged it, so what it had not begun with was not used.
TEST(EstatePages, ARightThatNoWorkerHadBegunWithWasUsedToItsFloor) {
  Pages pages;
  pages.publish(0, 2, {right_of(5, 51)});  // the slots still tell of 31 and 41
  const auto estate = pages.read();
  ASSERT_TRUE(estate);
  EXPECT_EQ(estate->parts.front(), (EstatePart{right_of(5, 51), kFloor}));

  Pages fresh;  // a worker that has begun with nothing at all
  fresh.workers[0] = std::make_unique<page::WorkerPage>();
  page::stamp(*fresh.workers[0], kIncarnation, kDead.pid, 2'000);
  const auto first = fresh.read();
  ASSERT_TRUE(first);
  EXPECT_EQ(first->parts.front(), (EstatePart{right_of(3, 31), kFloor}));
}

TEST(EstatePages, AWorkerThatDiedWhileTakingOverLeavesWhatIsHalf) {
  Pages half;
  half.publish(0, 2, {right_of(5, 51), right_of(6, 61)});
  write_slot(half.workers[0]->slots[0], right_of(5, 51), kFloor);  // whole already
  half.workers[0]->slots[1].token = 61;                            // of the next only this word was stored
  const auto estate = half.read();
  ASSERT_TRUE(estate);
  EXPECT_EQ(ids_of(*estate), (std::vector<int>{5, 7}));
  EXPECT_EQ(estate->left.size(), 1U);

  Pages moved;  // the token was in the earlier set, in another place: how far it was used is not certain
  moved.publish(0, 2, {right_of(2, 21), right_of(3, 31)});
  const auto uncertain = moved.read();
  ASSERT_TRUE(uncertain);
  EXPECT_EQ(ids_of(*uncertain), (std::vector<int>{2, 7}));
}

TEST(EstatePages, EveryBitOfASlotCounts) {
  for (std::size_t bit = 0; bit < 4 * 64; ++bit) {
    Pages pages;
    page::SlotUse& slot = pages.workers[0]->slots[0];
    const std::uint64_t flip = std::uint64_t{1} << (bit % 64);
    if (bit / 64 == 0) slot.token ^= flip;
    if (bit / 64 == 1) slot.machine ^= flip;
    if (bit / 64 == 2) slot.used_until_ns ^= static_cast<std::int64_t>(flip);
    if (bit / 64 == 3) slot.check ^= flip;
    const auto estate = pages.read();
    ASSERT_TRUE(estate);
    EXPECT_EQ(ids_of(*estate), (std::vector<int>{4, 7})) << "bit " << bit;
  }
}

TEST(EstatePages, TheIncarnationIsTheStartOfTheOneInTheGrants) {
  EXPECT_EQ(page_incarnation(kIncarnationNonce), kIncarnation);
}

// ---- giving back

/// A memory store whose commits can be made to fail. `before_commit` runs before each is performed.
class ScriptedStore final : public Store {
 public:
  enum class Outcome { kDone, kUnknownButDone, kUnknownAndLost, kUnavailable, kFatal };

  tl::expected<std::optional<Entry>, StoreError> get(std::string_view key) override { return inner.get(key); }
  tl::expected<Listing, StoreError> list(std::string_view prefix) override { return inner.list(prefix); }
  tl::expected<Revision, StoreError> commit(const Transaction& transaction) override {
    commits.push_back(transaction);
    if (before_commit) before_commit();
    Outcome outcome = Outcome::kDone;
    if (!outcomes.empty()) {
      outcome = outcomes.front();
      outcomes.pop_front();
    }
    if (outcome == Outcome::kUnavailable)
      return tl::make_unexpected(StoreError{StoreErrorKind::kUnavailable, "out of reach"});
    if (outcome == Outcome::kFatal) return tl::make_unexpected(StoreError{StoreErrorKind::kFatal, "broken"});
    if (outcome == Outcome::kUnknownAndLost)
      return tl::make_unexpected(StoreError{StoreErrorKind::kUnknown, "no answer"});
    auto done = inner.commit(transaction);
    if (done && outcome == Outcome::kUnknownButDone)
      return tl::make_unexpected(StoreError{StoreErrorKind::kUnknown, "no answer"});
    return done;
  }
  std::unique_ptr<Watch> watch(std::string_view prefix, Revision after) override { return inner.watch(prefix, after); }

  MemoryStore inner;
  std::deque<Outcome> outcomes;
  std::function<void()> before_commit;
  std::vector<Transaction> commits;
};

/// A store in which the dead daemon holds id 3, and the estate that its pages proved of it.
class EstateRelease : public ::testing::Test {
 protected:
  EstateRelease() {
    Transaction identity;
    identity.puts.push_back({std::string(lease::kStoreKey), "identity"});
    facts_.identity = store_.inner.commit(identity).value();
    facts_.epoch = 2;
    held_ = take(3, kIncarnationNonce);
    estate_.incarnation = kIncarnation;
    estate_.parts.push_back(part_of(held_));
    JournalContent content;
    content.epoch = facts_.epoch;
    journal_.emplace(Journal::create(directory_.file("journal"), content).value());
    note(held_);
  }

  static EstatePart part_of(const lease::HeldRight& held) {
    return {{held.machine, held.token, held.floor, held.ceiling}, held.floor + time::seconds(3)};
  }
  lease::RightPolicy policy() const {
    lease::RightPolicy policy;
    policy.store = facts_;
    return policy;
  }
  Nonce nonce() { return {0xaa, ++nonces_}; }

  lease::HeldRight take(std::uint16_t machine, const Nonce& incarnation) {
    const lease::RightTable table = lease::read_rights(store_.inner.list(lease::kRightPrefix)->entries);
    const Transaction transaction = lease::acquire(table, policy(), kFloor, std::vector<mint::MachineId>{{machine}},
                                                   {"dead", incarnation, nonce()});
    const Revision revision = store_.inner.commit(transaction).value();
    return lease::held_after(transaction, {machine}, revision, nullptr, facts_.epoch);
  }
  /// Somebody writes the right's window once more.
  void extend(lease::HeldRight& held, time::SmearedUtc now) {
    const Transaction transaction = lease::extend(std::vector{held}, policy(), now, nonce());
    held = lease::held_after(transaction, held.machine, store_.inner.commit(transaction).value(), &held, facts_.epoch);
  }
  void note(const lease::HeldRight& held) {
    const std::vector<JournalRight> rights{{held.machine, held.window, held.window_nonce, held.ceiling}};
    ASSERT_TRUE(journal_->merge(held.window, rights));
  }
  void put(const std::string& key, const std::string& value) {
    Transaction transaction;
    transaction.puts.push_back({key, value});
    ASSERT_TRUE(store_.inner.commit(transaction));
  }

  tl::expected<EstateReport, StoreError> release(bool exclusive = true) {
    const EstateStore to{store_, *journal_, facts_, exclusive};
    return release_estate(to, estate_, {.nonce = [this] { return nonce(); }, .pause = [this] { ++pauses_; }});
  }
  lease::Window window(std::uint16_t machine = 3) {
    return lease::parse_window(store_.inner.get(lease::window_key({machine}))->value().value).value();
  }
  void expect_released() {
    EXPECT_EQ(window().state, lease::WindowState::kReleased);
    EXPECT_EQ(window().floor, held_.floor);
    EXPECT_EQ(window().ceiling, estate_.parts.front().used_until) << "exactly as far as it was used";
    const auto noted = journal_->content().rights.at({3});
    EXPECT_EQ(noted.ceiling, window().ceiling);
    EXPECT_EQ(noted.nonce, window().nonce);
    EXPECT_EQ(noted.modified, store_.inner.get(lease::window_key({3}))->value().modified);
    EXPECT_GE(journal_->content().highest, noted.modified);
  }
  void expect_left(const tl::expected<EstateReport, StoreError>& report) {
    ASSERT_TRUE(report) << report.error().text;
    EXPECT_TRUE(report->released.empty());
    EXPECT_EQ(report->left.size(), 1U);
    EXPECT_TRUE(store_.commits.empty()) << "nothing was written";
  }

  using Outcome = ScriptedStore::Outcome;
  TempDirectory directory_;
  ScriptedStore store_;
  lease::StoreFacts facts_{};
  lease::HeldRight held_;
  Estate estate_;
  std::optional<Journal> journal_;
  std::uint8_t nonces_ = 0;
  int pauses_ = 0;
};

TEST_F(EstateRelease, GivesBackExactlyAndRemembersIt) {
  const auto report = release();
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_EQ(report->released, (std::vector<mint::MachineId>{{3}}));
  EXPECT_TRUE(report->left.empty());
  EXPECT_FALSE(report->session_deleted);
  EXPECT_EQ(store_.commits.size(), 1U);
  expect_released();
  const auto kept = Journal::load(directory_.file("journal"));
  ASSERT_TRUE(kept && *kept);
  EXPECT_EQ((*kept)->content(), journal_->content()) << "the next start reads it from the disk";
}

TEST_F(EstateRelease, ComparesAllThatItReliesOn) {
  ASSERT_TRUE(release());
  std::vector<std::string> compared;
  for (const Compare& compare : store_.commits.front().compares)
    compared.push_back(compare.key);
  for (const std::string& key : {std::string(lease::kStoreKey), lease::grant_key({3}), lease::window_key({3})})
    EXPECT_NE(std::find(compared.begin(), compared.end(), key), compared.end()) << key;
}

// The dead one's extension was committed, and it died before it could publish it.
TEST_F(EstateRelease, AHigherCeilingInTheStoreIsGivenBackToo) {
  extend(held_, kFloor + time::seconds(5));
  ASSERT_TRUE(release());
  expect_released();
}

TEST_F(EstateRelease, TwiceIsOnce) {
  ASSERT_TRUE(release());
  const lease::Window first = window();
  store_.commits.clear();
  expect_left(release());
  EXPECT_EQ(window(), first);
}

TEST_F(EstateRelease, WhatTheStoreKnowsOtherwiseIsLeft) {
  estate_.parts.front().right.token.value += 1;
  expect_left(release());
  estate_.parts.front() = part_of(held_);
  estate_.incarnation += 1;
  expect_left(release());
  estate_.incarnation = kIncarnation;
  estate_.parts.front().right.floor = held_.floor + time::nanoseconds(1);
  expect_left(release());
  estate_.parts.front() = part_of(held_);
  estate_.parts.front().right.ceiling = held_.ceiling + time::nanoseconds(1);
  expect_left(release());
  estate_.parts.front() = part_of(held_);
  estate_.parts.front().right.machine = {9};
  expect_left(release());
}

TEST_F(EstateRelease, ASuccessorsRightIsNotTouched) {
  const lease::HeldRight successor = take(3, {9, 9, 9});
  expect_left(release());
  EXPECT_EQ(window().nonce, successor.window_nonce);
  EXPECT_EQ(window().floor, held_.ceiling);
}

// On a shared store a clone of the dead process writes under the same token. The journal knows what the dead one wrote.
TEST_F(EstateRelease, AnUnknownWriteUnderTheSameTokenIsLeftOnASharedStore) {
  put(lease::session_key(kIncarnationNonce), "session");
  extend(held_, kFloor + time::seconds(5));
  expect_left(release(false));
  EXPECT_TRUE(store_.inner.get(lease::session_key(kIncarnationNonce))->has_value()) << "it may be the copy's";
  note(held_);
  const auto report = release(false);
  ASSERT_TRUE(report);
  expect_released();
  EXPECT_TRUE(report->session_deleted);
}

TEST_F(EstateRelease, TheSessionGoesInTheSameCommit) {
  put(lease::session_key(kIncarnationNonce), "session");
  const Nonce other{7};
  put(lease::session_key(other), "session");
  const auto report = release();
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->session_deleted);
  EXPECT_EQ(store_.commits.size(), 1U);
  EXPECT_FALSE(store_.inner.get(lease::session_key(kIncarnationNonce))->has_value());
  EXPECT_TRUE(store_.inner.get(lease::session_key(other))->has_value());
}

TEST_F(EstateRelease, ALoneSessionGoes) {
  estate_.parts.clear();
  put(lease::session_key(kIncarnationNonce), "session");
  const auto report = release();
  ASSERT_TRUE(report);
  EXPECT_TRUE(report->session_deleted);
  EXPECT_FALSE(store_.inner.get(lease::session_key(kIncarnationNonce))->has_value());
  EXPECT_EQ(window().state, lease::WindowState::kHeld);
}

TEST_F(EstateRelease, NothingToGiveBackWritesNothing) {
  estate_.parts.clear();
  const auto report = release();
  ASSERT_TRUE(report);
  EXPECT_TRUE(store_.commits.empty());
}

TEST_F(EstateRelease, AnAnswerThatWasLostIsFoundByItsBytes) {
  store_.outcomes = {Outcome::kUnknownButDone};
  const auto report = release();
  ASSERT_TRUE(report);
  EXPECT_EQ(report->released, (std::vector<mint::MachineId>{{3}}));
  EXPECT_EQ(store_.commits.size(), 1U) << "it is not sent again";
  expect_released();
}

TEST_F(EstateRelease, ACommitThatWasLostIsSentAgainWithAFreshNonce) {
  store_.outcomes = {Outcome::kUnknownAndLost, Outcome::kUnavailable};
  ASSERT_TRUE(release());
  ASSERT_EQ(store_.commits.size(), 3U);
  EXPECT_NE(store_.commits[0].puts, store_.commits[2].puts);
  EXPECT_EQ(pauses_, 2);
  expect_released();
}

// The first commit comes through late, just before the second is performed: the second meets a conflict, and the list
// after it shows the first.
TEST_F(EstateRelease, ACommitThatComesThroughLateCounts) {
  store_.outcomes = {Outcome::kUnknownAndLost};
  store_.before_commit = [this] {
    if (store_.commits.size() != 2) return;
    ASSERT_TRUE(store_.inner.commit(store_.commits.front()));
  };
  const auto report = release();
  ASSERT_TRUE(report) << report.error().text;
  EXPECT_EQ(report->released, (std::vector<mint::MachineId>{{3}}));
  EXPECT_EQ(store_.commits.size(), 2U);
  expect_released();
}

TEST_F(EstateRelease, AConflictIsLookedAtOnce) {
  store_.before_commit = [this] {
    if (store_.commits.size() == 1) extend(held_, kFloor + time::seconds(5));  // of the dead one, on its way until now
  };
  ASSERT_TRUE(release());
  expect_released();
  EXPECT_EQ(store_.commits.size(), 2U);
}

TEST_F(EstateRelease, AgainstSomebodyWhoKeepsWritingItGivesUp) {
  int second = 5;
  store_.before_commit = [&] { extend(held_, kFloor + time::seconds(++second)); };
  const auto report = release();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, StoreErrorKind::kConflict);
  EXPECT_EQ(store_.commits.size(), 2U);
  EXPECT_EQ(window().state, lease::WindowState::kHeld);
}

TEST_F(EstateRelease, AStoreThatWasRecoveredMeanwhileIsNotWrittenTo) {
  put(std::string(lease::kStoreKey), "another identity");
  const auto report = release();
  ASSERT_FALSE(report);
  EXPECT_TRUE(store_.commits.empty());
}

TEST_F(EstateRelease, AStoreThatWentBackIsNotWrittenTo) {
  ASSERT_TRUE(journal_->merge({1000}, {}));
  const auto report = release();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, StoreErrorKind::kFatal);
  EXPECT_TRUE(store_.commits.empty());
}

TEST_F(EstateRelease, ABrokenStoreIsAskedOnce) {
  store_.outcomes = {Outcome::kFatal};
  const auto report = release();
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().kind, StoreErrorKind::kFatal);
  EXPECT_EQ(store_.commits.size(), 1U);
}

TEST_F(EstateRelease, AStoreOutOfReachIsGivenUpInTheEnd) {
  store_.outcomes.assign(kEstateTries, Outcome::kUnavailable);
  const auto report = release();
  ASSERT_FALSE(report);
  EXPECT_EQ(store_.commits.size(), static_cast<std::size_t>(kEstateTries));
}

}  // namespace
}  // namespace gnomon::control
