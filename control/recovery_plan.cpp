// SPDX-License-Identifier: Apache-2.0
#include "control/recovery_plan.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace gnomon::control {
namespace {

using time::SmearedUtc;

// The number of this field, if it is legible in a value that as a whole is not.
std::optional<SmearedUtc> legible(const Entry* entry, std::string_view field) {
  if (entry == nullptr) return std::nullopt;
  const std::string name = " " + std::string(field) + "=";
  const std::size_t at = entry->value.find(name);
  if (at == std::string::npos) return std::nullopt;
  SmearedUtc instant;
  const char* const begin = entry->value.data() + at + name.size();
  const auto read = std::from_chars(begin, entry->value.data() + entry->value.size(), instant.ns);
  return read.ec == std::errc{} ? std::optional(instant) : std::nullopt;
}

tl::expected<void, StateError> read_identity(Survey& survey) {
  const Entry* entry = survey.find(lease::kStoreKey);
  if (entry == nullptr) return {};
  const auto identity = parse_identity(entry->value);
  if (identity)
    survey.identity = *identity;
  else if (identity.error() == lease::ValueFault::kOtherVersion)
    return tl::make_unexpected(
        StateError{StateErrorKind::kDamaged, "the store's " + entry->key +
                                                 " was written by another version of gnomon: run that version's "
                                                 "`gnomon control recover`"});
  return {};
}

void read_layouts(Survey& survey) {
  for (const Entry& entry : survey.listing.entries) {
    if (!entry.key.starts_with(kLayoutPrefix)) continue;
    if (const auto layout = parse_layout(entry.value); !layout)
      survey.left.push_back(entry.key + ": " + std::string(lease::text_of(layout.error())));
  }
}

// The highest ceiling of an id of which something can't be read.
Lift lift_unreadable(const Survey& survey, mint::MachineId machine, SmearedUtc floor) {
  const std::string window_key = lease::window_key(machine);
  const std::string grant_key = lease::grant_key(machine);
  const Entry* window = survey.find(window_key);
  const Entry* grant = survey.find(grant_key);
  Lift lift{machine, floor, {}, survey.revision_of(grant_key), survey.revision_of(window_key), false, false};
  lift.ceiling =
      std::max({lift.ceiling, legible(window, "ceiling").value_or(floor), legible(window, "floor").value_or(floor)});
  for (const lease::Recorded& recorded : survey.history.recorded) {
    const auto taken = recorded.acquisition.taken.find(machine);
    if (taken != recorded.acquisition.taken.end()) lift.ceiling = std::max(lift.ceiling, taken->second.floor);
  }
  lift.drop_grant = grant != nullptr && !lease::parse_grant(grant->value);
  return lift;
}

}  // namespace

tl::expected<Survey, StateError> survey_store(Store& store) {
  auto listing = store.list("");
  if (!listing) return tl::make_unexpected(state_error_of(listing.error()));
  Survey survey;
  survey.listing = std::move(*listing);
  for (const Entry& entry : survey.listing.entries)
    survey.entries.emplace(entry.key, &entry);
  if (auto read = read_identity(survey); !read) return tl::make_unexpected(read.error());
  if (const Entry* floor = survey.find(kFloorKey)) {
    const auto parsed = parse_floor(floor->value);
    survey.old_floor = parsed ? *parsed : legible(floor, "floor").value_or(SmearedUtc::min());
  }
  if (const Entry* seal = survey.find(kSealKey)) survey.sealed = parse_seal(seal->value).value_or(Seal{});
  survey.rights = lease::read_rights(survey.listing.entries);
  survey.history = lease::read_history(survey.listing);
  survey.left = survey.history.unreadable;
  read_layouts(survey);
  return survey;
}

std::uint16_t highest_epoch(const Survey& survey, const JournalContent* journal, std::uint16_t epoch) {
  if (survey.identity) epoch = std::max(epoch, survey.identity->epoch);
  if (journal != nullptr) epoch = std::max(epoch, journal->epoch);
  for (const auto& [machine, right] : survey.rights.rights) {
    if (right.grant) epoch = std::max(epoch, right.grant->value.epoch);
    if (right.window) epoch = std::max(epoch, static_cast<std::uint16_t>(right.window->value.token.value >> 48));
  }
  for (const lease::Recorded& recorded : survey.history.recorded)
    epoch = std::max(epoch, recorded.acquisition.epoch);
  return epoch;
}

std::vector<Lift> plan_lifts(const Survey& survey, const JournalContent* journal, SmearedUtc floor) {
  std::map<mint::MachineId, Lift> lifts;
  for (const lease::Unreadable& fault : survey.rights.unreadable)
    lifts.insert_or_assign(fault.machine, lift_unreadable(survey, fault.machine, floor));
  for (const auto& [machine, right] : survey.rights.rights) {
    if (!right.window || right.window->value.state != lease::WindowState::kHeld) continue;
    lifts.emplace(machine, Lift{machine, right.window->value.ceiling, right.token().value_or(mint::Token{}),
                                right.grant_revision(), right.window_revision()});
  }
  if (journal != nullptr) {
    for (const auto& [machine, noted] : journal->rights) {
      const lease::StoredRight* right = survey.rights.find(machine);
      const bool known = right != nullptr && right->window && right->window->value.ceiling >= noted.ceiling;
      const auto at = lifts.find(machine);
      if (at != lifts.end())
        at->second.ceiling = std::max(at->second.ceiling, noted.ceiling);
      else if (right != nullptr && !known)
        lifts.emplace(machine, Lift{machine, noted.ceiling, right->token().value_or(mint::Token{}),
                                    right->grant_revision(), right->window_revision()});
      else if (!known)
        lifts.emplace(machine, Lift{machine, noted.ceiling, {}, {}, {}});
    }
  }
  std::vector<Lift> plan;
  plan.reserve(lifts.size());
  for (const auto& [machine, lift] : lifts)
    plan.push_back(lift);
  return plan;
}

}  // namespace gnomon::control
