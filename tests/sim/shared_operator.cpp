// SPDX-License-Identifier: Apache-2.0
//
// Operators: the one who puts an older image of the store back, and the one who cures it: recover, heal.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "oracle/lease/stored_right.hpp"
#include "tests/sim/shared_world.hpp"
#include "tests/sim/store_door.hpp"

namespace gnomon::sim {
namespace {

constexpr time::Duration kYear = time::seconds(86'400LL * 365);
constexpr time::Duration kTomorrow = time::seconds(3600);  // a mad clock's; a sane one's is nearer
constexpr std::size_t kMostBackups = 64;

}  // namespace

void SharedWorld::later(time::Duration delay, Act what) {
  env_.queue.after(delay, EventKind::kOperator, 0, static_cast<std::uint64_t>(what));
}

control::SharedPaths SharedWorld::paths_of(std::uint32_t host) const {
  return control::SharedPaths::of(folder_of(host), "sim");
}

control::Nonce SharedWorld::draw_nonce() {
  control::Nonce nonce;
  for (std::uint8_t& byte : nonce)
    byte = static_cast<std::uint8_t>(env_.random.below(256));
  return nonce;
}

void SharedWorld::act(std::uint64_t what) {
  const auto act = static_cast<Act>(what & UINT32_MAX);
  if (act == Act::kRestore) return restore();
  if (act == Act::kAdopt) return adopt(static_cast<std::uint32_t>(what >> 32));
  recovery_scheduled_ = false;
  recover();
}

// ---- the one who puts an older image back

void SharedWorld::take_backup() {
  if (doubtful_) return;
  if (backups_.size() == kMostBackups) backups_.erase(backups_.begin());
  backups_.push_back({env_.now(), env_.store.image()});
}

// Whether the journal of this host tells of something that an image of this revision lacks.
bool SharedWorld::knows_better(std::uint32_t host, control::Revision image) const {
  const auto journal = control::Journal::load(paths_of(host).journal);
  const control::Entry* entry = env_.store.find(lease::kStoreKey);
  if (!journal || !*journal || entry == nullptr) return false;
  const control::JournalContent& content = (*journal)->content();
  const auto identity = control::parse_identity(entry->value);
  if (!identity || identity->epoch != content.epoch || identity->machine != content.lineage) return false;
  return std::any_of(content.rights.begin(), content.rights.end(),
                     [&](const auto& right) { return right.second.modified > image; });
}

// With all daemons running, or after all were killed; at once, or after the store was away for a while.
void SharedWorld::begin_restore() {
  if (doubtful_ || restoring_ || backups_.empty()) return;
  restoring_ = true;
  disturbances_.disturb_all(env_.now());
  if (env_.random.below(3) == 0)
    for (std::uint32_t host = 0; host < hosts(); ++host)
      if (seats_[host].daemon) strike_daemon(SharedFault::kKill, host);
  const time::Duration away =
      env_.random.below(2) == 0 ? time::Duration{} : env_.random.between({0}, env_.scenario.window * 2);
  if (away > time::Duration{})
    for (std::uint32_t host = 0; host < hosts(); ++host)
      strike_link(host, StoreLink::Mode::kAway, away);
  later(away, Act::kRestore);
}

void SharedWorld::restore() {
  restoring_ = false;
  // A ceiling that is lost and lies beyond what the recovery assumes is nobody's to know.
  const control::RecoveryLimits limits = recovery_limits();
  const time::SmearedUtc floor = limits.now + limits.window + limits.max_lead;
  // One of a clock that was 37 s ahead is no nearer.
  const HardshipPlan& hardships = env_.scenario.hardships;
  const bool by_37_s = hardships.has(Hardship::kSystemTaiForUtc) || hardships.has(Hardship::kSourceTaiForUtc);
  const time::Duration nearer = by_37_s ? time::Duration{0} : kTomorrow;
  if (phase_ != Phase::kFaults || doubtful_ || env_.windows.highest_ceiling(planted_) > floor + nearer) return;
  const Backup backup = backups_[env_.random.below(backups_.size())];
  const control::Revision to{backup.image.revision};
  std::vector<bool> knows;
  knows.reserve(hosts());
  for (std::uint32_t host = 0; host < hosts(); ++host)
    knows.push_back(knows_better(host, to));
  if (std::none_of(knows.begin(), knows.end(), [](bool one) { return one; })) return;

  const control::Revision from = env_.store.at();
  env_.note(Happening::kRestored, to.value, from.value,
            static_cast<std::uint64_t>(std::count(knows.begin(), knows.end(), false)));
  ++counts_.restores;
  for (std::uint32_t host = 0; host < hosts(); ++host) {
    seats_[host].held_back = !knows[host];
    if (!knows[host] && seats_[host].daemon) strike_daemon(SharedFault::kKill, host);
  }
  env_.store.restore(backup.image);
  env_.windows.restored(env_.now());
  doubtful_ = true;
  restored_at_ = env_.now();
  disturbances_.disturb_all(env_.now());
  if (planted_ && planted_at_ > to) {
    env_.windows.forget(*planted_);
    planted_.reset();
  }
  std::erase_if(backups_, [&](const Backup& one) { return one.taken_at > backup.taken_at; });
  // Whoever writes beside gnomon, so that the revision alone tells nothing.
  if (env_.random.below(2) == 0)
    for (std::uint64_t i = env_.random.below(50); env_.store.at() <= from || i > 0; i -= i > 0 ? 1 : 0)
      (void)env_.store.commit({{}, {{"other/" + std::to_string(i % 8), "x"}}, {}});
  recovery_scheduled_ = true;
  later(env_.random.between(time::milliseconds(500), time::seconds(10)), Act::kRecover);
}

// Once the store is sealed it makes no difference any more who comes first.
void SharedWorld::release_held() {
  const bool sealed = env_.store.find(control::kSealKey) != nullptr;
  for (std::uint32_t host = 0; host < hosts(); ++host) {
    if (!seats_[host].held_back || !sealed) continue;
    seats_[host].held_back = false;
    start(host);
  }
  const bool stuck = std::any_of(seats_.begin(), seats_.end(),
                                 [this](const Seat& seat) { return seat.refused && !is_damaged(seat.host->number()); });
  if (!stuck || recovery_scheduled_) return;
  recovery_scheduled_ = true;
  later(env_.random.between(time::milliseconds(500), time::seconds(5)), Act::kRecover);
}

// ---- the one who cures it

// The truth, and what was configured: a ceiling may lie a window ahead of a timeline that leads its clock, or of a
// floor that was ahead of it. And clocks may have been ahead unnoticed: what they committed may be lost.
control::RecoveryLimits SharedWorld::recovery_limits() const {
  return {SystemClock::honest(env_.now()), env_.scenario.window, env_.scenario.max_lead * 2 + plan().agreement()};
}

void SharedWorld::recover() {
  if (!doubtful_) return;
  if (env_.random.below(3) != 0)
    for (std::uint32_t host = 0; host < hosts(); ++host)
      if (seats_[host].daemon) strike_daemon(SharedFault::kKill, host);
  std::vector<std::uint32_t> idle;  // where no daemon has the journal
  for (std::uint32_t host = 0; host < hosts(); ++host)
    if (!seats_[host].daemon) idle.push_back(host);
  std::optional<std::uint32_t> by;
  if (!idle.empty() && env_.random.below(8) != 0) by = idle[env_.random.below(idle.size())];
  std::uint16_t highest_epoch = 0;  // that a journal tells of
  for (std::uint32_t host = 0; host < hosts(); ++host)
    if (const auto journal = control::Journal::load(paths_of(host).journal); journal && *journal)
      highest_epoch = std::max(highest_epoch, (*journal)->content().epoch);

  if (env_.store.find(control::kSealKey) != nullptr) ++counts_.seals;
  StoreDoor door(env_, nullptr, {Committer::Kind::kOperator, 0, 0});
  const std::optional<control::SharedPaths> paths = by ? std::optional(paths_of(*by)) : std::nullopt;
  const auto report = control::recover_shared(door, paths ? &*paths : nullptr, recovery_limits());
  if (!report && by && (seats_[*by].drive->full() || seats_[*by].drive->dark())) return try_again_later();
  if (!report) return env_.report.fail("operator", "the recovery is refused: " + report.error().text);
  env_.note(Happening::kRecovered, report->epoch, by ? *by : ~std::uint64_t{0});
  ++counts_.recoveries;
  env_.windows.recovered(env_.store);
  backups_.clear();
  // Without a journal it may have reached an epoch that was reached before; whoever knows that will say so.
  doubtful_ = report->epoch <= highest_epoch;
  restored_at_ = env_.now();
  disturbances_.disturb_all(env_.now());
  for (std::uint32_t host = 0; host < hosts(); ++host) {
    seats_[host].refused = seats_[host].held_back = false;
    if (!seats_[host].daemon) env_.queue.after(env_.random.around(time::milliseconds(200)), EventKind::kStart, 0, host);
  }
}

// The store may be recovered already, and only the journal of that host is missing: daemons that knew the old one end.
void SharedWorld::try_again_later() {
  restored_at_ = env_.now();
  recovery_scheduled_ = true;
  later(env_.hard_random.between(time::milliseconds(500), time::seconds(3)), Act::kRecover);
}

void SharedWorld::heal_right() {
  if (doubtful_ || restoring_) return;
  const lease::RightTable table = lease::read_rights(env_.store.list(lease::kRightPrefix)->entries);
  std::vector<mint::MachineId> held;
  for (const auto& [machine, right] : table.rights)
    if (right.window && right.window->value.state == lease::WindowState::kHeld && machine != planted_)
      held.push_back(machine);
  if (held.empty()) return;
  const mint::MachineId machine = held[env_.random.below(held.size())];
  StoreDoor door(env_, nullptr, {Committer::Kind::kOperator, 0, 0});
  const auto healed = control::heal_right(door, machine, "sim");
  env_.note(Happening::kHealed, machine.value, healed ? 1 : 0);
  if (!healed) return env_.report.fail("operator", "a healing is refused: " + healed.error().text);
  ++counts_.heals;
  for (std::uint32_t host = 0; host < hosts(); ++host)
    if (seats_[host].daemon)
      for (const mint::RightSet& set : seats_[host].daemon->view().published)
        for (const mint::Right& right : set.rights())
          if (right.machine == machine) disturb(host);
}

// Left by a clock that was mad long ago: an id that nobody here has used.
void SharedWorld::plant() {
  if (planted_ || doubtful_ || restoring_) return;
  const auto machine = static_cast<std::uint16_t>(env_.scenario.machine_ids - 1);
  if (env_.store.find(lease::window_key({machine})) != nullptr) return;
  const control::Nonce nonce = draw_nonce();
  const time::SmearedUtc floor = SystemClock::honest(env_.now());
  const lease::WindowState state =
      env_.random.below(2) == 0 ? lease::WindowState::kHeld : lease::WindowState::kReleased;
  const std::string identity = env_.store.find(lease::kStoreKey)->value;
  const auto epoch = control::parse_identity(identity)->epoch;
  control::Transaction transaction;
  transaction.puts = {
      {lease::grant_key({machine}), lease::encode(lease::Grant{"mad", nonce, nonce, epoch})},
      {lease::window_key({machine}), lease::encode(lease::Window{floor, floor + kYear, {}, state, nonce})}};
  const control::Revision revision = *env_.store.commit(transaction);
  env_.landed(transaction, revision, {Committer::Kind::kStranger, 0, 0}, env_.now());
  env_.note(Happening::kPlanted, machine);
  ++counts_.plants;
  planted_ = mint::MachineId{machine};
  planted_at_ = revision;
}

}  // namespace gnomon::sim
