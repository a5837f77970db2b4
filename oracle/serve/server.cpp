// SPDX-License-Identifier: Apache-2.0
#include "oracle/serve/server.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <string>

#include "oracle/canary.hpp"
#include "oracle/serve/refusal.hpp"

namespace gnomon::serve {
namespace {

using page::Counter;
using wire::MessageRef;
using wire::Status;

// Far beyond any wait that is allowed, and far from overflowing with units of ten seconds.
constexpr std::uint64_t kMaxDrainUnits = 1'000'000;

Counter drop_counter(wire::Invalid reason) {
  switch (reason) {
    case wire::Invalid::kBadMagic: return Counter::kDropMagic;
    case wire::Invalid::kBadVersion: return Counter::kDropVersion;
    case wire::Invalid::kReply: return Counter::kDropReply;
    case wire::Invalid::kFlags: return Counter::kDropFlags;
    case wire::Invalid::kOp: return Counter::kDropOp;
    case wire::Invalid::kStatus: return Counter::kDropStatus;
    case wire::Invalid::kFieldNotZero: return Counter::kDropFieldNotZero;
    case wire::Invalid::kNone:
    case wire::Invalid::kLength: break;
  }
  return Counter::kDropLength;
}

// The check word last, both released: a process that dies in between leaves a slot that nobody believes, and one that
// dies between the check word and the send leaves a use that covers what it was about to send.
void store_use(page::SlotUse& slot, const mint::Right& right, time::SmearedUtc used) {
  slot.used_until_ns.store(used.ns, std::memory_order_release);
  slot.check.store(page::SlotUse::check_of(right.token.value, right.machine.value, used.ns), std::memory_order_release);
}

}  // namespace

Server::Server(const ServerOptions& options, const page::RightsRecord& rights, page::WorkerPage& page,
               const AccessPolicy& policy)
    : rights_page_(rights),
      page_(page),
      policy_(&policy),
      limiter_(options.hash_seed),
      options_(options),
      time_ops_({.waits = {.limit = options.commit_wait_limit, .max_wait = options.max_commit_wait},
                 .hlc_max_ahead = options.hlc_max_ahead,
                 .tai_minus_utc = options.tai_minus_utc},
                page.counters) {
  lanes_.reserve(options_.layouts.size());
  for (const id::Layout& layout : options_.layouts) {
    const std::string which = "layout " + std::to_string(layout.number.value);
    if (lanes_.size() == kMaxLayouts)
      throw std::invalid_argument(which + " is one too many: a server has at most 16 layouts; serve fewer");
    if (layout.number.value >= lane_of_.size())
      throw std::invalid_argument(which + " can't be served: layouts are numbered 1 to 255");
    if (lane_of_[layout.number.value] != nullptr)
      throw std::invalid_argument(which + " is listed twice; list each served layout once");
    lanes_.push_back(
        {.generator = mint::IdGenerator(layout, options_.rotating_start),
         .max_count = static_cast<std::uint32_t>(std::min<std::uint64_t>(layout.sequences(), 0xffff'ffffU)),
         .parking = ParkingFifo(options_.park_limit)});
    lane_of_[layout.number.value] = &lanes_.back();
  }
  use_policy(policy);
}

void Server::use_policy(const AccessPolicy& policy) {
  policy_ = &policy;
  gate_is_open_ = policy.allow.empty() && policy.deny.empty() && policy.rate.messages_per_second == 0;
  page_.policy_seen.store(policy.version, std::memory_order_release);  // pairs with whoever frees the old policy
}

void Server::begin_burst(const BurstTime& time) {
  time_ = time;
  time_ops_.begin_burst(time);
  clock_serves_ =
      time.ordering == mint::OrderingState::kFollowing || time.ordering == mint::OrderingState::kUnconfirmed;
  if (rights_page_.rights.version() != rights_version_) [[unlikely]]
    take_over_rights();
  for (std::size_t i = 0; i < rights_.count; ++i) {
    const mint::Right& right = rights_.slots[i];
    const std::int64_t left_ms = time::saturating_sub(right.ceiling, time.mint.now).ns / 1'000'000;
    right_fields_[i] = {.token_low = static_cast<std::uint32_t>(right.token.value),
                        .remaining_ms = static_cast<std::uint16_t>(std::clamp<std::int64_t>(left_ms, 0, 0xffff)),
                        .machine_id = right.machine.value};
  }
}

void Server::publish_tally() {
  page_.counters.add(Counter::kDatagrams, tally_.datagrams);
  page_.counters.add(Counter::kMessages, tally_.message_bytes / wire::kMessageSize);
  page_.counters.add(Counter::kReplies, tally_.reply_bytes / wire::kMessageSize);
  page_.counters.add(Counter::kIds, tally_.ids);
  if (tally_.hlc_updates != 0) page_.counters.add(Counter::kHlcUpdates, tally_.hlc_updates);
  tally_ = {};
}

// The only place where rights change hands inside a worker. A torn read (the agent was stopped while writing) keeps
// the old rights unacknowledged; the next burst tries again.
void Server::take_over_rights() {
  mint::RightSet fresh;
  if (!rights_page_.rights.try_read(fresh, rights_version_)) return;
  const bool new_generation = fresh.generation != rights_.generation;
  rights_ = fresh;
  for (Lane& lane : lanes_) {
    lane.generator.adopt(rights_);
    if (new_generation) lane.not_before = time::SmearedUtc::min();
  }
  if (!new_generation) return;
  for (std::size_t i = 0; i < rights_.count; ++i) {
    page::SlotUse& use = page_.slots[i];
    time::SmearedUtc used = rights_.slots[i].floor;
    for (const Lane& lane : lanes_)
      used = std::max(used, lane.generator.used_until(i));
    use.token.store(rights_.slots[i].token.value, std::memory_order_relaxed);
    use.machine.store(rights_.slots[i].machine.value, std::memory_order_relaxed);
    store_use(use, rights_.slots[i], used);
  }
  // Pairs with the agent's acquire load: it sees all used_until of the generations that end here.
  page_.acknowledged.store(rights_.generation.value, std::memory_order_release);
}

bool Server::passes_gate(std::size_t bytes, const Address& source) {
  const auto messages = static_cast<std::uint32_t>(bytes / wire::kMessageSize);
  if (!policy_->admits(source)) {
    page_.counters.add(Counter::kDropSourceDenied);
    return false;
  }
  if (!limiter_.admit(source, messages, policy_->rate, time_.uptime)) {
    page_.counters.add(Counter::kDropRateLimited);
    return false;
  }
  return true;
}

std::size_t Server::drop(Counter reason) {
  page_.counters.add(reason);
  return 0;
}

bool Server::tag_holds(MessageRef message) const {
  const wire::Key* key = policy_->keys.find({message.key_id()});
  return key != nullptr && wire::verify(message.copy(), *key);
}

// True if `message` is the reply now; false if it was parked, and the answer comes later, in a datagram of its own.
[[gnu::always_inline]] inline bool Server::answer_one(MessageRef message, bool auth_required, const ReturnPath& path) {
  const bool authenticated = (message.flags() & wire::kFlagAuthenticated) != 0;
  if (authenticated ? !tag_holds(message) : auth_required) [[unlikely]] {
    refuse_unauthorised(message);
    return true;
  }
  if (message.op() == static_cast<std::uint8_t>(wire::Op::kNextId)) [[likely]] {
    if (!answer_next_id(message, path)) [[unlikely]]
      return false;
  } else if (message.op() == static_cast<std::uint8_t>(wire::Op::kHlcUpdate) &&
             time_ops_.answer_plain_hlc_update(message)) {
    ++tally_.hlc_updates;
  } else if (!answer_other(message, path)) {
    return false;
  }
  finish(message, authenticated);
  return true;
}

// As answer_one, and apart from it: what nearly all requests go through holds no more than a call of this.
[[gnu::noinline]] bool Server::answer_other(MessageRef message, const ReturnPath& path) {
  if (message.op() != static_cast<std::uint8_t>(wire::Op::kPing)) return time_ops_.answer(message, time_, path);
  answer_ping(message);
  return true;
}

// Makes a reply of what was asked with a tag that holds, or without one.
inline void Server::finish(MessageRef message, bool authenticated) const {
  if (!authenticated) [[likely]]
    message.set_flags(wire::kFlagReply);
  else
    sign(message);
}

void Server::sign(MessageRef message) const {
  message.set_flags(wire::kFlagReply | wire::kFlagAuthenticated);
  message.set_tag(wire::tag_of(message.copy(), policy_->keys.find({message.key_id()})->bytes));
}

void Server::answer_ping(MessageRef message) const {
  message.set_b(options_.incarnation);
  if (rights_.count != 0) write_right(message, 0);
}

// As answer_one.
[[gnu::always_inline]] inline bool Server::answer_next_id(MessageRef message, const ReturnPath& path) {
  Lane* found = message.format() < lane_of_.size() ? lane_of_[message.format()] : nullptr;
  if (found == nullptr) [[unlikely]] {
    refuse(message, Status::kBadFormat, Counter::kBadFormat);
    return true;
  }
  Lane& lane = *found;
  const std::uint32_t wanted = message.count();
  if (wanted - 1 >= lane.max_count) [[unlikely]] {  // 0 wraps
    refuse(message, Status::kBadCount, Counter::kBadCount, lane.max_count);
    return true;
  }
  if (!clock_serves_) [[unlikely]] {
    refuse_for_clock(message);
    return true;
  }
  if (!lane.parking.empty()) [[unlikely]]  // who came earlier goes first
    return !park(lane, message, path, next_unit_in(lane));
  const mint::Take take = lane.generator.take(time_.mint, wanted);
  if (take.refusal == mint::Refusal::kNone) [[likely]] {
    write_ids(message, lane, take);
    return true;
  }
  if (take.refusal == mint::Refusal::kExhausted) {
    lane.not_before = time_.mint.now + take.retry_after;
    return !park(lane, message, path, take.retry_after);
  }
  refuse(message, take.refusal, take.retry_after);
  return true;
}

inline void Server::write_right(MessageRef message, std::size_t slot) const {
  const RightFields fields = right_fields_.data()[slot];
  message.set_token_low(fields.token_low);
  message.set_remaining_ms(fields.remaining_ms);
  message.set_machine_id(fields.machine_id);
}

inline void Server::write_ids(MessageRef message, const Lane& lane, const mint::Take& take) {
  if (take.opened) [[unlikely]]
    publish_use(lane, take.slot);
  message.set_a(take.first.value);
  message.set_count(take.count);
  message.set_stride(1);
  write_right(message, take.slot);
  tally_.ids += take.count;
}

std::size_t Server::answer(std::span<std::byte> datagram, const Address& source, const ReturnPath& path) {
  ++tally_.datagrams;
  const bool plain = datagram.size() == wire::kMessageSize && gate_is_open_ && wire::is_plain_next_id(datagram.data());
  if (plain && !policy_->auth_required(source)) [[likely]]
    return answer_plain(datagram.data(), path);
  return answer_any(datagram, source, path);
}

// What answer_any does, for the datagram that nearly all are: one plain next_id, and nothing in its way.
inline std::size_t Server::answer_plain(std::byte* bytes, const ReturnPath& path) {
  tally_.message_bytes += wire::kMessageSize;
  const MessageRef message(bytes);
  if (!answer_next_id(message, path)) [[unlikely]]
    return 0;
  message.set_flags(wire::kFlagReply);
  tally_.reply_bytes += wire::kMessageSize;
  return wire::kMessageSize;
}

std::size_t Server::answer_any(std::span<std::byte> datagram, const Address& source, const ReturnPath& path) {
  if (!wire::valid_length(datagram.size())) [[unlikely]]
    return drop(Counter::kDropLength);
  if (!gate_is_open_ && !passes_gate(datagram.size(), source)) [[unlikely]]
    return 0;
  const std::byte* const end = datagram.data() + datagram.size();
  for (const std::byte* in = datagram.data(); in != end; in += wire::kMessageSize)
    if (!wire::is_request(in)) [[unlikely]]
      return drop(drop_counter(wire::check_request(in)));
  tally_.message_bytes += datagram.size();

  const bool auth_required = policy_->auth_required(source);
  std::byte* out = datagram.data();
  for (const std::byte* in = datagram.data(); in != end; in += wire::kMessageSize) {
    if (in != out) [[unlikely]]  // one before it was parked
      std::memcpy(out, in, wire::kMessageSize);
    if (answer_one(MessageRef(out), auth_required, path)) [[likely]]
      out += wire::kMessageSize;
  }
  const auto bytes = static_cast<std::size_t>(out - datagram.data());
  tally_.reply_bytes += bytes;
  return bytes;
}

void Server::publish_use(const Lane& lane, std::size_t slot) {
  if (canary::planted(canary::Bug::kOneLayoutReleased) && &lane != &lanes_.front()) return;
  page::SlotUse& use = page_.slots[slot];
  const time::SmearedUtc until = lane.generator.used_until(slot);
  if (until.ns > use.used_until_ns.load(std::memory_order_relaxed)) store_use(use, rights_.slots[slot], until);
  page_.counters.add(Counter::kUnitsOpened);
}

// Zero if it has begun, or if new rights made the old limit void.
time::Duration Server::next_unit_in(const Lane& lane) const {
  return std::max(time::Duration{0}, time::saturating_sub(lane.not_before, time_.mint.now));
}

// How long the requests that are parked already will take, beyond the next unit. Each unit is used up before the next
// one is opened, and nobody gets more than was asked for, so it is the IDs that count, not the requests.
time::Duration Server::drain_time(const Lane& lane) const {
  const std::uint64_t units = std::min(kMaxDrainUnits, lane.parking.wanted() / lane.generator.unit_capacity());
  return lane.generator.layout().unit * static_cast<std::int64_t>(units);
}

// True if the request waits now; false if `message` has become the reply `busy`.
bool Server::park(Lane& lane, MessageRef message, const ReturnPath& path, time::Duration wait) {
  const time::Duration whole_wait = wait + drain_time(lane);
  const bool too_long = whole_wait > options_.park_for;
  if (!too_long && lane.parking.push(message.copy(), path, time_.uptime + options_.park_for)) {
    page_.counters.add(Counter::kParked);
    return true;
  }
  refuse(message, Status::kBusy, Counter::kBusy, to_retry_us(whole_wait));
  return false;
}

std::size_t Server::next_parked(std::span<std::byte> out, ReturnPath& path) {
  const std::span<std::byte> room = out.first(std::min(out.size(), wire::kMaxDatagram));
  std::size_t bytes = 0;
  for (auto lane = lanes_.begin(); bytes == 0 && lane != lanes_.end(); ++lane)
    if (!lane->parking.empty()) [[unlikely]]
      bytes = next_of_lane(*lane, room, path);
  if (bytes == 0 && time_ops_.may_be_due(time_)) [[unlikely]]
    bytes = next_commit_waits(room, path);
  tally_.reply_bytes += bytes;
  if (bytes == 0) publish_tally();
  return bytes;
}

// Replies to one client, as many as there are and as fit.
std::size_t Server::next_of_lane(Lane& lane, std::span<std::byte> out, ReturnPath& path) {
  std::size_t bytes = 0;
  while (!lane.parking.empty() && bytes + wire::kMessageSize <= out.size()) {
    const Parked& parked = lane.parking.front();
    if (bytes != 0 && !(parked.path == path)) break;
    wire::store(parked.request, out.data() + bytes);
    const MessageRef message(out.data() + bytes);
    if (!answer_parked(lane, message)) break;
    path = parked.path;
    bytes += wire::kMessageSize;
    lane.parking.pop();
  }
  return bytes;
}

// As next_of_lane.
std::size_t Server::next_commit_waits(std::span<std::byte> out, ReturnPath& path) {
  std::size_t bytes = 0;
  while (bytes + wire::kMessageSize <= out.size()) {
    const auto due = time_ops_.due(time_);
    if (!due || (bytes != 0 && !(due->waiting.path == path))) break;
    wire::store(due->waiting.request, out.data() + bytes);
    const MessageRef message(out.data() + bytes);
    const bool authenticated = (message.flags() & wire::kFlagAuthenticated) != 0;
    if (authenticated && !tag_holds(message)) {  // its key was withdrawn while it waited
      refuse_unauthorised(message);
    } else {
      time_ops_.write(message, *due);
      finish(message, authenticated);
    }
    path = due->waiting.path;
    bytes += wire::kMessageSize;
    time_ops_.pop();
  }
  return bytes;
}

// True if the parked request has an answer now, of whatever status.
bool Server::answer_parked(Lane& lane, MessageRef message) {
  const bool due = time_.mint.now >= lane.not_before;
  const bool given_up = time_.uptime >= lane.parking.front().give_up_at;
  if (clock_serves_ && !due && !given_up) return false;

  const bool authenticated = (message.flags() & wire::kFlagAuthenticated) != 0;
  if (authenticated && !tag_holds(message)) {  // its key was withdrawn while it waited
    refuse_unauthorised(message);
    return true;
  }
  if (!clock_serves_)
    refuse_for_clock(message);
  else if (!take_for_parked(lane, message, due, given_up))
    return false;
  finish(message, authenticated);
  return true;
}

// As answer_parked, for a request that may have IDs if there are any.
bool Server::take_for_parked(Lane& lane, MessageRef message, bool due, bool given_up) {
  if (due) {
    const mint::Take take = lane.generator.take(time_.mint, message.count());
    if (take.refusal == mint::Refusal::kNone) {
      write_ids(message, lane, take);
      return true;
    }
    if (take.refusal != mint::Refusal::kExhausted) {
      refuse(message, take.refusal, take.retry_after);
      return true;
    }
    lane.not_before = time_.mint.now + take.retry_after;
    if (!given_up) return false;
  }
  refuse(message, Status::kBusy, Counter::kBusy, to_retry_us(next_unit_in(lane) + drain_time(lane)));
  return true;
}

time::Duration Server::parked_wait() const {
  time::Duration wait = kNothingParked;
  for (const Lane& lane : lanes_) {
    if (lane.parking.empty()) continue;
    if (!clock_serves_) return {};
    wait = std::min(wait, next_unit_in(lane));
  }
  return time_ops_.waiting() == 0 ? wait : std::min(wait, time_ops_.until_due(time_));
}

std::size_t Server::parked() const {
  std::size_t n = time_ops_.waiting();
  for (const Lane& lane : lanes_)
    n += lane.parking.size();
  return n;
}

void Server::refuse_for_clock(MessageRef message) {
  if (time_.ordering == mint::OrderingState::kBehind)
    refuse(message, mint::Refusal::kClockBehind, time_.behind_for);
  else
    refuse(message, Status::kClockUnsynchronised, Counter::kClockUnsynchronised);
}

void Server::refuse_unauthorised(MessageRef message) {
  message.set_flags(wire::kFlagReply);  // unsigned: there is no key that both sides share
  message.set_key_id(0);
  message.set_tag(0);
  refuse(message, Status::kUnauthorised, Counter::kUnauthorised);
}

void Server::refuse(MessageRef message, mint::Refusal refusal, time::Duration retry_after) {
  switch (refusal) {
    case mint::Refusal::kClockBehind:
      return refuse(message, Status::kClockBehind, Counter::kClockBehind, to_retry_us(retry_after));
    case mint::Refusal::kLayoutExhausted:
    case mint::Refusal::kDoesNotFit: return refuse(message, Status::kBadFormat, Counter::kBadFormat);
    case mint::Refusal::kExhausted: return refuse(message, Status::kBusy, Counter::kBusy, to_retry_us(retry_after));
    case mint::Refusal::kNone:
    case mint::Refusal::kNotLeased: break;
  }
  refuse(message, Status::kNotLeased, Counter::kNotLeased);
}

void Server::refuse(MessageRef message, Status status, Counter counter, std::uint32_t count) {
  serve::refuse(message, status, page_.counters, counter, count);
}

}  // namespace gnomon::serve
