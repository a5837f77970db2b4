// SPDX-License-Identifier: Apache-2.0
//
// Who calls: the name that a session belongs to, and the address that limits go by.
//
// The name is what the transport has proved, never what a request says. A certificate's names are the caller's own
// words, though, as far as its authority let him choose them: a name that does not fit into the store, or that is one
// of another door, is refused whole. To cut it would make two clients with long names one.
//
// Inside control/service only: this header brings in gRPC. Thread rule: none.
#pragma once

#include <grpcpp/server_context.h>

#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "control/service/lease_service.hpp"

namespace gnomon::control {

struct LeaseCaller {
  std::string principal;
  std::string address;  // without the port; empty over a Unix socket
};

/// The error is a sentence.
[[nodiscard]] tl::expected<LeaseCaller, std::string> caller_of(LeaseDoor door, const grpc::ServerContextBase& context);

/// `name` if a certificate may speak for it: 1 to lease::kMaxPrincipal printable characters without space, and not the
/// name of a door.
[[nodiscard]] tl::expected<std::string, std::string> certified_principal(std::string_view name);

/// "ipv4:127.0.0.1:4711" -> "127.0.0.1", "ipv6:%5B::1%5D:4711" -> "::1"; of anything else nothing.
[[nodiscard]] std::string address_of_peer(std::string_view peer);

}  // namespace gnomon::control
