// SPDX-License-Identifier: Apache-2.0
#include "oracle/time/discipline.hpp"

#include <algorithm>
#include <limits>

#include "oracle/time/int128.hpp"

namespace gnomon::time {
namespace {

constexpr Duration kDay = seconds(86'400);
constexpr Duration kLongest{std::numeric_limits<std::int64_t>::max()};
constexpr std::int64_t kBillion = 1'000'000'000;

// In 128 bits, where the smallest Duration has a magnitude, too.
Int128 magnitude(std::int64_t value) { return value < 0 ? -static_cast<Int128>(value) : static_cast<Int128>(value); }

Int128 divided_up(Int128 value, Int128 by) { return (value + by - 1) / by; }

std::optional<DisciplineFault> fault_of(const DisciplineOptions& options) {
  const auto within = [](auto value, auto low, auto high) { return low <= value && value <= high; };
  if (!within(options.panic_beyond, Duration{1}, kDay * 3'653)) return DisciplineFault::kPanicBeyond;
  if (!within(options.step_at, Duration{1}, options.panic_beyond)) return DisciplineFault::kStepAt;
  if (!within(options.stepout, Duration{0}, kDay)) return DisciplineFault::kStepout;
  if (!within(options.slew_over, Duration{1}, kDay)) return DisciplineFault::kSlewOver;
  if (!within(options.max_slew_ppb, 1, 100'000'000)) return DisciplineFault::kMaxSlew;
  return std::nullopt;
}

}  // namespace

std::string_view text_of(DisciplineFault fault) {
  switch (fault) {
    case DisciplineFault::kStepAt: return "the step threshold is 1 ns up to the panic threshold";
    case DisciplineFault::kStepout: return "the step-out is 0 to 1 day";
    case DisciplineFault::kPanicBeyond: return "the panic threshold is 1 ns to 10 years";
    case DisciplineFault::kSlewOver: return "an offset is slewed away over 1 ns to 1 day";
    case DisciplineFault::kMaxSlew: return "the fastest slew is 1 to 100 000 000 ppb";
  }
  return "unknown discipline fault";
}

Duration slew_time(Duration offset, std::int64_t rate_ppb) {
  if (offset == Duration{}) return {};
  if (rate_ppb == 0) return kLongest;
  const Int128 lasts = divided_up(magnitude(offset.ns) * kBillion, magnitude(rate_ppb));
  return {static_cast<std::int64_t>(std::min<Int128>(lasts, kLongest.ns))};
}

Slew slew_for(Duration offset, const DisciplineOptions& options) {
  // Rounded up, so that the last nanoseconds are slewed, too.
  const Int128 wanted = divided_up(magnitude(offset.ns) * kBillion, options.slew_over.ns);
  const auto rate = static_cast<std::int64_t>(std::min<Int128>(wanted, options.max_slew_ppb));
  return {offset < Duration{} ? -rate : rate, slew_time(offset, rate)};
}

tl::expected<Discipline, DisciplineFault> Discipline::make(const DisciplineOptions& options) {
  if (const auto fault = fault_of(options)) return tl::make_unexpected(*fault);
  return Discipline(options);
}

DisciplineDecision Discipline::step(const OffsetMeasured& measured) {
  const Int128 size = magnitude(measured.offset.ns);
  if (size > options_.panic_beyond.ns) {
    spike_.reset();
    return Panic{measured.offset};
  }
  if (size < options_.step_at.ns) {
    spike_.reset();
    return slew_for(measured.offset, options_);
  }
  return insist(measured);
}

DisciplineDecision Discipline::insist(const OffsetMeasured& measured) {
  const bool behind = measured.offset > Duration{};
  if (!spike_ || spike_->behind != behind || measured.at < spike_->last_seen)
    spike_ = Spike{measured.at, measured.at, behind, 0};
  spike_->last_seen = measured.at;
  spike_->sightings = std::min(spike_->sightings + 1, kMinSightings);
  const Duration seen_for = saturating_sub(measured.at, spike_->first_seen);
  if (seen_for < options_.stepout) return Wait{options_.stepout - seen_for};
  if (spike_->sightings < kMinSightings) return Wait{};
  spike_.reset();
  return Step{measured.offset};
}

}  // namespace gnomon::time
