// SPDX-License-Identifier: Apache-2.0
//
// The rights as a table and as JSON. A line for each right, the holder at its end, so that grep and sort are of use;
// what needs an operator stands as a sentence below it.
#include <fmt/core.h>

#include <algorithm>

#include "cmd/gnomon/rights_view.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"
#include "cmd/text/wrap.hpp"

namespace gnomon::cmd {
namespace {

constexpr std::size_t kWidth = 100;
constexpr std::string_view kBelow = "         ! ";
constexpr std::string_view kFurther = "           ";

/// Milliseconds are enough here; the JSON has the nanoseconds.
std::string in_ms(time::SmearedUtc t) { return t.ns == 0 ? "-" : rfc3339({t.ns / 1'000'000 * 1'000'000}); }

std::string remaining(const RightRow& row, time::SmearedUtc now) {
  if (row.state == RightState::kUnreadable) return "-";
  if (row.free_from <= now) return fmt::format("free for {}", human_duration(time::saturating_sub(now, row.free_from)));
  const char* word = row.state == RightState::kHeld ? "runs" : "rests";
  const time::SmearedUtc until = row.state == RightState::kHeld ? row.ceiling : row.free_from;
  return fmt::format("{} {}", word, human_duration(time::saturating_sub(until, now)));
}

std::string line(const RightRow& row, time::SmearedUtc now) {
  const bool readable = row.state != RightState::kUnreadable;
  std::string out = fmt::format(
      "{:>7}  {:<11}  {:>12}  {:<24}  {:<24}  {:<17}  {}{}", row.machine.value, text_of(row.state),
      row.token ? token_text(*row.token) : "-", readable ? in_ms(row.floor) : "-", readable ? in_ms(row.ceiling) : "-",
      remaining(row, now), row.holder.empty() ? "-" : row.holder, row.no_session ? " (no session)" : "");
  return out + '\n';
}

std::string remark(const RightRow& row) {
  if (row.state != RightState::kUnreadable) return {};
  return wrapped(row.fault + "; nobody takes this id: gnomon control recover makes it usable again", kWidth, kBelow,
                 kFurther);
}

std::string on_quarantine(const std::vector<RightRow>& rows) {
  if (std::none_of(rows.begin(), rows.end(), [](const RightRow& row) { return row.state == RightState::kQuarantined; }))
    return {};
  return wrapped(
      "quarantined: such a window reaches further ahead than any right clock asks for, and nobody is granted the id "
      "before it ends; if its holder still runs, gnomon control heal takes it away",
      kWidth, "       ! ", "         ");
}

std::string head(const RightsView& view) {
  std::string out = fmt::format("store {}  revision {}", view.url, view.store.at.value);
  if (view.store.identity) out += fmt::format(", epoch {}", view.store.identity->epoch);
  out += fmt::format("  (from {})\n", view.source);
  if (view.store.sealed)
    out +=
        wrapped("sealed: every daemon refuses this store until gnomon control recover", kWidth, "      ! ", "        ");
  for (const std::string& fault : view.store.faults)
    out += wrapped(fault, kWidth, "      ! ", "        ");
  if (view.store.floor > view.now)
    out += wrapped(fmt::format("no window of any id starts before {} (meta/floor)", in_ms(view.store.floor)), kWidth,
                   "      ! ", "        ");
  return out;
}

std::string sums(const RightsView& view, std::size_t left_out) {
  std::string out = fmt::format(
      "{} held, {} resting, {} free, {} quarantined, {} unreadable; ids that were never used are in no list\n",
      view.count(RightState::kHeld), view.resting(), view.free(), view.count(RightState::kQuarantined),
      view.count(RightState::kUnreadable));
  if (left_out != 0) out += fmt::format("{} free {} not shown: --all\n", left_out, left_out == 1 ? "id is" : "ids are");
  return out;
}

void add_row(JsonWriter& json, const RightRow& row, time::SmearedUtc now) {
  json.begin_object().key("machine").number(row.machine.value + 0U).key("state").text(text_of(row.state));
  if (row.state == RightState::kUnreadable) {
    json.key("fault").text(row.fault).end_object();
    return;
  }
  json.key("holder").text(row.holder).key("session").boolean(!row.no_session);
  json.key("token");
  if (row.token)
    json.text(fmt::format("{}", row.token->value)).key("token_text").text(token_text(*row.token));
  else
    json.null().key("token_text").null();
  json.key("floor").text(rfc3339(row.floor)).key("ceiling").text(rfc3339(row.ceiling));
  json.key("free_from").text(rfc3339(row.free_from));
  json.key("remaining_ns").number(time::saturating_sub(row.free_from, now).ns).end_object();
}

}  // namespace

std::string token_text(mint::Token token) {
  constexpr unsigned kEpochShift = 48;
  return fmt::format("{}/{}", token.value >> kEpochShift, token.value & ((std::uint64_t{1} << kEpochShift) - 1));
}

std::string floor_text(time::SmearedUtc floor) { return floor.ns == 0 ? "none" : rfc3339(floor); }

std::string rights_text(const RightsView& view, const RightFilter& filter) {
  const std::vector<RightRow> rows = shown(view, filter);
  std::string out = head(view);
  if (rows.empty() && filter.machine)
    out += fmt::format("no right of machine id {}: it was never used here\n", *filter.machine);
  else if (rows.empty())
    out += "no rights to show\n";
  else
    out += fmt::format("\n{:>7}  {:<11}  {:>12}  {:<24}  {:<24}  {:<17}  {}\n", "machine", "state", "token", "floor",
                       "ceiling", "time", "holder");
  for (const RightRow& row : rows)
    out += line(row, view.now) + remark(row);
  out += on_quarantine(rows);
  const bool filtered = filter.machine || !filter.holder.empty();
  return out + "\n" + sums(view, filtered ? 0 : view.rows.size() - rows.size());
}

std::string rights_json(const RightsView& view, const RightFilter& filter) {
  JsonWriter json;
  json.begin_object().key("store").text(view.url).key("revision").number(view.store.at.value);
  json.key("epoch");
  if (view.store.identity)
    json.number(view.store.identity->epoch + 0U);
  else
    json.null();
  json.key("sealed").boolean(view.store.sealed.has_value()).key("floor").text(rfc3339(view.store.floor));
  json.key("now").text(rfc3339(view.now)).key("rights").begin_array();
  for (const RightRow& row : shown(view, filter))
    add_row(json, row, view.now);
  json.end_array().key("held").number(std::uint64_t{view.count(RightState::kHeld)});
  json.key("resting").number(std::uint64_t{view.resting()}).key("free").number(std::uint64_t{view.free()});
  json.key("quarantined").number(std::uint64_t{view.count(RightState::kQuarantined)});
  json.key("unreadable").number(std::uint64_t{view.count(RightState::kUnreadable)}).end_object();
  return json.str() + "\n";
}

}  // namespace gnomon::cmd
