// SPDX-License-Identifier: Apache-2.0
//
// The clock page: written by the clock thread, about a hundred times a second; docs/clock-page.md has its bytes.
//
//   record   for the daemon's workers, once per burst: the ordering timeline, uptime, and the true time
//   truth    for any process of the host: the true time alone, on two cache lines, with a check word
//   details  for people: what the uncertainty is made of
//
// A reader keeps a copy of `truth` and looks only whether there is a newer one (clock_reader.hpp). The check word
// covers the line and the incarnation of the daemon: the sequence lock keeps out a torn copy, and not a stray write, a
// damaged file or the rest of another daemon's page.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "oracle/mint/ordering.hpp"
#include "oracle/page/check_word.hpp"
#include "oracle/page/header.hpp"
#include "oracle/page/seqlock.hpp"
#include "oracle/time/cycles.hpp"
#include "oracle/time/instant.hpp"
#include "oracle/time/true_time.hpp"
#include "oracle/time/uncertainty.hpp"

namespace gnomon::page {

struct ClockRecord {
  mint::OrderingSnapshot ordering;
  time::CycleLine<time::Uptime> uptime;  // for rates and timeouts; never stepped
  time::TrueTimeLine truth;
  std::uint64_t readings = 0;  // of the clock that orders, since the start
  std::uint64_t failed_readings = 0;
};

/// The true time as it stands in the page.
struct PublishedLine {
  time::TrueTimeLine line;
  std::uint64_t check = 0;

  [[nodiscard]] static std::uint64_t check_of(const time::TrueTimeLine& line, std::uint64_t incarnation) {
    std::uint64_t mixed = kCheckSeed ^ incarnation;
    for (const std::uint64_t word :
         {line.anchor.count, line.void_after.count, static_cast<std::uint64_t>(line.earliest.ns),
          static_cast<std::uint64_t>(line.latest.ns), line.slow.ns_per_cycle_q32, line.fast.ns_per_cycle_q32,
          static_cast<std::uint64_t>(line.fault)})
      mixed = mixed_in(mixed, word);
    return mixed;
  }
  [[nodiscard]] static PublishedLine of(const time::TrueTimeLine& line, std::uint64_t incarnation) {
    return {line, check_of(line, incarnation)};
  }
  [[nodiscard]] bool holds(std::uint64_t incarnation) const {
    return check == check_of(line, incarnation) && static_cast<std::size_t>(line.fault) < time::kClockFaults &&
           line.well_formed();
  }
};

struct ClockDetails {
  static constexpr std::size_t kNameLength = 96;

  time::Uncertainty terms;    // of the source that bounds the result best
  time::Cycles sampled_at;    // ingress of its sample
  time::Cycles supported_at;  // when a healthy source last supported the line
  time::CycleRate nominal;    // of the counter
  time::CycleLine<time::Uptime> uptime;
  std::array<char, kNameLength> source{};  // that source; zero-terminated
  std::uint32_t sources = 0;
  std::uint32_t roots = 0;    // healthy independent ones
  std::uint8_t holdover = 0;  // 1: no source is healthy

  /// Whether this can be what a daemon wrote; of a page of others nothing is certain.
  [[nodiscard]] bool plausible() const {
    constexpr time::Duration kLargest = time::seconds(std::int64_t{1} << 28);  // eight years
    for (const time::TermInfo& info : time::kTerms)
      if (terms.*info.term < time::Duration{} || terms.*info.term > kLargest) return false;
    return holdover <= 1 && nominal.ns_per_cycle_q32 != 0;
  }
  void name(std::string_view text) {
    source = {};
    text.copy(source.data(), source.size() - 1);
  }
  [[nodiscard]] std::string_view name() const {
    const std::string_view whole(source.data(), source.size());
    return whole.substr(0, whole.find('\0'));
  }
};

struct ClockPage {
  static constexpr PageKind kKind = PageKind::kClock;
  static constexpr std::uint32_t kVersion = 2;

  PageHeader header;
  alignas(64) Seqlock<ClockRecord> record;
  alignas(64) Seqlock<PublishedLine> truth;
  alignas(64) Seqlock<ClockDetails> details;
};

}  // namespace gnomon::page
