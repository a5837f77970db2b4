// SPDX-License-Identifier: Apache-2.0
#include "control/service/lease_principal.hpp"

#include <grpcpp/security/auth_context.h>

#include <algorithm>

#include "oracle/lease/client_session.hpp"

namespace gnomon::control {
namespace {

bool is_printable(char c) { return c > ' ' && c < '\x7f'; }

}  // namespace

tl::expected<std::string, std::string> certified_principal(std::string_view name) {
  if (name.empty() || name.size() > lease::kMaxPrincipal || !std::all_of(name.begin(), name.end(), is_printable))
    return tl::make_unexpected("the name in the certificate is not one of 1 to " +
                               std::to_string(lease::kMaxPrincipal) +
                               " printable ASCII characters without space; issue one with such a subject alternative "
                               "name, as its first one");
  if (name == kLocalPrincipal || name == kInsecurePrincipal)
    return tl::make_unexpected("the certificate speaks for '" + std::string(name) +
                               "', which is nobody's name over the network; issue one with another subject "
                               "alternative name");
  return std::string(name);
}

std::string address_of_peer(std::string_view peer) {
  const bool v6 = peer.starts_with("ipv6:");
  if (!v6 && !peer.starts_with("ipv4:")) return {};
  std::string_view address = peer.substr(5);
  const std::size_t colon = address.rfind(':');
  if (colon == std::string_view::npos) return {};
  address = address.substr(0, colon);
  if (!v6) return std::string(address);
  // Escaped since gRPC 1.46, plain before.
  for (const std::string_view open : {"%5B", "["})
    if (address.starts_with(open)) address.remove_prefix(open.size());
  for (const std::string_view close : {"%5D", "]"})
    if (address.ends_with(close)) address.remove_suffix(close.size());
  return std::string(address);
}

tl::expected<LeaseCaller, std::string> caller_of(LeaseDoor door, const grpc::ServerContextBase& context) {
  if (door == LeaseDoor::kUnixSocket) return LeaseCaller{std::string(kLocalPrincipal), {}};
  std::string address = address_of_peer(context.peer());
  if (door == LeaseDoor::kInsecure) return LeaseCaller{std::string(kInsecurePrincipal), std::move(address)};
  const auto shown = context.auth_context();
  // The subject alternative names if there are any, in the order of the certificate, else the common name.
  const auto names = shown && shown->IsPeerAuthenticated() ? shown->GetPeerIdentity() : std::vector<grpc::string_ref>();
  if (names.empty()) return tl::make_unexpected("no name of a client is in what it has shown; show a certificate");
  auto principal = certified_principal({names.front().data(), names.front().size()});
  if (!principal) return tl::make_unexpected(std::move(principal.error()));
  return LeaseCaller{std::move(*principal), std::move(address)};
}

}  // namespace gnomon::control
