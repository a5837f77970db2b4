// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/incarnation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace gnomon::sim {
namespace {

constexpr time::Duration kSampleInterval = time::milliseconds(10);
constexpr time::Duration kTickInterval = time::milliseconds(20);
constexpr time::Duration kStep = time::microseconds(3);  // of a thread that is running
constexpr std::int64_t kSourceBoundNs = 10'000'000;

const time::LeapTable kLeaps = time::builtin_leap_table();

ptp::ClockEstimatorOptions estimator_options(const Scenario& scenario) {
  ptp::ClockEstimatorOptions options;
  options.ordering = {
      .nominal = time::CycleRate::from_hz(kNominalHz), .max_lead = scenario.max_lead, .confirm = scenario.confirm};
  options.truth.nominal = options.ordering.nominal;
  return options;
}

ptp::ClaimOr claim_of(time::SmearedUtc reading, time::Cycles at, time::Duration half_width) {
  ptp::Claim claim;
  claim.at = at;
  claim.reading_ns = reading.ns;
  claim.terms.source = {kSourceBoundNs};
  claim.terms.reading = half_width;
  claim.root.bare_clock = true;
  return claim;
}

control::AgentOptions agent_of(const Scenario& scenario, std::uint32_t number, const control::Nonce& incarnation) {
  control::AgentOptions options;
  options.workers = scenario.workers;
  options.ids_per_worker = scenario.ids_per_worker;
  options.machine_ids = scenario.machine_ids;
  if (scenario.pinned)
    for (std::uint32_t i = 0; i < scenario.ids_needed(); ++i)
      options.pinned.push_back({static_cast<std::uint16_t>(i)});
  options.window = scenario.window;
  options.max_lead = scenario.max_lead;
  options.lead_policy = scenario.policy;
  options.holder = fmt::format("sim {}", number);
  options.incarnation = incarnation;
  return options;
}

}  // namespace

Incarnation::Incarnation(Environment& environment, StoreLink& link, std::uint32_t number)
    : env_(environment),
      link_(link),
      number_(number),
      paused_until_(kFirstWorkerThread + environment.scenario.workers),
      clock_page_(std::make_unique<page::ClockPage>()),
      estimator_(estimator_options(environment.scenario), 1),
      agent_(agent_of(environment.scenario, number, draw_nonce())),
      agent_clock_(*clock_page_),
      reported_(environment.scenario.workers),
      rights_page_(std::make_unique<page::RightsPage>()) {
  policy_.auth = serve::AuthRule::kNever;
  const std::int64_t rate_error = env_.random.between(-100, 100);
  for (std::uint32_t thread = 0; thread < threads(); ++thread)
    cores_.push_back({rate_error, env_.random.between(-300, 300)});
  for (std::uint32_t i = 0; i < env_.scenario.workers; ++i) {
    worker_pages_.push_back(std::make_unique<page::WorkerPage>());
    workers_.push_back(std::make_unique<Worker>(env_, WorkerPlace{number, i, cores_[kFirstWorkerThread + i]},
                                                *clock_page_, rights_page_->workers[i], *worker_pages_[i], policy_));
    env_.queue.after(env_.random.around(kTickInterval), EventKind::kWorkerStep, number_, i);
  }
  next_tick_ = env_.now();
  env_.queue.after({0}, EventKind::kClockSample, number_);
  schedule_agent(env_.random.around(time::milliseconds(1)));
}

control::Nonce Incarnation::draw_nonce() {
  const std::uint64_t words[2] = {env_.random.next(), env_.random.next()};
  control::Nonce nonce;
  std::memcpy(nonce.data(), words, sizeof words);
  return nonce;
}

void Incarnation::pause(std::uint32_t thread, time::Duration length) {
  env_.note(Happening::kPaused, number_, thread, static_cast<std::uint64_t>(length.ns));
  paused_until_[thread] = std::max(paused_until_[thread], env_.now() + length);
}

void Incarnation::pause_all(time::Duration length) {
  env_.note(Happening::kPaused, number_, ~std::uint64_t{0}, static_cast<std::uint64_t>(length.ns));
  for (time::Uptime& until : paused_until_)
    until = std::max(until, env_.now() + length);
}

