// SPDX-License-Identifier: Apache-2.0
#include "cmd/text/completion.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <functional>

namespace gnomon::cmd {
namespace {

std::string spaced(std::string_view choices) {
  std::string out(choices);
  for (char& c : out)
    c = c == '|' ? ' ' : c;
  return out;
}

bool is_path(std::string_view placeholder) { return placeholder == "FILE" || placeholder == "DIR"; }

/// Shell function names and single-quoted texts.
std::string identifier(std::string_view text) {
  std::string out;
  for (const char c : text)
    out += c == '-' || c == ' ' ? '_' : c;
  return out;
}

std::string single_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'')
      out += "'\\''";
    else
      out += c;
  }
  return out + "'";
}

/// Visits every command with its path: "gnomon", "gnomon control", "gnomon control adopt".
void walk(const CommandTree& tree, const std::string& above,
          const std::function<void(const CommandTree&, const std::string&)>& visit) {
  const std::string path = above.empty() ? tree.name : above + " " + tree.name;
  visit(tree, path);
  for (const CommandTree& command : tree.commands)
    walk(command, path, visit);
}

// --- bash ---------------------------------------------------------------------------------------

std::string bash_words(const CommandTree& tree) {
  std::string words;
  for (const CommandTree& command : tree.commands)
    words += command.name + " ";
  for (const std::string& word : tree.words)
    words += word + " ";
  for (const CommandTree::Flag& flag : tree.flags)
    for (const std::string& name : flag.names)
      words += name + " ";
  if (!words.empty()) words.pop_back();
  return words;
}

std::string bash_values(const CommandTree& tree) {
  std::string out;
  for (const CommandTree::Flag& flag : tree.flags) {
    if (flag.placeholder.empty()) continue;
    std::string names;
    for (const std::string& name : flag.names)
      names += (names.empty() ? "" : "|") + name;
    if (flag.placeholder.find('|') != std::string::npos)
      out += fmt::format("        {}) COMPREPLY=($(compgen -W '{}' -- \"$cur\")); return ;;\n", names,
                         spaced(flag.placeholder));
    else if (is_path(flag.placeholder))
      out += fmt::format("        {}) COMPREPLY=($(compgen {} -- \"$cur\")); return ;;\n", names,
                         flag.placeholder == "DIR" ? "-d" : "-f");
    else
      out += fmt::format("        {}) return ;;\n", names);
  }
  return out;
}

std::string bash_script(const CommandTree& tree) {
  std::string paths;
  std::string values;
  std::string words;
  walk(tree, "", [&](const CommandTree& command, const std::string& path) {
    for (const CommandTree& below : command.commands)
      paths += fmt::format("      '{}:{}') path='{} {}' ;;\n", path, below.name, path, below.name);
    if (const std::string of_this = bash_values(command); !of_this.empty())
      values += fmt::format("    '{}')\n      case $prev in\n{}      esac ;;\n", path, of_this);
    words += fmt::format("    '{}') COMPREPLY=($(compgen -W '{}' -- \"$cur\")) ;;\n", path, bash_words(command));
  });
  const std::string path_case =
      paths.empty() ? std::string()
                    : fmt::format(
                          "  for ((i = 1; i < COMP_CWORD; i++)); do\n    case \"$path:${{COMP_WORDS[i]}}\" in\n{}"
                          "    esac\n  done\n",
                          paths);
  return fmt::format(
      "# bash completion for {0}; made by its own command tree\n_{1}() {{\n"
      "  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} path='{0}' i\n  COMPREPLY=()\n{2}"
      "  case $path in\n{3}  esac\n  case $path in\n{4}  esac\n}}\ncomplete -F _{1} {0}\n",
      tree.name, identifier(tree.name), path_case, values, words);
}

// --- zsh ----------------------------------------------------------------------------------------

std::string zsh_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_action(const std::string& placeholder) {
  if (placeholder.empty()) return "";
  if (placeholder.find('|') != std::string::npos) return fmt::format(":value:({})", spaced(placeholder));
  if (is_path(placeholder)) return placeholder == "DIR" ? ":directory:_files -/" : ":file:_files";
  return fmt::format(":{}: ", zsh_escaped(placeholder));
}

