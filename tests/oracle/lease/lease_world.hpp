// SPDX-License-Identifier: Apache-2.0
//
// A world of clients, servers and one store for the rules of leases, on virtual true time. Messages are late, lost and
// duplicated, servers decide on old images of the store and commit later, sessions crash, a machine reboots. Each
// server's clock is an interval around the true time, wide at one, narrow at another, mostly leaning to one side.
//
// Whatever happens, by true time:
//
//   exclusive   no two clients believe that they hold one name. A client counts each granted TTL from before it sent.
//   token       the tokens of one name grow
//   queue       nobody is granted a name past somebody who waits in front and is alive, as far as the server could know
//   expiry      nothing is taken over before its expiry and lock-delay are past
//   final       a session that is over is never renewed
//   promise     an expiry never moves back
//
// The clients are careless on purpose: one that was late believes again if a later answer says so. Thread rule: one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "oracle/lease/lease_rules.hpp"
#include "tests/oracle/lease/lease_fixture.hpp"

namespace gnomon::lease::testing {

using time::Duration;
using time::Tai;

struct Tally {
  std::uint64_t grants = 0;
  std::uint64_t takeovers = 0;
  std::uint64_t queued_grants = 0;
  std::uint64_t renewals = 0;
  std::uint64_t releases = 0;
  std::uint64_t conflicts = 0;
  std::uint64_t refusals = 0;
};

class LeaseWorld {
 public:
  /// `only`: the one promise that is judged; empty: all of them.
  explicit LeaseWorld(std::uint64_t seed, std::string only = "") : random_(seed), only_(std::move(only)) {
    policy_.store.epoch = 3;
    one_host_ = below(4) == 0;
    for (std::uint64_t n = one_host_ ? 1 : 1 + below(3); n > 0; --n)
      servers_.push_back({up_to(seconds(below(2) == 0 ? 1 : 0) + milliseconds(5)), below(3)});
    longest_delay_ = up_to(seconds(below(3) == 0 ? 3 : 0) + milliseconds(200)) + milliseconds(1);
    lost_of_100_ = below(20);
    copied_of_100_ = below(30);
    for (std::uint64_t n = 2 + below(4); n > 0; --n)
      clients_.push_back(std::make_unique<Client>());
    for (std::uint64_t n = 1 + below(2); n > 0; --n)
      names_.push_back("name-" + std::to_string(n));
    images_.push_back(std::make_shared<const Entries>());
  }

  /// The first promise that was broken; empty if none was.
  std::string run(Duration length) {
    for (const auto& client : clients_)
      later(up_to(seconds(1)), [this, &client = *client] { live(client); });
    if (one_host_) later(up_to(seconds(20)), [this] { reboot(); });
    const Tai end = now_ + length;
    while (broken_.empty() && !events_.empty() && events_.top().at < end) {
      const Due due = events_.top();
      events_.pop();
      now_ = due.at;
      due.action();
      check_exclusive();
    }
    return broken_;
  }
  [[nodiscard]] const Tally& tally() const { return tally_; }

 private:
  struct Due {
    Tai at;
    std::uint64_t number = 0;
    std::function<void()> action;
    bool operator<(const Due& other) const { return std::tie(at, number) > std::tie(other.at, other.number); }
  };
  struct Server {
    Duration widest;
    std::uint64_t leaning = 0;
  };
  struct Client {
    SessionId session{};  // all zero: none
    bool open = false;
    Tai until;                                  // of the belief in the session
    std::map<std::string, mint::Token> held;    // believed while the session is
    std::map<std::string, mint::Token> let_go;  // newest token whose release was sent
    std::map<std::string, bool> given_up;       // in this session nothing of the name is believed any more
  };
  enum class Kind : std::uint8_t { kOpen, kRenew, kClose, kAcquire, kRelease, kBreak };
  struct Message {
    Client* client = nullptr;
    Kind kind = Kind::kRenew;
    SessionId session{};
    Tai sent;
    Duration ttl;
    AcquireCommand acquire;
    mint::Token token;
  };

