// SPDX-License-Identifier: Apache-2.0
#include "tests/chaos/bed.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <map>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "oracle/page/rights_page.hpp"
#include "platform/shared_page.hpp"
#include "platform/unique_fd.hpp"
#include "ptp/cycle_calibration.hpp"
#include "tests/support/leap_list.hpp"
#include "tests/support/own_mounts.hpp"

namespace gnomon::chaos {
namespace {

using namespace std::chrono_literals;

constexpr std::uint16_t kPort = 14666;
constexpr auto kStartLimit = 60s;
constexpr auto kToolLimit = 20s;
constexpr auto kToolsLimit = 60s;
constexpr int kToolAgainMs = 500;
constexpr auto kDeathLimit = 5s;
constexpr auto kBetweenStarts = 1s;  // of a daemon that does not come up
constexpr const char* kDiskSize = "size=512k,mode=0700";
constexpr std::size_t kFillBytes = 4096;
constexpr std::size_t kLogBytes = 2500;
constexpr const char* kFiller = "filler";

const bed::EtcdOptions kEtcd{.members = kMembers,
                             .home = bed::EtcdHome::kNamespaces,
                             .hosts = kDaemons + kClientHosts,
                             .heartbeat = 50ms,
                             .election_timeout = 500ms};

void check(bool done, const std::string& what) {
  if (!done) throw std::runtime_error(what + ": " + std::generic_category().message(errno));
}

// Neighbours, none of whom has another one's time, and all within their bound.
std::chrono::nanoseconds natural_offset(std::size_t j) {
  return kClockBound / 3 * (static_cast<std::int64_t>(j % 3) - 1);
}

bed::EtcdOptions newest_etcd() {
  bed::EtcdOptions options = kEtcd;
  for (const char* version : {"3.5", "3.4"}) {
    options.version = version;
    if (bed::EtcdCluster::available(options)) return options;
  }
  return kEtcd;
}

std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> children;
  std::error_code ignored;
  for (const auto& thread : std::filesystem::directory_iterator(fmt::format("/proc/{}/task", parent), ignored)) {
    std::ifstream list(thread.path() / "children");
    for (pid_t child = 0; list >> child;)
      children.push_back(child);
  }
  return children;
}

}  // namespace

bool Bed::available(std::string* why) {
  if (!ptp::kernel_trusts_counter()) {
    *why = "this machine's kernel does not use the cycle counter, so gnomond tells no true time here";
    return false;
  }
  if (geteuid() != 0) {
    *why = "network namespaces take root";
    return false;
  }
  if (!support::may_have_own_mounts()) {
    *why = support::kNoOwnMounts;
    return false;
  }
  return bed::EtcdCluster::available(newest_etcd(), why);
}

Bed::Bed() {
  // Mounts made from here on are this process's, and go with it.
  check(support::take_own_mounts(), "mounts of one's own");
  etcd_ = std::make_unique<bed::EtcdCluster>(newest_etcd());
  std::ofstream(folder_.path() / "leaps") << support::lasting_leap_list();
  for (std::size_t j = 0; j < kDaemons; ++j)
    make_daemon(j);
}

Bed::~Bed() {
  for (std::size_t j = 0; j < kDaemons; ++j)
    if (daemons_[j]) lose_power(j);
}

SmallDisk::SmallDisk(std::filesystem::path folder) : folder_(std::move(folder)) {
  std::filesystem::create_directories(folder_);
  check(mount("none", folder_.c_str(), "tmpfs", MS_NODEV | MS_NOSUID, kDiskSize) == 0, "a small disk");
}
SmallDisk::~SmallDisk() { umount2(folder_.c_str(), MNT_DETACH); }

void Bed::make_daemon(std::size_t j) {
  const std::filesystem::path folder = folder_of(j);
  disks_[j].emplace(folder / "state");
  set_clock(j, {});
  daemons_[j] = std::make_unique<support::Daemon>(
      folder, std::map<std::string, std::string>{
                  {"server.listen", platform::to_string(endpoint(j))},
                  {"server.supervise", "true"},
                  {"access.auth", "never"},
                  {"ids.layouts", "snowflake,instagram,js53"},
                  {"control.socket", (folder / "socket").string()},
                  {"store.url", etcd_->url()},
                  {"store.heartbeat_ms", "200"},
                  {"store.clock_tolerance_ms", "300"},
                  {"rights.window_ms", std::to_string(kWindow.ns / 1'000'000)},
                  {"rights.max_lead_ms", "1000"},
                  {"clock.confirm_ms", "500"},
                  {"clock.sources", fmt::format("system?bound_us={}", kClockBound.count())},
                  {"clock.leap_file", (folder_.path() / "leaps").string()},
                  {"clock.offset_file", (folder / "offset").string()},
                  {"lease.min_ttl_ms", "500"},
                  {"lease.max_ttl_ms", "10000"},
              });
}

platform::Endpoint Bed::endpoint(std::size_t j) const {
  const auto address = platform::parse_address(bed::SwitchedNetwork::address(place_of_daemon(j)));
  return {address.value(), kPort};
}

std::vector<std::string> Bed::servers() const {
  std::vector<std::string> all;
  all.reserve(kDaemons);
  for (std::size_t j = 0; j < kDaemons; ++j)
    all.push_back(platform::to_string(endpoint(j)));
  return all;
}

