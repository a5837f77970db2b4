// SPDX-License-Identifier: Apache-2.0
//
// A room with several desks on one store in memory, in virtual time. Each desk's reads and commits are queued; a test
// carries them out one by one, in any order, with any fate, or lets them all go through. What a watch tells is held
// back or delivered as the test wants. Nothing is random here: whoever wants chance brings it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "control/lease/lease_desk.hpp"
#include "tests/control/memory_store.hpp"

namespace gnomon::control {

constexpr time::Tai kRoomStart{1'800'000'000'000'000'000};

/// What becomes of a store task.
enum class Fate : std::uint8_t {
  kDone,
  kLostAfter,    // a commit happens, its answer is lost; a read is lost
  kLostBefore,   // it does not happen, and nobody knows
  kUnavailable,  // it does not happen, and that is known
  kFatal,
};

/// A commit as it went into the store, for judges of histories.
struct Committed {
  Transaction transaction;
  Revision revision;
};

inline lease::SessionId session_id(unsigned number) {
  lease::SessionId id{};
  id[0] = 0x5e;
  id[14] = static_cast<std::uint8_t>(number >> 8);
  id[15] = static_cast<std::uint8_t>(number & 0xff);
  return id;
}

class DeskRoom {
 public:
  using Task = std::variant<desk_effect::Read, desk_effect::Commit>;

  struct Seat {
    std::unique_ptr<LeaseDesk> desk;
    std::deque<Task> tasks;
    std::map<CallId, Reply> replies;
    std::vector<CallId> order;  // of the replies
    std::vector<lease::LeaseView> told;
    std::unique_ptr<Watch> watch;
    std::optional<DeskError> clock_lost;
    std::size_t reads = 0;
    std::size_t commits = 0;
    std::size_t effects = 0;
  };

  explicit DeskRoom(std::size_t desks = 1, DeskOptions options = {}) : options_(std::move(options)) {
    Transaction identity;
    identity.puts.push_back({std::string(lease::kStoreKey), "store"});
    options_.policy.store.identity = commit(identity);
    options_.policy.store.epoch = 1;
    for (std::size_t i = 0; i < desks; ++i)
      add_desk();
  }