void Incarnation::handle(const Event& event) {
  std::uint32_t thread = kClockThread;
  if (event.kind == EventKind::kAgentWake) thread = kAgentThread;
  if (event.kind == EventKind::kWorkerStep) thread = kFirstWorkerThread + static_cast<std::uint32_t>(event.argument);
  if (event.kind == EventKind::kAgentWake && event.argument != wake_number_) return;  // an earlier one was scheduled
  if (event.kind != EventKind::kJournalDone && paused_until_[thread] > env_.now())
    return env_.queue.at(paused_until_[thread] + env_.random.around(time::microseconds(50)), event.kind, number_,
                         event.argument);
  switch (event.kind) {
    case EventKind::kClockSample: return sample_clock();
    case EventKind::kClockPublish: return publish_clock();
    case EventKind::kAgentWake: return wake_agent();
    case EventKind::kWorkerStep: return step_worker(static_cast<std::uint32_t>(event.argument));
    case EventKind::kJournalDone: return journal_done(event.argument >> 1, (event.argument & 1) != 0);
    default: return;
  }
}

// In the fault phase any step may be followed by a long nothing.
time::Duration Incarnation::with_preemption(time::Duration gap) {
  const std::uint32_t chance = env_.scenario.preemption;
  if (!env_.faulty || chance == 0 || !env_.random.per_mille(chance)) return gap;
  return gap + env_.random.between(time::milliseconds(1), time::milliseconds(200));
}

// ---- the clock thread

void Incarnation::sample_clock() {
  const time::Duration half_width = env_.random.between(time::nanoseconds(20), time::microseconds(100));
  sampled_at_ = env_.now();
  if (env_.source_readable)
    sample_ = claim_of(env_.source.at(sampled_at_), cores_[kClockThread].at(sampled_at_), half_width);
  else
    sample_ = tl::make_unexpected(ptp::SourceError{ptp::SourceFault::kUnreadable, "the source can't be read"});
  env_.queue.after(half_width + with_preemption(env_.random.around(kStep)), EventKind::kClockPublish, number_);
}

void Incarnation::publish_clock() {
  if (era_wanted_) {
    estimator_.start_new_era();
    fresh_timeline_ = true;
  }
  era_wanted_ = false;
  const time::Uptime uptime{3'600'000'000'000 + sampled_at_.ns};
  const ptp::News news[] = {sample_};
  clock_page_->record.write(estimator_.step(
      {.system = sample_, .uptime = {cores_[kClockThread].at(sampled_at_), uptime}, .asleep = {}, .news = news},
      kLeaps));
  if (sample_) {
    seen_ = {sampled_at_, {sample_->reading_ns}};
    judge_belief();
  }
  env_.queue.after(with_preemption(env_.random.between(kSampleInterval, kSampleInterval * 6 / 5)),
                   EventKind::kClockSample, number_);
}