std::string Bed::lease_server(std::size_t j) const { return "unix:" + (folder_of(j) / "socket").string(); }

// --- daemons

void Bed::start() {
  etcd_->start();
  for (std::size_t j = 0; j < kDaemons; ++j)
    start_daemon(j);
  for (std::size_t j = 0; j < kDaemons; ++j)
    if (!daemon(j).wait_ready(kStartLimit))
      throw std::runtime_error(fmt::format("daemon {} does not come up\n{}", j, logs()));
}

void Bed::start_daemon(std::size_t j) {
  try_daemon(j);
  meant_to_run_.at(j) = true;
}

void Bed::try_daemon(std::size_t j) {
  last_start_.at(j) = std::chrono::steady_clock::now();
  daemon(j).start({.network_namespace = etcd_->host(j).fd()});
}

pid_t Bed::serving_pid(std::size_t j) const {
  const auto page = platform::ForeignPage<page::RightsPage>::open("gnomon." + instance(j) + ".rights");
  const pid_t pid = page ? static_cast<pid_t>((*page)->header.pid) : 0;
  // A page outlives its writer, whose number may be somebody else's by now.
  return pid > 0 && !support::is_gone(pid) && support::slurp(fmt::format("/proc/{}/comm", pid)) == "gnomond\n" ? pid
                                                                                                               : 0;
}

void Bed::kill_supervisor(std::size_t j) {
  meant_to_run_.at(j) = false;
  daemon(j).kill_hard();
}

void Bed::lose_power(std::size_t j) {
  meant_to_run_.at(j) = false;
  if (!daemon(j).alive()) return;
  // Stopped first, so that it starts nobody after the list was made.
  daemon(j).send_signal(SIGSTOP);
  const std::vector<pid_t> children = children_of(daemon(j).pid());
  daemon(j).kill_hard();
  for (const pid_t child : children)
    kill(child, SIGKILL);
  const auto until = std::chrono::steady_clock::now() + kDeathLimit;
  while (!std::all_of(children.begin(), children.end(), support::is_gone) && std::chrono::steady_clock::now() < until)
    support::nap();
}

void Bed::stop_daemon(std::size_t j) {
  meant_to_run_.at(j) = false;
  daemon(j).stop();
}

void Bed::look_after() {
  const auto now = std::chrono::steady_clock::now();
  for (std::size_t j = 0; j < kDaemons; ++j) {
    if (!meant_to_run_[j] || daemon(j).alive() || now < last_start_[j] + kBetweenStarts) continue;
    ++restarts_;
    daemon(j).kill_hard();  // reaps it
    start_daemon(j);
  }
}

support::Output Bed::gnomon(std::size_t j, std::vector<std::string> words) const {
  words.insert(words.begin(), support::built("cmd/gnomon"));
  return support::run_program(words, daemons_.at(j)->environment(), kToolLimit,
                              {.network_namespace = etcd_->host(j).fd()});
}

void Bed::must_gnomon(std::size_t j, const std::vector<std::string>& words) const {
  const auto until = std::chrono::steady_clock::now() + kToolsLimit;
  for (;;) {
    const support::Output output = gnomon(j, words);
    if (output.exit.code == 0) return;
    if (std::chrono::steady_clock::now() > until)
      throw std::runtime_error(fmt::format("gnomon {} on host {} failed: {}", words.at(0), j, output.text));
    support::nap(kToolAgainMs);
  }
}

// --- clocks and disks

void Bed::set_clock(std::size_t j, time::Duration wrong_by) const {
  const std::filesystem::path path = folder_of(j) / "offset";
  const std::string fresh = path.string() + ".new";
  std::ofstream(fresh) << natural_offset(j).count() + wrong_by.ns << '\n';
  std::filesystem::rename(fresh, path);
}

void Bed::fill_disk(std::size_t j) const {
  const std::string block(kFillBytes, 'x');
  const platform::UniqueFd file(
      ::open((folder_of(j) / "state" / kFiller).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  check(file.valid(), "a file that fills the disk");
  while (::write(file.get(), block.data(), block.size()) > 0) {
  }
  check(errno == ENOSPC, "filling the disk");
}

void Bed::empty_disk(std::size_t j) const { std::filesystem::remove(folder_of(j) / "state" / kFiller); }

void Bed::damage_journal(std::size_t j, std::uint64_t chance) const {
  const std::filesystem::path path = folder_of(j) / "state" / fmt::format("etcd.{}.acknowledged", instance(j));
  std::string text = support::slurp(path);
  if (text.empty()) throw std::runtime_error("daemon " + std::to_string(j) + " has no journal to damage");
  // One of the lower four, so that it is never only the case of a digit that changes.
  text[chance % text.size()] ^= static_cast<char>(1U << (chance >> 32) % 4);
  std::ofstream(path, std::ios::trunc) << text;
}

std::string Bed::logs() const {
  std::string all;
  for (std::size_t j = 0; j < kDaemons; ++j) {
    const std::string log = daemons_[j]->log();
    all += fmt::format("--- daemon {}\n{}\n", j, log.substr(log.size() - std::min(log.size(), kLogBytes)));
  }
  return all + etcd_->logs();
}

}  // namespace gnomon::chaos
