// SPDX-License-Identifier: Apache-2.0
//
// Where a daemon keeps its state and meets its tools. `gnomon status` and `gnomon control` look in the same places, so
// the rules stand here once.
//
// The runtime directory may be under /tmp, where anybody can put one first: it is used only if it belongs to this user
// and nobody else may write there.
#pragma once

#include <string>

#include <tl/expected.hpp>

#include "cmd/options/settings.hpp"

namespace gnomon::cmd {

/// $RUNTIME_DIRECTORY, else $XDG_RUNTIME_DIR/gnomon, else /run/gnomon if this user can write there, else
/// /tmp/gnomon-UID. Not created.
[[nodiscard]] std::string runtime_directory();

/// state.dir, else $STATE_DIRECTORY, else /var/lib/gnomon if this user can write (or create) it, else
/// $XDG_STATE_HOME/gnomon, else ~/.local/state/gnomon. Not created.
[[nodiscard]] tl::expected<std::string, std::string> state_directory(const Settings& settings);

/// Creates a directory with mode 0700 (and its parents), or checks the one that is there. Errors are sentences.
[[nodiscard]] tl::expected<void, std::string> prepare_private_directory(const std::string& path, const char* what);

/// Where the daemon listens: control.socket, else INSTANCE.sock in the runtime directory.
[[nodiscard]] std::string socket_path(const Settings& settings);
/// Where a tool finds it: the same, or else in any of the other runtime directories, because the daemon may have been
/// started by systemd and the tool by a user. The first choice if there is no socket anywhere.
[[nodiscard]] std::string find_socket(const Settings& settings);

/// The file behind store.url.
[[nodiscard]] std::string database_path(const Settings& settings, const std::string& state_dir);

}  // namespace gnomon::cmd
