// SPDX-License-Identifier: Apache-2.0
//
// Three desks, six clients, three names, and chance: answers that are lost, commits that land when nobody expects them
// any more, watches that are late or have gaps, clocks that are lost, daemons that die. Judged by the store's history,
// by what each client was told, and by whether everybody is served once the faults end.
#include <gtest/gtest.h>

#include <random>

#include "control/lease/queue_mark.hpp"
#include "tests/control/lease/desk_room.hpp"
#include "tests/control/lease/lease_judge.hpp"

namespace gnomon::control {
namespace {

namespace answer = lease::answer;

constexpr time::Duration kTtl = time::seconds(5);
constexpr time::Duration kPatience = time::seconds(3);

struct Outcome {
  std::vector<std::string> violations;
  std::size_t grants = 0;
  std::size_t takeovers = 0;
  std::size_t served = 0;
};

class RandomWorld {
 public:
  explicit RandomWorld(unsigned seed) : random_(seed), room_(3) { room_.epsilon = time::milliseconds(5); }

  std::function<void(Transaction&)>& tamper() { return room_.tamper; }

  Outcome run(int steps) {
    clients_.resize(6);
    for (int i = 0; i < steps; ++i)
      turn(true);
    for (DeskRoom::Seat& seat : room_.seats)
      seat.clock_lost.reset();
    late_.clear();
    for (std::size_t i = 0; i < room_.seats.size(); ++i)
      room_.listen(i);
    settle_down();
    return {std::move(judge_.violations), judge_.grants, judge_.takeovers, judge_.served};
  }

 private:
  enum class Stage { kIdle, kAcquiring, kHolding, kReleasing, kLooking };
  struct Asked {
    std::size_t seat = 0;
    CallId id;
    time::Uptime at;
  };
  struct Client {
    unsigned session = 0;  // 0: none
    time::Uptime until;    // it believes in its session up to here
    std::optional<Asked> renewal;
    Stage stage = Stage::kIdle;
    std::string name;
    mint::Token token;
    std::optional<Asked> call;
    time::Uptime next;  // nothing before
  };

  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }
  bool chance(unsigned percent) { return below(100) < percent; }

  void turn(bool faulty) {
    room_.advance(time::milliseconds(5 + below(60)));
    for (Client& client : clients_)
      act(client, faulty);
    for (std::size_t i = 0; i < room_.seats.size(); ++i) {
      if (const auto next = room_.seats[i].desk->next_tick(); next && *next <= room_.uptime)
        room_.step(i, desk_event::Tick{});
      work(i, faulty);
    }
    if (faulty && !late_.empty() && chance(10)) {
      room_.commit(late_.back());  // it was on the way all the time
      late_.pop_back();
    }
    if (faulty && chance(1)) trouble(below(3));
    judge();
  }
  void work(std::size_t seat, bool faulty) {
    DeskRoom::Seat& one = room_.seats[seat];
    for (unsigned n = below(4); n > 0 && !one.tasks.empty(); --n) {
      const std::size_t place = below(static_cast<unsigned>(std::min<std::size_t>(one.tasks.size(), 3)));
      Fate fate = Fate::kDone;
      if (faulty && chance(12)) fate = std::vector{Fate::kLostAfter, Fate::kLostBefore, Fate::kUnavailable}[below(3)];
      if (fate == Fate::kLostBefore)
        if (const auto* commit = std::get_if<desk_effect::Commit>(&one.tasks[place])) {
          late_.push_back(commit->transaction);
          if (room_.tamper) room_.tamper(late_.back());
        }
      room_.perform(seat, fate, place);
      judge();
    }
    if (!faulty || chance(30)) room_.hear(seat);
  }
  void trouble(std::size_t seat) {
    switch (below(4)) {
      case 0: return room_.listen(seat);  // a gap
      case 1: {
        auto& lost = room_.seats[seat].clock_lost;
        lost = lost ? std::nullopt : std::optional(DeskError{DeskFault::kClockUnsynchronised, "no time", {}});
        return;
      }
      case 2:
        for (Client& client : clients_) {
          if (client.renewal && client.renewal->seat == seat) client.renewal.reset();
          if (client.call && client.call->seat == seat) lose_call(client);
        }
        return room_.restart(seat);
      default: return room_.advance(time::seconds(below(4)));
    }
  }
  void lose_call(Client& client) {
    client.call.reset();
    client.stage = Stage::kReleasing;  // the place first, then what a look shows
    client.token = {};
  }

