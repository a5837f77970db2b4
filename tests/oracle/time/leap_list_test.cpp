// SPDX-License-Identifier: Apache-2.0
//
// leap-seconds.list: the published file, and what may become of it on its way.
#include "oracle/time/leap_list.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "oracle/time/leap_hash.hpp"

namespace gnomon::time {
namespace {

// As published on 2025-07-08, comments shortened.
constexpr std::string_view kPublished =
    "#\tATOMIC TIME\n"
    "#$\t3960835200\n"
    "#\tFile expires on 28 June 2026\n"
    "#@\t3991593600\n"
    "#\n"
    "2272060800      10      # 1 Jan 1972\n2287785600      11      # 1 Jul 1972\n"
    "2303683200      12      # 1 Jan 1973\n2335219200      13      # 1 Jan 1974\n"
    "2366755200      14      # 1 Jan 1975\n2398291200      15      # 1 Jan 1976\n"
    "2429913600      16      # 1 Jan 1977\n2461449600      17      # 1 Jan 1978\n"
    "2492985600      18      # 1 Jan 1979\n2524521600      19      # 1 Jan 1980\n"
    "2571782400      20      # 1 Jul 1981\n2603318400      21      # 1 Jul 1982\n"
    "2634854400      22      # 1 Jul 1983\n2698012800      23      # 1 Jul 1985\n"
    "2776982400      24      # 1 Jan 1988\n2840140800      25      # 1 Jan 1990\n"
    "2871676800      26      # 1 Jan 1991\n2918937600      27      # 1 Jul 1992\n"
    "2950473600      28      # 1 Jul 1993\n2982009600      29      # 1 Jul 1994\n"
    "3029443200      30      # 1 Jan 1996\n3076704000      31      # 1 Jul 1997\n"
    "3124137600      32      # 1 Jan 1999\n3345062400      33      # 1 Jan 2006\n"
    "3439756800      34      # 1 Jan 2009\n3550089600      35      # 1 Jul 2012\n"
    "3644697600      36      # 1 Jul 2015\n3692217600      37      # 1 Jan 2017\n"
    "#\n"
    "#h\t49db2447 571e5e1b 2f002a53 9c8da8e4 39b8e49e\n";

// A list with a right hash, of whatever words: for faults that the hash would hide.
std::string list_of(const std::vector<std::string>& entries, std::string_view update = "3960835200",
                    std::string_view expiry = "3991593600") {
  std::string digits = fmt::format("{}{}", update, expiry);
  std::string text = fmt::format("#$ {}\n#@ {}\n", update, expiry);
  for (const std::string& entry : entries) {
    text += entry + "\n";
    for (const char c : entry.substr(0, entry.find('#')))
      if (c > ' ') digits += c;
  }
  text += "#h";
  for (const std::uint32_t word : leap_hash(digits))
    text += fmt::format(" {:x}", word);
  return text + "\n";
}

LeapTableError error_of(std::string_view text) {
  const auto table = parse_leap_list(text);
  EXPECT_FALSE(table.has_value());
  return table ? LeapTableError{} : table.error();
}

std::string replaced(std::string_view what, std::string_view with) {
  std::string text(kPublished);
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos);
  return text.replace(at, what.size(), with);
}

TEST(LeapHash, agrees_with_the_examples_of_the_standard) {
  EXPECT_EQ(leap_hash("abc"), (LeapHash{0xa9993e36, 0x4706816a, 0xba3e2571, 0x7850c26c, 0x9cd0d89d}));
  EXPECT_EQ(leap_hash(""), (LeapHash{0xda39a3ee, 0x5e6b4b0d, 0x3255bfef, 0x95601890, 0xafd80709}));
  EXPECT_EQ(leap_hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            (LeapHash{0x84983e44, 0x1c3bd26e, 0xbaae4aa1, 0xf95129e5, 0xe54670f1}))
      << "56 bytes: the length no longer fits the first block";
}

TEST(LeapList, reads_the_published_file) {
  const auto table = parse_leap_list(kPublished);
  ASSERT_TRUE(table.has_value()) << table.error().text;
  const LeapTable builtin = builtin_leap_table();
  EXPECT_TRUE(std::ranges::equal(table->entries(), builtin.entries()));
  EXPECT_EQ(table->expires(), builtin.expires());
}

TEST(LeapList, reads_what_tzdata_installs) {
  std::ifstream file("/usr/share/zoneinfo/leap-seconds.list");
  if (!file) GTEST_SKIP() << "tzdata is not installed";
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto table = parse_leap_list(text);
  ASSERT_TRUE(table.has_value()) << table.error().text;
  const auto known = builtin_leap_table().entries().size();
  ASSERT_GE(table->entries().size(), known);
  EXPECT_EQ(table->entries()[known - 1], builtin_leap_table().entries()[known - 1]);
}

TEST(LeapList, takes_line_ends_of_any_kind_and_a_last_line_without_one) {
  std::string text(kPublished);
  text.pop_back();
  EXPECT_TRUE(parse_leap_list(text).has_value());
  std::string carriage;
  for (const char c : text)
    carriage += c == '\n' ? std::string("\r\n") : std::string(1, c);
  EXPECT_TRUE(parse_leap_list(carriage).has_value());
}

TEST(LeapList, takes_a_hash_whose_words_lack_their_leading_zeros) {
  // Some list or other has a word below 0x10000000 in its hash; list_of prints it without the zero.
  int shortened = 0;
  for (std::int64_t update = 3'960'835'200; update < 3'960'835'300; ++update) {
    const std::string text = list_of({"2272060800 10", "3692217600 11"}, std::to_string(update));
    EXPECT_TRUE(parse_leap_list(text).has_value()) << text;
    shortened +=
        text.size() - text.find("#h") < std::string_view("#h 49db2447 571e5e1b 2f002a53 9c8da8e4 39b8e49e\n").size();
  }
  EXPECT_GT(shortened, 0);
}

TEST(LeapList, names_the_fault_and_its_line) {
  const auto faulty = [](const std::string& text, LeapTableFault fault, std::size_t line) {
    const LeapTableError error = error_of(text);
    EXPECT_EQ(error.fault, fault) << text << error.text;
    EXPECT_EQ(error.line, line) << text << error.text;
    EXPECT_NE(error.text.find(text_of(fault)), std::string::npos);
    if (line != 0) {
      EXPECT_NE(error.text.find(fmt::format("line {}", line)), std::string::npos);
    }
  };
  using enum LeapTableFault;
  faulty("", kNoEntries, 0);
  faulty("nonsense\n", kMalformed, 1);
  faulty(list_of({"2272060800"}), kMalformed, 3);
  faulty(list_of({"2272060800 10 11"}), kMalformed, 3);
  faulty(list_of({"2272060800 -10"}), kMalformed, 3);
  faulty(list_of({"2272060800 010"}), kMalformed, 3);
  faulty(list_of({"2272060800 0x10"}), kMalformed, 3);
  faulty(list_of({"+2272060800 10"}), kMalformed, 3);
  faulty(list_of({"99999999999999999999 10"}), kMalformed, 3);
  faulty(list_of({"2272060800 99999999999999999999"}), kMalformed, 3);
  faulty(list_of({"9223372036854775807 10"}), kOutOfRange, 3);
  faulty(list_of({"0 10"}), kOutOfRange, 3);
  faulty(list_of({"2208988800 10"}), kOutOfRange, 3);  // 1970: before whole seconds
  faulty(list_of({"2272060800 1000"}), kOutOfRange, 3);
  faulty(list_of({"2272060801 10"}), kNotMidnight, 3);
  faulty(list_of({"2272060800 10", "2272060800 11"}), kNotAscending, 4);
  faulty(list_of({"2287785600 10", "2272060800 11"}), kNotAscending, 4);
  faulty(list_of({"2272060800 10", "# a comment", "2287785600 12"}), kNotOneSecond, 5);
  faulty(list_of({"2272060800 10", "2287785600 10"}), kNotOneSecond, 4);
  faulty(list_of({"2272060800 10"}, "3991593601"), kExpiryTooEarly, 0);
  faulty(list_of({"2272060800 10", "2287785600 11"}, "2272060800", "2272060800"), kExpiryTooEarly, 0);
  faulty(list_of({"2272060800 10"}, "words"), kMalformed, 1);
  faulty(list_of({"2272060800 10"}, "3960835200 1"), kMalformed, 1);
  faulty(list_of({"2272060800 10"}, "0"), kOutOfRange, 1);
  faulty(replaced("#$\t3960835200\n", ""), kUpdateMissing, 0);
  faulty(replaced("#@\t3991593600\n", ""), kExpiryMissing, 0);
  faulty(replaced("#@\t3991593600\n", "#@\t3991593600\n#@\t3991593600\n"), kRepeated, 5);
  faulty(replaced("#h\t49db2447 571e5e1b 2f002a53 9c8da8e4 39b8e49e\n", ""), kHashMissing, 0);
  faulty(std::string(kPublished) + "#h\t49db2447 571e5e1b 2f002a53 9c8da8e4 39b8e49e\n", kRepeated, 36);
  faulty(replaced("39b8e49e", "39b8e49f"), kHashMismatch, 0);
  faulty(replaced("39b8e49e", ""), kMalformed, 35);
  faulty(replaced("39b8e49e", "39b8e49e 0"), kMalformed, 35);
  faulty(replaced("39b8e49e", "039b8e49e"), kMalformed, 35);
  faulty(replaced("39b8e49e", "-9b8e49e"), kMalformed, 35);
}

TEST(LeapList, is_bounded) {
  EXPECT_EQ(error_of(std::string(kMaxLeapListBytes + 1, '#')).fault, LeapTableFault::kTextTooLarge);
  EXPECT_EQ(error_of(std::string(kMaxLeapListLines + 1, '\n')).fault, LeapTableFault::kTooManyLines);
  EXPECT_EQ(error_of(std::string(kMaxLeapListLines, '\n')).fault, LeapTableFault::kNoEntries);
  EXPECT_TRUE(
      parse_leap_list(std::string(kMaxLeapListBytes - kPublished.size() - 1, '#') + "\n" + std::string(kPublished)));
  std::vector<std::string> entries;
  entries.reserve(65);
  for (std::int64_t i = 0; i < 65; ++i)
    entries.push_back(fmt::format("{} {}", 2'272'060'800 + i * 28 * 86'400, 10 + i));
  const LeapTableError error = error_of(list_of(entries));
  EXPECT_EQ(error.fault, LeapTableFault::kTooManyEntries);
  EXPECT_EQ(error.line, 67U);
  entries.pop_back();
  EXPECT_EQ(parse_leap_list(list_of(entries)).value().entries().size(), 64U);
}

TEST(LeapListProperty, a_file_that_was_cut_off_is_refused) {
  // All but the last line end is needed.
  for (std::size_t size = 0; size + 1 < kPublished.size(); ++size) {
    const auto table = parse_leap_list(kPublished.substr(0, size));
    ASSERT_FALSE(table.has_value()) << size;
    ASSERT_FALSE(table.error().text.empty());
  }
}

TEST(LeapListProperty, a_damaged_file_is_refused_or_says_the_same) {
  const auto published = parse_leap_list(kPublished);
  std::mt19937_64 random(11);
  const auto pick = [&](std::size_t below) { return std::uniform_int_distribution<std::size_t>(0, below - 1)(random); };
  int refused = 0;
  for (int n = 0; n < 20'000; ++n) {
    std::string text(kPublished);
    for (std::size_t changes = 1 + pick(3); changes > 0; --changes) {
      const std::size_t at = pick(text.size());
      switch (pick(4)) {
        case 0: text[at] = static_cast<char>(pick(256)); break;
        case 1: text.erase(at, 1 + pick(40)); break;
        case 2: text.insert(at, 1, "0123456789\t #\n"[pick(14)]); break;
        default: text[at] = static_cast<char>(text[at] ^ (1 << pick(8))); break;
      }
    }
    const auto table = parse_leap_list(text);
    if (!table) {
      ++refused;
      continue;
    }
    ASSERT_TRUE(std::ranges::equal(table->entries(), published->entries())) << text;
    ASSERT_EQ(table->expires(), published->expires()) << text;
  }
  EXPECT_GT(refused, 5'000);
  EXPECT_LT(refused, 20'000);
}

}  // namespace
}  // namespace gnomon::time
