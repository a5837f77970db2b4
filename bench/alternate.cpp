// SPDX-License-Identifier: Apache-2.0
//
// How much of an echo's speed is left once every datagram is answered with an ID: the full handler (oracle/serve) and a
// bare echo take turns in one worker, every 2 ms, over real sockets.
//
// Two runs of two programs differ by a factor of two or three on a shared machine, so neither their rates nor the ratio
// of their rates means anything. Neighbouring slots of one loop see the same machine; each pair of slots gives one
// ratio, and their median and spread are reported. What is compared is the messages per cycle that the worker spends on
// turns that brought something (receive, answer, send), so a client that is too slow to fill the worker does not
// flatter anybody. A slot in which the thread was switched out against its will is left out, and counted.
#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <thread>
#include <vector>

#include "bench/paired.hpp"
#include "dataplane/echo_step.hpp"
#include "dataplane/kernel/burst_io.hpp"
#include "dataplane/kernel/udp_socket.hpp"
#include "dataplane/worker_loop.hpp"
#include "oracle/page/rights_page.hpp"
#include "platform/cycle_counter.hpp"
#include "ptp/clock_thread.hpp"
#include "ptp/sources.hpp"
#include "tests/support/raw_client.hpp"

namespace gnomon::bench {
namespace {

constexpr std::chrono::microseconds kSlot{2000};
constexpr std::uint64_t kFewestMessages = 200;  // of a slot that counts

// The worker's surroundings: a clock, rights that never run out, one socket on loopback.
struct Bench {
  std::unique_ptr<page::ClockPage> clock_page = std::make_unique<page::ClockPage>();
  std::unique_ptr<page::WorkerPage> worker_page = std::make_unique<page::WorkerPage>();
  page::RightsRecord rights;
  serve::AccessPolicy policy;
  ptp::ClockThread clock{{}, ptp::system_source(time::milliseconds(100)), *clock_page};
  std::unique_ptr<serve::Server> server;

  Bench() {
    if (const auto started = clock.start(); !started) die(started.error().text);
    // As many machine ids as a worker may hold: the bench is about the handler, not about the capacity of one id.
    mint::RightSet set;
    set.generation.value = 1;
    set.count = mint::kMaxRightsPerWorker;
    for (std::size_t i = 0; i < set.count; ++i)
      set.slots[i] = {{static_cast<std::uint16_t>(i)}, {1}, time::SmearedUtc{0}, time::SmearedUtc::max()};
    rights.rights.write(set);
    serve::ServerOptions options;
    for (const id::Layout& layout : id::builtin_layouts())
      options.layouts.push_back(layout);
    server = std::make_unique<serve::Server>(options, rights, *worker_page, policy);
  }
  [[noreturn]] static void die(const std::string& text) {
    fmt::print(stderr, "alternate: {}\n", text);
    std::exit(1);  // NOLINT(concurrency-mt-unsafe): nobody else exits
  }
};

struct Slot {
  std::uint64_t cycles = 0;
  std::uint64_t messages = 0;
  bool disturbed = false;
};

struct Series {
  std::vector<double> ratios;     // server / echo, in messages per cycle
  std::vector<double> server_ns;  // per message
  std::vector<double> echo_ns;
  std::uint64_t disturbed = 0;
  std::uint64_t thin = 0;
};

// The worker's loop, turn by turn, so that the cycles of each can be attributed. Counting messages costs both sides the
// same.
class Stopwatch {
 public:
  Stopwatch(Bench& bench, dataplane::BurstIo& io, std::atomic<bool>& echo)
      : echo_(echo), step_(*bench.server, echo), loop_(io, counting_, *bench.clock_page, orders(bench), counters_) {}

  Slot slot(bool echo) {
    echo_.store(echo, std::memory_order_relaxed);
    Slot slot;
    const std::int64_t switches = involuntary_switches();
    const auto until = std::chrono::steady_clock::now() + kSlot;
    while (std::chrono::steady_clock::now() < until) {
      const std::uint64_t before_messages = counting_.messages;
      const std::uint64_t before = platform::read_cycles().count;
      loop_.turn();
      if (counting_.messages == before_messages) continue;
      slot.cycles += platform::read_cycles().count - before;
      slot.messages += counting_.messages - before_messages;
    }
    slot.disturbed = involuntary_switches() != switches;
    return slot;
  }

