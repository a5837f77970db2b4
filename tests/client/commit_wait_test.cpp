// SPDX-License-Identifier: Apache-2.0
//
// Commit-waits in virtual time, under random clocks against a ground truth. The true time runs; every 10 ms the clock
// publishes another interval that contains it, of a random width and place, whose earlier end then moves on at a rate
// of its own: so it jumps ahead, stays behind and goes back. Sleeps end late or, by a signal, early; every call costs
// time, and at times the thread is paused in the middle of one.
//
//   never early:   when a wait returns, t has passed, by the interval returned and in truth
//   prompt:        it returns within a nap, and what the thread was held up, of the moment since which earliest > t
//   never for ever, and never for nothing: an error is one that holds
//
// Canaries: the same waiter with a clock that calls the later end the earlier one, which is a release at latest > t,
// and the same waiter with naps that are far too long; both must be found.
#include "client/commit_wait.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>

namespace gnomon::client {
namespace {

constexpr time::Tai kStart{1'790'000'000'000'000'000};
constexpr time::Uptime kBoot{77'000'000'000};
constexpr time::Duration kPublished = time::milliseconds(10);
constexpr time::Duration kLate = time::microseconds(60);
constexpr time::Duration kPause = time::milliseconds(30);
constexpr std::int64_t kMillion = 1'000'000;

enum class Plant : std::uint8_t { kNone, kReleaseAtLatest, kLongNaps };

class World {
 public:
  World(std::uint64_t seed, Plant plant) : random_(seed), plant_(plant), pauses_(below(2) == 0) { publish(); }

  /// What went wrong first; empty if nothing did.
  [[nodiscard]] std::string run() {
    for (int i = 0; i < 20 && broken_.empty(); ++i) {
      pass(up_to(time::milliseconds(5)));
      lost_at_.reset();
      if (below(10) == 0) lost_at_ = uptime_ + up_to(time::milliseconds(40));
      wait_once();
    }
    return broken_;
  }

  [[nodiscard]] const std::map<std::string, int>& outcomes() const { return outcomes_; }

 private:
  void must(bool holds, const char* otherwise) {
    if (!holds && broken_.empty()) broken_ = otherwise;
  }
  std::uint64_t below(std::uint64_t n) { return random_() % n; }
  time::Duration up_to(time::Duration d) {
    return {static_cast<std::int64_t>(below(static_cast<std::uint64_t>(d.ns) + 1))};
  }

  [[nodiscard]] time::Tai truth() const { return kStart + (uptime_ - kBoot); }
  [[nodiscard]] time::Duration age() const { return uptime_ - published_at_; }
  // Within the oscillator's bound the ends move on by a little less and a little more than the true time does.
  [[nodiscard]] time::Interval interval() const {
    return {earliest_ + age() - time::Duration{age().ns * slow_ppm_ / kMillion},
            latest_ + age() + time::Duration{age().ns * fast_ppm_ / kMillion}};
  }

  void publish() {
    if (below(20) == 0) width_ = up_to(below(4) == 0 ? time::milliseconds(60) : time::microseconds(300));
    published_at_ = uptime_;
    const time::Duration before = up_to(width_);
    earliest_ = truth() - before;
    latest_ = truth() + (width_ - before);
    slow_ppm_ = static_cast<std::int64_t>(below(500));
    fast_ppm_ = static_cast<std::int64_t>(below(500));
  }

  // From one publication to the next, and within that to the moment at which earliest passes t, to learn that moment.
  void pass(time::Duration by) {
    const time::Uptime until = uptime_ + by;
    while (true) {
      const time::Uptime next = std::min(until, published_at_ + kPublished);
      look_for_passing(next);
      uptime_ = next;
      if (uptime_ == until) return;
      publish();
    }
  }

  // Since when earliest > t without a break; the line is straight until `next`.
  void look_for_passing(time::Uptime next) {
    if (interval().earliest > t_) {
      if (!passed_since_) passed_since_ = uptime_;
      return;
    }
    passed_since_.reset();
    const time::Uptime before = uptime_;
    uptime_ = next;
    if (interval().earliest > t_) passed_since_ = before + (t_ - earliest_at(before));
    uptime_ = before;
  }
  [[nodiscard]] time::Tai earliest_at(time::Uptime here) {
    const time::Uptime kept = std::exchange(uptime_, here);
    const time::Tai earliest = interval().earliest;
    uptime_ = kept;
    return earliest;
  }

  void spend() {
    pass(time::nanoseconds(20) + up_to(time::nanoseconds(200)));
    if (pauses_ && below(200) == 0) pass(up_to(kPause));
  }

  [[nodiscard]] bool lost() const { return lost_at_ && uptime_ >= *lost_at_; }

  Result<time::Interval> now() {
    spend();
    if (lost()) return tl::make_unexpected(Error{ErrorKind::kClockUnsynchronised, "it is gone", {}, {}});
    time::Interval seen = interval();
    if (plant_ == Plant::kReleaseAtLatest) seen.earliest = seen.latest;
    read_ = seen;
    spend();
    return seen;
  }
  void sleep_for(time::Duration d) {
    must(d > time::Duration{0} && d <= kNap, "a sleep of no length, or longer than a nap");
    if (plant_ == Plant::kLongNaps) d = d * 8;
    if (below(20) == 0)
      pass(up_to(d));  // a signal
    else
      pass(d + up_to(kLate));
    spend();
  }

  void choose_t() {
    const time::Interval here = interval();
    switch (below(6)) {
      case 0: t_ = here.earliest - up_to(time::milliseconds(1)); break;
      case 1: t_ = here.latest; break;
      case 2: t_ = here.latest + up_to(time::milliseconds(400)); break;
      case 3: t_ = here.earliest + up_to(time::microseconds(300)); break;
      default: t_ = here.latest + up_to(time::milliseconds(3)); break;
    }
    passed_since_.reset();
  }

  void wait_once() {
    choose_t();
    const time::Duration limit = time::milliseconds(200);
    const time::Uptime began = uptime_;
    const auto waited = wait_past(
        t_, limit, [this] { return now(); }, [this](time::Duration d) { sleep_for(d); },
        [this] {
          spend();
          return uptime_;
        });
    look_for_passing(uptime_);
    if (waited) {
      check_passed(*waited);
    } else {
      check_error(waited.error(), limit, began);
    }
    ++outcomes_[waited ? "passed" : std::string(text_of(waited.error().kind))];
  }

  void check_passed(const time::Interval& seen) {
    must(seen == read_, "an interval that the clock did not give last");
    must(seen.earliest > t_, "returned early, by the clock's own word");
    must(truth() > t_, "returned early");
    if (plant_ == Plant::kReleaseAtLatest) return;
    must(seen.earliest <= truth(), "not contained");
    // It went into its nap, or was held up, just before t had passed; then it looked again, and went home.
    const time::Duration held_up = pauses_ ? kPause * 4 : time::Duration{0};
    if (passed_since_) must(uptime_ - *passed_since_ <= kNap + kLate + time::microseconds(2) + held_up, "it slept on");
  }

  void check_error(const Error& error, time::Duration limit, time::Uptime began) {
    switch (error.kind) {
      case ErrorKind::kTooFar:
        must(t_ - read_.latest > limit, "not too far");
        must(uptime_ - began <= time::microseconds(1) + kPause * 2, "refused, but not at once");
        break;
      case ErrorKind::kClockUnsynchronised:
        must(lost(), "the clock is not lost");
        must(error.text.find("it is gone") != std::string::npos, "not the clock's own words");
        must(uptime_ - *lost_at_ <= kNap + kLate + time::microseconds(2) + kPause * 4, "a lost clock seen late");
        break;
      default: must(false, "an error that can't be");
    }
  }

  std::mt19937_64 random_;
  Plant plant_;
  bool pauses_;
  time::Uptime uptime_ = kBoot;
  time::Duration width_ = time::microseconds(200);
  time::Uptime published_at_;
  time::Tai earliest_;
  time::Tai latest_;
  std::int64_t slow_ppm_ = 0;
  std::int64_t fast_ppm_ = 0;
  time::Interval read_;
  time::Tai t_ = time::Tai::max();
  std::optional<time::Uptime> passed_since_;
  std::optional<time::Uptime> lost_at_;
  std::map<std::string, int> outcomes_;
  std::string broken_;
};

TEST(CommitWaitProperty, NobodyReturnsEarlyOrSleepsOnWhateverTheClockDoes) {
  const std::uint64_t worlds = std::getenv("GNOMON_TEST_FULL") != nullptr ? 10'000 : 1000;
  std::map<std::string, int> outcomes;
  for (std::uint64_t seed = 1; seed <= worlds; ++seed) {
    World world(seed, Plant::kNone);
    ASSERT_EQ(world.run(), "") << "seed " << seed;
    for (const auto& [outcome, times] : world.outcomes())
      outcomes[outcome] += times;
  }
  for (const char* const outcome : {"passed", "too_far", "clock_unsynchronised"})
    EXPECT_GT(outcomes[outcome], static_cast<int>(worlds / 5)) << outcome;
}

// Among so many worlds; whether a single one shows it is chance.
std::map<std::string, int> found_in_worlds(Plant plant) {
  std::map<std::string, int> found;
  for (std::uint64_t seed = 1; seed <= 50; ++seed)
    ++found[World(seed, plant).run()];
  return found;
}

TEST(CommitWaitCanary, AReleaseAtLatestIsFound) {
  EXPECT_GT(found_in_worlds(Plant::kReleaseAtLatest)["returned early"], 40);
}

TEST(CommitWaitCanary, NapsThatAreTooLongAreFound) { EXPECT_GT(found_in_worlds(Plant::kLongNaps)["it slept on"], 10); }

// --- single rules
// -----------------------------------------------------------------------------------------------------

/// A clock whose interval is whatever `interval_at` makes of the time that has passed.
struct Bench {
  std::function<Result<time::Interval>(time::Duration)> interval_at;
  time::Duration passed{};
  int sleeps = 0;
  int looks = 0;

  Result<time::Interval> wait(time::Tai t, time::Duration limit) {
    return wait_past(
        t, limit,
        [this] {
          ++looks;
          passed = passed + time::microseconds(1);
          return interval_at(passed);
        },
        [this](time::Duration d) {
          ++sleeps;
          passed = passed + d;
        },
        [this] { return kBoot + passed; });
  }
};

time::Interval around(time::Tai t, time::Duration epsilon) { return {t - epsilon, t + epsilon}; }

Bench exact_clock(time::Duration epsilon) {
  return {[epsilon](time::Duration passed) -> Result<time::Interval> { return around(kStart + passed, epsilon); }};
}

TEST(CommitWait, WhatHasPassedIsNotWaitedFor) {
  Bench bench = exact_clock(time::microseconds(5));
  const auto passed = bench.wait(kStart - time::microseconds(10), time::Duration{0});
  ASSERT_TRUE(passed);
  EXPECT_EQ(bench.looks, 1);
  EXPECT_EQ(bench.sleeps, 0);
}

TEST(CommitWait, AShortOneSpinsAndALongOneSleepsFirst) {
  Bench spinning = exact_clock(time::microseconds(20));
  ASSERT_TRUE(spinning.wait(kStart + time::microseconds(21), time::milliseconds(1)));
  EXPECT_EQ(spinning.sleeps, 0);
  EXPECT_GT(spinning.looks, 30);
  Bench sleeping = exact_clock(time::microseconds(20));
  ASSERT_TRUE(sleeping.wait(kStart + time::milliseconds(25), time::seconds(1)));
  EXPECT_EQ(sleeping.sleeps, 3) << "two naps, and the rest";
  EXPECT_LE(sleeping.looks, 110) << "one look a microsecond, for as long as it spins";
}

TEST(CommitWait, NowsLatestIsNeverTooFar) {
  for (const auto epsilon : {time::nanoseconds(1), time::microseconds(100), time::seconds(1), time::seconds(1700)}) {
    Bench bench = exact_clock(epsilon);
    const time::Tai latest = bench.interval_at({})->latest;
    const auto passed = bench.wait(latest, time::Duration{0});
    ASSERT_TRUE(passed) << epsilon.ns << ": " << passed.error().text;
    EXPECT_GT(passed->earliest, latest);
  }
}

TEST(CommitWait, WhatLiesTooFarAheadIsRefusedAtOnceAndSaysByHowMuch) {
  Bench bench = exact_clock(time::microseconds(1));
  const auto refused = bench.wait(kStart + time::milliseconds(250), time::milliseconds(200));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kTooFar);
  EXPECT_NE(refused.error().text.find("it lies 249 ms after"), std::string::npos) << refused.error().text;
  EXPECT_NE(refused.error().text.find("the limit is 200 ms"), std::string::npos) << refused.error().text;
  EXPECT_EQ(bench.looks, 1);
  EXPECT_EQ(bench.sleeps, 0);
  for (const time::Tai t : {time::Tai::max(), time::Tai::max() - time::nanoseconds(1)})
    EXPECT_EQ(bench.wait(t, kLongestCommitWait).error().kind, ErrorKind::kTooFar);
  EXPECT_TRUE(bench.wait(time::Tai::min(), time::Duration{0}));
}

TEST(CommitWait, AnIntervalThatIsOutOfAllBoundsIsNotSatOut) {
  Bench bench = exact_clock(time::seconds(1801));
  const auto refused = bench.wait(kStart + time::seconds(1801), time::Duration{0});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kTooFar);
  EXPECT_EQ(bench.sleeps, 0);
}

TEST(CommitWait, ALimitThatCantBeMeantIsRefusedBeforeTheClockIsAsked) {
  Bench bench = exact_clock(time::microseconds(1));
  for (const auto limit : {time::nanoseconds(-1), kLongestCommitWait + time::nanoseconds(1),
                           time::Duration{std::numeric_limits<std::int64_t>::min()}})
    EXPECT_EQ(bench.wait(kStart, limit).error().kind, ErrorKind::kBadArgument);
  EXPECT_EQ(bench.looks, 0);
}

TEST(CommitWait, AClockThatStandsStillEndsInATimeout) {
  Bench bench{[](time::Duration) -> Result<time::Interval> { return around(kStart, time::milliseconds(1)); }};
  const auto refused = bench.wait(kStart + time::milliseconds(20), time::seconds(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kTimeout);
  EXPECT_GE(bench.passed, time::milliseconds(21) * 2 + kPatience);
  EXPECT_LE(bench.passed, time::milliseconds(21) * 2 + kPatience + kNap);
  EXPECT_NE(refused.error().text.find("it is still 21 ms"), std::string::npos) << refused.error().text;
}

TEST(CommitWait, AClockWhoseEarlierEndIsAsSlowAsCanBeIsWaitedFor) {
  Bench bench{[](time::Duration passed) -> Result<time::Interval> {
    return around(kStart + time::Duration{passed.ns / 2}, time::milliseconds(1));
  }};
  const auto passed = bench.wait(kStart + time::seconds(3000), kLongestCommitWait);
  ASSERT_TRUE(passed) << passed.error().text;
}

TEST(CommitWait, TheErrorOfAClockThatIsLostKeepsWhatItSaid) {
  Bench bench{[](time::Duration passed) -> Result<time::Interval> {
    if (passed < time::milliseconds(30)) return around(kStart + passed, time::milliseconds(1));
    return tl::make_unexpected(Error{ErrorKind::kBusy, "why", time::microseconds(7), "127.0.0.1:9"});
  }};
  const auto refused = bench.wait(kStart + time::milliseconds(100), time::seconds(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::kBusy);
  EXPECT_EQ(refused.error().retry_after, time::microseconds(7));
  EXPECT_EQ(refused.error().server, "127.0.0.1:9");
  EXPECT_NE(refused.error().text.find("lost meanwhile: why"), std::string::npos) << refused.error().text;
  EXPECT_LE(bench.passed, time::milliseconds(30) + kNap);
}

}  // namespace
}  // namespace gnomon::client
