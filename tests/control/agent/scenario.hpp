// SPDX-License-Identifier: Apache-2.0
//
// A stage for one agent: virtual time, a store in memory, workers that acknowledge, and a transcript of what the agent
// did. Answers can be withheld and delivered late, commits can be lost before or after the store took them.
//
// Beside the transcript, every step is checked against what must hold always (see `check`): nothing is published that
// was not committed and journaled before, generations grow, sets are sorted, and a released token never comes back.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "control/agent/agent.hpp"
#include "tests/control/memory_store.hpp"

namespace gnomon::control {

constexpr time::SmearedUtc kStart{1'800'000'000'000'000'000};

/// Somebody else's grant of a machine id, with a window of ten seconds from `floor` on, or with this text for one.
inline Transaction takeover(mint::MachineId machine, time::SmearedUtc floor, std::string window = "") {
  Nonce other;
  other.fill(0xbb);
  if (window.empty()) window = lease::encode(lease::Window{floor, floor + time::seconds(10), {}, {}, other});
  return {{},
          {{lease::grant_key(machine), lease::encode(lease::Grant{"other", other, other, 0})},
           {lease::window_key(machine), std::move(window)}},
          {}};
}

/// How often `line` stands in `text`.
inline std::size_t count(const std::string& text, const std::string& line) {
  std::size_t found = 0;
  for (std::size_t at = text.find(line); at != std::string::npos; at = text.find(line, at + 1))
    ++found;
  return found;
}

class Scenario {
 public:
  /// What becomes of the next commit.
  enum class Fate { kDone, kLostAfter, kLostBefore, kUnavailable, kFatal, kSilentAfter, kSilentBefore };

  explicit Scenario(AgentOptions options, MemoryStore* store = nullptr)
      : store_(store == nullptr ? own_store_ : *store), options_(fill(std::move(options))), agent_(options_) {}

