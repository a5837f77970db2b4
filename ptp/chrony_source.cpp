// SPDX-License-Identifier: Apache-2.0
#include "ptp/chrony_source.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "oracle/canary.hpp"
#include "platform/random.hpp"

namespace gnomon::ptp {
namespace {

using time::Duration;

constexpr std::int64_t kAskEveryNs = 100'000'000;
constexpr std::int64_t kSilentAfterNs = 1'000'000'000;

Duration magnitude(Duration d) { return d < Duration{} ? -d : d; }

SourceError error(SourceFault fault, std::string text) { return {fault, std::move(text)}; }

// A reference without an address is a reference clock of this host: a card's clock, or shared memory that ptp4l's
// timemaster fills. In doubt it is as good as whoever sets the card's clock, and no witness of its own. Nor is the
// system clock beside it: it does not say whether it runs with -x.
Root root_of(const Tracking& tracking) {
  const bool reads_phc = tracking.address.family == ReferenceFamily::kNone;
  return {.reference = tracking.reference.value,
          .clock = reads_phc ? ClockKind::kPhc : ClockKind::kSystem,
          .bare_clock = reads_phc,
          .disciplines = !reads_phc,
          .sets_system = true};
}

std::optional<SourceError> unfit(const Tracking& tracking) {
  if (tracking.synchronised() && !tracking.own_clock() && tracking.reference_time) return std::nullopt;
  if (tracking.own_clock())
    return error(SourceFault::kPolicy, "chronyd follows its own clock (`local`): nothing stands behind it");
  return error(SourceFault::kNotSynchronised,
               "chronyd is not synchronised to anything: `chronyc sources` says what it can reach");
}

}  // namespace

ClaimOr chrony_claim(const Tracking& tracking, const ClockReading& asked, const ClockReading& reading,
                     const ChronyPolicy& policy, time::CycleRate nominal) {
  if (auto reason = unfit(tracking)) return tl::make_unexpected(std::move(*reason));
  const ChronyTime measured = tracking.reference_time.value_or(ChronyTime{});  // who is fit has one
  // On the clock that it disciplines, so a step makes this wrong; chronyd then has a new measurement soon.
  const Duration age{std::max<std::int64_t>(0, reading.value - measured.ns)};
  const Duration patience = std::max(policy.least_patience, tracking.last_update_interval * policy.max_missed);
  if (age > patience)
    return tl::make_unexpected(
        error(SourceFault::kStale,
              fmt::format("chronyd's last measurement is {} s old, and it measured every {:.1f} s: its "
                          "servers have fallen silent",
                          age.ns / 1'000'000'000, static_cast<double>(tracking.last_update_interval.ns) / 1e9)));
  Claim claim;
  claim.at = reading.middle();
  claim.scale = policy.scale;
  claim.reading_ns = reading.value;
  if (!canary::planted(canary::Bug::kForgottenAccuracy)) claim.terms.source = tracking.root_dispersion;
  claim.terms.asymmetry = {tracking.root_delay.ns / 2 + tracking.root_delay.ns % 2};
  if (canary::planted(canary::Bug::kHalvedAsymmetry)) claim.terms.asymmetry = claim.terms.asymmetry / 2;
  if (!canary::planted(canary::Bug::kForgottenOffset))
    claim.terms.offset = magnitude(tracking.current_correction) + clock_moved(asked, reading, nominal);
  if (!canary::planted(canary::Bug::kDroppedWidth)) claim.terms.reading = reading.half_width(nominal);
  if (!canary::planted(canary::Bug::kAgeFromPoll)) claim.terms.extrapolation = policy.drift.over(age);
  claim.root = root_of(tracking);
  claim.leap_announced = tracking.leap == LeapStatus::kInsertSecond || tracking.leap == LeapStatus::kDeleteSecond;
  return claim;
}

std::string ChronySource::describe() const { return fmt::format("chronyd at {}", options_.socket); }

std::optional<tl::expected<Tracking, SourceError>> ChronySource::take_reply() {
  std::array<std::byte, 1024> buffer;
  while (waiting_for_) {
    const auto datagram = socket_.receive(buffer);
    if (datagram.empty()) return std::nullopt;
    auto tracking = decode_tracking(datagram, *waiting_for_);
    if (!tracking && tracking.error() == ChronyFault::kSequence) continue;  // an answer that came too late
    waiting_for_.reset();
    if (tracking) return *tracking;
    return tl::make_unexpected(error(SourceFault::kMalformed, std::string(text_of(tracking.error()))));
  }
  return std::nullopt;
}

ClaimOr ChronySource::judge(const Tracking& tracking, const ClockReading& reading, time::CycleRate nominal) {
  auto said = chrony_claim(tracking, asked_, reading, options_.policy, nominal);
  if (!said || !trusted_after_) return said;
  if (tracking.reference_time.value_or(ChronyTime{}).ns <= *trusted_after_)
    return tl::make_unexpected(
        error(SourceFault::kSettling,
              "chronyd has not measured since the cycle counter could not be trusted (the machine was suspended, moved "
              "or cloned): wait for its next measurement"));
  trusted_after_.reset();
  return said;
}

void ChronySource::distrust() {
  waiting_for_.reset();  // the answer would be paired with a reading by the former counter
  distrusted_ = true;
}

News ChronySource::poll(time::CycleRate nominal) {
  const std::int64_t now = monotonic_ns();
  if (!socket_.valid()) {
    if (asked_ns_ != 0 && now - asked_ns_ < kAskEveryNs) return std::nullopt;
    if (auto failed = socket_.open(options_.own_socket, options_.socket, "chronyd")) {
      asked_ns_ = now;
      return tl::make_unexpected(std::move(*failed));
    }
  }
  News news;
  if (const auto tracking = take_reply()) {
    const auto reading = clock_.read(nominal);
    if (!reading)
      news = tl::make_unexpected(reading.error());
    else if (!*tracking)
      news = tl::make_unexpected(tracking->error());
    else
      news = judge(**tracking, *reading, nominal);
  }
  if (waiting_for_ && now - asked_ns_ >= kSilentAfterNs) {
    waiting_for_.reset();
    news = tl::make_unexpected(
        error(SourceFault::kUnreadable, fmt::format("chronyd at {} does not answer: does it run?", options_.socket)));
  }
  if (!waiting_for_ && now - asked_ns_ >= kAskEveryNs) {
    asked_ns_ = now;
    const auto reading = clock_.read(nominal);
    if (!reading) return tl::make_unexpected(reading.error());
    asked_ = *reading;
    if (std::exchange(distrusted_, false)) trusted_after_ = asked_.value;
    const ChronySequence sequence{static_cast<std::uint32_t>(platform::random_u64())};
    if (auto failed = socket_.send(encode_tracking(sequence))) return tl::make_unexpected(std::move(*failed));
    waiting_for_ = sequence;
  }
  return news;
}

}  // namespace gnomon::ptp
