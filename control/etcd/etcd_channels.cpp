// SPDX-License-Identifier: Apache-2.0
#include "control/etcd/etcd_channels.hpp"

#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <utility>

#include "control/grpc_log.hpp"

namespace gnomon::control {
namespace {

constexpr int kMaxReceiveBytes = 64 * 1024 * 1024;
// etcd ends a connection that pings more often than every 5 s (--grpc-keepalive-min-time).
constexpr int kKeepaliveMs = 10'000;
constexpr int kKeepaliveTimeoutMs = 2'500;
constexpr int kFirstBackoffMs = 200;
constexpr int kLongestBackoffMs = 1'000;  // also how long one attempt to connect may take

grpc::ChannelArguments arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);  // a commit is sent once
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);  // a quiet watch is pinged, too
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstBackoffMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kLongestBackoffMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLongestBackoffMs);
  arguments.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  return arguments;
}

/// As a URI: brackets of an IPv6 address have to be escaped in its path.
std::string target(const std::string& endpoint) {
  std::string text = "dns:///";
  for (const char c : endpoint)
    text += c == '[' ? "%5B" : c == ']' ? "%5D" : std::string(1, c);
  return text;
}

tl::unexpected<StoreError> refused(std::string text) {
  return tl::make_unexpected(StoreError{StoreErrorKind::kFatal, std::move(text)});
}

EtcdChannel channel_to(const std::string& endpoint, const EtcdCredentials::Current& by) {
  return {endpoint, grpc::CreateCustomChannel(target(endpoint), by.credentials, arguments()), by.number};
}

}  // namespace

tl::expected<EtcdDialer, StoreError> EtcdDialer::open(const EtcdOptions& options) {
  if (options.endpoints.empty()) return refused("the etcd store has no endpoint");
  if (!options.prefix.ends_with('/')) return refused("the prefix of the etcd store has to end with /");
  if (options.user.empty() && !options.password.empty()) return refused("store.password_file needs store.user");
  keep_grpc_quiet();
  auto credentials = EtcdCredentials::open(options);
  if (!credentials) return tl::make_unexpected(credentials.error());
  return EtcdDialer(options.endpoints, std::move(*credentials));
}

std::vector<EtcdChannel> EtcdDialer::dial() const {
  const EtcdCredentials::Current now = credentials_->current();
  std::vector<EtcdChannel> channels;
  channels.reserve(endpoints_.size());
  for (const std::string& endpoint : endpoints_)
    channels.push_back(channel_to(endpoint, now));
  return channels;
}

bool EtcdDialer::renew(EtcdChannel& channel) const {
  if (channel.channel->GetState(false) == GRPC_CHANNEL_READY) return false;
  const EtcdCredentials::Current now = credentials_->current();
  if (now.number == channel.credentials) return false;
  channel = channel_to(channel.endpoint, now);
  return true;
}

bool wait_for_change(grpc::Channel& channel, EtcdDeadline until) {
  return channel.WaitForStateChange(channel.GetState(true), until.for_grpc());
}

std::string other_cluster_text(const std::string& endpoint, std::uint64_t found, std::uint64_t expected) {
  return fmt::format(
      "etcd at {} belongs to cluster {:x}, but the one that answered first to cluster {:x}: name endpoints of one "
      "cluster "
      "only. If the cluster was rebuilt from a snapshot, restart this daemon",
      endpoint, found, expected);
}

}  // namespace gnomon::control
