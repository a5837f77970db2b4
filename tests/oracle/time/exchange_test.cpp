// SPDX-License-Identifier: Apache-2.0
//
// The worked example of the source document, what is refused, and a network that delays as it likes between clocks
// that drift as far as they may.
#include "oracle/time/exchange.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <optional>
#include <random>

#include "oracle/time/int128.hpp"

namespace gnomon::time {
namespace {

using Stamps = FourStamps<struct UptimeTimeline, struct TaiTimeline>;

constexpr Tai kNow{1'770'000'000'000'000'000};
constexpr ExchangeLimits kExact{.client_drift_ppb = 0, .server_drift_ppb = 0, .client_tick{0}, .server_tick{0}};

TEST(Exchange, the_worked_example) {
  // The client sends at 10:00:00.000, the server receives at .100 and replies at .105, the client receives at .200.
  const Uptime ten_o_clock{36'000'000'000'000};
  const Tai server_ten_o_clock{36'000'000'000'000};
  const Stamps stamps{ten_o_clock, server_ten_o_clock + milliseconds(100), server_ten_o_clock + milliseconds(105),
                      ten_o_clock + milliseconds(200)};
  EXPECT_EQ(estimate(stamps, {}).value(), (ExchangeEstimate{milliseconds(195), microseconds(2'500)}));
}

TEST(Exchange, the_offset_of_equal_ways_is_exact_and_of_unequal_ones_off_by_half_their_difference) {
  const auto offset = [](Duration there, Duration back) {
    const Tai received = kNow + there;
    const Tai replied = received + microseconds(7);
    const Stamps stamps{Uptime{5'000'000'000}, received, replied,
                        Uptime{5'000'000'000} + there + microseconds(7) + back};
    return estimate(stamps, {}).value().offset - Duration{kNow.ns - 5'000'000'000};
  };
  EXPECT_EQ(offset(microseconds(40), microseconds(40)), Duration{0});
  EXPECT_EQ(offset(microseconds(40), microseconds(10)), microseconds(15));
  EXPECT_EQ(offset(microseconds(0), microseconds(90)), -microseconds(45));
}

TEST(Exchange, a_statement_is_later_by_at_most_the_round_trip) {
  const Interval said{kNow, kNow + microseconds(3)};
  const auto bound = bound_at_receipt(Uptime{1'000}, Uptime{51'000}, said, kExact);
  EXPECT_EQ(bound.value(), (Interval{kNow, kNow + microseconds(53)}));
  const Stamps stamps{{1'000}, kNow, kNow + microseconds(20), {51'000}};
  EXPECT_EQ(bound_at_receipt(stamps, said, kExact).value(), (Interval{kNow, kNow + microseconds(33)}));
}

TEST(Exchange, a_drifting_oscillator_stretches_the_round_trip) {
  EXPECT_EQ(longest_true(seconds(1), 0, {}), seconds(1));
  EXPECT_EQ(longest_true(seconds(1), 200'000, {}), Duration{1'000'200'041}) << "1 / (1 - 0.0002), rounded up";
  EXPECT_EQ(longest_true(seconds(1), 0, Duration{4}), seconds(1) + Duration{4});
  EXPECT_EQ(shortest_true(seconds(1), 200'000, {}), Duration{999'800'039}) << "1 / (1 + 0.0002), rounded down";
  EXPECT_EQ(shortest_true(Duration{3}, 200'000, Duration{4}), Duration{0});
  EXPECT_EQ(longest_true({std::numeric_limits<std::int64_t>::max()}, 1, {}).ns,
            std::numeric_limits<std::int64_t>::max());
}

TEST(Exchange, refuses_what_can_not_have_happened) {
  const Interval said{kNow, kNow};
  const Stamps good{{1'000}, kNow, kNow, {2'000}};
  const auto both = [&](Stamps stamps, ExchangeLimits limits = {}) -> std::optional<ExchangeFault> {
    const auto bound = bound_at_receipt(stamps, said, limits);
    const auto guess = estimate(stamps, limits);
    EXPECT_EQ(bound.has_value(), guess.has_value());
    if (bound) return std::nullopt;
    EXPECT_EQ(bound.error(), guess.error());
    return bound.error();
  };
  EXPECT_EQ(both(good), std::nullopt);
  EXPECT_EQ(both({{2'000}, kNow, kNow, {1'999}}), ExchangeFault::kReplyBeforeRequest);
  EXPECT_EQ(both({{1'000}, kNow, kNow - Duration{1}, {2'000}}), ExchangeFault::kServerWentBack);
  EXPECT_EQ(both({{0}, kNow, kNow, {1'000'000'001}}), ExchangeFault::kRoundTripTooLong);
  EXPECT_EQ(both({{0}, kNow, kNow, {1'000'000'000}}), std::nullopt);
  EXPECT_EQ(both({Uptime::min(), kNow, kNow, Uptime::max()}), ExchangeFault::kRoundTripTooLong);
  EXPECT_EQ(both({{1'000}, Tai::min(), Tai::max(), {2'000}}), ExchangeFault::kServerTookLonger);
  EXPECT_EQ(bound_at_receipt(Uptime{2}, Uptime{1}, said, {}).error(), ExchangeFault::kReplyBeforeRequest);
  EXPECT_EQ(bound_at_receipt(Uptime{0}, Uptime{2'000'000'000}, said, {}).error(), ExchangeFault::kRoundTripTooLong);
}

TEST(Exchange, a_server_may_take_longer_than_the_round_trip_only_by_what_the_oscillators_explain) {
  const auto kept = [](Duration time) {
    const Stamps stamps{{0}, kNow, kNow + time, {1'000'000}};
    return estimate(stamps, {});
  };
  EXPECT_EQ(kept(Duration{1'000'000}).value().delay, Duration{0});
  EXPECT_EQ(kept(Duration{1'000'400}).value().delay, Duration{0}) << "never negative";
  EXPECT_EQ(kept(Duration{1'000'410}).error(), ExchangeFault::kServerTookLonger);
}

TEST(Exchange, refuses_a_statement_that_is_none_and_limits_that_bound_nothing) {
  const auto bound = [](Interval said, ExchangeLimits limits = {}) {
    return bound_at_receipt(Stamps{{1'000}, kNow, kNow, {2'000}}, said, limits);
  };
  EXPECT_EQ(bound({kNow, kNow - Duration{1}}).error(), ExchangeFault::kReversed);
  EXPECT_EQ(bound({kNow, Tai::max()}).error(), ExchangeFault::kOutOfRange);
  EXPECT_EQ(bound({Tai::min(), kNow}).value().earliest, Tai::min());
  const auto fault = [&](ExchangeLimits limits) { return bound({kNow, kNow}, limits).error(); };
  EXPECT_EQ(fault({.max_round_trip{0}}), ExchangeFault::kBadLimits);
  EXPECT_EQ(fault({.max_round_trip = seconds(3'601)}), ExchangeFault::kBadLimits);
  EXPECT_EQ(fault({.client_drift_ppb = -1}), ExchangeFault::kBadLimits);
  EXPECT_EQ(fault({.client_drift_ppb = 1'000'000'000}), ExchangeFault::kBadLimits);
  EXPECT_EQ(fault({.server_drift_ppb = std::numeric_limits<std::int64_t>::min()}), ExchangeFault::kBadLimits);
  EXPECT_EQ(fault({.client_tick{-1}}), ExchangeFault::kBadLimits);
  EXPECT_EQ(fault({.server_tick = seconds(2)}), ExchangeFault::kBadLimits);
}

TEST(Exchange, an_offset_that_does_not_fit_is_refused) {
  const Stamps far_ahead{Uptime::min(), Tai::max(), Tai::max(), Uptime::min()};
  EXPECT_EQ(estimate(far_ahead, {}).error(), ExchangeFault::kOutOfRange);
  const Stamps far_behind{Uptime::max(), Tai::min(), Tai::min(), Uptime::max()};
  EXPECT_EQ(estimate(far_behind, {}).error(), ExchangeFault::kOutOfRange);
}

TEST(Exchange, every_fault_has_its_text) {
  for (int fault = 0; fault <= static_cast<int>(ExchangeFault::kBadLimits); ++fault)
    EXPECT_NE(text_of(static_cast<ExchangeFault>(fault)), "unknown exchange fault");
}

/// One exchange in a world whose true time is in picoseconds, so that the stamps' rounding shows.
struct Happened {
  Stamps stamps;
  Interval said;         // contained the true time when the reply left
  Int128 true_at_t4_ps;  // true time when t4 was taken
};

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed) {}

  Happened exchange(const ExchangeLimits& limits) {
    const std::int64_t client_ppb = drift(limits.client_drift_ppb);
    const std::int64_t server_ppb = drift(limits.server_drift_ppb);
    const Int128 sent = static_cast<Int128>(kNow.ns) * 1'000 + pick(0, 1'000'000'000);
    const Int128 received = sent + delay();
    const Int128 replied = received + pick(0, 1) * pick(0, 20'000'000'000);
    const Int128 arrived = replied + delay();
    // Each clock: off by something, and fast or slow since the exchange began.
    const std::int64_t client_zero = pick(-1'000'000'000'000, 1'000'000'000'000);
    const std::int64_t server_zero = pick(-1'000'000, 1'000'000);
    const auto read = [&](Int128 at, std::int64_t ppb) { return (at - sent) * (1'000'000'000 + ppb) / 1'000'000'000; };
    const auto client = [&](Int128 at) { return Uptime{client_zero + nanoseconds_of(read(at, client_ppb))}; };
    const auto server = [&](Int128 at) { return Tai{nanoseconds_of(sent + read(at, server_ppb)) + server_zero}; };
    const std::int64_t slack = pick(0, 3) == 0 ? 1'000'000 : 0;
    const Interval said{{nanoseconds_of(replied) - pick(0, slack)}, {nanoseconds_of(replied + 999) + pick(0, slack)}};
    return {{client(sent), server(received), server(replied), client(arrived)}, said, arrived};
  }

 private:
  std::int64_t pick(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }
  static std::int64_t nanoseconds_of(Int128 ps) { return static_cast<std::int64_t>(ps / 1'000); }
  // As far as it may, as often as not.
  std::int64_t drift(std::int64_t bound) {
    switch (pick(0, 3)) {
      case 0: return -bound;
      case 1: return bound;
      default: return pick(-bound, bound);
    }
  }
  // Nothing, a rack or the internet.
  std::int64_t delay() {
    constexpr std::int64_t kMostPs[]{0, 1'000, 10'000'000, 400'000'000'000};
    return pick(0, kMostPs[pick(0, 3)]);
  }

  std::mt19937_64 random_;
};

bool holds(const Interval& bound, Int128 true_ps) {
  return static_cast<Int128>(bound.earliest.ns) * 1'000 <= true_ps &&
         true_ps <= static_cast<Int128>(bound.latest.ns) * 1'000;
}

TEST(ExchangeProperty, the_true_time_is_always_inside) {
  for (const std::int64_t ppb : {std::int64_t{0}, std::int64_t{200'000}, std::int64_t{50'000'000}}) {
    const ExchangeLimits limits{.client_drift_ppb = ppb, .server_drift_ppb = ppb};
    World world(3);
    for (int n = 0; n < 300'000; ++n) {
      const Happened it = world.exchange(limits);
      const Interval whole = bound_at_receipt(it.stamps.t1, it.stamps.t4, it.said, limits).value();
      const auto tight = bound_at_receipt(it.stamps, it.said, limits);
      ASSERT_TRUE(tight.has_value()) << text_of(tight.error());
      ASSERT_TRUE(holds(whole, it.true_at_t4_ps)) << n;
      ASSERT_TRUE(holds(*tight, it.true_at_t4_ps)) << n;
      ASSERT_TRUE(whole.contains(*tight)) << "what is known of the server's time never widens";
    }
  }
}

/// How often the true time is outside of what `bound` makes of an exchange.
template <typename Bound>
int misses(const ExchangeLimits& limits, Bound bound) {
  World world(3);
  int missed = 0;
  for (int n = 0; n < 100'000; ++n) {
    const Happened it = world.exchange(limits);
    if (!holds(bound(it), it.true_at_t4_ps)) ++missed;
  }
  return missed;
}

TEST(ExchangeProperty, less_than_that_is_not_enough) {
  const ExchangeLimits limits{.client_drift_ppb = 50'000'000, .server_drift_ppb = 50'000'000};
  const auto trip = [](const Happened& it) { return it.stamps.t4 - it.stamps.t1; };
  EXPECT_GT(misses(limits,
                   [&](const Happened& it) {
                     return Interval{it.said.earliest,
                                     it.said.latest + longest_true(trip(it), limits.client_drift_ppb, {1}) / 2};
                   }),
            1'000)
      << "half of the round trip is a guess";
  EXPECT_GT(misses(limits, [&](const Happened& it) { return Interval{it.said.earliest, it.said.latest + trip(it)}; }),
            500)
      << "a slow oscillator measures too little";
  EXPECT_GT(misses(limits,
                   [&](const Happened& it) {
                     return Interval{it.said.earliest, it.said.latest + trip(it) + trip(it) / 20 + Duration{1}};
                   }),
            100)
      << "1 + rho is less than 1 / (1 - rho)";
  EXPECT_GT(misses(limits,
                   [&](const Happened& it) {
                     const Duration kept = it.stamps.t3 - it.stamps.t2;
                     const Duration longest = longest_true(trip(it), limits.client_drift_ppb, {1});
                     return Interval{it.said.earliest, it.said.latest + longest - kept};
                   }),
            100)
      << "a fast server overstates how long it kept the request";
  const ExchangeLimits steady{.client_drift_ppb = 0, .server_drift_ppb = 0};
  EXPECT_GT(misses(steady, [&](const Happened& it) { return Interval{it.said.earliest, it.said.latest + trip(it)}; }),
            100)
      << "stamps are rounded, even of perfect oscillators";
}

TEST(ExchangeProperty, the_estimate_is_off_by_half_the_delay_at_most) {
  const ExchangeLimits limits{.client_drift_ppb = 0, .server_drift_ppb = 0};
  World world(4);
  for (int n = 0; n < 300'000; ++n) {
    const Happened it = world.exchange(limits);
    const ExchangeEstimate guess = estimate(it.stamps, limits).value();
    // The true offset of the two clocks, from the server's reading at t3 and the true time that has passed until t4.
    const auto arrived_ns = static_cast<std::int64_t>(it.true_at_t4_ps / 1'000);
    const Int128 server_error = it.stamps.t3.ns - it.said.earliest.ns;
    if (it.said.width() > Duration{1}) continue;  // only where the statement is the true time
    const Int128 offset = server_error + arrived_ns - it.stamps.t4.ns;
    const Int128 off = offset - guess.offset.ns;
    ASSERT_LE(off < 0 ? -off : off, guess.delay.ns / 2 + 3) << n;
  }
}

}  // namespace
}  // namespace gnomon::time
