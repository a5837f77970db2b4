// SPDX-License-Identifier: Apache-2.0
//
// The commands that ask a server over UDP, through the client library.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/client.hpp"
#include "cmd/gnomon/known_layouts.hpp"
#include "cmd/gnomon/output.hpp"

namespace gnomon::cmd {

struct ServerOptions {
  std::vector<std::string> servers;  // environment GNOMON_SERVERS (commas), else 127.0.0.1:14666
  double timeout_s = 2;
  std::string keys_file;             // environment GNOMON_KEYS_FILE; empty: no key
  std::optional<std::uint16_t> key;  // of several in that file; none: the first
};

struct IdOptions {
  std::uint64_t count = 1;
  bool one_by_one = false;
  LayoutOptions layouts;  // snowflake
  ServerOptions server;
};
[[nodiscard]] ExitCode run_id(const IdOptions& options, const Output& output);

struct PingOptions {
  std::uint64_t count = 4;
  double interval_s = 0.2;
  ServerOptions server;
};
[[nodiscard]] ExitCode run_ping(const PingOptions& options, const Output& output);

/// Fills in what environment and defaults say, and connects. The error is a sentence, for ExitCode::kUsage.
[[nodiscard]] tl::expected<client::Client, std::string> connect_to(const ServerOptions& options);

/// The exit code that a failed call stands for.
[[nodiscard]] ExitCode exit_code_of(client::ErrorKind kind);

}  // namespace gnomon::cmd
