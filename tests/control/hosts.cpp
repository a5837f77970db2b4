// SPDX-License-Identifier: Apache-2.0
#include "tests/control/hosts.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "control/etcd/etcd_url.hpp"
#include "oracle/id/codec.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

using std::chrono::milliseconds;

constexpr auto kExitLimit = 60s;
constexpr auto kToolLimit = 60s;
constexpr int kPollMs = 20;
constexpr auto kSilence = 500ms;

void write_offset(const std::filesystem::path& path, std::chrono::nanoseconds by) {
  const std::string fresh = path.string() + ".new";
  std::ofstream(fresh) << by.count() << '\n';
  std::filesystem::rename(fresh, path);
}

}  // namespace

std::unique_ptr<control::EtcdStore> store_of(const EtcdCluster& etcd) {
  const auto address = control::parse_etcd_url(etcd.url());
  if (!address) throw std::logic_error(address.error());
  control::EtcdOptions options;
  options.endpoints = address->endpoints;
  options.tls = address->tls;
  options.prefix = address->prefix;
  options.deadline = time::seconds(10);
  auto store = control::EtcdStore::open(options);
  if (!store) throw std::runtime_error(store.error().text);
  return std::move(*store);
}

lease::RightTable rights_in(control::Store& store) {
  const auto listing = store.list(lease::kRightPrefix);
  if (!listing) throw std::runtime_error(listing.error().text);
  return lease::read_rights(listing->entries);
}

control::MetaView meta_of(control::Store& store) {
  auto view = control::view_meta(store);
  if (!view) throw std::runtime_error(view.error().text);
  return std::move(*view);
}

time::SmearedUtc utc_now() {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
              .count()};
}

Hosts::Hosts(const EtcdCluster& etcd, std::map<std::string, std::string> options, const HostTimes& times)
    : etcd_(etcd), options_(std::move(options)), times_(times) {}

std::size_t Hosts::add(const std::map<std::string, std::string>& options) {
  auto host = std::make_unique<Host>();
  const std::filesystem::path folder = folder_.path() / std::to_string(hosts_.size());
  std::filesystem::create_directories(folder);
  host->offset_path = folder / "offset";
  write_offset(host->offset_path, {});
  std::map<std::string, std::string> settings{
      {"store.url", etcd_.url()},
      {"store.heartbeat_ms", std::to_string(times_.heartbeat.count())},
      {"store.clock_tolerance_ms", std::to_string(times_.tolerance.count())},
      {"rights.window_ms", std::to_string(times_.window.count())},
      {"rights.max_lead_ms", std::to_string(times_.max_lead.count())},
      {"clock.confirm_ms", "300"},
      {"clock.offset_file", host->offset_path.string()},
  };
  for (const auto& source : {options_, options})
    for (const auto& [option, value] : source)
      settings[option] = value;
  host->daemon = std::make_unique<support::Daemon>(folder, settings);
  hosts_.push_back(std::move(host));
  return hosts_.size() - 1;
}

bool Hosts::start(std::size_t j, milliseconds limit) {
  Host& host = *hosts_.at(j);
  collect(host);
  host.stream.reset();
  host.daemon->start();
  if (!host.daemon->wait_ready(limit)) return false;
  host.stream = std::make_unique<Stream>(host.daemon->endpoints().front());
  return true;
}

support::Exit Hosts::start_refused(std::size_t j) {
  hosts_.at(j)->daemon->start();
  return wait_exit(j);
}

support::Exit Hosts::wait_exit(std::size_t j) {
  Host& host = *hosts_.at(j);
  const support::Exit exit = host.daemon->wait_exit(kExitLimit);
  collect(host);
  host.stream.reset();
  return exit;
}

void Hosts::stop(std::size_t j) {
  hosts_.at(j)->daemon->send_signal(SIGTERM);
  EXPECT_EQ(wait_exit(j).code, 0) << log(j);
}

void Hosts::kill_hard(std::size_t j) {
  hosts_.at(j)->daemon->kill_hard();
  collect(*hosts_[j]);
  hosts_[j]->stream.reset();
}

void Hosts::set_clock_off(std::size_t j, std::chrono::nanoseconds by) {
  hosts_.at(j)->off = by;
  write_offset(hosts_[j]->offset_path, by);
}

bool Hosts::serves(std::size_t j, milliseconds limit) {
  (void)take(j);
  const auto until = std::chrono::steady_clock::now() + limit;
  while (take(j).ids == 0) {
    if (std::chrono::steady_clock::now() > until) return false;
    support::nap(kPollMs);
  }
  return true;
}

bool Hosts::stands_down(std::size_t j, milliseconds limit) {
  const auto until = std::chrono::steady_clock::now() + limit;
  (void)take(j);
  while (std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(kSilence);
    if (take(j).ids == 0) return true;
  }
  return false;
}

void Hosts::collect(Host& host) {
  if (host.stream) all_.follow_with(host.stream->take_ledger());
}

const support::Ledger& Hosts::received() {
  for (const auto& host : hosts_)
    collect(*host);
  return all_;
}

void Hosts::expect_unique() {
  const support::Ledger& ledger = received();
  const support::Ledger::Duplicates duplicates = ledger.duplicates();
  EXPECT_EQ(duplicates.count, 0U) << duplicates.first;
  EXPECT_EQ(ledger.order_violations(), 0U) << ledger.first_order_violation();
  std::printf("%lu IDs under %zu machine ids\n", static_cast<unsigned long>(ledger.ids()), ledger.machines().size());
}

time::SmearedUtc Hosts::latest_issued() {
  const auto layouts = id::builtin_layouts();
  time::SmearedUtc latest{};
  for (const support::IssuedRange& range : received().ranges()) {
    const auto fields = id::decode(layouts[range.layout - 1U], {range.first + range.count - 1});
    if (!fields) throw std::runtime_error("an ID that does not decode was received");
    latest = std::max(latest, fields->time);
  }
  return latest;
}

std::map<std::string, std::string> Hosts::configuration(std::size_t j) const {
  return hosts_.at(j)->daemon->environment();
}

support::Output Hosts::gnomon(std::size_t j, std::vector<std::string> words) const {
  words.insert(words.begin(), support::built("cmd/gnomon"));
  return support::run_program(words, configuration(j), kToolLimit);
}

}  // namespace gnomon::bed
