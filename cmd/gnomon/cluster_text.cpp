// SPDX-License-Identifier: Apache-2.0
//
// The store and its daemons for people: the store, its members, the sessions with what their clocks say, what to do,
// and on the last line whether all is well.
#include <fmt/core.h>

#include <algorithm>

#include "cmd/gnomon/cluster_view.hpp"
#include "cmd/gnomon/store_place.hpp"
#include "cmd/text/rfc3339.hpp"
#include "cmd/text/wrap.hpp"

namespace gnomon::cmd {
namespace {

constexpr std::size_t kWidth = 100;
constexpr std::string_view kIndent = "         ";  // of whatever belongs to a head word
constexpr std::string_view kBelow = "          ! ";
constexpr std::string_view kFurther = "            ";

std::string bytes(std::uint64_t n) {
  constexpr double kKilo = 1000;
  auto value = static_cast<double>(n);
  for (const char* unit : {"B", "kB", "MB", "GB"}) {
    if (value < kKilo) return fmt::format("{:.{}f} {}", value, *unit == 'B' ? 0 : 1, unit);
    value /= kKilo;
  }
  return fmt::format("{:.1f} TB", value);
}

std::string signed_text(time::Duration d) { return (d.ns >= 0 ? "+" : "") + human_duration(d); }

std::string head(const ClusterView& view) {
  const StoreFace& store = view.store;
  std::string out = fmt::format("store    {}\n", view.facts.url);
  if (!view.facts.meta)
    return out + wrapped(view.facts.unread, kWidth, std::string(kIndent) + "! ", std::string(kIndent) + "  ");
  if (store.identity)
    out += fmt::format("{}id {}, epoch {}, revision {}\n", kIndent, lease::hex_of(store.identity->id),
                       store.identity->epoch, store.at.value);
  else
    out += fmt::format("{}revision {}\n", kIndent, store.at.value);
  if (is_etcd(view.facts.url) && store.identity)
    out += fmt::format("{}lineage {}\n", kIndent, lease::hex_of(store.identity->machine));
  out += fmt::format("{}read from {}\n", kIndent, view.facts.source);
  if (store.floor.ns != 0)
    out += fmt::format("{}no window of any id starts before {}\n", kIndent, rfc3339(store.floor));
  if (store.sealed)
    out += wrapped("sealed: every daemon refuses this store until gnomon control recover, because: " + *store.sealed,
                   kWidth, std::string(kIndent) + "! ", std::string(kIndent) + "  ");
  for (const std::string& fault : store.faults)
    out += wrapped(fault, kWidth, std::string(kIndent) + "! ", std::string(kIndent) + "  ");
  return out;
}

std::string member_line(const StoreMember& member) {
  const std::string name = member.name.empty() ? fmt::format("{:x}", member.id) : member.name;
  const std::string role = !member.asked       ? "not asked"
                           : !member.reachable ? "away"
                           : member.leader     ? "leader"
                           : member.learner    ? "learner"
                                               : "follower";
  std::string out =
      fmt::format("  {:<16}  {:<9}  {:<8}  {:>9}  {:>9}  {:>6}  {:>10}  {}\n", name, role,
                  member.version.empty() ? "-" : member.version, member.reachable ? bytes(member.db_size) : "-",
                  member.reachable ? bytes(member.db_size_in_use) : "-",
                  member.reachable ? fmt::format("{}", member.raft_term) : "-",
                  member.reachable ? fmt::format("{}", member.raft_index) : "-", member.endpoint);
  if (!member.error.empty()) out += wrapped(member.error, kWidth, kBelow, kFurther);
  for (const std::string& complaint : member.complaints)
    out += wrapped(complaint, kWidth, kBelow, kFurther);
  return out;
}

std::string members(const ClusterView& view) {
  if (!view.facts.members)
    return view.facts.no_members.empty() ? std::string()
                                         : "\n" + wrapped(view.facts.no_members, kWidth, "members  ", kIndent);
  const StoreMembers& all = *view.facts.members;
  std::string out = fmt::format("\nmembers  {} of etcd cluster {:x}{}\n", all.members.size(), all.cluster,
                                all.leader_known ? "" : ", without a leader");
  out += fmt::format("  {:<16}  {:<9}  {:<8}  {:>9}  {:>9}  {:>6}  {:>10}  {}\n", "name", "role", "version", "db size",
                     "in use", "term", "raft index", "endpoint");
  for (const StoreMember& member : all.members)
    out += member_line(member);
  for (const std::string& alarm : all.alarms)
    out += fmt::format("{}alarm {}\n", kBelow, alarm);
  return out;
}

std::string clash_text(const Clash& clash) {
  return fmt::format("its {} is {} {} that of {}, at least", clash.true_time ? "true time" : "clock",
                     human_duration(clash.by), clash.ahead ? "ahead of" : "behind", clash.other);
}

std::string session_line(const SessionRow& row) {
  const lease::Session& session = row.seen.session;
  const std::string truth =
      session.clock.truth ? "+-" + human_duration(session.clock.truth->epsilon()) : std::string("none");
  const std::string agrees =
      row.sign == Sign::kSilent ? "-" : fmt::format("{} of {}", row.voters + 1 - row.clashes.size(), row.voters + 1);
  std::string out = fmt::format(
      "  {:<8}  {:<7}  {:>10}  {:>10}  {:>10}  {:<10}  {}\n", lease::text_of(session.standing), text_of(row.sign),
      signed_text(row.earliest_from_here), signed_text(row.latest_from_here), truth, agrees, row.name);
  for (const Clash& clash : row.clashes)
    out += wrapped(clash_text(clash), kWidth, kBelow, kFurther);
  if (row.outlook != lease::Standing::kMember)
    out += wrapped(row.outlook == lease::Standing::kOutvoted
                       ? "most clocks contradict it: it is outvoted and gets no rights until its clock is right"
                       : "as many clocks contradict it as agree: it and they get no rights until one is put right or "
                         "stopped",
                   kWidth, kBelow, kFurther);
  return out;
}

std::string sessions(const ClusterView& view) {
  if (!view.facts.meta) return {};
  if (view.sessions.empty() && view.unreadable.empty())
    return is_etcd(view.facts.url) ? "\nsessions none: no daemon is there\n" : "";
  std::string out = fmt::format("\nsessions {}", view.sessions.size());
  if (view.facts.looks.size() > 1)
    out += fmt::format(", looked at twice, {} apart", human_duration(view.facts.between));
  out += fmt::format("\n  {:<8}  {:<7}  {:>10}  {:>10}  {:>10}  {:<10}  {}\n", "standing", "life", "earliest", "latest",
                     "true time", "agrees", "holder");
  for (const SessionRow& row : view.sessions)
    out += session_line(row);
  for (const std::string& entry : view.unreadable)
    out += wrapped(entry, kWidth, kBelow, kFurther);
  out += wrapped(
      "earliest and latest are what its clock said at its last heartbeat, minus this host's clock now: a right clock's "
      "word is some seconds old and no more",
      kWidth, "  ", "  ");
  return out;
}

std::string advice(const ClusterView& view) {
  std::string out;
  for (const std::string& text : view.advice)
    out += wrapped(text, kWidth, out.empty() ? "\nadvice   " : kIndent, kIndent);
  return out;
}

}  // namespace

std::string cluster_text(const ClusterView& view) {
  std::string out = head(view) + members(view) + sessions(view) + advice(view);
  std::string last;
  for (const std::string& problem : view.problems)
    last += (last.empty() ? "wrong: " : "; ") + problem;
  return out + "\n" + (last.empty() ? "healthy" : last) + "\n";
}

}  // namespace gnomon::cmd
