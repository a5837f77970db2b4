// SPDX-License-Identifier: Apache-2.0
#include "ptp/ptp_follower.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <utility>

#include "oracle/canary.hpp"

namespace gnomon::ptp {
namespace {

using time::Duration;

constexpr Duration kSecond = time::seconds(1);
constexpr int kMinLogInterval = -10;  // of the path delay's measurements; ptp4l follows a grandmaster no further
constexpr int kMaxLogInterval = 22;

SourceError error(SourceFault fault, std::string text) { return {fault, std::move(text)}; }

Duration magnitude(Duration d) { return d < Duration{} ? -d : d; }

std::uint64_t number_of(const ClockIdentity& identity) {
  std::uint64_t number = 0;
  for (const std::uint8_t byte : identity.bytes)
    number = number << 8 | byte;
  return number;
}

const PortDataSet* slave_port(const PtpRound& round) {
  const auto at = std::find_if(round.ports.begin(), round.ports.end(),
                               [](const PortDataSet& port) { return port.state == PortState::kSlave; });
  return at == round.ports.end() ? nullptr : &*at;
}

// What kMeasurements of the path delay take.
Duration time_to_measure(const PortDataSet& port) {
  const int log = std::clamp<int>(port.log_min_delay_req_interval, kMinLogInterval, kMaxLogInterval);
  const Duration interval = log < 0 ? kSecond / (std::int64_t{1} << -log) : kSecond * (std::int64_t{1} << log);
  return interval * PtpFollower::kMeasurements;
}

// By what is remembered in one piece, all of them but the present one last for kMeasurements.
Duration piece_of(const PortDataSet& port) {
  return time_to_measure(port) / static_cast<std::int64_t>(PtpFollower::kKept - 1) + time::nanoseconds(1);
}

}  // namespace

News PtpFollower::judge(const PtpRound& round, time::CycleRate nominal) {
  // Asked one after another: between two answers the grandmaster may have changed. The next round is of one piece.
  if (round.status.gm_identity != round.parent.gm_identity) return std::nullopt;
  if (auto unfit_for = unfit(round)) {
    is_path_in_doubt_ = is_path_in_doubt_ || magnitude(round.status.master_offset) > policy_.max_offset;
    forget_samples();
    return tl::make_unexpected(std::move(*unfit_for));
  }
  watch_utc_offset(round);
  if (round.status.gm_identity != grandmaster_) forget_samples();
  grandmaster_ = round.status.gm_identity;
  if (last_ingress_ != round.status.ingress) {
    last_ingress_ = round.status.ingress;
    keep(round.status.ingress.value_or(PtpClockTime{}), round);  // who is fit has one, and a port that is SLAVE
  }
  if (kept_ < kNeeded)
    return tl::make_unexpected(
        error(SourceFault::kSettling, fmt::format("{} of the {} samples that it takes to believe "
                                                  "it have come in",
                                                  kept_, kNeeded)));
  if (auto unmeasured = unmeasured_path(round, nominal)) return tl::make_unexpected(std::move(*unmeasured));
  if (claimed_ == round.status.ingress) return std::nullopt;
  return claim_at(round, nominal);
}

// ptp4l set the clock by the former offset at this ingress, and whatever came before it: none of that says what the new
// one means.
void PtpFollower::watch_utc_offset(const PtpRound& round) {
  const bool made_of_tai = clock_ == ClockKind::kSystem && round.properties.ptp_timescale;
  const auto offset = made_of_tai ? round.properties.utc_offset() : std::nullopt;
  if (offset == utc_offset_) return;
  utc_offset_ = offset;
  forget_samples();
  last_ingress_ = claimed_ = round.status.ingress;
}

std::optional<SourceError> PtpFollower::unfit(const PtpRound& round) const {
  if (slave_port(round) == nullptr)
    return error(SourceFault::kNotSynchronised,
                 fmt::format("no port of ptp4l is in state SLAVE (the first is {}): it follows no grandmaster",
                             text_of(round.ports.front().state)));
  if (!round.status.ingress)
    return error(SourceFault::kNotSynchronised, "ptp4l has had no Sync message from its grandmaster");
  const ParentDataSet& parent = round.parent;
  const auto& allowed = policy_.grandmasters;
  if (!allowed.empty() && std::find(allowed.begin(), allowed.end(), parent.gm_identity) == allowed.end())
    return error(SourceFault::kPolicy,
                 fmt::format("grandmaster {} is not one of those that may be followed", text_of(parent.gm_identity)));
  const auto clock_class = static_cast<unsigned>(parent.gm_quality.clock_class);
  if (clock_class > policy_.max_class)
    return error(SourceFault::kPolicy,
                 fmt::format("grandmaster {} is of clock class {}, {}; accepted are classes up to {}",
                             text_of(parent.gm_identity), clock_class, text_of(parent.gm_quality.clock_class),
                             policy_.max_class));
  const auto stated = stated_accuracy(parent);
  if (!stated || *stated > policy_.max_accuracy)
    return error(
        SourceFault::kPolicy,
        fmt::format("grandmaster {} states an accuracy of {}; accepted are {} ns, or state the accuracy that it "
                    "has",
                    text_of(parent.gm_identity), text_of(parent.gm_quality.accuracy), policy_.max_accuracy.ns));
  if (round.properties.synchronization_uncertain)
    return error(SourceFault::kNotSynchronised,
                 "the grandmaster, or a clock on the way to it, says that it is not sure "
                 "of its synchronisation");
  if (auto scale = wrong_scale(round.properties)) return scale;
  if (slave_port(round)->delay_mechanism != DelayMechanism::kEndToEnd && !policy_.asymmetry)
    return error(SourceFault::kPolicy,
                 "ptp4l does not measure the delay of the whole path (delay_mechanism P2P or NONE); state what its two "
                 "directions may differ by, and with NONE all of the delay: asymmetry_ns");
  return offset_too_large(round.status.master_offset);
}

std::optional<SourceError> PtpFollower::wrong_scale(const TimeProperties& properties) const {
  if (clock_ == ClockKind::kSystem && properties.ptp_timescale) return wrong_system_scale(properties);
  if (properties.ptp_timescale && !properties.utc_offset_valid)
    return error(SourceFault::kTimescale,
                 "the grandmaster counts TAI and says no valid UTC offset: it does not know "
                 "which second it is");
  if (!properties.ptp_timescale && !policy_.arbitrary_is_utc)
    return error(SourceFault::kTimescale,
                 "the grandmaster is on an arbitrary time scale (no ptpTimescale); if it counts UTC, say scale=utc");
  return std::nullopt;
}

// ptp4l sets the system clock to what the grandmaster counts minus a UTC offset: the announced one if it is valid and
// traceable, else perhaps the one that ptp4l was compiled with.
std::optional<SourceError> PtpFollower::wrong_system_scale(const TimeProperties& properties) const {
  if (!policy_.tai_is_meant)
    return error(
        SourceFault::kTimescale,
        "the grandmaster says that it counts TAI (ptpTimescale), so ptp4l sets the system clock back by the UTC "
        "offset; if it serves UTC all the same, as software grandmasters do, the clock is 37 s off. If it does "
        "count TAI, say scale=tai");
  if (properties.utc_offset_valid && properties.time_traceable) return std::nullopt;
  return error(
      SourceFault::kTimescale,
      "the grandmaster's UTC offset is not both valid and traceable, and it is not certain which one ptp4l sets "
      "the system clock by");
}

std::optional<SourceError> PtpFollower::offset_too_large(Duration offset) const {
  if (magnitude(offset) <= policy_.max_offset) return std::nullopt;
  const std::int64_t seconds = (magnitude(offset).ns + kSecond.ns / 2) / kSecond.ns;
  if (seconds != 0 && magnitude(magnitude(offset) - kSecond * seconds) <= policy_.max_offset)
    return error(SourceFault::kWholeSeconds,
                 fmt::format("the clock is {} ns from the grandmaster, {} whole seconds: one of the two counts TAI and "
                             "the other UTC, or a UTC offset is wrong",
                             offset.ns, seconds));
  return error(SourceFault::kNotSynchronised,
               fmt::format("the clock is {} ns from the grandmaster, more than {} ns: it is still being set", offset.ns,
                           policy_.max_offset.ns));
}

void PtpFollower::keep(PtpClockTime ingress, const PtpRound& round) {
  if (pieces_ == 0) first_kept_ = track_.last();
  const Duration passed = time::saturating_sub(std::max(ingress, piece_began_), std::min(ingress, piece_began_));
  if (pieces_ == 0 || passed >= piece_of(*slave_port(round))) {
    piece_ = (piece_ + 1) % kKept;
    pieces_ = std::min(pieces_ + 1, kKept);
    piece_began_ = ingress;
    offsets_[piece_] = delays_[piece_] = {};
  }
  offsets_[piece_] = std::max(offsets_[piece_], magnitude(round.status.master_offset));
  delays_[piece_] = std::max(delays_[piece_], magnitude(round.current.mean_path_delay));
  kept_ = std::min(kept_ + 1, kNeeded);
}

// An offset that was too large is gone with the samples. Where a longer path made it, the clock is off by as much until
// the delay has been measured anew; where the clock was set, waiting costs little.
std::optional<SourceError> PtpFollower::unmeasured_path(const PtpRound& round, time::CycleRate nominal) {
  if (!is_path_in_doubt_) return std::nullopt;
  const Duration needed = time_to_measure(*slave_port(round));
  const Duration passed =
      nominal.span(track_.last().count - first_kept_.count);  // whatever the clock is set to meanwhile
  is_path_in_doubt_ = !policy_.asymmetry && passed < needed;
  if (!is_path_in_doubt_) return std::nullopt;
  return error(
      SourceFault::kSettling,
      fmt::format("the clock was more than {} ns from the grandmaster, and a path that has become longer looks "
                  "the same; ptp4l measures the path anew within {} ms, of which {} have passed",
                  policy_.max_offset.ns, needed.ns / 1'000'000, passed.ns / 1'000'000));
}

Duration PtpFollower::largest(const std::array<Duration, kKept>& of) const {
  Duration out;
  for (std::size_t age = 0; age < pieces_; ++age)
    out = std::max(out, of[(piece_ + kKept - age) % kKept]);
  return out;
}

std::optional<Duration> PtpFollower::stated_accuracy(const ParentDataSet& parent) const {
  return policy_.accuracy ? policy_.accuracy : bound_of(parent.gm_quality.accuracy);
}

Duration PtpFollower::accuracy_of(const PtpRound& round) const {
  if (canary::planted(canary::Bug::kForgottenAccuracy)) return {};
  const Duration accuracy =
      stated_accuracy(round.parent).value_or(policy_.max_accuracy);  // a round that is fit has one
  const std::int64_t between = std::max(0, static_cast<int>(round.current.steps_removed) - 1);
  return accuracy + policy_.per_boundary_clock * between;
}

News PtpFollower::claim_at(const PtpRound& round, time::CycleRate nominal) {
  const std::int64_t ingress = round.status.ingress.value_or(PtpClockTime{}).ns;
  const auto moment = track_.when(ingress, nominal);
  if (!moment) {
    if (moment.error() == TrackFault::kNotYet) return std::nullopt;  // after the next reading
    claimed_ = round.status.ingress;
    if (moment.error() == TrackFault::kTooOld) return std::nullopt;  // from before this began to watch the clock
    forget_samples();
    return tl::make_unexpected(error(SourceFault::kSettling, "the clock was stepped: it has to settle"));
  }
  claimed_ = round.status.ingress;
  Claim claim;
  claim.at = canary::planted(canary::Bug::kAgeFromPoll) ? track_.last() : moment->at;
  const bool on_tai = round.properties.ptp_timescale;
  claim.scale = on_tai && clock_ != ClockKind::kSystem ? Scale::kTai : Scale::kUtc;
  if (on_tai && clock_ == ClockKind::kSystem) claim.tai_minus_utc = round.properties.utc_offset();
  claim.reading_ns = ingress;
  claim.terms.source = accuracy_of(round);
  claim.terms.asymmetry = policy_.asymmetry.value_or(largest(delays_));
  if (canary::planted(canary::Bug::kHalvedAsymmetry)) claim.terms.asymmetry = claim.terms.asymmetry / 2;
  if (!canary::planted(canary::Bug::kForgottenOffset)) claim.terms.offset = largest(offsets_);
  if (!canary::planted(canary::Bug::kDroppedWidth)) claim.terms.reading = moment->width;
  claim.root = {.reference = number_of(grandmaster_), .clock = clock_, .bare_clock = false, .disciplines = true};
  claim.leap_announced = round.properties.leap61 || round.properties.leap59;
  return ClaimOr(claim);
}

void PtpFollower::distrust() {
  track_.clear();
  forget_samples();
  claimed_ = last_ingress_;
}

}  // namespace gnomon::ptp
