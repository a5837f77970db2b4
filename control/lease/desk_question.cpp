// SPDX-License-Identifier: Apache-2.0
//
// Views: get, list, validate, and what those who watch are told.
//
// get and validate are read for the call. A list reads all leases under its prefix, each time, since a store lists
// prefixes and not ranges: so lists of many thousands are for operators. How many wait is said from memory there.
#include <algorithm>

#include "control/lease/desk_engine.hpp"

namespace gnomon::control {

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
  if (const auto* list = std::get_if<command::List>(&command)) return answer_list(work, *list);
  if (const auto* validate = std::get_if<command::Validate>(&command)) return answer_validate(work, *validate);
  reply(work, Reply{view_of(name_of(command), moment())});
}

void LeaseDesk::Impl::answer_list(DeskWork& work, const command::List& list) {
  const std::size_t most = most_listed(list);
  Listed listed;
  for (const std::string& name : mirror_.names(list.prefix, list.after, most + 1)) {
    listed.more = listed.leases.size() == most;
    if (!listed.more) listed.leases.push_back(view_of(name, moment()));
  }
  reply(work, Reply{std::move(listed)});
}

void LeaseDesk::Impl::answer_validate(DeskWork& work, const command::Validate& validate) {
  const lease::Scene scene = mirror_.scene(validate.name, nullptr);
  const lease::LeaseView present = lease::view(scene, options_.policy, *moment(), validate.name);
  Validated validated;
  validated.standing = lease::standing_of(scene, options_.policy, *moment(), validate.token, work.as_of);
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

std::vector<lease::LeaseView> LeaseDesk::Impl::remembered(std::string_view prefix, const DeskTime& now) const {
  const lease::Moment* when = now.moment ? &*now.moment : nullptr;
  std::vector<lease::LeaseView> out;
  for (const std::string& name : mirror_.names(prefix, {}, mirror_.leases()))
    out.push_back(view_of(name, when));
  return out;
}

std::size_t LeaseDesk::Impl::parked() const {
  std::size_t count = 0;
  for (const auto& [session, calls] : parked_)
    count += calls.size();
  return count;
}

}  // namespace gnomon::control
