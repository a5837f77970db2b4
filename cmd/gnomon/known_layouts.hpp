// SPDX-License-Identifier: Apache-2.0
//
// The layouts that the offline commands know: the built-in ones, those of a configuration file (--config) and those
// given as --custom NUMBER:NAME:EPOCH:UNIT:BITS. Nobody is asked over the network: an ID can be read years after its
// service.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "oracle/id/layout.hpp"

namespace gnomon::cmd {

struct LayoutOptions {
  std::string layout;  // name or number; empty: the command's own choice
  std::vector<std::string> custom;
  std::optional<std::string> config;
};

/// All of them, by number. The error is a sentence, or several, one per line.
[[nodiscard]] tl::expected<std::vector<id::Layout>, std::string> known_layouts(const LayoutOptions& options);

/// By name or number. The error names what there is.
[[nodiscard]] tl::expected<id::Layout, std::string> find_layout(const std::vector<id::Layout>& known,
                                                                std::string_view word);

}  // namespace gnomon::cmd
