// SPDX-License-Identifier: Apache-2.0
#include "bench/lease/commit_count.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "bench/lease/gnomon_lane.hpp"
#include "bench/lease/slice.hpp"
#include "bench/paired.hpp"
#include "oracle/lease/client_session.hpp"
#include "oracle/lease/named_lease.hpp"

namespace gnomon::bench {
namespace {

constexpr time::Duration kLookFor = time::milliseconds(100);
constexpr int kMostEmptyLooks = 100;  // ten seconds
constexpr std::chrono::milliseconds kBetweenLooks{30};
constexpr int kMostLooks = 100;

struct Tally {
  std::uint64_t revisions = 0;
  std::uint64_t of_commands = 0;
  std::uint64_t cleaning = 0;
  std::uint64_t conflicts = 0;
  std::uint64_t reads = 0;
  std::uint64_t waits = 0;
};

bool is_of_leases(std::string_view key) {
  return key.starts_with(lease::kHeldPrefix) || key.starts_with(lease::kQueuePrefix) ||
         key.starts_with(lease::kClientPrefix);
}

// What was written between two revisions, each revision once.
void tell_apart(control::Store& store, std::uint64_t before, std::uint64_t after, Tally& tally) {
  struct Kind {
    bool of_leases = false;
    bool cleans = false;  // no command deletes a session
  };
  std::map<std::uint64_t, Kind> seen;
  const auto watch = store.watch("", {before});
  std::uint64_t through = before;
  for (int empty = 0; through < after && empty < kMostEmptyLooks;) {
    const auto heard = watch->next(kLookFor);
    if (!heard) die(heard.error().text);
    if (heard->gap) die("the store has dropped the revisions that were to be counted");
    if (heard->changes.empty()) ++empty;
    for (const control::Change& change : heard->changes) {
      Kind& kind = seen[change.entry.modified.value];
      kind.of_leases = kind.of_leases || is_of_leases(change.entry.key);
      kind.cleans = kind.cleans || (change.deleted && change.entry.key.starts_with(lease::kClientPrefix));
      through = std::max(through, change.entry.modified.value);
    }
    through = std::max(through, heard->through.value);
  }
  if (through < after) die("the watch did not tell of all revisions that were to be counted");
  for (const auto& [revision, kind] : seen) {
    if (revision > after || !kind.of_leases) continue;
    ++(kind.cleans ? tally.cleaning : tally.of_commands);
  }
}

std::uint64_t revision_of(const LeasedDaemon& daemon, control::Store* store) {
  if (store == nullptr) return daemon.revision();
  const auto listing = store->list("meta/");
  if (!listing) die(listing.error().text);
  return listing->at.value;
}

struct Look {
  std::uint64_t revision = 0;
  std::map<std::string, std::uint64_t> counters{};

  bool operator==(const Look&) const = default;
};

// The daemon notes what it did a moment after it answered: two looks at rest that say the same are to be believed.
Look settled(const LeasedDaemon& daemon, control::Store* store) {
  Look last;
  for (int looks = 0; looks < kMostLooks; ++looks) {
    Look look{revision_of(daemon, store), daemon.counters()};
    if (look == last) return last;
    last = std::move(look);
    std::this_thread::sleep_for(kBetweenLooks);
  }
  die("the daemon does not come to rest: its commits can't be counted");
}

Tally count(Contender& contender, Command command, std::size_t each, const LeasedDaemon& daemon,
            control::Store* store) {
  Look before = settled(daemon, store);
  const std::uint64_t waited = daemon.waits();
  (void)run_slice(contender, {command}, each);
  Tally tally;
  tally.waits = daemon.waits() - waited;
  Look after = settled(daemon, store);
  const auto grown = [&](const char* counter) { return after.counters[counter] - before.counters[counter]; };
  tally.revisions = after.revision - before.revision;
  tally.conflicts = grown("conflicts");
  tally.reads = grown("reads");
  if (store != nullptr) {
    tell_apart(*store, before.revision, after.revision, tally);
    return tally;
  }
  tally.cleaning = grown("cleaned");  // each of one entry, in a commit of its own
  tally.of_commands = grown("commits") - tally.conflicts - tally.cleaning;
  return tally;
}

}  // namespace

bool count_commits(const LeasedDaemon& daemon, control::Store* store, std::size_t sessions, std::size_t each) {
  Contender contender{"gnomond", {}};
  for (std::size_t i = 0; i < sessions; ++i)
    contender.lanes.push_back(std::make_unique<GnomonLane>(daemon.server(), fmt::format("count-{:02}", i)));
  fmt::print("\ncommits, counted by the store's revision, {} session{} at once\n", sessions, sessions == 1 ? "" : "s");
  fmt::print("{:<12} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}\n", "", "commands", "commits", "each", "conflicts",
             "reads", "cleaning", "others", "waits");
  bool fine = true;
  for (const Command command : kAllCommands) {
    const Tally tally = count(contender, command, each, daemon, store);
    const std::uint64_t commands = sessions * each;
    fmt::print("{:<12} {:>9} {:>9} {:>9.3f} {:>9} {:>9} {:>9} {:>9} {:>9.1f}\n", text_of(command), commands,
               tally.of_commands, static_cast<double>(tally.of_commands) / static_cast<double>(commands),
               tally.conflicts, tally.reads, tally.cleaning,
               static_cast<std::int64_t>(tally.revisions - tally.of_commands - tally.cleaning),
               static_cast<double>(tally.waits) / static_cast<double>(commands));
    fine = fine && tally.of_commands == commands && tally.revisions >= commands + tally.cleaning;
  }
  if (!fine) fmt::print("NOT one commit for each command\n");
  std::fflush(stdout);
  return fine;
}

}  // namespace gnomon::bench
