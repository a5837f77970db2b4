// SPDX-License-Identifier: Apache-2.0
//
// Calls on their way out: queues, windows, transmissions, retries. What comes back is in engine_replies.cpp.
#include "client/engine.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "client/error_text.hpp"

namespace gnomon::client {
namespace {

constexpr std::uint8_t kMaxRound = 20;  // where doubling ends; the bounds are reached long before

// base x 2^round, at most `limit`.
time::Duration doubled(time::Duration base, std::uint8_t round, time::Duration limit) {
  return std::min(base * (std::int64_t{1} << round), std::max(base, limit));
}

}  // namespace

Engine::Engine(const EngineOptions& options, time::Uptime now)
    : sockets_(options.sockets_per_server),
      attempt_timeout_(options.attempt_timeout),
      key_(options.key),
      numbers_(options.secret),
      book_(options.servers, options.first_server, options.attempt_timeout),
      wheel_(now),
      requests_(options.servers.size() * options.sockets_per_server * kWindow + kMaxWaits),
      links_(options.servers.size() * options.sockets_per_server),
      next_socket_(options.servers.size()) {
  layout_limit_.fill(std::numeric_limits<std::uint32_t>::max());
  for (const id::Layout& layout : id::builtin_layouts())
    layout_limit_[layout.number.value] = static_cast<std::uint32_t>(layout.sequences());
}

std::uint32_t Engine::take_slot() {
  ++live_;
  if (free_ == kNone) {
    slots_.emplace_back();
    return static_cast<std::uint32_t>(slots_.size() - 1);
  }
  const std::uint32_t index = free_;
  free_ = slots_[index].next;
  slots_[index] = Slot{};
  return index;
}

void Engine::submit(time::Uptime now, const Call& call, Effects& effects) {
  const std::uint32_t index = take_slot();
  Slot& slot = slots_[index];
  slot.call = call;
  slot.left = call.count;
  slot.submitted = now;
  ++stats_.calls;
  if (waits(slot) && ++waits_ > kMaxWaits)
    return fail(index,
                {ErrorKind::kOverloaded,
                 std::to_string(kMaxWaits) + " calls of this client wait in servers already; wait for some to "
                                             "end, or wait by this host's own clock",
                 {},
                 {}},
                effects);
  wheel_.arm(index, call.deadline);
  dispatch(now, index, effects);
}

ServerSet Engine::allowed(const Slot& slot) const {
  return slot.call.server == Call::kAnyServer ? ServerSet::all(book_.size()) : ServerSet::only(slot.call.server);
}

std::uint8_t Engine::choose_socket(std::uint8_t server, const Slot& slot) {
  if (slot.call.socket != Call::kAnySocket) return static_cast<std::uint8_t>(slot.call.socket % sockets_);
  if (slot.sent_before && slot.link.server == server && slot.call.gather == Gather::kAll) return slot.link.socket;
  std::uint8_t& socket = next_socket_[server];
  // A datagram's worth of calls for one socket, then the next one's turn.
  if (link_of({server, socket}).queued >= wire::kMaxMessages)
    socket = static_cast<std::uint8_t>((socket + 1U) % sockets_);
  return socket;
}

// Sends the call towards the best server that it has not tried in this round.
void Engine::dispatch(time::Uptime now, std::uint32_t index, Effects& effects) {
  Slot& slot = slots_[index];
  const ServerSet candidates = allowed(slot).without(slot.tried);
  if (candidates.empty()) return next_round(now, index, effects);
  const ServerBook::Choice choice = book_.choose(now, candidates);
  if (choice.not_before <= now) return enqueue(index, {choice.server, choose_socket(choice.server, slot)});
  // Everybody was told the same time; not everybody shall come at once.
  const auto spread = static_cast<std::uint64_t>(doubled(kBackoff, slot.round, kMaxBackoff).ns);
  wait_until(index, choice.not_before + time::nanoseconds(static_cast<std::int64_t>(numbers_.below(spread))));
}

void Engine::wait_until(std::uint32_t index, time::Uptime when) {
  Slot& slot = slots_[index];
  slot.state = State::kWaiting;
  wheel_.arm(index, std::min(when, slot.call.deadline));
}

void Engine::enqueue(std::uint32_t index, LinkId link_id) {
  Slot& slot = slots_[index];
  Link& link = link_of(link_id);
  slot.state = State::kQueued;
  slot.link = link_id;
  slot.next = kNone;
  slot.previous = link.tail;
  (link.tail == kNone ? link.head : slots_[link.tail].next) = index;
  link.tail = index;
  ++link.queued;
}

void Engine::unqueue(std::uint32_t index) {
  Slot& slot = slots_[index];
  Link& link = link_of(slot.link);
  (slot.previous == kNone ? link.head : slots_[slot.previous].next) = slot.next;
  (slot.next == kNone ? link.tail : slots_[slot.next].previous) = slot.previous;
  --link.queued;
}

// Calls that had not been sent yet need not wait for a server that was just put last.
void Engine::requeue_elsewhere(time::Uptime now, std::uint8_t server, Effects& effects) {
  std::vector<std::uint32_t> moved;
  for (std::size_t socket = 0; socket < sockets_; ++socket)
    for (std::uint32_t i = link_of({server, static_cast<std::uint8_t>(socket)}).head; i != kNone; i = slots_[i].next)
      moved.push_back(i);
  for (const std::uint32_t index : moved) {
    unqueue(index);
    dispatch(now, index, effects);
  }
}

void Engine::transmit(time::Uptime now, Effects& effects) {
  for (std::size_t i = 0; i < links_.size(); ++i) {
    Link& link = links_[i];
    if (link.head == kNone || link.in_flight >= kWindow) continue;
    const LinkId id{static_cast<std::uint8_t>(i / sockets_), static_cast<std::uint8_t>(i % sockets_)};
    const std::size_t offset = effects.bytes.size();
    while (link.head != kNone && link.in_flight < kWindow) {
      const std::uint32_t index = link.head;
      unqueue(index);
      send(now, index, effects);
    }
    const std::size_t length = effects.bytes.size() - offset;
    effects.bursts.push_back({id, offset, length});
    stats_.datagrams_sent += (length + wire::kMaxDatagram - 1) / wire::kMaxDatagram;
    stats_.messages_sent += length / wire::kMessageSize;
    next_socket_[id.server] = static_cast<std::uint8_t>((id.socket + 1U) % sockets_);
  }
}

std::uint32_t Engine::count_to_ask(const Slot& slot) const {
  const std::uint64_t limit = slot.call.gather == Gather::kAll && slot.call.layout.value < layout_limit_.size()
                                  ? layout_limit_[slot.call.layout.value]
                                  : std::numeric_limits<std::uint32_t>::max();
  return static_cast<std::uint32_t>(std::min(slot.left, limit));
}

void Engine::fill_in(Slot& slot, wire::Message& message) const {
  switch (slot.call.op) {
    case wire::Op::kNextId:
      slot.asked = count_to_ask(slot);
      message.count = slot.asked;
      message.format = slot.call.layout.value;
      return;
    case wire::Op::kPing: message.a = slot.request_id; return;  // is to be echoed
    case wire::Op::kHlcUpdate:
    case wire::Op::kCommitWait: message.a = slot.call.argument; return;
    case wire::Op::kNow:
    case wire::Op::kTimeSync:
    case wire::Op::kNextId128:
    case wire::Op::kTso: return;
  }
}

void Engine::send(time::Uptime now, std::uint32_t index, Effects& effects) {
  Slot& slot = slots_[index];
  do {
    slot.request_id = numbers_.next();
  } while (!requests_.insert(slot.request_id, index));
  wire::Message message;
  message.op = static_cast<std::uint8_t>(slot.call.op);
  message.request_id = slot.request_id;
  fill_in(slot, message);
  if (key_) wire::sign(message, *key_);
  const std::size_t at = effects.bytes.size();
  effects.bytes.resize(at + wire::kMessageSize);
  wire::store(message, effects.bytes.data() + at);

  if (slot.sent_before) ++stats_.retries;
  slot.sent_before = true;
  slot.state = State::kInFlight;
  slot.sent_at = now;
  slot.tried.add(slot.link.server);
  if (!waits(slot)) ++link_of(slot.link).in_flight;
  wheel_.arm(index, std::min(now + attempt_timeout(slot), slot.call.deadline));
}

time::Duration Engine::attempt_timeout(const Slot& slot) const {
  return doubled(attempt_timeout_, slot.round, kMaxAttemptTimeout) + slot.call.patience;
}

// The transmission in flight is over, whatever came of it.
void Engine::retire(std::uint32_t index) {
  Slot& slot = slots_[index];
  requests_.erase(slot.request_id);
  slot.request_id = 0;
  if (!waits(slot)) --link_of(slot.link).in_flight;
}

void Engine::tick(time::Uptime now, Effects& effects) {
  due_.clear();
  wheel_.expire(now, due_);
  for (const std::uint32_t index : due_) {
    Slot& slot = slots_[index];
    if (slot.state == State::kFree) continue;  // ended by an earlier one of this tick
    if (now >= slot.call.deadline) {
      if (slot.state == State::kInFlight && now - slot.sent_at >= attempt_timeout_ + slot.call.patience) {
        transmission_failed(now, index, Reason::kTimedOut, effects);
        continue;
      }
      fail(index, deadline_error(now, slot), effects);
    } else if (slot.state == State::kInFlight) {
      transmission_failed(now, index, Reason::kTimedOut, effects);
    } else if (slot.state == State::kWaiting) {
      wheel_.arm(index, slot.call.deadline);
      dispatch(now, index, effects);
    }
  }
}

void Engine::link_failed(time::Uptime now, LinkId link, LinkFault fault, Effects& effects) {
  const Reason reason = fault == LinkFault::kRefused ? Reason::kRefused : Reason::kUnreachable;
  for (std::uint32_t index = 0; index < slots_.size(); ++index)
    if (slots_[index].state == State::kInFlight && slots_[index].link == link)
      transmission_failed(now, index, reason, effects);
}

void Engine::transmission_failed(time::Uptime now, std::uint32_t index, Reason reason, Effects& effects) {
  const Slot& slot = slots_[index];
  const std::uint8_t server = slot.link.server;
  const time::Uptime sent_at = slot.sent_at;
  ++(reason == Reason::kTimedOut ? stats_.timeouts : stats_.refused);
  retire(index);
  slots_[index].reasons[server] = reason;
  const bool put_last = book_.failed(server, sent_at, now);
  if (now >= slot.call.deadline) {
    fail(index, deadline_error(now, slot), effects);
  } else {
    wheel_.arm(index, slot.call.deadline);
    dispatch(now, index, effects);
  }
  if (!put_last) return;
  ++stats_.penalties;
  requeue_elsewhere(now, server, effects);
}

// Every server that may be asked was asked.
void Engine::next_round(time::Uptime now, std::uint32_t index, Effects& effects) {
  Slot& slot = slots_[index];
  const time::Duration time_left = slot.call.deadline - now;
  const bool all_named_a_time = allowed(slot).without(slot.hinted).empty();
  if (all_named_a_time && slot.hint >= time_left) {  // nobody will have anything before the deadline
    Error error = deadline_error(now, slot);
    error.retry_after = slot.hint;
    return fail(index, std::move(error), effects);
  }
  const auto limit = static_cast<std::uint64_t>(doubled(kBackoff, slot.round, kMaxBackoff).ns);
  const auto jitter = time::nanoseconds(static_cast<std::int64_t>(numbers_.below(limit)));
  const time::Duration wait = slot.hinted.empty() ? std::max(jitter, kMinBackoff) : slot.hint + jitter;
  slot.tried = {};
  slot.hinted = {};
  slot.hint = {};
  if (slot.round < kMaxRound) ++slot.round;
  wait_until(index, now + wait);
}

void Engine::close(Effects& effects) {
  for (std::uint32_t index = 0; index < slots_.size(); ++index)
    if (slots_[index].state != State::kFree)
      fail(index, {ErrorKind::kClosed, "the client was closed before the answer came", {}, {}}, effects);
}

void Engine::finish(std::uint32_t index, Outcome outcome, Effects& effects) {
  Slot& slot = slots_[index];
  if (slot.state == State::kQueued) unqueue(index);
  if (slot.state == State::kInFlight && slot.request_id != 0) retire(index);
  wheel_.disarm(index);
  ++(outcome.error ? stats_.calls_failed : stats_.calls_ok);
  outcome.token = slot.call.token;
  outcome.last = true;
  effects.outcomes.push_back(std::move(outcome));
  if (waits(slot)) --waits_;
  slot.state = State::kFree;
  slot.next = free_;
  free_ = index;
  --live_;
}

void Engine::fail(std::uint32_t index, Error error, Effects& effects) {
  Outcome outcome;
  outcome.error = std::make_unique<Error>(std::move(error));
  finish(index, std::move(outcome), effects);
}

}  // namespace gnomon::client