  std::uint64_t below(std::uint64_t bound) { return random_() % bound; }
  Duration up_to(Duration most) { return {static_cast<std::int64_t>(below(static_cast<std::uint64_t>(most.ns) + 1))}; }
  void later(Duration delay, std::function<void()> action) {
    events_.push({now_ + delay, ++number_, std::move(action)});
  }
  Nonce fresh_nonce() {
    Nonce nonce{};
    for (std::uint8_t& byte : nonce)
      byte = static_cast<std::uint8_t>(random_());
    return nonce;
  }
  const std::string& some_name() { return names_[below(names_.size())]; }
  Duration some_ttl() { return below(4) == 0 ? seconds(6) : seconds(1) + up_to(seconds(1)); }

  // --- clients ---

  void live(Client& client) {
    later(milliseconds(50) + up_to(milliseconds(700)), [this, &client] { live(client); });
    if (client.session == SessionId{}) {
      client.session = fresh_nonce();
      client.open = true;
      return ask({&client, Kind::kOpen, client.session, now_, some_ttl(), {}, {}});
    }
    switch (below(40)) {
      case 0: return close(client);
      case 1: return forget(client);
      case 2: return crash_and_break(client);
      default: break;
    }
    const std::string& name = some_name();
    const std::uint64_t kind = below(10);
    if (kind < 4) return ask({&client, Kind::kRenew, client.session, now_, some_ttl(), {}, {}});
    if (kind < 8 && !client.given_up[name]) {
      const AcquireCommand command{name, below(3) == 0 ? up_to(seconds(1)) : Duration{}, "", below(2) == 0};
      return ask({&client, Kind::kAcquire, client.session, now_, {}, command, {}});
    }
    release(client, name);
  }

  void release(Client& client, const std::string& name) {
    if (const auto held = client.held.find(name); held != client.held.end()) {
      const mint::Token token = held->second;
      client.let_go[name] = token;
      client.held.erase(held);
      ask({&client, Kind::kRelease, client.session, now_, {}, {name}, token});
    } else if (below(4) == 0) {
      client.given_up[name] = true;
      ask({&client, Kind::kRelease, client.session, now_, {}, {name}, {}});
    }
  }
  void close(Client& client) {
    ask({&client, Kind::kClose, client.session, now_, {}, {}, {}});
    forget(client);
  }
  static void forget(Client& client) { client = Client{}; }
  // The operator breaks a lease only once its holder is stopped.
  void crash_and_break(Client& client) {
    const auto held = client.held.empty() ? std::string() : client.held.begin()->first;
    const SessionId session = client.session;
    forget(client);
    if (held.empty() || below(4) != 0) return;
    const auto lease = scene_of(*images_.back(), held, session).lease;
    if (lease && lease->value && lease->value->session == session)
      ask({&client, Kind::kBreak, session, now_, {}, {held}, make_token(lease->value->epoch, lease->modified)});
  }

  bool believes(const Client& client, const std::string& name) const {
    return client.open && now_ < client.until && client.held.contains(name);
  }

  void hear(const Message& message, const Answer& answer) {
    Client& client = *message.client;
    if (client.session != message.session) return;
    const std::string& name = message.acquire.name;
    if (std::holds_alternative<answer::SessionOpen>(answer)) {
      client.until = std::max(client.until, message.sent + message.ttl);
    } else if (const auto* held = std::get_if<answer::Held>(&answer)) {
      if (!client.given_up[name] && held->token > client.let_go[name]) client.held[name] = held->token;
    } else if (const auto why = refusal_of(answer);
               why == Refusal::kSessionOver || (why == Refusal::kNoSession && message.kind != Kind::kOpen)) {
      forget(client);
    }
  }

  void check_exclusive() {
    for (const std::string& name : names_) {
      int believers = 0;
      for (const auto& client : clients_)
        believers += believes(*client, name) ? 1 : 0;
      if (believers > 1) violated("exclusive", name + " is held by " + std::to_string(believers));
    }
  }
  void violated(const std::string& promise, const std::string& how) {
    if (!only_.empty() && promise != only_) return;
    if (broken_.empty()) broken_ = promise + ": " + how + " at " + std::to_string((now_ - kStart).ns) + " ns";
  }

