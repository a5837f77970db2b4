// SPDX-License-Identifier: Apache-2.0
//
// The agent's step, its operations, and the taking and keeping of rights. What happens after a lost answer stands in
// agent_settle.cpp, the way back in agent_release.cpp.
#include "control/agent/agent.hpp"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "oracle/canary.hpp"

namespace gnomon::control {
namespace {

// A tick that comes late means that this process did not run; nothing that it waits for had a chance either.
constexpr time::Duration kLongestTick = time::milliseconds(100);
constexpr time::Duration kShortestIdWait = time::milliseconds(20);
constexpr time::Duration kLongestIdWait = time::milliseconds(1000);

// How long an answer is waited for: short enough for several tries within what is left of a window.
time::Duration answer_patience(time::Duration window) { return std::min(window / 4, time::seconds(5)); }

std::uint64_t random_from(const Nonce& nonce) {
  std::uint64_t value = 0;
  std::memcpy(&value, nonce.data(), sizeof value);
  return value;
}

MembershipOptions membership_of(const AgentOptions& options) {
  return {.alone = options.exclusive_store,
          .incarnation = options.incarnation,
          .holder = options.holder,
          .heartbeat = options.heartbeat,
          .tolerance = options.clock_tolerance};
}

std::string ids_text(const std::vector<mint::MachineId>& machines) {
  std::string text = machines.size() == 1 ? "machine id " : "machine ids ";
  for (std::size_t i = 0; i < machines.size(); ++i) {
    if (i != 0) text += ", ";
    text += std::to_string(machines[i].value);
  }
  return text;
}

}  // namespace

std::string_view text_of(AgentState state) {
  switch (state) {
    case AgentState::kStarting: return "starting";
    case AgentState::kAcquiring: return "acquiring";
    case AgentState::kHeld: return "held";
    case AgentState::kRevoking: return "revoking";
    case AgentState::kReleasing: return "releasing";
    case AgentState::kAwaitingEra: return "awaiting a new era";
    case AgentState::kStopped: return "stopped";
  }
  return "unknown";
}

std::string fault_of(const AgentOptions& options) {
  const std::uint64_t wanted = std::uint64_t{options.workers} * options.ids_per_worker;
  if (options.workers == 0) return "at least one worker is needed";
  if (options.ids_per_worker == 0 || options.ids_per_worker > mint::kMaxRightsPerWorker)
    return "a worker holds 1 to " + std::to_string(mint::kMaxRightsPerWorker) + " machine ids";
  if (options.machine_ids > std::uint32_t{UINT16_MAX} + 1) return "there are at most 65536 machine ids";
  if (wanted > options.machine_ids)
    return "the workers need " + std::to_string(wanted) + " machine ids, but only " +
           std::to_string(options.machine_ids) + " fit every served layout";
  if (options.window < time::seconds(1) || options.window > time::seconds(600)) return "the window is 1 s to 10 min";
  if (options.max_lead < time::Duration{0} || options.max_lead > time::seconds(60)) return "the lead is 0 to 60 s";
  if (options.pinned.empty()) return "";
  if (options.pinned.size() != wanted)
    return std::to_string(options.pinned.size()) + " machine ids are pinned, but the workers need " +
           std::to_string(wanted);
  std::vector<mint::MachineId> sorted = options.pinned;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) return "a machine id is pinned twice";
  if (sorted.back().value >= options.machine_ids)
    return "pinned machine id " + std::to_string(sorted.back().value) + " does not fit every served layout: at most " +
           std::to_string(options.machine_ids - 1) + " does";
  return "";
}

Agent::Agent(AgentOptions options)
    : options_(std::move(options)),
      policy_{.store = options_.store,
              .window = options_.window,
              .max_lead = options_.max_lead,
              .machine_ids = options_.machine_ids,
              .exclusive_store = options_.exclusive_store},
      published_(options_.workers),
      membership_(membership_of(options_)),
      backoff_(options_.window, options_.heartbeat) {
  assert(fault_of(options_).empty());
  if (options_.exclusive_store) return;
  highest_ = options_.highest;
  for (const JournalRight& right : options_.acknowledged)
    acknowledged_[right.machine] = right;
}

