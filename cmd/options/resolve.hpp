// SPDX-License-Identifier: Apache-2.0
//
// From the sources to settings: flags win over the environment, the environment over the file, the file over defaults.
// All that is wrong is reported at once, each with the place where it stands; a half-good configuration is never used.
//
// Pure: who calls has read the file and the environment.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <tl/expected.hpp>

#include "cmd/options/settings.hpp"
#include "cmd/options/source.hpp"
#include "cmd/options/table.hpp"

namespace gnomon::cmd {

struct FlagText {
  std::size_t row = 0;
  std::string text;
};

struct ConfigSources {
  struct File {
    std::string name;
    std::string text;
  };
  std::optional<File> file;
  std::vector<std::pair<std::string, std::string>> environment;  // all of it; what is not ours is passed over
  std::vector<FlagText> flags;
};

struct Configuration {
  Settings settings;
  std::vector<Origin> origins;  // by row
};

using Problems = std::vector<std::string>;

[[nodiscard]] tl::expected<Configuration, Problems> resolve(const ConfigSources& sources);

/// Options that are fine alone and wrong together; each line names the places of both. `resolve` asks it.
[[nodiscard]] Problems contradictions(const Configuration& configuration);

/// The layouts that the settings name, in that order. The error says which name is unknown.
[[nodiscard]] tl::expected<std::vector<id::Layout>, std::string> served_layouts(const Settings& settings);

/// Reads the file (if any) and the process environment. Without a name: /etc/gnomon/gnomond.toml if that exists.
[[nodiscard]] tl::expected<ConfigSources, Problems> gather(const std::optional<std::string>& file_name,
                                                           std::vector<FlagText> flags);

}  // namespace gnomon::cmd
