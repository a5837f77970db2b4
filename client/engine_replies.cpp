// SPDX-License-Identifier: Apache-2.0
//
// What comes back: replies matched, checked and turned into IDs or refusals, and the errors that calls end with.
#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "client/engine.hpp"
#include "client/error_text.hpp"

namespace gnomon::client {

using wire::Message;
using wire::Status;

namespace {

// TAI ns from 1970 to 2262.
bool holds_interval(const Message& reply) {
  constexpr std::uint64_t kMaxTai = std::numeric_limits<std::int64_t>::max();
  return reply.a <= reply.b && reply.b <= kMaxTai;
}

}  // namespace

Engine::Reason Engine::reason_of(Status status) {
  return static_cast<Reason>(static_cast<std::uint8_t>(Reason::kFirstStatus) + static_cast<std::uint8_t>(status));
}

std::optional<Status> Engine::status_of(Reason reason) {
  if (reason < Reason::kFirstStatus) return std::nullopt;
  return static_cast<Status>(static_cast<std::uint8_t>(reason) - static_cast<std::uint8_t>(Reason::kFirstStatus));
}

void Engine::receive(time::Uptime now, LinkId from, std::span<const std::byte> datagram, Effects& effects) {
  ++stats_.datagrams_received;
  if (!wire::valid_length(datagram.size())) {
    ++stats_.replies_invalid;
    return;
  }
  for (std::size_t at = 0; at < datagram.size(); at += wire::kMessageSize)
    receive_one(now, from, datagram.data() + at, effects);
}

void Engine::receive_one(time::Uptime now, LinkId from, const std::byte* bytes, Effects& effects) {
  if (wire::check_reply(bytes) != wire::Invalid::kNone) {
    ++stats_.replies_invalid;
    return;
  }
  const Message reply = wire::load(bytes);
  const std::uint32_t index = requests_.find(reply.request_id);
  if (index == RequestTable::kNone) {
    ++stats_.replies_unknown;
    return;
  }
  const Slot& slot = slots_[index];
  if (slot.link != from) {
    ++stats_.replies_wrong_server;
    return;
  }
  if (!trusted(reply)) {
    ++stats_.replies_bad_tag;
    return;
  }
  if (!answers(reply, slot)) {
    ++stats_.replies_mismatched;
    return;
  }
  ++stats_.replies;
  retire(index);
  if (reply.status != static_cast<std::uint8_t>(Status::kOk)) return take_refusal(now, index, reply, effects);
  book_.succeeded(from.server, now);
  if (slot.call.op == wire::Op::kNextId) return take_ids(now, index, reply, effects);
  Outcome outcome;
  outcome.answer = std::make_unique<Answer>(Answer{from.server, reply, now - slot.sent_at});
  finish(index, std::move(outcome), effects);
}

// A server can't sign a refusal for want of a key that both sides know, so that one refusal is believed unsigned.
bool Engine::trusted(const Message& reply) const {
  const bool is_signed = (reply.flags & wire::kFlagAuthenticated) != 0;
  if (!key_) return !is_signed;
  if (!is_signed) return reply.status == static_cast<std::uint8_t>(Status::kUnauthorised);
  return reply.key_id == key_->id.value && wire::verify(reply, *key_);
}

// Whether the reply can be an answer to what was asked.
bool Engine::answers(const Message& reply, const Slot& slot) {
  if (reply.op != static_cast<std::uint8_t>(slot.call.op)) return false;
  if (reply.status != static_cast<std::uint8_t>(Status::kOk))
    return slot.call.op != wire::Op::kNextId || reply.format == slot.call.layout.value;
  switch (slot.call.op) {
    case wire::Op::kNextId: return grants(reply, slot);
    case wire::Op::kPing: return reply.a == slot.request_id;
    case wire::Op::kHlcUpdate: return reply.a > slot.call.argument;
    case wire::Op::kCommitWait: return holds_interval(reply) && reply.a > slot.call.argument;
    case wire::Op::kNow:
    case wire::Op::kTimeSync: return holds_interval(reply);
    case wire::Op::kNextId128:
    case wire::Op::kTso: break;
  }
  return false;
}

bool Engine::grants(const Message& reply, const Slot& slot) {
  if (reply.format != slot.call.layout.value) return false;
  if (reply.count == 0 || reply.count > slot.asked || reply.stride == 0) return false;
  const std::uint64_t reach = (std::uint64_t{reply.count} - 1) * reply.stride;
  return reply.a <= std::numeric_limits<std::uint64_t>::max() - reach;
}

void Engine::take_ids(time::Uptime now, std::uint32_t index, const Message& reply, Effects& effects) {
  Slot& slot = slots_[index];
  Outcome outcome;
  outcome.token = slot.call.token;
  outcome.range = {{reply.a}, reply.count, reply.stride};
  stats_.ids += reply.count;
  slot.left -= reply.count;
  if (slot.call.gather == Gather::kOneRange || slot.left == 0) return finish(index, std::move(outcome), effects);
  outcome.last = false;
  effects.outcomes.push_back(std::move(outcome));
  slot.tried = {};
  slot.hinted = {};
  slot.hint = {};
  slot.round = 0;
  slot.sent_before = false;  // what follows is no retry
  wheel_.arm(index, slot.call.deadline);
  enqueue(index, slot.link);  // the same worker, so that the ranges of one call ascend
  static_cast<void>(now);
}

void Engine::take_refusal(time::Uptime now, std::uint32_t index, const Message& reply, Effects& effects) {
  const auto status = static_cast<Status>(reply.status);
  Slot& slot = slots_[index];
  const std::uint8_t server = slot.link.server;
  ++stats_.statuses;
  slot.reasons[server] = reason_of(status);
  slot.last_refuser = server;
  bool put_last = false;
  switch (status) {
    case Status::kBusy:
    case Status::kClockBehind: {
      const time::Duration hint = time::microseconds(std::max<std::uint32_t>(reply.count, 1));
      slot.hint = slot.hinted.empty() ? hint : std::min(slot.hint, hint);
      slot.hinted.add(server);
      book_.hold(server, hint, now);
      break;
    }
    case Status::kNotHolder: follow_hint(reply); [[fallthrough]];
    case Status::kNotLeased:
    case Status::kClockUnsynchronised: put_last = book_.refused(server, slot.sent_at, now); break;
    case Status::kBadCount:
      if (shrink(reply, slot)) {
        wheel_.arm(index, slot.call.deadline);
        return enqueue(index, slot.link);
      }
      [[fallthrough]];
    case Status::kOk:
    case Status::kTooFar:
    case Status::kBadFormat:
    case Status::kUnauthorised: return fail(index, refusal_error(slot, status, reply.count), effects);
  }
  wheel_.arm(index, slot.call.deadline);
  dispatch(now, index, effects);
  if (!put_last) return;
  ++stats_.penalties;
  requeue_elsewhere(now, server, effects);
}

// Whoever gathers did not choose the size of the request: it is cut to what the server allows, and remembered.
bool Engine::shrink(const Message& reply, const Slot& slot) {
  const bool smaller = reply.count >= 1 && reply.count < slot.asked;
  if (slot.call.gather != Gather::kAll || !smaller || slot.call.layout.value >= layout_limit_.size()) return false;
  layout_limit_[slot.call.layout.value] = reply.count;
  return true;
}

// not_holder names the holder: a, b are its address in network order, count its port.
void Engine::follow_hint(const Message& reply) {
  platform::Endpoint holder;
  std::memcpy(holder.address.bytes.data(), &reply.a, sizeof reply.a);
  std::memcpy(holder.address.bytes.data() + sizeof reply.a, &reply.b, sizeof reply.b);
  holder.port = static_cast<std::uint16_t>(reply.count);
  const bool known = reply.count <= 0xffff && book_.prefer(holder);
  ++(known ? stats_.hints_followed : stats_.hints_unknown);
}

std::string Engine::reasons_text(const Slot& slot) const {
  std::string text;
  for (std::size_t i = 0; i < book_.size(); ++i) {
    if (!allowed(slot).has(i)) continue;
    if (!text.empty()) text += "; ";
    text += platform::to_string(book_.endpoint(i));
    const Reason reason = slot.reasons[i];
    if (const auto status = status_of(reason)) {
      text += " answered ";
      text += wire::text_of(*status);
      continue;
    }
    switch (reason) {
      case Reason::kNone: text += slot.state == State::kQueued ? " was not reached" : " had not answered yet"; break;
      case Reason::kTimedOut: text += " did not answer"; break;
      case Reason::kRefused: text += " refused the datagram (nothing listens there)"; break;
      case Reason::kUnreachable: text += " can't be reached from here"; break;
      case Reason::kFirstStatus: break;  // and what follows it: handled above
    }
  }
  return text;
}

// The kind is that of the most telling last word: a status before silence, silence before "nobody there".
Error Engine::deadline_error(time::Uptime now, const Slot& slot) const {
  Error error;
  error.kind = ErrorKind::kUnreachable;
  for (std::size_t i = 0; i < book_.size(); ++i) {
    const std::size_t server = (slot.last_refuser + i) % book_.size();
    if (!allowed(slot).has(server)) continue;
    const Reason reason = slot.reasons[server];
    if (const auto status = status_of(reason)) {
      error.kind = kind_of(*status);
      error.server = platform::to_string(book_.endpoint(server));
      error.retry_after = slot.hint;
      break;
    }
    if (reason != Reason::kRefused && reason != Reason::kUnreachable) error.kind = ErrorKind::kTimeout;
  }
  error.text = what_was_asked(slot.call.op, slot.call.layout, slot.call.count) + " failed after " +
               milliseconds_text(now - slot.submitted) + ": " + reasons_text(slot) + std::string(remedy(error.kind));
  return error;
}

Error Engine::refusal_error(const Slot& slot, Status status, std::uint32_t count) const {
  Error error;
  error.kind = kind_of(status);
  error.server = platform::to_string(book_.endpoint(slot.link.server));
  error.text = what_was_asked(slot.call.op, slot.call.layout, slot.call.count) + " failed: " + error.server +
               " answered " + std::string(wire::text_of(status));
  if (status == Status::kBadCount && count > 0) error.text += " (at most " + std::to_string(count) + " in one range)";
  error.text += remedy(error.kind);
  return error;
}

}  // namespace gnomon::client
