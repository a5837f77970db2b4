// SPDX-License-Identifier: Apache-2.0
//
// Lease commands on the store of one host. There a commit is a write to the disk and a sync, and all commits stand in
// one line: whoever is compared stands in a line of his own, in front of a database of its own on the same disk.
//
//   one put           a bare durable commit of the same SqliteStore. Ratios are to it
//   bare commit       as many compares, puts and deletes as the command, as long
//   the desk alone    the rules and the store in one thread: no socket, no service (one session only)
//   gnomond           the service, over the Unix socket
#include <fmt/core.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/control_plane/etcd_access.hpp"
#include "bench/lease/bare_lane.hpp"
#include "bench/lease/commit_count.hpp"
#include "bench/lease/contest.hpp"
#include "bench/lease/desk_alone.hpp"
#include "bench/lease/gnomon_lane.hpp"
#include "bench/lease/leased_daemon.hpp"
#include "bench/lease/on_disk.hpp"
#include "bench/lease/parts.hpp"
#include "control/lease/ordered_store.hpp"
#include "control/state.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::bench {
namespace {

struct OwnStore {
  explicit OwnStore(const std::filesystem::path& path)
      : state(must(control::open_state(control::StatePaths::of(path.string()), "bench"))), line(*state.store) {}
  control::State state;
  control::OrderedStore line;
};

class Field {
 public:
  Field(const std::filesystem::path& folder, std::string server)
      : server_(std::move(server)),
        own_(folder / "own.db"),
        desk_(std::make_unique<DeskLane>(own_.line, own_.state.meta.facts)),
        shapes_(shapes_of(*desk_)) {}

  void contest(std::size_t sessions, int rounds) {
    const std::string title =
        fmt::format("SQLite: {} session{} at once, {} rounds", sessions, sessions == 1 ? "" : "s", rounds);
    Contest contest(contenders(sessions), {Command::kAcquire, Command::kRenew, Command::kRelease},
                    sessions == 1 ? kEachAlone : kEach);
    contest.run(rounds);
    contest.report(title);
  }

 private:
  [[nodiscard]] std::vector<Contender> contenders(std::size_t sessions) {
    std::vector<Contender> out;
    const int turn = ++turns_;
    Contender& put = out.emplace_back(Contender{"one put", {}});
    const std::size_t value_bytes = shapes_.at(Command::kAcquire).puts.front().value.size();
    for (std::size_t i = 0; i < sessions; ++i)
      put.lanes.push_back(
          std::make_unique<OnePutLane>(bare_store(own_.line), fmt::format("put/{}/{:02}", turn, i), value_bytes));
    Contender& bare = out.emplace_back(Contender{"bare commit of the same size", {}});
    for (std::size_t i = 0; i < sessions; ++i)
      bare.lanes.push_back(
          std::make_unique<BareLane>(bare_store(own_.line), fmt::format("bare/{}/{:02}/", turn, i), shapes_));
    if (sessions == 1) {
      Contender& alone = out.emplace_back(Contender{"the desk alone, on the store", {}});
      alone.lanes.push_back(std::make_unique<DeskLane>(own_.line, own_.state.meta.facts));
    }
    Contender& ours = out.emplace_back(Contender{"gnomond", {}});
    for (std::size_t i = 0; i < sessions; ++i)
      ours.lanes.push_back(std::make_unique<GnomonLane>(server_, fmt::format("{}-{:02}", turn, i)));
    return out;
  }

  std::string server_;
  OwnStore own_;
  std::unique_ptr<DeskLane> desk_;
  CommandShapes shapes_;
  int turns_ = 0;
};

}  // namespace

bool measure_on_sqlite(int rounds) {
  const OnDisk on_disk;
  const support::ScratchFolder folder;
  const LeasedDaemon daemon(folder.path() / "daemon", {});
  fmt::print("\n=== SQLite in {}\n", folder.path().parent_path().string());
  bool fine = count_commits(daemon, nullptr, 1, kCounted);
  fine = count_commits(daemon, nullptr, kAtOnce, kCounted) && fine;
  Field field(folder.path(), daemon.server());
  field.contest(1, rounds);
  field.contest(kAtOnce, rounds);
  return fine;
}

}  // namespace gnomon::bench