std::vector<Effect> Agent::step(const Event& event) {
  if (state_ == AgentState::kStopped) return {};
  std::visit([this](const auto& e) { on(e); }, event);
  if (state_ != AgentState::kStopped) advance();
  return std::exchange(effects_, {});
}

AgentView Agent::view() const {
  return {.state = state_,
          .published = published_,
          .highest = highest_,
          .waiting_until = waiting_until_,
          .last_note = last_note_,
          .shared_store = !options_.exclusive_store,
          .standing = membership_.standing(),
          .vote = membership_.vote(),
          .store_failures = store_failures_};
}

// ---- events

void Agent::on(const event::Tick& tick) {
  attended_ = attended_ + std::clamp(time::saturating_sub(tick.uptime, tick_.uptime), time::Duration{0}, kLongestTick);
  tick_ = tick;
  ticked_ = true;
  nonce_used_ = false;
  if (std::exchange(must_rename_, false)) take_another_name();
  membership_.ticked({.now = tick.now,
                      .lead = tick.lead,
                      .truth = tick.truth,
                      .uptime = tick.uptime,
                      .known = tick.ordering != mint::OrderingState::kNoTime},
                     attended_);
  note_standing();
}

void Agent::on(const event::Listed& listed) {
  if (!operation_ || operation_->id != listed.operation) return;
  const OperationKind kind = operation_->kind;
  operation_.reset();
  if (listed.listing.at < highest_)
    return fail_gone_back("it stands at revision " + std::to_string(listed.listing.at.value) +
                          ", but acknowledged revision " + std::to_string(highest_.value) + " to this daemon");
  membership_.saw(listed.listing.at);
  if (kind == OperationKind::kSessions) return on_sessions(listed.listing);
  if (kind == OperationKind::kHistory) return on_history(listed.listing);
  if (const std::string lost = forgotten(listed.listing); !lost.empty()) return fail_gone_back(lost);
  must_list_ = false;
  settle_conflict(listed.listing);
  if (state_ == AgentState::kAcquiring)
    settle_acquisition(listed.listing);
  else if (state_ != AgentState::kStopped)
    settle_holdings(listed.listing);
}

void Agent::on(const event::Committed& committed) {
  if (!operation_ || operation_->id != committed.operation) return;
  const OperationKind kind = operation_->kind;
  operation_.reset();
  if (committed.revision <= highest_)
    return fail_gone_back("it gave a new commit revision " + std::to_string(committed.revision.value) + " after " +
                          std::to_string(highest_.value));
  if (kind != OperationKind::kCommit) {
    highest_ = committed.revision;
    backoff_.reset();
    if (kind == OperationKind::kSession) return membership_.published(committed.revision);
    return membership_.saw(committed.revision);
  }
  membership_.saw(committed.revision);
  const Attempt attempt = attempts_.newest();
  backoff_.reset();
  adopt(attempt, committed.revision);
}

void Agent::on(const event::StoreFailed& failed) {
  if (!operation_ || operation_->id != failed.operation) return;
  const OperationKind kind = operation_->kind;
  operation_.reset();
  operation_failed(kind, failed.error);
}

void Agent::operation_failed(OperationKind kind, const StoreError& error) {
  if (kind != OperationKind::kJournal) store_failures_.count(error.kind);  // that one is this host's disk
  if (error.kind == StoreErrorKind::kFatal) return fail(error.text);
  // Whoever was out of reach may come back as an older copy of itself: what was acknowledged is looked for first.
  const bool away = error.kind == StoreErrorKind::kUnavailable || error.kind == StoreErrorKind::kUnknown;
  if (away && !options_.exclusive_store) must_list_ = true;
  if (kind == OperationKind::kCommit) return commit_failed(error);
  if (kind == OperationKind::kSession) membership_.publish_failed(error.kind);
  if (error.kind == StoreErrorKind::kConflict) return;  // of what is done beside the rights: seen to by the next list
  note(error.kind == StoreErrorKind::kUnknown ? NoteKind::kOutcomeUnknown : NoteKind::kStoreUnavailable, error.text);
  retry_later();
}

