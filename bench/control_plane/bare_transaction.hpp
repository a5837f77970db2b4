// SPDX-License-Identifier: Apache-2.0
//
// A transaction of etcd without anything of gnomon around it: the generated stub, on a channel that the product's
// dialer made, so with the same arguments as the store's own. It compares the revisions of its keys and puts the first
// of them; nothing is read if it fails, for it does not.
// Thread rule: one thread.
#pragma once

#include <grpcpp/channel.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "etcd/v3/etcd.grpc.pb.h"

namespace gnomon::bench {

class BareTransaction {
 public:
  /// Puts all its keys once. `puts` <= `compares`; keys are `key`/0, `key`/1 ...
  BareTransaction(const std::shared_ptr<grpc::Channel>& channel, const std::string& key, const std::string& value,
                  std::size_t compares, std::size_t puts);

  /// How long it took, in nanoseconds.
  [[nodiscard]] std::int64_t commit();

 private:
  void send(const etcdserverpb::TxnRequest& request);

  std::unique_ptr<etcdserverpb::KV::Stub> stub_;
  etcdserverpb::TxnRequest request_;
  etcdserverpb::TxnResponse response_;
  int puts_;
};

}  // namespace gnomon::bench
