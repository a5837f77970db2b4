// SPDX-License-Identifier: Apache-2.0
//
// What now() costs, as an interval: read from the clock page as a worker does (serve::BurstClock, from the record) and
// as any process of the host does (page::ClockReader, from a mapping of /dev/shm), against the bare counter (lfence;
// rdtsc) and against clock_gettime. A live ClockThread publishes into that page meanwhile, on another core.
//
// What is timed is a chain: each reading begins with the fence of the counter, and a fence lets nothing behind it start
// before everything ahead of it has finished. So the arithmetic of one reading can't hide behind the counter of the
// next, and a reading is charged the time until its result may be used. The naive bench, a loop without fences, lets
// the processor overlap a dozen readings, and finds the multiplications to be free; nobody reads the time so. The
// reference is the same loop with the counter alone, and the kernel's clock_gettime orders its counter in the same way
// (lfence; rdtsc, or rdtscp), so all of them are measured alike.
//
// A round is one slot of each kind; the order is turned on from round to round. Each round gives one ratio to each of
// the references, for neighbouring slots see the same machine; medians and spread are of those. A slot in which the
// thread was switched out against its will is left out, with the ratios that it is part of.
#include <fmt/core.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "bench/paired.hpp"
#include "oracle/page/clock_page.hpp"
#include "oracle/page/clock_reader.hpp"
#include "oracle/serve/burst_time.hpp"
#include "platform/cycle_counter.hpp"
#include "platform/shared_page.hpp"
#include "ptp/clock_thread.hpp"
#include "ptp/sources.hpp"

namespace gnomon::bench {
namespace {

constexpr int kReadsPerSlot = 1000;  // some 20 us; a publication falls into one slot of some hundred

enum Kind : std::uint8_t { kCounter, kRecordTruth, kRecordWhole, kShared, kRealtime, kMonotonic, kKinds };
constexpr std::array<std::string_view, kKinds> kNames{
    "the counter alone (lfence; rdtsc)", "now() from a worker's record",  "all of a burst's time from the record",
    "now() by another process's reader", "clock_gettime(CLOCK_REALTIME)", "clock_gettime(CLOCK_MONOTONIC)"};

// Thrown, so that the page does not stay in /dev/shm.
[[noreturn]] void fail(const std::string& text) { throw std::runtime_error(text); }

// The page of a daemon, with its live writer, and a mapping of it as another process has one.
class Pages {
 public:
  Pages() : written_(create(name_)), clock_({}, ptp::system_source(time::milliseconds(1)), *written_) {
    page::stamp(*written_, 0x676e6f6d6f6eU, static_cast<std::uint64_t>(getpid()), 0);
    pin_to(1);  // the writer inherits it, and the reader goes elsewhere
    if (const auto started = clock_.start(); !started) fail(started.error().text);
    auto opened = platform::ForeignPage<page::ClockPage>::open(name_);
    if (!opened) fail(opened.error().text);
    shared_ = std::make_unique<platform::ForeignPage<page::ClockPage>>(std::move(*opened));
    wait_for_truth();
  }

  [[nodiscard]] const page::ClockPage& own() const { return *written_; }
  [[nodiscard]] const page::ClockPage& shared() const { return **shared_; }
  [[nodiscard]] double ns_per_cycle() const { return 1e9 / static_cast<double>(clock_.calibration().hz); }
  [[nodiscard]] std::uint64_t publications() const { return shared().truth.version() / 2; }

 private:
  static platform::OwnedPage<page::ClockPage> create(const std::string& name) {
    auto page = platform::OwnedPage<page::ClockPage>::create(name);
    if (!page) fail(page.error().text);
    return std::move(*page);
  }
  void wait_for_truth() const {
    page::ClockReader reader(shared());
    time::Now now = reader.at(platform::read_cycles());
    for (int i = 0; i < 500 && !now; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      now = reader.at(platform::read_cycles());
    }
    if (!now) fail("the clock page says no time: " + std::string(time::text_of(now.error())));
  }

  std::string name_ = fmt::format("gnomon.bench-{}.clock", getpid());
  platform::OwnedPage<page::ClockPage> written_;
  ptp::ClockThread clock_;
  std::unique_ptr<platform::ForeignPage<page::ClockPage>> shared_;
};

// The values must be there, in registers, before the next volatile statement; the fence then waits for them.
inline void use(std::int64_t a, std::int64_t b) { asm volatile("" : : "r"(a), "r"(b)); }
template <typename T>
void use_whole(const T& value) {
  asm volatile("" : : "m"(value));
}

class Readings {
 public:
  explicit Readings(const Pages& pages)
      : record_truth_(pages.own()), record_whole_(pages.own()), shared_(pages.shared()) {}

