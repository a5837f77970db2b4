// SPDX-License-Identifier: Apache-2.0
#include "client/lease/lease_transport.hpp"

#include <grpc/support/time.h>

#include <algorithm>

#include "client/lease/lease_fault.hpp"
#include "client/lease/quiet_thread.hpp"

namespace gnomon::client {

gpr_timespec grpc_deadline(time::Duration timeout) {
  constexpr std::int64_t kLongest = 7 * 86'400'000'000'000;  // a sum with now must not overflow
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                      gpr_time_from_nanos(std::clamp<std::int64_t>(timeout.ns, 0, kLongest), GPR_TIMESPAN));
}

LeaseResult<std::shared_ptr<LeaseTransport>> LeaseTransport::open(const LeaseClientOptions& options) {
  auto channels = open_channels(options);
  if (!channels) return tl::make_unexpected(std::move(channels.error()));
  std::shared_ptr<LeaseTransport> transport(new LeaseTransport(std::move(*channels), options.deadline));
  if (auto started = transport->start_thread(); !started) return tl::make_unexpected(std::move(started.error()));
  return transport;
}

LeaseTransport::LeaseTransport(std::vector<LeaseChannel> channels, time::Duration deadline) : deadline_(deadline) {
  for (LeaseChannel& channel : channels) {
    auto stub = v1::LeaseService::NewStub(channel.channel);
    servers_.push_back({std::move(channel), std::move(stub)});
  }
}

LeaseTransport::~LeaseTransport() {
  queue_.Shutdown();
  if (thread_.joinable()) {
    thread_.join();
    return;
  }
  void* tag = nullptr;  // the thread never started: a queue wants to be emptied all the same
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

bool LeaseTransport::is_connected(std::size_t index) const {
  return servers_[index].at.channel->GetState(false) == GRPC_CHANNEL_READY;
}

LeaseResult<void> LeaseTransport::start_thread() {
  return start_quiet_thread(thread_, [this] { run(); });
}

void LeaseTransport::run() {
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
    const std::unique_ptr<PendingCall> call(static_cast<PendingCall*>(tag));
    call->complete();
  }
}

}  // namespace gnomon::client
