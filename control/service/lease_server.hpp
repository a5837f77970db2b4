// SPDX-License-Identifier: Apache-2.0
//
// The TCP port of the lease service, on one address or several: mutual TLS, and nothing else.
//
// Both sides show a certificate of the same authority; whoever shows none never gets as far as a call. The files are
// read again when they change, so that a renewed certificate needs no restart: new connections get it, old ones stay.
// At the start they are tried out, since what gRPC does with a key that does not fit is to refuse every handshake
// without a word.
//
// Thread rule: made and destroyed by one thread; the service must outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "control/service/lease_service.hpp"

namespace gnomon::control {

/// PEM files.
struct LeaseServerTls {
  std::string ca_file;    // whose certificates clients have to show
  std::string cert_file;  // our own, with what is between it and the authority
  std::string key_file;   // of that certificate; readable by nobody but its owner
};

class LeaseServer {
 public:
  /// `listen`: at least one, numeric, as in "10.0.0.1:14667" or "[::1]:0" (any free port); of the wildcards each takes
  /// both families. All of them are served, or none. The error is a sentence.
  [[nodiscard]] static tl::expected<std::unique_ptr<LeaseServer>, std::string> start(
      const std::vector<std::string>& listen, const LeaseServerTls& tls, LeaseService& service);
  /// Without TLS and so without identities: for tests. Refuses everything but loopback addresses.
  [[nodiscard]] static tl::expected<std::unique_ptr<LeaseServer>, std::string> start_insecure_for_tests(
      const std::vector<std::string>& listen, LeaseService& service);

  /// Waits up to LeaseServerLimits::goodbye for what is under way, then cancels it.
  virtual ~LeaseServer() = default;
  LeaseServer(const LeaseServer&) = delete;
  LeaseServer& operator=(const LeaseServer&) = delete;

  /// Of the first address.
  [[nodiscard]] virtual std::uint16_t port() const = 0;
  /// As given, with the ports that they are.
  [[nodiscard]] virtual const std::vector<std::string>& listens_on() const = 0;

 protected:
  LeaseServer() = default;
};

}  // namespace gnomon::control
