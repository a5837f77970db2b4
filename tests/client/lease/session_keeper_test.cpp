// SPDX-License-Identifier: Apache-2.0
//
// The keeper of a session in virtual time. First what it does step by step; then, with a simulated server, a network
// that loses and delays, and clocks that are slow by what was allowed, the property on which leases rest: while the
// client believes, the server has not let anybody else in. Two canaries show that the property would notice.
#include "client/lease/session_keeper.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

#include "oracle/time/int128.hpp"

namespace gnomon::client {
namespace {

using time::Duration;
using time::milliseconds;
using time::seconds;

HostClocks at(Duration since_start) {
  return {time::Uptime{1'000'000'000} + since_start, time::Uptime{5'000'000'000} + since_start};
}

/// Exact clocks and round numbers: held for 9.8 s of a TTL of 10 s.
KeeperOptions exact() {
  KeeperOptions options;
  options.ttl = seconds(10);
  options.oscillator_ppb = 0;
  return options;
}

constexpr Duration kBelieved = {9'800'000'000 - 1};  // a tick for two truncated readings

SessionKeeper opened(const KeeperOptions& options = exact()) {
  SessionKeeper keeper(options);
  EXPECT_EQ(keeper.tick(at({})).renew->attempt, 1U);
  EXPECT_EQ(keeper.granted(at(milliseconds(1)), 1, options.ttl).tell->belief, Belief::kHeld);
  return keeper;
}

TEST(SessionKeeper, NothingIsHeldBeforeTheFirstGrant) {
  SessionKeeper keeper(exact());
  EXPECT_EQ(keeper.belief(), Belief::kOpening);
  EXPECT_EQ(keeper.next(at({})), Duration{0});
  EXPECT_EQ(keeper.tick(at({})).renew->attempt, 1U);
  EXPECT_FALSE(keeper.holds(at({})));
  EXPECT_EQ(keeper.left(at({})), Duration{0});
  EXPECT_FALSE(keeper.confirmed_since(1));
  EXPECT_FALSE(keeper.tick(at(milliseconds(1))).renew) << "the first attempt is under way";
}

TEST(SessionKeeper, BeliefCountsFromTheSending) {
  SessionKeeper keeper(exact());
  static_cast<void>(keeper.tick(at({})));
  static_cast<void>(keeper.granted(at(seconds(3)), 1, seconds(10)));
  EXPECT_EQ(keeper.left(at(seconds(3))), kBelieved - seconds(3));
  EXPECT_TRUE(keeper.holds(at(kBelieved - Duration{1})));
  EXPECT_FALSE(keeper.holds(at(kBelieved)));
}

TEST(SessionKeeper, ASlowOscillatorIsAllowedFor) {
  KeeperOptions options = exact();
  options.oscillator_ppb = 1'000'000;  // 0.1 %
  const SessionKeeper keeper = opened(options);
  EXPECT_EQ(keeper.left(at(milliseconds(1))).ns, 9'800'000'000 * 999 / 1000 - 1 - 1'000'000);
}

TEST(SessionKeeper, RenewsAtAThirdAndTwiceAsOftenWhileNobodyAnswers) {
  SessionKeeper keeper = opened();
  const Duration heartbeat = seconds(10) / 3;
  EXPECT_EQ(keeper.next(at(milliseconds(1))), heartbeat - milliseconds(1));
  EXPECT_FALSE(keeper.tick(at(heartbeat - Duration{1})).renew);
  EXPECT_EQ(keeper.tick(at(heartbeat)).renew->attempt, 2U);
  EXPECT_EQ(keeper.next(at(heartbeat)), heartbeat / 2);
  EXPECT_EQ(keeper.tick(at(heartbeat + heartbeat / 2)).renew->attempt, 3U);
  static_cast<void>(keeper.failed(at(heartbeat + heartbeat / 2), 3));
  EXPECT_FALSE(keeper.tick(at(heartbeat + heartbeat / 2)).renew) << "a failure is no reason to ask as fast as one can";
  EXPECT_EQ(keeper.tick(at(heartbeat * 2)).renew->attempt, 4U);
}

TEST(SessionKeeper, DangerComesBeforeTheEndAndPasses) {
  SessionKeeper keeper = opened();
  const Duration danger = kBelieved - seconds(2);
  static_cast<void>(keeper.tick(at(seconds(4))));  // attempt 2
  EXPECT_FALSE(keeper.tick(at(danger - Duration{1})).tell);
  EXPECT_EQ(keeper.tick(at(danger)).tell->belief, Belief::kDanger);
  EXPECT_TRUE(keeper.holds(at(danger))) << "it is told while there is time";
  EXPECT_EQ(keeper.granted(at(seconds(8)), 2, seconds(10)).tell->belief, Belief::kHeld);
  EXPECT_EQ(keeper.left(at(seconds(8))), kBelieved - seconds(4));
}

TEST(SessionKeeper, TheEndIsToldOnceAndIsFinal) {
  SessionKeeper keeper = opened();
  const auto renewal = keeper.tick(at(seconds(9))).renew;
  ASSERT_TRUE(renewal);
  EXPECT_EQ(keeper.tick(at(kBelieved)).tell->belief, Belief::kLost);
  EXPECT_FALSE(keeper.tick(at(kBelieved)).tell);
  EXPECT_FALSE(keeper.granted(at(kBelieved), renewal->attempt, seconds(10)).tell);
  EXPECT_FALSE(keeper.holds(at(kBelieved)));
  EXPECT_FALSE(keeper.renew_now(at(kBelieved)).renew);
}

// Without a tick in between: whoever asked `holds` was told no, and must not be told yes again.
TEST(SessionKeeper, AnAnswerAfterTheEndRevivesNothing) {
  SessionKeeper keeper = opened();
  const auto renewal = keeper.tick(at(seconds(9))).renew;
  EXPECT_FALSE(keeper.holds(at(kBelieved)));
  EXPECT_EQ(keeper.granted(at(kBelieved + Duration{1}), renewal->attempt, seconds(10)).tell->belief, Belief::kLost);
  EXPECT_FALSE(keeper.holds(at(kBelieved + Duration{1})));
}

TEST(SessionKeeper, AnOldAttemptEarnsNoMoreThanItsOwnSending) {
  SessionKeeper keeper = opened();
  const auto second = keeper.renew_now(at(seconds(4))).renew->attempt;
  const auto third = keeper.renew_now(at(seconds(6))).renew->attempt;
  static_cast<void>(keeper.granted(at(seconds(7)), second, seconds(10)));
  EXPECT_EQ(keeper.left(at(seconds(7))), kBelieved + seconds(4) - seconds(7));
  EXPECT_TRUE(keeper.confirmed_since(second));
  EXPECT_FALSE(keeper.confirmed_since(third));
  static_cast<void>(keeper.granted(at(seconds(7)), third, seconds(10)));
  EXPECT_EQ(keeper.left(at(seconds(7))), kBelieved + seconds(6) - seconds(7));
  static_cast<void>(keeper.granted(at(seconds(7)), second, seconds(100)));  // answered already: nobody's
  EXPECT_EQ(keeper.left(at(seconds(7))), kBelieved + seconds(6) - seconds(7));
}

TEST(SessionKeeper, ANewerGrantIsNotShortenedByAnOlderOne) {
  SessionKeeper keeper = opened();
  const auto second = keeper.renew_now(at(seconds(1))).renew->attempt;
  const auto third = keeper.renew_now(at(seconds(2))).renew->attempt;
  static_cast<void>(keeper.granted(at(seconds(3)), third, seconds(10)));
  static_cast<void>(keeper.granted(at(seconds(3)), second, seconds(10)));
  EXPECT_EQ(keeper.left(at(seconds(3))), kBelieved + seconds(2) - seconds(3));
}

TEST(SessionKeeper, ASmallerTtlShortensNothingAndALargerOneCountsFromItsSending) {
  SessionKeeper keeper = opened();
  static_cast<void>(keeper.granted(at(seconds(2)), keeper.renew_now(at(seconds(1))).renew->attempt, seconds(2)));
  EXPECT_EQ(keeper.left(at(seconds(2))), kBelieved - seconds(2)) << "the server keeps its longer promise, too";
  static_cast<void>(keeper.granted(at(seconds(4)), keeper.renew_now(at(seconds(3))).renew->attempt, seconds(20)));
  EXPECT_EQ(keeper.left(at(seconds(4))), kBelieved + seconds(10) + seconds(3) - seconds(4));
}

TEST(SessionKeeper, TheRhythmFollowsASmallerGrant) {
  SessionKeeper keeper(exact());
  static_cast<void>(keeper.tick(at({})));
  EXPECT_EQ(keeper.granted(at({}), 1, seconds(4)).tell->belief, Belief::kHeld);
  EXPECT_EQ(keeper.next(at({})), seconds(10) / 3 * 4 / 10);
}

TEST(SessionKeeper, ASuspendIsSeenByOneClockOnly) {
  const SessionKeeper keeper = opened();
  HostClocks now = at(seconds(1));
  now.uptime = now.uptime + seconds(8);  // asleep for 8 s, of which the steady clock knows nothing
  EXPECT_TRUE(keeper.holds(now));
  EXPECT_EQ(keeper.left(now), kBelieved - seconds(9));
  now.uptime = now.uptime + seconds(1);
  EXPECT_FALSE(keeper.holds(now));
  HostClocks slewed = at(seconds(1));
  slewed.steady = slewed.steady + seconds(9);
  EXPECT_FALSE(keeper.holds(slewed)) << "nor is the other clock trusted alone";
}

TEST(SessionKeeper, AClockThatGoesBackwardsEndsIt) {
  for (const bool steady : {true, false}) {
    SessionKeeper keeper = opened();
    static_cast<void>(keeper.tick(at(seconds(2))));
    HostClocks now = at(seconds(3));
    (steady ? now.steady : now.uptime) = (steady ? now.steady : now.uptime) - seconds(1) - Duration{1};
    EXPECT_FALSE(keeper.holds(now));
    EXPECT_EQ(keeper.left(now), Duration{0});
    EXPECT_EQ(keeper.next(now), Duration{0}) << "at once";
    EXPECT_EQ(keeper.tick(now).tell->belief, Belief::kLost);
    EXPECT_FALSE(keeper.holds(at(seconds(4)))) << "also when it goes on again";
  }
}

TEST(SessionKeeper, ARefusalEndsItWhateverWasGranted) {
  SessionKeeper keeper = opened();
  EXPECT_EQ(keeper.refused(at(seconds(1))).tell->belief, Belief::kLost);
  EXPECT_FALSE(keeper.holds(at(seconds(1))));
  EXPECT_FALSE(keeper.confirmed_since(1));
}

TEST(SessionKeeper, AnOpeningWhoseAnswerIsTooLateIsTriedAgain) {
  SessionKeeper keeper(exact());
  static_cast<void>(keeper.tick(at({})));
  const auto second = keeper.tick(at(seconds(9))).renew;
  ASSERT_TRUE(second);
  EXPECT_FALSE(keeper.granted(at(seconds(10)), 1, seconds(10)).tell);
  EXPECT_EQ(keeper.belief(), Belief::kOpening);
  EXPECT_EQ(keeper.granted(at(seconds(10)), second->attempt, seconds(10)).tell->belief, Belief::kHeld);
}

TEST(SessionKeeper, NonsenseFromTheServerEarnsNothing) {
  SessionKeeper keeper(exact());
  static_cast<void>(keeper.tick(at({})));
  for (const Duration ttl : {Duration{0}, Duration{-1}, Duration{INT64_MIN}}) {
    static_cast<void>(keeper.granted(at({}), keeper.last_attempt(), ttl));
    EXPECT_FALSE(keeper.holds(at({})));
    static_cast<void>(keeper.renew_now(at({})));
  }
  static_cast<void>(keeper.granted(at({}), 99, seconds(10)));
  EXPECT_EQ(keeper.belief(), Belief::kOpening) << "an attempt that was never made";
  static_cast<void>(keeper.granted(at({}), keeper.last_attempt(), Duration{INT64_MAX}));
  EXPECT_TRUE(keeper.holds(at(seconds(1)))) << "and no overflow";
}

TEST(SessionKeeper, OptionsThatCantWorkAreRefused) {
  const auto refused = [](auto change) {
    KeeperOptions options;
    change(options);
    const auto found = checked(options);
    return !found && !found.error().empty();
  };
  EXPECT_TRUE(checked({}));
  EXPECT_EQ(checked({})->heartbeat, seconds(10) / 3);
  EXPECT_TRUE(refused([](KeeperOptions& o) { o.ttl = {}; }));
  EXPECT_TRUE(refused([](KeeperOptions& o) { o.ttl = seconds(-1); }));
  EXPECT_TRUE(refused([](KeeperOptions& o) { o.danger = seconds(10); }));
  EXPECT_TRUE(refused([](KeeperOptions& o) { o.margin = o.danger = seconds(1); }));
  EXPECT_TRUE(refused([](KeeperOptions& o) { o.margin = seconds(-1); }));
  EXPECT_TRUE(refused([](KeeperOptions& o) { o.heartbeat = seconds(8); }));
  EXPECT_TRUE(refused([](KeeperOptions& o) { o.heartbeat = seconds(-1); }));
  EXPECT_TRUE(refused([](KeeperOptions& o) { o.attempt = Duration{1}; }));
  EXPECT_TRUE(refused([](KeeperOptions& o) { o.attempt = seconds(4); }));
  EXPECT_TRUE(refused([](KeeperOptions& o) { o.oscillator_ppb = -1; }));
  EXPECT_TRUE(refused([](KeeperOptions& o) { o.oscillator_ppb = 1'000'000'000; }));
}

/// A host, a network and a server in virtual true time. The server's promise: nobody else before `expiry`.
class World {
 public:
  enum class Counting : std::uint8_t { kFromTheSending, kFromTheAnswer, kBySteadyAlone };

  World(std::uint64_t seed, Counting counting) : random_(seed), counting_(counting), keeper_(options()) {
    steady_ppb_ = pick(-kPpb, kPpb);
    uptime_ppb_ = pick(-kPpb, kPpb);
    if (pick(0, 2) == 0) steady_ppb_ = uptime_ppb_ = -kPpb;  // both as slow as they may be
  }

  /// How often the client believed after the server's promise; how often it was asked while it believed.
  struct Found {
    int violations = 0;
    int believed = 0;
    int lost = 0;
  };
  Found run(int steps) {
    Found found;
    for (int step = 0; step < steps && keeper_.belief() != Belief::kLost; ++step) {
      now_ = now_ + Duration{pick(0, pick(0, 30) == 0 ? 900'000'000 : 40'000'000)};
      if (pick(0, 150) == 0) {  // a suspend, which the steady clock does not see
        const Duration sleep{pick(0, 12'000'000'000)};
        now_ = now_ + sleep;
        slept_ = slept_ + sleep;
      }
      deliver();
      if (keeper_.holds(clocks())) {
        ++found.believed;
        if (now_ >= expiry_) ++found.violations;
      }
      if (pick(0, 3) != 0) follow(keeper_.tick(clocks()));  // a tick may be late
    }
    found.lost = keeper_.belief() == Belief::kLost ? 1 : 0;
    return found;
  }

 private:
  static constexpr std::int64_t kPpb = 500'000;
  static KeeperOptions options() {
    KeeperOptions options;
    options.ttl = seconds(3);
    options.margin = Duration{1};  // so that nothing but the counting itself keeps the promise
    options.oscillator_ppb = kPpb;
    return options;
  }
  std::int64_t pick(std::int64_t from, std::int64_t to) {
    return std::uniform_int_distribution<std::int64_t>(from, to)(random_);
  }
  [[nodiscard]] static Duration shown(Duration truth, std::int64_t ppb) {
    return {static_cast<std::int64_t>(time::Int128{truth.ns} * (1'000'000'000 + ppb) / 1'000'000'000)};
  }
  [[nodiscard]] HostClocks clocks() const {
    HostClocks now{time::Uptime{0} + shown(now_ - slept_, steady_ppb_), time::Uptime{0} + shown(now_, uptime_ppb_)};
    if (counting_ == Counting::kBySteadyAlone) now.uptime = now.steady;
    return now;
  }
  void follow(const KeeperEffects& effects) {
    if (!effects.renew || pick(0, 5) == 0) return;  // or the request is lost
    requests_.emplace(now_ + delay(), effects.renew->attempt);
  }
  Duration delay() { return {pick(0, 8) == 0 ? pick(0, 4'000'000'000) : pick(50'000, 200'000'000)}; }
  void deliver() {
    while (!requests_.empty() && requests_.begin()->first <= now_) {
      const auto [when, attempt] = *requests_.begin();
      requests_.erase(requests_.begin());
      // Somebody takes the session over as soon as it may be; then it is refused for good.
      if (expiry_ != Duration{} && when >= expiry_) continue;
      const Duration ttl{pick(0, 4) == 0 ? pick(1'000'000'000, 6'000'000'000) : 3'000'000'000};
      expiry_ = std::max(expiry_, when + ttl);
      if (pick(0, 6) != 0) answers_.emplace(when + delay(), std::pair{attempt, ttl});
    }
    while (!answers_.empty() && answers_.begin()->first <= now_) {
      auto [attempt, ttl] = answers_.begin()->second;
      answers_.erase(answers_.begin());
      if (counting_ == Counting::kFromTheAnswer) {
        const auto renew = keeper_.renew_now(clocks()).renew;  // as if it had been sent only now
        if (renew) attempt = renew->attempt;
      }
      static_cast<void>(keeper_.granted(clocks(), attempt, ttl));
    }
  }

  std::mt19937_64 random_;
  Counting counting_;
  SessionKeeper keeper_;
  std::int64_t steady_ppb_ = 0;
  std::int64_t uptime_ppb_ = 0;
  Duration now_;
  Duration slept_;
  Duration expiry_;
  std::multimap<Duration, std::uint64_t> requests_;
  std::multimap<Duration, std::pair<std::uint64_t, Duration>> answers_;
};

World::Found run_worlds(World::Counting counting) {
  World::Found all;
  for (std::uint64_t seed = 1; seed <= 2'000; ++seed) {
    const World::Found found = World(seed, counting).run(600);
    if (found.violations > 0 && counting == World::Counting::kFromTheSending)
      ADD_FAILURE() << "seed " << seed << ": it believed after the server's promise";
    all.violations += found.violations;
    all.believed += found.believed;
    all.lost += found.lost;
  }
  return all;
}

TEST(SessionKeeperProperty, WhileTheClientBelievesTheServerHasLetNobodyElseIn) {
  const World::Found all = run_worlds(World::Counting::kFromTheSending);
  EXPECT_EQ(all.violations, 0);
  EXPECT_GT(all.believed, 100'000) << "a keeper that never believes keeps every promise";
  EXPECT_GT(all.lost, 100) << "and one that is never in trouble is not tried";
}

TEST(SessionKeeperProperty, ACanaryThatCountsFromTheAnswerIsCaught) {
  EXPECT_GT(run_worlds(World::Counting::kFromTheAnswer).violations, 0);
}

TEST(SessionKeeperProperty, ACanaryThatSleepsThroughASuspendIsCaught) {
  EXPECT_GT(run_worlds(World::Counting::kBySteadyAlone).violations, 0);
}

}  // namespace
}  // namespace gnomon::client
