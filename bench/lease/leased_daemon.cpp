// SPDX-License-Identifier: Apache-2.0
#include "bench/lease/leased_daemon.hpp"

#include <chrono>
#include <fstream>
#include <sstream>
#include <utility>

#include "bench/lease/gnomon_lane.hpp"
#include "bench/paired.hpp"
#include "control/service/status_client.hpp"
#include "tests/support/child_process.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/leap_list.hpp"

namespace gnomon::bench {
namespace {

constexpr std::chrono::seconds kStartLimit{60};
constexpr std::chrono::seconds kAnswerLimit{10};
constexpr int kRestMs = 20;                  // between two looks that have to agree
constexpr const char* kNoLimit = "1000000";  // calls per second: more than anybody makes here

std::string leap_file(const std::filesystem::path& folder) {
  std::filesystem::create_directories(folder);
  std::filesystem::path path = folder / "leaps";
  std::ofstream(path) << support::lasting_leap_list();
  return path.string();
}

std::map<std::string, std::string> settings(const std::filesystem::path& folder, const std::string& store_url,
                                            const std::string& socket) {
  std::map<std::string, std::string> out{
      {"control.socket", socket}, {"clock.sources", "system?bound_us=20000"}, {"clock.leap_file", leap_file(folder)},
      {"workers.count", "1"},     {"lease.rate_per_client", kNoLimit},        {"lease.rate_burst", kNoLimit}};
  if (!store_url.empty()) out["store.url"] = store_url;
  return out;
}

std::map<std::string, std::uint64_t> figures(const std::string& socket) {
  const auto status = control::fetch_status(socket, kAnswerLimit);
  if (!status) die(status.error().text);
  const auto& leases = status->leases;
  if (!leases) die("the daemon says nothing of leases in its status");
  std::map<std::string, std::uint64_t> out;
  for (const auto* table : {&leases->levels, &leases->counters})
    for (const control::CounterReport& figure : *table)
      out[figure.name] = figure.value;
  return out;
}

}  // namespace

LeasedDaemon::LeasedDaemon(const std::filesystem::path& folder, const std::string& store_url)
    : socket_((folder / "socket").string()), daemon_(folder, settings(folder, store_url, socket_)) {
  daemon_.start();
  if (!daemon_.wait_ready(kStartLimit)) die("a daemon did not come to serve: " + daemon_.log());
  // Ready is who serves IDs; leases wait for the clock and for the vote, too.
  LeaseStub asker(server());
  const std::string session = new_session_id();
  if (!support::eventually([&] { return asker.try_open(session); }))
    die("a daemon serves no leases: " + asker.why() + "\n" + daemon_.log());
  asker.close(session);
}

std::map<std::string, std::uint64_t> LeasedDaemon::counters() const {
  std::map<std::string, std::uint64_t> before;
  std::map<std::string, std::uint64_t> last;
  const bool rests = support::eventually([&] {
    before = std::exchange(last, figures(socket_));
    if (before == last && last["store_tasks"] == 0) return true;
    support::nap(kRestMs);
    return false;
  });
  if (!rests) die("the daemon is at work on leases although nobody asks for any");
  return last;
}

std::uint64_t LeasedDaemon::waits() const {
  std::uint64_t sum = 0;
  for (const auto& thread : std::filesystem::directory_iterator("/proc/" + std::to_string(daemon_.pid()) + "/task")) {
    std::istringstream lines(support::slurp(thread.path() / "status"));
    for (std::string word; lines >> word;)
      if (std::uint64_t count = 0; word == "voluntary_ctxt_switches:" && lines >> count) sum += count;
  }
  return sum;
}

std::uint64_t LeasedDaemon::revision() const {
  const auto listing = control::fetch_listing(socket_, "meta/", kAnswerLimit);
  if (!listing) die(listing.error().text);
  return listing->at.value;
}

}  // namespace gnomon::bench
