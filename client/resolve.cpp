// SPDX-License-Identifier: Apache-2.0
//
// From the text of a server to its address. Numeric text never asks the resolver, so a client of numeric servers starts
// without a network.
#include <netdb.h>

#include <cstring>
#include <memory>
#include <string>

#include "client/client_state.hpp"

namespace gnomon::client {
namespace {

Error unusable(const std::string& server, const std::string& why) {
  return {
      ErrorKind::kBadArgument,
      "server '" + server + "' can't be used: " + why + "; write it like 127.0.0.1:14666, [::1]:14666 or name:14666",
      {},
      server};
}

bool looks_numeric(const std::string& server) {
  return server.empty() || server.find_first_not_of("0123456789.:") == std::string::npos || server.front() == '[' ||
         server.find(':') != server.rfind(':');
}

Result<platform::Endpoint> look_up(const std::string& server, const std::string& name, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int code = getaddrinfo(name.c_str(), nullptr, &hints, &found);
  if (code != 0) return tl::make_unexpected(unusable(server, "looking up '" + name + "': " + gai_strerror(code)));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    sockaddr_storage storage{};
    if (entry->ai_addrlen > sizeof storage) continue;
    std::memcpy(&storage, entry->ai_addr, entry->ai_addrlen);
    if (auto endpoint = platform::from_socket_address(storage)) {
      endpoint->port = port;
      return *endpoint;
    }
  }
  return tl::make_unexpected(unusable(server, "'" + name + "' has no IPv4 or IPv6 address"));
}

}  // namespace

Result<platform::Endpoint> resolve(const std::string& server) {
  std::string name = server;
  std::string numeric = "127.0.0.1";  // stands in for the name, so that one parser reads every port
  const std::size_t colon = server.find(':');
  if (looks_numeric(server))
    numeric = server;
  else if (colon != std::string::npos) {
    name = server.substr(0, colon);
    numeric += server.substr(colon);
  }
  const auto endpoint = platform::parse_endpoint(numeric, kDefaultPort);
  if (!endpoint) return tl::make_unexpected(unusable(server, endpoint.error().text));
  if (endpoint->port == 0) return tl::make_unexpected(unusable(server, "nobody can listen on port 0"));
  if (endpoint->is_wildcard()) return tl::make_unexpected(unusable(server, "it is every address and none"));
  if (numeric == server) return *endpoint;
  return look_up(server, name, endpoint->port);
}

}  // namespace gnomon::client
