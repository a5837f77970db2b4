// SPDX-License-Identifier: Apache-2.0
//
// A libFuzzer target: any text as leap-seconds.list. A table that lacks one second makes every time that is read by it
// a second wrong, with the narrowest of bounds. Demanded:
//
//   - what is refused has a reason with a text, and no line beyond the file's;
//   - what is accepted ascends, by steps of one second at midnights at least 28 days apart, and expires after its end;
//   - its conversions agree with each other around every entry, and never run backwards;
//   - no digit of it can be changed without its being refused.
//
// Each input is judged as it is and with a right hash.
#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>

#include "oracle/time/leap_hash.hpp"
#include "oracle/time/leap_list.hpp"
#include "tests/fuzz/fuzzer.hpp"

namespace gnomon::fuzz {
namespace {

using namespace time;  // NOLINT(google-build-using-namespace)

constexpr std::size_t kMaxInput = 4096;

/// The first words of a line.
std::string digits_of(std::string_view line, std::size_t words) {
  std::string digits;
  for (; words > 0; --words) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
    const std::string_view word = line.substr(0, line.find_first_of(" \t\r#"));
    digits += word;
    line.remove_prefix(word.size());
  }
  return digits;
}

std::string with_hash(std::string_view text) {
  std::string body;
  std::string update;
  std::string expiry;
  std::string entries;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.starts_with("#h")) continue;
    body.append(line).append("\n");
    if (line.starts_with("#$"))
      update = digits_of(line.substr(2), 1);
    else if (line.starts_with("#@"))
      expiry = digits_of(line.substr(2), 1);
    else if (!line.starts_with("#"))
      entries += digits_of(line, 2);
  }
  body += "#h";
  for (const std::uint32_t word : leap_hash(update.append(expiry).append(entries))) {
    std::array<char, 9> hex{};
    const auto end = std::to_chars(hex.data(), hex.data() + hex.size(), word, 16).ptr;
    body.append(" ").append(hex.data(), end);
  }
  return body + "\n";
}

void judge_entries(const LeapTable& table) {
  const auto entries = table.entries();
  demand(!entries.empty() && entries.size() <= LeapTable::kCapacity, "a table of no size");
  demand(table.expires() >= entries.back().from, "a table that expires before its end");
  for (std::size_t i = 0; i < entries.size(); ++i) {
    demand(entries[i].from.ns % seconds(86'400).ns == 0, "a leap second that is not at midnight");
    demand(entries[i].from >= LeapTable::kFirstUtc && entries[i].from <= LeapTable::kLastUtc,
           "a leap second out of bounds");
    if (i == 0) continue;
    demand(entries[i].from - entries[i - 1].from >= LeapTable::kMinApart, "leap seconds that do not ascend");
    demand(table.step(i) == seconds(1) || table.step(i) == seconds(-1), "a leap second that is none");
  }
}

void judge_conversions(const LeapTable& table) {
  Tai last = Tai::min();
  for (const LeapEntry& entry : table.entries()) {
    for (std::int64_t ms = -2500; ms <= 2500; ms += 250) {
      const Tai tai = entry.at() + milliseconds(ms);
      const auto utc = table.to_utc(tai);
      if (!utc) {
        demand(&entry == table.entries().data(), "an instant inside the table can't be converted");
        continue;
      }
      const auto back = table.to_tai(utc->utc);
      if (!back) continue;  // before the first entry, by the other timeline
      demand(*back == tai || (utc->in_leap_second && *back == tai - seconds(1)), "to UTC and back is somewhere else");
    }
    for (std::int64_t ms = -2500; ms <= 2500; ms += 250) {
      const auto tai = table.to_tai(entry.from + milliseconds(ms));
      if (!tai) continue;
      demand(*tai >= last, "TAI runs backwards");
      last = *tai;
    }
  }
}

void judge(const std::string& text, bool hash_is_right) {
  const auto table = parse_leap_list(text);
  if (!table) {
    const LeapTableError& error = table.error();
    const std::string_view reason = text_of(error.fault);
    demand(reason != "unknown leap table fault" && error.text.find(reason) != std::string::npos,
           "refused without a reason");
    demand(error.line <= 1 + static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')),
           "a line that isn't there");
    note(reason);
    return;
  }
  note("table");
  judge_entries(*table);
  judge_conversions(*table);
  if (!hash_is_right) return;
  std::string other = text;
  const std::size_t header = other.starts_with("#@") ? 0 : other.find("\n#@");  // a comment may have "#@" in it, too
  const std::size_t at = other.find_first_of("0123456789", header);
  other.at(at) = other.at(at) == '9' ? '8' : '9';
  demand(!parse_leap_list(other), "another expiry is accepted under the same hash");
}

}  // namespace

Plan plan() {
  return {.longest = kMaxInput,
          .outcomes = {"table", text_of(LeapTableFault::kNoEntries), text_of(LeapTableFault::kMalformed),
                       text_of(LeapTableFault::kOutOfRange), text_of(LeapTableFault::kNotMidnight),
                       text_of(LeapTableFault::kNotAscending), text_of(LeapTableFault::kNotOneSecond),
                       text_of(LeapTableFault::kRepeated), text_of(LeapTableFault::kUpdateMissing),
                       text_of(LeapTableFault::kExpiryMissing), text_of(LeapTableFault::kExpiryTooEarly),
                       text_of(LeapTableFault::kHashMissing), text_of(LeapTableFault::kHashMismatch)},
          .changed_inputs = 10'000};
}

std::map<std::string, Input> seeds() { return {}; }

}  // namespace gnomon::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gnomon::fuzz;  // NOLINT(google-build-using-namespace)
  if (size > kMaxInput) return -1;
  const std::string text(reinterpret_cast<const char*>(data), size);
  judge(text, false);
  judge(with_hash(text), true);
  return 0;
}
