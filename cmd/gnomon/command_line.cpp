// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/command_line.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>

#include "cmd/gnomon/clock.hpp"
#include "cmd/gnomon/command_line_parts.hpp"
#include "cmd/gnomon/now.hpp"
#include "cmd/gnomon/offline.hpp"
#include "cmd/gnomon/online.hpp"
#include "cmd/gnomon/status.hpp"
#include "cmd/text/completion.hpp"
#include "cmd/text/suggest.hpp"
#include "cmd/text/version_text.hpp"

namespace gnomon::cmd {
namespace {

time::SmearedUtc now_utc() {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
              .count()};
}

void add_decode(Invocation& run) {
  CLI::App* command = add_command(run, run.app, "decode", "Say when, by which machine and as which an ID was issued");
  auto options = on_run<DecodeOptions>(
      run, command, [](Invocation& r, const DecodeOptions& o) { return run_decode(o, r.in, r.output); });
  command->add_option("ID", options->ids, "IDs, in decimal or after 0x; - reads them from standard input")
      ->required()
      ->type_name("ID");
  add_layout_options(command, options->layouts, "Only this layout, by name or number; else every known one");
}

void add_encode(Invocation& run) {
  CLI::App* command = add_command(run, run.app, "encode", "Build the ID with these fields (for queries and tests)");
  auto options = on_run<EncodeOptions>(
      run, command, [](Invocation& r, const EncodeOptions& o) { return run_encode(o, now_utc(), r.output); });
  command->add_option("--time", options->time, "RFC 3339, a date, now, or now-1h; default now")->type_name("TIME");
  command->add_option("--machine", options->machine, "Machine id; default 0")->type_name("N");
  command->add_option("--sequence", options->sequence, "Sequence; default 0")->type_name("N");
  add_layout_options(command, options->layouts, "Layout, by name or number; default snowflake");
}

void add_range(Invocation& run) {
  CLI::App* command = add_command(run, run.app, "range", "Turn a span of time into bounds for WHERE id BETWEEN");
  auto options = on_run<RangeOptions>(
      run, command, [](Invocation& r, const RangeOptions& o) { return run_range(o, now_utc(), r.output); });
  command->add_option("--from", options->from, "RFC 3339, a date, now, or now-1h")->required()->type_name("TIME");
  command->add_option("--to", options->to, "The same; belongs to the range; default now")->type_name("TIME");
  command->add_option("--column", options->column, "Name of the column; default id")->type_name("NAME");
  add_layout_options(command, options->layouts, "Layout, by name or number; default snowflake");
}

void add_layouts(Invocation& run) {
  CLI::App* command = add_command(run, run.app, "layouts", "Say what layouts can hold and when they are exhausted");
  auto options = on_run<LayoutsOptions>(
      run, command, [](Invocation& r, const LayoutsOptions& o) { return run_layouts(o, now_utc(), r.output); });
  command->add_option("--at", options->at, "What is left at this time; default now")->type_name("TIME");
  add_layout_options(command, options->layouts, "Only this layout, by name or number");
}

void add_server_options(CLI::App* command, ServerOptions& options,
                        const char* help =
                            "ADDRESS[:PORT], several with commas; default $GNOMON_SERVERS, else "
                            "127.0.0.1:14666") {
  command->add_option("-s,--server", options.servers, help)
      ->delimiter(',')
      ->type_name("ADDRESS")
      ->allow_extra_args(false);
  command->add_option("--timeout", options.timeout_s, "Seconds to wait for an answer, retries included; default 2")
      ->check(CLI::Range(0.001, 300.0))
      ->type_name("SECONDS");
  command
      ->add_option("--keys-file", options.keys_file,
                   "File of keys, if the server asks for one; default $GNOMON_KEYS_FILE")
      ->type_name("FILE");
  command->add_option("--key", options.key, "Which key of that file; default the first")->type_name("KEY_ID");
}

void add_id(Invocation& run) {
  CLI::App* command = add_command(run, run.app, "id", "Get unique IDs");
  auto options = on_run<IdOptions>(run, command, [](Invocation& r, const IdOptions& o) { return run_id(o, r.output); });
  command->add_option("-n,--number", options->count, "How many; default 1")->check(CLI::PositiveNumber)->type_name("N");
  command->add_flag("--one-by-one", options->one_by_one, "Ask for each ID with a request of its own");
  add_layout_options(command, options->layouts, "Layout, by name or number; default snowflake");
  add_server_options(command, options->server);
}

void add_ping(Invocation& run) {
  CLI::App* command = add_command(run, run.app, "ping", "Ask whether servers answer, and how fast");
  auto options =
      on_run<PingOptions>(run, command, [](Invocation& r, const PingOptions& o) { return run_ping(o, r.output); });
  command->add_option("-c,--count", options->count, "How often; default 4")->check(CLI::PositiveNumber)->type_name("N");
  command->add_option("--interval", options->interval_s, "Seconds between two; default 0.2")
      ->check(CLI::Range(0.0, 3600.0))
      ->type_name("SECONDS");
  add_server_options(command, options->server);
}

constexpr double kBriefestLookS = 0.05;  // each asks the daemon

/// Of a command that can go on looking. Returns the option that makes it.
template <typename Options>
CLI::Option* add_watch_options(CLI::App* command, Options& options, const char* help, double least_s) {
  CLI::Option* watch = command->add_flag("-w,--watch", options.watch, help);
  command->add_option("--interval", options.interval_s, "Seconds between two looks; default 1")
      ->check(CLI::Range(least_s, 3600.0))
      ->type_name("SECONDS");
  command->add_option("--count", options.count, "With --watch: end after so many looks")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  return watch;
}

void add_status(Invocation& run) {
  CLI::App* command =
      add_command(run, run.app, "status", "Show workers, rights, rates and drops of a gnomond on this host");
  auto options = on_run<StatusOptions>(run, command,
                                       [](Invocation& r, const StatusOptions& o) { return run_status(o, r.output); });
  add_daemon_options(command, *options);
  command->add_flag("--ports", options->ports, "Show its DPDK ports instead: what they can do, and what they count");
  add_watch_options(command, *options, "Go on showing it until interrupted", kBriefestLookS);
}

void add_clock(Invocation& run) {
  CLI::App* command =
      add_command(run, run.app, "clock", "Show what time a gnomond on this host knows, and why so well");
  auto options =
      on_run<ClockOptions>(run, command, [](Invocation& r, const ClockOptions& o) { return run_clock(o, r.output); });
  add_daemon_options(command, *options);
  add_watch_options(command, *options, "Go on showing it until interrupted", kBriefestLookS);
}

void add_clock_choice(CLI::App* command, ClockChoice& choice) {
  command
      ->add_option("--instance", choice.instance,
                   "Whose clock page on this host; default $GNOMON_SERVER_INSTANCE, else main")
      ->type_name("NAME");
  add_server_options(command, choice.server, "Ask these servers instead: ADDRESS[:PORT], several with commas");
}

void add_now(Invocation& run) {
  CLI::App* command =
      add_command(run, run.app, "now", "Print the interval that contains the true time, and why it is that wide");
  auto options =
      on_run<NowOptions>(run, command, [](Invocation& r, const NowOptions& o) { return run_now(o, r.output); });
  CLI::Option* watch = add_watch_options(command, *options, "Go on printing it, a line each, until interrupted", 0.001);
  command->add_flag("--csv", options->csv, "With --watch: a recording for gnomon plot")->needs(watch);
  add_clock_choice(command, options->clock);
}

void add_wait(Invocation& run) {
  CLI::App* command = add_command(run, run.app, "wait", "Commit-wait: end when a time has passed for certain");
  auto options =
      on_run<WaitOptions>(run, command, [](Invocation& r, const WaitOptions& o) { return run_wait(o, r.output); });
  command->add_option("TIME", options->t, "TAI nanoseconds, RFC 3339, now, or now+2s (from the latest that it can be)")
      ->required()
      ->type_name("TIME");
  command->add_option("--limit", options->limit, "Refuse a time that is further ahead; default 10s")
      ->type_name("DURATION");
  add_clock_choice(command, options->clock);
}

void add_hlc(Invocation& run) {
  CLI::App* command = add_command(run, run.app, "hlc", "Get a hybrid timestamp from a server, or take one apart");
  auto options =
      on_run<HlcOptions>(run, command, [](Invocation& r, const HlcOptions& o) { return run_hlc(o, r.output); });
  command->add_option("VALUE", options->value, "One that the new one must be larger than")->type_name("VALUE");
  command->add_flag("--decode", options->decode, "Only say what is in VALUE; asks nobody");
  add_server_options(command, options->server);
}

void add_plot(Invocation& run) {
  CLI::App* command = run.app.add_subcommand("plot", "Draw the uncertainty over time (SVG, by gnuplot)");
  auto options = on_run<PlotOptions>(run, command,
                                     [](Invocation& r, const PlotOptions& o) { return run_plot(o, r.in, r.output); });
  command->add_option("RECORDING", options->recording, "From gnomon now --watch --csv; - reads standard input")
      ->required()
      ->type_name("FILE");
  command->add_option("-o,--output", options->picture, "Where to; default standard output")->type_name("FILE");
  command->add_flag("--script", options->script, "Print the script for gnuplot instead");
}

struct CompletionOptions {
  std::string shell;
};

void add_completion(Invocation& run) {
  CLI::App* command = run.app.add_subcommand("completion", "Print the completion script of a shell");
  auto options = on_run<CompletionOptions>(run, command, [](Invocation& r, const CompletionOptions& o) {
    const auto script = completion_script(command_tree(r.app), o.shell);
    if (!script) return r.output.fail(ExitCode::kUsage, script.error());
    r.output.out << *script;
    return ExitCode::kOk;
  });
  command->add_option("SHELL", options->shell, "bash, zsh or fish")->required()->type_name("bash|zsh|fish");
}

/// CLI11 takes an unknown command for a stray argument and says that one is missing; say which word it was instead.
std::string unknown_command(const CLI::App& app, int argc, const char* const* argv) {
  if (argc < 2 || std::string_view(argv[1]).starts_with('-')) return {};
  std::vector<std::string_view> names;
  for (const CLI::App* command : app.get_subcommands(nullptr))
    names.push_back(command->get_name());
  if (std::find(names.begin(), names.end(), argv[1]) != names.end()) return {};
  return fmt::format("there is no command '{}'{}", argv[1], did_you_mean(argv[1], names));
}

/// --version ends the parsing where it stands, so the flag --json need not have been stored yet.
bool asks_for_json(int argc, const char* const* argv) {
  return std::any_of(argv, argv + argc, [](std::string_view word) { return word == "--json"; });
}

}  // namespace

