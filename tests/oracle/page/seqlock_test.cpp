// SPDX-License-Identifier: Apache-2.0
//
// The seqlock with a writer at full speed: readers may miss, but what they get is never torn. And the header that says
// whether a page may be believed.
#include "oracle/page/seqlock.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "oracle/page/clock_page.hpp"
#include "oracle/page/counters.hpp"
#include "oracle/page/header.hpp"
#include "oracle/page/rights_page.hpp"
#include "oracle/page/worker_page.hpp"

namespace gnomon::page {
namespace {

/// Large enough to be written in many steps, and odd in size so that the last word is a part.
struct Record {
  std::array<std::uint64_t, 37> values;
  std::uint32_t tail;
};

Record record_of(std::uint64_t n) {
  Record record{};
  for (std::size_t i = 0; i < record.values.size(); ++i)
    record.values[i] = n * (i + 1);
  record.tail = static_cast<std::uint32_t>(n);
  return record;
}

bool is_whole(const Record& record) {
  const std::uint64_t n = record.values[0];
  for (std::size_t i = 0; i < record.values.size(); ++i)
    if (record.values[i] != n * (i + 1)) return false;
  return record.tail == static_cast<std::uint32_t>(n);
}

TEST(Seqlock, reads_nothing_before_the_first_write) {
  Seqlock<Record> lock;
  Record record = record_of(5);
  std::uint64_t version = 99;
  EXPECT_FALSE(lock.try_read(record, version));
  EXPECT_EQ(version, 99U);
  EXPECT_EQ(record.values[0], 5U) << "a failed read leaves the caller's copy alone";
}

TEST(Seqlock, a_writer_goes_on_where_another_was_killed_half_way) {
  Seqlock<Record> lock;
  lock.write(record_of(3));
  auto* sequence = reinterpret_cast<std::atomic<std::uint64_t>*>(&lock);  // the first word, as docs/clock-page.md says
  ASSERT_EQ(sequence->load(), 2U);
  sequence->store(3);
  Record record{};
  std::uint64_t version = 0;
  EXPECT_FALSE(lock.try_read(record, version)) << "half written";
  lock.write(record_of(4));
  ASSERT_TRUE(lock.try_read(record, version));
  EXPECT_EQ(record.values[0], 4U);
  EXPECT_EQ(version, 4U);
}

TEST(Seqlock, reads_what_was_written_and_counts_versions) {
  Seqlock<Record> lock;
  std::set<std::uint64_t> versions;
  for (std::uint64_t n = 1; n < 100; ++n) {
    lock.write(record_of(n));
    Record record{};
    std::uint64_t version = 0;
    ASSERT_TRUE(lock.try_read(record, version));
    ASSERT_TRUE(is_whole(record));
    ASSERT_EQ(record.values[0], n);
    ASSERT_EQ(version, lock.version());
    ASSERT_TRUE(versions.insert(version).second);
  }
}

TEST(Seqlock, a_writer_that_died_in_the_middle_is_given_up_on) {
  auto lock = std::make_unique<Seqlock<Record>>();
  lock->write(record_of(1));
  // A killed writer leaves the sequence odd; it is the first word of the lock, also in another process's mapping.
  auto* sequence = reinterpret_cast<std::atomic<std::uint64_t>*>(lock.get());
  sequence->fetch_add(1);
  Record record = record_of(7);
  std::uint64_t version = 2;
  EXPECT_FALSE(lock->try_read(record, version));
  EXPECT_EQ(record.values[0], 7U);
  EXPECT_EQ(version, 2U);
  EXPECT_NE(lock->version(), 2U) << "so the reader tries again the next time";
}

TEST(Seqlock, is_never_torn_under_a_writer_at_full_speed) {
  auto lock = std::make_unique<Seqlock<Record>>();
  lock->write(record_of(1));
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> reads{0};
  std::atomic<std::uint64_t> wrong{0};
  std::vector<std::thread> readers;
  readers.reserve(2);
  for (int r = 0; r < 2; ++r)
    readers.emplace_back([&] {
      std::uint64_t newest = 0;
      while (!stop.load(std::memory_order_relaxed)) {
        Record record{};
        std::uint64_t version = 0;
        if (!lock->try_read(record, version)) continue;
        if (!is_whole(record) || version < newest) wrong.fetch_add(1, std::memory_order_relaxed);
        newest = version;
        reads.fetch_add(1, std::memory_order_relaxed);
      }
    });
  std::uint64_t n = 1;
  while (n < 300'000 || reads.load(std::memory_order_relaxed) < 1000) {
    lock->write(record_of(++n));
    if (n % 1024 == 0) std::this_thread::yield();
  }
  stop.store(true);
  for (std::thread& reader : readers)
    reader.join();
  EXPECT_EQ(wrong.load(), 0U);
  EXPECT_GE(reads.load(), 1000U);
}

TEST(PageHeader, is_believed_only_when_everything_agrees) {
  auto page = std::make_unique<ClockPage>();
  EXPECT_EQ(check(*page), PageFault::kNotAPage) << "not stamped yet";
  stamp(*page, 1, 2, 3);
  EXPECT_EQ(check(*page), PageFault::kNone);
  EXPECT_EQ(page->header.incarnation, 1U);
  EXPECT_EQ(page->header.pid, 2U);
  EXPECT_EQ(page->header.started_uptime_ns, 3U);

  page->header.kind = static_cast<std::uint32_t>(PageKind::kRights);
  EXPECT_EQ(check(*page), PageFault::kOtherKind);
  stamp(*page, 1, 2, 3);
  page->header.version = ClockPage::kVersion + 1;
  EXPECT_EQ(check(*page), PageFault::kOtherVersion);
  stamp(*page, 1, 2, 3);
  page->header.size += 64;
  EXPECT_EQ(check(*page), PageFault::kOtherSize);
  stamp(*page, 1, 2, 3);
  page->header.magic.store(kPageMagic ^ 1);
  EXPECT_EQ(check(*page), PageFault::kNotAPage);
}

TEST(PageHeader, the_magic_reads_as_text_in_a_dump) { EXPECT_EQ(std::memcmp(&kPageMagic, "GNOMON01", 8), 0); }

TEST(Pages, every_kind_stamps_and_checks) {
  auto rights = std::make_unique<RightsPage>();
  auto worker = std::make_unique<WorkerPage>();
  stamp(*rights, 1, 2, 3);
  stamp(*worker, 1, 2, 3);
  EXPECT_EQ(check(*rights), PageFault::kNone);
  EXPECT_EQ(check(*worker), PageFault::kNone);
  EXPECT_EQ(sizeof(RightsRecord) % 64, 0U) << "workers must not share a cache line";
  EXPECT_EQ(offsetof(WorkerPage, counters) % 64, 0U);
}

TEST(Counters, the_table_names_each_counter_once) {
  std::set<std::string_view> names;
  for (const CounterInfo& info : kCounterTable) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_FALSE(info.help.empty());
    EXPECT_EQ(info.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_"), std::string_view::npos)
        << info.name;
  }
  Counters counters;
  counters.add(Counter::kIds, 41);
  counters.add(Counter::kIds);
  EXPECT_EQ(counters.get(Counter::kIds), 42U);
  EXPECT_EQ(counters.get(Counter::kReplies), 0U);
}

}  // namespace
}  // namespace gnomon::page
