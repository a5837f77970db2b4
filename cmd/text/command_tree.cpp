// SPDX-License-Identifier: Apache-2.0
//
// Reads the command tree out of CLI11.
#include <algorithm>
#include <utility>

#include <CLI/CLI.hpp>

#include "cmd/text/completion.hpp"

namespace gnomon::cmd {
namespace {

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::vector<std::string> split_choices(const std::string& text) {
  std::vector<std::string> out;
  if (text.find('|') == std::string::npos) return out;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find('|', begin), text.size());
    out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

}  // namespace

CommandTree command_tree(const CLI::App& app) {
  CommandTree tree{
      .name = app.get_name(), .help = first_line(app.get_description()), .flags = {}, .words = {}, .commands = {}};
  for (const CLI::Option* option : app.get_options()) {
    const bool takes_value = option->get_items_expected_max() > 0;
    if (option->get_positional()) {
      tree.words = split_choices(option->get_type_name());
      continue;
    }
    CommandTree::Flag flag{.names = {}, .help = first_line(option->get_description()), .placeholder = {}};
    for (const std::string& name : option->get_lnames())
      flag.names.push_back("--" + name);
    for (const std::string& name : option->get_snames())
      flag.names.push_back("-" + name);
    if (takes_value) flag.placeholder = option->get_type_name().empty() ? "VALUE" : option->get_type_name();
    tree.flags.push_back(std::move(flag));
  }
  for (const CLI::App* command : app.get_subcommands(nullptr))
    if (!command->get_name().empty()) tree.commands.push_back(command_tree(*command));
  return tree;
}

}  // namespace gnomon::cmd
