// SPDX-License-Identifier: Apache-2.0
//
// The members' addresses and processes; what they are told is in etcd_commands.cpp, what an operator or a network does
// to them is in etcd_upkeep.cpp.
#include "tests/control/bed/etcd_cluster.hpp"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "tests/control/bed/etcdctl_fields.hpp"

namespace gnomon::bed {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kStartLimit{60};
constexpr seconds kStopLimit{1};
constexpr milliseconds kFirstHealthLimit{100};
constexpr milliseconds kLastHealthLimit{5000};
constexpr int kPollMs = 20;
constexpr std::uint64_t kRoomNeeded = std::uint64_t{2} << 30;
constexpr std::uint16_t kClientPort = 2379;  // in namespaces; a member that replaces another one takes later ones
constexpr std::size_t kLogBytes = 4000;

// In memory if there is room, unless TMPDIR says otherwise.
std::filesystem::path new_folder() {
  std::filesystem::path parent = std::filesystem::temp_directory_path();
  struct statvfs memory{};
  if (std::getenv("TMPDIR") == nullptr && access("/dev/shm", W_OK) == 0 && statvfs("/dev/shm", &memory) == 0 &&
      std::uint64_t{memory.f_bavail} * memory.f_frsize > kRoomNeeded)
    parent = "/dev/shm";
  std::string pattern = (parent / "gnomon-etcd.XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::system_error(errno, std::generic_category(), "mkdtemp");
  return pattern;
}

EtcdBinary binary_for(const std::string& version) {
  std::string why;
  auto binary = etcd_binary(version, &why);
  if (!binary) throw std::runtime_error(why);
  return std::move(*binary);
}

void check(const EtcdOptions& options) {
  if (options.members != 1 && options.members != 3) throw std::invalid_argument("a cluster has 1 or 3 members");
  if (options.home == EtcdHome::kLoopback && options.hosts != 0)
    throw std::invalid_argument("hosts for daemons are namespaces");
}

std::vector<std::string> addresses_for_certificates(const EtcdOptions& options) {
  std::vector<std::string> names;
  if (options.home == EtcdHome::kNamespaces)
    for (std::size_t i = 0; i < options.members; ++i)
      names.push_back("IP:" + SwitchedNetwork::address(i));
  return names;
}

}  // namespace

// --- where it is

bool EtcdCluster::available(const EtcdOptions& options, std::string* why) {
  if (!etcd_binary(options.version, why)) return false;
  if (options.tls != EtcdTls::kNone && !Certificates::available(why)) return false;
  return options.home == EtcdHome::kLoopback || SwitchedNetwork::available(why);
}

EtcdCluster::EtcdCluster(EtcdOptions options) : options_(std::move(options)), binary_(binary_for(options_.version)) {
  check(options_);
  if (options_.tls != EtcdTls::kNone) {
    std::filesystem::create_directory(folder_.path / "certificates");
    certificates_ = std::make_unique<Certificates>(folder_.path / "certificates", addresses_for_certificates(options_));
  }
  if (options_.home == EtcdHome::kNamespaces) network_ = std::make_unique<SwitchedNetwork>(operators_host() + 1);
  for (std::size_t i = 0; i < options_.members; ++i)
    members_.push_back(new_member(i));
}

EtcdCluster::Folder::Folder() : path(new_folder()) {}

EtcdCluster::Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path, ignored);
}

std::unique_ptr<EtcdCluster::Member> EtcdCluster::new_member(std::size_t place) {
  auto member = std::make_unique<Member>();
  member->name = "m" + std::to_string(place) + (generation_ == 0 ? "" : "-" + std::to_string(generation_));
  member->place = place;
  member->data = folder_.path / member->name;
  if (network_) {
    member->address = SwitchedNetwork::address(place);
    member->client_port = static_cast<std::uint16_t>(kClientPort + 2 * generation_);
    member->peer_port = static_cast<std::uint16_t>(member->client_port + 1);
  } else {
    member->address = "127.0.0.1";
    member->held = std::vector<HeldPort>(2);
    member->client_port = member->held[0].number();
    member->peer_port = member->held[1].number();
  }
  return member;
}

std::string EtcdCluster::client_url(const Member& member) const {
  return scheme() + member.address + ":" + std::to_string(member.client_port);
}

std::string EtcdCluster::peer_url(const Member& member) const {
  return scheme() + member.address + ":" + std::to_string(member.peer_port);
}

std::string EtcdCluster::endpoint(std::size_t member) const { return client_url(*members_.at(member)); }

std::vector<std::string> EtcdCluster::endpoints() const {
  std::vector<std::string> all;
  all.reserve(members_.size());
  for (const auto& member : members_)
    all.push_back(client_url(*member));
  return all;
}

std::string EtcdCluster::url_of(const std::vector<std::string>& endpoints, const std::string& prefix) {
  return "etcd:" + joined(endpoints, ",") + (prefix.empty() ? "" : "/" + prefix);
}

const Certificates& EtcdCluster::certificates() const {
  if (!certificates_) throw std::logic_error("this cluster has no TLS");
  return *certificates_;
}

const support::NetworkNamespace& EtcdCluster::host(std::size_t j) const {
  require_namespaces("a host for daemons");
  if (j >= options_.hosts) throw std::out_of_range("there is no such host");
  return network_->host(options_.members + j);
}

