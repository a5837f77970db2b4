// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/lease_run_machine.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <csignal>

#include "cmd/exit_code.hpp"
#include "cmd/text/rfc3339.hpp"

namespace gnomon::cmd::lease_run {
namespace {

constexpr int kNoSuchProgram = 127;  // as shells have it
constexpr int kNotStarted = 126;
constexpr int kSignalBase = 128;

// Between SIGKILL and the end of the belief: what the kernel needs to end processes that are in the middle of a system
// call. A twentieth of the TTL, within these.
constexpr time::Duration kLeastReserve = time::milliseconds(50);
constexpr time::Duration kMostReserve = time::seconds(1);

// A renewal is due every third of the TTL. Within this part of the TTL from the end at least one has failed.
constexpr std::int64_t kDangerPart = 3;

}  // namespace

CheckedTimes times_for(time::Duration ttl, std::optional<time::Duration> grace) {
  CheckedTimes out;
  out.times.reserve = std::clamp(ttl / 20, kLeastReserve, kMostReserve);
  const time::Duration most = ttl / kDangerPart - out.times.reserve;
  out.times.grace = grace.value_or(std::min(ttl / 10, most));
  if (grace && *grace < time::Duration{0})
    out.fault = "the grace must not be negative";
  else if (most < time::Duration{0})
    out.fault = fmt::format("a TTL of {} leaves no time to end the command in; give it {} or more", human_duration(ttl),
                            human_duration(kLeastReserve * kDangerPart));
  else if (out.times.grace > most)
    out.fault = fmt::format(
        "a grace of {} is too long for a TTL of {}: the command would be asked to end because of one failed renewal; "
        "give it {} or less, or a TTL of {} or more",
        human_duration(out.times.grace), human_duration(ttl), human_duration(most),
        human_duration((out.times.grace + kMostReserve) * kDangerPart));
  return out;
}

int status_of(const Ending& ending) { return ending.signal != 0 ? kSignalBase + ending.signal : ending.code; }

std::vector<Effect> Machine::step(const Event& event) {
  effects_.clear();
  if (state_ == State::kEnded) return {};
  now_ = event.now;
  left_ = event.left;
  std::visit([this](const auto& e) { on(e); }, event.what);
  if (group_lives()) watch_belief();
  if (state_ == State::kClearing) watch_clearing();
  if (group_lives()) plan();
  return std::exchange(effects_, {});
}

void Machine::on(const event::Granted&) {
  if (state_ != State::kIdle) return;
  if (left_ <= times_.grace + times_.reserve) {
    emit(effect::Say{
        fmt::format("{} was granted, but its session could not be renewed since: the command was not started", name_)});
    return finish(cmd::status_of(ExitCode::kRefused));
  }
  state_ = State::kStarting;
  emit(effect::Start{});
}

void Machine::on(const event::Started&) {
  if (state_ == State::kStarting) state_ = State::kRunning;
}

void Machine::on(const event::StartFailed& failed) {
  if (state_ != State::kStarting) return;
  emit(effect::Say{failed.why});
  finish(failed.missing ? kNoSuchProgram : kNotStarted);
}

void Machine::on(const event::CommandEnded& ended) {
  if (state_ != State::kRunning) return;
  ending_ = ended.how;
  state_ = State::kClearing;
  cleared_by_ = now_ + times_.grace;
  if (left_ <= times_.reserve && ended.how.signal == SIGKILL && !killed_) {
    lease_failed_ = true;
    emit(effect::Say{
        fmt::format("the lease of {} ended while this process was stopped: the command was killed", name_)});
  }
  if (ended.alone) return on(event::GroupGone{});
  if (killed_) return;
  emit(effect::Send{SIGTERM});
  emit(effect::Send{SIGCONT});  // or who is stopped would not hear it
}

void Machine::on(const event::GroupGone&) {
  if (state_ != State::kClearing) return;
  finish(lease_failed_ ? cmd::status_of(ExitCode::kRefused) : status_of(ending_.value_or(Ending{})));
}

/// What happens next is the command's business: a forwarded signal is not a reason to kill it.
void Machine::on(const event::Signalled& signalled) {
  if (state_ == State::kIdle) return finish(kSignalBase + signalled.signal);
  if (!group_lives()) return;
  emit(effect::Send{signalled.signal});
  emit(effect::Send{SIGCONT});
}

void Machine::on(const event::Looked&) {}

void Machine::watch_belief() {
  if (left_ <= time::Duration{0}) {
    kill_group(fmt::format("the lease of {} is lost: the command was killed", name_));
  } else if (left_ <= times_.reserve) {
    kill_group(fmt::format("the lease of {} ends in {} and could not be renewed: the command was killed", name_,
                           human_duration(left_)));
  } else if (left_ <= times_.grace + times_.reserve) {
    ask_group();
  } else if (std::exchange(asked_, false)) {
    emit(effect::Say{fmt::format("the lease of {} was renewed after all; the command has been asked to end", name_)});
  }
}

void Machine::ask_group() {
  if (asked_ || killed_) return;
  asked_ = true;
  lease_failed_ = true;
  emit(effect::Say{fmt::format("the lease of {} could not be renewed and ends in {}: the command is asked to end",
                               name_, human_duration(left_))});
  emit(effect::Send{SIGTERM});
  emit(effect::Send{SIGCONT});
}

void Machine::kill_group(const std::string& why) {
  if (killed_) return;
  killed_ = true;
  lease_failed_ = true;
  emit(effect::Say{why});
  emit(effect::Send{SIGKILL});
}

void Machine::watch_clearing() {
  if (killed_ || now_ < cleared_by_) return;
  killed_ = true;
  emit(effect::Say{"what the command had left running was killed"});
  emit(effect::Send{SIGKILL});
}

/// The guard acts a little later than this machine would.
void Machine::plan() {
  const time::Uptime end = now_ + left_;
  if (left_ > time::Duration{0}) emit(effect::KillAt{end - times_.reserve / 2});
  if (killed_) return;  // what remains is the group's end
  time::Uptime next = end - times_.reserve;
  if (!asked_) next = next - times_.grace;
  if (state_ == State::kClearing) next = std::min(next, cleared_by_);
  emit(effect::Wake{next});
}

void Machine::finish(int code) {
  state_ = State::kEnded;
  emit(effect::Release{});
  emit(effect::Exit{code});
}

}  // namespace gnomon::cmd::lease_run