void Agent::commit_failed(const StoreError& error) {
  if (error.kind == StoreErrorKind::kUnknown) {
    must_list_ = !canary::planted(canary::Bug::kBlindRetry);
    if (canary::planted(canary::Bug::kUnknownExtension) && state_ == AgentState::kHeld)
      return adopt(attempts_.newest(), highest_);
    note(NoteKind::kOutcomeUnknown, error.text);
  } else if (error.kind == StoreErrorKind::kConflict) {
    must_list_ = true;
    conflicted_ = attempts_.newest().transaction.compares;
    attempts_.drop_newest();
  } else {
    attempts_.drop_newest();
    note(NoteKind::kStoreUnavailable, error.text);
  }
  retry_later();
}

void Agent::on(const event::JournalSynced& synced) {
  if (!finish(OperationKind::kJournal, synced.operation)) return;
  for (const JournalRight& right : journal_)
    acknowledged_[right.machine] = right;
  journal_.clear();
  if (state_ == AgentState::kAcquiring) {
    state_ = AgentState::kHeld;
    publish_holdings(true);
    avoided_.clear();
    std::vector<mint::MachineId> machines(holdings_.size());
    std::transform(holdings_.begin(), holdings_.end(), machines.begin(),
                   [](const Holding& holding) { return holding.right.machine; });
    note(NoteKind::kAcquired, ids_text(machines), holdings_.front().right.ceiling);
  } else if (state_ == AgentState::kHeld) {
    publish_holdings(false);
    note(NoteKind::kExtended, "ceilings raised", holdings_.front().right.ceiling);
  }
}

void Agent::on(const event::CloneDetected&) {
  for (const Holding& holding : holdings_)
    highest_used_ = std::max(highest_used_, holding.right.ceiling);
  highest_unheard_ = highest_used_;
  publish_empty_sets();
  holdings_.clear();
  attempts_.clear();
  operation_.reset();
  nonce_used_ = true;  // the copy has this tick's nonce, too
  note(NoteKind::kCloned, "this machine was cloned or restored: all rights are dropped, not released");
  if (options_.exclusive_store) {  // each copy has a database of its own, and both would choose the same ids from it
    emit(effect::MarkCloned{});
    fail(
        "this machine was cloned or restored, and a copy with the same database may be issuing IDs; if no other copy "
        "is in use any more, run `gnomon control adopt` on this one and start again; else adopt on one copy only and "
        "give every other one an empty data directory and machine ids of its own (ids.pinned)");
  } else if (goal_ == Goal::kStop) {
    stop_cleanly("stopped; rights run out by themselves, because a copy may be using them");
  } else if (!options_.pinned.empty()) {
    fail(
        "this machine was cloned or restored, and a copy may be using its pinned machine ids; give each copy ids of "
        "its own (ids.pinned) and start again");
  } else {
    must_rename_ = true;
    if (state_ != AgentState::kStarting && state_ != AgentState::kAwaitingEra) acquire_again();
  }
}

// The copy has the old one. What the pages say of the incarnation is then no longer what the grants say: should this
// process die, its rights run out.
void Agent::take_another_name() {
  options_.incarnation = take_nonce();
  membership_ = Membership(membership_of(options_));
}

// ---- operations

void Agent::advance() {
  give_up_lost_answer();
  if (operation_ || !ticked_ || !backoff_.over(attended())) return;
  const auto can_wait = [this] {
    if (state_ == AgentState::kRevoking || state_ == AgentState::kReleasing || goal_ == Goal::kStop) return false;
    if (has_fresh_table()) return false;
    return state_ != AgentState::kHeld || !(extension_due() || !journal_.empty() || membership_.has_failed());
  };
  // In turns: where calls take longer than a heartbeat the session is always due.
  const bool session_first = can_wait() && !session_was_last_;
  if (session_first && attend_membership()) return;
  advance_state();
  if (operation_ || state_ == AgentState::kStopped || !can_wait()) return;
  if (!session_first && attend_membership()) return;
  tidy_up();
}

