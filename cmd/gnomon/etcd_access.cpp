// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/etcd_access.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <utility>

#include "cmd/options/etcd_settings.hpp"
#include "control/etcd/etcd_health.hpp"
#include "control/etcd/etcd_store.hpp"

namespace gnomon::cmd {
namespace {

ReadOr<control::EtcdOptions> options_of(const Settings& settings) {
  if (!is_etcd(settings))
    return tl::make_unexpected(ReadFailure{
        ExitCode::kUsage,
        fmt::format(
            "store.url is '{}', and without a daemon only an etcd can be asked: write --store etcd:https://..., "
            "or leave --direct and --store out",
            settings.store.url)});
  auto options = etcd_options(settings);
  if (!options) return tl::make_unexpected(ReadFailure{ExitCode::kUsage, options.error()});
  return std::move(*options);
}

std::uint64_t size_of(std::int64_t bytes) { return static_cast<std::uint64_t>(std::max<std::int64_t>(bytes, 0)); }

StoreMember member_of(const control::EtcdMember& from) {
  StoreMember to{.id = from.id,
                 .name = from.name,
                 .endpoint = from.endpoint,
                 .asked = !from.endpoint.empty(),
                 .reachable = from.reachable,
                 .error = from.error,
                 .learner = from.learner,
                 .leader = from.is_leader,
                 .version = from.version,
                 .db_size = size_of(from.db_size_bytes),
                 .db_size_in_use = size_of(from.db_size_in_use_bytes),
                 .raft_term = from.raft_term,
                 .raft_index = from.raft_index,
                 .complaints = from.errors};
  if (to.endpoint.empty() && !from.client_urls.empty()) to.endpoint = from.client_urls.front();
  return to;
}

std::string name_of(const control::EtcdHealth& health, std::uint64_t id) {
  for (const control::EtcdMember& member : health.members)
    if (member.id == id && !member.name.empty()) return member.name;
  return fmt::format("{:x}", id);
}

StoreMembers members_of(const control::EtcdHealth& health) {
  StoreMembers out{
      .cluster = health.cluster_id, .leader_known = health.leader_known, .members = {}, .alarms = {}, .unknown = {}};
  for (const control::EtcdMember& member : health.members)
    out.members.push_back(member_of(member));
  for (const control::EtcdAlarm& alarm : health.alarms)
    out.alarms.push_back(fmt::format("{} at {}", alarm.name, name_of(health, alarm.member_id)));
  for (const std::string& error : {health.members_error, health.alarms_error})
    if (!error.empty()) out.unknown.push_back(error);
  return out;
}

}  // namespace

ReadOr<std::unique_ptr<control::Store>> open_etcd(const Settings& settings) {
  auto options = options_of(settings);
  if (!options) return tl::make_unexpected(options.error());
  auto store = control::EtcdStore::open(std::move(*options));
  // Nothing has been sent yet: what is wrong is a file that an option names.
  if (!store) return tl::make_unexpected(ReadFailure{ExitCode::kUsage, store.error().text});
  return std::move(*store);
}

ReadOr<StoreMembers> etcd_members(const Settings& settings) {
  const auto options = options_of(settings);
  if (!options) return tl::make_unexpected(options.error());
  const auto health = control::ask_health(*options);
  if (!health) return tl::make_unexpected(ReadFailure{ExitCode::kUsage, health.error().text});
  if (health->cluster_id != 0) return members_of(*health);
  std::string text = "no endpoint of store.url answers";
  for (const control::EtcdMember& member : health->members)
    if (!member.error.empty())
      return tl::make_unexpected(ReadFailure{ExitCode::kUnreachable, text + ": " + member.error});
  return tl::make_unexpected(ReadFailure{ExitCode::kUnreachable, text});
}

ReadFailure failure_of(const control::StoreError& error) {
  const bool gone =
      error.kind == control::StoreErrorKind::kUnavailable || error.kind == control::StoreErrorKind::kUnknown;
  return {gone ? ExitCode::kUnreachable : ExitCode::kRefused, error.text};
}

}  // namespace gnomon::cmd