  // ---- the stage
  time::SmearedUtc now = kStart;
  time::Uptime uptime{1'000'000'000};
  mint::OrderingState ordering = mint::OrderingState::kFollowing;
  mint::Era era{1};
  time::Duration lead;
  std::optional<time::Interval> truth;
  std::deque<Fate> fates;      // of the commits of rights to come; kDone when empty
  bool fates_for_all = false;  // also of commits that are about no right
  bool list_unavailable = false;
  bool commit_away = false;  // until it is false again, whatever `fates` says
  bool list_silent = false;
  bool journal_silent = false;
  bool hold_acks = false;
  bool tick_after_answers = true;                  // as the thread does
  std::set<std::uint32_t> deaf;                    // workers that never acknowledge
  bool eras_begin = true;                          // the clock thread obeys StartNewEra
  std::map<std::uint16_t, time::SmearedUtc> used;  // by machine: how far its worker used it

  // ---- what came of it
  std::vector<std::string> transcript;
  std::vector<mint::RightSet> published = std::vector<mint::RightSet>(64);
  std::optional<effect::Stopped> stopped;
  std::vector<Event> late;  // answers that were withheld
  int commits = 0;
  int session_lists = 0;    // how often the sessions were read,
  int session_commits = 0;  // the own one was written,
  int deletions = 0;        // and something was cleared away

  void tick(time::Duration step = time::milliseconds(20)) {
    now = now + step;
    uptime = uptime + step;
    feed(tick_event());
  }
  void run_for(time::Duration span) {
    for (time::Duration gone; gone < span; gone = gone + time::milliseconds(20))
      tick();
  }
  /// Ticks until `done`, at most `limit`; false if it never came true.
  bool run_until(const std::function<bool()>& done, time::Duration limit = time::seconds(60)) {
    for (time::Duration gone; gone < limit; gone = gone + time::milliseconds(20)) {
      if (done()) return true;
      tick();
    }
    return done();
  }
  bool run_until_held() {
    return run_until([&] { return agent_.view().state == AgentState::kHeld; });
  }
  bool run_until_stopped() {
    return run_until([&] { return stopped.has_value(); });
  }

  void feed(const Event& event) {
    std::deque<Event> queue{event};
    while (!queue.empty()) {
      const Event next = std::move(queue.front());
      queue.pop_front();
      int begun = 0;
      for (const Effect& effect : agent_.step(next)) {
        EXPECT_FALSE(stopped.has_value()) << "whoever has stopped says no more";
        begun += std::holds_alternative<effect::List>(effect) || std::holds_alternative<effect::Commit>(effect) ||
                 std::holds_alternative<effect::SyncJournal>(effect);
        perform(effect, queue);
      }
      EXPECT_LE(begun, 1) << "one operation at a time: the answer of the other would be nobody's";
      // A tick after every answer, as the thread does; it never leads to an endless chain, for it is not an answer.
      if (tick_after_answers && !std::holds_alternative<event::Tick>(next)) queue.emplace_back(tick_event());
    }
  }
  void acknowledge(std::uint32_t worker) { feed(ack_of(worker)); }
  event::Acknowledged ack_of(std::uint32_t worker) const {
    event::Acknowledged ack{{worker}, published[worker].generation, {}};
    for (const mint::Right& right : last_rights_[worker]) {
      const auto at = used.find(right.machine.value);
      ack.used.push_back({right.machine, right.token, at == used.end() ? right.floor : at->second});
    }
    return ack;
  }

  [[nodiscard]] AgentView view() const { return agent_.view(); }
  MemoryStore& store() { return store_; }
  lease::RightTable table() { return lease::read_rights(store_.list(lease::kRightPrefix)->entries); }
  lease::Window window(std::uint16_t machine) { return table().find({machine})->window->value; }
  lease::WindowState state_of(std::uint16_t machine) { return window(machine).state; }
  /// As the transcript says it: milliseconds since the beginning.
  static std::string at(time::SmearedUtc t) { return std::to_string((t - kStart).ns / 1'000'000) + " ms"; }
  [[nodiscard]] int notes(effect::Note::Kind kind) const {
    const auto at = notes_.find(kind);
    return at == notes_.end() ? 0 : at->second;
  }
  /// The transcript so far, one line per effect other than ticks; starts afresh.
  std::string take_transcript() {
    std::string text;
    for (const std::string& line : transcript)
      text += line + "\n";
    transcript.clear();
    return text;
  }
  event::Tick tick_event() {
    Nonce nonce{};
    ++nonces_;
    for (std::size_t i = 0; i < 8; ++i)
      nonce[i] = static_cast<std::uint8_t>(nonces_ >> (8 * i));
    nonce[7] = nonce[15] = nonce_salt;
    return {
        .now = now, .ordering = ordering, .era = era, .uptime = uptime, .nonce = nonce, .lead = lead, .truth = truth};
  }
  /// How many nonces were handed out; each carries its number in its first bytes.
  [[nodiscard]] std::uint64_t nonces() const { return nonces_; }
  std::uint8_t nonce_salt = 0;  // other agents of a test: other nonces

 private:
  AgentOptions fill(AgentOptions options) {
    if (options.holder.empty()) options.holder = "test";
    if (options.incarnation == Nonce{}) options.incarnation.fill(0xaa);
    return options;
  }
  void say(const std::string& line) { transcript.push_back(line); }

  void perform(const Effect& effect, std::deque<Event>& queue) {
    std::visit([&](const auto& e) { perform(e, queue); }, effect);
  }
  void perform(const effect::List& list, std::deque<Event>& queue) {
    if (list.prefix == lease::kRightPrefix) say("list");
    if (list.prefix == lease::kSessionPrefix) ++session_lists;
    if (list_unavailable)
      queue.emplace_back(event::StoreFailed{list.operation, {StoreErrorKind::kUnavailable, "store away"}});
    else if (list_silent)
      late.emplace_back(event::Listed{list.operation, *store_.list(list.prefix)});
    else
      queue.emplace_back(event::Listed{list.operation, *store_.list(list.prefix)});
  }
  void perform(const effect::Commit& commit, std::deque<Event>& queue) {
    const std::string said = describe(commit.transaction);
    if (said.empty()) ++(commit.transaction.puts.empty() ? deletions : session_commits);
    if (said.empty() && !fates_for_all && !commit_away) {  // a session, or what was cleared away
      answer_plainly(commit, queue);
      return;
    }
    if (!said.empty()) ++commits;
    if (commit_away) {
      queue.emplace_back(event::StoreFailed{commit.operation, {StoreErrorKind::kUnavailable, "store away"}});
      return;
    }
    const Fate fate = fates.empty() ? Fate::kDone : fates.front();
    if (!fates.empty()) fates.pop_front();
    if (!said.empty()) say("commit " + said);
    check_nonces(commit.transaction);
    const auto failed = [&](StoreErrorKind kind, const char* text) {
      queue.emplace_back(event::StoreFailed{commit.operation, {kind, text}});
    };
    if (fate == Fate::kUnavailable) return failed(StoreErrorKind::kUnavailable, "store away");
    if (fate == Fate::kFatal) return failed(StoreErrorKind::kFatal, "disk full");
    if (fate == Fate::kLostBefore) {
      in_flight.push_back(commit.transaction);
      return failed(StoreErrorKind::kUnknown, "answer lost");
    }
    if (fate == Fate::kSilentBefore) {
      in_flight.push_back(commit.transaction);
      return;
    }
    const auto revision = store_.commit(commit.transaction);
    if (!revision) return failed(revision.error().kind, revision.error().text.c_str());
    remember_committed(commit.transaction);
    if (fate == Fate::kLostAfter) return failed(StoreErrorKind::kUnknown, "answer lost");
    const Event answer = event::Committed{commit.operation, *revision};
    if (fate == Fate::kSilentAfter)
      late.emplace_back(answer);
    else
      queue.emplace_back(answer);
  }
  void answer_plainly(const effect::Commit& commit, std::deque<Event>& queue) {
    check_nonces(commit.transaction);
    const auto revision = store_.commit(commit.transaction);
    if (revision)
      queue.emplace_back(event::Committed{commit.operation, *revision});
    else
      queue.emplace_back(event::StoreFailed{commit.operation, revision.error()});
  }
  void perform(const effect::SyncJournal& sync, std::deque<Event>& queue) {
    say("journal at " + std::to_string(sync.highest.value));
    for (const JournalRight& right : sync.rights)
      journaled_[right.machine.value].insert(right.ceiling.ns);
    if (journal_silent)
      late.emplace_back(event::JournalSynced{sync.operation});
    else
      queue.emplace_back(event::JournalSynced{sync.operation});
  }
  void perform(const effect::PublishRights& publish, std::deque<Event>& queue) {
    const std::uint32_t worker = publish.worker.value;
    const mint::RightSet& set = publish.rights;
    std::string line = "worker " + std::to_string(worker) + " gen " + std::to_string(set.generation.value) + ":";
    for (const mint::Right& right : set.rights())
      line += " id " + std::to_string(right.machine.value) + " to " + at(right.ceiling);
    say(set.count == 0 ? line + " nothing" : line);
    check_published(set, published[worker]);
    if (set.count > 0) last_rights_[worker].assign(set.rights().begin(), set.rights().end());
    const bool fresh = set.generation > published[worker].generation;
    published[worker] = set;
    if (fresh && !hold_acks && !deaf.contains(worker)) queue.emplace_back(ack_of(worker));
  }
  void perform(const effect::MarkCloned&, std::deque<Event>&) { say("mark as cloned"); }
  void perform(const effect::SealStore& seal, std::deque<Event>&) { say("seal: " + seal.text); }
  void perform(const effect::StartNewEra&, std::deque<Event>&) {
    say("start a new era");
    if (!eras_begin) return;
    ++era.value;
    now = era_time.value_or(now + -lead);
    lead = {};
    ordering = mint::OrderingState::kFollowing;
  }
  void perform(const effect::Note& note, std::deque<Event>&) {
    ++notes_[note.kind];
    say("note: " + note.text + (note.until == time::SmearedUtc{} ? "" : " (" + at(note.until) + ")"));
  }
  void perform(const effect::Stopped& stop, std::deque<Event>&) {
    say(std::string(stop.failed ? "failed: " : "stopped: ") + stop.text);
    ASSERT_FALSE(stopped.has_value()) << "stopped twice";
    stopped = stop;
  }

  std::string describe(const Transaction& transaction) {
    std::string text;
    for (const Put& put : transaction.puts) {
      const auto window = lease::parse_window(put.value);
      if (!window) continue;
      const bool acquires = window->token.value == 0;
      const bool releases = window->state == lease::WindowState::kReleased;
      text += (text.empty() ? "" : ", ");
      text += (acquires   ? "take "
               : releases ? "release "
                          : "extend ") +
              put.key.substr(8, 5) + " to " + at(window->ceiling);
    }
    return text;
  }
  void check_nonces(const Transaction& transaction) {
    for (const Put& put : transaction.puts)
      EXPECT_TRUE(values_sent_.insert(put.key + put.value).second) << "a value was sent twice: " << put.value;
    EXPECT_TRUE(std::any_of(transaction.compares.begin(), transaction.compares.end(),
                            [](const Compare& c) { return c.key == lease::kStoreKey; }));
  }
  void remember_committed(const Transaction& transaction) {
    for (const Put& put : transaction.puts) {
      const auto window = lease::parse_window(put.value);
      if (!window) continue;
      const auto machine = static_cast<std::uint16_t>(std::stoi(put.key.substr(8, 5)));
      committed_[machine].insert(window->ceiling.ns);
      if (window->state == lease::WindowState::kReleased) released_.insert({machine, window->token.value});
    }
  }
  void check_published(const mint::RightSet& set, const mint::RightSet& before) {
    if (set.generation == before.generation) {
      ASSERT_EQ(set.count, before.count);
      EXPECT_EQ(set.era, before.era);
      for (std::size_t i = 0; i < set.count; ++i) {
        EXPECT_EQ(set.slots[i].token, before.slots[i].token);
        EXPECT_GE(set.slots[i].ceiling, before.slots[i].ceiling) << "a ceiling was lowered inside a generation";
      }
    } else {
      EXPECT_EQ(set.generation.value, before.generation.value + 1);
    }
    for (std::size_t i = 0; i < set.count; ++i) {
      const mint::Right& right = set.slots[i];
      if (i > 0) {
        EXPECT_LT(set.slots[i - 1].machine, right.machine);
      }
      EXPECT_TRUE(committed_[right.machine.value].contains(right.ceiling.ns)) << "published before it was committed";
      EXPECT_TRUE(journaled_[right.machine.value].contains(right.ceiling.ns)) << "published before it was journaled";
      EXPECT_FALSE(released_.contains({right.machine.value, right.token.value})) << "published after its release";
    }
  }

 public:
  std::vector<Transaction> in_flight;        // commits that may still land
  std::optional<time::SmearedUtc> era_time;  // where a new era begins
  /// A commit that was on its way all the time arrives now.
  bool land(std::size_t index) {
    const bool landed = store_.commit(in_flight[index]).has_value();
    if (landed) remember_committed(in_flight[index]);
    return landed;
  }

 private:
  MemoryStore own_store_;
  MemoryStore& store_;
  AgentOptions options_;
  Agent agent_;
  std::uint64_t nonces_ = 0;
  std::map<effect::Note::Kind, int> notes_;
  std::vector<std::vector<mint::Right>> last_rights_ = std::vector<std::vector<mint::Right>>(64);
  std::set<std::string> values_sent_;
  std::map<std::uint16_t, std::set<std::int64_t>> committed_;
  std::map<std::uint16_t, std::set<std::int64_t>> journaled_;
  std::set<std::pair<std::uint16_t, std::uint64_t>> released_;
};

/// Alone on a shared store, with nothing to extend for minutes.
struct AloneWithLongWindows : testing::Test {
  void SetUp() override {
    ASSERT_TRUE(s.run_until_held());
    s.run_for(time::seconds(2));
  }
  Scenario s{{.window = time::seconds(600), .exclusive_store = false}};
};

}  // namespace gnomon::control
