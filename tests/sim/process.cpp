// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/process.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace gnomon::sim {
namespace {

constexpr time::Duration kTurnInterval = time::milliseconds(10);
constexpr time::Duration kFirstBurst = time::milliseconds(20);
constexpr time::Duration kStep = time::microseconds(3);  // of a thread that is running

}  // namespace

Process::Process(Environment& environment, Host& host, const ProcessPlace& place)
    : env_(environment),
      host_(host),
      place_(place),
      paused_until_(kFirstWorkerThread + place.workers),
      cores_(draw_cores()),
      clock_(environment, host, cores_[kClockThread]),
      rights_page_(std::make_unique<page::RightsPage>()) {
  policy_.auth = serve::AuthRule::kNever;
  for (std::uint32_t i = 0; i < place_.workers; ++i) {
    worker_pages_.push_back(std::make_unique<page::WorkerPage>());
    const WorkerPlace at{.incarnation = place_.number,
                         .index = i,
                         .slot = place_.first_slot + i,
                         .core = cores_[kFirstWorkerThread + i],
                         .serves_ids = place_.serves_ids};
    workers_.push_back(
        std::make_unique<Worker>(env_, host_, at, clock_.page(), rights_page_->workers[i], *worker_pages_[i], policy_));
    env_.queue.after(env_.random.around(kFirstBurst), EventKind::kWorkerStep, place_.number, i);
  }
  env_.queue.after({0}, EventKind::kClockSample, place_.number);
}

// Any two of them differ by no more than the host's bound, some by all of it. The bound is one on time, and a slow
// counter takes longer for as many cycles.
std::vector<std::int64_t> Process::draw_cores() {
  const std::int64_t half = host_.plan().cores.ns / 2 - host_.plan().cores.ns / 5000 - 1;
  std::vector<std::int64_t> cores;
  cores.reserve(threads());
  for (std::uint32_t thread = 0; thread < threads(); ++thread)
    cores.push_back(env_.time_random.below(2) == 0   ? env_.time_random.between(-half, half)
                    : env_.time_random.below(2) == 0 ? half
                                                     : -half);
  return cores;
}

void Process::pause(std::uint32_t thread, time::Duration length) {
  env_.note(Happening::kPaused, number(), thread, static_cast<std::uint64_t>(length.ns));
  paused_until_[thread] = std::max(paused_until_[thread], env_.now() + length);
}

void Process::pause_all(time::Duration length) {
  env_.note(Happening::kPaused, number(), ~std::uint64_t{0}, static_cast<std::uint64_t>(length.ns));
  for (time::Uptime& until : paused_until_)
    until = std::max(until, env_.now() + length);
}

// In the fault phase any step may be followed by a long nothing.
time::Duration Process::with_preemption(time::Duration gap) {
  const std::uint32_t chance = env_.scenario.preemption;
  if (!env_.faulty || chance == 0 || !env_.random.per_mille(chance)) return gap;
  if (!env_.scenario.has(TroubleKind::kPreemption)) return gap;
  return gap + env_.random.between(time::milliseconds(1), time::milliseconds(200));
}

bool Process::postponed(std::uint32_t thread, const Event& event) {
  if (paused_until_[thread] <= env_.now()) return false;
  env_.queue.at(paused_until_[thread] + env_.random.around(time::microseconds(50)), event.kind, number(),
                event.argument);
  return true;
}

bool Process::puts_an_honest_source_out() {
  bool any = false;
  for (std::size_t i = 0; i < host_.sources().size(); ++i) {
    if (!clock_.is_put_out(i) || !host_.sources()[i].has_been_honest_for(time::seconds(1), env_.now())) continue;
    any = true;
    if (!clock_.may_be_put_out(i))
      env_.report.fail("put-out",
                       fmt::format("daemon {}: source {} speaks the truth, nothing speaks against it, and it "
                                   "is held to be off by whole seconds",
                                   number(), i));
  }
  return any;
}

void Process::handle(const Event& event) {
  const auto worker = static_cast<std::uint32_t>(event.argument);
  if (postponed(event.kind == EventKind::kWorkerStep ? kFirstWorkerThread + worker : kClockThread, event)) return;
  switch (event.kind) {
    case EventKind::kClockSample:
      env_.queue.after(clock_.read() + with_preemption(env_.random.around(kStep)), EventKind::kClockPublish, number());
      return;
    case EventKind::kClockPublish:
      clock_.publish();
      env_.queue.after(with_preemption(env_.random.between(kTurnInterval, kTurnInterval * 6 / 5)),
                       EventKind::kClockSample, number());
      return;
    case EventKind::kWorkerStep:
      env_.queue.after(with_preemption(workers_[worker]->step(clock_.origin())), EventKind::kWorkerStep, number(),
                       worker);
      return;
    default: return;
  }
}

}  // namespace gnomon::sim
