// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/check/windows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

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

Windows::Grant* Windows::find(mint::MachineId machine, std::uint32_t token_low) {
  std::vector<Grant>& grants = machines_[machine.value].grants;
  const auto at = std::find_if(grants.rbegin(), grants.rend(), [&](const Grant& grant) {
    return static_cast<std::uint32_t>(grant.token.value) == token_low;
  });
  return at == grants.rend() ? nullptr : &*at;
}

void Windows::sent(const control::Transaction& transaction) {
  for (const control::Put& put : transaction.puts) {
    const auto stored = window_of(put);
    if (!stored || stored->window.state != lease::WindowState::kReleased) continue;
    for (Grant& grant : machines_[stored->machine.value].grants)
      if (grant.token == stored->window.token) grant.release_sent = true;
  }
}

void Windows::landed(const control::Transaction& transaction, control::Revision revision) {
  for (const control::Put& put : transaction.puts) {
    const auto stored = window_of(put);
    if (!stored) continue;
    const std::string grant_key = lease::grant_key(stored->machine);
    const bool is_grant = std::any_of(transaction.puts.begin(), transaction.puts.end(),
                                      [&](const control::Put& other) { return other.key == grant_key; });
    if (is_grant)
      acquired(stored->machine, stored->window, revision);
    else
      rewritten(stored->machine, stored->window);
  }
}

void Windows::acquired(mint::MachineId machine, const lease::Window& window, control::Revision revision) {
  Machine& history = machines_[machine.value];
  if (window.floor < history.free_from)
    report_.fail("window", fmt::format("machine id {} was granted from {} on, but its windows reach to {} already",
                                       machine.value, window.floor.ns, history.free_from.ns));
  history.grants.push_back({.token = lease::make_token(0, revision),
                            .floor = window.floor,
                            .ceiling = window.ceiling,
                            .used_until = window.floor});
  history.free_from = window.ceiling;
}

void Windows::rewritten(mint::MachineId machine, const lease::Window& window) {
  Machine& history = machines_[machine.value];
  if (history.grants.empty() || history.grants.back().token != window.token)
    return report_.fail("window", fmt::format("a window of machine id {} was written under token {}, which is not the "
                                              "newest grant's",
                                              machine.value, window.token.value));
  Grant& grant = history.grants.back();
  if (window.floor != grant.floor || grant.released)
    report_.fail("window", fmt::format("the window of machine id {} was changed after its release, or in its floor",
                                       machine.value));
  if (window.state == lease::WindowState::kReleased) {
    grant.released = true;
    if (window.ceiling < grant.used_until)
      report_.fail("release", fmt::format("the release of machine id {} lowers the ceiling to {}, but the unit that "
                                          "starts at {} was used",
                                          machine.value, window.ceiling.ns, grant.used_until.ns - 1));
  } else if (window.ceiling < grant.ceiling) {
    report_.fail("window", fmt::format("an extension lowers the ceiling of machine id {}", machine.value));
  }
  grant.ceiling = std::max(grant.ceiling, window.ceiling);
  history.free_from = window.ceiling;
}

// A journal merges: what is older than what it has, because a slow sync was overtaken, changes nothing.
void Windows::journalled(const std::vector<control::JournalRight>& rights) {
  for (const control::JournalRight& right : rights) {
    Machine& machine = machines_[right.machine.value];
    if (right.modified < machine.journal_revision) continue;
    machine.journal_revision = right.modified;
    machine.journalled = right.ceiling;
  }
}

void Windows::published(const mint::RightSet& rights) {
  for (const mint::Right& right : rights.rights()) {
    const Grant* grant = find(right.machine, static_cast<std::uint32_t>(right.token.value));
    if (grant == nullptr || grant->floor != right.floor || grant->ceiling < right.ceiling)
      report_.fail("durable", fmt::format("a right to machine id {} up to {} was published, but not committed before",
                                          right.machine.value, right.ceiling.ns));
    else if (grant->release_sent)
      report_.fail("release", fmt::format("a right to machine id {} was published after its release was sent",
                                          right.machine.value));
    if (right.ceiling > machines_[right.machine.value].journalled)
      report_.fail("durable", fmt::format("a right to machine id {} up to {} was published before the journal had it",
                                          right.machine.value, right.ceiling.ns));
  }
}

void Windows::issued(const Issue& issue) {
  if (issue.machine() != issue.stated_machine)
    return report_.fail("window", fmt::format("{:#x} carries machine id {}, but its reply says {}", issue.first.value,
                                              issue.machine().value, issue.stated_machine.value));
  if (issue.first.value >> issue.layout->sequence_bits != issue.last() >> issue.layout->sequence_bits)
    report_.fail("window", fmt::format("the range of {} from {:#x} leaves its unit", issue.count, issue.first.value));
  Grant* grant = find(issue.machine(), issue.token_low);
  if (grant == nullptr)
    return report_.fail("window", fmt::format("{:#x} was issued under a token that was never granted for machine id {}",
                                              issue.first.value, issue.machine().value));
  if (issue.start() < grant->floor || issue.start() >= grant->ceiling)
    report_.fail(
        "window",
        fmt::format("the unit of {:#x} starts at {}, outside [{}, {}), the window that was committed "
                    "for machine id {}",
                    issue.first.value, issue.start().ns, grant->floor.ns, grant->ceiling.ns, issue.machine().value));
  if (grant->release_sent)
    report_.fail("release", fmt::format("{:#x} was issued under machine id {} after its release was sent",
                                        issue.first.value, issue.machine().value));
  grant->used_until = std::max(grant->used_until, issue.start() + time::nanoseconds(1));
}

}  // namespace gnomon::sim
