// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/worker.hpp"

#include <algorithm>
#include <span>

namespace gnomon::sim {
namespace {

constexpr std::size_t kMaxLate = 16;
constexpr std::uint32_t kClients = 3;
constexpr auto kClientAddress = serve::Address::v4(127, 0, 0, 1);

serve::ServerOptions options_of(const Scenario& scenario, std::uint32_t incarnation) {
  return {.layouts = scenario.layouts,
          .rotating_start = scenario.rotating_start,
          .park_limit = scenario.park_limit,
          .park_for = scenario.park_for,
          .incarnation = incarnation,
          .hash_seed = scenario.seed,
          .commit_wait_limit = scenario.commit_wait_limit,
          .max_commit_wait = scenario.max_commit_wait};
}

}  // namespace

Worker::Worker(Environment& environment, Host& host, const WorkerPlace& place, const page::ClockPage& clock,
               const page::RightsRecord& rights, page::WorkerPage& page, const serve::AccessPolicy& policy)
    : env_(environment),
      host_(host),
      place_(place),
      random_(environment.random.fork()),
      clock_(clock),
      server_(options_of(environment.scenario, place.incarnation), rights, page, policy) {}

time::Duration Worker::step(const RecordOrigin& origin) {
  if (!in_burst_) {
    begin_burst(origin);
    return random_.around(time::microseconds(1));
  }
  if (next_ < batch_.size()) {
    Datagram& datagram = batch_[next_++];
    const std::size_t size =
        server_.answer(std::span(datagram.bytes).first(datagram.size), kClientAddress, datagram.path);
    inspect(std::span(datagram.bytes).first(size));
    return random_.around(time::microseconds(1));
  }
  std::array<std::byte, wire::kMaxDatagram> out;
  serve::ReturnPath path;
  const std::size_t size = server_.next_parked(out, path);
  inspect(std::span(out).first(size));
  if (size != 0) return random_.around(time::microseconds(1));
  in_burst_ = false;
  return time_to_next_burst();
}

void Worker::begin_burst(const RecordOrigin& origin) {
  in_burst_ = true;
  next_ = 0;
  fill_batch();
  begun_ = env_.now();
  origin_ = origin;
  const time::Cycles count = host_.counter(begun_, place_.core);
  promised_ = origin.promises(host_.epoch(), count);
  counter_ran_on_ = origin.ordering_epoch == host_.epoch();
  time_ = clock_.at(count);
  server_.begin_burst(time_);
}

void Worker::draw_load() {
  if (!place_.serves_ids) load_ = Load::kIdle;
  if (!place_.serves_ids || env_.now() < load_until_) return;
  const std::uint32_t busy = env_.faulty ? env_.scenario.load : 0;
  const std::uint64_t draw = random_.below(8);
  load_ = draw < busy ? Load::kSaturated : draw < 5 || !env_.faulty ? Load::kMedium : Load::kIdle;
  load_until_ = env_.now() + (load_ == Load::kSaturated ? random_.between(time::milliseconds(1), time::milliseconds(8))
                                                        : random_.around(time::milliseconds(150)));
}

time::Duration Worker::time_to_next_burst() {
  draw_load();
  // A real loop looks at its rights at least this often, also when nobody asks.
  time::Duration gap = random_.around(time::milliseconds(10));
  if (load_ == Load::kSaturated) gap = random_.around(time::microseconds(100));
  if (load_ == Load::kMedium) gap = random_.around(time::milliseconds(6));
  return std::min(gap, server_.parked_wait() + time::microseconds(5));
}

void Worker::fill_batch() {
  batch_.clear();
  const std::uint64_t most = load_ == Load::kSaturated ? 3 : 1;
  std::uint64_t asked = load_ == Load::kIdle ? random_.below(8) / 7 : 1 + random_.below(most);
  if (!place_.serves_ids) asked = random_.below(2);
  for (; asked != 0; --asked)
    add_datagram();
  if (!late_.empty() && random_.below(4) == 0) {
    batch_.push_back(late_.back());
    late_.pop_back();
  }
}

void Worker::add_datagram() {
  const std::uint32_t loss = env_.scenario.network_loss;
  Datagram datagram;
  write_requests(datagram, !place_.serves_ids          ? 0
                           : load_ == Load::kSaturated ? 1 + random_.below(wire::kMaxMessages)
                                                       : 1 + random_.below(3));
  const bool befalls = env_.scenario.has(TroubleKind::kLoss);
  if (loss != 0 && random_.per_mille(loss) && befalls) return;
  if (loss != 0 && late_.size() < kMaxLate && random_.per_mille(loss) && befalls) late_.push_back(datagram);  // doubled
  if (loss != 0 && late_.size() < kMaxLate && random_.per_mille(loss) && befalls) {
    late_.insert(late_.begin(), datagram);
    return;
  }
  batch_.push_back(datagram);
}

// How many of a datagram's messages ask for the time.
std::size_t Worker::time_requests() {
  if (!place_.serves_ids) return 1 + env_.time_random.below(3);
  return env_.time_random.below(3) == 0 ? 1 + env_.time_random.below(3) : 0;
}

// Those for the time stand somewhere between the others.
void Worker::write_requests(Datagram& datagram, std::size_t messages) {
  const std::size_t for_time = std::min(time_requests(), wire::kMaxMessages - std::min(messages, wire::kMaxMessages));
  const std::size_t all = messages + for_time;
  const std::size_t first = env_.time_random.below(messages + 1);
  datagram.size = all * wire::kMessageSize;
  datagram.path.size = 1;
  datagram.path.bytes[0] = static_cast<std::byte>(random_.below(kClients));
  for (std::size_t i = 0; i < all; ++i) {
    const bool asks_for_time = i >= first && i < first + for_time;
    wire::store(asks_for_time ? env_.clients.request(env_.now()) : id_request(),
                datagram.bytes.data() + i * wire::kMessageSize);
  }
  // Never a byte of a request for the time: what its reply has to say would not be known any more.
  if (random_.below(256) == 0 && for_time == 0)
    datagram.bytes[random_.below(datagram.size)] ^= static_cast<std::byte>(1U << random_.below(8));
}

// Now and then a ping, a layout that nobody serves, or a count that can't be.
wire::Message Worker::id_request() {
  wire::Message request;
  const id::Layout& layout = env_.scenario.layouts[random_.below(env_.scenario.layouts.size())];
  request.op = static_cast<std::uint8_t>(wire::Op::kNextId);
  request.request_id = random_.next();
  request.format = layout.number.value;
  request.count = random_.below(2) == 0 ? 1 : static_cast<std::uint32_t>(1 + random_.below(layout.sequences()));
  const std::uint64_t odd = random_.below(128);
  if (odd == 0) request.format = 255;
  if (odd == 1) request.count = static_cast<std::uint32_t>(layout.sequences() + 1);
  if (odd == 2) {
    request = wire::Message{};
    request.op = static_cast<std::uint8_t>(wire::Op::kPing);
    request.request_id = random_.next();
  }
  env_.liveness.asked();
  return request;
}

void Worker::inspect(std::span<const std::byte> replies) {
  for (std::size_t at = 0; at + wire::kMessageSize <= replies.size(); at += wire::kMessageSize) {
    const wire::Invalid fault = wire::check_reply(replies.data() + at);
    if (fault != wire::Invalid::kNone)
      env_.report.fail("protocol", "a reply is not one: " + std::string(wire::text_of(fault)));
    inspect(wire::load(replies.data() + at));
  }
}

void Worker::inspect(const wire::Message& reply) {
  if (TimeClients::is_time_op(reply.op)) return inspect_time(reply);
  if (reply.op != static_cast<std::uint8_t>(wire::Op::kNextId)) return;
  if (reply.status == static_cast<std::uint8_t>(wire::Status::kOk)) return inspect_ids(reply);
  env_.note(Happening::kRefused, place_.slot, reply.status);
}

// All of the burst's requests had arrived when the counter was read, and a worker may be as quick as it likes: so the
// reading itself is the last moment of an arrival, and the first at which a reply can leave.
void Worker::inspect_time(const wire::Message& reply) {
  const bool said_the_time = env_.clients.answered(reply, {.process = place_.incarnation,
                                                           .worker = place_.index,
                                                           .interval = {},
                                                           .arrived = true_time(begun_),
                                                           .left = true_time(begun_),
                                                           .assumptions_hold = promised_});
  env_.note(Happening::kTimeAnswered, place_.slot, reply.op | (std::uint64_t{reply.status} << 8), reply.a);
  if (said_the_time && reply.op == static_cast<std::uint8_t>(wire::Op::kNow)) env_.liveness.said_the_time(place_.slot);
}

void Worker::inspect_ids(const wire::Message& reply) {
  const auto layout = std::find_if(env_.scenario.layouts.begin(), env_.scenario.layouts.end(),
                                   [&](const id::Layout& l) { return l.number.value == reply.format; });
  if (layout == env_.scenario.layouts.end() || reply.count == 0 || reply.stride != 1)
    return env_.report.fail("protocol", "a reply with IDs of an unknown layout, none of them, or with gaps");
  env_.note(Happening::kIssued, place_.slot, reply.a, reply.count);
  const time::Duration age = begun_ - origin_.sampled_at;
  env_.check({.layout = &*layout,
              .incarnation = place_.incarnation,
              .worker = place_.index,
              .era = time_.mint.era,
              .first = {reply.a},
              .count = reply.count,
              .stated_machine = {reply.machine_id},
              .token_low = reply.token_low,
              .source = origin_.reading + age,
              .record_age = age,
              .counter_ran_on = counter_ran_on_});
  const bool lost = env_.scenario.network_loss != 0 && random_.per_mille(env_.scenario.network_loss) &&
                    env_.scenario.has(TroubleKind::kLoss);
  if (!lost) env_.liveness.answered(place_.slot, reply.count, env_.now());
}

}  // namespace gnomon::sim
