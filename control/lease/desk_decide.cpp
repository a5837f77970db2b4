// SPDX-License-Identifier: Apache-2.0
//
// One command: decide on what is remembered, and commit; or read first, if what is remembered is no ground for the
// answer.
//
// Of all answers only a commit may rest on memory, since its compares find out. Two things they can't: that nobody
// unheard of waits in front (rests_on_memory, mark_queue), and whether a lost answer was a yes (is_undone, and
// read_arrived in desk_read.cpp).
#include <algorithm>
#include <cassert>
#include <utility>

#include "control/lease/desk_engine.hpp"
#include "control/lease/queue_mark.hpp"

namespace gnomon::control {
namespace {

constexpr time::Duration kAskAgain = time::milliseconds(200);
/// A grant compares the sessions of so many waiters that it passes (lease_rules.hpp); more of them have to be read.
constexpr std::size_t kMostPassedBlindly = 16;

template <typename... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <typename... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

// What no entry of the store could change.
bool is_about_the_command(const lease::Answer& answer) {
  const auto* refused = std::get_if<lease::answer::Refused>(&answer);
  if (refused == nullptr) return false;
  switch (refused->why) {
    case lease::Refusal::kBadName:
    case lease::Refusal::kBadTtl:
    case lease::Refusal::kBadMetadata:
    case lease::Refusal::kBadLockDelay:
    case lease::Refusal::kBadLabel: return true;
    default: return false;
  }
}

// To give something up needs no clock. But in a store that was recovered the grant may be of a history that is gone.
bool needs_moment(const Command& command, const DeskTime& now) {
  if (std::holds_alternative<command::Break>(command)) return false;
  const bool gives_up =
      std::holds_alternative<command::Release>(command) || std::holds_alternative<command::CloseSession>(command);
  return !gives_up || (!now.moment && now.moment.error().fault == DeskFault::kRecovering);
}

bool is_grant(const lease::Step& step) { return std::holds_alternative<lease::answer::Held>(step.answer); }
bool is_place(const lease::Step& step) { return std::holds_alternative<lease::answer::Waiting>(step.answer); }

}  // namespace

bool is_question(const Command& command) {
  return std::holds_alternative<command::Get>(command) || std::holds_alternative<command::List>(command) ||
         std::holds_alternative<command::Validate>(command);
}

std::string_view name_of(const Command& command) {
  return std::visit(Overloaded{[](const command::Acquire& c) -> std::string_view { return c.acquire.name; },
                               [](const command::Release& c) -> std::string_view { return c.name; },
                               [](const command::Get& c) -> std::string_view { return c.name; },
                               [](const command::Validate& c) -> std::string_view { return c.name; },
                               [](const command::Break& c) -> std::string_view { return c.name; },
                               [](const auto&) -> std::string_view { return {}; }},
                    command);
}

bool waits(const command::Acquire& acquire) { return acquire.acquire.wait || acquire.wait_for.ns > 0; }

void LeaseDesk::Impl::go_on(DeskWork& work) {
  work.phase = Phase::kDeciding;
  set_timer(work, work.call.deadline);
  if (uptime() >= work.call.deadline) return time_out(work);
  if (moment() == nullptr && needs_moment(work.call.command, *now_)) return without_clock(work);
  const bool question = is_question(work.call.command);
  if (question && refuse_question(work)) return;
  if (!work.fresh && (question || work.doubt || !mirror_.synced())) return read_first(work);
  if (question) return answer_question(work);
  lease::Decision decision = decide(work);
  if (auto* step = std::get_if<lease::Step>(&decision)) return take(work, std::move(*step));
  settle_on(work, std::get<lease::Answer>(decision));
}

lease::Decision LeaseDesk::Impl::decide(const DeskWork& work) {
  lease::Asker asker{work.call.session, work.call.principal, {}, nonces_.next()};
  if (moment() != nullptr) asker.moment = *moment();  // else nothing is past: see needs_moment
  return decide(work, asker);
}

lease::Decision LeaseDesk::Impl::decide(const DeskWork& work, const lease::Asker& asker) const {
  const lease::LeasePolicy& policy = options_.policy;
  const lease::Scene scene = mirror_.scene(name_of(work.call.command), &work.call.session);
  return std::visit(
      Overloaded{[&](const command::OpenSession& c) { return open_session(scene, policy, asker, c.ttl, c.label); },
                 [&](const command::RenewSession& c) { return renew_session(scene, policy, asker, c.ttl); },
                 [&](const command::CloseSession&) { return close_session(scene, policy, asker); },
                 [&](const command::Acquire& c) { return acquire(scene, policy, asker, c.acquire); },
                 [&](const command::Release& c) { return release(scene, policy, asker, c.name, c.token); },
                 [&](const command::Break& c) { return break_lease(scene, policy, asker.nonce, c.name); },
                 [](const auto&) -> lease::Decision { return lease::Answer{}; }},  // questions: not decided here
      work.call.command);
}

void LeaseDesk::Impl::take(DeskWork& work, lease::Step step) {
  if (const auto limit = limit_reached(work, step)) return fault(work, DeskFault::kTooMany, *limit, kAskAgain);
  const bool lost_place = work.has_place && mirror_.place(name_of(work.call.command), work.call.session) == Revision{};
  if ((lost_place && !work.fresh) || rests_on_memory(work, step)) return read_first(work);
  if (lost_place) {
    // Somebody withdrew it for this session: to queue up again, or to take the name, would be done for nobody.
    return reply(work,
                 lease::Answer{lease::answer::Refused{
                     lease::Refusal::kQueued,
                     "the place of this session in the queue of lease " + std::string(name_of(work.call.command)) +
                         " was given up while it waited: acquire again if it is still wanted",
                     {},
                     {},
                     {}}});
  }
  mark_queue(work, step);
  begin_commit(work, std::move(step));
}

void LeaseDesk::Impl::settle_on(DeskWork& work, const lease::Answer& answer) {
  if (is_about_the_command(answer)) return reply(work, answer);
  if (const auto* waiting = std::get_if<lease::answer::Waiting>(&answer)) {
    if (!work.fresh && !work.has_place) return read_first(work);
    work.waiting = *waiting;
    return park(work);
  }
  if (!work.fresh || is_outrun(work, answer)) return read_first(work);
  if (std::holds_alternative<lease::answer::Refused>(answer) && work.step && is_undone(work))
    return reply(work, lease::Answer{work.step->answer});
  reply(work, answer);
}

// A read that took long (the store is slow, or this daemon was stopped) tells of a session as it was, and one that has
// expired meanwhile may have been renewed meanwhile. It is over only if it was over before the read began.
bool LeaseDesk::Impl::is_outrun(const DeskWork& work, const lease::Answer& answer) const {
  const auto* refused = std::get_if<lease::answer::Refused>(&answer);
  if (refused == nullptr || refused->why != lease::Refusal::kSessionOver) return false;
  const auto* session = mirror_.session(work.call.session);
  if (session == nullptr || !session->value || session->value->state != lease::SessionState::kOpen) return false;
  return !work.read_from || !surely_past(session->value->expiry, session->value->ttl, {}, *work.read_from);
}

void LeaseDesk::Impl::complete(DeskWork& work, Revision revision) {
  assert(work.step);
  const lease::Answer answer = completed(*work.step, revision, options_.policy.store.epoch);
  if (const auto* waiting = std::get_if<lease::answer::Waiting>(&answer)) {
    work.waiting = *waiting;
    work.step.reset();
    work.pause = {};
    return park(work, true);  // what became of the name while this call was at the store was nobody's news
  }
  reply(work, answer);
}

void LeaseDesk::Impl::begin_commit(DeskWork& work, lease::Step step) {
  if (work.commits >= options_.most_attempts)
    return give_up(work, DeskFault::kStoreUnavailable,
                   "what the command rests on changed " + std::to_string(work.commits) +
                       " times while it was being carried out: ask again");
  ++work.commits;
  work.had_place = mirror_.place(name_of(work.call.command), work.call.session) != Revision{};
  const lease::Step& sent = work.step.emplace(std::move(step));
  StoreTask task;
  task.call = work.call.id;
  task.transaction = sent.transaction;
  task.deadline = work.call.deadline;
  work.phase = Phase::kCommitting;
  work.fresh = false;
  work.task = send_commit(std::move(task));
}

// Who takes a place moves the mark; who takes the name without a place relies on it.
void LeaseDesk::Impl::mark_queue(const DeskWork& work, lease::Step& step) const {
  const auto* acquire = std::get_if<command::Acquire>(&work.call.command);
  if (acquire == nullptr) return;
  const std::string& name = acquire->acquire.name;
  const std::string key = queue_mark_key(name);
  if (is_place(step)) {
    const std::string& value = step.transaction.puts.front().value;
    const auto waiter = lease::parse_waiter(value);
    step.transaction.puts.push_back({key, encode_queue_mark(waiter ? waiter->nonce : Nonce{})});
    return;
  }
  if (!is_grant(step) || mirror_.place(name, work.call.session) != Revision{}) return;
  const LeaseMirror::Queue* queue = mirror_.queue(name);
  const Revision mark = queue == nullptr ? Revision{} : queue->mark;
  step.transaction.compares.push_back({key, mark});
  if (mark != Revision{} && queue->places.empty()) step.transaction.deletes.push_back(key);
}

bool LeaseDesk::Impl::rests_on_memory(const DeskWork& work, const lease::Step& step) const {
  const auto* acquire = std::get_if<command::Acquire>(&work.call.command);
  if (acquire == nullptr || !is_grant(step)) return false;
  const std::string& name = acquire->acquire.name;
  const LeaseMirror::Queue* queue = mirror_.queue(name);
  if (queue == nullptr) return false;
  const Revision own = mirror_.place(name, work.call.session);
  if (!mirror_.knows_queue(name, own != Revision{} ? own : queue->mark)) return true;
  if (work.fresh) return false;
  std::size_t in_front = 0;
  for (const auto& [modified, session] : queue->order) {
    if (session == work.call.session || in_front > kMostPassedBlindly) break;
    ++in_front;
  }
  return in_front > kMostPassedBlindly;
}

std::optional<std::string> LeaseDesk::Impl::limit_reached(const DeskWork& work, const lease::Step& step) const {
  const Call& call = work.call;
  if (std::holds_alternative<command::OpenSession>(call.command) && mirror_.session(call.session) == nullptr &&
      mirror_.sessions_of(call.principal) >= options_.most_sessions_per_principal)
    return "client " + call.principal + " has " + std::to_string(options_.most_sessions_per_principal) +
           " sessions in the store, as many as it may; those that are over count until they are swept away: close "
           "some, or let them expire, and ask again in some seconds";
  const auto* acquire = std::get_if<command::Acquire>(&call.command);
  if (acquire == nullptr || mirror_.place(acquire->acquire.name, call.session) != Revision{}) return std::nullopt;
  const auto* held = mirror_.leases_of(call.session);
  const auto* places = mirror_.places_of(call.session);
  const std::size_t has = (held == nullptr ? 0 : held->size()) + (places == nullptr ? 0 : places->size());
  if (has >= options_.most_leases_per_session)
    return "this session holds or waits for " + std::to_string(has) +
           " leases, as many as it may: release some, or open another session";
  if (mirror_.claims_of(call.principal) >= options_.most_leases_per_principal)
    return "client " + call.principal + " holds or waits for " + std::to_string(options_.most_leases_per_principal) +
           " leases in all of its sessions, as many as it may: release some";
  const auto* waiting = std::get_if<lease::answer::Waiting>(&step.answer);
  if (waiting != nullptr && waiting->in_front >= options_.most_waiters_per_name)
    return std::to_string(waiting->in_front) + " sessions wait for lease " + acquire->acquire.name +
           ", as many as may: ask again later";
  return std::nullopt;
}

// Whether what it wanted to delete, in a commit whose answer was lost, is there no more as it was then: a deletion
// leaves no nonce, but a grant that is gone is released, whoever did it.
bool LeaseDesk::Impl::is_undone(const DeskWork& work) const {
  const bool deletes = std::holds_alternative<command::Release>(work.call.command) ||
                       std::holds_alternative<command::Break>(work.call.command);
  if (!work.doubt || !deletes || !work.step) return false;
  // A place may also have gone with the grant that it was for.
  const auto* held = mirror_.lease(name_of(work.call.command));
  const bool is_own = held != nullptr && held->value && held->value->session == work.call.session;
  if (is_own && std::holds_alternative<lease::answer::Withdrawn>(work.step->answer)) return false;
  const Transaction& sent = work.step->transaction;
  return std::all_of(sent.deletes.begin(), sent.deletes.end(), [&](const std::string& key) {
    const auto relied = std::find_if(sent.compares.begin(), sent.compares.end(),
                                     [&](const Compare& compare) { return compare.key == key; });
    return mirror_.revision_of(key) != (relied == sent.compares.end() ? Revision{} : relied->modified) ||
           mirror_.revision_of(key) == Revision{};
  });
}

void LeaseDesk::Impl::without_clock(DeskWork& work) {
  if (work.has_place) return park(work);
  if (work.doubt)
    return fault(work, DeskFault::kTimeout,
                 "the store's answer was lost, and meanwhile this daemon can't tell the time (" +
                     now_->moment.error().text + "): ask again");
  const DeskError error = now_->moment.error();
  fault(work, error.fault, error.text, error.retry_after);
}

void LeaseDesk::Impl::give_up(DeskWork& work, DeskFault why, std::string text) {
  if (work.has_place) {  // it is safe, and the call may wait
    lengthen_pause(work);
    return park(work);
  }
  if (work.doubt) return fault(work, DeskFault::kTimeout, "whether the command was carried out is not known: " + text);
  fault(work, why, std::move(text), kAskAgain);
}

}  // namespace gnomon::control