// Whether all that this process could know speaks for the day ahead: then it may believe in it, and its ids are gone.
void Incarnation::judge_belief() {
  const bool ahead = seen_.reading - SourceClock::honest(sampled_at_) > time::seconds(43'200);
  const bool fresh = std::exchange(fresh_timeline_, false);
  if (!ahead) {
    day_ahead_since_.reset();
    believes_ = false;
    return;
  }
  if (!day_ahead_since_) day_ahead_since_ = sampled_at_;
  const bool insisted = sampled_at_ - *day_ahead_since_ >= env_.scenario.confirm * 9 / 10;
  if ((fresh || insisted) && !std::exchange(believes_, true)) ++env_.false_futures;
}

// ---- the agent's thread

void Incarnation::schedule_agent(time::Duration delay) {
  env_.queue.after(delay, EventKind::kAgentWake, number_, ++wake_number_);
}

void Incarnation::deliver(control::Event event) {
  inbox_.push_back(std::move(event));
  schedule_agent(env_.random.around(time::microseconds(20)));
}

void Incarnation::wake_agent() {
  if (!tasks_.empty()) {
    const Task task = std::move(tasks_.front());
    tasks_.pop_front();
    if (const auto* read = std::get_if<ReadSlots>(&task))
      read_slots(*read);
    else
      carry_out(std::get<control::Effect>(task));
  } else if (!inbox_.empty()) {
    const control::Event event = std::move(inbox_.front());
    inbox_.pop_front();
    step_agent(event);
  } else if (env_.now() >= next_tick_) {
    tick();
  } else {
    return schedule_agent(next_tick_ - env_.now());
  }
  schedule_agent(with_preemption(env_.random.around(kStep)));
}

void Incarnation::tick() {
  const serve::BurstTime now = agent_clock_.at(cores_[kAgentThread].at(env_.now()));
  next_tick_ = env_.now() + env_.random.between(kTickInterval * 9 / 10, kTickInterval * 11 / 10);
  for (std::uint32_t i = 0; i < worker_pages_.size(); ++i) {
    const std::uint64_t acknowledged = worker_pages_[i]->acknowledged.load(std::memory_order_acquire);
    const bool again = env_.random.below(64) == 0;
    if (acknowledged == reported_[i] && !again) continue;
    reported_[i] = acknowledged;
    tasks_.emplace_back(ReadSlots{{i}, {acknowledged}});
  }
  step_agent(control::event::Tick{
      .now = now.mint.now, .ordering = now.ordering, .era = now.mint.era, .uptime = now.uptime, .nonce = draw_nonce()});
}

void Incarnation::step_agent(const control::Event& event) {
  for (control::Effect& effect : agent_.step(event))
    tasks_.emplace_back(std::move(effect));
  if (!std::holds_alternative<control::event::Tick>(event)) next_tick_ = env_.now();  // and one after every answer
}

void Incarnation::read_slots(const ReadSlots& read) {
  env_.note(Happening::kAcknowledged, read.worker.value, read.generation.value);
  control::event::Acknowledged event{read.worker, read.generation, {}};
  for (const page::SlotUse& slot : worker_pages_[read.worker.value]->slots) {
    const std::uint64_t token = slot.token.load(std::memory_order_relaxed);
    if (token == 0) continue;
    event.used.push_back({.machine = {static_cast<std::uint16_t>(slot.machine.load(std::memory_order_relaxed))},
                          .token = {token},
                          .used_until = {slot.used_until_ns.load(std::memory_order_relaxed)}});
  }
  inbox_.emplace_back(std::move(event));
}

void Incarnation::carry_out(const control::Effect& effect) {
  namespace effects = control::effect;
  if (const auto* list = std::get_if<effects::ListRights>(&effect)) {
    link_.send_list(number_, list->operation);
  } else if (const auto* commit = std::get_if<effects::Commit>(&effect)) {
    link_.send_commit(number_, commit->operation, commit->transaction);
  } else if (const auto* sync = std::get_if<effects::SyncJournal>(&effect)) {
    syncing_.emplace(sync->operation.value, *sync);
    const bool fails = env_.faulty && env_.random.per_mille(10);
    env_.queue.after(env_.random.around(env_.scenario.store_delay), EventKind::kJournalDone, number_,
                     (sync->operation.value << 1) | (fails ? 0U : 1U));
  } else if (const auto* publish = std::get_if<effects::PublishRights>(&effect)) {
    env_.note(Happening::kPublished, publish->worker.value, publish->rights.generation.value, publish->rights.count);
    env_.windows.published(publish->rights);
    rights_page_->workers[publish->worker.value].rights.write(publish->rights);
  } else if (std::holds_alternative<effects::StartNewEra>(effect)) {
    env_.note(Happening::kNewEra, number_);
    era_wanted_ = true;
  } else if (const auto* note = std::get_if<effects::Note>(&effect)) {
    env_.note(Happening::kAgentNote, number_, static_cast<std::uint64_t>(note->kind));
  } else if (const auto* stopped = std::get_if<effects::Stopped>(&effect)) {
    exit_ = *stopped;
  }
}

void Incarnation::journal_done(std::uint64_t operation, bool synced) {
  const auto at = syncing_.find(operation);
  if (synced) {
    env_.windows.journalled(at->second.rights);
    deliver(control::event::JournalSynced{{operation}});
  } else {
    deliver(control::event::StoreFailed{{operation}, {control::StoreErrorKind::kUnavailable, "the journal is away"}});
  }
  syncing_.erase(at);
}

// ---- the workers

void Incarnation::step_worker(std::uint32_t index) {
  env_.queue.after(with_preemption(workers_[index]->step(seen_)), EventKind::kWorkerStep, number_, index);
}

}  // namespace gnomon::sim
