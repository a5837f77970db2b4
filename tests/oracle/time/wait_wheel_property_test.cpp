// SPDX-License-Identifier: Apache-2.0
//
// The commit-wait wheel against a sorted map, under a clock that stands still, jumps and goes back. The checker knows
// nothing about wheels, so it is also given wheels with a planted fault: it must find each of them, or it proves
// nothing.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <utility>

#include "oracle/time/wait_wheel.hpp"

namespace gnomon::time {
namespace {

const Tai kStart{1'767'225'637'000'000'000};

/// As large as a parked request; the rest tells a payload that was mixed up.
struct Request {
  std::uint64_t id = 0;
  std::array<std::uint64_t, 14> rest{};

  static Request numbered(std::uint64_t id) {
    Request request{.id = id};
    for (std::uint64_t i = 0; i < request.rest.size(); ++i)
      request.rest[i] = id * 31 + i;
    return request;
  }
  friend bool operator==(const Request&, const Request&) = default;
};

enum class Fault : std::uint8_t {
  kNone,
  kReleasesAtEqual,    // at earliest >= t
  kTrustsOldEarliest,  // releases by the largest earliest that it ever saw
  kReleasesTooEarly,   // rounds t down to its granule
  kLate,               // two granules late
  kForgets,            // loses one in a thousand
  kDoubles,            // releases one in a thousand twice
  kIgnoresItsBound,    // of entries per poll
  kSleepsTooLong,      // next_due() a nanosecond after the first
  kGrows,              // takes more than its capacity
};

/// A wheel that is a map: right if slow, but for its fault.
class FaultyWheel {
 public:
  FaultyWheel(const WaitWheelOptions& options, Fault fault) : options_(options), fault_(fault) {}

  [[nodiscard]] bool push(Tai t, const Request& request) {
    if (size() >= options_.capacity + (fault_ == Fault::kGrows ? 1 : 0)) return false;
    entries_.emplace(t, request);
    return true;
  }
  template <typename Release>
  std::uint32_t poll(Tai earliest, std::uint32_t max_looks, Release&& release) {
    latest_seen_ = std::max(latest_seen_, earliest);
    if (fault_ == Fault::kTrustsOldEarliest) earliest = latest_seen_;
    std::uint32_t released = 0;
    while (!entries_.empty() && is_due(entries_.begin()->first, earliest)) {
      if (released == max_looks && fault_ != Fault::kIgnoresItsBound) break;
      ++released;
      ++work_.looks;
      const auto [t, request] = *entries_.begin();
      entries_.erase(entries_.begin());
      const bool is_chosen = work_.looks % 1000 == 0;
      if (is_chosen && fault_ == Fault::kForgets) continue;
      if (is_chosen && fault_ == Fault::kDoubles) release(t, request);
      release(t, request);
    }
    return released;
  }
  template <typename Release>
  std::uint32_t drain(std::uint32_t max_looks, Release&& release) {
    std::uint32_t given = 0;
    for (; given < max_looks && !entries_.empty(); ++given) {
      release(entries_.begin()->first, entries_.begin()->second);
      entries_.erase(entries_.begin());
    }
    return given;
  }
  [[nodiscard]] std::optional<Tai> next_due() const {
    if (entries_.empty()) return std::nullopt;
    const Tai first = entries_.begin()->first;
    return fault_ == Fault::kSleepsTooLong ? saturating_add(first, {1}) : first;
  }
  [[nodiscard]] std::uint32_t size() const { return static_cast<std::uint32_t>(entries_.size()); }
  [[nodiscard]] Duration granule() const { return {std::int64_t{1} << options_.granule_bits}; }
  [[nodiscard]] const WaitWheelWork& work() const { return work_; }

 private:
  [[nodiscard]] bool is_due(Tai t, Tai earliest) const {
    if (fault_ == Fault::kReleasesAtEqual) return earliest >= t;
    if (fault_ == Fault::kReleasesTooEarly) return earliest.ns > (t.ns & -granule().ns);
    if (fault_ == Fault::kLate) return earliest > saturating_add(t, granule() * 2);
    return earliest > t;
  }

  WaitWheelOptions options_;
  Fault fault_;
  Tai latest_seen_ = Tai::min();
  std::multimap<Tai, Request> entries_;
  WaitWheelWork work_;
};

/// Drives a wheel with random operations and says what it did wrong first.
template <typename Wheel>
class Checker {
 public:
  Checker(Wheel& wheel, const WaitWheelOptions& options, std::uint64_t seed)
      : wheel_(wheel),
        capacity_(options.capacity),
        granule_(wheel.granule()),
        round_(granule_ * (std::int64_t{1} << options.slot_bits)),
        random_(seed) {}

