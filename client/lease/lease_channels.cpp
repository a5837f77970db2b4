// SPDX-License-Identifier: Apache-2.0
#include "client/lease/lease_channels.hpp"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>

#include "client/lease/lease_fault.hpp"
#include "platform/durable_file.hpp"

namespace gnomon::client {
namespace {

constexpr std::string_view kUnix = "unix:";
constexpr std::size_t kMaxServers = 16;
constexpr std::size_t kMaxPemBytes = 1024 * 1024;
constexpr int kMaxReceiveBytes = 64 * 1024 * 1024;
constexpr int kFirstBackoffMs = 100;
constexpr int kLongestBackoffMs = 1'000;  // also how long one attempt to connect may take
constexpr time::Duration kShortestDeadline = time::milliseconds(10);
constexpr time::Duration kLongestDeadline = time::seconds(3'600);

tl::unexpected<LeaseError> bad(std::string text) {
  return tl::make_unexpected(lease_error(LeaseErrorKind::kBadArgument, std::move(text)));
}

LeaseResult<std::string> read_pem(const std::string& path, const char* what) {
  auto content = platform::read_file(path, kMaxPemBytes);
  if (!content) return bad(std::string("the ") + what + ": " + content.error().text);
  const std::optional<std::string>& pem = *content;
  if (!pem) return bad(std::string("the ") + what + ": there is no file " + path);
  if (pem->find("-----BEGIN ") == std::string::npos)
    return bad(std::string("the ") + what + ": " + path +
               " is no PEM file: it has no line that starts with -----BEGIN");
  return *pem;
}

LeaseResult<std::shared_ptr<grpc::ChannelCredentials>> credentials(const LeaseTls& tls) {
  if (tls.ca_file.empty() || tls.cert_file.empty() || tls.key_file.empty())
    return bad("mutual TLS needs a CA, a certificate and a key; one of the three files is not named");
  auto roots = read_pem(tls.ca_file, "CA");
  if (!roots) return tl::make_unexpected(std::move(roots.error()));
  auto certificate = read_pem(tls.cert_file, "client's certificate");
  if (!certificate) return tl::make_unexpected(std::move(certificate.error()));
  auto key = read_pem(tls.key_file, "client's key");
  if (!key) return tl::make_unexpected(std::move(key.error()));
  return grpc::SslCredentials({std::move(*roots), std::move(*key), std::move(*certificate)});
}

bool is_host_and_port(std::string_view server) {
  const std::size_t colon = server.rfind(':');
  if (colon == 0 || colon == std::string_view::npos) return false;
  const std::string_view host = server.substr(0, colon);
  if (host.find(':') != std::string_view::npos && !(host.starts_with('[') && host.ends_with(']'))) return false;
  const std::string_view digits = server.substr(colon + 1);
  unsigned port = 0;
  const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  return fault == std::errc() && end == digits.data() + digits.size() && port > 0 && port < 65'536;
}

/// As a URI: brackets of an IPv6 address have to be escaped in its path.
std::string target(const std::string& server) {
  std::string text = "dns:///";
  for (const char c : server)
    text += c == '[' ? "%5B" : c == ']' ? "%5D" : std::string(1, c);
  return text;
}

grpc::ChannelArguments arguments() {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kFirstBackoffMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kLongestBackoffMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kLongestBackoffMs);
  arguments.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  return arguments;
}

// A session belongs to whom the server takes its client for: over TCP the name in the certificate, over a Unix socket
// "local". One opened at a server of either kind is somebody else's at the other.
LeaseResult<void> check_doors(const std::vector<std::string>& servers) {
  const auto is_local = [](const std::string& server) { return server.starts_with(kUnix); };
  const auto local = std::find_if(servers.begin(), servers.end(), is_local);
  const auto remote = std::find_if_not(servers.begin(), servers.end(), is_local);
  if (local == servers.end() || remote == servers.end()) return {};
  return bad(
      *local + " and " + *remote +
      " can't be servers of one lease client: over a Unix socket it is \"local\", over TCP what its certificate "
      "says, so a session opened at one is a foreign one at the other; name Unix sockets only, or host:port only");
}

LeaseResult<void> check(const LeaseClientOptions& options) {
  if (options.servers.empty() || options.servers.size() > kMaxServers)
    return bad("a lease client needs 1 to 16 servers, not " + std::to_string(options.servers.size()));
  if (options.deadline < kShortestDeadline || options.deadline > kLongestDeadline)
    return bad("the deadline of a lease client's calls has to lie between 10 ms and an hour");
  for (const std::string& server : options.servers) {
    if (server.starts_with(kUnix) && server.size() > kUnix.size()) continue;
    if (!is_host_and_port(server)) return bad("\"" + server + "\" is neither unix:PATH nor host:port");
    if (!options.tls) return bad("leases are served over TCP with mutual TLS only: " + server + " needs `tls`");
  }
  return check_doors(options.servers);
}

}  // namespace

LeaseResult<std::vector<LeaseChannel>> open_channels(const LeaseClientOptions& options) {
  if (auto fine = check(options); !fine) return tl::make_unexpected(std::move(fine.error()));
  std::shared_ptr<grpc::ChannelCredentials> secure;
  grpc::ChannelArguments secure_arguments = arguments();
  if (options.tls) {
    auto made = credentials(*options.tls);
    if (!made) return tl::make_unexpected(std::move(made.error()));
    secure = std::move(*made);
    if (!options.tls->server_name.empty()) secure_arguments.SetSslTargetNameOverride(options.tls->server_name);
  }
  std::vector<LeaseChannel> channels;
  channels.reserve(options.servers.size());
  for (const std::string& server : options.servers) {
    const bool local = server.starts_with(kUnix);
    channels.push_back({server, local,
                        local ? grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), arguments())
                              : grpc::CreateCustomChannel(target(server), secure, secure_arguments)});
  }
  return channels;
}

}  // namespace gnomon::client
