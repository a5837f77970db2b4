// SPDX-License-Identifier: Apache-2.0
//
// The kernel twin's way back to a client: the socket address that recvmmsg wrote, followed by the local address that
// the datagram was sent to (only on wildcard binds). recvmmsg writes straight into the path, so that a datagram costs
// no copy of its address; a parked request keeps a copy of the whole path.
#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "oracle/serve/source.hpp"

namespace gnomon::dataplane {

constexpr std::size_t kMaxPeerSize = sizeof(sockaddr_in6);
constexpr std::size_t kLocalSize = sizeof(in6_addr);  // IPv4 in its first four bytes
static_assert(kMaxPeerSize + kLocalSize <= serve::ReturnPath::kCapacity);

/// The size of the socket address at the start of a path.
[[nodiscard]] inline std::uint32_t peer_size(const serve::ReturnPath& path, bool tells_destination) {
  return tells_destination ? path.size - static_cast<std::uint32_t>(kLocalSize) : path.size;
}

/// The client's address in the form of the access lists.
[[nodiscard]] inline serve::Address source_of(const serve::ReturnPath& path) {
  sa_family_t family = 0;
  std::memcpy(&family, path.bytes.data(), sizeof family);
  serve::Address source;
  if (family == AF_INET) {
    source = serve::Address::v4(0, 0, 0, 0);
    std::memcpy(source.bytes.data() + 12, path.bytes.data() + offsetof(sockaddr_in, sin_addr), 4);
  } else {  // our sockets are of these two families
    std::memcpy(source.bytes.data(), path.bytes.data() + offsetof(sockaddr_in6, sin6_addr), 16);
  }
  return source;
}

}  // namespace gnomon::dataplane
