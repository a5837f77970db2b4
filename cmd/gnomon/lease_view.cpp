// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/lease_view.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"

namespace gnomon::cmd {
namespace {

using client::LeaseInfo;
using client::LeaseStatus;

std::string holder_of(const LeaseInfo& lease) {
  if (lease.label.empty()) return harmless(lease.principal);
  return fmt::format("{} ({})", harmless(lease.label), harmless(lease.principal));
}

/// When it can be had, if nobody renews.
std::string free_text(const LeaseInfo& lease) {
  switch (lease.status) {
    case LeaseStatus::kFree: return "now";
    case LeaseStatus::kQuarantined:
    case LeaseStatus::kUnreadable: return "not by itself";
    default: return lease.free_in.ns <= 0 ? "now" : "in " + human_duration(lease.free_in);
  }
}

void add_lease(JsonWriter& json, const LeaseInfo& lease) {
  json.begin_object().key("name").text(lease.name).key("state").text(client::text_of(lease.status));
  json.key("token").text(fmt::format("{}", lease.token)).key("principal").text(harmless(lease.principal));
  json.key("label").text(harmless(lease.label)).key("metadata").text(harmless(lease.metadata));
  json.key("remaining_ns").number(lease.remaining.ns).key("free_in_ns").number(lease.free_in.ns);
  json.key("waiters").number(lease.waiters).end_object();
}

}  // namespace

std::string harmless(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '\\')
      out += c;
    else
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  return out;
}

std::string grant_text(const GrantView& grant) {
  const char* how = "";
  if (!grant.anew)
    how = ", as before";
  else if (grant.taken_over)
    how = ", taken over from a session that had expired";
  else if (grant.queued)
    how = ", after its turn had come";
  std::string out =
      fmt::format("held     {}{}\ntoken    {}\nsession  {}\n", grant.name, how, grant.token, grant.session);
  out += grant.kept
             ? fmt::format("ends     when this command does; {} after it was killed\n", human_duration(grant.ttl))
             : fmt::format("ends     in {}, unless renewed: gnomon lease renew --session {}\n",
                           human_duration(grant.ttl), grant.session);
  return out;
}

std::string grant_json(const GrantView& grant) {
  JsonWriter json;
  json.begin_object().key("name").text(grant.name).key("token").text(fmt::format("{}", grant.token));
  json.key("session").text(grant.session).key("ttl_ns").number(grant.ttl.ns).key("anew").boolean(grant.anew);
  json.key("taken_over").boolean(grant.taken_over).key("queued").boolean(grant.queued);
  return json.key("kept").boolean(grant.kept).end_object().str() + "\n";
}

std::string lease_text(const LeaseInfo& lease) {
  std::string out = fmt::format("lease    {}\nstate    {}\n", lease.name, client::text_of(lease.status));
  if (lease.status != LeaseStatus::kFree) {
    out += fmt::format("token    {}\nholder   {}\n", lease.token, holder_of(lease));
    if (!lease.metadata.empty()) out += fmt::format("metadata {}\n", harmless(lease.metadata));
    out += fmt::format("certain  for {}, unless it is released\nfree     {}, unless it is renewed\n",
                       human_duration(lease.remaining), free_text(lease));
  }
  out += fmt::format("waiting  {}\n", lease.waiters);
  return out;
}

std::string lease_json(const LeaseInfo& lease) {
  JsonWriter json;
  add_lease(json, lease);
  return json.str() + "\n";
}

std::string leases_text(const std::vector<LeaseInfo>& leases) {
  std::size_t width = 4;
  for (const LeaseInfo& lease : leases)
    width = std::max(width, lease.name.size());
  std::string out = fmt::format("{:<{}}  {:<11}  {:>20}  {:>13}  {:>7}  {}\n", "name", width, "state", "token", "free",
                                "waiting", "holder");
  for (const LeaseInfo& lease : leases)
    out += fmt::format("{:<{}}  {:<11}  {:>20}  {:>13}  {:>7}  {}\n", lease.name, width, client::text_of(lease.status),
                       lease.token, free_text(lease), lease.waiters, holder_of(lease));
  return leases.empty() ? "no lease is held\n" : out;
}

std::string leases_json(const std::vector<LeaseInfo>& leases) {
  JsonWriter json;
  json.begin_array();
  for (const LeaseInfo& lease : leases)
    add_lease(json, lease);
  return json.end_array().str() + "\n";
}

std::string change_text(const client::LeaseChange& change) {
  if (change.gap) return "-- some changes may be missing; what is there now follows";
  if (change.caught_up) return "-- that is what is there; changes follow";
  const LeaseInfo& lease = change.lease;
  if (lease.status == LeaseStatus::kFree) return fmt::format("{}  free", lease.name);
  return fmt::format("{}  {}  token {}  by {}  free {}", lease.name, client::text_of(lease.status), lease.token,
                     holder_of(lease), free_text(lease));
}

std::string change_json(const client::LeaseChange& change) {
  JsonWriter json;
  json.begin_object().key("initial").boolean(change.initial).key("caught_up").boolean(change.caught_up);
  json.key("gap").boolean(change.gap).key("lease");
  if (change.gap || change.caught_up)
    json.null();
  else
    add_lease(json, change.lease);
  return json.end_object().str();
}

}  // namespace gnomon::cmd
