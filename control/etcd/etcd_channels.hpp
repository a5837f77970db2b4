// SPDX-License-Identifier: Apache-2.0
//
// gRPC channels to the endpoints of an etcd cluster. Each endpoint has a channel of its own, because which one a
// request went to matters here: a balancing channel would repeat and reroute on its own terms. The arguments turn off
// what would do things behind our back (retries, proxies from the environment, configuration by DNS), and make a peer
// that vanished without a word be noticed.
//
// Thread rule: a dialer may be used, and copied, by any thread; channels are safe for any thread.
#pragma once

#include <grpcpp/channel.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "control/etcd/etcd_credentials.hpp"
#include "control/etcd/etcd_deadline.hpp"
#include "control/etcd/etcd_options.hpp"
#include "control/store.hpp"

namespace gnomon::control {

struct EtcdChannel {
  std::string endpoint;  // "host:port"
  std::shared_ptr<grpc::Channel> channel;
  std::uint64_t credentials = 0;  // which, by their number
};

class EtcdDialer {
 public:
  /// Reads the files, and refuses what can't work. Needs no cluster.
  [[nodiscard]] static tl::expected<EtcdDialer, StoreError> open(const EtcdOptions& options);

  /// New channels, in the order of the endpoints. They share no connection with those of another call.
  [[nodiscard]] std::vector<EtcdChannel> dial() const;
  /// Puts a new channel in place of one that is not connected, if the certificates have been replaced since that one
  /// was made: it would go on with the old ones for as long as it lives. A connection that stands is left alone.
  bool renew(EtcdChannel& channel) const;
  /// Why certificates that were replaced are not in use; empty if they are.
  [[nodiscard]] std::string problem() const { return credentials_->problem(); }

 private:
  EtcdDialer(std::vector<std::string> endpoints, std::shared_ptr<EtcdCredentials> credentials)
      : endpoints_(std::move(endpoints)), credentials_(std::move(credentials)) {}

  std::vector<std::string> endpoints_;
  std::shared_ptr<EtcdCredentials> credentials_;  // shared by all copies
};

/// Which cluster we talk to: the first answer says it, and every later one is held to it. Endpoints of two clusters
/// would show two histories as one. Any thread.
class EtcdClusterId {
 public:
  /// Whether an answer with this id may be used. 0 is no cluster's.
  [[nodiscard]] bool agrees(std::uint64_t id) {
    if (id == 0) return false;
    std::uint64_t seen = 0;
    // Relaxed, all of these: they guard no other memory.
    const bool ours = id_.compare_exchange_strong(seen, id, std::memory_order_relaxed) || seen == id;
    met_another_.store(!ours, std::memory_order_relaxed);
    return ours;
  }
  /// The latest answer came from another cluster.
  [[nodiscard]] bool met_another() const { return met_another_.load(std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t value() const { return id_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> id_{0};
  std::atomic<bool> met_another_{false};
};

/// Waits, and lets gRPC work meanwhile: its connections move only while somebody waits inside it, so a plain sleep
/// would let an attempt to connect starve. Whether the channel's state changed before `until`.
bool wait_for_change(grpc::Channel& channel, EtcdDeadline until);

/// "etcd at HOST belongs to cluster A, not to B: ...".
[[nodiscard]] std::string other_cluster_text(const std::string& endpoint, std::uint64_t found, std::uint64_t expected);

}  // namespace gnomon::control
