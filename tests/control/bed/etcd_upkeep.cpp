// SPDX-License-Identifier: Apache-2.0
//
// What an operator does to a cluster, through etcdctl: backups, replacements, space, users and keys; and partitions.
#include <fmt/format.h>

#include <cstdlib>
#include <stdexcept>
#include <utility>

#include "tests/control/bed/etcd_cluster.hpp"
#include "tests/control/bed/etcdctl_fields.hpp"

namespace gnomon::bed {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::seconds;

constexpr seconds kUpkeepLimit{10};
constexpr seconds kServeLimit{60};
constexpr seconds kExitLimit{10};
constexpr int kPollMs = 50;
constexpr std::size_t kFillBytes = 100'000;  // one argument of a program is at most 128 KiB
constexpr std::uint64_t kMaxFills = 100'000;
constexpr const char* kFillKey = "bed/fill";

}  // namespace

// --- keys

void EtcdCluster::put(const std::string& key, const std::string& value) const {
  must_etcdctl({"put", "--", key, value}, {.limit = kUpkeepLimit});
}

std::optional<EtcdKey> EtcdCluster::get(const std::string& key) const {
  const std::string told = must_etcdctl({"get", key, "-w", "fields"}, {.limit = kUpkeepLimit});
  if (number(told, "Count") == 0) return std::nullopt;
  return EtcdKey{field(told, "Value").value_or(""), number(told, "Version"), number(told, "ModRevision")};
}

std::uint64_t EtcdCluster::revision() const {
  // A read that goes through the leader; a member's own status may lag.
  return number(must_etcdctl({"get", "bed/none", "-w", "fields"}, {.limit = kUpkeepLimit}), "Revision");
}

// --- users

void EtcdCluster::enable_users() {
  must_etcdctl({"user", "add", std::string("root:") + kRootPassword});
  for (const EtcdUser& user : options_.users) {
    must_etcdctl({"user", "add", user.name + ":" + user.password});
    must_etcdctl({"role", "add", user.name});
    must_etcdctl({"role", "grant-permission", "--prefix=true", user.name, "readwrite", user.prefix});
    must_etcdctl({"user", "grant-role", user.name, user.name});
  }
  must_etcdctl({"auth", "enable"});
  asks_for_password_ = true;
}

// --- backups

void EtcdCluster::snapshot(const std::filesystem::path& file) const {
  const std::vector<std::string> good = good_endpoints();
  if (good.empty()) throw std::logic_error("no member runs that could give a snapshot");
  must_etcdctl({"snapshot", "save", file.string()}, {.endpoints = {good.front()}, .limit = kUpkeepLimit});
}

void EtcdCluster::restore_from(const std::filesystem::path& file, ClusterId id) {
  for (const auto& member : members_)
    member->process.reset();
  if (id == ClusterId::kNew) token_ = fmt::format("bed-{}", ++generation_);
  const Peers peers = all_peers("new");
  for (const auto& member : members_) {
    std::filesystem::remove_all(member->data);
    must_etcdctl({"snapshot", "restore", file.string(), "--name", member->name, "--data-dir", member->data.string(),
                  "--initial-cluster", peers.cluster, "--initial-cluster-token", token_,
                  "--initial-advertise-peer-urls", peer_url(*member)},
                 {.endpoints = {client_url(*member)}, .limit = kUpkeepLimit});
  }
  start_all();
  if (!wait_healthy(kServeLimit)) throw std::runtime_error("etcd did not serve after a restore\n" + logs());
}

// --- members

std::string EtcdCluster::id_of(const Member& member) const {
  const std::string told = must_etcdctl({"member", "list", "-w", "fields"});
  const std::size_t url = told.find(fmt::format(R"("PeerURL" : "{}")", peer_url(member)));
  const std::size_t block = url == std::string::npos ? url : told.rfind("\n\"ID\" : ", url);
  if (block == std::string::npos) throw std::runtime_error(member.name + " is not a member of\n" + told);
  return fmt::format("{:x}", number(told, "ID", block));
}