  std::string run(int operations) {
    for (step_ = 0; step_ < operations && wrong_.empty(); ++step_) {
      const std::int64_t kind = pick(0, 999);
      if (kind < 3)
        drain(static_cast<std::uint32_t>(pick(0, 2 * std::int64_t{capacity_})));
      else if (kind < 500)
        push();
      else
        poll();
      check_state();
    }
    if (wrong_.empty()) drain(capacity_ + 1);
    expect(model_.empty(), "the last drain left entries");
    return wrong_;
  }
  [[nodiscard]] std::uint64_t released() const { return released_; }

 private:
  std::int64_t pick(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
  }
  void expect(bool holds, const std::string& otherwise) {
    if (!holds && wrong_.empty())
      wrong_ = fmt::format("step {}: {} (earliest {}, granule {})", step_, otherwise, earliest_.ns, granule_.ns);
  }
  [[nodiscard]] Tai parked_time() const {
    if (model_.empty()) return earliest_;
    const auto ahead = model_.lower_bound(earliest_);
    return ahead == model_.end() ? model_.begin()->first : ahead->first;
  }

  Tai time_to_wait_for() {
    switch (pick(0, 19)) {
      case 0: return last_;
      case 1: return earliest_;
      case 2: return saturating_add(earliest_, {pick(-3, 3)});
      case 3: return saturating_add(earliest_, granule_ * pick(-5, 5));
      case 4: return saturating_add(earliest_, round_ * pick(-2, 2) + Duration{pick(-2, 2)});
      case 5: return saturating_add(earliest_, {pick(0, round_.ns * 20)});
      case 6: return saturating_add(parked_time(), {pick(-1, 1)});
      case 7: return saturating_add(parked_time(), round_);
      case 8: return pick(0, 40) == 0 ? Tai{static_cast<std::int64_t>(random_())} : last_;
      case 9:
        return pick(0, 40) == 0 ? saturating_add(pick(0, 1) == 0 ? Tai::min() : Tai::max(), {pick(-2, 2)}) : last_;
      default: return saturating_add(earliest_, {pick(0, round_.ns - granule_.ns)});
    }
  }
  Tai next_earliest() {
    // At the ends of the range time can only stand still: not for long, or nothing else is tried.
    if (earliest_ < kStart - seconds(1'000'000'000) || earliest_ > kStart + seconds(1'000'000'000))
      if (pick(0, 3) == 0) return kStart;
    const std::int64_t kind = pick(0, 999);
    if (kind < 100) return earliest_;
    if (kind < 200) return parked_time();
    if (kind < 300) return saturating_add(parked_time(), {pick(-1, 1)});
    if (kind < 350) return saturating_add(parked_time(), granule_ + Duration{pick(-1, 1)});
    if (kind < 380) return saturating_add(earliest_, {-pick(0, granule_.ns * 3)});
    if (kind < 390) return saturating_add(earliest_, {-pick(0, round_.ns * 3)});
    if (kind < 393) return saturating_add(earliest_, round_ * pick(0, 5000));
    if (kind < 395) return saturating_add(earliest_, -round_ * pick(0, 5000));
    if (kind < 397) return kStart;
    if (kind == 397) return pick(0, 3) == 0 ? saturating_add(Tai::max(), {-pick(0, 2)}) : earliest_;
    if (kind == 398) return pick(0, 3) == 0 ? saturating_add(Tai::min(), {pick(0, 2)}) : earliest_;
    if (kind < 450) return saturating_add(earliest_, {pick(0, round_.ns)});
    return saturating_add(earliest_, {pick(0, granule_.ns * 4)});
  }

  void push() {
    const Tai t = time_to_wait_for();
    last_ = t;
    const bool fits = model_.size() < capacity_;
    const std::uint64_t id = next_id_++;
    expect(wheel_.push(t, Request::numbered(id)) == fits, "push is refused if and only if the wheel is full");
    if (fits) model_.emplace(t, id);
  }

  /// The model's entry is taken out; false if there was none.
  bool take(Tai t, const Request& request) {
    for (auto [at, end] = model_.equal_range(t); at != end; ++at) {
      if (at->second != request.id) continue;
      model_.erase(at);
      return request == Request::numbered(request.id);
    }
    return false;
  }

  void poll() {
    static constexpr std::array<std::uint32_t, 5> kBounds{0, 1, 5, 64, 1'000'000};
    const std::uint32_t bound = kBounds[static_cast<std::size_t>(pick(0, 4))];
    earliest_ = next_earliest();
    const std::uint64_t looks_before = wheel_.work().looks;
    std::uint32_t called = 0;
    const std::uint32_t released = wheel_.poll(earliest_, bound, [&](Tai t, const Request& request) {
      ++called;
      expect(t < earliest_, fmt::format("released {} ns early", saturating_sub(saturating_add(t, {1}), earliest_).ns));
      expect(take(t, request), "released what was not parked");
    });
    released_ += called;
    const std::uint64_t looks = wheel_.work().looks - looks_before;
    expect(called == released, "poll returns what it released");
    expect(looks <= bound && released <= looks, fmt::format("{} looks and {} released of {}", looks, released, bound));
    expect(looks < kBounds.back(), "the poll does not come to an end");
    if (looks == bound || model_.empty()) return;  // may be unfinished
    const Tai first = model_.begin()->first;
    const bool has_passed = first <= saturating_add(Tai::max(), -granule_) && first + granule_ <= earliest_;
    expect(!has_passed, fmt::format("{} is due for more than a granule", first.ns));
  }

