// SPDX-License-Identifier: Apache-2.0
#include "tests/control/lease_hosts.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "ptp/cycle_calibration.hpp"
#include "tests/control/stage.hpp"
#include "tests/support/leap_list.hpp"

namespace gnomon::bed {
namespace {

using namespace std::chrono_literals;

using support::LeaseHistory;
using support::LeaseLine;

constexpr auto kStartLimit = 60s;
constexpr int kPollMs = 20;

// Three neighbours, none of whom has the others' time.
std::chrono::nanoseconds offset_of(std::size_t j) {
  constexpr std::array<std::int64_t, 3> kSigns{0, 1, -1};
  return kClockOff * kSigns.at(j % kSigns.size());
}

}  // namespace

LeaseHosts::LeaseHosts(LeaseHostsOptions options) : options_(std::move(options)), etcd_(options_.etcd) {
  std::ofstream(folder_.path() / "leaps") << support::lasting_leap_list();
  std::filesystem::create_directories(folder_.path() / "notes");
}

bool LeaseHosts::available(const EtcdOptions& etcd, std::string* why) {
  if (!ptp::kernel_trusts_counter()) {
    *why = "this machine's kernel does not use the cycle counter, so gnomond tells no true time here";
    return false;
  }
  return EtcdCluster::available(etcd, why);
}

bool LeaseHosts::set_up() {
  etcd_.start();
  for (std::size_t j = 0; j < options_.hosts; ++j) {
    const std::filesystem::path folder = folder_.path() / std::to_string(j);
    std::filesystem::create_directories(folder);
    std::ofstream(folder / "offset") << offset_of(j).count() << '\n';
    std::map<std::string, std::string> settings{
        {"store.url", etcd_.url()},
        {"store.heartbeat_ms", "200"},
        {"control.socket", (folder / "socket").string()},
        {"clock.sources", fmt::format("system?bound_us={}", std::chrono::microseconds(kClockBound).count())},
        {"clock.leap_file", (folder_.path() / "leaps").string()},
        {"clock.offset_file", (folder / "offset").string()},
        {"lease.min_ttl_ms", "500"},
    };
    for (const auto& [option, value] : options_.daemon_options)
      settings[option] = value;
    daemons_.push_back(std::make_unique<support::Daemon>(folder, settings));
    if (!start_daemon(j)) return false;
  }
  return true;
}

support::ChildLimits LeaseHosts::limits_of(std::size_t j) const {
  if (options_.etcd.home == EtcdHome::kLoopback) return {};
  return {.network_namespace = etcd_.host(j).fd()};
}

bool LeaseHosts::start_daemon(std::size_t j, bool waits) {
  support::Daemon& daemon = *daemons_.at(j);
  daemon.start(limits_of(j));
  if (!waits) return true;
  if (!daemon.wait_ready(kStartLimit)) {
    ADD_FAILURE() << end_of(daemon.log());
    return false;
  }
  // Ready is who serves IDs; leases wait for the clock and for the vote, too.
  const auto asker = client(j);
  const auto until = std::chrono::steady_clock::now() + kStartLimit;
  std::string last;
  while (std::chrono::steady_clock::now() < until) {
    const auto session = asker->open_session({.ttl = time::seconds(5), .label = "a look"});
    if (session) return true;
    last = session.error().text;
    support::nap(kPollMs);
  }
  ADD_FAILURE() << "host " << j << " serves no leases: " << last << '\n' << end_of(daemon.log());
  return false;
}

std::string LeaseHosts::logs() const {
  std::string out;
  for (std::size_t j = 0; j < daemons_.size(); ++j)
    out += fmt::format("--- daemon {}\n{}\n", j, end_of(daemons_[j]->log()));
  return out;
}

std::string LeaseHosts::server(std::size_t j) const {
  return "unix:" + (folder_.path() / std::to_string(j) / "socket").string();
}

std::shared_ptr<client::LeaseClient> LeaseHosts::client(std::size_t j) const {
  auto connected = client::LeaseClient::connect({.servers = {server(j)}, .deadline = time::seconds(30)});
  if (!connected) throw std::runtime_error(connected.error().text);
  return std::move(*connected);
}

// --- holders

std::filesystem::path LeaseHosts::notes_of(const std::string& who) const { return folder_.path() / "notes" / who; }

std::unique_ptr<support::ChildProcess> LeaseHosts::start(const std::vector<std::string>& arguments,
                                                         const std::string& who) {
  holders_.push_back(who);
  return std::make_unique<support::ChildProcess>(arguments, std::map<std::string, std::string>{},
                                                 folder_.path() / (who + ".log"));
}

std::unique_ptr<support::ChildProcess> LeaseHosts::hold(std::size_t j, const std::string& name,
                                                        std::chrono::milliseconds ttl, const std::string& who) {
  return start({support::built("tests/control/lease_program"), "hold", daemons_.at(j)->instance(), who,
                notes_of(who).string(), server(j), name, std::to_string(ttl.count())},
               who);
}

std::unique_ptr<support::ChildProcess> LeaseHosts::run(std::size_t j, const std::string& name,
                                                       std::chrono::milliseconds ttl, const std::string& who,
                                                       std::chrono::milliseconds acts) {
  return start({support::built("cmd/gnomon"), "lease", "run", name, "--server", server(j), "--wait", "--ttl",
                fmt::format("{}ms", ttl.count()), "--label", who, "--", support::built("tests/control/lease_program"),
                "act", daemons_.at(j)->instance(), who, notes_of(who).string(), std::to_string(acts.count())},
               who);
}

std::string LeaseHosts::written_by(const std::string& who) const { return support::slurp(notes_of(who)); }

std::vector<LeaseLine> LeaseHosts::lines_of(const std::string& who) const {
  std::vector<LeaseLine> out;
  const std::string text = written_by(who);
  for (std::size_t begin = 0, end = text.find('\n'); end != std::string::npos;
       begin = end + 1, end = text.find('\n', begin)) {
    auto line = support::parse_lease_line(std::string_view(text).substr(begin, end - begin));
    if (line)
      out.push_back(std::move(*line));
    else
      ADD_FAILURE() << who << ": " << line.error();
  }
  return out;
}

bool LeaseHosts::has_held(const std::string& who) const {
  const std::vector<LeaseLine> lines = lines_of(who);
  return std::any_of(lines.begin(), lines.end(),
                     [&](const LeaseLine& line) { return line.at.earliest > lines.front().at.latest; });
}

std::vector<LeaseLine> LeaseHosts::begun_by(const std::string& who) const {
  auto all = lines_of(who);
  std::erase_if(all, [](const LeaseLine& line) { return line.what != LeaseLine::What::kBegan; });
  return all;
}

std::vector<LeaseLine> LeaseHosts::lines() const {
  std::vector<LeaseLine> out;
  for (const std::string& who : holders_)
    std::ranges::move(lines_of(who), std::back_inserter(out));
  return out;
}

LeaseHistory LeaseHosts::history() const {
  LeaseHistory out;
  for (const LeaseLine& line : lines())
    out.add(line);
  return out;
}

// --- the judgement

LeaseHistory with_a_planted_overlap(const std::vector<LeaseLine>& lines) {
  LeaseHistory history;
  std::map<std::pair<std::string, std::uint64_t>, LeaseLine> began;
  LeaseLine victim;
  time::Duration longest{};
  for (const LeaseLine& line : lines) {
    history.add(line);
    const std::pair key{line.who, line.token};
    if (line.what == LeaseLine::What::kBegan) began[key] = line;
    const LeaseLine& first = began[key];
    if (line.at.earliest - first.at.latest > longest) {
      longest = line.at.earliest - first.at.latest;
      victim = first;
    }
  }
  // In the middle of it, by a clock as good as the victim's own, and under a token that nobody has.
  const time::Tai middle = victim.at.latest + time::Duration{longest.ns / 2};
  history.add({.who = "planted",
               .name = victim.name,
               .token = victim.token + 1'000'000'000,
               .what = LeaseLine::What::kBegan,
               .at = {middle, middle}});
  return history;
}

void expect_exclusive(const std::vector<LeaseLine>& lines, std::size_t served) {
  LeaseHistory history;
  for (const LeaseLine& line : lines)
    history.add(line);
  std::string text;
  for (const std::string& fault : history.violations(served))
    text += "\n  " + fault;
  EXPECT_TRUE(text.empty()) << "what the holders wrote down:" << text;
  std::printf("%zu grants, %zu pairs of them held against each other\n", history.tenures(), history.judged());

  // The only fault that a planted tenure can bring with it is that it was held together with another one.
  const auto found = with_a_planted_overlap(lines).violations(0);
  const auto is_found = std::any_of(found.begin(), found.end(), [](const std::string& fault) {
    return fault.find("planted") != std::string::npos && fault.find("together for") != std::string::npos;
  });
  EXPECT_TRUE(is_found) << "an overlap that was planted is not found";
}

}  // namespace gnomon::bed
