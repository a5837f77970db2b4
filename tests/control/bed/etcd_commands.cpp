// SPDX-License-Identifier: Apache-2.0
//
// What the programs are told: etcd's options, and who etcdctl is and whom it asks.
#include <fmt/format.h>

#include <stdexcept>
#include <utility>

#include "tests/control/bed/etcd_cluster.hpp"
#include "tests/control/bed/etcdctl_fields.hpp"

namespace gnomon::bed {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr seconds kDialLimit{2};

}  // namespace

std::vector<std::string> EtcdCluster::tls_arguments() const {
  if (!certificates_) return {};
  const Certificate shown = (*certificates_.*options_.server_certificate)();
  const Certificate among_peers = certificates_->server();
  const std::string ca = certificates_->ca().string();
  std::vector<std::string> arguments{"--cert-file=" + shown.certificate.string(),
                                     "--key-file=" + shown.key.string(),
                                     "--peer-cert-file=" + among_peers.certificate.string(),
                                     "--peer-key-file=" + among_peers.key.string(),
                                     "--peer-trusted-ca-file=" + ca,
                                     "--peer-client-cert-auth"};
  if (options_.tls == EtcdTls::kMutual)
    arguments.insert(arguments.end(), {"--trusted-ca-file=" + ca, "--client-cert-auth"});
  return arguments;
}

std::vector<std::string> EtcdCluster::server_command(const Member& member, const Peers& peers) const {
  std::vector<std::string> command{
      binary_.etcd,
      "--name=" + member.name,
      "--data-dir=" + member.data.string(),
      "--listen-client-urls=" + client_url(member),
      "--advertise-client-urls=" + client_url(member),
      "--listen-peer-urls=" + peer_url(member),
      "--initial-advertise-peer-urls=" + peer_url(member),
      "--initial-cluster=" + peers.cluster,
      "--initial-cluster-state=" + peers.state,
      "--initial-cluster-token=" + token_,
      "--heartbeat-interval=" + std::to_string(options_.heartbeat.count()),
      "--election-timeout=" + std::to_string(options_.election_timeout.count()),
      "--max-txn-ops=" + std::to_string(options_.max_txn_ops),
      "--quota-backend-bytes=" + std::to_string(options_.quota_backend_bytes),
      "--bcrypt-cost=4",
      "--strict-reconfig-check=false",  // else a cluster younger than 5 s takes no new member
      "--logger=zap",
  };
  if (binary_.version != "3.4") command.emplace_back("--unsafe-no-fsync");
  const std::vector<std::string> tls = tls_arguments();
  command.insert(command.end(), tls.begin(), tls.end());
  return command;
}

std::vector<std::string> EtcdCluster::identity_arguments(const EtcdctlAccess& access) const {
  std::vector<std::string> arguments;
  if (certificates_) {
    arguments.push_back("--cacert=" + access.ca.value_or(certificates_->ca()).string());
    if (!access.verifies) arguments.emplace_back("--insecure-skip-tls-verify");
    const Certificate client = access.client.value_or(certificates_->client());
    if (options_.tls == EtcdTls::kMutual && !access.without_certificate)
      arguments.insert(arguments.end(), {"--cert=" + client.certificate.string(), "--key=" + client.key.string()});
  }
  if (!access.user.empty())
    arguments.push_back("--user=" + access.user);
  else if (asks_for_password_)
    arguments.push_back(std::string("--user=root:") + kRootPassword);
  return arguments;
}

support::Output EtcdCluster::etcdctl(const std::vector<std::string>& arguments, const EtcdctlAccess& access) const {
  std::vector<std::string> command{
      binary_.etcdctl, "--endpoints=" + joined(access.endpoints.empty() ? good_endpoints() : access.endpoints, ","),
      fmt::format("--command-timeout={}ms", access.limit.count()),
      fmt::format("--dial-timeout={}s", kDialLimit.count())};
  const std::vector<std::string> identity = identity_arguments(access);
  command.insert(command.end(), identity.begin(), identity.end());
  command.insert(command.end(), arguments.begin(), arguments.end());
  support::ChildLimits limits;
  if (network_) limits.network_namespace = (access.host ? host(*access.host) : network_->host(operators_host())).fd();
  // With several endpoints it may wait for each; and a program that hangs is killed at last.
  return support::run_program(command, without_etcd_variables(),
                              3 * (access.limit + std::chrono::duration_cast<milliseconds>(kDialLimit)), limits);
}

std::string EtcdCluster::must_etcdctl(const std::vector<std::string>& arguments, const EtcdctlAccess& access) const {
  support::Output output = etcdctl(arguments, access);
  if (output.exit.code != 0)
    throw std::runtime_error("'etcdctl " + joined(arguments, " ").substr(0, 200) + "' failed: " + output.text + logs());
  return std::move(output.text);
}

}  // namespace gnomon::bed
