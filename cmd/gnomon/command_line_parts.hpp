// SPDX-License-Identifier: Apache-2.0
//
// What the parts of gnomon's command line share. Inside command_line*.cpp only: this header brings in CLI11.
#pragma once

#include <functional>
#include <istream>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>

#include "cmd/gnomon/known_layouts.hpp"
#include "cmd/gnomon/output.hpp"

namespace gnomon::cmd {

constexpr const char* kDescription =
    "gnomon asks for IDs, reads them, and looks at a gnomond.\n"
    "Exit codes: 0 ok, 1 refused, 2 usage, 3 unreachable, 4 unsynchronised.";

/// One run of the program. A command's callback stores what is to be done; it is done after all arguments were parsed.
struct Invocation {
  CLI::App app{kDescription, "gnomon"};
  std::istream& in;
  Output output;
  std::function<ExitCode()> action;
};

inline CLI::App* add_command(Invocation& run, CLI::App& parent, const std::string& name, const std::string& help) {
  CLI::App* command = parent.add_subcommand(name, help);
  command->add_flag("--json", run.output.json, "Print JSON instead of text");
  return command;
}

/// Options live as long as the app: the callback keeps them.
template <typename Options, typename Action>
std::shared_ptr<Options> on_run(Invocation& run, CLI::App* command, Action action) {
  auto options = std::make_shared<Options>();
  command->callback(
      [&run, options, action] { run.action = [&run, options, action] { return action(run, *options); }; });
  return options;
}

inline void add_layout_options(CLI::App* command, LayoutOptions& options, const char* help) {
  command->add_option("-l,--layout", options.layout, help)->type_name("LAYOUT");
  command->add_option("--custom", options.custom, "Another layout: NUMBER:NAME:EPOCH:UNIT:TIME/MACHINE/SEQUENCE")
      ->type_name("LAYOUT")
      ->allow_extra_args(false);
  command->add_option("--config", options.config, "Configuration file of gnomond whose custom layouts are known, too")
      ->type_name("FILE");
}

/// Of a command that asks a daemon of this host about itself.
template <typename Options>
void add_daemon_options(CLI::App* command, Options& options) {
  command->add_option("--instance", options.instance, "Which daemon; default $GNOMON_SERVER_INSTANCE, else main")
      ->type_name("NAME");
  command->add_option("--socket", options.socket, "Its status socket; default: found by the instance")
      ->type_name("FILE");
}

/// right, cluster, audit and control: the commands about a whole store.
void add_store_commands(Invocation& run);
/// lease.
void add_lease_commands(Invocation& run);

}  // namespace gnomon::cmd
