// SPDX-License-Identifier: Apache-2.0
//
// The demo behind `./dev run`: starts a gnomond of its own on 127.0.0.1, fetches ten million IDs from it over UDP,
// proves them unique and ascending, and shows what they look like and how fast they came. With --dpdk, gnomond serves
// another host through a DPDK port (two_hosts.hpp). It leaves nothing behind.
#include <fmt/core.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "bench/demo/fetch.hpp"
#include "bench/demo/two_hosts.hpp"
#include "client/client.hpp"
#include "cmd/text/rfc3339.hpp"
#include "oracle/id/codec.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/ledger.hpp"

namespace gnomon::demo {
namespace {

struct Plan {
  std::string gnomond;
  std::uint64_t ids = 10'000'000;
  std::uint64_t one_by_one = 500'000;
  std::uint32_t per_second = 10'000;
  std::uint32_t seconds = 3;
  bool dpdk = false;

  [[nodiscard]] std::string beside_gnomond(const std::string& program) const {
    return (std::filesystem::path(gnomond).parent_path() / program).string();
  }
};

constexpr std::uint32_t kRange = 2000;
constexpr std::uint32_t kRangesInFlight = 32;
constexpr std::uint32_t kSinglesInFlight = 1024;

constexpr std::string_view kUsage =
    "usage: gnomon-demo --gnomond PATH [--dpdk] [--ids N] [--one-by-one N]\n"
    "Starts that daemon on 127.0.0.1, fetches N IDs (10000000), that many of them one by one (500000), and judges "
    "them.\n"
    "--dpdk: the daemon serves through a DPDK port, at the other end of a cable between two network namespaces, which "
    "takes root.\n";

// Set by a signal; the loads look at it, so that the daemon and the folder go as on any other way out.
volatile std::sig_atomic_t interrupted = 0;

void note_interrupt(int /*signal*/) { interrupted = 1; }

class ProgressBar {
 public:
  explicit ProgressBar(std::uint64_t total) : total_(total), live_(isatty(STDERR_FILENO) != 0) {}

  void show(std::uint64_t done) const {
    if (!live_) return;
    constexpr std::uint64_t kWidth = 50;
    const std::uint64_t filled = std::min(kWidth, done * kWidth / total_);
    fmt::print(stderr, "\r  [{:#<{}}{:.<{}}] {:>10} IDs", "", filled, "", kWidth - filled, done);
    std::fflush(stderr);
  }
  void end() const {
    if (live_) fmt::print(stderr, "\r{:80}\r", "");
  }

