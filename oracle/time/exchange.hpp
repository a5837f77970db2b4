// SPDX-License-Identifier: Apache-2.0
//
// One exchange with a time server: what its four timestamps say about the offset, and what they prove.
//
//   client   t1 sends ........................... t4 receives
//   server            t2 receives ... t3 sends
//
// `estimate` is RFC 5905 section 8: delay = (t4 - t1) - (t3 - t2), offset = ((t2 - t1) + (t3 - t4)) / 2. It supposes
// that both ways took equally long. They need not: the estimate may be off by half the delay, and nothing in the
// stamps shows it. It may steer a clock; it is not a bound.
//
// `bound_at_receipt` supposes nothing about the ways. What the server said was true at some moment between t1 and t4,
// so at t4 it is at least as late, and later by at most the whole round trip (F. Cristian, "Probabilistic clock
// synchronization", 1989, without the halving). Knowing that the server kept the request from t2 to t3 shortens that.
// Lengths measured on an oscillator that may be off by rho are stretched to the longest (shortest) true length:
// measured / (1 - rho), not measured * (1 + rho), which is smaller by rho squared.
//
// A client's stamps and a server's are of different timelines and have different tags, so they can't be subtracted by
// mistake. Everything here may come from outside: it is checked, and refused with a reason. Pure, constexpr.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/time/instant.hpp"
#include "oracle/time/int128.hpp"
#include "oracle/time/interval.hpp"

namespace gnomon::time {

enum class ExchangeFault : std::uint8_t {
  kReplyBeforeRequest,  // t4 < t1
  kServerWentBack,      // t3 < t2
  kRoundTripTooLong,
  kServerTookLonger,  // t3 - t2 exceeds t4 - t1 by more than both oscillators may be off
  kReversed,          // the server's interval ends before it begins
  kOutOfRange,        // the result would not fit 64 bits of nanoseconds
  kBadLimits,         // the limits themselves are outside their ranges
};

constexpr std::string_view text_of(ExchangeFault fault) {
  switch (fault) {
    case ExchangeFault::kReplyBeforeRequest:
      return "the reply arrived before the request was sent: the client's counter went back, drop the exchange";
    case ExchangeFault::kServerWentBack:
      return "the server sent its reply before it had the request: its clock was set back, drop the exchange";
    case ExchangeFault::kRoundTripTooLong: return "the round trip took too long to bound anything: try again";
    case ExchangeFault::kServerTookLonger:
      return "the server claims to have kept the request for longer than the round trip took: drop the exchange, and "
             "check both hosts' oscillators if it happens again";
    case ExchangeFault::kReversed: return "the server's interval ends before it begins: drop the exchange";
    case ExchangeFault::kOutOfRange: return "the result lies outside the years 1678 to 2262: the server is not set";
    case ExchangeFault::kBadLimits:
      return "limits of an exchange: round trip 1 ns to 1 h, oscillators 0 to 100 000 000 ppb, ticks 0 to 1 s";
  }
  return "unknown exchange fault";
}

/// What may be supposed of an exchange.
struct ExchangeLimits {
  Duration max_round_trip = seconds(1);     // 1 ns to 1 h
  std::int64_t client_drift_ppb = 200'000;  // bound of the client's oscillator, 0 to 10^8
  std::int64_t server_drift_ppb = 200'000;  // of the server's, with whatever it slews by
  Duration client_tick{1};                  // a stamp may be older than its moment by so much, 0 to 1 s
  Duration server_tick{1};

