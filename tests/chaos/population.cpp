// SPDX-License-Identifier: Apache-2.0
#include "tests/chaos/population.hpp"

#include <fmt/format.h>

#include <exception>
#include <utility>

#include "tests/support/network_namespace.hpp"

namespace gnomon::chaos {

Population::Population(const Bed& bed, std::uint64_t seed) {
  const std::vector<std::string> servers = bed.servers();
  for (std::size_t c = 0; c < kClientHosts; ++c) {
    // Threads stay for good where they were started, and so do those that they start.
    const support::InNamespace inside(bed.client_host(c));
    for (std::size_t j = c; j < kDaemons; j += kClientHosts)
      add_of_daemon(bed, j, seed + j);
    add(fmt::format("singles-{}", c), [=](Diary& d, const std::stop_token& s) { ask_singly(d, s, servers); });
    add(fmt::format("batches-{}", c), [=](Diary& d, const std::stop_token& s) { ask_batches(d, s, servers); });
    for (const char* which : {"a", "b"})
      add(fmt::format("hlc-{}{}", c, which),
          [=, this](Diary& d, const std::stop_token& s) { keep_hybrid_time(d, s, servers, exchange_); });
  }
  std::vector<std::string> instances;
  instances.reserve(kDaemons);
  for (std::size_t j = 0; j < kDaemons; ++j) {
    instances.push_back(bed.instance(j));
    add(fmt::format("leases-{}", j), [=, this, server = bed.lease_server(j)](Diary& d, const std::stop_token& s) {
      hold_leases(d, s, server, static_cast<std::uint8_t>(j), resource_);
    });
  }
  add("pages", [=](Diary& d, const std::stop_token& s) { read_pages(d, s, instances); });
}

void Population::add_of_daemon(const Bed& bed, std::size_t j, std::uint64_t seed) {
  const auto daemon = static_cast<std::uint8_t>(j);
  add(fmt::format("raw-{}", j), [=, endpoint = bed.endpoint(j)](Diary& d, const std::stop_token& s) {
    ask_daemon(d, s, endpoint, daemon, seed);
  });
  add(fmt::format("commits-{}", j),
      [=, server = bed.servers().at(j)](Diary& d, const std::stop_token& s) { commit(d, s, server, daemon); });
}

Population::~Population() {
  for (const auto& member : members_)
    member->thread.request_stop();
}

void Population::add(const std::string& client, Task task) {
  members_.push_back(std::make_unique<Member>(client));
  Member& member = *members_.back();
  member.thread =
      std::jthread([&member, task = std::move(task)](const std::stop_token& stop) { task(member.diary, stop); });
}

std::vector<Population::Standing> Population::standing() const {
  std::vector<Standing> all;
  all.reserve(members_.size());
  for (const auto& member : members_)
    all.push_back({member->diary.client(), member->diary.last_served()});
  return all;
}

Histories Population::finish() {
  for (const auto& member : members_)
    member->thread.request_stop();
  Histories histories;
  histories.reserve(members_.size());
  for (const auto& member : members_) {
    member->thread.join();
    histories.push_back(member->diary.take());
  }
  return histories;
}

}  // namespace gnomon::chaos
