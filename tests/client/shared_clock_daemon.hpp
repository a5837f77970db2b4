// SPDX-License-Identifier: Apache-2.0
//
// A daemon as the tests of SharedClock need it: one that makes, stamps and writes a clock page under a name that nobody
// else has, and does with it what befalls such pages.
//
// Time here is the counter itself: a cycle is a nanosecond of TAI since kOrigin. So what the true time was at a call is
// known exactly, at whatever rate the counter runs.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "client/io_thread.hpp"
#include "client/shared_clock.hpp"
#include "oracle/page/clock_page.hpp"
#include "platform/cycle_counter.hpp"
#include "platform/random.hpp"
#include "platform/shared_page.hpp"

namespace gnomon::client::testing {

using OwnedClockPage = platform::OwnedPage<page::ClockPage>;

constexpr time::CycleRate kOne{std::uint64_t{1} << 32};
constexpr std::int64_t kOrigin = 1'790'000'000'000'000'000;
constexpr std::uint64_t kLong = 1'000'000'000'000;    // cycles: minutes, on any machine
constexpr time::Duration kBound = time::seconds(10);  // for what is to happen within milliseconds

inline time::Tai true_time() { return {kOrigin + static_cast<std::int64_t>(platform::read_cycles().count)}; }

struct Incarnation {
  std::uint64_t number = 1;
};

inline bool says(const Error& error, std::string_view words) { return error.text.find(words) != std::string::npos; }

/// The name of an instance that nobody else has, and what a daemon would do with its page.
class SharedClockTest : public ::testing::Test {
 protected:
  ~SharedClockTest() override { shm_unlink(("/" + name()).c_str()); }

  [[nodiscard]] std::string name() const { return "gnomon." + instance_ + ".clock"; }
  [[nodiscard]] SharedClockOptions options() const { return {.instance = instance_}; }

  void start_daemon(Incarnation incarnation) {
    page_.reset();
    auto created = OwnedClockPage::create(name());
    ASSERT_TRUE(created.has_value()) << created.error().text;
    created->keep_file();
    page_ = std::move(*created);
    page::stamp(**page_, incarnation.number, 2, 3);
  }
  void publish(time::Duration epsilon, std::uint64_t void_after = kLong) {
    time::TrueTimeLine line;
    line.anchor = platform::read_cycles();
    line.void_after = {line.anchor.count + void_after};
    const time::Tai here{kOrigin + static_cast<std::int64_t>(line.anchor.count)};
    line.earliest = here - epsilon;
    line.latest = here + epsilon;
    line.slow = line.fast = kOne;
    line.fault = time::ClockFault::kNone;
    publish(line);
  }
  void publish(const time::TrueTimeLine& line) {
    (*page_)->truth.write(page::PublishedLine::of(line, (*page_)->header.incarnation));
  }
  void refuse(time::ClockFault why) { publish(time::TrueTimeLine::refusing(why)); }

  [[nodiscard]] SharedClock opened() const {
    auto clock = SharedClock::open(options());
    if (!clock) ADD_FAILURE() << clock.error().text;
    return std::move(clock.value());
  }
  [[nodiscard]] Error refused() const {
    const auto clock = SharedClock::open(options());
    EXPECT_FALSE(clock.has_value());
    return clock ? Error{} : clock.error();
  }

  static void expect_contained(SharedClock& clock) {
    const time::Tai before = true_time();
    const auto now = clock.now();
    const time::Tai after = true_time();
    ASSERT_TRUE(now) << now.error().text;
    EXPECT_LE(now->earliest, after);
    EXPECT_GE(now->latest, before);
  }
  /// Until it has a time again; how long that took.
  static std::optional<time::Duration> recovers(SharedClock& clock) {
    const time::Uptime began = read_uptime();
    while (read_uptime() - began < kBound)
      if (clock.now()) return read_uptime() - began;
    return std::nullopt;
  }
  static Error wait_for_error(SharedClock& clock) {
    const time::Uptime began = read_uptime();
    while (read_uptime() - began < kBound)
      if (auto now = clock.now(); !now) return std::move(now.error());
    ADD_FAILURE() << "it goes on giving a time";
    return {};
  }

  std::string instance_ = "test-" + std::to_string(platform::random_u64());
  std::optional<OwnedClockPage> page_;
};

}  // namespace gnomon::client::testing