  // ---- a client

  void act(Client& client, bool faulty) {
    if (client.session != 0 && room_.uptime >= client.until && !client.renewal) abandon(client);
    if (client.session == 0) return open(client);
    renew(client);
    if (client.session == 0) return;
    if (faulty && client.stage == Stage::kHolding && chance(1)) return chance(50) ? abandon(client) : close(client);
    if (client.call) return hear_answer(client, faulty);
    if (room_.uptime < client.next) return;
    if (client.stage == Stage::kReleasing || client.stage == Stage::kHolding) return release(client);
    if (client.stage == Stage::kLooking) return look(client);
    if (!faulty) return;
    if (chance(1)) return close(client);
    acquire(client);
  }
  void abandon(Client& client) {
    const time::Uptime next = room_.uptime + time::milliseconds(below(2000));
    client = {};
    client.next = next;
  }
  void open(Client& client) {
    if (client.renewal) {
      const auto at = reply_of(*client.renewal);
      if (!at) return;
      const bool opened = room_.answer<answer::SessionOpen>(client.renewal->seat, client.renewal->id) != nullptr;
      const time::Uptime sent = client.renewal->at;
      client.renewal.reset();
      if (!opened) return;
      client.session = sessions_of_calls_[at->value];
      client.until = sent + kTtl;
      return;
    }
    if (room_.uptime < client.next) return;
    const std::size_t seat = below(3);
    const unsigned session = ++opening_;
    client.renewal = Asked{seat, room_.ask(seat, session, command::OpenSession{kTtl, "c"}, kPatience), room_.uptime};
    sessions_of_calls_[client.renewal->id.value] = session;
  }
  void renew(Client& client) {
    if (!client.renewal) {
      if (room_.uptime < client.until - kTtl + time::milliseconds(1500)) return;
      const std::size_t seat = below(3);
      client.renewal =
          Asked{seat, room_.ask(seat, client.session, command::RenewSession{kTtl}, kPatience), room_.uptime};
      return;
    }
    if (!reply_of(*client.renewal)) return;
    const bool open = room_.answer<answer::SessionOpen>(client.renewal->seat, client.renewal->id) != nullptr;
    if (open) client.until = std::max(client.until, client.renewal->at + kTtl);
    const bool over = room_.refusal(client.renewal->seat, client.renewal->id).has_value();
    client.renewal.reset();
    if (over) abandon(client);
  }
  void acquire(Client& client) {
    client.stage = Stage::kAcquiring;
    client.name = std::string(1, static_cast<char>('a' + below(3)));
    const std::size_t seat = below(3);
    const time::Duration wait = chance(60) ? time::seconds(1 + below(8)) : time::Duration{};
    client.call = Asked{seat,
                        room_.ask(seat, client.session,
                                  command::Acquire{{client.name, time::milliseconds(below(2) * 500), "", false}, wait},
                                  wait + kPatience),
                        room_.uptime};
  }
  void release(Client& client) {
    client.stage = Stage::kReleasing;
    const std::size_t seat = below(3);
    client.call = Asked{seat, room_.ask(seat, client.session, command::Release{client.name, client.token}, kPatience),
                        room_.uptime};
  }
  void look(Client& client) {
    const std::size_t seat = below(3);
    client.call = Asked{seat, room_.ask(seat, client.session, command::Get{client.name}, kPatience), room_.uptime};
  }
  void close(Client& client) {
    (void)room_.ask(below(3), client.session, command::CloseSession{}, kPatience);
    abandon(client);
  }
  void hear_answer(Client& client, bool faulty) {
    if (!reply_of(*client.call)) return;
    const Asked call = *client.call;
    client.call.reset();
    client.next = room_.uptime + time::milliseconds(faulty ? below(1500) : 20);
    if (client.stage == Stage::kAcquiring) {
      client.token = room_.token(call.seat, call.id);
      const bool refused = room_.refusal(call.seat, call.id).has_value();
      client.stage = client.token != mint::Token{} ? Stage::kHolding : refused ? Stage::kIdle : Stage::kReleasing;
      return;
    }
    // A release under a token that is refused has happened before; what fails is sent again.
    if (room_.fault(call.seat, call.id)) return;
    const bool gave_up_nothing = client.stage == Stage::kReleasing && client.token == mint::Token{} &&
                                 room_.answer<answer::Withdrawn>(call.seat, call.id) == nullptr;
    const auto* seen = room_.reply<lease::LeaseView>(call.seat, call.id);
    const bool found = seen != nullptr && seen->session == session_id(client.session);
    client.token = found ? seen->token : mint::Token{};
    if (gave_up_nothing || found) client.next = room_.uptime;
    client.stage = gave_up_nothing ? Stage::kLooking : found ? Stage::kReleasing : Stage::kIdle;
  }
  [[nodiscard]] std::optional<CallId> reply_of(const Asked& asked) const {
    return room_.answered(asked.seat, asked.id) ? std::optional(asked.id) : std::nullopt;
  }

