// SPDX-License-Identifier: Apache-2.0
//
// The commands of gnomon that need no service, run in this process: what they print, and how they end.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "cmd/gnomon/status.hpp"
#include "tests/cmd/in_process.hpp"
#include "tests/cmd/json_check.hpp"
#include "tests/support/daemon.hpp"

namespace gnomon::cmd {
namespace {

TEST(Decode, GoldenValueOfTheErrata) {
  const Ran run = gnomon({"decode", "396814713251434496", "--layout", "snowflake"});
  EXPECT_EQ(run.code, ExitCode::kOk);
  EXPECT_EQ(run.out, "396814713251434496  2024-01-01T00:00:00.100Z  machine 1  sequence 0\n");
  EXPECT_EQ(run.err, "");
}

TEST(Decode, WithoutALayoutShowsAllThatFit) {
  EXPECT_EQ(gnomon({"decode", "396814713251434496"}).out,
            "396814713251434496\n"
            "  snowflake   2024-01-01T00:00:00.100Z  machine 1  sequence 0\n"
            "  instagram   2022-07-02T12:00:00.050Z  machine 4  sequence 0\n"
            "  js53        no: the ID has bits above the layout's fields\n");
}

TEST(Decode, ReadsHexAndStandardInput) {
  const Ran run = gnomon({"decode", "-", "0x581C4E119001000", "-l", "1"}, "396814713251434496\n396814713251434497\n");
  EXPECT_EQ(run.code, ExitCode::kOk) << run.err;
  EXPECT_EQ(run.out,
            "396814713251434496  2024-01-01T00:00:00.100Z  machine 1  sequence 0\n"
            "396814713251434497  2024-01-01T00:00:00.100Z  machine 1  sequence 1\n"
            "396814713251434496  2024-01-01T00:00:00.100Z  machine 1  sequence 0\n");
}

TEST(Decode, RefusesWhatIsNoId) {
  for (const char* word : {"abc", "1.5", "18446744073709551616", "0x", "0x1g", ""}) {
    const Ran run = gnomon({"decode", word});
    EXPECT_EQ(run.code, ExitCode::kUsage) << word;
    EXPECT_NE(run.err.find("is no 64-bit ID"), std::string::npos) << run.err;
    EXPECT_EQ(run.out, "");
  }
  const Ran above = gnomon({"decode", "9223372036854775808", "--layout", "js53"});
  EXPECT_EQ(above.code, ExitCode::kRefused);
  EXPECT_EQ(above.out, "9223372036854775808  no: the ID has bits above the layout's fields\n");
}

TEST(Encode, IsTheInverse) {
  const Ran run = gnomon({"encode", "--time", "2024-01-01T00:00:00.100Z", "--machine", "1"});
  EXPECT_EQ(run.code, ExitCode::kOk) << run.err;
  EXPECT_EQ(run.out, "396814713251434496\n");
  EXPECT_EQ(
      gnomon({"encode", "--time", "2024-01-01", "--machine", "31", "--sequence", "127", "--layout", "js53", "--json"})
          .out,
      "{\"id\":\"387514368004095\",\"layout\":\"js53\",\"time\":\"2024-01-01T00:00:00Z\",\"machine\":31,\"sequence\":"
      "127}\n");
}

TEST(Encode, RefusesWhatTheLayoutCantHold) {
  const Ran machine = gnomon({"encode", "--time", "2024-01-01", "--machine", "1024"});
  EXPECT_EQ(machine.code, ExitCode::kRefused);
  EXPECT_EQ(machine.err, "gnomon: layout snowflake has machine ids 0 to 1023, and 1024 is none of them\n");
  EXPECT_EQ(gnomon({"encode", "--time", "2024-01-01", "--sequence", "4096"}).code, ExitCode::kRefused);
  EXPECT_EQ(gnomon({"encode", "--time", "2020-12-31"}).code, ExitCode::kRefused);
  EXPECT_EQ(gnomon({"encode", "--time", "2091-01-01"}).code, ExitCode::kRefused);
  EXPECT_EQ(gnomon({"encode", "--time", "yesterday"}).code, ExitCode::kUsage);
}

TEST(Range, PrintsBoundsThatSqlTakes) {
  const Ran run = gnomon({"range", "--from", "2024-01-01", "--to", "2024-01-01T00:00:00.100Z", "--column", "order_id"});
  EXPECT_EQ(run.code, ExitCode::kOk) << run.err;
  EXPECT_EQ(run.out, "order_id BETWEEN 396814712832000000 AND 396814713255624703\n");
  EXPECT_EQ(gnomon({"range", "--from", "2024-01-01", "--to", "2024-01-01", "--json"}).out,
            "{\"layout\":\"snowflake\",\"from\":\"2024-01-01T00:00:00Z\",\"to\":\"2024-01-01T00:00:00Z\","
            "\"first\":\"396814712832000000\",\"last\":\"396814712836194303\"}\n");
  const Ran reversed = gnomon({"range", "--from", "2024-01-02", "--to", "2024-01-01"});
  EXPECT_EQ(reversed.code, ExitCode::kRefused);
  EXPECT_NE(reversed.err.find("the span of time ends before it begins"), std::string::npos) << reversed.err;
}

TEST(Layouts, SayCapacityAndEnd) {
  const Ran run = gnomon({"layouts", "--at", "2026-01-01"});
  EXPECT_EQ(run.code, ExitCode::kOk) << run.err;
  EXPECT_EQ(
      run.out,
      " no  name             bits     unit  machines    IDs/s each  epoch       exhausted                  left  "
      "JavaScript-safe\n"
      "  1  snowflake    41/10/12   1000us      1024       4096000  2021-01-01  2090-09-07T15:47:35Z      64.7y  no\n"
      "  2  instagram    41/13/10   1000us      8192       1024000  2021-01-01  2055-11-04T19:53:47Z      29.8y  no\n"
      "  3  js53           41/5/7   1000us        32        128000  2021-01-01  2090-09-07T15:47:35Z      64.7y  "
      "yes\n");
  EXPECT_NE(gnomon({"layouts", "--at", "2091-01-01"}).out.find("EXHAUSTED"), std::string::npos);
}

TEST(Layouts, CustomOnesComeFromFlagsAndFromTheConfiguration) {
  const support::ScratchFolder folder;
  const std::string file = (folder.path() / "g.toml").string();
  std::ofstream(file)
      << "[[ids.custom]]\nnumber = 20\nname = \"orders\"\nepoch = 2024-01-01\nunit = \"10ms\"\nbits = [39, 4, 8]\n";
  const Ran run = gnomon(
      {"layouts", "--at", "2024-06-01", "--config", file, "--custom", "16:items:2020-01-01:1ms:41/10/12", "--json"});
  EXPECT_EQ(run.code, ExitCode::kOk) << run.err;
  EXPECT_NE(run.out.find("\"name\":\"orders\""), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("\"name\":\"items\""), std::string::npos) << run.out;
  std::ofstream(file) << "[[ids.custom]]\nnumber = 20\n";
  const Ran bad = gnomon({"layouts", "--config", file});
  EXPECT_EQ(bad.code, ExitCode::kUsage);
  EXPECT_EQ(bad.err, "gnomon: " + file + ":1:7: ids.custom 'name' is missing\n");
}

TEST(Json, OfEveryOfflineCommandIsValid) {
  const std::vector<std::vector<std::string>> commands{
      {"decode", "396814713251434496", "18446744073709551615", "--json"},
      {"decode", "x", "--json"},
      {"encode", "--json"},
      {"range", "--from", "now-1h", "--json"},
      {"layouts", "--json"},
      {"--json", "layouts"},
  };
  for (const auto& command : commands) {
    const Ran run = gnomon(command);
    EXPECT_TRUE(JsonCheck::valid(run.out)) << command.front() << ": " << run.out;
  }
}

TEST(CommandLine, MistakesAreUsageErrorsWithAHint) {
  const Ran unknown = gnomon({"decod", "1"});
  EXPECT_EQ(unknown.code, ExitCode::kUsage);
  EXPECT_EQ(unknown.err,
            "gnomon: there is no command 'decod' (did you mean 'decode'?)\n"
            "gnomon: see gnomon --help, or gnomon COMMAND --help\n");
  const std::vector<std::vector<std::string>> mistakes{{},
                                                       {"decode"},
                                                       {"decode", "1", "--bogus"},
                                                       {"range"},
                                                       {"encode", "--machine", "x"},
                                                       {"decode", "1", "--layout", "nope"},
                                                       {"id", "-n", "0"},
                                                       {"id", "--server", "not an address"},
                                                       {"id", "--key", "3"},
                                                       {"completion", "tcsh"},
                                                       {"control"},
                                                       {"status", "--instance", "a/b"}};
  for (const auto& arguments : mistakes) {
    const Ran run = gnomon(arguments);
    EXPECT_EQ(run.code, ExitCode::kUsage) << (arguments.empty() ? "" : arguments.front());
    EXPECT_EQ(run.err.rfind("gnomon: ", 0), 0U) << run.err;
    EXPECT_EQ(run.out, "");
  }
}

TEST(CommandLine, HelpAndVersionEverywhere) {
  EXPECT_EQ(gnomon({"--version"}).out.rfind("gnomon 0.", 0), 0U);
  for (const char* command : {"id", "decode", "encode", "range", "layouts", "ping", "status", "clock", "now", "wait",
                              "hlc", "plot", "right", "cluster", "audit", "control", "lease", "completion"}) {
    const Ran help = gnomon({command, "--help"});
    EXPECT_EQ(help.code, ExitCode::kOk) << command;
    EXPECT_NE(help.out.find("--help"), std::string::npos) << command;
    EXPECT_EQ(gnomon({command, "--version"}).out.rfind("gnomon 0.", 0), 0U) << command;
    EXPECT_NE(gnomon({"--help"}).out.find(command), std::string::npos) << command;
  }
}

TEST(Status, WithoutADaemonSaysWhatToLookAt) {
  const support::ScratchFolder folder;
  const std::string socket = (folder.path() / "none.sock").string();
  const Ran run = gnomon({"status", "--socket", socket});
  EXPECT_EQ(run.code, ExitCode::kUnreachable);
  EXPECT_EQ(run.err, "gnomon: there is no status socket " + socket +
                         ": is gnomond running on this host, under that instance name? --instance says which daemon, "
                         "--socket where\n");
}

TEST(Status, PortsIsAFlagOfItsOwn) {
  EXPECT_NE(gnomon({"status", "--help"}).out.find("--ports"), std::string::npos);
  const support::ScratchFolder folder;
  const Ran run = gnomon({"status", "--ports", "--socket", (folder.path() / "none.sock").string()});
  EXPECT_EQ(run.code, ExitCode::kUnreachable) << run.err;
  EXPECT_EQ(run.out, "");
  EXPECT_EQ(gnomon({"ping", "--ports"}).code, ExitCode::kUsage);
}

TEST(Status, AFirstRightHasNoFloor) {
  control::StatusReport report;
  control::WorkerReport worker;
  control::RightReport right;
  right.right.ceiling = {1'704'067'200'000'000'000};
  worker.rights = {right};
  report.workers = {worker};
  const std::string text = status_text(report, {});
  EXPECT_NE(text.find("2024-01-01T00:00:00Z"), std::string::npos) << text;
  EXPECT_EQ(text.find("1970-01-01T00:00:00Z      2024"), std::string::npos) << text;
  EXPECT_NE(text.find("  -                         2024-01-01"), std::string::npos) << text;
}

TEST(Json, VersionInAnyOrder) {
  const std::string plain = gnomon({"--version"}).out;
  const std::string version = plain.substr(7, plain.size() - 8);
  const std::string wanted = R"({"program":"gnomon","version":")" + version + "\"}\n";
  const std::vector<std::vector<std::string>> orders{
      {"--version", "--json"}, {"--json", "--version"}, {"id", "--version", "--json"}, {"id", "--json", "--version"}};
  for (const auto& order : orders) {
    const Ran run = gnomon(order);
    EXPECT_EQ(run.code, ExitCode::kOk) << run.err;
    EXPECT_EQ(run.out, wanted) << order.front();
  }
}

TEST(Json, ControlDoesNotAskButRefuses) {
  const support::ScratchFolder folder;
  for (const char* action : {"recover", "adopt"}) {
    const Ran run = gnomon({"control", action, "--json", "--state-dir", folder.path().string()}, action);
    EXPECT_EQ(run.code, ExitCode::kRefused);
    EXPECT_EQ(run.out, "{\"error\":\"nothing was changed: with --json nothing is asked; add --yes to agree\"}\n");
    EXPECT_EQ(run.err.find("Type "), std::string::npos) << run.err;
    EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  }
}

/// Feeds a script to a shell's own syntax check.
int syntax_check(const std::string& shell, const std::string& script) {
  const support::ScratchFolder folder;
  const std::string file = (folder.path() / "script").string();
  std::ofstream(file) << script;
  return support::run_program({shell, "-n", file}, {}).exit.code;
}

TEST(Completion, KnowsEveryCommandAndBashCanReadIt) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Ran run = gnomon({"completion", shell});
    EXPECT_EQ(run.code, ExitCode::kOk) << run.err;
    for (const char* word : {"decode", "layouts", "adopt", "heal", "epoch-above", "cluster", "audit", "right", "holder",
                             "direct", "one-by-one", "store-url", "ports", "holder-is-stopped", "lock-delay"})
      EXPECT_NE(run.out.find(word), std::string::npos) << shell << " lacks " << word;
  }
  EXPECT_EQ(syntax_check("/bin/bash", gnomon({"completion", "bash"}).out), 0);
}

TEST(Completion, BashCompletesCommandsFlagsAndChoices) {
  const support::ScratchFolder folder;
  const std::string file = (folder.path() / "try.sh").string();
  std::ofstream(file) << gnomon({"completion", "bash"}).out
                      << "try() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _gnomon; echo \"${COMPREPLY[*]}\"; }\n"
                         "try gnomon de\ntry gnomon control a\ntry gnomon range --fr\ntry gnomon completion z\n"
                         "try gnomon control recover --rights-lead-policy r\n"
                         "try gnomon right l\ntry gnomon right list --ho\n";
  const support::Output output = support::run_program({"/bin/bash", file}, {});
  EXPECT_EQ(output.text, "decode\nadopt\n--from\nzsh\nrefuse rotate\nlist\n--holder\n");
}

}  // namespace
}  // namespace gnomon::cmd
