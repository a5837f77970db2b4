// SPDX-License-Identifier: Apache-2.0
//
// gRPC channels to the servers of leases, one for each: which server a request went to matters, so a balancing channel
// is of no use. Their arguments turn off what would happen behind our back: retries, proxies from the environment,
// configuration by DNS. There is no keepalive: a server ends connections that are pinged more often than it likes, and
// heartbeats notice a silent one as well.
// Thread rule: channels are safe for any thread.
#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>
#include <vector>

#include "client/lease/lease_client.hpp"

namespace gnomon::client {

struct LeaseChannel {
  std::string server;  // as in the options
  bool local = false;  // a Unix socket
  std::shared_ptr<grpc::Channel> channel;
};

/// Checks the options and reads the files; needs no server.
[[nodiscard]] LeaseResult<std::vector<LeaseChannel>> open_channels(const LeaseClientOptions& options);

}  // namespace gnomon::client
