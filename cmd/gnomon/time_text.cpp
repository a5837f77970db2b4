// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/time_text.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

#include "cmd/text/rfc3339.hpp"
#include "oracle/time/leap_list.hpp"

namespace gnomon::cmd {
namespace {

constexpr const char* kHostList = "/usr/share/zoneinfo/leap-seconds.list";
constexpr std::size_t kSecondsAt = 17;  // of 2026-01-01T00:00:00Z

time::LeapTable read_host_table() {
  std::ifstream file(kHostList, std::ios::binary);
  if (!file) return time::builtin_leap_table();
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  auto table = time::parse_leap_list(text);
  return table ? *table : time::builtin_leap_table();
}

bool is_number(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

const time::LeapTable& host_leap_table() {
  static const time::LeapTable kTable = read_host_table();
  return kTable;
}

std::string utc_text(time::Tai t, const time::LeapTable& leaps) {
  const auto reading = leaps.to_utc(t);
  if (!reading) return fmt::format("{} ns TAI", t.ns);
  std::string text = rfc3339({reading->utc.ns});
  if (reading->in_leap_second) text.replace(kSecondsAt, 2, "60");
  return text;
}

tl::expected<time::Tai, std::string> parse_tai(std::string_view text, time::Tai now, const time::LeapTable& leaps) {
  if (is_number(text)) {
    time::Tai t{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), t.ns);
    if (error != std::errc{} || end != text.data() + text.size())
      return tl::make_unexpected(fmt::format("'{}' is no time: TAI nanoseconds are below 2^63", text));
    return t;
  }
  if (text.starts_with("now")) {
    const std::string_view rest = text.substr(3);
    if (rest.empty()) return now;
    const auto by = parse_duration(rest.substr(1));
    if (!by || (rest.front() != '+' && rest.front() != '-'))
      return tl::make_unexpected(by ? fmt::format("'{}' is no time: write now, now+2s or now-1m", text)
                                    : fmt::format("'{}': {}", text, by.error()));
    return time::saturating_add(now, rest.front() == '+' ? *by : -*by);
  }
  const auto utc = parse_rfc3339(text);
  if (!utc) return tl::make_unexpected(utc.error() + "; or write nanoseconds of TAI, or now+2s");
  const auto tai = leaps.to_tai(time::Utc{utc->ns});
  if (!tai) return tl::make_unexpected(fmt::format("'{}' can't be told in TAI: {}", text, time::text_of(tai.error())));
  return *tai;
}

}  // namespace gnomon::cmd
