// SPDX-License-Identifier: Apache-2.0
#include "control/etcd/etcd_channels.hpp"

#include <fmt/format.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>

#include <utility>

#include "platform/durable_file.hpp"

namespace gnomon::control {
namespace {

constexpr int kMaxReceiveBytes = 64 * 1024 * 1024;
// etcd ends a connection that pings more often than every 5 s (--grpc-keepalive-min-time).
constexpr int kKeepaliveMs = 10'000;
constexpr int kKeepaliveTimeoutMs = 2'500;
constexpr int kFirstBackoffMs = 200;
constexpr int kLongestBackoffMs = 1'000;  // also how long one attempt to connect may take
constexpr std::size_t kMaxPemBytes = 1024 * 1024;

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

tl::expected<std::string, StoreError> read_pem(const std::string& path, const char* option) {
  if (path.empty()) return std::string();
  auto content = platform::read_file(path, kMaxPemBytes);
  if (!content) return refused(fmt::format("{}: {}", option, content.error().text));
  const std::optional<std::string>& pem = *content;
  if (!pem) return refused(fmt::format("{}: there is no file {}", option, path));
  if (pem->find("-----BEGIN ") == std::string::npos)
    return refused(fmt::format("{}: {} is no PEM file: it has no line that starts with -----BEGIN", option, path));
  return *pem;
}

tl::expected<std::shared_ptr<grpc::ChannelCredentials>, StoreError> credentials(const EtcdOptions& options) {
  if (!options.tls) {
    if (!options.ca_file.empty() || !options.certificate_file.empty() || !options.key_file.empty())
      return refused("store.ca_file, store.cert_file and store.key_file need endpoints with https://");
    return grpc::InsecureChannelCredentials();
  }
  if (options.certificate_file.empty() != options.key_file.empty())
    return refused("store.cert_file and store.key_file belong together: set both or none");
  auto roots = read_pem(options.ca_file, "store.ca_file");
  if (!roots) return tl::make_unexpected(roots.error());
  auto certificate = read_pem(options.certificate_file, "store.cert_file");
  if (!certificate) return tl::make_unexpected(certificate.error());
  auto key = read_pem(options.key_file, "store.key_file");
  if (!key) return tl::make_unexpected(key.error());
  return grpc::SslCredentials({std::move(*roots), std::move(*key), std::move(*certificate)});
}

}  // namespace

tl::expected<EtcdDialer, StoreError> EtcdDialer::open(const EtcdOptions& options) {
  if (options.endpoints.empty()) return refused("the etcd store has no endpoint");
  if (!options.prefix.ends_with('/')) return refused("the prefix of the etcd store has to end with /");
  if (options.user.empty() && !options.password.empty()) return refused("store.password_file needs store.user");
  auto made = credentials(options);
  if (!made) return tl::make_unexpected(made.error());
  return EtcdDialer(options.endpoints, std::move(*made));
}

std::vector<EtcdChannel> EtcdDialer::dial() const {
  std::vector<EtcdChannel> channels;
  channels.reserve(endpoints_.size());
  for (const std::string& endpoint : endpoints_)
    channels.push_back({endpoint, grpc::CreateCustomChannel(target(endpoint), credentials_, arguments())});
  return channels;
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