 private:
  struct CountingStep {
    dataplane::AlternatingStep& inner;
    std::uint64_t messages = 0;
    void begin_burst(const serve::BurstTime& time) { inner.begin_burst(time); }
    std::size_t answer(std::span<std::byte> datagram, const serve::Address& source, const serve::ReturnPath& path) {
      messages += datagram.size() / wire::kMessageSize;
      return inner.answer(datagram, source, path);
    }
    std::size_t next_parked(std::span<std::byte> out, serve::ReturnPath& path) { return inner.next_parked(out, path); }
    [[nodiscard]] time::Duration parked_wait() const { return inner.parked_wait(); }
    [[nodiscard]] std::size_t parked() const { return inner.parked(); }
    void use_policy(const serve::AccessPolicy& policy) { inner.use_policy(policy); }
  };
  dataplane::WorkerOrders& orders(Bench& bench) {
    orders_.policy.store(&bench.policy, std::memory_order_relaxed);
    return orders_;
  }

  std::atomic<bool>& echo_;
  dataplane::AlternatingStep step_;
  CountingStep counting_{step_};
  dataplane::WorkerOrders orders_;
  page::Counters counters_;
  dataplane::WorkerLoop<dataplane::BurstIo, CountingStep> loop_;
};

// Asks from another core until told to stop. Whether a server or an echo answers makes no difference to it.
void keep_asking(std::uint16_t port, const support::Load& load, const std::atomic<bool>& stop) {
  pin_to(1);
  support::RawClient client(port);
  while (!stop.load(std::memory_order_relaxed))
    client.bounce(load, std::chrono::milliseconds(2));
}

Series measure(const support::Load& load, int pairs) {
  Bench bench;
  page::Counters counters;
  auto socket = dataplane::UdpSocket::bind({serve::Address::v4(127, 0, 0, 1), 0}, dataplane::PortSharing::kAlone, {});
  if (!socket) Bench::die(socket.error().text);
  const std::uint16_t port = socket->local().port;
  std::vector<dataplane::UdpSocket> sockets;
  sockets.push_back(std::move(*socket));
  dataplane::BurstIo io(std::move(sockets), {.poll = dataplane::PollMode::kSpin}, counters);
  std::atomic<bool> echo{false};
  std::atomic<bool> stop{false};
  Stopwatch stopwatch(bench, io, echo);
  std::thread client([&] { keep_asking(port, load, stop); });
  pin_to(0);

  Series series;
  const double ns_per_cycle = 1e9 / static_cast<double>(bench.clock.calibration().hz);
  for (int i = -50; i < pairs; ++i) {  // the first ones warm up
    const bool echo_first = i % 2 == 0;
    const Slot first = stopwatch.slot(echo_first);
    const Slot second = stopwatch.slot(!echo_first);
    const Slot& echoed = echo_first ? first : second;
    const Slot& served = echo_first ? second : first;
    if (i < 0) continue;
    if (echoed.disturbed || served.disturbed) {
      ++series.disturbed;
      continue;
    }
    if (echoed.messages < kFewestMessages || served.messages < kFewestMessages) {
      ++series.thin;
      continue;
    }
    const double echo_cost = static_cast<double>(echoed.cycles) / static_cast<double>(echoed.messages);
    const double serve_cost = static_cast<double>(served.cycles) / static_cast<double>(served.messages);
    series.ratios.push_back(echo_cost / serve_cost);
    series.echo_ns.push_back(echo_cost * ns_per_cycle);
    series.server_ns.push_back(serve_cost * ns_per_cycle);
  }
  stop = true;
  client.join();
  return series;
}

void report(std::string_view name, Series series) {
  fmt::print("{:<44} {:>6.3f}  {:>6.3f} - {:<6.3f} {:>8.0f} {:>8.0f} {:>6} {:>9} {:>6}\n", name,
             quantile(series.ratios, 0.5), quantile(series.ratios, 0.1), quantile(series.ratios, 0.9),
             quantile(series.echo_ns, 0.5), quantile(series.server_ns, 0.5), series.ratios.size(), series.disturbed,
             series.thin);
}

int run(int pairs) {
  fmt::print("{} pairs of slots of 2 ms each; server / echo in messages per busy cycle of the worker\n", pairs);
  fmt::print("{:<44} {:>6}  {:>15} {:>8} {:>8} {:>6} {:>9} {:>6}\n", "one-ID requests", "median", "p10 - p90",
             "echo ns", "serve ns", "pairs", "disturbed", "thin");
  report("1 per datagram, plain, 64 in flight", measure({.messages_per_datagram = 1, .datagrams = 64}, pairs));
  report("22 per datagram, 40 datagrams in flight", measure({.messages_per_datagram = 22, .datagrams = 40}, pairs));
  return 0;
}

}  // namespace
}  // namespace gnomon::bench

int main(int argc, char** argv) {
  const int pairs = argc > 1 ? static_cast<int>(std::strtol(argv[1], nullptr, 10)) : 1500;
  if (pairs < 10 || pairs > 100'000) {
    fmt::print(stderr, "usage: alternate [PAIRS]   10 to 100000, by default 1500 (6 s a line)\n");
    return 2;
  }
  return gnomon::bench::run(pairs);
}