  [[nodiscard]] constexpr bool valid() const {
    constexpr std::int64_t kMaxPpb = 100'000'000;
    const auto within = [](auto value, auto low, auto high) { return low <= value && value <= high; };
    return within(max_round_trip, Duration{1}, seconds(3'600)) && within(client_drift_ppb, 0, kMaxPpb) &&
           within(server_drift_ppb, 0, kMaxPpb) && within(client_tick, Duration{0}, seconds(1)) &&
           within(server_tick, Duration{0}, seconds(1));
  }
};

/// `Client` and `Server` are the tags of their timelines.
template <typename Client, typename Server>
struct FourStamps {
  Instant<Client> t1;
  Instant<Server> t2;
  Instant<Server> t3;
  Instant<Client> t4;
};

struct ExchangeEstimate {
  Duration delay;   // both ways together, without the server's time; never negative
  Duration offset;  // server - client; off by at most delay / 2, drift aside
  friend constexpr bool operator==(ExchangeEstimate, ExchangeEstimate) = default;
};

/// The longest true length of what a counter off by at most `ppb` (0 to 10^8), with ticks of `tick`, measured as
/// `measured` >= 0. The longest Duration if it does not fit.
constexpr Duration longest_true(Duration measured, std::int64_t ppb, Duration tick) {
  const Int128 from = 1'000'000'000 - ppb;
  const Int128 length = ((static_cast<Int128>(measured.ns) + tick.ns) * 1'000'000'000 + from - 1) / from;
  return {static_cast<std::int64_t>(std::min<Int128>(length, std::numeric_limits<std::int64_t>::max()))};
}

/// The shortest.
constexpr Duration shortest_true(Duration measured, std::int64_t ppb, Duration tick) {
  const Int128 length = std::max<Int128>(static_cast<Int128>(measured.ns) - tick.ns, 0);
  return {static_cast<std::int64_t>(length * 1'000'000'000 / (1'000'000'000 + ppb))};
}

namespace exchange_detail {

template <typename Tag>
constexpr std::optional<ExchangeFault> fault_of(Instant<Tag> t1, Instant<Tag> t4, const ExchangeLimits& limits) {
  if (!limits.valid()) return ExchangeFault::kBadLimits;
  if (t4 < t1) return ExchangeFault::kReplyBeforeRequest;
  if (saturating_sub(t4, t1) > limits.max_round_trip) return ExchangeFault::kRoundTripTooLong;
  return std::nullopt;
}

template <typename Client, typename Server>
constexpr std::optional<ExchangeFault> fault_of(const FourStamps<Client, Server>& stamps,
                                                const ExchangeLimits& limits) {
  if (const auto fault = fault_of(stamps.t1, stamps.t4, limits)) return fault;
  if (stamps.t3 < stamps.t2) return ExchangeFault::kServerWentBack;
  // Before any arithmetic with it: a server may claim centuries.
  const Duration kept = saturating_sub(stamps.t3, stamps.t2);
  if (shortest_true(kept, limits.server_drift_ppb, limits.server_tick) >
      longest_true(stamps.t4 - stamps.t1, limits.client_drift_ppb, limits.client_tick))
    return ExchangeFault::kServerTookLonger;
  return std::nullopt;
}

// [said.earliest, said.latest + later], if that fits.
template <typename T>
constexpr tl::expected<IntervalOf<T>, ExchangeFault> later_by(IntervalOf<T> said, Duration later) {
  if (said.latest < said.earliest) return tl::make_unexpected(ExchangeFault::kReversed);
  if (said.latest > T::max() - later) return tl::make_unexpected(ExchangeFault::kOutOfRange);
  return IntervalOf<T>{said.earliest, said.latest + later};
}

}  // namespace exchange_detail

/// The offset if both ways take equally long.
template <typename Client, typename Server>
[[nodiscard]] constexpr tl::expected<ExchangeEstimate, ExchangeFault> estimate(const FourStamps<Client, Server>& stamps,
                                                                               const ExchangeLimits& limits) {
  if (const auto fault = exchange_detail::fault_of(stamps, limits)) return tl::make_unexpected(*fault);
  const Int128 there = static_cast<Int128>(stamps.t2.ns) - stamps.t1.ns;
  const Int128 back = static_cast<Int128>(stamps.t3.ns) - stamps.t4.ns;
  const Int128 offset = (there + back) / 2;
  if (offset < std::numeric_limits<std::int64_t>::min() || offset > std::numeric_limits<std::int64_t>::max())
    return tl::make_unexpected(ExchangeFault::kOutOfRange);
  return ExchangeEstimate{{static_cast<std::int64_t>(std::max<Int128>(there - back, 0))},
                          {static_cast<std::int64_t>(offset)}};
}

/// The time at t4, if `said` contained the time at some moment between t1 and t4.
template <typename Client, typename Server>
[[nodiscard]] constexpr tl::expected<IntervalOf<Instant<Server>>, ExchangeFault> bound_at_receipt(
    Instant<Client> t1, Instant<Client> t4, IntervalOf<Instant<Server>> said, const ExchangeLimits& limits) {
  if (const auto fault = exchange_detail::fault_of(t1, t4, limits)) return tl::make_unexpected(*fault);
  return exchange_detail::later_by(said, longest_true(t4 - t1, limits.client_drift_ppb, limits.client_tick));
}

/// The time at t4, if `said` contained the time when the reply left, at t3. Only the difference t3 - t2 counts here:
/// the stamps are readings of the server's clock, and `said` is how far that clock may be trusted.
template <typename Client, typename Server>
[[nodiscard]] constexpr tl::expected<IntervalOf<Instant<Server>>, ExchangeFault> bound_at_receipt(
    const FourStamps<Client, Server>& stamps, IntervalOf<Instant<Server>> said, const ExchangeLimits& limits) {
  if (const auto fault = exchange_detail::fault_of(stamps, limits)) return tl::make_unexpected(*fault);
  const Duration trip = longest_true(stamps.t4 - stamps.t1, limits.client_drift_ppb, limits.client_tick);
  const Duration kept = shortest_true(stamps.t3 - stamps.t2, limits.server_drift_ppb, limits.server_tick);
  return exchange_detail::later_by(said, trip - kept);
}

}  // namespace gnomon::time
