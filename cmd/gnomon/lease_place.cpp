// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/lease_place.hpp"

#include <fmt/core.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <utility>

#include "cmd/gnomon/status_socket.hpp"
#include "cmd/options/checks.hpp"
#include "control/grpc_log.hpp"
#include "platform/endpoint.hpp"

namespace gnomon::cmd {
namespace {

constexpr std::string_view kUnix = "unix:";

/// With the port that servers have by default, where the text names none. The error is a sentence.
tl::expected<std::string, std::string> server_address(const std::string& text) {
  const auto refused = [&text] {
    return tl::make_unexpected(
        fmt::format("'{}' is no server: write unix:PATH or HOST[:PORT], IPv6 addresses in brackets", text));
  };
  if (text.find("://") != std::string::npos) return refused();
  if (is_unix(text)) {
    if (text.size() == kUnix.size()) return refused();
    return text;
  }
  const bool in_brackets = text.starts_with('[');
  const std::size_t host_end = in_brackets ? text.find(']') : text.find(':');
  const std::string host = text.substr(in_brackets ? 1 : 0, host_end - (in_brackets ? 1 : 0));
  if (host.empty() || (in_brackets && host_end == std::string::npos)) return refused();
  // Whether the port is one: with a host that is an address, which needs no look-up.
  const std::string tail =
      host_end == std::string::npos ? std::string() : text.substr(host_end + (in_brackets ? 1 : 0));
  const auto port = platform::parse_endpoint("127.0.0.1" + tail, kLeasePort);
  if (!port || port->port == 0 || (in_brackets && !platform::parse_address(host))) return refused();
  return fmt::format("{}:{}", in_brackets ? "[" + host + "]" : host, port->port);
}

}  // namespace

bool is_unix(const std::string& server) { return server.starts_with(kUnix); }

tl::expected<LeasePlace, std::string> lease_place(const LeaseServers& where) {
  LeasePlace place;
  constexpr double kNsPerSecond = 1e9;
  place.deadline = {static_cast<std::int64_t>(where.timeout_s * kNsPerSecond)};
  bool over_tcp = false;
  bool over_unix = false;
  for (const std::string& text : where.servers) {
    auto address = server_address(text);
    if (!address) return tl::make_unexpected(address.error());
    (is_unix(*address) ? over_unix : over_tcp) = true;
    place.servers.push_back(std::move(*address));
  }
  if (place.servers.empty()) {
    const auto socket = status_socket(where.instance, where.socket);
    if (!socket) return tl::make_unexpected(socket.error());
    place.servers.push_back(std::string(kUnix) + *socket);
  } else if (where.instance || where.socket) {
    return tl::make_unexpected(
        std::string("--server and --instance or --socket name different servers: choose one of them"));
  }
  if (over_tcp && over_unix)
    return tl::make_unexpected(
        std::string("--server names Unix sockets and hosts: a session opened over the one is foreign over the other, "
                    "where you have another name; name one kind only"));
  const bool any = !where.ca_file.empty() || !where.cert_file.empty() || !where.key_file.empty();
  const bool all = !where.ca_file.empty() && !where.cert_file.empty() && !where.key_file.empty();
  if (any != all || (over_tcp && !all))
    return tl::make_unexpected(
        std::string("a server on a host and port is asked with mutual TLS: give --ca-file, --cert-file and "
                    "--key-file, all three"));
  if (over_tcp) place.tls = client::LeaseTls{where.ca_file, where.cert_file, where.key_file, where.server_name};
  return place;
}

client::LeaseResult<std::shared_ptr<client::LeaseClient>> connect_to(const LeasePlace& place) {
  control::keep_grpc_quiet();
  return client::LeaseClient::connect({.servers = place.servers, .tls = place.tls, .deadline = place.deadline});
}

ExitCode exit_code_of(client::LeaseErrorKind kind) {
  using Kind = client::LeaseErrorKind;
  switch (kind) {
    case Kind::kBadArgument: return ExitCode::kUsage;
    case Kind::kUnreachable:
    case Kind::kTimeout: return ExitCode::kUnreachable;
    case Kind::kUnsynchronised: return ExitCode::kUnsynchronised;
    case Kind::kHeld:
    case Kind::kQueued:
    case Kind::kNotHeld:
    case Kind::kSessionLost:
    case Kind::kQuarantined:
    case Kind::kTooMany:
    case Kind::kRecovering:
    case Kind::kForbidden:
    case Kind::kOverloaded:
    case Kind::kServer:
    case Kind::kClosed: return ExitCode::kRefused;
  }
  return ExitCode::kRefused;
}

ExitCode fail(const client::LeaseError& error, const Output& output) {
  return output.fail(exit_code_of(error.kind), error.text);
}

std::string lease_label(const std::string& given) {
  if (!given.empty()) return given;
  utsname host{};
  (void)::uname(&host);  // without it the host is empty
  return fmt::format("{}/{}/gnomon", static_cast<const char*>(host.nodename), ::getpid());
}

}  // namespace gnomon::cmd