  // --- network and servers ---

  void ask(const Message& message) {
    const std::size_t server = below(servers_.size());
    if (below(100) >= lost_of_100_)
      later(up_to(longest_delay_), [this, message, server] { serve(message, server, 0); });
    // A duplicate may be very late. Of what has no token the next grant may be hit: clients don't send that twice.
    const bool may_be_copied = message.kind != Kind::kRelease || message.token.value != 0;
    if (may_be_copied && below(100) < copied_of_100_)
      later(up_to(longest_delay_ + seconds(4)), [this, message, server] { serve(message, server, 0); });
  }

  Moment look(std::size_t server) {
    if (one_host_) {
      const Tai clock = began_at_ + (now_ - booted_);
      return {boot_, {clock, clock}, began_at_};
    }
    const Server& clock = servers_[server];
    Duration back = up_to(clock.widest);
    Duration ahead = up_to(clock.widest);
    if (clock.leaning == 1) ahead = ahead / 100;
    if (clock.leaning == 2) back = back / 100;
    return {{}, {now_ - back, now_ + ahead}};
  }

  void serve(const Message& message, std::size_t server, int attempt) {
    if (now_ < booted_) return;  // down
    const Asker asker{message.session, "local", look(server), fresh_nonce()};
    const std::size_t old = attempt == 0 ? below(std::min<std::size_t>(images_.size(), 6)) : 0;
    const auto image = images_[images_.size() - 1 - old];
    const Scene scene = scene_of(*image, message.acquire.name, message.session);
    const Decision decision = decide(message, scene, asker);
    if (const auto* answer = std::get_if<Answer>(&decision)) {
      if (old > 0) return serve(message, server, 1);  // what was decided on old entries is no answer
      tally_.refusals += refusal_of(*answer) ? 1 : 0;
      return reply(message, *answer);
    }
    later(up_to(longest_delay_), [=, this, step = std::get<Step>(decision), boot = boot_] {
      if (boot != boot_ || now_ < booted_) return;
      const auto revision = shelf_.commit(step.transaction);
      if (!revision) {
        ++tally_.conflicts;
        if (attempt < 4) serve(message, server, attempt + 1);
        return;
      }
      const Answer answer = completed(step, *revision, policy_.store.epoch);
      judge(message, *image, asker.moment, answer);
      images_.push_back(std::make_shared<const Entries>(shelf_.entries));
      if (images_.size() > 8) images_.erase(images_.begin());
      reply(message, answer);
    });
  }

  void reply(const Message& message, const Answer& answer) {
    if (below(100) < lost_of_100_) return;
    later(up_to(longest_delay_), [this, message, answer] { hear(message, answer); });
  }

  Decision decide(const Message& message, const Scene& scene, const Asker& asker) const {
    switch (message.kind) {
      case Kind::kOpen: return open_session(scene, policy_, asker, message.ttl, "");
      case Kind::kRenew: return renew_session(scene, policy_, asker, message.ttl);
      case Kind::kClose: return close_session(scene, policy_, asker);
      case Kind::kAcquire: return acquire(scene, policy_, asker, message.acquire);
      case Kind::kRelease: return lease::release(scene, policy_, asker, message.acquire.name, message.token);
      case Kind::kBreak: break;
    }
    // The operator means one grant, and looks whose it is.
    if (!scene.lease || !scene.lease->value ||
        make_token(scene.lease->value->epoch, scene.lease->modified) != message.token)
      return answer::Refused{};
    return break_lease(scene, policy_, asker.nonce, message.acquire.name);
  }

  void reboot() {
    ++boot_[0];
    booted_ = now_ + up_to(seconds(below(2) == 0 ? 5 : 0));
    began_at_ = Tai{1} + up_to(seconds(below(2) == 0 ? 100 : 0));
    later(booted_ - now_ + up_to(seconds(20)), [this] { reboot(); });
  }

  // --- what the store and the truth say of a commit; `before` is still the newest image ---

