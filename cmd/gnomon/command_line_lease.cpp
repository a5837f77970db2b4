// SPDX-License-Identifier: Apache-2.0
//
// gnomon lease: its commands and options.
#include <memory>
#include <string>

#include "cmd/gnomon/command_line_parts.hpp"
#include "cmd/gnomon/lease.hpp"

namespace gnomon::cmd {
namespace {

void add_server_options(CLI::App* command, LeaseServers& where) {
  command
      ->add_option("-s,--server", where.servers,
                   "unix:PATH or HOST[:PORT], several with commas, asked in this order; default: the daemon of this "
                   "host")
      ->delimiter(',')
      ->type_name("SERVER")
      ->allow_extra_args(false);
  command->add_option("--ca-file", where.ca_file, "PEM file of who signed the servers' certificates")
      ->type_name("FILE");
  command->add_option("--cert-file", where.cert_file, "PEM file of this client's certificate")->type_name("FILE");
  command->add_option("--key-file", where.key_file, "PEM file of its private key")->type_name("FILE");
  command
      ->add_option("--server-name", where.server_name,
                   "Name that the servers' certificates carry; default: what stands in their address")
      ->type_name("NAME");
  command->add_option("--timeout", where.timeout_s, "Seconds to wait for an answer, retries included; default 5")
      ->check(CLI::Range(0.001, 300.0))
      ->type_name("SECONDS");
  add_daemon_options(command, where);
}

void add_name(CLI::App* command, std::string& name) {
  command->add_option("NAME", name, "The lease")->required()->type_name("NAME");
}

void add_ttl(CLI::App* command, std::string& ttl) {
  command->add_option("--ttl", ttl, "For how long the session lives unless it is renewed; default 10s")
      ->type_name("DURATION");
}

void add_wish(CLI::App* command, LeaseWish& wish) {
  add_name(command, wish.name);
  add_ttl(command, wish.ttl);
  command->add_flag(std::string("--wait{") + kForever + "}", wish.wait,
                    "Wait in the queue until it is free; --wait=DURATION: for so long at most");
  command->add_option("--lock-delay", wish.lock_delay, "After an expiry nobody gets it for so long, up to 60s")
      ->type_name("DURATION");
  command->add_option("--metadata", wish.metadata, "A text that others can read with the lease")->type_name("TEXT");
  command->add_option("--label", wish.label, "Who others are told holds it; default: host and process")
      ->type_name("TEXT");
}

void add_session(CLI::App* command, std::string& session) {
  command->add_option("--session", session, "The session that acquire printed")->required()->type_name("SESSION");
}

/// CLI11 takes -1 for the largest number.
void add_token(CLI::Option* option) {
  option->type_name("TOKEN")->check(
      [](const std::string& text) {
        const bool digits = text.find_first_not_of("0123456789") == std::string::npos;
        return digits ? std::string() : "'" + text + "' is no token: it is a number";
      },
      "");
}

void add_acquire(Invocation& run, CLI::App& lease) {
  CLI::App* command =
      add_command(run, lease, "acquire", "Acquire a lease and leave it behind, under a session to be renewed by hand");
  auto options = on_run<LeaseAcquireOptions>(
      run, command, [](Invocation& r, const LeaseAcquireOptions& o) { return run_lease_acquire(o, r.output); });
  add_wish(command, options->wish);
  command->add_option("--session", options->session, "Hang it on this session, which another acquire left behind")
      ->type_name("SESSION");
  command->add_flag("--hold", options->hold, "Keep it until a signal comes, then release it");
  add_server_options(command, options->where);
}

void add_renew(Invocation& run, CLI::App& lease) {
  CLI::App* command = add_command(run, lease, "renew", "Renew a session, with all leases that hang on it");
  auto options = on_run<LeaseRenewOptions>(
      run, command, [](Invocation& r, const LeaseRenewOptions& o) { return run_lease_renew(o, r.output); });
  add_session(command, options->session);
  add_ttl(command, options->ttl);
  add_server_options(command, options->where);
}

void add_release(Invocation& run, CLI::App& lease) {
  CLI::App* command = add_command(run, lease, "release", "Release a lease, or give up a place in its queue");
  auto options = on_run<LeaseReleaseOptions>(
      run, command, [](Invocation& r, const LeaseReleaseOptions& o) { return run_lease_release(o, r.output); });
  add_name(command, options->name);
  add_session(command, options->session);
  add_token(command->add_option("--token", options->token, "Only if it is held under this token"));
  add_server_options(command, options->where);
}

void add_close(Invocation& run, CLI::App& lease) {
  CLI::App* command = add_command(run, lease, "close", "Close a session: all leases that hang on it are free at once");
  auto options = on_run<LeaseCloseOptions>(
      run, command, [](Invocation& r, const LeaseCloseOptions& o) { return run_lease_close(o, r.output); });
  add_session(command, options->session);
  add_server_options(command, options->where);
}

void add_run(Invocation& run, CLI::App& lease) {
  CLI::App* command =
      lease.add_subcommand("run", "Hold a lease while a command runs, and end the command before the lease ends");
  command->footer(
      "The command finds GNOMON_LEASE_NAME, GNOMON_LEASE_TOKEN and GNOMON_LEASE_SESSION in its environment.\n"
      "The exit code is the command's, 128+N if signal N ended it; 1 if the lease could not be had, or was lost:\n"
      "then the command was asked to end (SIGTERM) and, if it did not, killed with all of its process group.");
  auto options = on_run<LeaseRunOptions>(
      run, command, [](Invocation& r, const LeaseRunOptions& o) { return run_lease_run(o, r.output); });
  add_wish(command, options->wish);
  command
      ->add_option("--grace", options->grace,
                   "From SIGTERM to SIGKILL, if the lease ends or the command leaves processes behind; default a tenth "
                   "of the TTL")
      ->type_name("DURATION");
  command->add_option("COMMAND", options->command, "After --: the command and its arguments")
      ->required()
      ->type_name("COMMAND");
  add_server_options(command, options->where);
}

void add_looks(Invocation& run, CLI::App& lease) {
  CLI::App* get = add_command(run, lease, "get", "Show who holds a lease, and for how long");
  auto one = on_run<LeaseLookOptions>(
      run, get, [](Invocation& r, const LeaseLookOptions& o) { return run_lease_get(o, r.output); });
  add_name(get, one->name);
  add_server_options(get, one->where);

  CLI::App* list = add_command(run, lease, "list", "List the leases that are held");
  auto all = on_run<LeaseLookOptions>(
      run, list, [](Invocation& r, const LeaseLookOptions& o) { return run_lease_list(o, r.output); });
  list->add_option("PREFIX", all->name, "Only names that begin with this")->type_name("PREFIX");
  add_server_options(list, all->where);
}

void add_watch(Invocation& run, CLI::App& lease) {
  CLI::App* command = add_command(run, lease, "watch", "Print what is held, and then every change, a line each");
  auto options = on_run<LeaseWatchOptions>(
      run, command, [](Invocation& r, const LeaseWatchOptions& o) { return run_lease_watch(o, r.output); });
  command->add_option("PREFIX", options->prefix, "Only names that begin with this")->type_name("PREFIX");
  command->add_flag("--only-changes", options->only_changes, "Not what is held at the beginning");
  command->add_option("--count", options->count, "End after so many lines")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  add_server_options(command, options->where);
}

void add_validate(Invocation& run, CLI::App& lease) {
  CLI::App* command = add_command(run, lease, "validate",
                                  "Say whether a token is of the present grant; exit code 1: it is not, or may not be");
  auto options = on_run<LeaseValidateOptions>(
      run, command, [](Invocation& r, const LeaseValidateOptions& o) { return run_lease_validate(o, r.output); });
  add_name(command, options->name);
  add_token(command->add_option("TOKEN", options->token, "The token")->required());
  add_server_options(command, options->where);
}

void add_break(Invocation& run, CLI::App& lease) {
  CLI::App* command = add_command(run, lease, "break", "Take a lease away from a holder that is stopped");
  auto options = on_run<LeaseBreakOptions>(
      run, command, [](Invocation& r, const LeaseBreakOptions& o) { return run_lease_break(o, r.output); });
  add_name(command, options->name);
  command->add_flag("--holder-is-stopped", options->holder_is_stopped,
                    "Your word that the holder does nothing under it any more");
  add_server_options(command, options->where);
}

}  // namespace

void add_lease_commands(Invocation& run) {
  CLI::App* lease = run.app.add_subcommand("lease", "Hold names that one client holds at a time, and look at them");
  lease->require_subcommand(1);
  lease->fallthrough();
  add_acquire(run, *lease);
  add_renew(run, *lease);
  add_release(run, *lease);
  add_close(run, *lease);
  add_run(run, *lease);
  add_looks(run, *lease);
  add_watch(run, *lease);
  add_validate(run, *lease);
  add_break(run, *lease);
}

}  // namespace gnomon::cmd
