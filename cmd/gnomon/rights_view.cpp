// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/rights_view.hpp"

#include <algorithm>
#include <set>
#include <tuple>

namespace gnomon::cmd {
namespace {

struct Judge {
  const StoreFace& store;
  time::SmearedUtc now;
  time::SmearedUtc horizon;
  const std::set<control::Nonce>* alive;  // nullptr: nobody has a session here

  [[nodiscard]] RightRow row(mint::MachineId machine, const lease::StoredRight& right,
                             const lease::Window& window) const {
    RightRow out{.machine = machine,
                 .state = RightState::kReleased,
                 .holder = right.grant ? right.grant->value.holder : std::string(),
                 .token = right.token(),
                 .floor = window.floor,
                 .ceiling = window.ceiling,
                 .free_from = std::max(window.ceiling, store.floor),
                 .no_session = false,
                 .fault = {}};
    const bool held = window.state == lease::WindowState::kHeld;
    if (held) out.state = out.ceiling > now ? RightState::kHeld : RightState::kRanOut;
    if (out.ceiling > horizon) out.state = RightState::kQuarantined;
    out.no_session = held && out.ceiling > now && alive != nullptr && right.grant &&
                     !alive->contains(right.grant->value.incarnation);
    return out;
  }
};

bool is_free(const RightRow& row, time::SmearedUtc now) {
  return (row.state == RightState::kReleased || row.state == RightState::kRanOut) && row.free_from <= now;
}

RightRow unreadable_row(const lease::Unreadable& entry) {
  RightRow out{};
  out.machine = entry.machine;
  out.state = RightState::kUnreadable;
  out.fault = entry.text;
  return out;
}

}  // namespace

std::string_view text_of(RightState state) {
  switch (state) {
    case RightState::kHeld: return "held";
    case RightState::kRanOut: return "ran-out";
    case RightState::kReleased: return "released";
    case RightState::kQuarantined: return "quarantined";
    case RightState::kUnreadable: return "unreadable";
  }
  return "unknown";
}

std::size_t RightsView::count(RightState state) const {
  return static_cast<std::size_t>(
      std::count_if(rows.begin(), rows.end(), [&](const RightRow& row) { return row.state == state; }));
}

std::size_t RightsView::free() const {
  return static_cast<std::size_t>(
      std::count_if(rows.begin(), rows.end(), [&](const RightRow& row) { return is_free(row, now); }));
}

std::size_t RightsView::resting() const { return count(RightState::kReleased) + count(RightState::kRanOut) - free(); }

RightsView view_rights(const control::Listing& meta, const control::Listing& rights, const control::Listing& sessions,
                       time::SmearedUtc now, bool shared) {
  RightsView view{.url = {}, .source = {}, .store = face_of(meta), .now = now, .rows = {}};
  const SeenSessions seen = sessions_of(sessions);
  std::set<control::Nonce> alive;
  for (const SeenSession& session : seen.sessions)
    alive.insert(session.incarnation);
  const Judge judge{view.store, now, horizon_of(seen, now), shared ? &alive : nullptr};
  const lease::RightTable table = lease::read_rights(rights.entries);
  for (const auto& [machine, right] : table.rights)
    if (right.window) view.rows.push_back(judge.row(machine, right, right.window->value));
  for (const lease::Unreadable& entry : table.unreadable)
    view.rows.push_back(unreadable_row(entry));
  std::sort(view.rows.begin(), view.rows.end(), [](const RightRow& x, const RightRow& y) {
    return std::tie(x.machine, x.fault) < std::tie(y.machine, y.fault);
  });
  // Both entries of a right may be unreadable; it is still one id.
  const auto same = [](const RightRow& x, const RightRow& y) { return x.machine == y.machine; };
  view.rows.erase(std::unique(view.rows.begin(), view.rows.end(), same), view.rows.end());
  return view;
}

std::vector<RightRow> shown(const RightsView& view, const RightFilter& filter) {
  const bool named = filter.machine || !filter.holder.empty();
  std::vector<RightRow> out;
  for (const RightRow& row : view.rows) {
    if (filter.machine && row.machine.value != *filter.machine) continue;
    if (!filter.holder.empty() && row.holder.find(filter.holder) == std::string::npos) continue;
    if (!named && !filter.all && is_free(row, view.now)) continue;
    out.push_back(row);
  }
  return out;
}

}  // namespace gnomon::cmd
