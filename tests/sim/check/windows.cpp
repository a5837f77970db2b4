// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/check/windows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include "control/meta.hpp"
#include "oracle/lease/stored_right.hpp"

namespace gnomon::sim {
namespace {

constexpr std::string_view kWindowKeyHead = "right/m/";
constexpr std::string_view kWindowKeyTail = "/window";

struct StoredWindow {
  mint::MachineId machine;
  lease::Window window;
};

std::optional<StoredWindow> window_of(const control::Put& put) {
  const std::string_view key = put.key;
  if (!key.starts_with(kWindowKeyHead) || !key.ends_with(kWindowKeyTail)) return std::nullopt;
  StoredWindow stored;
  std::from_chars(key.data() + kWindowKeyHead.size(), key.data() + key.size(), stored.machine.value);
  const auto window = lease::parse_window(put.value);
  if (!window) return std::nullopt;
  stored.window = *window;
  return stored;
}

}  // namespace

// Of several whose tokens share their low halves, as those of different epochs may, the one that covers the instant.
Windows::Grant* Windows::find(mint::MachineId machine, std::uint32_t token_low, time::SmearedUtc at) {
  std::vector<Grant>& grants = machines_[machine.value].grants;
  Grant* found = nullptr;
  for (Grant& grant : grants) {
    if (static_cast<std::uint32_t>(grant.token.value) != token_low) continue;
    const bool better = found == nullptr || (grant.floor <= at && at < grant.ceiling) || found->ceiling <= at;
    if (better) found = &grant;
  }
  return found;
}

void Windows::sent(const control::Transaction& transaction) {
  for (const control::Put& put : transaction.puts) {
    const auto stored = window_of(put);
    if (!stored || stored->window.state != lease::WindowState::kReleased) continue;
    for (Grant& grant : machines_[stored->machine.value].grants)
      if (grant.token == stored->window.token) grant.release_sent = true;
  }
}

void Windows::landed(const control::Transaction& transaction, control::Revision revision, Committer::Kind by,
                     time::Uptime sent_at) {
  for (const control::Put& put : transaction.puts) {
    const auto stored = window_of(put);
    if (!stored) continue;
    const std::string grant_key = lease::grant_key(stored->machine);
    const auto grant = std::find_if(transaction.puts.begin(), transaction.puts.end(),
                                    [&](const control::Put& other) { return other.key == grant_key; });
    if (grant != transaction.puts.end()) {
      const auto epoch = lease::parse_grant(grant->value).value_or(lease::Grant{}).epoch;
      acquired(stored->machine, stored->window, lease::make_token(epoch, revision), sent_at);
    } else if (by == Committer::Kind::kOperator) {
      lifted(stored->machine, stored->window);
    } else {
      rewritten(stored->machine, stored->window, sent_at);
    }
  }
}

// Also by an operator who heals: an empty window of nobody's. What was on its way when an older image was put back may
// land behind it, although it was overtaken in the history that is lost; nobody may use it then (see `published`).
void Windows::acquired(mint::MachineId machine, const lease::Window& window, mint::Token token, time::Uptime sent_at) {
  Machine& history = machines_[machine.value];
  const bool was_overtaken =
      window.floor < history.free_from ||
      std::any_of(
          history.grants.begin(), history.grants.end(), [&](const Grant& grant) { return grant.token >= token; });
  if (doubtful_ && was_overtaken) return overtaken(machine, sent_at);
  if (window.floor < history.free_from)
    report_.fail("window", fmt::format("machine id {} was granted from {} on, but its windows reach to {} already",
                                       machine.value, window.floor.ns, history.free_from.ns));
  for (const Grant& grant : history.grants)
    if (grant.token >= token)
      report_.fail("token", fmt::format("machine id {} was granted under token {:#x} after {:#x}", machine.value,
                                        token.value, grant.token.value));
  history.grants.push_back({.token = token,
                            .floor = window.floor,
                            .ceiling = window.ceiling,
                            .final_ceiling = window.ceiling,
                            .used_until = window.floor,
                            .copied = std::nullopt});
  history.free_from = window.ceiling;
}

// Harmless only if it was on its way already; whoever sent it later did not see that the store lacks something.
void Windows::overtaken(mint::MachineId machine, time::Uptime sent_at) {
  if (sent_at > restored_at_)
    report_.fail("restored",
                 fmt::format("a right to machine id {} was taken or extended in a history that was put back, "
                             "but more than that was granted in the one that is lost",
                             machine.value));
}

void Windows::rewritten(mint::MachineId machine, const lease::Window& window, time::Uptime sent_at) {
  Machine& history = machines_[machine.value];
  const auto at = std::find_if(history.grants.rbegin(), history.grants.rend(),
                               [&](const Grant& grant) { return grant.token == window.token; });
  const bool newest = at == history.grants.rbegin() && at != history.grants.rend();
  if (at == history.grants.rend() || (!newest && !at->lost))
    return report_.fail("window", fmt::format("a window of machine id {} was written under token {}, which is not the "
                                              "newest grant's",
                                              machine.value, window.token.value));
  Grant& grant = *at;
  const bool extends = window.state == lease::WindowState::kHeld;
  if (doubtful_ && extends && (!newest || grant.released || window.ceiling < grant.ceiling))
    return overtaken(machine, sent_at);
  if (window.floor != grant.floor || (grant.released && !grant.lost))
    report_.fail("window", fmt::format("the window of machine id {} was changed after its release, or in its floor",
                                       machine.value));
  if (window.state == lease::WindowState::kReleased) {
    grant.released = true;
    if (window.ceiling < grant.used_until)
      report_.fail("release", fmt::format("the release of machine id {} lowers the ceiling to {}, but the unit that "
                                          "starts at {} was used",
                                          machine.value, window.ceiling.ns, grant.used_until.ns - 1));
  } else if (window.ceiling < grant.ceiling && !grant.lost) {
    report_.fail("window", fmt::format("an extension lowers the ceiling of machine id {}", machine.value));
  }
  if (!grant.released) grant.ceiling = std::max(grant.ceiling, window.ceiling);
  grant.final_ceiling = grant.released ? window.ceiling : grant.ceiling;
  settle(history);
}

// What a recovery writes: nobody holds the id any more, and it begins no lower than where it may have been used.
void Windows::lifted(mint::MachineId machine, const lease::Window& window) {
  if (window.state != lease::WindowState::kReleased || window.floor != window.ceiling)
    report_.fail("floor", fmt::format("a recovery leaves machine id {} with a window that can be used", machine.value));
}

void Windows::settle(Machine& machine) {
  machine.free_from = time::SmearedUtc::min();
  for (const Grant& grant : machine.grants)
    machine.free_from = std::max(machine.free_from, grant.final_ceiling);
}

// A journal merges: what is older than what it has, because a slow sync was overtaken, changes nothing.
void Windows::journalled(std::uint32_t host, const std::vector<control::JournalRight>& rights) {
  for (const control::JournalRight& right : rights) {
    Noted& note = noted(host, right.machine);
    if (right.modified < note.revision) continue;
    note = {right.modified, right.ceiling};
  }
}

void Windows::journal_opened(std::uint32_t host, const std::map<mint::MachineId, control::JournalRight>& rights) {
  std::erase_if(journals_, [&](const auto& one) { return one.first >> 16 == host; });
  for (const auto& [machine, right] : rights)
    noted(host, machine) = {right.modified, right.ceiling};
}

void Windows::published(std::uint32_t host, const mint::RightSet& rights) {
  for (const mint::Right& right : rights.rights()) {
    const std::vector<Grant>& grants = machines_[right.machine.value].grants;
    const auto grant =
        std::find_if(grants.rbegin(), grants.rend(), [&](const Grant& one) { return one.token == right.token; });
    if (grant == grants.rend() || grant->floor != right.floor || grant->ceiling < right.ceiling)
      report_.fail("durable", fmt::format("a right to machine id {} up to {} was published, but not committed before",
                                          right.machine.value, right.ceiling.ns));
    else if (grant->release_sent)
      report_.fail("release", fmt::format("a right to machine id {} was published after its release was sent",
                                          right.machine.value));
    if (grant != grants.rend() && grant->copied && right.ceiling > *grant->copied)
      report_.fail("copied", fmt::format("a right to machine id {} up to {} was published, but a copy has got that",
                                         right.machine.value, right.ceiling.ns));
    if (right.ceiling > noted(host, right.machine).ceiling)
      report_.fail("durable", fmt::format("a right to machine id {} up to {} was published before the journal had it",
                                          right.machine.value, right.ceiling.ns));
  }
}

// The first time counts, should it be copied again.
void Windows::copied(mint::MachineId machine, mint::Token token) {
  for (Grant& grant : machines_[machine.value].grants)
    if (grant.token == token && !grant.copied) grant.copied = grant.ceiling;
}

void Windows::restored(time::Uptime now) {
  doubtful_ = true;
  restored_at_ = now;
  for (auto& [machine, history] : machines_)
    for (Grant& grant : history.grants)
      grant.lost = true;
}

void Windows::recovered(const SimulatedStore& store) {
  doubtful_ = false;
  const control::Entry* floor_entry = store.find(control::kFloorKey);
  const auto floor = floor_entry == nullptr
                         ? time::SmearedUtc::min()
                         : control::parse_floor(floor_entry->value).value_or(time::SmearedUtc::min());
  for (const auto& [machine, history] : machines_) {
    const control::Entry* entry = store.find(lease::window_key({machine}));
    const auto window = entry == nullptr ? std::nullopt : std::optional(lease::parse_window(entry->value));
    const time::SmearedUtc effective = window && *window ? std::max((*window)->ceiling, floor) : floor;
    if (effective < history.free_from)
      report_.fail("floor", fmt::format("after the recovery machine id {} may be taken from {} on, but it was granted "
                                        "up to {}",
                                        machine, effective.ns, history.free_from.ns));
  }
}

time::SmearedUtc Windows::highest_ceiling(std::optional<mint::MachineId> but) const {
  time::SmearedUtc highest = time::SmearedUtc::min();
  for (const auto& [machine, history] : machines_)
    if (!but || but->value != machine) highest = std::max(highest, history.free_from);
  return highest;
}

void Windows::issued(const Issue& issue) {
  if (issue.machine() != issue.stated_machine)
    return report_.fail("window", fmt::format("{:#x} carries machine id {}, but its reply says {}", issue.first.value,
                                              issue.machine().value, issue.stated_machine.value));
  if (issue.first.value >> issue.layout->sequence_bits != issue.last() >> issue.layout->sequence_bits)
    report_.fail("window", fmt::format("the range of {} from {:#x} leaves its unit", issue.count, issue.first.value));
  Grant* grant = find(issue.machine(), issue.token_low, issue.start());
  if (grant == nullptr)
    return report_.fail("window", fmt::format("{:#x} was issued under a token that was never granted for machine id {}",
                                              issue.first.value, issue.machine().value));
  if (issue.start() < grant->floor || issue.start() >= grant->ceiling)
    report_.fail(
        "window",
        fmt::format("the unit of {:#x} starts at {}, outside [{}, {}), the window that was committed "
                    "for machine id {}",
                    issue.first.value, issue.start().ns, grant->floor.ns, grant->ceiling.ns, issue.machine().value));
  if (grant->copied && issue.start() >= *grant->copied)
    report_.fail("copied", fmt::format("{:#x} was issued under machine id {} in a window that a copy has got",
                                       issue.first.value, issue.machine().value));
  if (grant->release_sent)
    report_.fail("release", fmt::format("{:#x} was issued under machine id {} after its release was sent",
                                        issue.first.value, issue.machine().value));
  grant->used_until = std::max(grant->used_until, issue.start() + time::nanoseconds(1));
}

}  // namespace gnomon::sim
