// SPDX-License-Identifier: Apache-2.0
#include "tests/ptp/pairs/own_clock.hpp"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <random>
#include <stdexcept>
#include <utility>

#include "oracle/time/leap_table.hpp"

namespace gnomon::pairs {
namespace {

constexpr std::int64_t kLongestRun = 1'000'000'000'000;
// The counter changes its rate, and the error its direction, so often that a run of a second sees it.
constexpr std::int64_t kPiece = 100'000'000;
constexpr std::int64_t kKnot = 250'000'000;
constexpr std::int64_t kMaxStepPpb = 30'000;
constexpr std::uint64_t kFirstCount = 5'000'000'000;
constexpr std::uint64_t kIncarnation = 0x70616972;
constexpr timespec kTurn{0, 10'000'000};
// The truth is read on whatever core a thread runs on, and two cores' readings may differ by this much.
constexpr time::Duration kCores = time::nanoseconds(200);

std::int64_t raw_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_RAW, &now);  // can't fail with this clock
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::int64_t elapsed_ns(time::Tai truth) {
  return std::clamp<std::int64_t>((truth - Truth::kStart).ns, 0, kLongestRun - 1);
}

ptp::TrueTimeOptions estimator_options() {
  ptp::TrueTimeOptions out;
  out.nominal = DriftingCounter::kNominal;
  out.drift = {DriftingCounter::kBoundPpb};
  out.cores = kCores;
  return out;
}

template <typename T>
T value_of(tl::expected<T, platform::SystemError> given) {
  if (!given) throw std::runtime_error(given.error().text);
  return std::move(*given);
}

platform::OwnedPage<page::ClockPage> stamped_page(const std::string& name, time::Tai truth) {
  auto page = value_of(platform::OwnedPage<page::ClockPage>::create(name));
  page::stamp(*page, kIncarnation, static_cast<std::uint64_t>(getpid()), static_cast<std::uint64_t>(elapsed_ns(truth)));
  return page;
}

}  // namespace

Truth::Truth() : began_raw_ns_(raw_ns()) {}

time::Tai Truth::now() const { return kStart + time::nanoseconds(raw_ns() - began_raw_ns_); }

DriftingCounter::DriftingCounter(const ClockSpec& spec) {
  std::mt19937_64 random(spec.seed);
  std::uniform_int_distribution<std::int64_t> step(-kMaxStepPpb, kMaxStepPpb);
  Piece piece{kFirstCount, spec.first_ppm * 1'000};
  for (std::int64_t at = 0; at < kLongestRun; at += kPiece) {
    pieces_.push_back(piece);
    piece.first_count += static_cast<std::uint64_t>(kPiece + kPiece * piece.ppb / 1'000'000'000);
    piece.ppb = std::clamp(piece.ppb + step(random), -kBoundPpb, kBoundPpb);
  }
}

time::Cycles DriftingCounter::at(time::Tai truth) const {
  const std::int64_t elapsed = elapsed_ns(truth);
  const Piece& piece = pieces_[static_cast<std::size_t>(elapsed / kPiece)];
  const std::int64_t within = elapsed % kPiece;
  return {piece.first_count + static_cast<std::uint64_t>(within + within * piece.ppb / 1'000'000'000)};
}

WanderingError::WanderingError(const ClockSpec& spec) {
  std::mt19937_64 random(spec.seed + 1);
  const auto between = [&random](std::int64_t least, std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(least, most)(random);
  };
  const auto knots = static_cast<std::size_t>(kLongestRun / kKnot) + 2;
  const auto first = static_cast<std::size_t>(spec.first_for.ns / kKnot) + 1;
  knots_ns_.assign(first, spec.bound.ns * spec.first_percent / 100);
  while (knots_ns_.size() < knots) {
    const std::int64_t side = between(0, 1) == 0 ? -1 : 1;
    const std::int64_t error = between(0, 2) == 0 ? between(-spec.bound.ns, spec.bound.ns) : side * spec.bound.ns;
    knots_ns_.insert(knots_ns_.end(), static_cast<std::size_t>(between(1, 4)), error);
  }
}

time::Duration WanderingError::at(time::Tai truth) const {
  const std::int64_t elapsed = elapsed_ns(truth);
  const auto knot = static_cast<std::size_t>(elapsed / kKnot);
  const std::int64_t from = knots_ns_[knot];
  return {from + (knots_ns_[knot + 1] - from) * (elapsed % kKnot) / kKnot};
}

OwnClock::OwnClock(const ClockSpec& spec, const Truth& truth)
    : truth_(truth),
      bound_(spec.bound),
      counter_(spec),
      error_(spec),
      written_(stamped_page(spec.name, truth.now())),
      read_(value_of(platform::ForeignPage<page::ClockPage>::open(spec.name))),
      reader_(*read_),
      estimator_(estimator_options(), 1) {
  turn();
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

// Bracketed as every source does it, though here value and counter could be taken from one look at the truth: so the
// term of the reading is as large as it is in service.
ptp::ClaimOr OwnClock::claim() const {
  const auto reading = ptp::narrowest_of(
      ptp::kReadingsPerSample, [this] { return counter_.at(truth_.now()); },
      [this] {
        const time::Tai truth = truth_.now();
        return truth + error_.at(truth);
      });
  ptp::Claim out;
  out.at = reading.middle();
  out.scale = ptp::Scale::kTai;
  out.reading_ns = reading.value.ns;
  out.terms.source = bound_;
  out.terms.reading = reading.half_width(DriftingCounter::kNominal);
  out.root = {.reference = 1, .clock = ptp::ClockKind::kPhc, .bare_clock = false, .disciplines = true};
  return out;
}

void OwnClock::turn() {
  static const time::LeapTable kLeaps = time::builtin_leap_table();  // the source is on TAI: not looked at
  const std::array<ptp::News, 1> news{claim()};
  const ptp::TrueTimeView& view = estimator_.step({.now = counter_.at(truth_.now()), .news = news}, kLeaps);
  written_->truth.write(page::PublishedLine::of(view.line, kIncarnation));
}

void OwnClock::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    clock_nanosleep(CLOCK_MONOTONIC, 0, &kTurn, nullptr);
    turn();
  }
}

}  // namespace gnomon::pairs
