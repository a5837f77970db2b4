// SPDX-License-Identifier: Apache-2.0
#include "oracle/time/leap_list.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "oracle/time/leap_hash.hpp"

namespace gnomon::time {
namespace {

constexpr std::int64_t kNtpToUnixSeconds = 2'208'988'800;  // from 1900 to 1970
constexpr std::string_view kBlanks = " \t\r";

using Checked = tl::expected<void, LeapTableFault>;
tl::unexpected<LeapTableFault> bad(LeapTableFault fault) { return tl::make_unexpected(fault); }

// The next word of a line, cut off its front; empty at its end.
std::string_view take_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  line.remove_prefix(word.size());
  return word;
}

// Digits only, no leading zero: the hash is over the digits, so a number has one text.
std::optional<std::int64_t> decimal(std::string_view word) {
  if (word.empty() || word.front() < '0' || word.front() > '9' || (word.size() > 1 && word.front() == '0')) return {};
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc{} || end != word.data() + word.size()) return {};
  return value;
}

tl::expected<Utc, LeapTableFault> instant(std::string_view word) {
  constexpr std::int64_t kLastNtpSeconds = LeapTable::kLastUtc.ns / 1'000'000'000 + kNtpToUnixSeconds;
  const auto ntp = decimal(word);
  if (!ntp) return bad(LeapTableFault::kMalformed);
  if (*ntp < kNtpToUnixSeconds || *ntp > kLastNtpSeconds) return bad(LeapTableFault::kOutOfRange);
  return Utc{} + seconds(*ntp - kNtpToUnixSeconds);
}

/// Takes the file line by line, and keeps what it says until all of it is there.
class Reader {
 public:
  [[nodiscard]] Checked line(std::string_view line, std::size_t number) {
    if (line.starts_with("#$")) return header(line.substr(2), update_, update_digits_);
    if (line.starts_with("#@")) return header(line.substr(2), expiry_, expiry_digits_);
    if (line.starts_with("#h")) return hash(line.substr(2));
    line = line.substr(0, line.find('#'));
    const std::string_view when = take_word(line);
    if (when.empty()) return {};
    return entry(when, line, number);
  }

  [[nodiscard]] tl::expected<LeapTable, LeapTableError> finish() const;

 private:
  struct Read {
    LeapEntry entry;
    std::size_t line = 0;
  };

  static Checked header(std::string_view rest, std::optional<Utc>& value, std::string& digits) {
    if (value) return bad(LeapTableFault::kRepeated);
    const std::string_view word = take_word(rest);
    const auto at = instant(word);
    if (!at) return bad(at.error());
    if (!take_word(rest).empty()) return bad(LeapTableFault::kMalformed);
    value = *at;
    digits = word;
    return {};
  }

  Checked hash(std::string_view rest) {
    if (hash_) return bad(LeapTableFault::kRepeated);
    LeapHash words{};
    for (std::uint32_t& value : words) {
      const std::string_view word = take_word(rest);
      const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value, 16);
      if (word.empty() || word.size() > 8 || error != std::errc{} || end != word.data() + word.size())
        return bad(LeapTableFault::kMalformed);
    }
    if (!take_word(rest).empty()) return bad(LeapTableFault::kMalformed);
    hash_ = words;
    return {};
  }

  Checked entry(std::string_view when, std::string_view rest, std::size_t number) {
    if (size_ == entries_.size()) return bad(LeapTableFault::kTooManyEntries);
    const auto from = instant(when);
    if (!from) return bad(from.error());
    const std::string_view offset_word = take_word(rest);
    const auto offset = decimal(offset_word);
    if (!offset || !take_word(rest).empty()) return bad(LeapTableFault::kMalformed);
    if (*offset > LeapTable::kLargestOffset.ns / 1'000'000'000) return bad(LeapTableFault::kOutOfRange);
    entries_[size_++] = {{*from, seconds(*offset)}, number};
    (entry_digits_ += when) += offset_word;
    return {};
  }

  std::optional<Utc> update_;
  std::optional<Utc> expiry_;
  std::optional<LeapHash> hash_;
  std::string update_digits_;
  std::string expiry_digits_;
  std::string entry_digits_;
  std::array<Read, LeapTable::kCapacity> entries_{};
  std::size_t size_ = 0;
};

LeapTableError error(LeapTableFault fault, std::size_t line) {
  std::string text = "leap-seconds.list";
  if (line != 0) text += ", line " + std::to_string(line);
  text += ": ";
  text += text_of(fault);
  return {fault, line, std::move(text)};
}

tl::expected<LeapTable, LeapTableError> Reader::finish() const {
  const auto refused = [](LeapTableFault fault, std::size_t line = 0) {
    return tl::make_unexpected(error(fault, line));
  };
  if (size_ == 0) return refused(LeapTableFault::kNoEntries);
  if (!update_) return refused(LeapTableFault::kUpdateMissing);
  if (!expiry_) return refused(LeapTableFault::kExpiryMissing);
  if (!hash_) return refused(LeapTableFault::kHashMissing);
  if (leap_hash(update_digits_ + expiry_digits_ + entry_digits_) != *hash_)
    return refused(LeapTableFault::kHashMismatch);
  LeapTable table(*expiry_);
  for (std::size_t i = 0; i < size_; ++i) {
    const auto added = table.append(entries_[i].entry);
    if (!added) return refused(added.error(), entries_[i].line);
  }
  if (*expiry_ < *update_ || *expiry_ < table.entries().back().from) return refused(LeapTableFault::kExpiryTooEarly);
  return table;
}

}  // namespace

tl::expected<LeapTable, LeapTableError> parse_leap_list(std::string_view text) {
  if (text.size() > kMaxLeapListBytes) return tl::make_unexpected(error(LeapTableFault::kTextTooLarge, 0));
  Reader reader;
  for (std::size_t number = 1; !text.empty(); ++number) {
    if (number > kMaxLeapListLines) return tl::make_unexpected(error(LeapTableFault::kTooManyLines, number));
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto read = reader.line(line, number);
    if (!read) return tl::make_unexpected(error(read.error(), number));
  }
  return reader.finish();
}

}  // namespace gnomon::time
