// SPDX-License-Identifier: Apache-2.0
//
// Reads what `resolve` judges: the file and the process environment.
#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <system_error>

#include "cmd/options/resolve.hpp"

namespace gnomon::cmd {
namespace {

constexpr const char* kDefaultFile = "/etc/gnomon/gnomond.toml";

std::vector<std::pair<std::string, std::string>> process_environment() {
  std::vector<std::pair<std::string, std::string>> out;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string text = *entry;
    if (!text.starts_with("GNOMON_")) continue;
    const std::size_t equals = text.find('=');
    if (equals != std::string::npos) out.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return out;
}

}  // namespace

tl::expected<ConfigSources, Problems> gather(const std::optional<std::string>& file_name, std::vector<FlagText> flags) {
  ConfigSources sources{.file = std::nullopt, .environment = process_environment(), .flags = std::move(flags)};
  const std::string name = file_name.value_or(kDefaultFile);
  std::ifstream in(name, std::ios::binary);
  if (!in) {
    if (!file_name && errno == ENOENT) return sources;
    const std::string reason = std::generic_category().message(errno);
    return tl::make_unexpected(Problems{fmt::format("{}: the configuration can't be read: {}", name, reason)});
  }
  sources.file = ConfigSources::File{name, std::string(std::istreambuf_iterator<char>(in), {})};
  if (in.bad()) return tl::make_unexpected(Problems{fmt::format("{}: the configuration can't be read", name)});
  return sources;
}

}  // namespace gnomon::cmd