void Agent::advance_state() {
  switch (state_) {
    case AgentState::kStarting:
      if (tick_.ordering == mint::OrderingState::kNoTime) return;
      state_ = AgentState::kAcquiring;
      return advance_acquiring();
    case AgentState::kAcquiring: return advance_acquiring();
    case AgentState::kHeld: return advance_held();
    case AgentState::kRevoking: return advance_revoking();
    case AgentState::kReleasing: return advance_releasing();
    case AgentState::kAwaitingEra: return advance_awaiting_era();
    case AgentState::kStopped: return;
  }
}

OperationId Agent::begin(OperationKind kind) {
  operation_ = Operation{{++last_operation_}, kind, attended_};
  session_was_last_ = kind == OperationKind::kSessions || kind == OperationKind::kSession;
  return operation_->id;
}

// False for a late answer to something that was given up.
bool Agent::finish(OperationKind kind, OperationId id) {
  if (!operation_ || operation_->id != id || operation_->kind != kind) return false;
  operation_.reset();
  return true;
}

void Agent::give_up_lost_answer() {
  if (!operation_ || attended_ - operation_->started < answer_patience(options_.window)) return;
  const OperationKind kind = operation_->kind;
  operation_.reset();
  const bool commits =
      kind == OperationKind::kCommit || kind == OperationKind::kSession || kind == OperationKind::kTidying;
  operation_failed(
      kind, {commits ? StoreErrorKind::kUnknown : StoreErrorKind::kUnavailable, "the store did not answer in time"});
}

void Agent::retry_later() {
  backoff_.fail(attended(), random_from(tick_.nonce));
  ++failures_;
}

void Agent::list_rights() { emit(effect::List{begin(OperationKind::kList), std::string(lease::kRightPrefix)}); }

void Agent::commit(Attempt attempt) {
  if (canary::planted(canary::Bug::kBlindRetry) && !attempts_.empty()) attempt.transaction.compares.resize(1);
  emit(effect::Commit{begin(OperationKind::kCommit), attempt.transaction});
  attempts_.add(std::move(attempt));
}

void Agent::sync_journal() { emit(effect::SyncJournal{begin(OperationKind::kJournal), highest_, journal_}); }

void Agent::to_journal(const lease::HeldRight& right) {
  journal_.push_back({right.machine, right.window, right.window_nonce, right.ceiling});
}

Nonce Agent::take_nonce() {
  assert(!nonce_used_);
  nonce_used_ = true;
  return tick_.nonce;
}

// ---- taking and keeping

void Agent::advance_acquiring() {
  if (goal_ == Goal::kStop) return advance_stop_while_acquiring();
  if (!holdings_.empty()) return sync_journal();  // committed; the journal failed and is tried again
  if (tick_.ordering == mint::OrderingState::kNoTime || !membership_.may_acquire()) return;
  if (!options_.exclusive_store && tick_.ordering == mint::OrderingState::kBehind) return leave_false_future();
  if (attended() < look_again_at_) return;
  if (must_list_ || !has_fresh_table()) return list_rights();
  if (nonce_used_) return;
  const lease::RightTable table = std::move(*table_);
  table_.reset();
  choose_and_acquire(table);
}