  // How far the end of this session lies behind the moment's clock as it truly stood; negative: ahead.
  Duration past(const ClientSession& session, const Moment& moment, Tai truly) const {
    if (!one_host_) return truly - session.expiry.at;
    const Tai clock = moment.now.earliest;
    return session.expiry.boot == moment.boot ? clock - session.expiry.at : clock - (moment.since + session.ttl);
  }

  void judge(const Message& message, const Entries& seen, const Moment& moment, const Answer& answer) {
    const Entries& before = *images_.back();
    judge_sessions(before, moment);
    tally_.renewals += message.kind == Kind::kRenew ? 1 : 0;
    tally_.releases += std::holds_alternative<answer::Released>(answer) ? 1 : 0;
    const auto* held = std::get_if<answer::Held>(&answer);
    if (held == nullptr || !held->anew) return;
    const std::string& name = message.acquire.name;
    ++tally_.grants;
    if (held->token <= newest_[name]) violated("token", "that of " + name + " did not grow");
    newest_[name] = held->token;
    judge_takeover(scene_of(before, name, message.session), name, moment);
    judge_queue(scene_of(before, name, message.session), seen, message);
  }

  void judge_sessions(const Entries& before, const Moment& moment) {
    for (const auto& [key, entry] : shelf_.entries) {
      const auto id = session_of_key(key);
      const auto at = before.find(key);
      if (!id || at == before.end() || at->second.value == entry.value) continue;
      const ClientSession old = *parse_client_session(at->second.value);
      const ClientSession present = *parse_client_session(entry.value);
      if (old.state != SessionState::kOpen) violated("final", "a session that was over was written");
      if (present.expiry.boot == old.expiry.boot && present.expiry.at < old.expiry.at)
        violated("promise", "an expiry moved back");
      const bool renewed = present.state == SessionState::kOpen;
      if (renewed && past(old, moment, moment.now.earliest).ns > 0) violated("final", "an expired session was renewed");
    }
  }

  void judge_takeover(const Scene& scene, const std::string& name, const Moment& moment) {
    if (!scene.lease) return;
    const ClientSession& holder = *scene.holder->value;
    if (holder.state == SessionState::kClosed) return;
    ++tally_.takeovers;
    if (past(holder, moment, now_) <= scene.lease->value->lock_delay)
      violated("expiry", name + " was taken over before its time");
  }

  // Whoever waits in front, was known to wait, and is still alive was passed.
  void judge_queue(const Scene& scene, const Entries& seen, const Message& message) {
    for (const SeenWaiter& waiter : scene.queue) {
      if (waiter.session == message.session) {
        ++tally_.queued_grants;
        return;
      }
      const auto known = seen.find(waiter_key(message.acquire.name, waiter.session));
      if (known == seen.end() || known->second.modified != waiter.modified || !waiter.owner) continue;
      const ClientSession& owner = *waiter.owner->value;
      const Moment present = one_host_ ? look(0) : Moment{{}, {now_, now_}};
      if (owner.state == SessionState::kOpen && past(owner, present, now_).ns <= 0)
        violated("queue", "somebody who waits for " + message.acquire.name + " was passed");
    }
  }

  static constexpr Tai kStart{1'800'000'000'000'000'000};
  std::mt19937_64 random_;
  std::string only_;
  LeasePolicy policy_;
  bool one_host_ = false;
  Boot boot_{1};
  Tai booted_ = kStart;  // when the present boot began, or will
  Tai began_at_{1};      // what its clock showed then: much, if the store was moved to a machine that was up
  std::vector<Server> servers_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::string> names_;
  Duration longest_delay_;
  std::uint64_t lost_of_100_ = 0;
  std::uint64_t copied_of_100_ = 0;
  Tai now_ = kStart;
  std::priority_queue<Due> events_;
  std::uint64_t number_ = 0;
  Shelf shelf_;
  std::vector<std::shared_ptr<const Entries>> images_;  // of the store, the newest last
  std::map<std::string, mint::Token> newest_;
  std::string broken_;
  Tally tally_;
};

}  // namespace gnomon::lease::testing
