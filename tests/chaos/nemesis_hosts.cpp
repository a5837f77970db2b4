// SPDX-License-Identifier: Apache-2.0
//
// What is done to processes, clocks and disks, and the one thing that is done to everybody.
#include <fmt/format.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill

#include <filesystem>
#include <stdexcept>
#include <string>

#include "tests/chaos/history.hpp"
#include "tests/chaos/nemesis.hpp"

namespace gnomon::chaos {
namespace {

// Every daemon extends its window at least once in this time, and so has what a snapshot from before does not know.
constexpr time::Duration kBehindTheSnapshot = kWindow;
// A daemon that an earlier fault has ended is back by then: its supervisor waits up to 10 s between two starts.
constexpr time::Duration kPatience = time::seconds(12);

}  // namespace

void Nemesis::begin_on_host(Deed& deed) {
  const std::size_t j = deed.victim;
  switch (deed.fault.kind) {
    case FaultKind::kDaemonKilled:
    case FaultKind::kDaemonPaused: {
      const pid_t pid = wait_for_daemon(j);
      if (pid == 0 || kill(pid, deed.fault.kind == FaultKind::kDaemonKilled ? SIGKILL : SIGSTOP) != 0) {
        deed.skipped = true;
        deed.note = "skipped: there is no such process";
      }
      break;
    }
    case FaultKind::kSupervisorKilled: bed_.kill_supervisor(j); break;
    case FaultKind::kClockAhead:
    case FaultKind::kClockBehind:
      deed.note = fmt::format("by {} s", clock_step(deed.fault).ns / 1'000'000'000);
      bed_.set_clock(j, clock_step(deed.fault));
      break;
    case FaultKind::kDiskFull: bed_.fill_disk(j); break;
    case FaultKind::kDiskDamaged: damage(deed); break;
    default: throw std::logic_error("this is nothing that is done to a host");
  }
}

pid_t Nemesis::wait_for_daemon(std::size_t j) {
  const time::Tai until = true_now() + kPatience;
  while (bed_.serving_pid(j) == 0 && true_now() < until)
    wait_until(true_now());
  return bed_.serving_pid(j);
}

bool Nemesis::end_on_host(Deed& deed) {
  const std::size_t j = deed.victim;
  switch (deed.fault.kind) {
    case FaultKind::kDaemonPaused:
      if (const pid_t pid = bed_.serving_pid(j); pid != 0) kill(pid, SIGCONT);
      break;
    case FaultKind::kSupervisorKilled: bed_.start_daemon(j); break;
    case FaultKind::kClockAhead:
    case FaultKind::kClockBehind: bed_.set_clock(j, {}); break;
    case FaultKind::kDiskFull: bed_.empty_disk(j); break;
    case FaultKind::kDiskDamaged: return repair(deed);
    default: break;
  }
  return true;
}

// A journal that can't be read has to be noticed: a daemon that starts with it, as if it said nothing, is a bug.
void Nemesis::damage(const Deed& deed) {
  const std::size_t j = deed.victim;
  bed_.lose_power(j);
  bed_.damage_journal(j, deed.fault.detail);
  said_before_ = bed_.daemon(j).log().size();
  bed_.try_daemon(j);
}

bool Nemesis::repair(Deed& deed) {
  const std::size_t j = deed.victim;
  if (bed_.daemon(j).alive()) {
    deed.note = "it has not refused to start yet";
    return false;
  }
  if (const support::Exit exit = bed_.daemon(j).wait_exit(); exit.exited) {
    const std::string said = bed_.daemon(j).log().substr(said_before_);
    if (exit.code != 1 || said.find("damaged") == std::string::npos)
      throw std::runtime_error(
          fmt::format("daemon {} with a damaged journal ended with code {}, signal {}, and said: {}", j, exit.code,
                      exit.signal, said));
  }
  const support::Output adopted = bed_.gnomon(j, {"control", "adopt", "--yes"});
  deed.note = adopted.exit.code == 0 ? "it refused to start" : "gnomon control adopt: " + adopted.text;
  if (adopted.exit.code != 0) return false;
  bed_.start_daemon(j);
  return true;
}

// docs/etcd.md, "Restore from a backup": stop every gnomond, restore every member, recover, start.
void Nemesis::restore(Deed& deed) {
  const std::filesystem::path file = bed_.etcd().folder() / "backup.db";
  bed_.etcd().snapshot(file);
  wait_until(true_now() + kBehindTheSnapshot);
  for (std::size_t j = 0; j < kDaemons; ++j)
    bed_.stop_daemon(j);
  bed_.etcd().restore_from(file);
  bed_.must_gnomon(0, {"control", "recover", "--yes"});
  for (std::size_t j = 0; j < kDaemons; ++j)
    bed_.start_daemon(j);
  std::filesystem::remove(file);
  deed.note = fmt::format("from a snapshot that was {} s old; gnomon control recover was run",
                          kBehindTheSnapshot.ns / 1'000'000'000);
}

}  // namespace gnomon::chaos