  MemoryStore store;
  std::vector<Committed> history;
  time::Tai now = kRoomStart;
  time::Uptime uptime{1'000'000'000};
  time::Duration epsilon = time::milliseconds(1);
  lease::Boot boot{};
  std::vector<Seat> seats;
  std::function<void(Transaction&)> tamper;  // for canaries: what of a desk's commit the store does not see

  /// Takes a place in the room, and learns what the store holds.
  std::size_t add_desk(bool prime = true) {
    seats.emplace_back();
    seats.back().desk = make_desk();
    const std::size_t at = seats.size() - 1;
    if (!prime) return at;
    listen(at);
    settle();
    forget_counts();
    return at;
  }
  [[nodiscard]] const DeskOptions& options() const { return options_; }
  /// Its process dies, with all calls, and another one takes its seat.
  void restart(std::size_t seat) {
    seats[seat] = {};
    seats[seat].desk = make_desk();
    listen(seat);
  }

  // ---- time and clocks

  [[nodiscard]] lease::Moment moment() const { return {boot, {now - epsilon, now + epsilon}}; }
  [[nodiscard]] DeskTime time_of(const Seat& seat) const {
    DeskTime time{moment(), uptime};
    if (seat.clock_lost) time.moment = tl::make_unexpected(*seat.clock_lost);
    return time;
  }
  /// Time goes on; whoever wanted a tick in between gets it when it was due.
  void pass(time::Duration by, bool carry_out = true) {
    const time::Uptime end = uptime + by;
    for (int rounds = 0; rounds < 2'000'000; ++rounds) {
      std::optional<time::Uptime> due;
      for (const Seat& seat : seats)
        if (const auto next = seat.desk->next_tick()) due = due ? std::min(*due, *next) : *next;
      if (!due || *due > end) break;
      if (*due > uptime) advance(*due - uptime);
      for (std::size_t i = 0; i < seats.size(); ++i)
        if (const auto next = seats[i].desk->next_tick(); next && *next <= uptime) step(i, desk_event::Tick{});
      if (carry_out) settle();
    }
    if (uptime < end) advance(end - uptime);
  }
  void advance(time::Duration by) {
    uptime = uptime + by;
    now = now + by;
  }

  // ---- commands

  CallId ask(std::size_t seat, unsigned session, Command command, time::Duration patience = time::seconds(60),
             const std::string& principal = "local") {
    const CallId id{++last_call_};
    step(seat, desk_event::Asked{{id, session_id(session), principal, std::move(command), uptime + patience}});
    return id;
  }
  CallId open(std::size_t seat, unsigned session, time::Duration ttl = time::seconds(10)) {
    return ask(seat, session, command::OpenSession{ttl, "client-" + std::to_string(session)});
  }
  CallId acquire(std::size_t seat, unsigned session, const std::string& name, time::Duration wait_for = {},
                 time::Duration lock_delay = {}) {
    return ask(seat, session, command::Acquire{{name, lock_delay, "", wait_for.ns > 0}, wait_for},
               wait_for + time::seconds(30));
  }
  CallId release(std::size_t seat, unsigned session, const std::string& name, mint::Token token) {
    return ask(seat, session, command::Release{name, token});
  }
  /// The grant that is in the store.
  CallId release(std::size_t seat, unsigned session, const std::string& name) {
    return release(seat, session, name, stored_token(name));
  }
  CallId withdraw(std::size_t seat, unsigned session, const std::string& name) {
    return release(seat, session, name, mint::Token{});
  }

  // ---- the store

  /// Carries out the task at this place of the queue.
  void perform(std::size_t seat, Fate fate = Fate::kDone, std::size_t place = 0) {
    ASSERT_LT(place, seats[seat].tasks.size());
    const auto at = seats[seat].tasks.begin() + static_cast<std::ptrdiff_t>(place);
    const Task task = std::move(*at);
    seats[seat].tasks.erase(at);
    step(seat, carry_out(task, fate));
  }
  /// Everything that is queued goes through, and everything that it leads to; what watches have to tell, too.
  void settle(bool with_watches = true) {
    for (int rounds = 0; rounds < 100'000; ++rounds) {
      bool quiet = true;
      for (std::size_t i = 0; i < seats.size(); ++i) {
        while (!seats[i].tasks.empty()) {
          perform(i);
          quiet = false;
        }
        if (with_watches) quiet = !hear(i) && quiet;
      }
      if (quiet) return;
    }
    ADD_FAILURE() << "the desks never come to rest";
  }
  /// A watch of the whole store, from now on; the desk is told of the gap before it.
  void listen(std::size_t seat) {
    const Revision at = store.list("")->at;
    seats[seat].watch = store.watch("", at);
    step(seat, desk_event::Heard{{at, {}, true}, true});
  }
  /// Whether there was something to tell.
  bool hear(std::size_t seat) {
    Seat& one = seats[seat];
    if (one.watch == nullptr) return false;
    auto changes = one.watch->next({});
    if (!changes || (changes->changes.empty() && !changes->gap)) return false;
    step(seat, desk_event::Heard{std::move(*changes), true});
    return true;
  }
  Revision commit(const Transaction& transaction) {
    const auto revision = store.commit(transaction);
    if (!revision) return {};
    history.push_back({transaction, *revision});
    return *revision;
  }
  void put(const std::string& key, const std::string& value) { commit({{}, {{key, value}}, {}}); }
  void remove(const std::string& key) { commit({{}, {}, {key}}); }

  // ---- what came of it

  void step(std::size_t seat, const DeskEvent& event) {
    Seat& one = seats[seat];
    for (DeskEffect& effect : one.desk->step(event, time_of(one))) {
      ++one.effects;
      if (auto* read = std::get_if<desk_effect::Read>(&effect)) {
        ++one.reads;
        one.tasks.emplace_back(std::move(*read));
      } else if (auto* begun = std::get_if<desk_effect::Commit>(&effect)) {
        ++one.commits;
        one.tasks.emplace_back(std::move(*begun));
      } else if (auto* send = std::get_if<desk_effect::Send>(&effect)) {
        EXPECT_TRUE(one.replies.emplace(send->call, std::move(send->reply)).second) << "one call, two replies";
        one.order.push_back(send->call);
      } else if (auto* tell = std::get_if<desk_effect::Tell>(&effect)) {
        one.told.push_back(std::move(tell->lease));
      }
    }
  }
  void forget_counts() {
    for (Seat& seat : seats)
      seat.reads = seat.commits = seat.effects = 0;
  }
  [[nodiscard]] bool answered(std::size_t seat, CallId call) const { return seats[seat].replies.contains(call); }
  /// The answer of a kind, or nullptr.
  template <typename Kind>
  [[nodiscard]] const Kind* answer(std::size_t seat, CallId call) const {
    const Answered* answered = reply<Answered>(seat, call);
    return answered == nullptr ? nullptr : std::get_if<Kind>(&answered->answer);
  }
  template <typename Kind>
  [[nodiscard]] const Kind* reply(std::size_t seat, CallId call) const {
    const auto at = seats[seat].replies.find(call);
    if (at == seats[seat].replies.end() || !at->second) return nullptr;
    return std::get_if<Kind>(&*at->second);
  }
  [[nodiscard]] std::optional<DeskFault> fault(std::size_t seat, CallId call) const {
    const auto at = seats[seat].replies.find(call);
    if (at == seats[seat].replies.end() || at->second) return std::nullopt;
    return at->second.error().fault;
  }
  [[nodiscard]] std::optional<lease::Refusal> refusal(std::size_t seat, CallId call) const {
    const auto* refused = answer<lease::answer::Refused>(seat, call);
    return refused == nullptr ? std::nullopt : std::optional(refused->why);
  }
  [[nodiscard]] mint::Token token(std::size_t seat, CallId call) const {
    const auto* held = answer<lease::answer::Held>(seat, call);
    return held == nullptr ? mint::Token{} : held->token;
  }
  /// Opened and acquired in one go, which must succeed.
  mint::Token hold(std::size_t seat, unsigned session, const std::string& name) {
    open(seat, session);
    settle();
    const CallId call = acquire(seat, session, name);
    settle();
    EXPECT_NE(token(seat, call), mint::Token{}) << name;
    return token(seat, call);
  }
  [[nodiscard]] std::optional<lease::NamedLease> stored_lease(const std::string& name) {
    const auto entry = store.get(lease::lease_key(name));
    if (!entry || !*entry) return std::nullopt;
    const auto parsed = lease::parse_named_lease((*entry)->value);
    return parsed ? std::optional(*parsed) : std::nullopt;
  }
  /// Of the grant; none: zero.
  [[nodiscard]] mint::Token stored_token(const std::string& name) {
    const auto entry = store.get(lease::lease_key(name));
    return entry && *entry ? lease::make_token(1, (*entry)->modified) : mint::Token{};
  }
  [[nodiscard]] std::size_t stored(std::string_view prefix) { return store.list(prefix)->entries.size(); }

 private:
  DeskEvent carry_out(const Task& task, Fate fate) {
    const StoreTaskId id = std::visit([](const auto& each) { return each.task; }, task);
    const auto* begun = std::get_if<desk_effect::Commit>(&task);
    const auto fail = [&](StoreErrorKind kind) { return desk_event::StoreFailed{id, {kind, "as the test wants it"}}; };
    if (fate == Fate::kFatal) return fail(StoreErrorKind::kFatal);
    if (fate == Fate::kUnavailable) return fail(StoreErrorKind::kUnavailable);
    if (begun == nullptr && fate != Fate::kDone) return fail(StoreErrorKind::kUnavailable);
    if (begun == nullptr) return read(std::get<desk_effect::Read>(task));
    if (fate == Fate::kLostBefore) return fail(StoreErrorKind::kUnknown);
    Transaction transaction = begun->transaction;
    if (tamper) tamper(transaction);
    const Revision revision = commit(transaction);
    if (fate == Fate::kLostAfter) return fail(StoreErrorKind::kUnknown);
    if (revision == Revision{}) return fail(StoreErrorKind::kConflict);
    return desk_event::CommitDone{id, revision};
  }
  DeskEvent read(const desk_effect::Read& wanted) {
    desk_event::ReadDone done{wanted.task, {}, {}};
    for (const std::string& key : wanted.keys)
      done.keys.push_back(*store.get(key));
    for (const std::string& prefix : wanted.prefixes)
      done.listings.push_back(*store.list(prefix));
    return done;
  }

  std::unique_ptr<LeaseDesk> make_desk() {
    Nonce seed{};
    seed[14] = static_cast<std::uint8_t>(++made_ >> 8);
    seed[15] = static_cast<std::uint8_t>(made_ & 0xff);
    return std::make_unique<LeaseDesk>(options_, seed);
  }

  DeskOptions options_;
  std::uint64_t last_call_ = 0;
  unsigned made_ = 0;
};

}  // namespace gnomon::control
