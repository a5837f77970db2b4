// SPDX-License-Identifier: Apache-2.0
//
// The commands about a whole store: what is there (right, cluster, audit), and the ways out when a daemon refuses it
// (control).
#include <memory>
#include <string>
#include <utility>

#include "cmd/gnomon/command_line_parts.hpp"
#include "cmd/gnomon/control.hpp"
#include "cmd/gnomon/shared_view.hpp"
#include "cmd/options/flags.hpp"

namespace gnomon::cmd {
namespace {

constexpr const char* kStoreHelp =
    "Ask this store itself, without a daemon: etcd:https://HOST:PORT,...[/PREFIX]; the same as --store-url";

/// Of a command that reads a store: through a daemon of this host, or from etcd itself. `with_config`: whether the
/// command has no --config of its own.
void add_place_options(CLI::App* command, StorePlace& place, bool with_config) {
  add_daemon_options(command, place);
  command->add_option("--store", place.store, kStoreHelp)->type_name("URL");
  command->add_flag("--direct", place.direct, "Ask the etcd of the configuration itself, without a daemon");
  if (with_config)
    command->add_option("--config", place.config, "Configuration file of gnomond that says how etcd is reached")
        ->type_name("FILE");
  add_option_flags(*command, "store");
}

void add_right(Invocation& run) {
  CLI::App* right = run.app.add_subcommand("right", "Look at the rights to machine ids that a store knows");
  right->require_subcommand(1);
  right->fallthrough();
  CLI::App* command = add_command(run, *right, "list", "List who holds which machine id, and for how long still");
  auto options = on_run<RightListOptions>(run, command, [command](Invocation& r, RightListOptions o) {
    o.place.flags = given_flags(*command);
    return run_right_list(o, r.output);
  });
  command->add_flag("-a,--all", options->filter.all, "Free ones, too");
  command->add_option("--machine", options->filter.machine, "Only this machine id")->type_name("N");
  command->add_option("--holder", options->filter.holder, "Only those whose last holder's name contains this")
      ->type_name("TEXT");
  add_place_options(command, options->place, true);
}

void add_cluster(Invocation& run) {
  CLI::App* command = add_command(run, run.app, "cluster",
                                  "Show the store, its etcd members and all daemons, and whether anything is wrong");
  auto options = on_run<ClusterOptions>(run, command, [command](Invocation& r, ClusterOptions o) {
    o.place.flags = given_flags(*command);
    return run_cluster(o, r.output);
  });
  command
      ->add_option("--interval", options->interval_s,
                   "Seconds between two looks at the daemons, 0: look once; default two heartbeats")
      ->check(CLI::Range(0.0, 300.0))
      ->type_name("SECONDS");
  add_place_options(command, options->place, true);
}

void add_audit(Invocation& run) {
  CLI::App* command = add_command(run, run.app, "audit", "Say who can have issued an ID; exit code 1: nobody can");
  auto options = on_run<AuditOptions>(run, command, [command](Invocation& r, AuditOptions o) {
    o.place.flags = given_flags(*command);
    return run_audit(o, r.output);
  });
  command->add_option("ID", options->id, "In decimal, or in hexadecimal after 0x")->required()->type_name("ID");
  add_layout_options(command, options->layouts, "Only this layout, by name or number; else every known one");
  add_place_options(command, options->place, false);
}

using ControlAction = ExitCode (*)(const ControlOptions&, std::istream&, const Output&);

/// Returns where further options of the action go.
std::pair<CLI::App*, std::shared_ptr<ControlOptions>> add_control_action(Invocation& run, CLI::App& parent,
                                                                         const std::string& name,
                                                                         const std::string& help,
                                                                         ControlAction action) {
  CLI::App* command = add_command(run, parent, name, help);
  auto options = on_run<ControlOptions>(run, command, [command, action](Invocation& r, ControlOptions o) {
    o.flags = given_flags(*command);
    return action(o, r.in, r.output);
  });
  command->add_option("--config", options->config, "Configuration file of gnomond")->type_name("FILE");
  command->add_flag("-y,--yes", options->yes, "Don't ask");
  command->add_option("--store", options->store, "The store; the same as --store-url")->type_name("URL");
  command
      ->add_option("--instance", options->instance,
                   "Whose journal, on an etcd; default $GNOMON_SERVER_INSTANCE, else main")
      ->type_name("NAME");
  for (const char* section : {"store", "state", "rights"})
    add_option_flags(*command, section);
  return {command, options};
}

void add_control(Invocation& run) {
  CLI::App* command =
      run.app.add_subcommand("control", "Ways out when gnomond refuses its store; on SQLite it must not be running");
  command->require_subcommand(1);
  command->fallthrough();
  const auto [recover, recovery] = add_control_action(
      run, *command, "recover", "Make a usable store of a damaged, sealed or restored one", run_recover);
  recover
      ->add_option("--epoch-above", recovery->epoch_above,
                   "On an etcd whose newest data is lost: the highest epoch that is known from elsewhere")
      ->type_name("N");
  add_control_action(run, *command, "adopt",
                     "Bind a state that was moved here to this machine, or this host to an etcd", run_adopt);
  const auto [heal, healing] = add_control_action(
      run, *command, "heal", "Take a machine id away from its holder, until time passes its ceiling", run_heal);
  heal->add_option("MACHINE", healing->machine, "The machine id")->required()->type_name("N");
}

}  // namespace

void add_store_commands(Invocation& run) {
  add_right(run);
  add_cluster(run);
  add_audit(run);
  add_control(run);
}

}  // namespace gnomon::cmd