  void drain(std::uint32_t bound) {
    const std::size_t parked = model_.size();
    const std::uint32_t given = wheel_.drain(
        bound, [&](Tai t, const Request& request) { expect(take(t, request), "gave back what was not parked"); });
    expect(given == std::min<std::size_t>(bound, parked), "drain gives back its bound, or all");
  }

  void check_state() {
    expect(wheel_.size() == model_.size(), "size");
    const std::optional<Tai> due = wheel_.next_due();
    expect(due.has_value() != model_.empty(), "next_due is nothing if and only if nothing waits");
    if (due && !model_.empty()) expect(*due <= model_.begin()->first, "next_due is after the first");
  }

  Wheel& wheel_;
  std::uint32_t capacity_;
  Duration granule_;
  Duration round_;
  std::mt19937_64 random_;
  std::multimap<Tai, std::uint64_t> model_;
  Tai earliest_ = kStart;
  Tai last_ = kStart;
  std::uint64_t next_id_ = 1;
  std::uint64_t released_ = 0;
  int step_ = 0;
  std::string wrong_;
};

constexpr std::array<WaitWheelOptions, 10> kShapes{{
    {.capacity = 1, .granule_bits = 13, .slot_bits = 17},
    {.capacity = 2, .granule_bits = 4, .slot_bits = 1},
    {.capacity = 7, .granule_bits = 4, .slot_bits = 3},
    {.capacity = 50, .granule_bits = 13, .slot_bits = 6},
    {.capacity = 200, .granule_bits = 13, .slot_bits = 17},
    {.capacity = 300, .granule_bits = 4, .slot_bits = 8},
    {.capacity = 1'000, .granule_bits = 20, .slot_bits = 12},
    {.capacity = 3'000, .granule_bits = 13, .slot_bits = 10},
    {.capacity = 20'000, .granule_bits = 13, .slot_bits = 17},
    {.capacity = 500, .granule_bits = 40, .slot_bits = 7},
}};

std::string text_of(const WaitWheelOptions& shape) {
  return fmt::format("capacity {}, granule 2^{} ns, 2^{} slots", shape.capacity, shape.granule_bits, shape.slot_bits);
}

TEST(WaitWheelProperty, agrees_with_a_sorted_map_whatever_the_clock_does) {
  const int operations = std::getenv("GNOMON_TEST_FULL") != nullptr ? 1'000'000 : 100'000;
  for (const WaitWheelOptions& shape : kShapes) {
    for (std::uint64_t seed = 1; seed <= 2; ++seed) {
      WaitWheel<Request> wheel(shape);
      Checker checker(wheel, shape, seed);
      ASSERT_EQ(checker.run(operations), "") << text_of(shape) << ", seed " << seed;
      EXPECT_GT(checker.released(), static_cast<std::uint64_t>(operations) / 20) << text_of(shape);
    }
  }
}

TEST(WaitWheelProperty, the_checker_accepts_a_slow_wheel_that_is_right) {
  for (const WaitWheelOptions& shape : kShapes) {
    FaultyWheel wheel(shape, Fault::kNone);
    EXPECT_EQ(Checker(wheel, shape, 1).run(20'000), "") << text_of(shape);
  }
}

TEST(WaitWheelProperty, the_checker_finds_each_planted_fault) {
  const auto verdict = [](Fault fault) {
    const WaitWheelOptions& shape = kShapes[3];
    FaultyWheel wheel(shape, fault);
    return Checker(wheel, shape, 1).run(200'000);
  };
  const auto says = [&](Fault fault, const std::string& expected) {
    const std::string found = verdict(fault);
    EXPECT_NE(found.find(expected), std::string::npos) << "fault " << static_cast<int>(fault) << ": '" << found << "'";
  };
  says(Fault::kReleasesAtEqual, "released 1 ns early");
  says(Fault::kTrustsOldEarliest, "ns early");
  says(Fault::kReleasesTooEarly, "ns early");
  says(Fault::kLate, "due for more than a granule");
  says(Fault::kForgets, "poll returns what it released");
  says(Fault::kDoubles, "not parked");
  says(Fault::kIgnoresItsBound, "looks and");
  says(Fault::kSleepsTooLong, "next_due is after the first");
  says(Fault::kGrows, "push is refused");
}

}  // namespace
}  // namespace gnomon::time
