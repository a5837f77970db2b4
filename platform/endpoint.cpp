// SPDX-License-Identifier: Apache-2.0
#include "platform/endpoint.hpp"

#include <arpa/inet.h>

#include <array>
#include <charconv>
#include <cstring>
#include <utility>

namespace gnomon::platform {
namespace {

constexpr std::size_t kV4Offset = 12;  // of the IPv4 address in a v4-mapped one
constexpr std::size_t kMostPortDigits = 5;

tl::unexpected<EndpointError> refuse(EndpointFault fault, std::string_view text, std::string_view why) {
  std::string sentence = "'";
  sentence.append(text).append("' is no endpoint: ").append(why);
  sentence.append("; write it like 127.0.0.1:14666 or [::1]:14666");
  return tl::make_unexpected(EndpointError{fault, std::move(sentence)});
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  if (text.size() > kMostPortDigits) return std::nullopt;  // from_chars would skip leading zeros without end
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

/// The two halves of an endpoint's text; no port where none is written.
struct Halves {
  std::string_view address;
  std::optional<std::string_view> port;
  bool bracketed = false;
};

std::optional<Halves> split(std::string_view text) {
  if (!text.starts_with('[')) {
    const std::size_t colon = text.find(':');
    if (colon == std::string_view::npos) return Halves{text, std::nullopt, false};
    return Halves{text.substr(0, colon), text.substr(colon + 1), false};
  }
  const std::size_t close = text.find(']');
  if (close == std::string_view::npos) return std::nullopt;
  const std::string_view rest = text.substr(close + 1);
  if (!rest.empty() && rest.front() != ':') return std::nullopt;
  Halves halves{text.substr(1, close - 1), std::nullopt, true};
  if (!rest.empty()) halves.port = rest.substr(1);
  return halves;
}

}  // namespace

bool Endpoint::is_wildcard() const { return address == serve::Address{} || address == serve::Address::v4(0, 0, 0, 0); }

std::optional<serve::Address> parse_address(std::string_view text) {
  const std::string terminated(text);
  if (terminated.size() != std::strlen(terminated.c_str())) return std::nullopt;
  serve::Address address;
  if (inet_pton(AF_INET6, terminated.c_str(), address.bytes.data()) == 1) return address;
  address = serve::Address::v4(0, 0, 0, 0);
  if (inet_pton(AF_INET, terminated.c_str(), address.bytes.data() + kV4Offset) == 1) return address;
  return std::nullopt;
}

tl::expected<Endpoint, EndpointError> parse_endpoint(std::string_view text, std::optional<std::uint16_t> default_port) {
  const auto halves = split(text);
  if (!halves) return refuse(EndpointFault::kBadAddress, text, "its brackets don't match");
  if (!halves->bracketed && halves->port && halves->port->find(':') != std::string_view::npos)
    return refuse(EndpointFault::kNeedsBrackets, text, "an IPv6 address stands in brackets");

  const auto address = parse_address(halves->address);
  const bool looks_v6 = halves->address.find(':') != std::string_view::npos;
  if (!address || looks_v6 != halves->bracketed)
    return refuse(EndpointFault::kBadAddress, text,
                  halves->bracketed ? "between the brackets is no numeric IPv6 address"
                                    : "it has no numeric IPv4 address (names are not looked up)");

  if (!halves->port && !default_port) return refuse(EndpointFault::kNoPort, text, "it has no port");
  const auto port = halves->port ? parse_port(*halves->port) : default_port;
  if (!port) return refuse(EndpointFault::kBadPort, text, "its port is not a number of 0 to 65535");
  return Endpoint{*address, *port};
}

std::string to_string(const serve::Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (address.is_v4())
    inet_ntop(AF_INET, address.bytes.data() + kV4Offset, text.data(), text.size());
  else
    inet_ntop(AF_INET6, address.bytes.data(), text.data(), text.size());
  return text.data();
}

std::string to_string(const Endpoint& endpoint) {
  const std::string address = to_string(endpoint.address);
  const std::string port = std::to_string(endpoint.port);
  return endpoint.is_v4() ? address + ":" + port : "[" + address + "]:" + port;
}

const sockaddr* SocketAddress::get() const {
  return reinterpret_cast<const sockaddr*>(&storage);  // what storage is made for
}

SocketAddress to_socket_address(const Endpoint& endpoint) {
  SocketAddress out;
  if (endpoint.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(endpoint.port);
    std::memcpy(&v4.sin_addr, endpoint.address.bytes.data() + kV4Offset, sizeof v4.sin_addr);
    std::memcpy(&out.storage, &v4, sizeof v4);
    out.size = sizeof v4;
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(endpoint.port);
    std::memcpy(&v6.sin6_addr, endpoint.address.bytes.data(), sizeof v6.sin6_addr);
    std::memcpy(&out.storage, &v6, sizeof v6);
    out.size = sizeof v6;
  }
  return out;
}

std::optional<Endpoint> from_socket_address(const sockaddr_storage& storage) {
  Endpoint endpoint;
  if (storage.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &storage, sizeof v4);
    endpoint.address = serve::Address::v4(0, 0, 0, 0);
    std::memcpy(endpoint.address.bytes.data() + kV4Offset, &v4.sin_addr, sizeof v4.sin_addr);
    endpoint.port = ntohs(v4.sin_port);
    return endpoint;
  }
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &storage, sizeof v6);
    std::memcpy(endpoint.address.bytes.data(), &v6.sin6_addr, sizeof v6.sin6_addr);
    endpoint.port = ntohs(v6.sin6_port);
    return endpoint;
  }
  return std::nullopt;
}

}  // namespace gnomon::platform
