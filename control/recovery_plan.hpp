// SPDX-License-Identifier: Apache-2.0
//
// What a recovery of a shared store has to do, found out from one reading of the store and from this host's journal.
// shared_recovery.cpp does it.
//
// An entry that can't be read tells of no ceiling that could be relied on: its id gets the store's new floor, as an id
// does of which everything was lost, or whatever is legible of its ceiling, if that is higher. Nothing is lowered, so
// legible nonsense costs an id at worst. Pure but for the reading. Thread rule: as of a Store.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "control/journal.hpp"
#include "control/meta.hpp"
#include "control/state_error.hpp"
#include "control/store.hpp"
#include "oracle/lease/history.hpp"
#include "oracle/lease/stored_right.hpp"
#include "oracle/mint/names.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::control {

/// What is to be done about one machine id.
struct Lift {
  mint::MachineId machine;
  time::SmearedUtc ceiling;
  mint::Token token;
  Revision grant;
  Revision window;
  bool drop_grant = false;  // it can't be read: it would keep the id from everybody for ever
  bool readable = true;
};

/// What the store holds. Moved, never copied: it points into itself.
struct Survey {
  Survey() = default;
  Survey(Survey&&) = default;
  Survey& operator=(Survey&&) = default;
  Survey(const Survey&) = delete;
  Survey& operator=(const Survey&) = delete;
  ~Survey() = default;

  Listing listing;
  std::map<std::string, const Entry*, std::less<>> entries;
  std::optional<StoreIdentity> identity;
  std::optional<Seal> sealed;
  time::SmearedUtc old_floor = time::SmearedUtc::min();
  lease::RightTable rights;
  lease::History history;
  std::vector<std::string> left;

  [[nodiscard]] const Entry* find(std::string_view key) const {
    const auto at = entries.find(key);
    return at == entries.end() ? nullptr : at->second;
  }
  [[nodiscard]] Revision revision_of(std::string_view key) const {
    const Entry* entry = find(key);
    return entry == nullptr ? Revision{} : entry->modified;
  }
};

/// Refused (kDamaged) if the identity is in the words of another version: what else that version knows is not known.
[[nodiscard]] tl::expected<Survey, StateError> survey_store(Store& store);

/// The highest epoch that anything readable tells of, `epoch` at least. `journal`: nullptr if there is none.
[[nodiscard]] std::uint16_t highest_epoch(const Survey& survey, const JournalContent* journal, std::uint16_t epoch);

/// Each right that is held, that can't be read, or of which the journal knows more than the store, by machine id.
[[nodiscard]] std::vector<Lift> plan_lifts(const Survey& survey, const JournalContent* journal, time::SmearedUtc floor);

}  // namespace gnomon::control