  /// Cycles of kReadsPerSlot readings.
  std::uint64_t slot(Kind kind) {
    switch (kind) {
      case kCounter: return timed([] { use(static_cast<std::int64_t>(platform::read_cycles().count), 0); });
      case kRecordTruth: return timed([this] { use_now(record_truth_.at(platform::read_cycles()).truth); });
      case kRecordWhole: return timed([this] { use_whole(record_whole_.at(platform::read_cycles())); });
      case kShared: return timed([this] { use_now(shared_.at(platform::read_cycles())); });
      case kRealtime: return timed([] { use_clock(CLOCK_REALTIME); });
      case kMonotonic: return timed([] { use_clock(CLOCK_MONOTONIC); });
      case kKinds: break;
    }
    return 0;
  }
  /// Readings that were refused: then something else was measured.
  [[nodiscard]] std::uint64_t refused() const { return refused_; }

 private:
  template <typename Read>
  [[gnu::noinline]] static std::uint64_t timed(Read read) {
    const std::uint64_t before = platform::read_cycles().count;
    for (int i = 0; i < kReadsPerSlot; ++i)
      read();
    return platform::read_cycles().count - before;
  }
  void use_now(const time::Now& now) {
    if (now) [[likely]]
      use(now->earliest.ns, now->latest.ns);
    else
      ++refused_;
  }
  static void use_clock(clockid_t clock) {
    timespec now{};
    clock_gettime(clock, &now);
    use(now.tv_sec, now.tv_nsec);
  }

  serve::BurstClock record_truth_;
  serve::BurstClock record_whole_;
  page::ClockReader shared_;
  std::uint64_t refused_ = 0;
};

struct Series {
  std::vector<double> ns;
  std::array<std::vector<double>, kKinds> ratios;  // to a slot of that kind in the same round
  std::uint64_t left_out = 0;
};
using AllSeries = std::array<Series, kKinds>;

struct Slot {
  double ns = 0;
  bool disturbed = false;
};
using Round = std::array<Slot, kKinds>;

Round measure_round(Readings& readings, std::size_t first, double ns_per_cycle) {
  Round round;
  for (std::size_t i = 0; i < kKinds; ++i) {
    const auto kind = static_cast<Kind>((first + i) % kKinds);
    const std::int64_t switches = involuntary_switches();
    const std::uint64_t cycles = readings.slot(kind);
    round.at(kind) = {static_cast<double>(cycles) * ns_per_cycle / kReadsPerSlot, involuntary_switches() != switches};
  }
  return round;
}

void add(AllSeries& all, const Round& round) {
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    if (round.at(kind).disturbed) {
      ++all.at(kind).left_out;
      continue;
    }
    all.at(kind).ns.push_back(round.at(kind).ns);
    for (const Kind reference : {kCounter, kRealtime, kMonotonic})
      if (!round.at(reference).disturbed)
        all.at(kind).ratios.at(reference).push_back(round.at(kind).ns / round.at(reference).ns);
  }
}

std::string ratio(std::vector<double>& ratios) {
  return fmt::format("{:>6.3f} ({:.3f} - {:.3f})", quantile(ratios, 0.5), quantile(ratios, 0.1), quantile(ratios, 0.9));
}

int run(int rounds) {
  const Pages pages;
  pin_to(0);
  Readings readings(pages);
  AllSeries all;
  for (int i = 0; i < rounds / 20; ++i)
    measure_round(readings, 0, 1);  // warms up
  const std::uint64_t publications = pages.publications();
  for (int i = 0; i < rounds; ++i)
    add(all, measure_round(readings, static_cast<std::size_t>(i), pages.ns_per_cycle()));
  const std::uint64_t published = pages.publications() - publications;
  if (published == 0) fail("nothing was published meanwhile, so this was not a live page");
  if (readings.refused() != 0)
    fail(fmt::format("{} readings were refused, so this measured something else", readings.refused()));

  fmt::print("{} rounds of {} readings of each kind; {} publications meanwhile; ratios: median (p10 - p90)\n", rounds,
             kReadsPerSlot, published);
  fmt::print("{:<38} {:>24} {:>24} {:>24} {:>7} {:>8}\n", "", "to the counter", "to CLOCK_REALTIME",
             "to CLOCK_MONOTONIC", "ns each", "left out");
  for (std::size_t kind = 0; kind < kKinds; ++kind) {
    Series& series = all.at(kind);
    fmt::print("{:<38} {:>24} {:>24} {:>24} {:>7.1f} {:>8}\n", kNames.at(kind), ratio(series.ratios[kCounter]),
               ratio(series.ratios[kRealtime]), ratio(series.ratios[kMonotonic]), quantile(series.ns, 0.5),
               series.left_out);
  }
  fmt::print("goal of now(): at most 1.3 times the counter, and less than clock_gettime\n");
  return 0;
}

}  // namespace
}  // namespace gnomon::bench

int main(int argc, char** argv) {
  const int rounds = gnomon::bench::only_argument(argc, argv, 100, 1'000'000, 20'000, "ROUNDS", "3 s");
  try {
    return gnomon::bench::run(rounds);
  } catch (const std::exception& error) {
    gnomon::bench::die(error.what());
  }
}
