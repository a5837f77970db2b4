// SPDX-License-Identifier: Apache-2.0
//
// How much of raw reflection is left once every frame is answered with an ID: the reflect bench, inside the server.
//
// One thread takes turns, every 2 ms, between swapping addresses and the full way of production, over one queue, while
// a generator on the other CPU keeps a fixed number of one-ID requests under way. Each pair of neighbouring slots gives
// one ratio of requests per second; their median and spread are reported, because two runs on a shared machine can't be
// compared. Pairs that were taken while either thread was switched out, or while a cache line took half as long again
// as usual to go to the other CPU and back (the machine's other guests do that), are marked, and reported apart. What
// is usual is measured before each series: it depends on where the two CPUs lie today.
//
// Requests per second is what a client sees, and hides what the generator is too slow for; requests per busy cycle is
// what the server could do, and hides nothing.
#include <fmt/core.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "bench/paired.hpp"
#include "bench/reflect/server.hpp"
#include "bench/reflect/soak.hpp"
#include "bench/reflect/wiring.hpp"

namespace gnomon::bench {
namespace {

constexpr double kSlotMs = 2;
constexpr double kMostOfUsual = 1.5;
constexpr int kGames = 101;           // to find out what a round trip usually takes
constexpr int kWarmUp = 50;           // pairs
constexpr int kPairsPerSecond = 227;  // of two slots and their lead-ins
constexpr std::uint64_t kFewestRequests = 100;

// Set by a signal; the loops look at it, so that the generator and the folder go as on any other way out.
std::atomic<bool> enough{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void note_interrupt(int /*signal*/) { enough.store(true, std::memory_order_relaxed); }

struct Plan {
  Over over = Over::kMemif;
  int pairs = 1000;
  std::vector<std::uint32_t> in_flight{32, 256};
  int soak_s = 0;
  bool peer_dies = false;
};

// What is known of one of the two ways, slot by slot.
struct Way {
  std::vector<double> rate;     // M requests/s
  std::vector<double> busy_ns;  // a request, in turns that brought something
  std::vector<double> busy_share;
  std::vector<double> burst;
};

struct Ratios {  // handler / raw
  std::vector<double> rate;
  std::vector<double> per_busy_cycle;
};

struct Series {
  Ratios calm;
  Ratios all;
  Way raw;  // as well as `served`: of calm pairs
  Way served;
  std::vector<double> round_trip_ns;
  int switched = 0;
  double far_from_ns = 0;  // a round trip that takes longer is a long one
  int far = 0;             // pairs with one
  int thin = 0;
};

// What a pair was taken under.
struct Weather {
  bool switched = false;
  double round_trip_ns = 0;  // the longer one of before and after; 0: the generator did not play
  bool far = false;
};

double per_second(const Slot& slot, double ns_per_cycle) {
  return static_cast<double>(slot.requests) / (static_cast<double>(slot.cycles) * ns_per_cycle) * 1e9;
}
double busy_ns(const Slot& slot, double ns_per_cycle) {
  return static_cast<double>(slot.busy_cycles) * ns_per_cycle / static_cast<double>(slot.requests);
}

void note(Way& way, const Slot& slot, double ns_per_cycle) {
  way.rate.push_back(per_second(slot, ns_per_cycle) / 1e6);
  way.busy_ns.push_back(busy_ns(slot, ns_per_cycle));
  way.busy_share.push_back(static_cast<double>(slot.busy_cycles) / static_cast<double>(slot.cycles));
  way.burst.push_back(static_cast<double>(slot.requests) / static_cast<double>(slot.busy_turns));
}

void note(Series& series, const Slot& raw, const Slot& served, const Weather& weather, double ns_per_cycle) {
  if (raw.requests < kFewestRequests || served.requests < kFewestRequests) {
    ++series.thin;
    return;
  }
  const double rate = per_second(served, ns_per_cycle) / per_second(raw, ns_per_cycle);
  const double per_busy_cycle = busy_ns(raw, ns_per_cycle) / busy_ns(served, ns_per_cycle);
  series.all.rate.push_back(rate);
  series.all.per_busy_cycle.push_back(per_busy_cycle);
  series.round_trip_ns.push_back(weather.round_trip_ns);
  series.switched += weather.switched ? 1 : 0;
  series.far += weather.far ? 1 : 0;
  if (weather.switched || weather.far) return;
  series.calm.rate.push_back(rate);
  series.calm.per_busy_cycle.push_back(per_busy_cycle);
  note(series.raw, raw, ns_per_cycle);
  note(series.served, served, ns_per_cycle);
}

// A table of handler / raw, what the pairs were taken under, and what both ways did in calm pairs.
void report(Series& series, std::uint32_t in_flight, int pairs) {
  const auto ratios = [](const char* name, Ratios& r) {
    fmt::print("  {:<10} {:>6}  {:>7.3f} ({:.3f} - {:.3f})  {:>7.3f} ({:.3f} - {:.3f})\n", name, r.rate.size(),
               quantile(r.rate, 0.5), quantile(r.rate, 0.1), quantile(r.rate, 0.9), quantile(r.per_busy_cycle, 0.5),
               quantile(r.per_busy_cycle, 0.1), quantile(r.per_busy_cycle, 0.9));
  };
  const auto way = [](const char* name, Way& w) {
    const double rate = quantile(w.rate, 0.5);
    fmt::print("  {:<10} {:>6.2f} {:>14.1f} {:>15.1f} {:>10.0f} % {:>9.1f}\n", name, rate, rate == 0 ? 0 : 1e3 / rate,
               quantile(w.busy_ns, 0.5), 100 * quantile(w.busy_share, 0.5), quantile(w.burst, 0.5));
  };
  fmt::print("{} in flight: handler / raw, median (p10 - p90)\n", in_flight);
  fmt::print("  {:<10} {:>6}  {:<23}  {:<23}\n", "", "pairs", "  requests/s", "  requests/busy cycle");
  ratios("calm", series.calm);
  ratios("all", series.all);
  fmt::print(
      "  disturbed: {} of {} pairs by a switch of either thread, {} by a round trip above {:.0f} ns; {} too thin\n",
      series.switched, pairs, series.far, series.far_from_ns, series.thin);
  fmt::print("  round trip between the CPUs {:.0f} ns (p90 {:.0f})\n", quantile(series.round_trip_ns, 0.5),
             quantile(series.round_trip_ns, 0.9));
  fmt::print("  {:<10} {:>6} {:>14} {:>15} {:>12} {:>9}\n", "calm pairs", "M/s", "ns a request", "busy ns of it",
             "busy", "burst");
  way("raw", series.raw);
  way("handler", series.served);
  (void)std::fflush(stdout);
}

// False if what the generator or the server saw was wrong, or if nobody looked.
bool judge(const Shared& shared, const ReflectServer& server, bool peer_was_away) {
  std::vector<std::uint64_t> ids(shared.id.begin(), shared.id.begin() + shared.ids.load());
  std::sort(ids.begin(), ids.end());
  std::size_t twice = 0;
  for (std::size_t i = 1; i < ids.size(); ++i)
    twice += ids[i] == ids[i - 1] ? 1U : 0U;
  fmt::print(
      "{} frames came back, {} were lost, {} came late; of {} IDs (all with {} low bits clear) {} came twice; "
      "{} replies judged, {} wrong\n",
      shared.received.load(), shared.lost.load(), shared.late.load(), ids.size(), std::bit_width(shared.id_mask.load()),
      twice, shared.judged.load(), shared.wrong.load());
  if (shared.wrong != 0) fmt::print("WRONG: {}\n", shared.fault.data());
  const std::string fault = server.fault(peer_was_away);
  if (!fault.empty()) fmt::print("WRONG: {}\n", fault);
  return twice == 0 && shared.wrong == 0 && !ids.empty() && shared.judged > 0 && fault.empty();
}

void measure(Wiring& wiring, ReflectServer& server, std::uint32_t in_flight, int pairs) {
  const double ns_per_cycle = server.ns_per_cycle();
  const auto cycles = static_cast<std::uint64_t>(kSlotMs * 1e6 / ns_per_cycle);
  Shared& shared = wiring.shared();
  const auto round_trip_ns = [&] { return static_cast<double>(shared.play()) * ns_per_cycle; };
  wiring.start_generator(in_flight);
  Series series;
  std::vector<double> usual;
  while (usual.size() < kGames && !enough)
    usual.push_back(round_trip_ns());
  series.far_from_ns = kMostOfUsual * quantile(usual, 0.5);
  double before = round_trip_ns();
  for (int i = -kWarmUp; i < pairs && !enough; ++i) {
    const std::int64_t switches = shared.switches.load(std::memory_order_relaxed);
    const bool raw_first = i % 2 == 0;
    const Slot first = server.slot(raw_first, cycles);
    const Slot second = server.slot(!raw_first, cycles);
    const double after = round_trip_ns();
    const double longer = before == 0 || after == 0 ? 0 : std::max(before, after);
    const Weather weather{.switched = first.disturbed || second.disturbed || shared.switches != switches,
                          .round_trip_ns = longer,
                          .far = longer == 0 || longer > series.far_from_ns};
    before = after;
    if (i >= 0) note(series, raw_first ? first : second, raw_first ? second : first, weather, ns_per_cycle);
  }
  drain(wiring, server);
  report(series, in_flight, pairs);
}

int run(const Plan& plan) {
  Wiring wiring(plan.over);
  ReflectServer server(wiring.port(), wiring.pool());
  fmt::print("over {}, {} memory; one-ID requests in frames of 106 bytes\n", wiring.port().name(),
             wiring.huge_pages() ? "huge-page" : "ordinary");
  bool good = true;
  if (plan.soak_s != 0) {
    const std::uint32_t most = *std::max_element(plan.in_flight.begin(), plan.in_flight.end());
    good = soak(wiring, server, {.seconds = plan.soak_s, .in_flight = most, .peer_dies = plan.peer_dies}, enough);
  } else {
    for (const std::uint32_t in_flight : plan.in_flight)
      if (!enough) measure(wiring, server, in_flight, plan.pairs);
  }
  return judge(wiring.shared(), server, plan.peer_dies) && good ? 0 : 1;
}

constexpr std::string_view kUsage =
    "usage: reflect [--over memif|ring|vhost] [--pairs N | --seconds N] [--in-flight N,N...]\n"
    "       reflect [--over memif|ring|vhost] --soak SECONDS [--peer-dies] [--in-flight N]\n"
    "N pairs of slots of 2 ms each (1000), or for so many seconds, at 32 and 256 requests in flight, over memif.\n"
    "--soak: serve for so long under load instead, and say whether anything leaked, stalled or came twice.\n"
    "--peer-dies: and kill the generator half-way (vhost).\n";

bool parse(int argc, char** argv, Plan& plan) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--peer-dies") {
      plan.peer_dies = true;
      continue;
    }
    if (i + 1 == argc) return false;
    const std::string value = argv[++i];
    if (word == "--over" && (value == "memif" || value == "ring" || value == "vhost")) {
      plan.over = value == "ring" ? Over::kRing : value == "memif" ? Over::kMemif : Over::kVhost;
    } else if (word == "--pairs") {
      plan.pairs = static_cast<int>(std::strtol(value.c_str(), nullptr, 10));
    } else if (word == "--seconds") {
      plan.pairs = static_cast<int>(std::strtol(value.c_str(), nullptr, 10)) * kPairsPerSecond;
    } else if (word == "--soak") {
      plan.soak_s = static_cast<int>(std::strtol(value.c_str(), nullptr, 10));
    } else if (word == "--in-flight") {
      plan.in_flight.clear();
      std::istringstream list(value);
      for (std::string one; std::getline(list, one, ',');)
        plan.in_flight.push_back(static_cast<std::uint32_t>(std::strtoul(one.c_str(), nullptr, 10)));
    } else {
      return false;
    }
  }
  const bool loads = !plan.in_flight.empty() && std::all_of(plan.in_flight.begin(), plan.in_flight.end(),
                                                            [](std::uint32_t n) { return n >= 1 && n <= 1024; });
  return loads && plan.pairs >= 10 && plan.pairs <= 100'000 && plan.soak_s >= 0 && plan.soak_s <= 86'400 &&
         (!plan.peer_dies || (plan.over == Over::kVhost && plan.soak_s >= 4));
}

}  // namespace
}  // namespace gnomon::bench

int main(int argc, char** argv) {
  using namespace gnomon::bench;
  try {
    if (argc > 1 && std::string_view(argv[1]) == "--generator") return run_generator(argc, argv);
    Plan plan;
    if (!parse(argc, argv, plan)) {
      fmt::print(stderr, "{}", kUsage);
      return 2;
    }
    std::signal(SIGINT, note_interrupt);
    std::signal(SIGTERM, note_interrupt);
    return run(plan);
  } catch (const std::exception& error) {
    fmt::print(stderr, "reflect: {}\n", error.what());
    return 1;
  }
}
