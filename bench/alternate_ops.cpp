// SPDX-License-Identifier: Apache-2.0
//
// What hlc_update costs beside next_id: one worker over a real socket is asked for the one and for the other, in turns
// of 2 ms. Why so, and what is compared: worker_slots.hpp.
//
// Here it is the client that alternates. A slot that began with the word to the client would still bring what it had
// sent before; so a slot begins only once the first request of its kind has come, and whatever was sent earlier came
// before that. A slot that saw both kinds all the same is left out, and counted.
#include <fmt/core.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "bench/paired.hpp"
#include "bench/worker_slots.hpp"
#include "oracle/page/counters.hpp"
#include "tests/support/raw_client.hpp"

namespace gnomon::bench {
namespace {

struct OpSeries {
  PairSeries pairs;
  std::uint64_t mixed = 0;
};

// The worker, and the client on another core, which is told what to ask for.
class Alternation {
 public:
  using Slots = WorkerSlots<serve::Server>;

  explicit Alternation(const support::Load& load) : client_([this, load] { keep_asking(load); }) { pin_to(0); }
  ~Alternation() {
    stop_ = true;
    client_.join();
  }
  Alternation(const Alternation&) = delete;
  Alternation& operator=(const Alternation&) = delete;

  WorkerSlot slot(wire::Op op) {
    op_.store(op, std::memory_order_relaxed);
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (slots_.seen().last_op != op) {
      slots_.turn();
      if (std::chrono::steady_clock::now() > until) die("the client no longer asks for what it was told to");
    }
    const std::uint64_t of_this_kind = seen(op);
    const WorkerSlot slot = slots_.slot();
    mixed_ = seen(op) - of_this_kind != slot.messages;
    return slot;
  }
  /// Whether the last slot saw both kinds.
  [[nodiscard]] bool mixed() const { return mixed_; }
  [[nodiscard]] double ns_per_cycle() const { return place_.ns_per_cycle(); }

  /// A refusal costs less than an answer: then something else was measured.
  void check_answers() {
    const page::Counters& counters = place_.server().counters();
    const std::uint64_t asked = seen(wire::Op::kNextId) + seen(wire::Op::kHlcUpdate);
    const std::uint64_t answered = counters.get(page::Counter::kIds) + counters.get(page::Counter::kHlcUpdates);
    if (asked != answered) die(fmt::format("of {} requests {} got what they asked for", asked, answered));
  }

 private:
  static constexpr std::chrono::seconds kPatience{10};

  [[nodiscard]] std::uint64_t seen(wire::Op op) const { return slots_.seen().by_op.at(static_cast<std::size_t>(op)); }

  void keep_asking(support::Load load) {
    pin_to(1);
    support::RawClient client(place_.port());
    while (!stop_.load(std::memory_order_relaxed)) {
      load.op = op_.load(std::memory_order_relaxed);
      client.bounce(load, std::chrono::milliseconds(2));
    }
  }

  WorkerPlace place_;
  Slots slots_{place_, place_.server()};
  std::atomic<wire::Op> op_{wire::Op::kNextId};
  std::atomic<bool> stop_{false};
  bool mixed_ = false;
  std::thread client_;  // last: it uses the others
};

OpSeries measure(const support::Load& load, int pairs) {
  Alternation alternation(load);
  OpSeries series;
  for (int i = -50; i < pairs; ++i) {  // the first ones warm up
    const bool ids_first = i % 2 == 0;
    const WorkerSlot first = alternation.slot(ids_first ? wire::Op::kNextId : wire::Op::kHlcUpdate);
    bool mixed = alternation.mixed();
    const WorkerSlot second = alternation.slot(ids_first ? wire::Op::kHlcUpdate : wire::Op::kNextId);
    mixed = mixed || alternation.mixed();
    if (i < 0) continue;
    if (mixed)
      ++series.mixed;
    else
      series.pairs.add(ids_first ? first : second, ids_first ? second : first, Alternation::Slots::kFewestMessages,
                       alternation.ns_per_cycle());
  }
  alternation.check_answers();
  return series;
}

void report(std::string_view name, const OpSeries& series) {
  print(name, series.pairs);
  if (series.mixed != 0) fmt::print("  and {} pairs with both kinds in one slot\n", series.mixed);
}

int run(int pairs) {
  fmt::print("{} pairs of slots of 2 ms each; hlc_update / next_id in messages per busy cycle of the worker\n", pairs);
  print_head("requests", "next ns", "hlc ns");
  report("1 per datagram, 64 in flight", measure({.messages_per_datagram = 1, .datagrams = 64}, pairs));
  report("22 per datagram, 40 datagrams in flight", measure({.messages_per_datagram = 22, .datagrams = 40}, pairs));
  fmt::print("goal: at least 0.97\n");
  return 0;
}

}  // namespace
}  // namespace gnomon::bench

int main(int argc, char** argv) {
  const int pairs = gnomon::bench::only_argument(argc, argv, 10, 100'000, 1500, "PAIRS", "6 s a line");
  return gnomon::bench::run(pairs);
}