ExitCode run_command_line(int argc, const char* const* argv, std::istream& in, std::ostream& out, std::ostream& err) {
  Invocation run{.in = in, .output = {out, err}, .action = {}};
  run.app.set_version_flag("--version", "gnomon", "Print the version");
  run.app.add_flag("--json", run.output.json, "Print JSON instead of text");
  run.app.require_subcommand(1);
  run.app.fallthrough();
  add_id(run);
  add_decode(run);
  add_encode(run);
  add_range(run);
  add_layouts(run);
  add_ping(run);
  add_status(run);
  add_clock(run);
  add_now(run);
  add_wait(run);
  add_hlc(run);
  add_plot(run);
  add_store_commands(run);
  add_lease_commands(run);
  add_completion(run);
  try {
    run.app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (dynamic_cast<const CLI::CallForVersion*>(&error) != nullptr) {
      out << version_text("gnomon", asks_for_json(argc, argv));
      return ExitCode::kOk;
    }
    if (error.get_exit_code() == 0) {  // --help
      (void)run.app.exit(error, out, err);
      return ExitCode::kOk;
    }
    const std::string unknown = unknown_command(run.app, argc, argv);
    return run.output.fail(ExitCode::kUsage, fmt::format("{}\ngnomon: see gnomon --help, or gnomon COMMAND --help",
                                                         unknown.empty() ? error.what() : unknown));
  }
  return run.action();
}

}  // namespace gnomon::cmd
