// SPDX-License-Identifier: Apache-2.0
#include "bench/lease/leased_daemon.hpp"

#include <chrono>
#include <fstream>

#include "bench/lease/gnomon_lane.hpp"
#include "bench/paired.hpp"
#include "control/service/status_client.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/leap_list.hpp"

namespace gnomon::bench {
namespace {

constexpr std::chrono::seconds kStartLimit{60};
constexpr std::chrono::seconds kAnswerLimit{10};
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
  const auto status = control::fetch_status(socket_, kAnswerLimit);
  if (!status) die(status.error().text);
  if (!status->leases) die("the daemon says nothing of leases in its status");
  std::map<std::string, std::uint64_t> out;
  for (const control::CounterReport& counter : status->leases->counters)
    out[counter.name] = counter.value;
  return out;
}

std::uint64_t LeasedDaemon::revision() const {
  const auto listing = control::fetch_listing(socket_, "meta/", kAnswerLimit);
  if (!listing) die(listing.error().text);
  return listing->at.value;
}

}  // namespace gnomon::bench
