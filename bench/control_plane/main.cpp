// SPDX-License-Identifier: Apache-2.0
//
// What the control plane costs on etcd, and whether those who fetch IDs notice it: real members, the product's own
// client of them, and a real gnomond. Each part says in its file what it compares and why so; docs/performance.md has
// the figures.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>

#include "bench/control_plane/parts.hpp"
#include "bench/paired.hpp"
#include "tests/control/bed/etcd_binaries.hpp"
#include "tests/support/daemon.hpp"

namespace gnomon::bench {
namespace {

constexpr int kUsualRounds = 20;
constexpr int kMostRounds = 200;
constexpr int kCommitsPerRound = 50;  // a commit takes a millisecond, a slice takes a second

[[noreturn]] void usage() {
  std::fprintf(stderr,
               "usage: control_plane [all|commits|service|leader] [ROUNDS]\n"
               "  ROUNDS  1 to %d, by default %d (7 minutes for all); a round of commits is %d of each\n",
               kMostRounds, kUsualRounds, kCommitsPerRound);
  std::exit(2);  // NOLINT(concurrency-mt-unsafe): nobody else exits
}

// The bed and the daemon are looked for in the build folder: the one that this program's own folder lies in.
std::string find_build_folder() {
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
  setenv("GNOMON_BUILD_DIR", self.parent_path().parent_path().c_str(), 0);  // NOLINT(concurrency-mt-unsafe): no thread
  return self.string();
}

int run(const std::string& part, int rounds, const std::string& program) {
  std::string why;
  if (bed::etcd_binaries().empty()) {
    (void)bed::etcd_binary("3.4", &why);
    die(why);
  }
  const bool all = part == "all";
  if (!all && part != "commits" && part != "service" && part != "leader") usage();
  const std::string daemon = support::built("cmd/gnomond");
  if (part != "commits" && !std::filesystem::exists(daemon)) die(daemon + " is not there: run ./dev build first");
  if (all || part == "commits") measure_commits(rounds * kCommitsPerRound);
  if (all || part == "service") measure_service(rounds, program.c_str());
  if (all || part == "leader") measure_leader_loss(rounds);
  return 0;
}

}  // namespace
}  // namespace gnomon::bench

int main(int argc, char** argv) {
  using namespace gnomon::bench;
  try {
    if (argc == 3 && argv[1] == std::string(kHammer)) hammer(argv[2]);
    if (argc > 3) usage();
    const int rounds = argc > 2 ? static_cast<int>(std::strtol(argv[2], nullptr, 10)) : kUsualRounds;
    if (rounds < 1 || rounds > kMostRounds) usage();
    return run(argc > 1 ? argv[1] : "all", rounds, find_build_folder());
  } catch (const std::exception& error) {
    die(error.what());
  }
}
