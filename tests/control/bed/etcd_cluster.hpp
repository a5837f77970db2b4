// SPDX-License-Identifier: Apache-2.0
//
// Real etcd: one member or three, Debian's programs, each a child process, with whatever can happen to them.
//
// A store that imitates etcd agrees with our idea of it; what matters is where the real one differs, such as a leader
// that is cut off and goes on believing in itself, or a backup that brings revisions back that had been seen. So
// whatever this does is done to real members with the tools of an operator, and none of it asks gnomon.
//
//   EtcdCluster etcd({.version = "3.5", .members = 3});
//   etcd.start();                                     // returns when it serves
//   ... open_store(etcd.url()) ...
//   etcd.kill_hard(*etcd.leader());
//
// Home: kLoopback needs no root; members listen on ports of 127.0.0.1 that are held for them, so that runs don't meet.
// kNamespaces gives each member, and each of `hosts` machines for daemons, a network of its own, so that they can be
// cut off from one another; it takes root. There, clients run in host(j): ChildLimits or InNamespace.
//
// Data lies in memory where there is room (a member takes 123 MB), and 3.5 syncs nothing: a killed process loses
// nothing by that. Members die with the object, or with the test's own thread. What can't be done throws
// std::runtime_error or std::logic_error with etcd's words. Thread rule: one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/control/bed/certificates.hpp"
#include "tests/control/bed/etcd_binaries.hpp"
#include "tests/control/bed/held_port.hpp"
#include "tests/control/bed/switched_network.hpp"
#include "tests/support/child_process.hpp"

namespace gnomon::bed {

enum class EtcdHome : std::uint8_t { kLoopback, kNamespaces };

/// For clients. Members among themselves use TLS both ways as soon as there is any.
enum class EtcdTls : std::uint8_t {
  kNone,
  kServer,  // the server shows a certificate
  kMutual,  // and demands one
};

struct EtcdUser {
  std::string name;
  std::string password;
  std::string prefix;  // it may read and write below it, and nothing else
};

struct EtcdOptions {
  std::string version = "3.5";
  std::size_t members = 1;  // 1 or 3
  EtcdHome home = EtcdHome::kLoopback;
  std::size_t hosts = 0;  // for daemons; kNamespaces only
  std::chrono::milliseconds heartbeat{50};
  std::chrono::milliseconds election_timeout{500};
  std::uint64_t quota_backend_bytes = 0;  // 0: etcd's own default, 2 GB
  unsigned max_txn_ops = 1024;
  EtcdTls tls = EtcdTls::kNone;
  Certificate (Certificates::*server_certificate)() const = &Certificates::server;  // what clients are shown
  /// With any, etcd asks for a password; kRootPassword is that of the user root.
  std::vector<EtcdUser> users{};
};

enum class CutFrom : std::uint8_t {
  kMembers,     // the other members; clients still reach those who are cut off
  kEverything,  // and the clients
};

enum class ClusterId : std::uint8_t {
  kSame,  // the operator uses the old token again: nothing but the revisions shows that time went back
  kNew,   // as etcd's documentation advises
};

/// Who asks, whom and as whom.
struct EtcdctlAccess {
  std::vector<std::string> endpoints{};  // none: all members that run and aren't cut off
  std::optional<std::size_t> host{};  // from the network of that host; none: from the operator's, which none is cut off
                                      // from but by CutFrom::kEverything
  std::optional<Certificate> client{};        // instead of the right one
  std::optional<std::filesystem::path> ca{};  // instead of the right one
  bool without_certificate = false;
  bool verifies = true;  // whether the server's certificate is looked at
  std::string user{};    // "name:password"; empty: root, if passwords are asked for
  std::chrono::milliseconds limit{2000};
};

struct EtcdKey {
  std::string value;
  std::uint64_t version = 0;  // how often it has been written since it was created
  std::uint64_t mod_revision = 0;
};

class EtcdCluster {
 public:
  static constexpr const char* kRootPassword = "of-the-root-user";

  /// Makes its networks, ports and certificates; starts nothing.
  explicit EtcdCluster(EtcdOptions options);
  ~EtcdCluster() = default;
  EtcdCluster(const EtcdCluster&) = delete;
  EtcdCluster& operator=(const EtcdCluster&) = delete;

  /// Whether such a cluster can be had here; else `why` says what is missing. The first call may fetch etcd.
  [[nodiscard]] static bool available(const EtcdOptions& options, std::string* why = nullptr);

  // --- where it is
  [[nodiscard]] std::size_t size() const { return members_.size(); }
  /// "https://127.0.0.1:2379" of each member, running or not.
  [[nodiscard]] std::vector<std::string> endpoints() const;
  [[nodiscard]] std::string endpoint(std::size_t member) const;
  /// For store.url: "etcd:http://...,http://...[/prefix]".
  [[nodiscard]] std::string url(const std::string& prefix = {}) const { return url_of(endpoints(), prefix); }
  [[nodiscard]] static std::string url_of(const std::vector<std::string>& endpoints, const std::string& prefix = {});
  /// The port of a member for clients.
  [[nodiscard]] std::uint16_t client_port(std::size_t member) const { return members_.at(member)->client_port; }
  [[nodiscard]] const Certificates& certificates() const;
  /// The network of the j-th host for daemons.
  [[nodiscard]] const support::NetworkNamespace& host(std::size_t j) const;