 private:
  std::uint64_t total_;
  bool live_;
};

int complain(const std::string& what, const support::Daemon* daemon = nullptr) {
  fmt::print(stderr, "gnomon-demo: {}\n", what);
  if (daemon != nullptr) fmt::print(stderr, "what the daemon said:\n{}", daemon->log());
  return 1;
}

void show_ids(const support::Ledger& ledger) {
  const id::Layout layout = id::builtin_layouts()[0];
  fmt::print("\nWhat they look like:\n  {:>20}  {:<26}{:>8}{:>10}\n", "ID", "time", "machine", "sequence");
  const auto& ranges = ledger.ranges();
  for (const std::size_t at : {std::size_t{0}, ranges.size() / 2, ranges.size() - 1}) {
    const auto fields = id::decode(layout, {ranges[at].first});
    if (!fields) continue;
    fmt::print("  {:>20}  {:<26}{:>8}{:>10}\n", ranges[at].first, cmd::rfc3339(fields->time), fields->machine.value,
               fields->sequence);
  }
}

bool judge(const support::Ledger& ledger) {
  const auto duplicates = ledger.duplicates();
  if (duplicates.count != 0)
    fmt::print("NOT UNIQUE: {} duplicates, the first: {}\n", duplicates.count, duplicates.first);
  if (ledger.order_violations() != 0)
    fmt::print("NOT ASCENDING: {} times, the first: {}\n", ledger.order_violations(), ledger.first_order_violation());
  if (duplicates.count != 0 || ledger.order_violations() != 0) return false;
  fmt::print("\nAll {} IDs are distinct, and each is larger than the one before it.\n", ledger.ids());
  return true;
}

void show_speed(const Fetched& singles, const Fetched& ranges, const Fetched& paced, Latencies& latencies,
                const Plan& plan) {
  const double single_rate = static_cast<double>(singles.requests) / singles.took.count();
  const double range_rate = static_cast<double>(ranges.ids) / ranges.took.count();
  fmt::print("\nHow fast, on this machine, client and server sharing it:\n");
  fmt::print("  one ID per request    {:>12.0f} requests/s   ({} in flight)\n", single_rate, kSinglesInFlight);
  fmt::print("  {} IDs per request  {:>12.0f} IDs/s        ({} in flight)\n", kRange, range_rate, kRangesInFlight);
  fmt::print("  at {} requests/s, from the intended send ({} requests, {} failed):\n", plan.per_second, paced.requests,
             paced.failed);
  fmt::print("    p50 {:.0f} us   p90 {:.0f} us   p99 {:.0f} us   p99.9 {:.0f} us   max {:.0f} us\n",
             latencies.quantile_us(0.5), latencies.quantile_us(0.9), latencies.quantile_us(0.99),
             latencies.quantile_us(0.999), latencies.quantile_us(1.0));
}

// Through the same cable, by way of IPv6 and with a client of its own.
bool show_ipv6(const platform::Endpoint& server) {
  auto client = client::Client::connect({.servers = {platform::to_string(server)}});
  if (!client) return false;
  const auto range = client->next_range(id::kSnowflake, 1000);
  fmt::print(
      "  gnomon  {:<10} {}\n", platform::to_string(server.address),
      range ? fmt::format("{} IDs over IPv6, from {} on", range->count, range->first.value) : range.error().text);
  return range.has_value();
}

bool show_ports(const Plan& plan, const support::Daemon& daemon) {
  const support::Output status = support::run_program(
      {plan.beside_gnomond("gnomon"), "status", "--ports", "--instance", daemon.instance()}, daemon.environment());
  fmt::print("\n`gnomon status --ports` says:\n{}", status.text);
  return status.exit.code == 0;
}

bool show_hosts(const Plan& plan, const TwoHosts& hosts, const support::Daemon& daemon) {
  const bool answered = hosts.show_neighbours();
  const bool ipv6 = show_ipv6(daemon.endpoints().back());
  return show_ports(plan, daemon) && answered && ipv6;
}

void suggest(const Plan& plan) {
  const std::string folder = plan.beside_gnomond("");
  fmt::print(
      "\nNext:\n"
      "  {0}gnomond --state-dir /tmp/gnomon-try &      a daemon to play with\n"
      "  {0}gnomon id -n 5                             five IDs\n"
      "  {0}gnomon status --watch                      what it is doing\n"
      "  README.md shows the client library; docs/operations.md how to run it for real.\n",
      folder);
}

std::string listed(const support::Daemon& daemon) {
  std::string text;
  for (const platform::Endpoint& endpoint : daemon.endpoints())
    text += (text.empty() ? "" : " and ") + platform::to_string(endpoint);
  return text;
}

int run(const Plan& plan) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP})
    std::signal(signal, note_interrupt);
  std::optional<TwoHosts> hosts;
  if (plan.dpdk) {
    std::string why;
    if (!support::NetworkNamespace::available(&why)) return complain("--dpdk can't be shown here: " + why);
    hosts.emplace();
  }
  const support::ScratchFolder folder;
  std::map<std::string, std::string> options =
      hosts ? TwoHosts::daemon_options() : std::map<std::string, std::string>{};
  options["workers.ids_per_worker"] = "2";
  support::Daemon daemon(folder.path(), options, plan.gnomond);
  daemon.start(hosts ? hosts->server() : support::ChildLimits{});
  if (!daemon.wait_ready()) return complain("the daemon did not come up", &daemon);
  fmt::print("gnomond serves on {}{} (pid {}, state in {})\n", listed(daemon),
             hosts ? ", through a DPDK port, a host apart" : "", daemon.pid(), folder.path().string());
  if (hosts) hosts->enter_client();
  auto client = client::Client::connect({.servers = {platform::to_string(daemon.endpoints().front())}});
  if (!client) return complain(client.error().text, &daemon);

  support::Ledger ledger;
  ProgressBar bar(plan.ids);
  std::uint64_t before = 0;
  const Progress progress = [&](std::uint64_t ids) {
    bar.show(before + ids);
    return interrupted == 0;
  };
  const Fetched singles = fetch_pipelined(*client, plan.one_by_one, 1, kSinglesInFlight, ledger, progress);
  if (!singles.first_failure.empty()) return complain(singles.first_failure, &daemon);
  before += singles.ids;
  Latencies latencies;
  const Fetched paced = fetch_on_schedule(*client, plan.per_second, plan.seconds, ledger, latencies, progress);
  if (!paced.first_failure.empty()) return complain(paced.first_failure, &daemon);
  before += paced.ids;
  const std::uint64_t rest = plan.ids > before ? plan.ids - before : 1;
  const Fetched ranges = fetch_pipelined(*client, rest, kRange, kRangesInFlight, ledger, progress);
  if (!ranges.first_failure.empty()) return complain(ranges.first_failure, &daemon);
  bar.end();

  fmt::print("{} IDs came over UDP, {} of them one by one.\n", ledger.ids(), ledger.single_ids());
  if (!judge(ledger)) return 1;
  show_ids(ledger);
  show_speed(singles, ranges, paced, latencies, plan);
  if (hosts && !show_hosts(plan, *hosts, daemon)) return complain("the port did not do all of that", &daemon);
  const support::Exit exit = daemon.stop();
  if (exit.code != 0) return complain("the daemon did not stop cleanly", &daemon);
  suggest(plan);
  return 0;
}

}  // namespace
}  // namespace gnomon::demo

int main(int argc, char** argv) {
  gnomon::demo::Plan plan;
  for (int i = 1; i < argc; ++i) {
    const std::string_view option = argv[i];
    const bool has_value = i + 1 < argc;
    if (option == "--gnomond" && has_value)
      plan.gnomond = argv[++i];
    else if (option == "--ids" && has_value)
      plan.ids = std::strtoull(argv[++i], nullptr, 10);
    else if (option == "--one-by-one" && has_value)
      plan.one_by_one = std::strtoull(argv[++i], nullptr, 10);
    else if (option == "--dpdk")
      plan.dpdk = true;
    else {
      fmt::print(option == "--help" ? stdout : stderr, "{}", gnomon::demo::kUsage);
      return option == "--help" ? 0 : 2;
    }
  }
  if (plan.gnomond.empty() || plan.ids == 0 || plan.one_by_one == 0 || plan.one_by_one > plan.ids) {
    fmt::print(stderr, "{}", gnomon::demo::kUsage);
    return 2;
  }
  try {
    return gnomon::demo::run(plan);
  } catch (const std::exception& error) {
    return gnomon::demo::complain(error.what());
  }
}
