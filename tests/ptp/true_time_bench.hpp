// SPDX-License-Identifier: Apache-2.0
//
// The estimator of the true time on a bench: a counter of 1 GHz that is right, and sources that say what they are told
// to.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "ptp/true_time_estimator.hpp"

namespace gnomon::ptp {

constexpr std::int64_t kTai = 1'790'000'037'000'000'000;
constexpr time::Duration kTurn = time::milliseconds(10);

inline time::LeapTable table(time::Utc expires = time::LeapTable::kLastUtc) {
  time::LeapTable out(expires);
  const time::LeapTable known = time::builtin_leap_table();
  for (const time::LeapEntry& entry : known.entries())
    EXPECT_TRUE(out.append(entry));
  return out;
}

inline TrueTimeOptions options() {
  TrueTimeOptions out;
  out.nominal = time::CycleRate::from_hz(1'000'000'000);
  return out;
}

class Bench {
 public:
  explicit Bench(std::size_t sources, const TrueTimeOptions& o = options())
      : estimator(o, sources), news(sources), off(sources), speaks(sources, true), bare(sources) {}

  const TrueTimeView& turn(time::Duration by = kTurn) {
    now = now + by;
    for (std::size_t i = 0; i < news.size(); ++i)
      news[i] = speaks[i] ? News(claim(i)) : std::nullopt;
    return step();
  }
  const TrueTimeView& step() { return estimator.step({.now = at(), .counter_trusted = trusted, .news = news}, leaps); }
  const TrueTimeView& run(time::Duration length) {
    for (time::Duration passed; passed < length; passed = passed + kTurn)
      turn();
    return estimator.view();
  }
  const TrueTimeView& say(std::size_t source, SourceFault fault) {
    now = now + kTurn;
    for (News& said : news)
      said.reset();
    news[source] = tl::make_unexpected(SourceError{fault, "told to"});
    return step();
  }
  [[nodiscard]] Claim claim(std::size_t i) const {
    Claim out;
    out.at = at();
    out.scale = scale;
    out.reading_ns = kTai + now.ns + off[i].ns - (scale == Scale::kTai ? 0 : 37'000'000'000);
    out.terms.source = bound;
    out.root.reference = 100 + i;
    out.root.disciplines = !bare[i];
    out.root.bare_clock = bare[i].has_value();
    out.root.clock = bare[i].value_or(ClockKind::kSystem);
    out.leap_announced = announced;
    out.tai_minus_utc = tai_minus_utc;
    return out;
  }
  [[nodiscard]] time::Cycles at() const { return {1'000'000'000 + static_cast<std::uint64_t>(now.ns)}; }
  [[nodiscard]] time::ClockFault fault() const { return estimator.view().line.fault; }
  [[nodiscard]] time::Interval interval() const { return *estimator.view().line.at(at()); }
  [[nodiscard]] bool right() const {
    const time::Now said = estimator.view().line.at(at());
    return said && said->contains(time::Tai{kTai + now.ns});
  }

  TrueTimeEstimator estimator;
  time::Duration now;
  std::vector<News> news;
  std::vector<time::Duration> off;
  std::vector<bool> speaks;
  std::vector<std::optional<ClockKind>> bare;
  Scale scale = Scale::kTai;
  time::Duration bound = time::microseconds(100);
  bool trusted = true;
  bool announced = false;
  std::optional<time::Duration> tai_minus_utc;
  time::LeapTable leaps = table();
};

}  // namespace gnomon::ptp
