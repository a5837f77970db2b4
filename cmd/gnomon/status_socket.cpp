// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/status_socket.hpp"

#include <cstdlib>

#include "cmd/options/directories.hpp"
#include "cmd/options/resolve.hpp"

namespace gnomon::cmd {

tl::expected<std::string, std::string> status_socket(const std::optional<std::string>& instance,
                                                     const std::optional<std::string>& socket) {
  if (socket) return *socket;
  ConfigSources sources;
  for (const char* name : {"GNOMON_SERVER_INSTANCE", "GNOMON_CONTROL_SOCKET"})
    if (const char* value = std::getenv(name); value != nullptr)  // NOLINT(concurrency-mt-unsafe): one thread
      sources.environment.emplace_back(name, value);
  if (instance) sources.flags.push_back({find_option("server", "instance").value_or(0), *instance});
  const auto configuration = resolve(sources);
  if (!configuration) return tl::make_unexpected(configuration.error().front());
  return find_socket(configuration->settings);
}

}  // namespace gnomon::cmd
