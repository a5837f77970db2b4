// SPDX-License-Identifier: Apache-2.0
//
// Which server is asked, with which key, and what a failure means to a script.
#include <fmt/core.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "cmd/gnomon/online.hpp"
#include "cmd/text/key_file.hpp"

namespace gnomon::cmd {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody changes the environment
  return value == nullptr ? std::string() : std::string(value);
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

tl::expected<std::optional<client::ClientKey>, std::string> key_of(const ServerOptions& options) {
  const std::string path = options.keys_file.empty() ? environment("GNOMON_KEYS_FILE") : options.keys_file;
  if (path.empty()) {
    if (options.key) return tl::make_unexpected(std::string("--key needs --keys-file: which file holds the key?"));
    return std::nullopt;
  }
  const auto keys = read_keys(path);
  if (!keys) return tl::make_unexpected(keys.error());
  for (const wire::Key& key : *keys)
    if (!options.key || key.id.value == *options.key) return client::ClientKey{key.id.value, key.bytes};
  return tl::make_unexpected(options.key ? fmt::format("{} has no key {}", path, *options.key)
                                         : fmt::format("{} has no key", path));
}

}  // namespace

tl::expected<client::Client, std::string> connect_to(const ServerOptions& options) {
  client::Options to;
  to.servers = options.servers.empty() ? split(environment("GNOMON_SERVERS")) : options.servers;
  if (to.servers.empty()) to.servers.push_back(fmt::format("127.0.0.1:{}", client::kDefaultPort));
  to.deadline = {static_cast<std::int64_t>(options.timeout_s * 1e9)};
  auto key = key_of(options);
  if (!key) return tl::make_unexpected(key.error());
  to.key = std::move(*key);
  auto client = client::Client::connect(to);
  if (!client) return tl::make_unexpected(client.error().text);
  return std::move(*client);
}

ExitCode exit_code_of(client::ErrorKind kind) {
  switch (kind) {
    case client::ErrorKind::kTimeout:
    case client::ErrorKind::kUnreachable: return ExitCode::kUnreachable;
    case client::ErrorKind::kClockUnsynchronised:
    case client::ErrorKind::kClockBehind: return ExitCode::kUnsynchronised;
    case client::ErrorKind::kBadArgument: return ExitCode::kUsage;
    default: return ExitCode::kRefused;
  }
}

}  // namespace gnomon::cmd