std::string zsh_function(const CommandTree& tree, const std::string& path) {
  std::string out = fmt::format("_{}() {{\n  local state line\n  _arguments -C", identifier(path));
  for (const CommandTree::Flag& flag : tree.flags)
    for (const std::string& name : flag.names)
      out += fmt::format(" \\\n    {}", single_quoted(fmt::format("*{}[{}]{}", name, zsh_escaped(flag.help),
                                                                  zsh_action(flag.placeholder))));
  if (tree.commands.empty()) {
    std::string words;
    for (const std::string& word : tree.words)
      words += (words.empty() ? "" : " ") + word;
    if (!words.empty()) out += fmt::format(" \\\n    '1:word:({})'", words);
    return out + "\n}\n\n";
  }
  out +=
      " \\\n    '1:command:->command' '*::argument:->argument'\n  case $state in\n    command)\n      local -a "
      "commands=(";
  for (const CommandTree& command : tree.commands)
    out += fmt::format("\n        {}", single_quoted(command.name + ":" + zsh_escaped(command.help)));
  out += ")\n      _describe command commands ;;\n    argument)\n      case $line[1] in\n";
  for (const CommandTree& command : tree.commands)
    out += fmt::format("        {}) _{} ;;\n", command.name, identifier(path + " " + command.name));
  return out + "      esac ;;\n  esac\n}\n\n";
}

std::string zsh_script(const CommandTree& tree) {
  std::string out = fmt::format("#compdef {0}\n# zsh completion for {0}; made by its own command tree\n\n", tree.name);
  walk(tree, "", [&](const CommandTree& command, const std::string& path) { out += zsh_function(command, path); });
  return out + fmt::format("compdef _{} {}\n", identifier(tree.name), tree.name);
}

// --- fish ---------------------------------------------------------------------------------------

std::string fish_script(const CommandTree& tree) {
  std::string out =
      fmt::format("# fish completion for {0}; made by its own command tree\ncomplete -c {0} -f\n", tree.name);
  walk(tree, "", [&](const CommandTree& command, const std::string& path) {
    std::string seen;  // every word of the path after the program's own name must have been typed, and none below it
    const std::string above = path.size() > tree.name.size() ? path.substr(tree.name.size() + 1) : "";
    for (std::size_t begin = 0; begin < above.size();) {
      const std::size_t end = std::min(above.find(' ', begin), above.size());
      seen += fmt::format("{}__fish_seen_subcommand_from {}", seen.empty() ? "" : "; and ",
                          above.substr(begin, end - begin));
      begin = end + 1;
    }
    std::string below;
    for (const CommandTree& next : command.commands)
      below += " " + next.name;
    std::string here = seen;
    if (!below.empty()) here += fmt::format("{}not __fish_seen_subcommand_from{}", here.empty() ? "" : "; and ", below);
    const std::string condition = here.empty() ? std::string() : fmt::format(" -n {}", single_quoted(here));
    for (const CommandTree& next : command.commands)
      out += fmt::format("complete -c {}{} -a {} -d {}\n", tree.name, condition, next.name, single_quoted(next.help));
    for (const std::string& word : command.words)
      out += fmt::format("complete -c {}{} -a {}\n", tree.name, condition, single_quoted(word));
    for (const CommandTree::Flag& flag : command.flags) {
      out += fmt::format("complete -c {}{}", tree.name, condition);
      for (const std::string& name : flag.names)
        out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      if (flag.placeholder.find('|') != std::string::npos)
        out += fmt::format(" -x -a {}", single_quoted(spaced(flag.placeholder)));
      else if (is_path(flag.placeholder))
        out += " -r -F";
      else if (!flag.placeholder.empty())
        out += " -x";
      out += fmt::format(" -d {}\n", single_quoted(flag.help));
    }
  });
  return out;
}

}  // namespace

tl::expected<std::string, std::string> completion_script(const CommandTree& tree, std::string_view shell) {
  if (shell == "bash") return bash_script(tree);
  if (shell == "zsh") return zsh_script(tree);
  if (shell == "fish") return fish_script(tree);
  return tl::make_unexpected(fmt::format("there is no completion for '{}': write bash, zsh or fish", shell));
}

}  // namespace gnomon::cmd
