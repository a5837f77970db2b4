// SPDX-License-Identifier: Apache-2.0
//
// What named leases cost: a real gnomond on real members of etcd and on SQLite, next to what the store can do at best
// and to what etcd itself has to offer. Each part says in its file what it compares and why so; docs/performance.md has
// the figures. It fails if a command is not exactly one commit.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>

#include "bench/lease/parts.hpp"
#include "bench/paired.hpp"
#include "ptp/cycle_calibration.hpp"
#include "tests/control/bed/etcd_binaries.hpp"
#include "tests/support/daemon.hpp"

namespace gnomon::bench {
namespace {

constexpr int kUsualRounds = 30;
constexpr int kMostRounds = 500;

[[noreturn]] void usage() {
  std::fprintf(stderr,
               "usage: lease [all|etcd|sqlite|handover] [ROUNDS]\n"
               "  ROUNDS  1 to %d, by default %d\n",
               kMostRounds, kUsualRounds);
  std::exit(2);  // NOLINT(concurrency-mt-unsafe): nobody else exits
}

// The bed and the daemon are looked for in the build folder: the one that this program's own folder lies in.
void find_build_folder() {
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
  setenv("GNOMON_BUILD_DIR", self.parent_path().parent_path().c_str(), 0);  // NOLINT(concurrency-mt-unsafe): no thread
}

int run(const std::string& part, int rounds) {
  find_build_folder();
  const bool all = part == "all";
  if (!all && part != "etcd" && part != "sqlite" && part != "handover") usage();
  const std::string daemon = support::built("cmd/gnomond");
  if (!std::filesystem::exists(daemon)) die(daemon + " is not there: run ./dev build first");
  if (part != "sqlite") {
    std::string why;
    if (bed::etcd_binaries().empty()) {
      (void)bed::etcd_binary("3.4", &why);
      die(why);
    }
    if (!ptp::kernel_trusts_counter())
      die("this machine's kernel does not use the cycle counter, so gnomond tells no true time here and serves no "
          "leases on etcd; only `lease sqlite` can be measured");
  }
  bool fine = true;
  if (all || part == "sqlite") fine = measure_on_sqlite(rounds) && fine;
  if (all || part == "etcd") fine = measure_on_etcd(rounds) && fine;
  if (all || part == "handover") measure_hand_over(rounds);
  if (!fine) die("a lease command was not exactly one commit; see the tables of commits above");
  return 0;
}

}  // namespace
}  // namespace gnomon::bench

int main(int argc, char** argv) {
  using namespace gnomon::bench;
  try {
    if (argc > 3) usage();
    const int rounds = argc > 2 ? static_cast<int>(std::strtol(argv[2], nullptr, 10)) : kUsualRounds;
    if (rounds < 1 || rounds > kMostRounds) usage();
    return run(argc > 1 ? argv[1] : "all", rounds);
  } catch (const std::exception& error) {
    die(error.what());
  }
}
