// SPDX-License-Identifier: Apache-2.0
//
// The store and its daemons for programs. 64-bit values that are names (ids, clusters, incarnations) are texts, because
// most readers of JSON keep numbers as doubles.
#include <fmt/core.h>

#include "cmd/gnomon/cluster_view.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"

namespace gnomon::cmd {
namespace {

void add_texts(JsonWriter& json, std::string_view key, const std::vector<std::string>& texts) {
  json.key(key).begin_array();
  for (const std::string& text : texts)
    json.text(text);
  json.end_array();
}

void add_store(JsonWriter& json, const ClusterView& view) {
  const StoreFace& store = view.store;
  json.key("store").begin_object().key("url").text(view.facts.url).key("source").text(view.facts.source);
  if (store.identity) {
    json.key("id").text(lease::hex_of(store.identity->id)).key("lineage").text(lease::hex_of(store.identity->machine));
    json.key("epoch").number(store.identity->epoch + 0U);
  } else {
    json.key("id").null().key("lineage").null().key("epoch").null();
  }
  json.key("error")
      .text(view.facts.unread)
      .key("revision")
      .number(store.at.value)
      .key("floor")
      .text(rfc3339(store.floor));
  json.key("sealed");
  if (store.sealed)
    json.text(*store.sealed);
  else
    json.null();
  json.end_object();
}

void add_member(JsonWriter& json, const StoreMember& member) {
  json.begin_object().key("id").text(fmt::format("{:x}", member.id)).key("name").text(member.name);
  json.key("endpoint").text(member.endpoint).key("asked").boolean(member.asked);
  json.key("reachable").boolean(member.reachable).key("error").text(member.error);
  json.key("leader").boolean(member.leader).key("learner").boolean(member.learner).key("version").text(member.version);
  json.key("db_size").number(member.db_size).key("db_size_in_use").number(member.db_size_in_use);
  json.key("raft_term").number(member.raft_term).key("raft_index").number(member.raft_index);
  add_texts(json, "errors", member.complaints);
  json.end_object();
}

void add_members(JsonWriter& json, const ClusterView& view) {
  json.key("etcd");
  if (!view.facts.members) {
    json.null();
    return;
  }
  json.begin_object().key("cluster").text(fmt::format("{:x}", view.facts.members->cluster));
  json.key("leader_known").boolean(view.facts.members->leader_known).key("members").begin_array();
  for (const StoreMember& member : view.facts.members->members)
    add_member(json, member);
  json.end_array();
  add_texts(json, "alarms", view.facts.members->alarms);
  add_texts(json, "unknown", view.facts.members->unknown);
  json.end_object();
}

void add_session(JsonWriter& json, const SessionRow& row) {
  const lease::Session& session = row.seen.session;
  json.begin_object().key("incarnation").text(lease::hex_of(row.seen.incarnation)).key("holder").text(session.holder);
  json.key("standing").text(lease::text_of(session.standing)).key("life").text(text_of(row.sign));
  json.key("revision").number(row.seen.modified.value).key("seen").number(session.seen.value);
  json.key("earliest").text(rfc3339(session.clock.ordering.earliest));
  json.key("latest").text(rfc3339(session.clock.ordering.latest));
  json.key("earliest_from_here_ns").number(row.earliest_from_here.ns);
  json.key("latest_from_here_ns").number(row.latest_from_here.ns);
  if (session.clock.truth)
    json.key("earliest_tai_ns")
        .text(fmt::format("{}", session.clock.truth->earliest.ns))
        .key("latest_tai_ns")
        .text(fmt::format("{}", session.clock.truth->latest.ns));
  else
    json.key("earliest_tai_ns").null().key("latest_tai_ns").null();
  json.key("voters").number(row.voters).key("against").begin_array();
  for (const Clash& clash : row.clashes) {
    json.begin_object().key("holder").text(clash.other).key("ahead").boolean(clash.ahead);
    json.key("by_ns").number(clash.by.ns).key("true_time").boolean(clash.true_time).end_object();
  }
  json.end_array().key("outlook");
  if (row.sign == Sign::kSilent)
    json.null();
  else
    json.text(lease::text_of(row.outlook));
  json.end_object();
}

}  // namespace

std::string cluster_json(const ClusterView& view) {
  JsonWriter json;
  json.begin_object();
  add_store(json, view);
  add_members(json, view);
  json.key("no_members").text(view.facts.no_members).key("sessions").begin_array();
  for (const SessionRow& row : view.sessions)
    add_session(json, row);
  json.end_array();
  add_texts(json, "unreadable_sessions", view.unreadable);
  add_texts(json, "advice", view.advice);
  add_texts(json, "problems", view.problems);
  return json.key("healthy").boolean(view.problems.empty()).end_object().str() + "\n";
}

}  // namespace gnomon::cmd