SwitchedNetwork& EtcdCluster::network() {
  require_namespaces("a network of its own");
  return *network_;
}

void EtcdCluster::require_namespaces(const char* what) const {
  if (!network_) throw std::logic_error(std::string(what) + " takes EtcdHome::kNamespaces");
}

// --- processes

EtcdCluster::Peers EtcdCluster::all_peers(const std::string& state) const {
  std::vector<std::string> peers;
  peers.reserve(members_.size());
  for (const auto& member : members_)
    peers.push_back(member->name + "=" + peer_url(*member));
  return {state, joined(peers, ",")};
}

void EtcdCluster::run(Member& member, const Peers& peers) const {
  member.process.reset();
  member.paused = false;
  const int network = network_ ? network_->host(member.place).fd() : -1;
  member.process = std::make_unique<support::ChildProcess>(server_command(member, peers), without_etcd_variables(),
                                                           folder_.path / (member.name + ".log"),
                                                           support::ChildLimits{.network_namespace = network});
}

void EtcdCluster::start() {
  start_all();
  if (!wait_healthy(kStartLimit)) throw std::runtime_error("etcd did not come to serve\n" + logs());
  if (!options_.users.empty()) enable_users();
}

void EtcdCluster::start_all() {
  for (std::size_t i = 0; i < members_.size(); ++i)
    if (!members_[i]->process || !members_[i]->process->running()) start_member(i);
}

// A member that has data ignores what it is told of its peers.
void EtcdCluster::start_member(std::size_t member) { run(*members_.at(member), all_peers("new")); }

void EtcdCluster::stop(Member& member) const {
  if (!member.process) return;
  if (member.paused) member.process->send_signal(SIGCONT);
  member.process->send_signal(SIGTERM);
  member.process->wait_exit(kStopLimit);
  member.process.reset();
}

// A leader hands its leadership over first, and waits for long if there is nobody to take it.
void EtcdCluster::stop_all() {
  for (const auto& member : members_)
    if (member->process) member->process->send_signal(SIGTERM);
  for (const auto& member : members_)
    stop(*member);
}

void EtcdCluster::kill_hard(std::size_t member) { members_.at(member)->process.reset(); }

void EtcdCluster::pause(std::size_t member) {
  process(member).send_signal(SIGSTOP);
  members_[member]->paused = true;
}

void EtcdCluster::resume(std::size_t member) {
  process(member).send_signal(SIGCONT);
  members_[member]->paused = false;
}

support::ChildProcess& EtcdCluster::process(std::size_t member) const {
  const auto& process = members_.at(member)->process;
  if (!process) throw std::logic_error("member " + std::to_string(member) + " does not run");
  return *process;
}

bool EtcdCluster::is_good(const Member& member) const {
  return member.process && member.process->running() && !member.paused && !cut_off_.contains(member.place);
}

std::vector<std::string> EtcdCluster::good_endpoints() const {
  std::vector<std::string> good;
  for (const auto& member : members_)
    if (is_good(*member)) good.push_back(client_url(*member));
  return good;
}

// A server that shows a wrong certificate is well for all that.
EtcdctlAccess EtcdCluster::own_access() const {
  return {.verifies = options_.server_certificate == &Certificates::server};
}

// An attempt that is too early waits for gRPC's next one or etcd's, each of which takes its time: so the first attempts
// are short.
bool EtcdCluster::wait_healthy(milliseconds limit) const {
  const auto until = Clock::now() + limit;
  EtcdctlAccess access = own_access();
  access.limit = kFirstHealthLimit;
  do {
    if (!good_endpoints().empty() && etcdctl({"endpoint", "health"}, access).exit.code == 0) return true;
    access.limit = std::min(2 * access.limit, kLastHealthLimit);
    support::nap(kPollMs);
  } while (Clock::now() < until);
  return false;
}

std::optional<std::size_t> EtcdCluster::leader() const {
  std::optional<std::size_t> newest;
  std::uint64_t newest_term = 0;
  for (const auto& member : members_) {
    if (!is_good(*member)) continue;
    const support::Output output =
        etcdctl({"endpoint", "status", "-w", "fields"}, {.endpoints = {client_url(*member)}});
    if (output.exit.code != 0) continue;
    const std::uint64_t term = number(output.text, "RaftTerm");
    const bool leads = number(output.text, "Leader") == number(output.text, "MemberID");
    if (!leads || term < newest_term) continue;
    newest_term = term;
    newest = member->place;
  }
  return newest;
}

std::optional<std::size_t> EtcdCluster::wait_for_leader(milliseconds limit, std::optional<std::size_t> other) const {
  const auto until = Clock::now() + limit;
  do {
    if (const auto found = leader(); found && found != other) return found;
    support::nap(kPollMs);
  } while (Clock::now() < until);
  return std::nullopt;
}

std::string EtcdCluster::logs() const {
  std::string all;
  for (const auto& member : members_) {
    const std::string text = support::slurp(folder_.path / (member->name + ".log"));
    all += "--- " + member->name + "\n" + text.substr(text.size() - std::min(text.size(), kLogBytes));
  }
  return all;
}

}  // namespace gnomon::bed
