// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/time_source.hpp"

#include <string>

namespace gnomon::sim {
namespace {

Statement refusing(ptp::SourceFault fault, std::string text) {
  return {ptp::ClaimOr(tl::make_unexpected(ptp::SourceError{fault, std::move(text)})), {}};
}

}  // namespace

TimeSource::TimeSource(const SourcePlan& plan, std::uint64_t reference, Random random)
    : plan_(plan),
      root_{.reference = reference, .clock = ptp::ClockKind::kPhc, .bare_clock = false, .disciplines = true},
      random_(random) {
  leg_ends_ = random_.between(-plan_.bound, plan_.bound);
}

Statement TimeSource::poll(time::Uptime now, time::Cycles count, time::Duration half_width) {
  const Mood mood = now < mood_until_ ? mood_ : Mood::kSpeaks;
  if (mood == Mood::kLost) return refusing(ptp::SourceFault::kNotSynchronised, "it has lost its reference");
  if (mood == Mood::kSilent) return refusing(ptp::SourceFault::kUnreadable, "it can't be read");
  if (mood == Mood::kFrozen) return {};
  if (plan_.period == time::Duration{0}) return read(now, count, half_width);
  Statement heard = waiting_.value_or(Statement{});
  waiting_.reset();
  if (now >= next_sample_) {
    next_sample_ = now + plan_.period;
    waiting_ = read(now, count, half_width);
  }
  return heard;
}

Statement TimeSource::read(time::Uptime now, time::Cycles count, time::Duration half_width) {
  const time::Duration off = honest_error(now) + (now < lies_until_ ? lie_ : time::Duration{0});
  const time::Duration aside = random_.between(-half_width, half_width);  // within the bracket
  ptp::Claim claim;
  claim.at = count;
  claim.scale = ptp::Scale::kTai;
  claim.reading_ns = (true_time(now + aside) + off).ns;
  claim.terms.source = plan_.bound;
  claim.terms.reading = half_width + half_width / 1000 + time::nanoseconds(1);  // by a counter that may be slow
  claim.root = root_;
  return {ptp::ClaimOr(claim), off};
}

time::Duration TimeSource::honest_error(time::Uptime now) {
  if (now >= leg_until_) {
    leg_from_ = now;
    leg_until_ = now + random_.between(time::milliseconds(20), time::seconds(2));
    leg_starts_ = leg_ends_;
    const std::uint64_t draw = random_.below(4);
    leg_ends_ = draw == 0 ? plan_.bound : draw == 1 ? -plan_.bound : random_.between(-plan_.bound, plan_.bound);
  }
  const std::int64_t leg_us = (leg_until_ - leg_from_).ns / 1000 + 1;
  return leg_starts_ + (leg_ends_ - leg_starts_) * ((now - leg_from_).ns / 1000) / leg_us;
}

}  // namespace gnomon::sim
