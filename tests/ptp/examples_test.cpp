// SPDX-License-Identifier: Apache-2.0
//
// What docs/rack-time.md tells operators to copy (docs/examples) is given to the programs that it is for: ptp4l follows
// a grandmaster by it, chronyd and gnomond take every word of it, phc2sys starts by its command line, and a gnomond
// finds the true time through the source that stands in the head of ptp4l's file.
//
// A configuration that was only read by people ends with the first version that spells an option differently. A program
// that refuses a word says so and ends, and each kind of file has a counterpart here with one wrong word in it, so that
// a check which accepts anything is noticed.
//
// Real ptp4l, chronyd and phc2sys on virtual clocks without CAP_SYS_TIME: whatever a file says, the machine's own clock
// is not set by it.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "tests/ptp/bed/rack.hpp"
#include "tests/support/daemon.hpp"

namespace gnomon::ptp {
namespace {

using namespace std::chrono_literals;

using bed::Rack;
using support::built;
using support::ChildProcess;
using support::Output;

constexpr auto kLimit = 30s;
constexpr int kPollMs = 50;

std::filesystem::path documents() {
  const char* root = std::getenv("GNOMON_SOURCE_DIR");  // set by tests/run_tests.py and meson
  return std::filesystem::path(root == nullptr ? "." : root) / "docs";
}

/// An example; the test fails if it is not there.
std::string example(const std::string& name) {
  std::string text = support::slurp(documents() / "examples" / name);
  EXPECT_FALSE(text.empty()) << name;
  return text;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << "'" << from << "' is gone from\n" << text;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

/// What follows `mark` on its line.
std::string behind(const std::string& text, const std::string& mark) {
  const std::size_t at = text.find(mark);
  EXPECT_NE(at, std::string::npos) << "'" << mark << "' is gone from\n" << text;
  if (at == std::string::npos) return {};
  const std::size_t begin = at + mark.size();
  return text.substr(begin, text.find('\n', begin) - begin);
}

/// The source for gnomond that stands in the head of an example, without its quotes.
std::string source_in(const std::string& text) {
  const std::string quoted = behind(text, "#   gnomond:  \"");
  return quoted.substr(0, quoted.find('"'));
}

/// What stands in blocks of TOML in a document.
std::vector<std::string> toml_blocks(const std::string& document) {
  std::vector<std::string> blocks;
  std::istringstream lines(document);
  bool inside = false;
  for (std::string line; std::getline(lines, line);) {
    if (line == "```toml") blocks.emplace_back();
    if (inside && line != "```") blocks.back() += line + "\n";
    inside = line == "```toml" || (inside && line != "```");
  }
  return blocks;
}

Output check_config(const std::vector<std::string>& flags) {
  std::vector<std::string> command{built("cmd/gnomond"), "--check-config"};
  command.insert(command.end(), flags.begin(), flags.end());
  return support::run_program(command, {});
}

Output check_config_text(const std::string& text) {
  const support::ScratchFolder folder;
  const std::filesystem::path file = folder.path() / "gnomond.toml";
  std::ofstream(file) << text;
  return check_config({"--config", file.string()});
}

/// The clock page of a gnomond, which it leaves behind for its next run.
struct LeftPage {
  std::filesystem::path path;
  ~LeftPage() {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }
};

constexpr const char* kPtp4lFiles[] = {"ptp4l-client.conf", "ptp4l-software.conf"};

// ---- gnomond

TEST(Examples, GnomondTakesItsConfiguration) {
  const std::string text = example("gnomond-rack.toml");
  const Output good = check_config_text(text);
  EXPECT_EQ(good.exit.code, 0) << good.text;
  const Output bad = check_config_text(replaced(text, "domain=24", "domian=24"));
  EXPECT_EQ(bad.exit.code, 2) << "a misspelt parameter was taken\n" << bad.text;
}

TEST(Examples, GnomondTakesTheSourcesThatTheOthersName) {
  for (const char* name : {"ptp4l-client.conf", "ptp4l-software.conf", "chrony.conf"}) {
    const std::string source = source_in(example(name));
    EXPECT_EQ(check_config({"--clock-sources", source}).exit.code, 0) << name << ": " << source;
  }
}

TEST(Examples, GnomondTakesWhatTheGuidesShow) {
  std::size_t blocks = 0;
  for (const char* name : {"rack-time.md", "operations.md"})
    for (const std::string& block : toml_blocks(support::slurp(documents() / name))) {
      ++blocks;
      EXPECT_EQ(check_config_text(block).exit.code, 0) << name << " shows\n" << block;
    }
  EXPECT_GE(blocks, 5U) << "the guides have lost their examples";
}

// The files are copied together, so they have to mean one domain and one socket.
TEST(Examples, FitTogether) {
  const std::string sources = example("gnomond-rack.toml");
  for (const char* name : kPtp4lFiles) {
    const std::string text = example(name);
    const std::string domain = behind(text, "domainNumber            ");
    const std::string socket = behind(text, "uds_address             ");
    const std::string source = fmt::format("ptp4l:{}?domain={}&", socket, domain);
    EXPECT_NE(source_in(text).find(source), std::string::npos) << name;
    EXPECT_NE(sources.find(fmt::format("{}clock=/dev/ptp0", source)), std::string::npos) << name;
    const std::string phc2sys = behind(example("phc2sys.service"), "ExecStart=");
    EXPECT_NE(phc2sys.find(fmt::format(" -n {} -z {}", domain, socket)), std::string::npos)
        << name << " and " << phc2sys;
  }
}

// ---- the programs of others

class ExamplesOnARack : public testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    if (!Rack::available(&why)) GTEST_SKIP() << why;
    rack_ = std::make_unique<Rack>(bed::RackOptions{.client = {.ahead = time::milliseconds(2), .drift_ppb = 25'000}});
  }

  std::string written(const std::string& name, const std::string& text) {
    const std::filesystem::path file = rack_->folder() / name;
    std::ofstream(file) << text;
    return file.string();
  }

  /// What a program of the client's printed until it ended by itself, and how.
  Output run(const std::vector<std::string>& command, const std::string& log_name) {
    const auto process = rack_->start_program(rack_->client(), command, log_name);
    const support::Exit exit = process->wait_exit(kLimit);
    return {exit, process->log()};
  }

  /// ptp4l of the client with this text as its file. The cards here stamp nothing, so that one word is overruled, and
  /// the sockets are the rack's: those of the file may be in use by the machine's own ptp4l.
  std::unique_ptr<ChildProcess> start_ptp4l(const std::string& name, const std::string& text) {
    constexpr const char* kOwnConstants = "pi_integral_const";
    const std::string socket = rack_->socket(rack_->client());
    std::vector<std::string> command{"ptp4l",
                                     "-S",
                                     "-m",
                                     "-f",
                                     written(name, text),
                                     "-i",
                                     rack_->interface(rack_->client()),
                                     "--use_syslog=0",
                                     "--uds_address=" + socket};
    // From version 4 on; 3.1 does not know the word.
    if (const std::string version = run({"ptp4l", "-v"}, name + "-version").text; !version.starts_with("3"))
      command.push_back("--uds_ro_address=" + socket + "ro");
    // Those of ptp4l for software time stamps wait for 16 s before they do anything; those for a card's do not.
    if (text.find(kOwnConstants) == std::string::npos)
      command.insert(command.end(), {"--pi_proportional_const=1.5", "--pi_integral_const=0.1"});
    return rack_->start_program(rack_->client(), command, name);
  }

  /// Whether the client's port comes to this state while the process runs.
  bool comes_to(const std::string& state, const ChildProcess& ptp4l) {
    const auto until = std::chrono::steady_clock::now() + kLimit;
    while (rack_->client_state() != state) {
      if (std::chrono::steady_clock::now() > until || !ptp4l.running()) return false;
      support::nap(kPollMs);
    }
    return true;
  }

  static bool says(const ChildProcess& process, const std::string& words) {
    const auto until = std::chrono::steady_clock::now() + kLimit;
    while (process.log().find(words) == std::string::npos) {
      if (std::chrono::steady_clock::now() > until || !process.running()) return false;
      support::nap(kPollMs);
    }
    return true;
  }

  std::unique_ptr<Rack> rack_;
};

TEST_F(ExamplesOnARack, Ptp4lFollowsAGrandmasterByThem) {
  rack_->start_grandmaster(0);
  for (const char* name : kPtp4lFiles) {
    const auto ptp4l = start_ptp4l(name, example(name));
    EXPECT_TRUE(comes_to("SLAVE", *ptp4l)) << name << '\n' << rack_->logs();
  }
}

TEST_F(ExamplesOnARack, Ptp4lRefusesAWordThatItDoesNotKnow) {
  for (const char* name : kPtp4lFiles) {
    const auto ptp4l = start_ptp4l(name, example(name) + "no_such_option 1\n");
    EXPECT_TRUE(ptp4l->wait_exit(kLimit).exited) << name << '\n' << ptp4l->log();
    EXPECT_NE(ptp4l->log().find("no_such_option"), std::string::npos) << ptp4l->log();
  }
}

TEST_F(ExamplesOnARack, GnomondFindsTheTimeThroughTheSourceOfTheFile) {
  const std::string counter = support::slurp("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  if (counter != "tsc\n" && counter != "arch_sys_counter\n")
    GTEST_SKIP() << "the kernel's clocksource is " << counter << ", so gnomond trusts no cycle counter here";
  const std::string text = example("ptp4l-software.conf");
  rack_->start_grandmaster(0);
  const auto ptp4l = start_ptp4l("ptp4l-software.conf", text);
  const std::string source =
      replaced(source_in(text), behind(text, "uds_address             "), rack_->socket(rack_->client()));
  const std::string folder = (rack_->folder() / "gnomond").string();
  std::filesystem::create_directory(folder);
  const std::string instance = "examples-" + std::to_string(getpid());
  const LeftPage page{"/dev/shm/gnomon." + instance + ".clock"};
  // The UTC of this grandmaster may be in doubt by seconds, where the table of leap seconds has expired.
  const auto gnomond = rack_->start_program(
      rack_->client(),
      {built("cmd/gnomond"), "--config", written("gnomond.toml", ""), "--server-listen", "127.0.0.1:0",
       "--metrics-listen", "", "--server-instance", instance, "--clock-sources", source, "--clock-start-wait-ms", "0",
       "--clock-max-epsilon-us", "60000000", "--state-dir", folder},
      "gnomond", {{"RUNTIME_DIRECTORY", folder}});
  EXPECT_TRUE(says(*gnomond, "the true time is known, from 1 independent sources")) << rack_->logs();
  gnomond->send_signal(SIGTERM);
  EXPECT_EQ(gnomond->wait_exit(kLimit).code, 0) << gnomond->log();
}

TEST_F(ExamplesOnARack, ChronydTakesThem) {
  for (const char* name : {"chrony.conf", "chrony-sets-clock.conf"}) {
    const std::string text = example(name);
    const Output good = run({"chronyd", "-U", "-p", "-f", written(name, text)}, name);
    EXPECT_EQ(good.exit.code, 0) << name << '\n' << good.text;
    EXPECT_NE(good.text.find("leapsectz right/UTC"), std::string::npos) << "it has not read the file\n" << good.text;
    const Output bad = run({"chronyd", "-U", "-p", "-f", written(name, text + "nosuchdirective\n")}, name);
    EXPECT_NE(bad.exit.code, 0) << "an unknown directive was taken\n" << bad.text;
  }
}

// Its command line, with the system clock in the place of a card's. It waits for ptp4l, in the domain that is named.
TEST_F(ExamplesOnARack, Phc2sysWaitsForThePtp4lOfItsDomain) {
  rack_->start_grandmaster(0);
  const auto ptp4l = start_ptp4l("ptp4l-software.conf", example("ptp4l-software.conf"));
  ASSERT_TRUE(comes_to("SLAVE", *ptp4l)) << rack_->logs();
  std::string line = behind(example("phc2sys.service"), "ExecStart=/usr/sbin/");
  line = replaced(line, "/dev/ptp0", "CLOCK_REALTIME");
  line = replaced(line, "/var/run/ptp4l-eth1", rack_->socket(rack_->client()));
  const auto start = [&](const std::string& text, const std::string& log_name) {
    std::istringstream words(text + " -m -q");
    std::vector<std::string> command;
    for (std::string word; words >> word;)
      command.push_back(word);
    return rack_->start_program(rack_->client(), command, log_name);
  };
  const auto right = start(line, "phc2sys");
  const auto wrong = start(replaced(line, "-n 24", "-n 25"), "phc2sys-in-another-domain");
  EXPECT_TRUE(says(*wrong, "aiting for ptp4l")) << "it found a ptp4l in a domain without one\n" << wrong->log();
  EXPECT_TRUE(right->running()) << right->log();
  EXPECT_EQ(right->log().find("aiting for ptp4l"), std::string::npos) << right->log();
}

}  // namespace
}  // namespace gnomon::ptp
