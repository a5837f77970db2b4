// SPDX-License-Identifier: Apache-2.0
//
// Views: get, list, validate, and what those who watch are told.
//
// get and validate are read for the call. A list is not: a store lists prefixes and no ranges, so each page would read
// all leases below its prefix and the sessions behind them. What a page needs is remembered already, and may only be
// old. So the store is asked for nothing but its revision, and the page is answered from memory once the watch has told
// of everything up to there: nothing on it is older than the question. If the watch is late, by more than kWatchTakes,
// all is read after all (desk_read.cpp). How many wait is said from memory in any case.
#include <algorithm>

#include "control/lease/desk_engine.hpp"

namespace gnomon::control {
namespace {

// On etcd a revision that somebody else's key has used up is told with the next change of ours: a heartbeat.
constexpr time::Duration kWatchTakes = time::seconds(2);

}  // namespace

std::size_t LeaseDesk::Impl::most_listed(const command::List& list) const {
  return list.limit == 0 ? options_.most_listed : std::min(list.limit, options_.most_listed);
}

bool LeaseDesk::Impl::refuse_question(DeskWork& work) {
  const auto* list = std::get_if<command::List>(&work.call.command);
  const std::string_view name = list == nullptr ? name_of(work.call.command) : std::string_view(list->prefix);
  if (lease::is_name(name) || (list != nullptr && name.empty())) return false;
  // The rules' own words, which they say before they look at anything.
  const lease::Decision decision = lease::break_lease({}, options_.policy, {}, name);
  reply(work, std::get<lease::Answer>(decision));
  return true;
}

void LeaseDesk::Impl::answer_question(DeskWork& work) {
  const Command& command = work.call.command;
  if (const auto* list = std::get_if<command::List>(&command)) {
    if (!work.lists_all && mirror_.told_through() < work.as_of) return follow(work);
    return answer_list(work, *list);
  }
  if (const auto* validate = std::get_if<command::Validate>(&command)) return answer_validate(work, *validate);
  reply(work, Reply{view_read(work, name_of(command))});
}

// What was read tells of the time when the reading began, and an answer may take long. A session that has run out since
// then may also have been renewed since then: whoever is told that it certainly has expired (a writer that waits for
// its readers) would go on beside a holder that believes.
lease::LeaseView LeaseDesk::Impl::view_read(const DeskWork& work, std::string_view name) const {
  lease::LeaseView view = view_of(name, moment());
  if (view.state != lease::LeaseState::kExpired) return view;
  const bool had_expired = work.read_from && view_of(name, &*work.read_from).state == lease::LeaseState::kExpired;
  if (!had_expired) view.state = lease::LeaseState::kExpiring;
  return view;
}

void LeaseDesk::Impl::follow(DeskWork& work) {
  work.phase = Phase::kFollowing;
  following_.emplace(work.as_of, work.call.id);
  set_timer(work, uptime() + kWatchTakes);
}

void LeaseDesk::Impl::answer_followed() {
  while (!following_.empty() && following_.begin()->first <= mirror_.told_through()) {
    const CallId call = following_.begin()->second;
    following_.erase(following_.begin());
    go_on(calls_.at(call));
  }
}

void LeaseDesk::Impl::stop_following(DeskWork& work) {
  following_.erase({work.as_of, work.call.id});
  work.lists_all = true;
  read_first(work);
}

void LeaseDesk::Impl::answer_list(DeskWork& work, const command::List& list) {
  Listed listed = remembered(list.prefix, list.after, most_listed(list), *now_);
  for (lease::LeaseView& view : listed.leases)
    if (view.state == lease::LeaseState::kExpired) view = view_read(work, view.name);
  reply(work, Reply{std::move(listed)});
}

void LeaseDesk::Impl::answer_validate(DeskWork& work, const command::Validate& validate) {
  const lease::Scene scene = mirror_.scene(validate.name, nullptr);
  const lease::LeaseView present = lease::view(scene, options_.policy, *moment(), validate.name);
  Validated validated;
  const auto standing = [&](const lease::Moment& when) {
    return lease::standing_of(scene, options_.policy, when, validate.token, work.as_of);
  };
  validated.standing = standing(*moment());
  // As for a view: it may have been renewed meanwhile.
  if (validated.standing == lease::TokenStanding::kStale && work.read_from &&
      standing(*work.read_from) != lease::TokenStanding::kStale)
    validated.standing = lease::TokenStanding::kDoubtful;
  validated.current = present.token;
  validated.remaining = present.remaining;
  reply(work, Reply{validated});
}

// Without a clock nobody can say how long a grant lasts, but that it is there.
lease::LeaseView LeaseDesk::Impl::view_of(std::string_view name, const lease::Moment* when) const {
  const lease::Scene scene = mirror_.scene(name, nullptr);
  if (when != nullptr) return lease::view(scene, options_.policy, *when, name);
  lease::LeaseView view = lease::view(scene, options_.policy, lease::Moment{}, name);
  const bool is_bound = view.state != lease::LeaseState::kFree && view.state != lease::LeaseState::kUnreadable;
  if (is_bound) view.state = lease::LeaseState::kExpiring;
  view.remaining = view.free_in = {};
  return view;
}

void LeaseDesk::Impl::tell(const std::set<std::string>& names) {
  for (const std::string& name : names)
    effects_.emplace_back(desk_effect::Tell{view_of(name, moment())});
}

Listed LeaseDesk::Impl::remembered(std::string_view prefix, std::string_view after, std::size_t most,
                                   const DeskTime& now) const {
  const lease::Moment* when = now.moment ? &*now.moment : nullptr;
  Listed out;
  for (const std::string& name : mirror_.names(prefix, after, most + 1)) {
    out.more = out.leases.size() == most;
    if (!out.more) out.leases.push_back(view_of(name, when));
  }
  return out;
}

std::size_t LeaseDesk::Impl::parked() const {
  std::size_t count = 0;
  for (const auto& [session, calls] : parked_)
    count += calls.size();
  return count;
}

}  // namespace gnomon::control