  // --- processes
  /// All members for the first time; returns when they serve.
  void start();
  /// Whether all members that run and aren't cut off come to serve, within `limit`.
  [[nodiscard]] bool wait_healthy(std::chrono::milliseconds limit = std::chrono::seconds(30)) const;
  /// The member that leads as the newest term among those who answer has it; none if they know of none.
  [[nodiscard]] std::optional<std::size_t> leader() const;
  /// The same, but waits for one that is not `other`.
  [[nodiscard]] std::optional<std::size_t> wait_for_leader(std::chrono::milliseconds limit = std::chrono::seconds(30),
                                                           std::optional<std::size_t> other = std::nullopt) const;
  void kill_hard(std::size_t member);
  void start_member(std::size_t member);  // with the data that it has
  void pause(std::size_t member);         // SIGSTOP: connections stay, and nobody answers
  void resume(std::size_t member);
  void stop_all();   // SIGTERM, and a second later SIGKILL; data is kept
  void start_all();  // those that don't run; wait_healthy says when they serve
  [[nodiscard]] support::ChildProcess& process(std::size_t member) const;

  // --- partitions (kNamespaces)
  void cut_off(const std::set<std::size_t>& members, CutFrom from = CutFrom::kEverything);
  /// A host for daemons, from all members.
  void cut_off_host(std::size_t j);
  void heal();
  /// For whatever else can happen to a network; the members are its first hosts, then come those for daemons. Who parts
  /// hosts here heals them here.
  [[nodiscard]] SwitchedNetwork& network();
  [[nodiscard]] std::size_t place_of_host(std::size_t j) const { return options_.members + j; }

  // --- what an operator does
  void snapshot(const std::filesystem::path& file) const;
  /// All members lose what they have and start with the snapshot; returns when they serve.
  void restore_from(const std::filesystem::path& file, ClusterId id = ClusterId::kSame);
  /// A new, empty member comes in the place of an old one, as a learner first; endpoints() changes. The old one may be
  /// dead.
  void replace_member(std::size_t member);
  /// Writes until etcd refuses with NOSPACE. Takes options.quota_backend_bytes.
  void fill_quota();
  void clear_alarm();
  [[nodiscard]] bool has_alarm() const;
  /// Drops the history of all keys before the present revision.
  void compact();

  // --- keys
  void put(const std::string& key, const std::string& value) const;
  [[nodiscard]] std::optional<EtcdKey> get(const std::string& key) const;
  [[nodiscard]] std::uint64_t revision() const;

  /// etcdctl with these arguments, to its end.
  [[nodiscard]] support::Output etcdctl(const std::vector<std::string>& arguments,
                                        const EtcdctlAccess& access = {}) const;
  /// The same, but anything other than exit code 0 throws what it said.
  std::string must_etcdctl(const std::vector<std::string>& arguments, const EtcdctlAccess& access = {}) const;

  [[nodiscard]] const std::filesystem::path& folder() const { return folder_.path; }
  /// The end of all members' logs, for the message of a failed assertion.
  [[nodiscard]] std::string logs() const;

 private:
  struct Member {
    std::string name;
    std::size_t place = 0;       // which member of the cluster, and in kNamespaces the host it runs on
    std::filesystem::path data;  // its folder
    std::string address;
    std::uint16_t client_port = 0;
    std::uint16_t peer_port = 0;
    std::vector<HeldPort> held{};  // kLoopback
    std::unique_ptr<support::ChildProcess> process{};
    bool paused = false;
  };
  struct Folder {
    Folder();
    ~Folder();
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::filesystem::path path;
  };
  struct Peers {
    std::string state;    // "new" or "existing"
    std::string cluster;  // "m0=http://...,m1=http://..."
  };

  [[nodiscard]] std::unique_ptr<Member> new_member(std::size_t place);
  [[nodiscard]] std::string scheme() const { return options_.tls == EtcdTls::kNone ? "http://" : "https://"; }
  [[nodiscard]] std::string client_url(const Member& member) const;
  [[nodiscard]] std::string peer_url(const Member& member) const;
  [[nodiscard]] Peers all_peers(const std::string& state) const;
  [[nodiscard]] std::vector<std::string> tls_arguments() const;
  [[nodiscard]] std::vector<std::string> server_command(const Member& member, const Peers& peers) const;
  void run(Member& member, const Peers& peers) const;
  void stop(Member& member) const;
  [[nodiscard]] EtcdctlAccess own_access() const;
  [[nodiscard]] bool is_good(const Member& member) const;  // runs and isn't cut off
  [[nodiscard]] std::vector<std::string> good_endpoints() const;
  [[nodiscard]] std::size_t operators_host() const { return options_.members + options_.hosts; }
  [[nodiscard]] std::vector<std::string> identity_arguments(const EtcdctlAccess& access) const;
  void enable_users();
  [[nodiscard]] std::string id_of(const Member& member) const;  // in hex, as etcdctl takes it
  /// `stays`: where to ask for it. A member that is asked to remove itself may end before it has answered.
  void remove(Member& member, const std::vector<std::string>& stays) const;
  void promote(const Member& member) const;
  void require_namespaces(const char* what) const;

  EtcdOptions options_;
  EtcdBinary binary_;
  Folder folder_;  // outlives the members
  std::unique_ptr<Certificates> certificates_;
  std::unique_ptr<SwitchedNetwork> network_;
  std::vector<std::unique_ptr<Member>> members_;  // members_[i]->place == i
  std::string token_ = "bed";
  std::set<std::size_t> cut_off_;
  bool asks_for_password_ = false;
  int generation_ = 0;  // of names, ports and tokens
};

}  // namespace gnomon::bed
