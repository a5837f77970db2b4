// SPDX-License-Identifier: Apache-2.0
//
// From ready to the end: the main loop, reloading, and giving the rights back.
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "cmd/gnomond/access.hpp"
#include "cmd/gnomond/clock_assembly.hpp"
#include "cmd/gnomond/daemon.hpp"
#include "cmd/gnomond/log.hpp"
#include "cmd/gnomond/notify.hpp"
#include "cmd/options/value.hpp"
#include "cmd/text/rfc3339.hpp"
#include "platform/cycle_counter.hpp"
#include "platform/uptime.hpp"
#include "ptp/processes.hpp"

namespace gnomon::cmd {
namespace {

using std::chrono::milliseconds;
using NoteKind = control::effect::Note::Kind;

constexpr auto kTurn = milliseconds(100);         // how soon a failure of the agent is noticed
constexpr auto kStartTurn = milliseconds(5);      // the same, until the daemon is ready
constexpr auto kSettleLimit = time::seconds(10);  // then the daemon is ready without rights, and says so
constexpr auto kReleaseLimit = time::seconds(10);
constexpr auto kSameRequest = time::milliseconds(500);  // some senders (timeout(1), a terminal) signal twice at once
constexpr auto kLookForPhc2sysEvery = time::seconds(5);
constexpr auto kDrainLimit = time::milliseconds(500);

LogLevel level_of(NoteKind kind) {
  switch (kind) {
    case NoteKind::kExtended: return LogLevel::kDebug;
    case NoteKind::kAcquired:
    case NoteKind::kClocksAgree:
    case NoteKind::kReleased: return LogLevel::kInfo;
    default: return LogLevel::kWarn;
  }
}

/// The agent's notes are terse; an operator wants to know until when, too.
std::string sentence(const control::effect::Note& note) {
  const std::string until =
      note.until.ns == 0 || note.until == time::SmearedUtc::max() ? "a time that is not known" : rfc3339(note.until);
  switch (note.kind) {
    case NoteKind::kAcquired: return "rights acquired: " + note.text;
    case NoteKind::kIdsExhausted:
      return fmt::format("{}, the others are taken; the next one that is needed frees at {}", note.text, until);
    case NoteKind::kBehindItsIds: return fmt::format("{} before the clock reads {}", note.text, until);
    case NoteKind::kWaitingForFloor: return fmt::format("{}, the others are free at {}", note.text, until);
    default: return note.text;
  }
}

/// The running settings with everything that SIGHUP may change taken from the new ones. What else differs is named.
Settings merged(Settings running, Settings fresh, std::vector<std::string>& need_restart) {
  for (const OptionRow& row : option_table()) {
    const Value value = value_in(row, fresh);
    if (row.reloadable)
      assign(row, value, running);
    else if (value != value_in(row, running))
      need_restart.push_back(row.name());
  }
  return running;
}

}  // namespace

void Daemon::on_note(const control::effect::Note& note) {
  const std::string text = sentence(note);
  log_line(level_of(note.kind), text);
  if (note.kind == NoteKind::kCloned) clock_->distrust_counter();  // the counter's past is another machine's
  if (note.kind == NoteKind::kExtended) return;
  reporter_->add_note(fmt::format("{} {}", rfc3339(reporter_->report().clock.now), text));
}

std::string Daemon::failed_agent() const {
  const std::lock_guard lock(failure_mutex_);
  return agent_failure_;
}

bool Daemon::agent_has_settled() const {
  const control::AgentView view = agent_->view();
  return view.state == control::AgentState::kHeld || view.waiting_until ||
         (view.last_note && view.last_note->kind == NoteKind::kIdsExhausted);
}

std::string Daemon::summary() const {
  const control::AgentView view = agent_->view();
  std::size_t rights = 0;
  for (const mint::RightSet& set : view.published)
    rights += set.count;
  return fmt::format("{}; {} rights; layouts {}", control::text_of(view.state), rights, [&] {
    std::string names;
    for (const id::Layout& layout : layouts_)
      names += fmt::format("{}{}", names.empty() ? "" : ", ", layout.name());
    return names;
  }());
}

/// The watchdog is fed only while both the clock thread and the agent's loop move.
void Daemon::feed_watchdog() {
  if (!watchdog_interval_) return;
  const time::Uptime now = platform::read_uptime();
  if (now - watchdog_fed_ < time::microseconds(watchdog_interval_->count() / 2)) return;
  page::ClockRecord record;
  std::uint64_t version = 0;
  if (!pages_->clock().record.try_read(record, version)) return;
  const std::uint64_t readings = record.readings + record.failed_readings;
  const std::uint64_t turns = agent_->turns();
  if (readings == readings_seen_ || turns == turns_seen_) return;  // either stands still: asked again next turn
  readings_seen_ = readings;
  turns_seen_ = turns;
  watchdog_fed_ = now;
  notify_watchdog();
  notify_status(summary());
}

Or<void> Daemon::serve(const Signals& signals) {
  const time::Uptime settle_by = platform::read_uptime() + kSettleLimit;
  while (true) {
    const Signal signal = signals.wait(announced_ ? kTurn : kStartTurn);
    if (signal == Signal::kStop) return end(signals, "asked to stop");
    if (signal == Signal::kReload) reload();
    if (const std::string failure = failed_agent(); !failure.empty()) {
      log_error("{}", failure);
      return refused(failure);
    }
    if (!announced_ && (agent_has_settled() || platform::read_uptime() > settle_by)) {
      if (!agent_has_settled()) log_warn("there are no rights yet; requests are answered not_leased until there are");
      if (auto done = announce(); !done) return done;
    }
    if (auto done = look_after_ports(); !done) {
      (void)end(signals, done.error().text);
      return done;
    }
    if (store_is_lost()) {
      const std::string why =
          "another etcd cluster answers in the place of ours (was it restored, or made anew?), and no right runs any "
          "more: the next start holds it against the journal";
      (void)end(signals, why);
      return refused(why);
    }
    look_after_clock();
    feed_watchdog();
  }
}

/// Logs when the true time is lost or back, and which of the sources was evicted.
void Daemon::report_clock() {
  const ptp::ClockStatus status = clock_->status();
  const time::ClockFault fault = status.truth.line.fault;
  report_evictions(status);
  if (status.truth.contradictions != contradictions_)
    log_warn("the sources of time deny what they said before: what was said in the {} ms before that is suspect",
             status.truth.suspect.ns / 1'000'000);
  contradictions_ = status.truth.contradictions;
  report_sources(status, clock_fault_ != fault);
  if (clock_fault_ == fault) return;
  clock_fault_ = fault;
  if (fault == time::ClockFault::kNone)
    log_info("the true time is known, from {} independent sources{}", status.truth.roots,
             status.resumed ? ", after what an earlier run had proved" : "");
  else
    log_warn("there is no true time: {}", time::text_of(fault));
}

/// What each source lacks when the whole changes, and else what is new; that one settles is no news.
void Daemon::report_sources(const ptp::ClockStatus& status, bool all) {
  source_faults_.resize(status.sources.size());
  for (std::size_t i = 0; i < status.sources.size(); ++i) {
    const ptp::SourceReport& source = status.sources[i];
    const auto& error = source.view.error;
    const auto fault = error ? std::optional(error->fault) : std::nullopt;
    const bool news = fault && fault != source_faults_[i] && *fault != ptp::SourceFault::kSettling;
    if (error && (all || news)) log_warn("{}: {}", source.description, error->text);
    if (fault != ptp::SourceFault::kSettling) source_faults_[i] = fault;
  }
}

void Daemon::report_evictions(const ptp::ClockStatus& status) {
  evictions_.resize(status.sources.size());
  for (std::size_t i = 0; i < status.sources.size(); ++i) {
    const ptp::SourceReport& source = status.sources[i];
    if (source.view.evictions != evictions_[i])
      log_warn("evicted, since most others contradict it or it jumped by whole seconds: {}", source.description);
    evictions_[i] = source.view.evictions;
  }
}

/// The store in use will not come back, and nothing is served: as long as a right runs, it is worth more than a
/// restart.
bool Daemon::store_is_lost() const {
  if (!keep_->was_replaced()) return false;
  page::ClockRecord record;
  std::uint64_t version = 0;
  if (!pages_->clock().record.try_read(record, version)) return false;
  const time::SmearedUtc now = record.ordering.line.at(platform::read_cycles());
  const control::AgentView view = agent_->view();
  return std::all_of(view.published.begin(), view.published.end(), [&](const mint::RightSet& set) {
    return std::all_of(set.rights().begin(), set.rights().end(),
                       [&](const mint::Right& right) { return right.ceiling <= now; });
  });
}

void Daemon::look_after_clock() {
  report_clock();
  const time::Uptime now = platform::read_uptime();
  if (now - looked_for_phc2sys_ < kLookForPhc2sysEvery) return;
  looked_for_phc2sys_ = now;
  clock_->note_phc2sys(ptp::process_runs("phc2sys"));
  clock_->note_kernel_trust(ptp::kernel_trusts_counter());
}

/// What happens to the ports is news for the log and for `gnomon status`.
Or<void> Daemon::look_after_ports() {
  const auto news = workers_->look_after_ports();
  if (!news) return refused(news.error().text);
  for (const std::string& text : *news) {
    log_warn("{}", text);
    reporter_->add_note(fmt::format("{} {}", rfc3339(reporter_->report().clock.now), text));
  }
  return {};
}

void Daemon::reload() {
  notify_reloading();
  const auto sources = gather(arguments_.config_file, arguments_.flags);
  const auto fresh = sources ? resolve(*sources) : tl::make_unexpected(sources.error());
  const auto refuse = [&](const std::string& problem) {
    log_error("not reloaded, everything stays as it was: {}", problem);
  };
  if (!fresh) {
    for (const std::string& problem : fresh.error())
      refuse(problem);
    reporter_->reload_failed();
  } else {
    std::vector<std::string> need_restart;
    const Settings effective = merged(settings(), fresh->settings, need_restart);
    for (const std::string& name : need_restart)
      log_warn("{} has changed in the configuration; it needs a restart", name);
    auto policy = access_policy(effective);
    if (policy) {
      take_over(effective, std::move(*policy));
    } else {
      refuse(policy.error());
      reporter_->reload_failed();
    }
  }
  if (announced_) notify_ready(summary());
}

void Daemon::take_over(const Settings& effective, serve::AccessPolicy policy) {
  arguments_.configuration.settings = effective;
  policy.version = ++policy_version_;
  const std::size_t keys = policy.keys.size();
  workers_->use_policy(std::make_shared<const serve::AccessPolicy>(std::move(policy)));
  set_log_level(effective.log.level);
  std::string warning;
  const time::LeapTable leaps = leap_table(effective, warning);
  if (warning.empty())
    clock_->use_leaps(leaps);
  else
    log_warn("the table of leap seconds stays as it was: {}", warning);
  reporter_->reload_done(policy_version_);
  log_info("reloaded: {} keys, {} allowed and {} denied networks", keys, effective.access.allow.size(),
           effective.access.deny.size());
}

/// Ends the process though the agent did not stop: joining its thread could take for ever (it may hang in the store).
/// Nothing is lost by that. What the store acknowledged is synced; rights that stay held run out with their windows, no
/// worker issues past them, and the next start takes fresh machine ids or waits for the floors. Locks, sockets and
/// mappings go with the process, and the pages left in /dev/shm are replaced by the next start.
void Daemon::end_without_agent(const std::string& why) {
  log_error("{}", why);  // written and flushed when this returns
  workers_->drain_and_stop(time::milliseconds(0));
  std::fflush(nullptr);
  ::_exit(status_of(ExitCode::kRefused));
}

Or<void> Daemon::end(const Signals& signals, const std::string& why) {
  log_info("{}: giving the rights back; a second signal ends without that", why);
  notify_stopping();
  leases_->begin_end();  // before this daemon gives up its place in the vote on clocks
  agent_->request_stop();
  std::optional<control::effect::Stopped> stopped;
  const time::Uptime asked = platform::read_uptime();
  const time::Uptime until = asked + kReleaseLimit;
  while (!stopped && platform::read_uptime() < until) {
    stopped = agent_->wait_stopped(time::milliseconds(5));
    if (signals.wait(milliseconds(0)) == Signal::kStop && platform::read_uptime() - asked > kSameRequest)
      end_without_agent("ended by a second signal; rights that were not given back run out by themselves");
  }
  if (!stopped) end_without_agent("the rights could not be given back in time; they run out by themselves");
  workers_->drain_and_stop(kDrainLimit);
  leases_->finish_end();
  if (stopped->failed) return refused(stopped->text);
  log_info("{}", stopped->text);
  return {};
}

}  // namespace gnomon::cmd