// The vote is on the clock, and the timeline may still stand in a future that the clock has come back from. A window
// that begins there would keep its id from everybody. Nothing is held; and once the clock is past all that was issued
// here, a new era puts nothing out of order either. Until then it waits, unless order is given up by policy: fresh
// windows keep IDs unique all the same. An era that a worker may still serve from is left by neither policy.
void Agent::leave_false_future() {
  const time::SmearedUtc past = rotates() ? highest_unheard_ : highest_used_;
  if (time::saturating_add(tick_.now, -tick_.lead) < past) {
    if (std::exchange(waits_for_clock_, past) != past)
      note(NoteKind::kBehindItsIds, "the clock came back from a future in which IDs were issued: no rights are taken",
           past);
    return;
  }
  if (rotates()) note(NoteKind::kRotating, "the clock is behind: taking fresh machine ids at its time", tick_.now);
  era_left_ = tick_.era;
  state_ = AgentState::kAwaitingEra;
  emit(effect::StartNewEra{});
}

// What was not read just now may be of a store that was put back since.
bool Agent::has_fresh_table() const { return table_ && attended_ - table_read_at_ < kLongestTick; }

void Agent::choose_and_acquire(const lease::RightTable& table) {
  std::vector<mint::MachineId> machines = options_.pinned;
  if (machines.empty()) {
    auto chosen = lease::choose_free(table, policy_, tick_.now, options_.workers * options_.ids_per_worker, {},
                                     options_.incarnation, avoided_);
    if (!chosen) return wait_for_ids(chosen.error());
    machines = std::move(*chosen);
  } else if (const auto ready = lease::check_pinned(table, policy_, tick_.now, machines); !ready) {
    return wait_for_ids(ready.error());
  }
  const lease::Claim claim{options_.holder, options_.incarnation, take_nonce()};
  Transaction transaction = lease::acquire(table, policy_, tick_.now, machines, claim);
  commit({Purpose::kAcquire, std::move(machines), std::move(transaction)});
}

void Agent::wait_for_ids(const lease::NotYet& not_yet) {
  const time::SmearedUtc at = not_yet.at.value_or(time::SmearedUtc::max());
  waiting_until_ = at;
  const std::string wanted = std::to_string(options_.workers * options_.ids_per_worker);
  if (options_.pinned.empty())
    note(NoteKind::kIdsExhausted, std::to_string(not_yet.free) + " of " + wanted + " machine ids are free", at);
  else
    note(NoteKind::kWaitingForFloor, std::to_string(not_yet.free) + " of " + wanted + " pinned machine ids are free",
         at);
  const time::Duration wait = std::clamp(time::saturating_sub(at, tick_.now), kShortestIdWait, kLongestIdWait);
  look_again_at_ = attended() + wait;
}

// A commit of ours is known to have happened: answered, or found byte-equal by a list.
void Agent::adopt(const Attempt& attempt, Revision revision) {
  highest_ = std::max(highest_, revision);
  failures_ = 0;
  if (attempt.purpose == Purpose::kAcquire) return adopt_acquired(attempt, revision);
  for (const mint::MachineId machine : attempt.machines) {
    const auto holding =
        std::find_if(holdings_.begin(), holdings_.end(), [&](const Holding& h) { return h.right.machine == machine; });
    if (holding == holdings_.end()) continue;
    holding->right = lease::held_after(attempt.transaction, machine, revision, &holding->right, policy_.store.epoch);
    to_journal(holding->right);
    if (attempt.purpose == Purpose::kRelease) holdings_.erase(holding);
  }
  attempts_.clear();
}

void Agent::adopt_acquired(const Attempt& attempt, Revision revision) {
  assert(holdings_.empty());
  for (std::size_t i = 0; i < attempt.machines.size(); ++i) {
    const auto worker = static_cast<std::uint32_t>(i / options_.ids_per_worker);
    Holding holding{lease::held_after(attempt.transaction, attempt.machines[i], revision, nullptr, policy_.store.epoch),
                    {worker},
                    {}};
    holding.used_until = holding.right.floor;
    to_journal(holding.right);
    holdings_.push_back(holding);
  }
  attempts_.clear();
  waiting_until_.reset();
  history_is_due_ = true;
  if (goal_ != Goal::kStop) sync_journal();  // else never published, and given back: used up to its floor
}

