// SPDX-License-Identifier: Apache-2.0
//
// Which store a command is about, and how it gets there: through a daemon of this host, which has its store open
// anyway, or straight to etcd, for when no daemon runs here.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "cmd/exit_code.hpp"
#include "cmd/options/resolve.hpp"

namespace gnomon::cmd {

struct StorePlace {
  std::optional<std::string> instance;  // which daemon; environment GNOMON_SERVER_INSTANCE, else main
  std::optional<std::string> socket;    // its status socket; environment GNOMON_CONTROL_SOCKET, else found
  std::optional<std::string> config;    // where store.* is read from if a store is asked without a daemon
  std::optional<std::string> store;     // store.url, and the wish to ask that store itself
  std::vector<FlagText> flags;          // other options of the section store
  bool direct = false;                  // ask the store of the configuration without a daemon
};

/// Why something could not be read; the text is a sentence.
struct ReadFailure {
  ExitCode code = ExitCode::kUnreachable;
  std::string text;
};

template <typename T>
using ReadOr = tl::expected<T, ReadFailure>;

/// Whether the text is a store of many hosts.
[[nodiscard]] bool is_etcd(std::string_view store_url);

/// Whether no daemon is to be asked.
[[nodiscard]] bool asks_directly(const StorePlace& place);

/// All options, as a daemon would read them, and where each comes from. kUsage if they are wrong.
[[nodiscard]] ReadOr<Configuration> configuration_of(const StorePlace& place);
/// Their values.
[[nodiscard]] ReadOr<Settings> settings_of(const StorePlace& place);

}  // namespace gnomon::cmd
