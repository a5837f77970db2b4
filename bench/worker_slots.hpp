// SPDX-License-Identifier: Apache-2.0
//
// A worker over a real socket whose work is attributed slot by slot: what a bench does with it that lets two ways of
// answering take turns in one worker.
//
// Two runs of two programs differ by a factor of two or three on a shared machine, so neither their rates nor the ratio
// of their rates means anything. Neighbouring slots of one loop see the same machine; each pair of slots gives one
// ratio, and their median and spread are reported. What is compared is the messages per cycle that the worker spends on
// turns that brought something (receive, answer, send), so a client that is too slow to fill the worker does not
// flatter anybody. A slot in which the thread was switched out against its will is left out, and counted.
#pragma once

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bench/paired.hpp"
#include "dataplane/kernel/burst_io.hpp"
#include "dataplane/kernel/udp_socket.hpp"
#include "dataplane/worker_loop.hpp"
#include "oracle/page/rights_page.hpp"
#include "oracle/page/worker_page.hpp"
#include "oracle/serve/server.hpp"
#include "oracle/wire/message.hpp"
#include "platform/cycle_counter.hpp"
#include "ptp/clock_thread.hpp"
#include "ptp/sources.hpp"
#include "tests/support/full_house.hpp"

namespace gnomon::bench {

/// A clock, rights that never run out, and one socket on loopback.
class WorkerPlace {
 public:
  page::ClockPage& clock_page() { return *clock_page_; }
  [[nodiscard]] const serve::AccessPolicy& policy() const { return policy_; }
  serve::Server& server() { return *server_; }
  dataplane::BurstIo& io() { return *io_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] double ns_per_cycle() const { return 1e9 / static_cast<double>(clock_.calibration().hz); }

  WorkerPlace() {
    if (const auto started = clock_.start(); !started) die(started.error().text);
    // As many machine ids as a worker may hold: the bench is about the handler, not about the capacity of one id.
    rights_.rights.write(support::all_machine_ids());
    server_ = std::make_unique<serve::Server>(support::all_layouts(), rights_, *worker_page_, policy_);

    auto socket = dataplane::UdpSocket::bind({serve::Address::v4(127, 0, 0, 1), 0}, dataplane::PortSharing::kAlone, {});
    if (!socket) die(socket.error().text);
    port_ = socket->local().port;
    std::vector<dataplane::UdpSocket> sockets;
    sockets.push_back(std::move(*socket));
    io_ = std::make_unique<dataplane::BurstIo>(
        std::move(sockets), dataplane::BurstIoOptions{.poll = dataplane::PollMode::kSpin}, io_counters_);
  }

 private:
  std::unique_ptr<page::ClockPage> clock_page_ = std::make_unique<page::ClockPage>();
  std::unique_ptr<page::WorkerPage> worker_page_ = std::make_unique<page::WorkerPage>();
  page::RightsRecord rights_;
  serve::AccessPolicy policy_;
  ptp::ClockThread clock_{{}, ptp::system_source(time::milliseconds(100)), *clock_page_};
  std::unique_ptr<serve::Server> server_;
  page::Counters io_counters_;
  std::unique_ptr<dataplane::BurstIo> io_;
  std::uint16_t port_ = 0;
};

/// Counts what comes, whoever answers it. All messages of a datagram are taken to ask for the same as its first.
template <typename Step>
class CountingStep {
 public:
  explicit CountingStep(Step& inner) : inner_(inner) {}

  std::uint64_t messages = 0;
  std::array<std::uint64_t, wire::kMaxOp + 1> by_op{};
  wire::Op last_op{};