void Agent::advance_held() {
  if (rotates() && tick_.ordering == mint::OrderingState::kBehind) {
    note(NoteKind::kRotating, "the clock is behind: taking fresh machine ids at its time", tick_.now);
    return revoke(Goal::kRotate);
  }
  if (membership_.has_failed() || tick_.era != published_.front().era) return revoke(Goal::kReacquire);
  if (!options_.exclusive_store && has_run_out_behind()) return revoke(Goal::kReacquire);
  if (!journal_.empty()) return sync_journal();
  if (must_list_) return list_rights();
  if (!extension_due() || nonce_used_) return;
  Attempt attempt{Purpose::kExtend, {}, {}};
  std::vector<lease::HeldRight> rights;
  for (const Holding& holding : holdings_) {
    rights.push_back(holding.right);
    attempt.machines.push_back(holding.right.machine);
  }
  attempt.transaction = lease::extend(rights, policy_, tick_.now, take_nonce());
  commit(std::move(attempt));
}

// The clock has come back from a future that the timeline stands in, and is past all that is held: see
// leave_false_future.
bool Agent::has_run_out_behind() const {
  if (tick_.ordering != mint::OrderingState::kBehind) return false;
  const time::SmearedUtc clock = time::saturating_add(tick_.now, -tick_.lead);
  return std::all_of(holdings_.begin(), holdings_.end(),
                     [&](const Holding& holding) { return holding.right.ceiling <= clock; });
}

bool Agent::extension_due() const {
  // Behind, the timeline may stand in a false future: raising ceilings there keeps the ids from everybody for longer.
  if (tick_.ordering == mint::OrderingState::kNoTime || tick_.ordering == mint::OrderingState::kBehind) return false;
  if (!membership_.may_extend()) return false;
  const time::Duration enough = options_.window * 2 / 3;
  return std::any_of(holdings_.begin(), holdings_.end(), [&](const Holding& holding) {
    return time::saturating_sub(holding.right.ceiling, tick_.now) < enough;
  });
}

// ---- what the workers see

void Agent::publish_holdings(bool new_generation) {
  for (std::uint32_t worker = 0; worker < options_.workers; ++worker) {
    mint::RightSet& set = published_[worker];
    if (new_generation) {
      ++set.generation.value;
      set.era = tick_.era;
    }
    set.count = 0;
    for (const Holding& holding : holdings_)
      if (holding.worker.value == worker)
        set.slots[set.count++] = {holding.right.machine, holding.right.token, holding.right.floor,
                                  holding.right.ceiling};
    std::sort(set.slots.begin(), set.slots.begin() + set.count,
              [](const mint::Right& a, const mint::Right& b) { return a.machine < b.machine; });
    emit(effect::PublishRights{{worker}, set});
  }
}

void Agent::publish_empty_sets() {
  for (std::uint32_t worker = 0; worker < options_.workers; ++worker) {
    mint::RightSet& set = published_[worker];
    if (set.count == 0) continue;
    set = mint::RightSet{.generation = {set.generation.value + 1}, .era = tick_.era, .count = 0, .slots = {}};
    handshake_.expect({worker}, set.generation);
    emit(effect::PublishRights{{worker}, set});
  }
}

void Agent::note(NoteKind kind, std::string text, time::SmearedUtc until) {
  effect::Note note{kind, std::move(text), until};
  const bool repeated =
      last_note_ && last_note_->kind == kind && last_note_->text == note.text && last_note_->until == until;
  if (repeated) return;  // a retry that failed like the one before
  last_note_ = note;
  emit(std::move(note));
}

void Agent::fail(const std::string& text) {
  publish_empty_sets();
  state_ = AgentState::kStopped;
  emit(effect::Stopped{true, text});
}

void Agent::stop_cleanly(const std::string& text) {
  state_ = AgentState::kStopped;
  if (auto farewell = membership_.farewell(policy_.store); farewell && !operation_)
    emit(effect::Commit{begin(OperationKind::kTidying), std::move(*farewell)});
  emit(effect::Stopped{false, text});
}

}  // namespace gnomon::control
