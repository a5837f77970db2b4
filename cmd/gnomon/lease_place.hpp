// SPDX-License-Identifier: Apache-2.0
//
// Whom the lease commands ask, and how: the daemon of this host over its Unix socket, or others over TCP with mutual
// TLS.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "client/lease/lease_client.hpp"
#include "cmd/exit_code.hpp"
#include "cmd/gnomon/output.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::cmd {

/// As the command line has it.
struct LeaseServers {
  std::vector<std::string> servers;     // "unix:PATH" or "HOST[:PORT]"; none: the daemon of this host
  std::optional<std::string> instance;  // of that daemon: as for gnomon status
  std::optional<std::string> socket;
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string server_name;  // that the servers' certificates carry; empty: what stands in their address
  double timeout_s = 5;
};

/// The same with everything filled in.
struct LeasePlace {
  std::vector<std::string> servers;  // "unix:PATH" or "HOST:PORT"
  std::optional<client::LeaseTls> tls;
  time::Duration deadline;
};
/// The error is a sentence, for ExitCode::kUsage.
[[nodiscard]] tl::expected<LeasePlace, std::string> lease_place(const LeaseServers& where);
[[nodiscard]] bool is_unix(const std::string& server);

[[nodiscard]] client::LeaseResult<std::shared_ptr<client::LeaseClient>> connect_to(const LeasePlace& place);

/// The exit code that a failed call stands for.
[[nodiscard]] ExitCode exit_code_of(client::LeaseErrorKind kind);
[[nodiscard]] ExitCode fail(const client::LeaseError& error, const Output& output);

/// Whom others are told of: the host, this process and this program.
[[nodiscard]] std::string lease_label(const std::string& given);

}  // namespace gnomon::cmd
