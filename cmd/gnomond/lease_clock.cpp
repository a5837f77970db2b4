// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/lease_clock.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <cstdint>

#include "cmd/text/rfc3339.hpp"
#include "oracle/time/true_time.hpp"
#include "platform/cycle_counter.hpp"
#include "platform/uptime.hpp"

namespace gnomon::cmd {
namespace {

using control::DeskError;
using control::DeskFault;

constexpr time::Duration kAskEvery = time::milliseconds(20);  // as often as the agent's own loop comes round
/// Beyond the longest TTL: clocks that agree are not equal.
constexpr time::Duration kRecoveryReserve = time::seconds(2);

tl::unexpected<DeskError> refuse(DeskFault fault, std::string text, time::Duration retry_after = {}) {
  return tl::make_unexpected(DeskError{fault, std::move(text), retry_after});
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
  return std::nullopt;
}

/// How long the recovery still stands in the way; zero: not at all.
std::optional<DeskError> recovery(const LeaseClockRules& rules, const serve::BurstTime& now) {
  if (rules.store.epoch <= 1) return std::nullopt;
  constexpr const char* kWhy = "the store was recovered, and leases that were granted before may still be held";
  if (now.ordering == mint::OrderingState::kNoTime)
    return DeskError{
        DeskFault::kRecovering, fmt::format("{}; this daemon has no time yet to tell for how long", kWhy), {}};
  const time::SmearedUtc until = time::saturating_add(rules.store.floor, rules.max_ttl + kRecoveryReserve);
  if (now.mint.now >= until) return std::nullopt;
  const time::Duration left = time::saturating_sub(until, now.mint.now);
  return DeskError{DeskFault::kRecovering, fmt::format("{} until {}; ask again then", kWhy, rfc3339(until)), left};
}

}  // namespace

std::optional<lease::Boot> parse_boot_id(std::string_view text) {
  lease::Boot out{};
  std::size_t digits = 0;
  for (const char c : text) {
    if (c == '-' || c == '\n') continue;
    const auto digit = hex_digit(c);
    if (!digit || digits == 2 * out.size()) return std::nullopt;
    auto& byte = out[digits / 2];
    byte = static_cast<std::uint8_t>(byte * 16U + *digit);
    ++digits;
  }
  if (digits != 2 * out.size() || out == lease::Boot{}) return std::nullopt;
  return out;
}

tl::expected<lease::Moment, DeskError> lease_moment(const LeaseClockRules& rules, const LeaseLook& look) {
  if (auto standing_in_the_way = recovery(rules, look.time))
    return tl::make_unexpected(std::move(*standing_in_the_way));
  if (rules.boot) {
    const time::Tai now{look.uptime.ns};
    return lease::Moment{.boot = *rules.boot, .now = {now, now}, .since = {rules.since.ns}};
  }
  if (look.standing != lease::Standing::kMember)
    return refuse(DeskFault::kNotAMember,
                  fmt::format("this daemon is no member (its clock is {} by the others' vote); ask another one",
                              lease::text_of(look.standing)));
  if (!look.time.truth)
    return refuse(DeskFault::kClockUnsynchronised, fmt::format("this daemon can't tell the time: {}; ask another one",
                                                               time::text_of(look.time.truth.error())));
  return lease::Moment{.boot = {}, .now = *look.time.truth};
}

control::DeskTime LeaseClock::read() {
  const std::lock_guard lock(mutex_);
  LeaseLook look;
  look.time = clock_.at(platform::read_cycles());
  if (clock_.met_a_younger_line(look.time)) look.time = clock_.at(platform::read_cycles());
  look.uptime = platform::read_uptime();
  look.standing = standing_at(look.uptime);
  if (ended_.load(std::memory_order_relaxed))
    return {refuse(DeskFault::kStoreUnavailable, "this daemon is ending; ask another one"), look.uptime};
  return {lease_moment(rules_, look), look.uptime};
}

/// A view of the agent copies all its rights: not for each command.
lease::Standing LeaseClock::standing_at(time::Uptime now) {
  if (rules_.boot) return lease::Standing::kMember;
  if (!asked_at_ || now - *asked_at_ >= kAskEvery) {
    asked_at_ = now;
    last_standing_ = standing_();
  }
  return last_standing_;
}

}  // namespace gnomon::cmd