  // ---- judging

  void judge() {
    for (; judged_ < room_.history.size(); ++judged_)
      judge_.saw(room_.history[judged_].transaction, room_.history[judged_].revision, room_.now);
    for (const Client& client : clients_) {
      const bool believes = client.stage == Stage::kHolding && client.session != 0 && room_.uptime < client.until;
      if (!believes) continue;
      const auto entry = *room_.store.get(lease::lease_key(client.name));
      if (!entry || lease::make_token(1, entry->modified) != client.token)
        judge_.violations.push_back("a client was told that it holds " + client.name +
                                    ", and the store says otherwise");
    }
  }
  // Who holds releases, who waits is served or told, and nothing is left.
  void settle_down() {
    for (int i = 0; i < 3000; ++i) {
      turn(false);
      const bool busy = std::any_of(clients_.begin(), clients_.end(),
                                    [](const Client& client) { return client.call || client.stage != Stage::kIdle; });
      if (!busy) break;
    }
    for (const Client& client : clients_)
      if (client.call || client.stage != Stage::kIdle) judge_.violations.emplace_back("a client is stuck");
    room_.settle();
    room_.pass(time::seconds(600));
    judge();
    for (const DeskRoom::Seat& seat : room_.seats)
      if (seat.desk->parked() != 0) judge_.violations.emplace_back("a call is parked for ever");
    if (room_.stored("lease/") + room_.stored("client/") != 0)
      judge_.violations.emplace_back("something is left in the store: " + room_.store.list("")->entries.front().key);
  }

  std::mt19937 random_;
  DeskRoom room_;
  std::vector<Client> clients_;
  std::vector<Transaction> late_;
  std::map<std::uint64_t, unsigned> sessions_of_calls_;
  unsigned opening_ = 0;
  LeaseJudge judge_;
  std::size_t judged_ = 0;
};

std::string text_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines)
    text += "\n  " + line;
  return text;
}

TEST(DeskRandom, OneHolderInOrderAndNobodyStuckWhateverIsLost) {
  Outcome sum;
  for (unsigned seed = 1; seed <= 60; ++seed) {
    const Outcome outcome = RandomWorld(seed).run(1500);
    ASSERT_TRUE(outcome.violations.empty()) << "seed " << seed << text_of(outcome.violations);
    sum.grants += outcome.grants;
    sum.takeovers += outcome.takeovers;
    sum.served += outcome.served;
  }
  EXPECT_GT(sum.grants, 60u * 40u);
  EXPECT_GT(sum.takeovers, 60u);
  EXPECT_GT(sum.served, 60u * 10u) << "who waits is served";
}

/// Whether commits without these compares are found out within so many runs, from this seed on.
bool is_found(unsigned runs, const std::function<bool(const Compare&)>& is_left_out, unsigned first = 1) {
  for (unsigned seed = first; seed < first + runs; ++seed) {
    RandomWorld world(seed);
    world.tamper() = [&](Transaction& transaction) { std::erase_if(transaction.compares, is_left_out); };
    if (!world.run(1500).violations.empty()) return true;
  }
  return false;
}

TEST(DeskRandom, CanaryAStoreThatForgetsToCompareIsFoundOut) {
  EXPECT_TRUE(is_found(40, [](const Compare& each) { return lease::name_of_lease_key(each.key).has_value(); }));
  EXPECT_TRUE(is_found(40, [](const Compare& each) { return lease::session_of_key(each.key).has_value(); }));
  // The mark is what tells only if somebody queues up unheard of just then: most seeds see nothing of it.
  EXPECT_TRUE(is_found(40, [](const Compare& each) { return name_of_queue_mark(each.key).has_value(); }, 90));
}

}  // namespace
}  // namespace gnomon::control
