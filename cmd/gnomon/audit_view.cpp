// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/audit_view.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "cmd/gnomon/rights_view.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"
#include "cmd/text/wrap.hpp"
#include "oracle/lease/stored_right.hpp"

namespace gnomon::cmd {
namespace {

using Verdict = lease::AuditFinding::Verdict;

constexpr std::size_t kWidth = 100;
constexpr std::string_view kIndent = "          ";

std::string_view text_of(Verdict verdict) {
  switch (verdict) {
    case Verdict::kHolder: return "holder";
    case Verdict::kNobody: return "nobody";
    case Verdict::kUnknown: return "unknown";
  }
  return "unknown";
}

std::string fields_text(const id::Fields& fields) {
  return fmt::format("{:<24}  machine {}  sequence {}", rfc3339(fields.time), fields.machine.value, fields.sequence);
}

std::string who(const lease::AuditFinding::Holder& holder) {
  return fmt::format("{}, token {}", name_or(holder.holder, holder.incarnation), token_text(holder.token));
}

std::string in_short(const lease::AuditFinding& finding) {
  if (finding.verdict == Verdict::kHolder && finding.holder) return who(*finding.holder);
  if (finding.verdict == Verdict::kNobody) return "nobody: " + finding.text;
  return finding.holder ? fmt::format("not certain: perhaps {}", who(*finding.holder)) : "not known: " + finding.text;
}

std::string rests_on(const lease::AuditFinding& finding) {
  if (!finding.back_to) return finding.text + "; there is no history of rights to this machine id";
  return fmt::format("{}; the history of rights to this machine id goes back to {}", finding.text,
                     finding.back_to->ns == 0 ? "its first one" : "floor " + rfc3339(*finding.back_to));
}

std::string in_full(const AuditRow& row) {
  const lease::AuditFinding& finding = row.finding;
  std::string out = fmt::format("layout    {}: {}\n", row.layout.name(), fields_text(*row.fields));
  switch (finding.verdict) {
    case Verdict::kHolder: out += "issuer    the holder of this right, and nobody else\n"; break;
    case Verdict::kNobody: out += "issuer    nobody can have issued it\n"; break;
    case Verdict::kUnknown: out += "issuer    not known for certain\n"; break;
  }
  if (finding.holder) {
    const lease::AuditFinding::Holder& holder = *finding.holder;
    out += fmt::format("{:<10}{}\n", finding.verdict == Verdict::kHolder ? "holder" : "perhaps",
                       name_or(holder.holder, holder.incarnation));
    out += fmt::format("{}incarnation {}, token {}\n", kIndent, lease::hex_of(holder.incarnation),
                       token_text(holder.token));
    out += fmt::format("{}floor {}, {}\n", kIndent, floor_text(holder.floor),
                       holder.end ? "reached at most to " + rfc3339(*holder.end) : "how far it reached is not known");
    out += fmt::format("{}taken {} by its own clock\n", kIndent, rfc3339(holder.at));
  }
  return out + wrapped(rests_on(finding), kWidth, "rests on  ", kIndent);
}

void add_holder(JsonWriter& json, const lease::AuditFinding::Holder& holder) {
  json.begin_object().key("holder").text(holder.holder).key("incarnation").text(lease::hex_of(holder.incarnation));
  json.key("token").text(fmt::format("{}", holder.token.value)).key("token_text").text(token_text(holder.token));
  json.key("floor").text(rfc3339(holder.floor)).key("end");
  if (holder.end)
    json.text(rfc3339(*holder.end));
  else
    json.null();
  json.key("taken").text(rfc3339(holder.at)).end_object();
}

void add_row(JsonWriter& json, const AuditRow& row) {
  json.begin_object().key("layout").text(row.layout.name());
  if (!row.fields) {
    json.key("error").text(id::text_of(row.fields.error())).end_object();
    return;
  }
  json.key("time").text(rfc3339(row.fields->time)).key("machine").number(row.fields->machine.value + 0U);
  json.key("sequence").number(row.fields->sequence).key("verdict").text(text_of(row.finding.verdict));
  json.key("text").text(row.finding.text).key("history_back_to");
  if (row.finding.back_to)
    json.text(rfc3339(*row.finding.back_to));
  else
    json.null();
  json.key("issuer");
  if (row.finding.holder)
    add_holder(json, *row.finding.holder);
  else
    json.null();
  json.end_object();
}

}  // namespace

tl::expected<AuditView, std::string> audit(const AuditFacts& facts, id::Id id, const std::vector<id::Layout>& layouts) {
  const StoreFace face = face_of(facts.meta);
  if (!face.identity)
    return tl::make_unexpected(fmt::format("the store does not say which it is, so nothing is certain: {}",
                                           face.faults.empty() ? "" : face.faults.front()));
  const lease::History history = lease::read_history(facts.history);
  const lease::RightTable rights = lease::read_rights(facts.rights.entries);
  const lease::StoreFacts store{face.identity_at, face.identity->epoch, face.floor};
  AuditView view{.id = id, .url = facts.url, .source = facts.source, .rows = {}, .unreadable = history.unreadable};
  for (const id::Layout& layout : layouts) {
    AuditRow row{layout, id::decode(layout, id), {}};
    if (row.fields) row.finding = lease::who_could_have(history, rights, store, row.fields->machine, row.fields->time);
    view.rows.push_back(std::move(row));
  }
  return view;
}

ExitCode exit_code_of(const AuditView& view) {
  const bool somebody = std::any_of(view.rows.begin(), view.rows.end(), [](const AuditRow& row) {
    return row.fields && row.finding.verdict != Verdict::kNobody;
  });
  return somebody ? ExitCode::kOk : ExitCode::kRefused;
}

std::string audit_text(const AuditView& view) {
  std::string out = fmt::format("{}\n", view.id.value);
  for (const AuditRow& row : view.rows) {
    if (!row.fields)
      out += fmt::format("  {:<10}  no: {}\n", row.layout.name(), id::text_of(row.fields.error()));
    else if (view.rows.size() == 1)
      out += in_full(row);
    else
      out += fmt::format("  {:<10}  {}  {}\n", row.layout.name(), fields_text(*row.fields), in_short(row.finding));
  }
  out += fmt::format("read from {}\n", view.source);
  for (const std::string& entry : view.unreadable)
    out += wrapped("an entry of the history can't be read, " + entry, kWidth, "! ", "  ");
  return out;
}

std::string audit_json(const AuditView& view) {
  JsonWriter json;
  json.begin_object().key("id").text(fmt::format("{}", view.id.value)).key("store").text(view.url);
  json.key("layouts").begin_array();
  for (const AuditRow& row : view.rows)
    add_row(json, row);
  json.end_array().key("unreadable_history").begin_array();
  for (const std::string& entry : view.unreadable)
    json.text(entry);
  return json.end_array().end_object().str() + "\n";
}

}  // namespace gnomon::cmd
