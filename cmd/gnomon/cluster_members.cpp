// SPDX-License-Identifier: Apache-2.0
//
// What is wrong with the etcd behind the store, and what its operator should do about it.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>

#include "cmd/gnomon/cluster_view.hpp"

namespace gnomon::cmd {
namespace {

using Version = std::array<unsigned, 3>;

/// 3.5.16, also with something behind it; nothing if it is no such text.
std::optional<Version> parse_version(std::string_view text) {
  Version out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (i != 0 && (text.empty() || text.front() != '.')) return std::nullopt;
    if (i != 0) text.remove_prefix(1);
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), out.at(i));
    if (fault != std::errc{}) return std::nullopt;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  }
  return out;
}

std::string name_of(const StoreMember& member) {
  return member.name.empty() ? fmt::format("{:x}", member.id) : member.name;
}

void judge_versions(const StoreMembers& all, ClusterView& view) {
  constexpr Version kFirstWithoutInconsistency{3, 4, 32};  // etcd issue 14211
  std::set<std::string> versions;
  std::string old;
  for (const StoreMember& member : all.members) {
    if (member.version.empty()) continue;
    versions.insert(member.version);
    const auto version = parse_version(member.version);
    if (version && *version < kFirstWithoutInconsistency)
      old += fmt::format("{}{} ({})", old.empty() ? "" : ", ", name_of(member), member.version);
  }
  if (!old.empty())
    view.advice.push_back(
        fmt::format("etcd releases before 3.4.32 are for tests only, because their members can come to disagree about "
                    "revisions after a crash (etcd issue 14211); upgrade to 3.5: {}",
                    old));
  if (versions.size() > 1)
    view.advice.emplace_back("the members run different versions of etcd: finish the upgrade, one member at a time");
}

void judge_quorum(const StoreMembers& all, ClusterView& view) {
  const auto& members = all.members;
  const auto voting = static_cast<std::size_t>(
      std::count_if(members.begin(), members.end(), [](const StoreMember& m) { return !m.learner; }));
  const auto present = static_cast<std::size_t>(std::count_if(
      members.begin(), members.end(), [](const StoreMember& m) { return !m.learner && (m.reachable || !m.asked); }));
  const std::size_t quorum = voting / 2 + 1;
  if (present < voting && present >= quorum)
    view.advice.push_back(fmt::format("{} of {} voting members answer: {}", present, voting,
                                      present == quorum ? "the next one that fails stops every commit"
                                                        : fmt::format("{} more may fail", present - quorum)));
  if (voting % 2 == 0 && voting != 0)
    view.advice.push_back(
        fmt::format("{} voting members bear no more failures than {}: use an odd number", voting, voting - 1));
}

}  // namespace

void judge_members(ClusterView& view) {
  if (view.facts.members_silent) view.problems.emplace_back("no member of etcd answers");
  if (!view.facts.members) return;
  const StoreMembers& members = *view.facts.members;
  if (!members.leader_known) view.problems.emplace_back("etcd has no leader: nothing can be committed");
  for (const StoreMember& member : members.members) {
    if (!member.asked)
      view.advice.push_back(
          fmt::format("store.url names no endpoint of member {}, so nobody here can say how it is", name_of(member)));
    else if (!member.reachable)
      view.problems.push_back(fmt::format("member {} does not answer", name_of(member)));
    if (member.learner)
      view.advice.push_back(fmt::format(
          "{} is a learner and does not vote yet: promote it once it has caught up (etcdctl member promote)",
          name_of(member)));
    for (const std::string& complaint : member.complaints)
      view.problems.push_back(fmt::format("member {} reports: {}", name_of(member), complaint));
  }
  for (const std::string& alarm : members.alarms) {
    view.problems.push_back("alarm " + alarm);
    if (alarm.starts_with("NOSPACE"))
      view.advice.emplace_back(
          "NOSPACE: etcd takes no write until its data is below the quota again: compact, defragment every member, "
          "then "
          "etcdctl alarm disarm");
    if (alarm.starts_with("CORRUPT"))
      view.advice.emplace_back(
          "CORRUPT: the members disagree about what is stored: stop the one that is wrong, remove it and add it anew");
  }
  for (const std::string& text : members.unknown)
    view.advice.push_back(text);
  judge_versions(members, view);
  judge_quorum(members, view);
}

}  // namespace gnomon::cmd
