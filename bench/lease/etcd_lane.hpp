// SPDX-License-Identifier: Apache-2.0
//
// What etcd itself has for it: a lease for the session, v3lock for the names. It is not the same promise: a keep-alive
// is a word between the client and the member that leads, which commits nothing, and the lock's key goes by that
// member's clock. Called by the generated stubs, over a channel that the product's dialer made.
// Thread rule: one thread.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/lease/lane.hpp"
#include "etcd/v3/etcd.grpc.pb.h"
#include "etcd/v3/etcd_lease.grpc.pb.h"
#include "etcd/v3/v3lock.grpc.pb.h"

namespace gnomon::bench {

class EtcdLane final : public Lane {
 public:
  EtcdLane(const std::shared_ptr<grpc::Channel>& channel, std::string label);
  ~EtcdLane() override;
  EtcdLane(const EtcdLane&) = delete;
  EtcdLane& operator=(const EtcdLane&) = delete;
  void run(Command command, std::size_t k) override;

  /// The key to unlock with, once it is held.
  [[nodiscard]] std::string lock(const std::string& name);
  void unlock(const std::string& key);
  /// Those who hold `name` and who wait for it.
  [[nodiscard]] std::int64_t queue_of(const std::string& name);

 private:
  struct Slot {
    std::string name;
    std::string key;
    std::int64_t lease = 0;  // of the one that is granted and revoked
  };
  [[nodiscard]] Slot& slot(std::size_t k);
  [[nodiscard]] std::int64_t grant();
  void keep_alive();
  void revoke(std::int64_t lease);

  std::unique_ptr<etcdserverpb::Lease::Stub> leases_;
  std::unique_ptr<v3lockpb::Lock::Stub> locks_;
  std::unique_ptr<etcdserverpb::KV::Stub> keys_;
  std::string label_;
  std::int64_t lease_;
  grpc::ClientContext keeping_;
  std::unique_ptr<grpc::ClientReaderWriter<etcdserverpb::LeaseKeepAliveRequest, etcdserverpb::LeaseKeepAliveResponse>>
      keeper_;
  std::vector<Slot> slots_;
};

}  // namespace gnomon::bench
