// SPDX-License-Identifier: Apache-2.0
#include "control/service/lease_server_limits.hpp"

#include <grpc/grpc.h>
#include <grpcpp/resource_quota.h>

#include <algorithm>
#include <limits>

namespace gnomon::control {
namespace {

template <typename Number>
int fitting(Number value) {
  return static_cast<int>(std::min<Number>(value, static_cast<Number>(std::numeric_limits<int>::max())));
}
int milliseconds_of(time::Duration duration) { return fitting(std::max<std::int64_t>(duration.ns / 1'000'000, 1)); }

}  // namespace

void apply(const LeaseServerLimits& limits, grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(fitting(limits.most_message_bytes));
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, fitting(limits.most_header_bytes));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, fitting(limits.calls_per_connection));
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, milliseconds_of(limits.handshake));
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, milliseconds_of(limits.longest_idle));
  // Our pings find peers that are gone without a word; theirs must not keep us busy.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, milliseconds_of(limits.keepalive));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, milliseconds_of(limits.keepalive_answer));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             milliseconds_of(limits.shortest_ping));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, fitting(limits.ping_strikes));
  grpc::ResourceQuota quota("gnomon-leases");
  quota.Resize(limits.most_bytes);
  quota.SetMaxThreads(fitting(limits.most_threads));
  builder.SetResourceQuota(quota);
}

}  // namespace gnomon::control
