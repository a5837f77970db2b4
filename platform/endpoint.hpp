// SPDX-License-Identifier: Apache-2.0
//
// An address and a port, as text, as value and as what the kernel wants. Numeric only: a name can
// mean another host at every look-up, so resolving one is the business of whoever dials (the
// client), never of whoever listens.
//
//   127.0.0.1:14666    [::1]:14666    0.0.0.0:0 (every IPv4 address, any free port)
//
// The address is kept in the one form that the access lists use: IPv6, with IPv4 as v4-mapped. So
// an IPv4 endpoint that is written as [::ffff:127.0.0.1]:1 is the same value as 127.0.0.1:1.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/serve/source.hpp"

namespace gnomon::platform {

struct Endpoint {
  serve::Address address;
  std::uint16_t port = 0;  // host order; 0 when listening: any free one

  [[nodiscard]] bool is_v4() const { return address.is_v4(); }
  /// 0.0.0.0 or [::].
  [[nodiscard]] bool is_wildcard() const;

  friend constexpr auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

enum class EndpointFault : std::uint8_t {
  kNoPort,         // "127.0.0.1", and there is no default
  kBadPort,        // not a number of 0 to 65535
  kBadAddress,     // not a numeric IPv4 or bracketed IPv6 address
  kNeedsBrackets,  // "::1:14666": nobody can tell where the port begins
};

struct EndpointError {
  EndpointFault fault = EndpointFault::kBadAddress;
  std::string text;  // complete sentence, names the input

  friend bool operator==(const EndpointError&, const EndpointError&) = default;
};

/// `default_port` is taken where the text names none; without one the port is required.
[[nodiscard]] tl::expected<Endpoint, EndpointError> parse_endpoint(
    std::string_view text, std::optional<std::uint16_t> default_port = std::nullopt);

/// "127.0.0.1:14666" or "[::1]:14666"; parse_endpoint reads it back.
[[nodiscard]] std::string to_string(const Endpoint& endpoint);
/// "127.0.0.1" or "::1".
[[nodiscard]] std::string to_string(const serve::Address& address);

/// "127.0.0.1" or "::1", without brackets; nothing if it is neither.
[[nodiscard]] std::optional<serve::Address> parse_address(std::string_view text);

/// What bind, connect and sendto take: AF_INET for IPv4, else AF_INET6.
struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;

  [[nodiscard]] const sockaddr* get() const;
  [[nodiscard]] int family() const { return storage.ss_family; }
};
[[nodiscard]] SocketAddress to_socket_address(const Endpoint& endpoint);
/// Nothing if it is neither AF_INET nor AF_INET6.
[[nodiscard]] std::optional<Endpoint> from_socket_address(const sockaddr_storage& storage);

}  // namespace gnomon::platform
