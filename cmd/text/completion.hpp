// SPDX-License-Identifier: Apache-2.0
//
// Shell completion, generated from the same command tree that parses the arguments.
//
// A value's placeholder says how it is completed: choices stand as "a|b", FILE and DIR complete paths, anything else is
// left to the user.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

namespace CLI {  // NOLINT(readability-identifier-naming): not ours
class App;
}

namespace gnomon::cmd {

struct CommandTree {
  struct Flag {
    std::vector<std::string> names;  // with their dashes
    std::string help;                // one line
    std::string placeholder;         // empty: takes no value
  };
  std::string name;
  std::string help;
  std::vector<Flag> flags;
  std::vector<std::string> words;  // what may stand as the first positional, if it is a choice
  std::vector<CommandTree> commands;
};

[[nodiscard]] CommandTree command_tree(const CLI::App& app);

/// `shell` is bash, zsh or fish; the error says so.
[[nodiscard]] tl::expected<std::string, std::string> completion_script(const CommandTree& tree, std::string_view shell);

}  // namespace gnomon::cmd
