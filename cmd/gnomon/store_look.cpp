// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/store_look.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "cmd/text/rfc3339.hpp"
#include "oracle/lease/heal.hpp"

namespace gnomon::cmd {
namespace {

std::string fault_text(std::string_view key, lease::ValueFault fault) {
  return fmt::format("{} can't be read: {}", key, lease::text_of(fault));
}

/// A seal that can't be read is a seal.
std::string seal_text(std::string_view value) {
  constexpr std::int64_t kNsPerSecond = 1'000'000'000;
  const auto seal = control::parse_seal(value);
  if (!seal) return fault_text(control::kSealKey, seal.error());
  const bool told = seal->at_s > 0 && seal->at_s < std::numeric_limits<std::int64_t>::max() / kNsPerSecond;
  return fmt::format("{} (at {})", seal->text, told ? rfc3339({seal->at_s * kNsPerSecond}) : "no time");
}

}  // namespace

StoreFace face_of(const control::Listing& meta) {
  StoreFace face;
  face.at = meta.at;
  bool named = false;
  for (const control::Entry& entry : meta.entries) {
    if (entry.key == lease::kStoreKey) {
      named = true;
      face.identity_at = entry.modified;
      if (const auto identity = control::parse_identity(entry.value))
        face.identity = *identity;
      else
        face.faults.push_back(fault_text(entry.key, identity.error()));
    } else if (entry.key == control::kFloorKey) {
      if (const auto floor = control::parse_floor(entry.value))
        face.floor = *floor;
      else
        face.faults.push_back(fault_text(entry.key, floor.error()));
    } else if (entry.key == control::kSealKey) {
      face.sealed = seal_text(entry.value);
    }
  }
  if (!named) face.faults.push_back(fmt::format("{} is missing: no daemon has begun here yet", lease::kStoreKey));
  return face;
}

SeenSessions sessions_of(const control::Listing& sessions) {
  SeenSessions out{sessions.at, {}, {}};
  for (const control::Entry& entry : sessions.entries) {
    const auto incarnation = lease::incarnation_of_session(entry.key);
    const auto session = lease::parse_session(entry.value);
    if (!incarnation)
      out.unreadable.push_back(fmt::format("{}: not the key of a session", entry.key));
    else if (!session)
      out.unreadable.push_back(fmt::format("{}: {}", entry.key, lease::text_of(session.error())));
    else
      out.sessions.push_back({*incarnation, entry.modified, *session});
  }
  return out;
}

time::SmearedUtc horizon_of(const SeenSessions& sessions, time::SmearedUtc now) {
  time::SmearedUtc latest = now;
  for (const SeenSession& seen : sessions.sessions)
    latest = std::max(latest, seen.session.clock.ordering.latest);
  return lease::horizon(latest);
}

std::string name_or(std::string_view holder, const control::Nonce& incarnation) {
  return holder.empty() ? "incarnation " + lease::hex_of(incarnation) : std::string(holder);
}

}  // namespace gnomon::cmd
