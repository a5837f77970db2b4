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
          .hash_seed = scenario.seed};
}

}  // namespace

Worker::Worker(Environment& environment, const WorkerPlace& place, const page::ClockPage& clock,
               const page::RightsRecord& rights, page::WorkerPage& page, const serve::AccessPolicy& policy)
    : env_(environment),
      place_(place),
      random_(environment.random.fork()),
      clock_(clock),
      server_(options_of(environment.scenario, place.incarnation), rights, page, policy) {}

time::Duration Worker::step(const SourceSeen& seen) {
  if (!in_burst_) {
    begin_burst(seen);
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

void Worker::begin_burst(const SourceSeen& seen) {
  in_burst_ = true;
  next_ = 0;
  fill_batch();
  begun_ = env_.now();
  seen_ = seen;
  time_ = clock_.at(place_.core.at(begun_));
  server_.begin_burst(time_);
}

void Worker::draw_load() {
  if (env_.now() < load_until_) return;
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
  for (std::uint64_t n = load_ == Load::kIdle ? random_.below(8) / 7 : 1 + random_.below(most); n != 0; --n)
    add_datagram();
  if (!late_.empty() && random_.below(4) == 0) {
    batch_.push_back(late_.back());
    late_.pop_back();
  }
}

void Worker::add_datagram() {
  const std::uint32_t loss = env_.scenario.network_loss;
  Datagram datagram;
  write_requests(datagram, load_ == Load::kSaturated ? 1 + random_.below(wire::kMaxMessages) : 1 + random_.below(3));
  if (loss != 0 && random_.per_mille(loss)) return;
  if (loss != 0 && late_.size() < kMaxLate && random_.per_mille(loss)) late_.push_back(datagram);  // doubled
  if (loss != 0 && late_.size() < kMaxLate && random_.per_mille(loss)) {
    late_.insert(late_.begin(), datagram);
    return;
  }
  batch_.push_back(datagram);
}

// Mostly requests for IDs; now and then a ping, a layout that nobody serves, a count that can't be, or a broken byte.
void Worker::write_requests(Datagram& datagram, std::size_t messages) {
  datagram.size = messages * wire::kMessageSize;
  datagram.path.size = 1;
  datagram.path.bytes[0] = static_cast<std::byte>(random_.below(kClients));
  for (std::size_t i = 0; i < messages; ++i) {
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
    wire::store(request, datagram.bytes.data() + i * wire::kMessageSize);
    env_.liveness.asked();
  }
  if (random_.below(256) == 0)
    datagram.bytes[random_.below(datagram.size)] ^= static_cast<std::byte>(1U << random_.below(8));
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
  if (reply.op != static_cast<std::uint8_t>(wire::Op::kNextId)) return;
  if (reply.status != static_cast<std::uint8_t>(wire::Status::kOk)) {
    env_.note(Happening::kRefused, place_.index, reply.status);
    return;
  }
  const auto layout = std::find_if(env_.scenario.layouts.begin(), env_.scenario.layouts.end(),
                                   [&](const id::Layout& l) { return l.number.value == reply.format; });
  if (layout == env_.scenario.layouts.end() || reply.count == 0 || reply.stride != 1)
    return env_.report.fail("protocol", "a reply with IDs of an unknown layout, none of them, or with gaps");
  env_.note(Happening::kIssued, place_.index, reply.a, reply.count);
  const time::Duration age = begun_ - seen_.sampled_at;
  env_.check({.layout = &*layout,
              .incarnation = place_.incarnation,
              .worker = place_.index,
              .era = time_.mint.era,
              .first = {reply.a},
              .count = reply.count,
              .stated_machine = {reply.machine_id},
              .token_low = reply.token_low,
              .source = seen_.reading + age,
              .record_age = age});
  const bool lost = env_.scenario.network_loss != 0 && random_.per_mille(env_.scenario.network_loss);
  if (!lost) env_.liveness.answered(place_.index, reply.count);
}

}  // namespace gnomon::sim
