// SPDX-License-Identifier: Apache-2.0
//
// The source's clock jumps under a serving daemon (through clock.offset_file; the host's clock is not touched).
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <thread>

#include "oracle/id/codec.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/fleet.hpp"

namespace gnomon::net {
namespace {

using namespace support;

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::int64_t kMs = 1'000'000;
constexpr std::int64_t kSecond = 1000 * kMs;
constexpr std::int64_t kHour = 3600 * kSecond;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int64_t kMaxLead = kSecond;  // the default of rights.max_lead_ms
// How much later than its issue an ID is looked at here, on a loaded machine, never makes it look early; this is for
// the millisecond's rounding and the clock thread's period.
constexpr std::int64_t kSlack = 50 * kMs;

class ClockJump : public testing::TestWithParam<const char*> {
 protected:
  ClockJump()
      : daemon_(folder_.path(), {{"clock.offset_file", offset_path()},
                                 {"clock.confirm_ms", "300"},
                                 {"rights.lead_policy", GetParam()},
                                 {"rights.window_ms", "2000"}}) {
    set_offset(0);
  }
  [[nodiscard]] bool rotates() const { return std::string(GetParam()) == "rotate"; }
  [[nodiscard]] std::string offset_path() const { return (folder_.path() / "offset").string(); }

  void set_offset(std::int64_t ns) {
    offset_ns_ = ns;
    const std::string fresh = offset_path() + ".new";
    std::ofstream(fresh) << ns << '\n';
    std::filesystem::rename(fresh, offset_path());
    std::this_thread::sleep_for(milliseconds(80));  // a few periods of the clock thread
  }

  // Load for a while; every ID must respect the lead budget against the clock as the daemon was told it.
  Tally serve(milliseconds how_long) {
    Ledger ledger;
    Fleet fleet(daemon_.port(), {{.layout = 1, .messages_per_datagram = 22}, {.layout = 2, .count = 7}}, how_long);
    const Tally tally = fleet.join(ledger);
    check_lead(ledger);
    all_.follow_with(std::move(ledger));
    return tally;
  }

  void check_lead(const Ledger& ledger) {
    const std::int64_t source =
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
            .count() +
        offset_ns_;
    const auto layouts = id::builtin_layouts();
    for (const IssuedRange& r : ledger.ranges()) {
      const auto fields = id::decode(layouts[r.layout - 1U], {r.first});
      ASSERT_TRUE(fields.has_value());
      ASSERT_LE(fields->time.ns, source + kMaxLead + kSlack) << "beyond the lead budget";
    }
  }

  Tally serve_until_ids(milliseconds limit) {
    Tally total;
    const auto until = std::chrono::steady_clock::now() + limit;
    while (total.ids == 0 && std::chrono::steady_clock::now() < until)
      total += serve(milliseconds(100));
    return total;
  }

  ScratchFolder folder_;
  std::int64_t offset_ns_ = 0;
  Daemon daemon_;
  Ledger all_;
};

std::uint64_t count(const Tally& tally, wire::Status status) { return tally.by_status[static_cast<int>(status)]; }

TEST_P(ClockJump, BackAndAhead) {
  daemon_.start();
  ASSERT_TRUE(daemon_.wait_ready()) << daemon_.log();
  EXPECT_GT(serve(milliseconds(200)).ids, 0U);

  set_offset(-1 * kMs);
  EXPECT_GT(serve(milliseconds(200)).ids, 0U) << "1 ms back is nothing";

  set_offset(-900 * kMs);
  const Tally within = serve(milliseconds(300));
  EXPECT_GT(within.ids, 0U) << "0.9 s back is within the budget: it just goes on";
  EXPECT_EQ(count(within, wire::Status::kClockBehind), 0U);

  set_offset(-kSecond);  // the budget itself: whichever side of it noise falls on, nothing worse than a typed refusal
  const Tally at_limit = serve(milliseconds(300));
  EXPECT_GT(at_limit.ids + count(at_limit, wire::Status::kClockBehind) + count(at_limit, wire::Status::kNotLeased), 0U);
  EXPECT_EQ(at_limit.silent, 0U);

  const std::size_t rights_before = all_.machines().size();
  set_offset(-kHour);
  const Tally hour_back = serve(milliseconds(1000));
  if (rotates()) {
    EXPECT_GT(hour_back.ids + serve_until_ids(seconds(20)).ids, 0U) << "fresh ids at the right time\n" << daemon_.log();
    EXPECT_GT(all_.machines().size(), rights_before);
  } else {
    EXPECT_EQ(hour_back.ids, 0U);
    EXPECT_GT(count(hour_back, wire::Status::kClockBehind), 0U);
    EXPECT_GT(hour_back.last_retry_us, 3'000'000'000U) << "the retry time is the truth: about an hour";
  }

  set_offset(0);
  EXPECT_GT(serve_until_ids(seconds(20)).ids, 0U) << "right again\n" << daemon_.log();
  std::this_thread::sleep_for(milliseconds(600));  // under rotate: the forward jump of an hour is confirmed meanwhile
  EXPECT_GT(serve_until_ids(seconds(20)).ids, 0U) << daemon_.log();

  set_offset(kDay);
  EXPECT_GT(serve(milliseconds(100)).ids, 0U) << "an unconfirmed jump changes nothing";
  std::this_thread::sleep_for(milliseconds(700));
  EXPECT_GT(serve_until_ids(seconds(20)).ids, 0U) << "the false future is served once it was insisted on";

  set_offset(0);
  const Tally back = serve(milliseconds(1000));
  if (rotates()) {
    EXPECT_GT(back.ids + serve_until_ids(seconds(20)).ids, 0U) << daemon_.log();
  } else {
    EXPECT_EQ(back.ids, 0U) << "a day of lead is not served";
    EXPECT_GT(count(back, wire::Status::kClockBehind), 0U);
    // The way out that never waits: a restart takes fresh ids at the right time.
    EXPECT_EQ(daemon_.stop().code, 0) << daemon_.log();
    daemon_.start();
    ASSERT_TRUE(daemon_.wait_ready()) << daemon_.log();
    EXPECT_GT(serve_until_ids(seconds(20)).ids, 0U) << daemon_.log();
  }
  const Ledger::Duplicates duplicates = all_.duplicates();
  EXPECT_EQ(duplicates.count, 0U) << duplicates.first;
  EXPECT_EQ(all_.order_violations(), 0U) << all_.first_order_violation();
  EXPECT_EQ(daemon_.stop().code, 0) << daemon_.log();
  std::printf("policy %s: %lu IDs under %zu machine ids\n", GetParam(), static_cast<unsigned long>(all_.ids()),
              all_.machines().size());
}

INSTANTIATE_TEST_SUITE_P(Policies, ClockJump, testing::Values("refuse", "rotate"),
                         [](const auto& policy) { return std::string(policy.param); });

}  // namespace
}  // namespace gnomon::net
