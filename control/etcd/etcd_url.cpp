// SPDX-License-Identifier: Apache-2.0
#include "control/etcd/etcd_url.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <utility>

namespace gnomon::control {
namespace {

constexpr std::string_view kScheme = "etcd:";
constexpr std::string_view kDefaultPrefix = "gnomon/";
constexpr std::size_t kMaxEndpoints = 16;  // etcd advises 7 members at most
constexpr std::size_t kMaxPrefix = 200;

using Fault = tl::unexpected<std::string>;

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }
bool is_host_character(char c) { return is_alphanumeric(c) || c == '.' || c == '-' || c == '_'; }
bool is_ipv6_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' || c == '.';
}
bool is_prefix_character(char c) { return is_host_character(c) || c == '/'; }

bool is_port(std::string_view text) {
  std::uint32_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

std::string quoted(std::string_view text) { return '"' + std::string(text) + '"'; }

/// Of "host:port" or "[address]:port".
tl::expected<void, std::string> check_endpoint(std::string_view endpoint) {
  if (endpoint.empty()) return Fault("it has an empty endpoint: write each as https://HOST:PORT, separated by commas");
  const bool bracketed = endpoint.front() == '[';
  const std::size_t host_end = bracketed ? endpoint.find(']') : endpoint.find(':');
  if (host_end == std::string_view::npos)
    return Fault(bracketed ? "the bracket of " + quoted(endpoint) + " is not closed"
                           : "endpoint " + quoted(endpoint) + " names no port: etcd's client port is usually 2379");
  const std::string_view host = bracketed ? endpoint.substr(1, host_end - 1) : endpoint.substr(0, host_end);
  const std::string_view rest = bracketed ? endpoint.substr(host_end + 1) : endpoint.substr(host_end);
  const bool host_ok =
      bracketed ? host.find(':') != std::string_view::npos && std::all_of(host.begin(), host.end(), is_ipv6_character)
                : !host.empty() && std::all_of(host.begin(), host.end(), is_host_character);
  if (!host_ok) return Fault("endpoint " + quoted(endpoint) + " has no valid host name or address");
  if (!rest.starts_with(':'))
    return Fault("endpoint " + quoted(endpoint) + " names no port: etcd's client port is usually 2379");
  if (!bracketed && rest.find(':', 1) != std::string_view::npos)
    return Fault("endpoint " + quoted(endpoint) + " has several colons: an IPv6 address goes in brackets");
  if (!is_port(rest.substr(1))) return Fault("endpoint " + quoted(endpoint) + " has no port of 1 to 65535");
  return {};
}

/// Of what stands behind the last endpoint's slash.
tl::expected<std::string, std::string> parse_prefix(std::string_view text) {
  if (text.size() > 1 && text.ends_with('/')) text.remove_suffix(1);
  if (text.empty()) return std::string(kDefaultPrefix);
  if (text.size() > kMaxPrefix) return Fault("its prefix is longer than " + std::to_string(kMaxPrefix) + " characters");
  if (!std::all_of(text.begin(), text.end(), is_prefix_character))
    return Fault("its prefix " + quoted(text) + " may hold letters, digits and . _ - / only");
  if (text.front() == '/' || text.find("//") != std::string_view::npos || text.back() == '/')
    return Fault("its prefix " + quoted(text) + " has an empty part: write single slashes");
  return std::string(text) + '/';
}

/// Cuts "http://" or "https://" off; whether it was https.
tl::expected<bool, std::string> cut_scheme(std::string_view& endpoint) {
  for (const auto& [scheme, tls] : {std::pair{std::string_view("https://"), true}, {"http://", false}})
    if (endpoint.starts_with(scheme)) {
      endpoint.remove_prefix(scheme.size());
      return tls;
    }
  if (endpoint.empty()) return Fault("it has an empty endpoint: write each as https://HOST:PORT, separated by commas");
  return Fault("endpoint " + quoted(endpoint) + " begins neither with https:// nor with http://");
}

tl::expected<EtcdAddress, std::string> parse(std::string_view rest) {
  EtcdAddress address{{}, false, std::string(kDefaultPrefix)};
  for (bool more = true; more;) {
    const std::size_t comma = rest.find(',');
    more = comma != std::string_view::npos;
    std::string_view endpoint = rest.substr(0, comma);
    if (more) rest.remove_prefix(comma + 1);
    const auto tls = cut_scheme(endpoint);
    if (!tls) return Fault(tls.error());
    if (!address.endpoints.empty() && *tls != address.tls)
      return Fault("it mixes http:// and https://: either all of a cluster's endpoints use TLS or none");
    address.tls = *tls;
    if (const std::size_t slash = endpoint.find('/'); slash != std::string_view::npos) {
      if (more) return Fault("only its last endpoint may be followed by a /prefix, which is that of all");
      auto prefix = parse_prefix(endpoint.substr(slash + 1));
      if (!prefix) return Fault(std::move(prefix.error()));
      address.prefix = std::move(*prefix);
      endpoint = endpoint.substr(0, slash);
    }
    if (auto checked = check_endpoint(endpoint); !checked) return Fault(std::move(checked.error()));
    if (std::find(address.endpoints.begin(), address.endpoints.end(), endpoint) != address.endpoints.end())
      return Fault("endpoint " + quoted(endpoint) + " stands in it twice");
    if (address.endpoints.size() == kMaxEndpoints)
      return Fault("it has more than " + std::to_string(kMaxEndpoints) + " endpoints");
    address.endpoints.emplace_back(endpoint);
  }
  return address;
}

}  // namespace

tl::expected<EtcdAddress, std::string> parse_etcd_url(std::string_view url) {
  // Not quoted: it would put the password into a log.
  if (url.find('@') != std::string_view::npos)
    return Fault(
        "the store address can't be used: it has a user or password in it: set store.user and "
        "store.password_file instead");
  const auto refused = [url](const std::string& why) {
    return Fault("the store address " + quoted(url) + " can't be used: " + why);
  };
  if (!url.starts_with(kScheme)) return refused("it does not begin with etcd:");
  auto address = parse(url.substr(kScheme.size()));
  if (!address) return refused(address.error());
  return address;
}

}  // namespace gnomon::control