// A member that is asked during an election lets the request time out, whatever became of it.
void EtcdCluster::remove(Member& member, const std::vector<std::string>& stays) const {
  const std::string id = id_of(member);
  const auto until = Clock::now() + kServeLimit;
  for (;;) {
    const support::Output output = etcdctl({"member", "remove", id}, {.endpoints = stays, .limit = kUpkeepLimit});
    if (output.exit.code == 0 || output.text.find("ember not found") != std::string::npos) break;
    if (Clock::now() > until) throw std::runtime_error(member.name + " was not removed: " + output.text + logs());
    support::nap(kPollMs);
  }
  // It ends by itself when it hears of it.
  if (is_good(member)) member.process->wait_exit(kExitLimit);
  member.process.reset();
}

// Only a learner that has caught up is promoted.
void EtcdCluster::promote(const Member& member) const {
  const std::string id = id_of(member);
  const auto until = Clock::now() + kServeLimit;
  support::Output output;
  do {
    output = etcdctl({"member", "promote", id});
    if (output.exit.code == 0) return;
    support::nap(kPollMs);
  } while (Clock::now() < until);
  throw std::runtime_error(member.name + " was not promoted: " + output.text + logs());
}

void EtcdCluster::replace_member(std::size_t member) {
  Member& old = *members_.at(member);
  const bool was_good = is_good(old);
  // With a dead one still on the list, one more member needs a majority that may not be there.
  if (!was_good) remove(old, good_endpoints());
  ++generation_;
  std::unique_ptr<Member> fresh = new_member(member);
  must_etcdctl({"member", "add", fresh->name, "--learner", "--peer-urls=" + peer_url(*fresh)}, {.limit = kUpkeepLimit});
  Peers peers{"existing", fresh->name + "=" + peer_url(*fresh)};
  for (const auto& other : members_)
    if (was_good || other->place != member) peers.cluster += "," + other->name + "=" + peer_url(*other);
  run(*fresh, peers);
  promote(*fresh);
  if (was_good) remove(old, {client_url(*fresh)});
  std::filesystem::remove_all(old.data);
  members_[member] = std::move(fresh);
  if (!wait_healthy(kServeLimit)) throw std::runtime_error("etcd did not serve after a replacement\n" + logs());
}

// --- partitions

void EtcdCluster::cut_off(const std::set<std::size_t>& members, CutFrom from) {
  require_namespaces("a partition");
  for (const std::size_t inside : members) {
    if (inside >= members_.size()) throw std::out_of_range("there is no such member");
    const std::size_t ends = from == CutFrom::kEverything ? network_->size() : options_.members;
    for (std::size_t outside = 0; outside < ends; ++outside)
      if (!members.contains(outside)) network_->part(inside, outside);
  }
  cut_off_.insert(members.begin(), members.end());
}

void EtcdCluster::cut_off_host(std::size_t j) {
  (void)host(j);
  for (std::size_t i = 0; i < options_.members; ++i)
    network_->part(i, options_.members + j);
}

void EtcdCluster::heal() {
  require_namespaces("a partition");
  network_->heal_all();
  cut_off_.clear();
}

// --- space

void EtcdCluster::fill_quota() {
  if (options_.quota_backend_bytes == 0) throw std::logic_error("fill_quota takes a quota that can be filled");
  const std::string value(kFillBytes, 'x');
  for (std::uint64_t i = 0; i < kMaxFills; ++i) {
    const support::Output output = etcdctl({"put", kFillKey, value}, {.limit = kUpkeepLimit});
    if (output.exit.code == 0) continue;
    if (output.text.find("database space exceeded") != std::string::npos) return;
    throw std::runtime_error("etcd refused a value, but not for space: " + output.text);
  }
  throw std::runtime_error("etcd takes more than its quota");
}

bool EtcdCluster::has_alarm() const { return must_etcdctl({"alarm", "list"}).find("alarm:") != std::string::npos; }

void EtcdCluster::clear_alarm() {
  must_etcdctl({"del", kFillKey}, {.limit = kUpkeepLimit});
  compact();
  for (const std::string& endpoint : good_endpoints())
    must_etcdctl({"defrag"}, {.endpoints = {endpoint}, .limit = kUpkeepLimit});
  must_etcdctl({"alarm", "disarm"}, {.limit = kUpkeepLimit});
}

void EtcdCluster::compact() {
  must_etcdctl({"compact", "--physical=true", std::to_string(revision())}, {.limit = kUpkeepLimit});
}

}  // namespace gnomon::bed
