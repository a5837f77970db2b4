// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/time_clients.hpp"

#include <algorithm>
#include <iterator>

#include "oracle/serve/time_ops.hpp"
#include "tests/sim/clocks.hpp"

namespace gnomon::sim {
namespace {

std::size_t index_of(wire::Op op) {
  return static_cast<std::size_t>(std::distance(kTimeOps.begin(), std::find(kTimeOps.begin(), kTimeOps.end(), op)));
}

}  // namespace

const TimeServed::Count& TimeServed::count(wire::Op op) const { return of.at(index_of(op)); }

void TimeServed::add(const TimeServed& other) {
  for (std::size_t i = 0; i < of.size(); ++i) {
    of[i].answered += other.of[i].answered;
    of[i].refused += other.of[i].refused;
  }
}

bool TimeClients::is_time_op(std::uint8_t op) { return index_of(static_cast<wire::Op>(op)) < kTimeOps.size(); }

wire::Op TimeClients::draw_op() {
  switch (random_.below(8)) {
    case 0: return wire::Op::kTimeSync;
    case 1:
    case 2: return wire::Op::kCommitWait;
    case 3:
    case 4: return wire::Op::kHlcUpdate;
    default: return wire::Op::kNow;
  }
}

wire::Message TimeClients::request(time::Uptime now) {
  const wire::Op op = draw_op();
  const auto client = static_cast<std::uint8_t>(random_.below(kClients));
  wire::Message request;
  request.op = static_cast<std::uint8_t>(op);
  request.request_id = sent_.size();
  if (op == wire::Op::kCommitWait) request.a = instant_to_wait_for(now);
  if (op == wire::Op::kHlcUpdate) request.a = hlc_argument(client);
  if (op == wire::Op::kTimeSync) request.a = random_.next();  // the client's own time: echoed by nobody
  sent_.push_back({request.op, client, request.a, true_time(now), consistent_.largest_released()});
  return request;
}

// What a transaction waits for is a latest that somebody handed out; the rest is at the edges.
std::uint64_t TimeClients::instant_to_wait_for(time::Uptime now) {
  const time::Tai truth = true_time(now);
  const auto as_sent = [](time::Tai t) { return static_cast<std::uint64_t>(t.ns); };
  switch (random_.below(16)) {
    case 0: return as_sent(truth + random_.between(time::seconds(-2), time::seconds(2)));
    case 1: return random_.next();
    case 2:
    case 3: return as_sent(truth + random_.between(time::microseconds(-50), time::microseconds(50)));
    case 4:
    case 5: return as_sent(truth + random_.between(time::milliseconds(-5), time::milliseconds(20)));
    default: return as_sent(latest_.at(random_.below(kRemembered)));
  }
}

std::uint64_t TimeClients::hlc_argument(std::size_t client) {
  const std::uint64_t last = hlc_of_.at(client);
  switch (random_.below(8)) {
    case 0: return 0;
    case 1: return last + (static_cast<std::uint64_t>(random_.between(0, 600)) << clock::kHlcCounterBits);
    case 2: return last | clock::kHlcMaxCounter;
    default: return last;
  }
}

bool TimeClients::answered(const wire::Message& reply, TimeAnswer by) {
  if (reply.request_id >= sent_.size() || sent_[reply.request_id].op != reply.op) {
    report_.fail("protocol", "a reply that answers no request");
    return false;
  }
  const Sent& sent = sent_[reply.request_id];
  const auto op = static_cast<wire::Op>(reply.op);
  TimeServed::Count& count = served_.at(phase_).of.at(index_of(op));
  if (reply.status != static_cast<std::uint8_t>(wire::Status::kOk)) {
    ++count.refused;
    if (op == wire::Op::kHlcUpdate) hlc_of_.at(sent.client) = 0;  // what it has, nobody takes: it begins anew
    return false;
  }
  ++count.answered;
  if (op != wire::Op::kHlcUpdate) return interval_answered(reply, sent, by);
  hlc_.updated(by.process, by.worker, sent.argument, reply.a);
  hlc_of_.at(sent.client) = std::max(hlc_of_.at(sent.client), reply.a);
  return false;
}

bool TimeClients::interval_answered(const wire::Message& reply, const Sent& sent, TimeAnswer& answer) {
  answer.interval = {{static_cast<std::int64_t>(reply.a)}, {static_cast<std::int64_t>(reply.b)}};
  if (answer.interval.latest < answer.interval.earliest || reply.epsilon_ns != serve::epsilon_ns_of(answer.interval))
    report_.fail("protocol", "an interval ends before it begins, or its epsilon is not half of its width");
  latest_.at(next_latest_++ % kRemembered) = answer.interval.latest;
  if (static_cast<wire::Op>(sent.op) == wire::Op::kCommitWait) {
    answer.arrived = sent.sent_at;  // it may have waited since
    contained_.answered(answer);
    consistent_.released({static_cast<std::int64_t>(sent.argument)}, answer);
    return true;
  }
  contained_.answered(answer);
  consistent_.answered(sent.floor, answer);
  return true;
}

}  // namespace gnomon::sim
