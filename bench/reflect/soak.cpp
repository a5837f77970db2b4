// SPDX-License-Identifier: Apache-2.0
#include "bench/reflect/soak.hpp"

#include <fmt/core.h>

#include <chrono>
#include <stdexcept>

namespace gnomon::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kTurnsPerLook = 256;  // at the clock
constexpr std::chrono::seconds kLine{10};
constexpr std::chrono::milliseconds kLook{100};  // at the generator
constexpr std::chrono::seconds kDrainAtMost{10};

double seconds(Clock::duration d) { return std::chrono::duration<double>(d).count(); }

// How the peer's death goes: while all of it happens, the server polls.
enum class Peer : std::uint8_t { kFirst, kDying, kStarting, kSecond };

class Soak {
 public:
  Soak(Wiring& wiring, ReflectServer& server, const SoakPlan& plan) : wiring_(wiring), server_(server), plan_(plan) {}

  bool run(const std::atomic<bool>& enough) {
    serve_some();  // what the worker keeps for itself it has from now on
    const unsigned level_before = level();
    wiring_.start_generator(plan_.in_flight);
    began_ = since_ = line_began_ = Clock::now();
    const auto end = began_ + std::chrono::seconds(plan_.seconds);
    auto look = began_;
    for (auto now = began_; now < end && !enough; now = Clock::now()) {
      serve_some();
      if (now - look >= kLook) {
        look = now;
        look_at_peer(now);
      }
      if (now - line_began_ >= kLine) line(now);
    }
    if (served_ != served_at_line_) line(Clock::now());
    const bool went_on = peer_went_on(Clock::now());
    drain(wiring_, server_);
    const unsigned level_after = level();
    const Shared& shared = wiring_.shared();
    const double gap_ms = static_cast<double>(shared.longest_gap_cycles.load()) * server_.ns_per_cycle() / 1e6;
    fmt::print("  {} requests served; longest gap without a reply {:.1f} ms; buffers free before {}, after {}\n",
               served_, gap_ms, level_before, level_after);
    if (level_before != level_after) fmt::print("  WRONG: buffers have leaked\n");
    return level_before == level_after && went_on && served_ > 0;
  }

 private:
  [[nodiscard]] unsigned level() const { return rte_mempool_avail_count(wiring_.pool()); }

  void serve_some() {
    for (int i = 0; i < kTurnsPerLook; ++i)
      served_ += server_.serve();
  }

  void line(Clock::time_point now) {
    fmt::print("  {:>5.0f} s  {:>6.2f} M requests/s  {} lost  {} of {} buffers free\n", seconds(now - began_),
               static_cast<double>(served_ - served_at_line_) / seconds(now - line_began_) / 1e6,
               wiring_.shared().lost.load(), level(), wiring_.pool()->size);
    (void)std::fflush(stdout);
    line_began_ = now;
    served_at_line_ = served_;
  }

  void look_at_peer(Clock::time_point now) {
    switch (peer_) {
      case Peer::kFirst:
        (void)wiring_.generator_is_ready();  // throws if it has ended
        if (!plan_.peer_dies || now - began_ < std::chrono::seconds(plan_.seconds) / 2) return;
        rate_before_ = static_cast<double>(served_) / seconds(now - began_) / 1e6;
        wiring_.kill_generator();
        since_ = now;
        peer_ = Peer::kDying;
        return;
      case Peer::kDying:
        if (!wiring_.generator_is_gone()) return;
        wiring_.launch_generator(plan_.in_flight);
        peer_ = Peer::kStarting;
        return;
      case Peer::kStarting:
        if (!wiring_.generator_is_ready()) return;
        away_s_ = seconds(now - since_);
        since_ = now;
        served_at_second_ = served_;
        peer_ = Peer::kSecond;
        return;
      case Peer::kSecond: (void)wiring_.generator_is_ready(); return;
    }
  }

  [[nodiscard]] bool peer_went_on(Clock::time_point now) const {
    if (!plan_.peer_dies) return true;
    const std::uint64_t after = peer_ == Peer::kSecond ? served_ - served_at_second_ : 0;
    if (after == 0) {
      fmt::print("  WRONG: nothing was served after the peer had been killed\n");
      return false;
    }
    fmt::print("  the peer was killed, the next one asked {:.1f} s later: {:.2f} M requests/s before, {:.2f} M after\n",
               away_s_, rate_before_, static_cast<double>(after) / seconds(now - since_) / 1e6);
    return true;
  }

  Wiring& wiring_;
  ReflectServer& server_;
  SoakPlan plan_;
  Clock::time_point began_;
  Clock::time_point line_began_;
  std::uint64_t served_ = 0;
  std::uint64_t served_at_line_ = 0;
  Peer peer_ = Peer::kFirst;
  Clock::time_point since_;  // the kill, or the second peer's first request
  double rate_before_ = 0;
  double away_s_ = 0;
  std::uint64_t served_at_second_ = 0;
};

}  // namespace

void drain(Wiring& wiring, ReflectServer& server) {
  wiring.shared().stop = true;
  const auto limit = Clock::now() + kDrainAtMost;
  while (!wiring.generator_is_done()) {
    for (int i = 0; i < kTurnsPerLook; ++i)
      (void)server.serve();
    if (Clock::now() > limit) throw std::runtime_error("the generator does not come to its end");
  }
  wiring.end_generator();
}

bool soak(Wiring& wiring, ReflectServer& server, const SoakPlan& plan, const std::atomic<bool>& enough) {
  return Soak(wiring, server, plan).run(enough);
}

}  // namespace gnomon::bench
