// SPDX-License-Identifier: Apache-2.0
//
// The table against a calendar that counts seconds one by one, and what it refuses.
#include "oracle/time/leap_table.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <string_view>

#include "tests/oracle/time/tables.hpp"

namespace gnomon::time {
namespace {

constexpr Utc kJan2017{1'483'228'800'000'000'000};
constexpr Utc kExpiry{1'782'604'800'000'000'000};

TEST(LeapTable, knows_the_published_leap_seconds) {
  const LeapTable table = builtin_leap_table();
  ASSERT_EQ(table.entries().size(), 28U);
  EXPECT_EQ(table.entries().front(), (LeapEntry{LeapTable::kFirstUtc, seconds(10)}));
  EXPECT_EQ(table.entries().back(), (LeapEntry{kJan2017, seconds(37)}));
  EXPECT_EQ(table.expires(), kExpiry);
  EXPECT_EQ(table.offset_at(Utc{946'684'800'000'000'000}).value(), seconds(32)) << "in 2000";
  EXPECT_EQ(table.offset_at(Utc{LeapTable::kFirstUtc}).value(), seconds(10));
  EXPECT_EQ(table.to_tai(kJan2017).value(), Tai{1'483'228'837'000'000'000});
}

TEST(LeapTable, the_second_before_2017_is_counted_twice) {
  const LeapTable table = builtin_leap_table();
  const Tai first_pass = table.to_tai(kJan2017 - seconds(1)).value();
  EXPECT_EQ(table.to_utc(first_pass).value(), (UtcReading{kJan2017 - seconds(1), false}));
  EXPECT_EQ(table.to_utc(first_pass + seconds(1)).value(), (UtcReading{kJan2017 - seconds(1), true}));
  EXPECT_EQ(table.to_utc(first_pass + seconds(2) - Duration{1}).value(), (UtcReading{kJan2017 - Duration{1}, true}));
  EXPECT_EQ(table.to_utc(first_pass + seconds(2)).value(), (UtcReading{kJan2017, false}));
  EXPECT_EQ(table.offset_at(first_pass + seconds(1) - Duration{1}).value(), seconds(36));
  EXPECT_EQ(table.offset_at(first_pass + seconds(1)).value(), seconds(37));
}

TEST(LeapTable, agrees_with_counting_seconds_one_by_one) {
  for (const LeapTable& table : all_tables()) {
    for (std::size_t i = 1; i < table.entries().size(); ++i) {
      const auto [from, after] = table.entries()[i];
      const Duration before = table.entries()[i - 1].tai_minus_utc;
      // The last ten seconds of the day, by label; a positive leap second is the label 59 once more.
      std::int64_t label = -10;
      bool again = false;
      for (Tai tai{from.ns + before.ns - seconds(10).ns}; label < 10; tai = tai + seconds(1)) {
        SCOPED_TRACE(::testing::Message() << "entry " << i << " second " << label << (again ? " again" : ""));
        const Utc utc = from + seconds(label);
        ASSERT_EQ(table.to_utc(tai).value(), (UtcReading{utc, again}));
        ASSERT_EQ(table.to_utc(tai + Duration{999'999'999}).value(), (UtcReading{utc + Duration{999'999'999}, again}));
        ASSERT_EQ(table.to_tai(utc).value(), again ? tai - seconds(1) : tai);
        ASSERT_EQ(table.offset_at(tai).value(), label >= 0 || again ? after : before);
        if (label == -1 && after > before && !again) {
          again = true;
        } else {
          again = false;
          ++label;
          if (label == -1 && after < before) ++label;
        }
      }
    }
  }
}

TEST(LeapTable, a_deleted_second_is_folded_into_its_deletion) {
  const LeapTable table = table_with_steps({-1});
  const Tai midnight = table.to_tai(kJan2030).value();
  EXPECT_EQ(midnight.ns, kJan2030.ns + seconds(36).ns);
  EXPECT_EQ(table.to_utc(midnight - Duration{1}).value().utc, kJan2030 - seconds(1) - Duration{1});
  EXPECT_EQ(table.to_tai(kJan2030 - seconds(1)).value(), midnight);
  EXPECT_EQ(table.to_tai(kJan2030 - milliseconds(500)).value(), midnight);
  EXPECT_EQ(table.to_tai(kJan2030 - Duration{1}).value(), midnight);
  EXPECT_EQ(table.to_tai(kJan2030 + Duration{1}).value(), midnight + Duration{1});
}

TEST(LeapTable, says_what_is_wrong_with_an_instant_and_what_to_look_at) {
  EXPECT_NE(text_of(LeapFault::kBeforeTable).find("clock that it was read from is not set"), std::string_view::npos);
  EXPECT_NE(text_of(LeapFault::kOutOfRange).find("clock that it was read from is wrong"), std::string_view::npos);
  EXPECT_NE(text_of(LeapFault::kReversed).find("ends before it begins"), std::string_view::npos);
}

TEST(LeapTable, converts_nothing_before_it_begins_nor_beyond_the_range) {
  const LeapTable table = builtin_leap_table();
  const Tai begin = table.entries().front().at();
  EXPECT_EQ(table.to_tai(LeapTable::kFirstUtc - Duration{1}).error(), LeapFault::kBeforeTable);
  EXPECT_EQ(table.to_utc(begin - Duration{1}).error(), LeapFault::kBeforeTable);
  EXPECT_TRUE(table.to_utc(begin).has_value());
  EXPECT_EQ(table.to_tai(Utc::min()).error(), LeapFault::kBeforeTable);
  EXPECT_EQ(table.to_utc(Tai::min()).error(), LeapFault::kBeforeTable);
  EXPECT_EQ(table.offset_at(Utc::min()).error(), LeapFault::kBeforeTable);
  EXPECT_EQ(table.offset_at(Tai::min()).error(), LeapFault::kBeforeTable);
  EXPECT_EQ(table.to_tai(Utc::max()).error(), LeapFault::kOutOfRange);
  EXPECT_EQ(table.to_tai(Utc::max() - seconds(37)).value(), Tai::max());
  EXPECT_TRUE(table.to_utc(Tai::max()).has_value());
  EXPECT_EQ(LeapTable{}.to_tai(kJan2017).error(), LeapFault::kBeforeTable);
  EXPECT_EQ(LeapTable{}.to_utc(Tai{}).error(), LeapFault::kBeforeTable);
}

TEST(LeapTable, expires_on_both_timelines_at_once) {
  const LeapTable table = builtin_leap_table();
  EXPECT_FALSE(table.expired(kExpiry - Duration{1}));
  EXPECT_TRUE(table.expired(kExpiry));
  const Tai expiry = table.to_tai(kExpiry).value();
  EXPECT_FALSE(table.expired(expiry - Duration{1}));
  EXPECT_TRUE(table.expired(expiry));
  EXPECT_TRUE(table.expired(Tai::max()));
  EXPECT_FALSE(table.expired(Tai::min()));
  EXPECT_TRUE(LeapTable{}.expired(Tai{})) << "an empty table says nothing";
  EXPECT_TRUE(LeapTable(kExpiry).expired(Utc{}));
}

TEST(LeapTable, says_whether_a_leap_second_is_near) {
  for (const int step : {1, -1}) {
    const LeapTable table = table_with_steps({step});
    const Tai midnight = table.to_tai(kJan2030).value();
    const Tai start = step > 0 ? midnight - seconds(1) : midnight;
    EXPECT_FALSE(table.near_leap(start - kDay - Duration{1}, kDay));
    EXPECT_TRUE(table.near_leap(start - kDay, kDay));
    EXPECT_TRUE(table.near_leap(midnight, Duration{0}));
    EXPECT_TRUE(table.near_leap(midnight + kDay, kDay));
    EXPECT_FALSE(table.near_leap(midnight + kDay + Duration{1}, kDay));
    EXPECT_FALSE(table.near_leap(table.entries()[0].at(), kDay)) << "where the table begins is no leap second";
  }
  EXPECT_FALSE(builtin_leap_table().near_leap(Tai::min(), kDay));
  EXPECT_FALSE(builtin_leap_table().near_leap(Tai::max(), kDay));
}

TEST(LeapTable, refuses_what_is_no_leap_second_and_stays_as_it_was) {
  const LeapTable before = table_with_steps({1});
  LeapTable table = before;
  const auto fault = [&](Utc from, Duration offset) { return table.append({from, offset}).error(); };
  EXPECT_EQ(fault(kJul2030, seconds(38)), LeapTableFault::kNotOneSecond);
  EXPECT_EQ(fault(kJul2030, seconds(40)), LeapTableFault::kNotOneSecond);
  EXPECT_EQ(fault(kJul2030, seconds(36)), LeapTableFault::kNotOneSecond);
  EXPECT_EQ(fault(kJul2030, seconds(39) + Duration{1}), LeapTableFault::kOutOfRange);
  EXPECT_EQ(fault(kJul2030, seconds(-1)), LeapTableFault::kOutOfRange);
  EXPECT_EQ(fault(kJul2030, seconds(1'000)), LeapTableFault::kOutOfRange);
  EXPECT_EQ(fault(kJul2030 + Duration{1}, seconds(39)), LeapTableFault::kNotMidnight);
  EXPECT_EQ(fault(kJan2030, seconds(39)), LeapTableFault::kNotAscending);
  EXPECT_EQ(fault(kJan2030 + kDay * 27, seconds(39)), LeapTableFault::kNotAscending);
  EXPECT_EQ(fault(LeapTable::kLastUtc + kDay, seconds(39)), LeapTableFault::kOutOfRange);
  EXPECT_EQ(fault(LeapTable::kFirstUtc - kDay, seconds(39)), LeapTableFault::kOutOfRange);
  EXPECT_EQ(fault(Utc::max(), seconds(39)), LeapTableFault::kOutOfRange);
  EXPECT_EQ(table.entries().size(), before.entries().size());
  EXPECT_TRUE(table.append({kJan2030 + kDay * 28, seconds(39)}).has_value());
}

TEST(LeapTable, is_full_at_its_capacity) {
  LeapTable table(kExpiry);
  for (std::size_t i = 0; i < LeapTable::kCapacity; ++i) {
    const Utc from = LeapTable::kFirstUtc + LeapTable::kMinApart * static_cast<std::int64_t>(i);
    ASSERT_TRUE(table.append({from, seconds(10 + static_cast<std::int64_t>(i))}).has_value());
  }
  EXPECT_EQ(table.append({kJan2030, seconds(74)}).error(), LeapTableFault::kTooManyEntries);
  EXPECT_EQ(table.with_announced(AnnouncedLeap::kLeap61, kJan2030).error().fault, LeapTableFault::kTooManyEntries);
}

TEST(LeapTable, takes_an_announced_leap_second_once) {
  const LeapTable table = builtin_leap_table();
  const LeapTable longer = table.with_announced(AnnouncedLeap::kLeap61, kJan2030).value();
  EXPECT_EQ(longer.entries().back(), (LeapEntry{kJan2030, seconds(38)}));
  EXPECT_EQ(longer.expires(), table.expires()) << "who announces one leap second does not say that there is no other";
  EXPECT_EQ(table.entries().size(), 28U);
  EXPECT_EQ(longer.with_announced(AnnouncedLeap::kLeap61, kJan2030).value().entries().size(), 29U);
  const LeapTable shorter = table.with_announced(AnnouncedLeap::kLeap59, kJan2030).value();
  EXPECT_EQ(shorter.entries().back(), (LeapEntry{kJan2030, seconds(36)}));
  EXPECT_EQ(table.with_announced(AnnouncedLeap::kLeap61, kJan2017).value().entries().size(), 28U) << "long known";
}

TEST(LeapTable, refuses_an_announcement_that_it_knows_better_than) {
  const LeapTable table = builtin_leap_table();
  const auto fault = [](const LeapTable& of, AnnouncedLeap leap, Utc at) {
    return of.with_announced(leap, at).error().fault;
  };
  EXPECT_EQ(fault(table, AnnouncedLeap::kLeap61, kExpiry - kDay), LeapTableFault::kDenied);
  EXPECT_EQ(fault(table, AnnouncedLeap::kLeap59, kJan2017), LeapTableFault::kDenied) << "it was a leap61";
  const LeapTable longer = table.with_announced(AnnouncedLeap::kLeap61, kJan2030).value();
  EXPECT_EQ(fault(longer, AnnouncedLeap::kLeap59, kJan2030), LeapTableFault::kNotAscending);
  EXPECT_EQ(fault(longer, AnnouncedLeap::kLeap61, kJan2030 + kDay), LeapTableFault::kNotAscending)
      << "a flag that nobody took down";
  EXPECT_EQ(fault(table, AnnouncedLeap::kLeap61, kJan2030 + seconds(1)), LeapTableFault::kNotMidnight);
  EXPECT_EQ(fault(table, AnnouncedLeap::kLeap61, Utc::max()), LeapTableFault::kOutOfRange);
  EXPECT_EQ(fault(LeapTable{}, AnnouncedLeap::kLeap61, kJan2030), LeapTableFault::kNoEntries);
  EXPECT_FALSE(table.with_announced(AnnouncedLeap::kLeap61, kExpiry - kDay).error().text.empty());
}

TEST(LeapTableProperty, to_tai_is_monotone_and_undoes_to_utc) {
  for (const LeapTable& table : all_tables()) {
    std::mt19937_64 random(7);
    for (std::size_t i = 1; i < table.entries().size(); ++i) {
      std::uniform_int_distribution<std::int64_t> near(-3'000'000'000, 3'000'000'000);
      for (int n = 0; n < 5'000; ++n) {
        const Tai tai = table.entries()[i].at() + Duration{near(random)};
        const UtcReading reading = table.to_utc(tai).value();
        ASSERT_EQ(table.to_tai(reading.utc).value(), reading.in_leap_second ? tai - seconds(1) : tai);
        Utc a = table.entries()[i].from + Duration{near(random)};
        Utc b = table.entries()[i].from + Duration{near(random)};
        if (b < a) std::swap(a, b);
        ASSERT_LE(table.to_tai(a).value(), table.to_tai(b).value()) << a.ns << " " << b.ns;
      }
    }
  }
}

}  // namespace
}  // namespace gnomon::time
