// SPDX-License-Identifier: Apache-2.0
//
// gnomon lease without a daemon: what the command line refuses, whom the commands would ask, and what they print.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cmd/gnomon/lease_link.hpp"
#include "cmd/gnomon/lease_place.hpp"
#include "cmd/gnomon/lease_view.hpp"
#include "cmd/gnomon/lease_wish.hpp"
#include "tests/cmd/in_process.hpp"
#include "tests/cmd/json_check.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::cmd {
namespace {

using client::LeaseInfo;
using client::LeaseStatus;

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

const std::string kSession = "00112233445566778899aabbccddeeff";

TEST(LeaseCommandLine, EachCommandHasHelp) {
  for (const char* command :
       {"acquire", "renew", "release", "close", "run", "get", "list", "watch", "validate", "break"}) {
    const Ran help = gnomon({"lease", command, "--help"});
    EXPECT_EQ(help.code, ExitCode::kOk) << command;
    EXPECT_TRUE(contains(help.out, "--server")) << command;
    EXPECT_TRUE(contains(help.out, "--ca-file")) << command;
    EXPECT_TRUE(contains(gnomon({"lease", "--help"}).out, command));
  }
}

TEST(LeaseCommandLine, MistakesAreUsageErrors) {
  const std::vector<std::vector<std::string>> mistakes{
      {"lease"},
      {"lease", "acquire"},
      {"lease", "acquire", "a", "--ttl", "soon"},
      {"lease", "acquire", "a", "--ttl", "0s"},
      {"lease", "acquire", "a", "--wait=soon"},
      {"lease", "acquire", "a", "--session", "12"},
      {"lease", "acquire", "a", "--session", kSession, "--hold"},
      {"lease", "renew"},
      {"lease", "renew", "--session", "xyz"},
      {"lease", "release", "a"},
      {"lease", "release", "a", "--session", kSession, "--token", "-1"},
      {"lease", "validate", "a"},
      {"lease", "validate", "a", "b"},
      {"lease", "run", "a"},
      {"lease", "run", "a", "--grace", "soon", "--", "true"},
      {"lease", "run", "a", "--grace", "9s", "--", "true"},
      {"lease", "get", "a", "--server", "h:99999"},
      {"lease", "get", "a", "--server", "127.0.0.1:1"},
      {"lease", "get", "a", "--server", "unix:/x", "--ca-file", "/x"},
      {"lease", "get", "a", "--server", "unix:/x", "--socket", "/y"},
      {"lease", "break", "a"},
  };
  for (const auto& arguments : mistakes) {
    const Ran run = gnomon(arguments);
    std::string line;
    for (const std::string& word : arguments)
      line += word + " ";
    EXPECT_EQ(run.code, ExitCode::kUsage) << line << run.err;
    EXPECT_EQ(run.err.rfind("gnomon: ", 0), 0U) << line << run.err;
    EXPECT_EQ(run.out, "") << line;
  }
}

TEST(LeaseCommandLine, WaitNeedsNoValueAndEatsNoWord) {
  // Judged by what is refused next: the grace, after everything else was read.
  for (const std::vector<std::string>& wait :
       {std::vector<std::string>{}, std::vector<std::string>{"--wait"}, std::vector<std::string>{"--wait=5s"}}) {
    std::vector<std::string> arguments{"lease", "run"};
    arguments.insert(arguments.end(), wait.begin(), wait.end());
    arguments.insert(arguments.end(), {"a", "--grace", "9s", "--", "true", "--wait", "x"});
    const Ran run = gnomon(arguments);
    EXPECT_EQ(run.code, ExitCode::kUsage);
    EXPECT_TRUE(contains(run.err, "a grace of 9.000s is too long for a TTL of 10.000s")) << run.err;
  }
}

TEST(LeaseCommandLine, NamesOfCommandsAreNamesOfLeasesToo) {
  const support::ScratchFolder folder;
  const std::string server = "unix:" + (folder.path() / "none").string();
  for (const char* name : {"status", "id", "list", "run", "now"}) {
    const Ran run = gnomon({"lease", "get", name, "--server", server, "--timeout", "0.2"});
    EXPECT_EQ(run.code, ExitCode::kUnreachable) << name << ": " << run.err;
  }
}

TEST(LeaseCommandLine, BreakSaysWhatItsWordMeans) {
  const Ran run = gnomon({"lease", "break", "a"});
  EXPECT_TRUE(contains(run.err, "--holder-is-stopped")) << run.err;
}

TEST(LeasePlace, FillsInWhatServersLeaveOpen) {
  const std::pair<std::string, std::string> good[] = {
      {"unix:/run/x.sock", "unix:/run/x.sock"}, {"h", "h:14667"},         {"h.example:1", "h.example:1"},
      {"10.0.0.1", "10.0.0.1:14667"},           {"[::1]", "[::1]:14667"}, {"[fd00::1]:7", "[fd00::1]:7"}};
  for (const auto& [text, wanted] : good) {
    LeaseServers where;
    where.servers = {text};
    where.ca_file = where.cert_file = where.key_file = "/x";
    const auto place = lease_place(where);
    ASSERT_TRUE(place) << text << ": " << place.error();
    EXPECT_EQ(place->servers, std::vector<std::string>{wanted});
    EXPECT_EQ(place->tls.has_value(), !is_unix(text)) << "a Unix socket has no TLS";
  }
  for (const char* text : {"", "unix:", ":1", "h:", "h:0", "h:x", "::1", "[::1", "[h]:1", "https://h:1", "h:1:2"}) {
    LeaseServers where;
    where.servers = {text};
    where.ca_file = where.cert_file = where.key_file = "/x";
    EXPECT_FALSE(lease_place(where)) << text;
  }
}

TEST(LeasePlace, OneKindOfServersOnly) {
  LeaseServers where;
  where.servers = {"unix:/run/x.sock", "h"};
  where.ca_file = where.cert_file = where.key_file = "/x";
  const auto place = lease_place(where);
  ASSERT_FALSE(place);
  EXPECT_TRUE(contains(place.error(), "one kind only")) << place.error();
}

TEST(LeasePlace, CodesAreTheProgramsOwn) {
  using Kind = client::LeaseErrorKind;
  EXPECT_EQ(exit_code_of(Kind::kHeld), ExitCode::kRefused);
  EXPECT_EQ(exit_code_of(Kind::kRecovering), ExitCode::kRefused);
  EXPECT_EQ(exit_code_of(Kind::kBadArgument), ExitCode::kUsage);
  EXPECT_EQ(exit_code_of(Kind::kTimeout), ExitCode::kUnreachable);
  EXPECT_EQ(exit_code_of(Kind::kUnreachable), ExitCode::kUnreachable);
  EXPECT_EQ(exit_code_of(Kind::kUnsynchronised), ExitCode::kUnsynchronised);
}

TEST(LeaseSession, IsReadBackAsItIsPrinted) {
  const auto session = parse_session(kSession);
  ASSERT_TRUE(session);
  EXPECT_EQ(session_text(*session), kSession);
  EXPECT_EQ((*session)[15], 0xff);
  for (const char* text : {"", "00", "00112233445566778899aabbccddeef", "00112233445566778899aabbccddeeffa",
                           "0g112233445566778899aabbccddeeff"})
    EXPECT_FALSE(parse_session(text)) << text;
}

TEST(LeaseWish, ReadsDurations) {
  LeaseWish wish{.name = "a", .ttl = "2s", .wait = "", .lock_delay = "", .metadata = "m", .label = ""};
  auto checked = check_wish(wish);
  ASSERT_TRUE(checked) << checked.error();
  EXPECT_EQ(checked->ttl, time::seconds(2));
  EXPECT_EQ(checked->wait_for.ns, 0);
  EXPECT_EQ(checked->lock_delay.ns, 0);
  wish.wait = kForever;
  wish.lock_delay = "250ms";
  checked = check_wish(wish);
  ASSERT_TRUE(checked) << checked.error();
  EXPECT_GT(checked->wait_for, time::seconds(86'400 * 300));
  EXPECT_EQ(checked->lock_delay, time::milliseconds(250));
  wish.wait = "1m 3";
  checked = check_wish(wish);
  ASSERT_FALSE(checked);
  EXPECT_TRUE(contains(checked.error(), "--wait")) << checked.error();
}

LeaseInfo held() {
  return {.name = "db:1",
          .status = LeaseStatus::kHeld,
          .token = 9'223'372'036'854'775'807,
          .principal = "local",
          .label = "host/1/job",
          .metadata = "10.0.0.1:99",
          .remaining = time::milliseconds(7200),
          .free_in = time::milliseconds(8200),
          .waiters = 2};
}

TEST(LeaseView, TellsWhoHoldsItAndForHowLong) {
  const std::string text = lease_text(held());
  for (const char* part : {"db:1", "held", "9223372036854775807", "host/1/job", "local", "10.0.0.1:99", "7.2", "8.2"})
    EXPECT_TRUE(contains(text, part)) << part << "\n" << text;
  LeaseInfo released;
  released.name = "db:1";
  const std::string free = lease_text(released);
  EXPECT_TRUE(contains(free, "free")) << free;
  EXPECT_FALSE(contains(free, "token")) << free;
}

TEST(LeaseView, JsonKeepsTokensAsTexts) {
  for (const std::string& json :
       {lease_json(held()), leases_json({held(), held()}), leases_json({}),
        change_json({.lease = held(), .initial = true}), change_json({.lease = {}, .gap = true}),
        grant_json({.name = "a", .token = 7, .session = kSession, .ttl = time::seconds(1)})})
    EXPECT_TRUE(JsonCheck::valid(json)) << json;
  EXPECT_TRUE(contains(lease_json(held()), R"("token":"9223372036854775807")")) << lease_json(held());
  EXPECT_TRUE(contains(change_json({.lease = {}, .gap = true}), R"("lease":null)"));
}

TEST(LeaseView, OthersBytesAreNoCommandsToTheTerminal) {
  LeaseInfo lease = held();
  lease.metadata = std::string("\x1b[2J\0\xff", 6);
  lease.label = "a\nb";
  for (const std::string& text : {lease_text(lease), leases_text({lease}), change_text({.lease = lease})}) {
    EXPECT_FALSE(contains(text, "\x1b"));
    EXPECT_FALSE(contains(text, "a\nb"));
  }
  EXPECT_TRUE(contains(lease_text(lease), R"(\x1b[2J\x00\xff)")) << lease_text(lease);
  EXPECT_TRUE(JsonCheck::valid(lease_json(lease))) << lease_json(lease);
  EXPECT_EQ(harmless(R"(a\b)"), R"(a\x5cb)") << "what stands for a byte is told from what looks like it";
}

TEST(LeaseView, AGrantSaysHowItIsRenewed) {
  GrantView grant{.name = "a", .token = 7, .session = kSession, .ttl = time::seconds(10)};
  EXPECT_TRUE(contains(grant_text(grant), "renew --session " + kSession)) << grant_text(grant);
  grant.kept = true;
  EXPECT_FALSE(contains(grant_text(grant), "renew")) << grant_text(grant);
  grant.taken_over = true;
  EXPECT_TRUE(contains(grant_text(grant), "taken over")) << grant_text(grant);
}

TEST(LeaseView, ATableHasALineForEach) {
  const std::string text = leases_text({held(), held()});
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3) << text;
  EXPECT_EQ(leases_text({}), "no lease is held\n");
}

}  // namespace
}  // namespace gnomon::cmd