  void begin_burst(const serve::BurstTime& time) { inner_.begin_burst(time); }
  std::size_t answer(std::span<std::byte> datagram, const serve::Address& source, const serve::ReturnPath& path) {
    const std::uint64_t count = datagram.size() / wire::kMessageSize;
    const std::uint8_t op = count == 0 ? std::uint8_t{0} : wire::MessageRef(datagram.data()).op();
    messages += count;
    by_op.at(std::min(op, wire::kMaxOp)) += count;
    last_op = static_cast<wire::Op>(op);
    return inner_.answer(datagram, source, path);
  }
  std::size_t next_parked(std::span<std::byte> out, serve::ReturnPath& path) { return inner_.next_parked(out, path); }
  [[nodiscard]] time::Duration parked_wait() const { return inner_.parked_wait(); }
  [[nodiscard]] std::size_t parked() const { return inner_.parked(); }
  void use_policy(const serve::AccessPolicy& policy) { inner_.use_policy(policy); }

 private:
  Step& inner_;
};

struct WorkerSlot {
  std::uint64_t cycles = 0;
  std::uint64_t messages = 0;
  bool disturbed = false;

  [[nodiscard]] double cost() const { return static_cast<double>(cycles) / static_cast<double>(messages); }
};

/// The worker's loop, turn by turn, so that the cycles of each can be attributed. Counting messages costs both sides
/// of a comparison the same.
template <typename Step>
class WorkerSlots {
 public:
  static constexpr std::chrono::microseconds kSlot{2000};
  static constexpr std::uint64_t kFewestMessages = 200;  // of a slot that counts

  /// Both outlive it.
  WorkerSlots(WorkerPlace& place, Step& step)
      : counting_(step), loop_(place.io(), counting_, place.clock_page(), orders_with(place.policy()), counters_) {}

  WorkerSlot slot() {
    WorkerSlot slot;
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
  /// One turn that counts for nobody.
  void turn() { loop_.turn(); }
  [[nodiscard]] const CountingStep<Step>& seen() const { return counting_; }

 private:
  dataplane::WorkerOrders& orders_with(const serve::AccessPolicy& policy) {
    orders_.policy.store(&policy, std::memory_order_relaxed);
    return orders_;
  }

  CountingStep<Step> counting_;
  dataplane::WorkerOrders orders_;
  page::Counters counters_;
  dataplane::WorkerLoop<dataplane::BurstIo, CountingStep<Step>> loop_;
};

/// What pairs of slots gave: of a reference, and of what is measured against it.
struct PairSeries {
  std::vector<double> ratios;  // measured / reference, in messages per cycle
  std::vector<double> reference_ns;
  std::vector<double> measured_ns;  // per message
  std::uint64_t disturbed = 0;
  std::uint64_t thin = 0;  // too few messages

  void add(const WorkerSlot& reference, const WorkerSlot& measured, std::uint64_t fewest, double ns_per_cycle) {
    if (reference.disturbed || measured.disturbed) {
      ++disturbed;
    } else if (reference.messages < fewest || measured.messages < fewest) {
      ++thin;
    } else {
      ratios.push_back(reference.cost() / measured.cost());
      reference_ns.push_back(reference.cost() * ns_per_cycle);
      measured_ns.push_back(measured.cost() * ns_per_cycle);
    }
  }
};

inline void print_head(std::string_view what, std::string_view reference, std::string_view measured) {
  fmt::print("{:<44} {:>6}  {:>15} {:>8} {:>8} {:>6} {:>9} {:>6}\n", what, "median", "p10 - p90", reference, measured,
             "pairs", "disturbed", "thin");
}

inline void print(std::string_view name, PairSeries series) {
  fmt::print("{:<44} {:>6.3f}  {:>6.3f} - {:<6.3f} {:>8.0f} {:>8.0f} {:>6} {:>9} {:>6}\n", name,
             quantile(series.ratios, 0.5), quantile(series.ratios, 0.1), quantile(series.ratios, 0.9),
             quantile(series.reference_ns, 0.5), quantile(series.measured_ns, 0.5), series.ratios.size(),
             series.disturbed, series.thin);
}

}  // namespace gnomon::bench
