// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/command_line.hpp"

#include <fmt/core.h>

#include <cstdlib>
#include <utility>

#include <CLI/CLI.hpp>

#include "cmd/options/documents.hpp"
#include "cmd/options/flags.hpp"
#include "cmd/text/completion.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/version_text.hpp"

namespace gnomon::cmd {
namespace {

constexpr std::string_view kHelpHead =
    "gnomond answers requests for unique IDs over UDP.\n"
    "Usage: gnomond [OPTIONS]\n"
    "\n"
    "  -h, --help            Print this\n"
    "  --version             Print the version\n"
    "  --json                With --version or --check-config: print JSON\n"
    "  --config FILE         Configuration file (environment GNOMON_CONFIG); default /etc/gnomon/gnomond.toml, if it "
    "exists\n"
    "  --ready-file FILE     Write the bound addresses there once requests are answered, one per line\n"
    "  --check-config        Say what is wrong with the configuration, and end\n"
    "  --print-config        Print a sample configuration with every option, and end\n"
    "  --print-reference     Print the reference of all options (docs/options.md), and end\n"
    "  --print-counters      Print the reference of all counters (docs/counters.md), and end\n"
    "  --completion SHELL    Print the completion script for bash, zsh or fish, and end\n"
    "\n"
    "Each option below also stands in the file, as KEY under [SECTION], and in the environment, as "
    "GNOMON_SECTION_KEY.\n"
    "Flags win over the environment, the environment over the file.\n"
    "SIGTERM gives the rights back and ends; SIGHUP reads [access] with its keys, the log level and the leap seconds "
    "again.\n"
    "Exit codes: 0 ok, 1 refused, 2 usage or configuration.\n";

struct Flags {
  std::optional<std::string> config;
  std::string ready_file;
  bool help = false;
  bool version = false;
  bool json = false;
  bool check = false;
  bool print_config = false;
  bool print_reference = false;
  bool print_counters = false;
  std::string completion;
};

void add_flags(CLI::App& app, Flags& flags) {
  app.set_help_flag();  // ours prints the option table
  app.add_flag("-h,--help", flags.help, "Print the options");
  app.add_flag("--version", flags.version, "Print the version");
  app.add_flag("--json", flags.json, "With --version or --check-config: print JSON");
  app.add_option("--config", flags.config, "Configuration file")->type_name("FILE");
  app.add_option("--ready-file", flags.ready_file, "Write the bound addresses there once requests are answered")
      ->type_name("FILE");
  app.add_flag("--check-config", flags.check, "Say what is wrong with the configuration, and end");
  app.add_flag("--print-config", flags.print_config, "Print a sample configuration, and end");
  app.add_flag("--print-reference", flags.print_reference, "Print the reference of all options, and end");
  app.add_flag("--print-counters", flags.print_counters, "Print the reference of all counters, and end");
  app.add_option("--completion", flags.completion, "Print the completion script of a shell, and end")
      ->type_name("bash|zsh|fish");
  add_option_flags(app);
}

/// What is printed and nothing else, if one of those flags is there.
std::optional<std::string> printout(const CLI::App& app, const Flags& flags) {
  if (flags.help) return std::string(kHelpHead) + option_help();
  if (flags.version) return version_text("gnomond", flags.json);
  if (flags.print_config) return sample_configuration();
  if (flags.print_reference) return option_reference();
  if (flags.print_counters) return counter_reference();
  if (flags.completion.empty()) return std::nullopt;
  return completion_script(command_tree(app), flags.completion).value_or("");
}

/// The answer to --check-config: the problems go where errors go, or into the JSON.
ExitCode checked(const Problems& problems, bool json, std::ostream& out, std::ostream& err) {
  if (json) {
    JsonWriter writer;
    writer.begin_object().key("in_order").boolean(problems.empty()).key("problems").begin_array();
    for (const std::string& problem : problems)
      writer.text(problem);
    out << writer.end_array().end_object().str() << '\n';
  } else if (problems.empty()) {
    out << "gnomond: the configuration is in order\n";
  }
  for (const std::string& problem : problems)
    err << "gnomond: " << problem << '\n';
  return problems.empty() ? ExitCode::kOk : ExitCode::kUsage;
}

}  // namespace

Parsed parse_daemon_command_line(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
  CLI::App app("gnomond answers requests for unique IDs over UDP", "gnomond");
  Flags flags;
  add_flags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    err << "gnomond: " << error.what() << "\ngnomond: see gnomond --help\n";
    return ExitCode::kUsage;
  }
  if (flags.json && !flags.version && !flags.check) {
    err << "gnomond: --json goes with --version or --check-config; the log's form is --log-format\n";
    return ExitCode::kUsage;
  }
  if (const auto text = printout(app, flags)) {
    out << *text;
    if (!text->empty()) return ExitCode::kOk;
    err << "gnomond: there is no completion for '" << flags.completion << "': write bash, zsh or fish\n";
    return ExitCode::kUsage;
  }
  const char* file = std::getenv("GNOMON_CONFIG");  // NOLINT(concurrency-mt-unsafe): one thread
  if (!flags.config && file != nullptr && *file != '\0') flags.config = file;

  DaemonArguments arguments{
      .configuration = {}, .config_file = flags.config, .flags = given_flags(app), .ready_file = flags.ready_file};
  const auto sources = gather(arguments.config_file, arguments.flags);
  auto configuration = sources ? resolve(*sources) : tl::make_unexpected(sources.error());
  if (!configuration) return checked(configuration.error(), flags.check && flags.json, out, err);
  if (flags.check) return checked({}, flags.json, out, err);
  arguments.configuration = std::move(*configuration);
  return arguments;
}

}  // namespace gnomon::cmd
