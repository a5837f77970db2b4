// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/incarnation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "control/shared_state.hpp"
#include "tests/sim/store_door.hpp"

namespace gnomon::sim {
namespace {

constexpr time::Duration kTickInterval = time::milliseconds(20);
constexpr time::Duration kStep = time::microseconds(3);  // of a thread that is running

control::AgentOptions with_incarnation(control::AgentOptions options, const control::Nonce& incarnation) {
  options.incarnation = incarnation;
  return options;
}

}  // namespace

control::AgentOptions agent_options(const Scenario& scenario, std::uint32_t number) {
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
  return options;
}

Incarnation::Incarnation(Environment& environment, Host& host, StoreLink& link, const IncarnationSeat& seat)
    : env_(environment),
      link_(link),
      number_(seat.place.number),
      host_(host.number()),
      started_at_(environment.now()),
      nonce_(draw_nonce()),
      drive_(environment.disk.drive(folder_of(host.number()))),
      journal_(seat.journal),
      identity_(seat.identity),
      process_(environment, host, seat.place),
      agent_(with_incarnation(seat.agent, nonce_)),
      agent_clock_(process_.clock().page()),
      watched_clock_(process_.clock().page()),
      reported_(seat.place.workers) {
  next_tick_ = env_.now();
  schedule_agent(env_.random.around(time::milliseconds(1)));
}

control::Nonce Incarnation::draw_nonce() {
  const std::uint64_t words[2] = {env_.random.next(), env_.random.next()};
  control::Nonce nonce;
  std::memcpy(nonce.data(), words, sizeof words);
  return nonce;
}

void Incarnation::handle(const Event& event) {
  switch (event.kind) {
    case EventKind::kAgentWake:
      if (event.argument != wake_number_) return;  // an earlier one was scheduled
      if (!process_.postponed(Process::kAgentThread, event)) wake_agent();
      return;
    case EventKind::kJournalDone: return journal_done(event.argument >> 1, (event.argument & 1) != 0);
    default: return process_.handle(event);
  }
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
  schedule_agent(process_.with_preemption(env_.random.around(kStep)));
}

void Incarnation::tick() {
  const serve::BurstTime now = agent_clock_.at(process_.counter(Process::kAgentThread));
  next_tick_ = env_.now() + env_.random.between(kTickInterval * 9 / 10, kTickInterval * 11 / 10);
  for (std::uint32_t i = 0; i < reported_.size(); ++i) {
    const std::uint64_t acknowledged = process_.worker_page(i).acknowledged.load(std::memory_order_acquire);
    const bool again = env_.random.below(64) == 0;
    if (acknowledged == reported_[i] && !again) continue;
    reported_[i] = acknowledged;
    tasks_.emplace_back(ReadSlots{{i}, {acknowledged}});
  }
  step_agent(control::event::Tick{.now = now.mint.now,
                                  .ordering = now.ordering,
                                  .era = now.mint.era,
                                  .uptime = now.uptime,
                                  .nonce = draw_nonce(),
                                  .lead = now.lead,
                                  .truth = now.truth ? std::optional(*now.truth) : std::nullopt});
}

void Incarnation::step_agent(const control::Event& event) {
  for (control::Effect& effect : agent_.step(event))
    tasks_.emplace_back(std::move(effect));
  if (!std::holds_alternative<control::event::Tick>(event)) next_tick_ = env_.now();  // and one after every answer
}

void Incarnation::read_slots(const ReadSlots& read) {
  env_.note(Happening::kAcknowledged, read.worker.value, read.generation.value);
  control::event::Acknowledged event{read.worker, read.generation, {}};
  for (const page::SlotUse& slot : process_.worker_page(read.worker.value).slots) {
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
  if (const auto* list = std::get_if<effects::List>(&effect)) {
    link_.send_list(number_, list->operation, list->prefix);
  } else if (const auto* commit = std::get_if<effects::Commit>(&effect)) {
    link_.send_commit(number_, commit->operation, commit->transaction);
  } else if (const auto* sync = std::get_if<effects::SyncJournal>(&effect)) {
    this->sync(*sync);
  } else if (const auto* publish = std::get_if<effects::PublishRights>(&effect)) {
    env_.note(Happening::kPublished, publish->worker.value, publish->rights.generation.value, publish->rights.count);
    env_.windows.published(host_, publish->rights);
    process_.rights_page().workers[publish->worker.value].rights.write(publish->rights);
  } else if (std::holds_alternative<effects::StartNewEra>(effect)) {
    env_.note(Happening::kNewEra, number_);
    process_.clock().want_new_era();
  } else if (const auto* note = std::get_if<effects::Note>(&effect)) {
    env_.note(Happening::kAgentNote, number_, static_cast<std::uint64_t>(note->kind));
  } else if (const auto* sealing = std::get_if<effects::SealStore>(&effect)) {
    seal(sealing->text);
  } else if (const auto* stopped = std::get_if<effects::Stopped>(&effect)) {
    exit_ = *stopped;
  }
}

// A disk does one thing after the other. One in a hundred fails while faults strike. The agent's thread waits for it:
// as the scheduler may hold it up anywhere, that is only said where it takes long.
void Incarnation::sync(const control::effect::SyncJournal& sync) {
  syncing_.emplace(sync.operation.value, sync);
  const bool fails = env_.faulty && env_.random.per_mille(10) && env_.scenario.has(TroubleKind::kFailedSyncs);
  time::Duration takes = env_.random.around(env_.scenario.store_delay);
  if (const time::Duration more = drive_.draw_slowness(); more != time::Duration{0}) {
    ++env_.hardships.slow_writes;
    takes = takes + more;
    process_.pause(Process::kAgentThread, takes);
  }
  disk_free_at_ = std::max(disk_free_at_, env_.now() + takes);
  env_.queue.at(disk_free_at_, EventKind::kJournalDone, number_, (sync.operation.value << 1) | (fails ? 0U : 1U));
}

// What it has then is up to the drive, whatever the product makes of the drive's answer.
tl::expected<void, control::StateError> Incarnation::write_journal(const control::effect::SyncJournal& sync) {
  const std::uint64_t replaced = drive_.replaced();
  auto merged = journal_ != nullptr
                    ? journal_->merge(sync.highest, sync.rights)
                    : drive_.replace(folder_of(host_) + "/journal", "").map_error([](const auto& error) {
                        return control::StateError{control::StateErrorKind::kSystem, error.text};
                      });
  if (drive_.replaced() != replaced) env_.windows.journalled(host_, sync.rights);
  if (!merged && drive_.full()) ++env_.hardships.failed_writes;
  if (!merged) env_.note(Happening::kJournalFailed, number_);
  if (!merged && !drive_.full() && !drive_.dark()) env_.report.fail("journal", merged.error().text);
  return merged;
}

void Incarnation::journal_done(std::uint64_t operation, bool synced) {
  const auto at = syncing_.find(operation);
  if (synced) {
    if (const auto written = write_journal(at->second))
      deliver(control::event::JournalSynced{{operation}});
    else  // as the agent's thread has it
      deliver(control::event::StoreFailed{{operation}, {control::StoreErrorKind::kFatal, written.error().text}});
  } else {
    deliver(control::event::StoreFailed{{operation}, {control::StoreErrorKind::kUnavailable, "the journal is away"}});
  }
  syncing_.erase(at);
}

void Incarnation::crash() {
  for (const auto& [operation, sync] : syncing_) {
    if (env_.random.below(2) == 0 || !write_journal(sync)) break;
  }
}

void Incarnation::seal(const std::string& why) {
  StoreDoor door(env_, &link_, {Committer::Kind::kOpening, host_, number_});
  const auto sealed = control::seal_store(door, identity_, why);
  env_.note(Happening::kSealed, number_, sealed ? static_cast<std::uint64_t>(*sealed) : ~std::uint64_t{0});
}

std::optional<time::Duration> Incarnation::clock_error() {
  const serve::BurstTime now = watched_clock_.at(process_.counter(Process::kAgentThread));
  if (now.ordering == mint::OrderingState::kNoTime) return std::nullopt;
  const time::SmearedUtc word = time::saturating_add(now.mint.now, -std::max(now.lead, time::Duration{0}));
  return time::saturating_sub(word, SystemClock::honest(env_.now()));
}

}  // namespace gnomon::sim
