// SPDX-License-Identifier: Apache-2.0
#include "cmd/text/rfc3339.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

namespace gnomon::cmd {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::int64_t kSecondsPerDay = 86'400;

/// Takes characters off the front of a text; every step can fail and none reads past the end.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}

  [[nodiscard]] bool done() const { return rest_.empty(); }
  [[nodiscard]] char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  [[nodiscard]] bool take(char wanted) {
    if (peek() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }
  /// Exactly `digits` decimal digits.
  [[nodiscard]] std::optional<int> number(std::size_t digits) {
    if (rest_.size() < digits) return std::nullopt;
    int value = 0;
    for (const char c : rest_.substr(0, digits)) {
      if (c < '0' || c > '9') return std::nullopt;
      value = value * 10 + (c - '0');
    }
    rest_.remove_prefix(digits);
    return value;
  }
  /// 1 to 9 digits after the point, as nanoseconds.
  [[nodiscard]] std::optional<std::int64_t> fraction_ns() {
    std::int64_t value = 0;
    std::int64_t scale = kNsPerSecond;
    while (peek() >= '0' && peek() <= '9') {
      if (scale == 1) return std::nullopt;
      scale /= 10;
      value += (peek() - '0') * scale;
      rest_.remove_prefix(1);
    }
    return scale == kNsPerSecond ? std::nullopt : std::optional(value);
  }

 private:
  std::string_view rest_;
};

std::optional<std::int64_t> read_date(Cursor& in) {
  const auto year = in.number(4);
  if (!year || !in.take('-')) return std::nullopt;
  const auto month = in.number(2);
  if (!month || !in.take('-')) return std::nullopt;
  const auto day = in.number(2);
  if (!day) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok() || *year < 1970 || *year > 2261) return std::nullopt;
  return std::chrono::sys_days(date).time_since_epoch().count();
}

/// Seconds of the day; second 60 is refused, because smeared time has none.
std::optional<std::int64_t> read_clock(Cursor& in) {
  const auto hour = in.number(2);
  if (!hour || !in.take(':')) return std::nullopt;
  const auto minute = in.number(2);
  if (!minute || !in.take(':')) return std::nullopt;
  const auto second = in.number(2);
  if (!second || *hour > 23 || *minute > 59 || *second > 59) return std::nullopt;
  return *hour * 3600 + *minute * 60 + *second;
}

std::optional<std::int64_t> read_offset_seconds(Cursor& in) {
  if (in.take('Z') || in.take('z')) return 0;
  const int sign = in.peek() == '-' ? -1 : 1;
  if (!in.take('+') && !in.take('-')) return std::nullopt;
  const auto hour = in.number(2);
  if (!hour || !in.take(':')) return std::nullopt;
  const auto minute = in.number(2);
  if (!minute || *hour > 23 || *minute > 59) return std::nullopt;
  return sign * (*hour * 3600 + *minute * 60);
}

std::optional<time::SmearedUtc> read_instant(std::string_view text) {
  Cursor in(text);
  const auto days = read_date(in);
  if (!days) return std::nullopt;
  if (in.done()) return time::SmearedUtc{*days * kSecondsPerDay * kNsPerSecond};
  if (!in.take('T') && !in.take('t') && !in.take(' ')) return std::nullopt;
  const auto clock = read_clock(in);
  if (!clock) return std::nullopt;
  std::int64_t fraction = 0;
  if (in.take('.')) {
    const auto ns = in.fraction_ns();
    if (!ns) return std::nullopt;
    fraction = *ns;
  }
  const auto offset = read_offset_seconds(in);
  if (!offset || !in.done()) return std::nullopt;
  return time::SmearedUtc{(*days * kSecondsPerDay + *clock - *offset) * kNsPerSecond + fraction};
}

}  // namespace

std::string rfc3339(time::SmearedUtc t) {
  using std::chrono::floor;
  // The day of the earliest instants of all begins before there are instants.
  constexpr std::int64_t kFirstDay = std::numeric_limits<std::int64_t>::min() / (kSecondsPerDay * kNsPerSecond);
  const std::int64_t shown = std::max(t.ns, kFirstDay * kSecondsPerDay * kNsPerSecond);
  const std::chrono::sys_time<std::chrono::nanoseconds> instant{std::chrono::nanoseconds(shown)};
  const auto day = floor<std::chrono::days>(instant);
  const std::chrono::year_month_day date{day};
  const std::int64_t in_day = (instant - day).count();
  const std::int64_t seconds = in_day / kNsPerSecond;
  const std::int64_t ns = in_day % kNsPerSecond;
  std::string out = fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", static_cast<int>(date.year()),
                                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), seconds / 3600,
                                seconds / 60 % 60, seconds % 60);
  if (ns % 1'000 != 0)
    out += fmt::format(".{:09}", ns);
  else if (ns % 1'000'000 != 0)
    out += fmt::format(".{:06}", ns / 1'000);
  else if (ns != 0)
    out += fmt::format(".{:03}", ns / 1'000'000);
  return out + "Z";
}

tl::expected<time::SmearedUtc, std::string> parse_rfc3339(std::string_view text) {
  if (const auto instant = read_instant(text)) return *instant;
  return tl::make_unexpected(
      fmt::format("'{}' is no time: write 2024-01-01T00:00:00.100Z or 2024-01-01 (years 1970 to 2261)", text));
}

std::string human_duration(time::Duration d) {
  const std::string sign = d.ns < 0 ? "-" : "";
  const auto ns = d.ns < 0 ? static_cast<std::uint64_t>(-(d.ns + 1)) + 1 : static_cast<std::uint64_t>(d.ns);
  const std::uint64_t seconds = ns / 1'000'000'000;
  if (seconds >= 730ULL * 86'400) return fmt::format("{}{:.1f}y", sign, static_cast<double>(seconds) / 31'556'952.0);
  if (seconds >= 86'400) return fmt::format("{}{}d {}h", sign, seconds / 86'400, seconds / 3600 % 24);
  if (seconds >= 3600) return fmt::format("{}{}h {}m", sign, seconds / 3600, seconds / 60 % 60);
  if (seconds >= 60) return fmt::format("{}{}m {}s", sign, seconds / 60, seconds % 60);
  if (seconds >= 1) return fmt::format("{}{:.3f}s", sign, static_cast<double>(ns) / 1e9);
  if (ns >= 1'000'000) return fmt::format("{}{:.3f}ms", sign, static_cast<double>(ns) / 1e6);
  return fmt::format("{}{:.1f}us", sign, static_cast<double>(ns) / 1e3);
}

tl::expected<time::Duration, std::string> parse_duration(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, std::int64_t>, 7> kUnits{
      {{"ns", 1},
       {"us", 1'000},
       {"ms", 1'000'000},
       {"s", kNsPerSecond},
       {"m", 60 * kNsPerSecond},
       {"h", 3600 * kNsPerSecond},
       {"d", kSecondsPerDay * kNsPerSecond}}};
  std::int64_t number = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (fault == std::errc{} && number >= 0) {
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    for (const auto& [name, ns] : kUnits)
      if (unit == name && number <= std::numeric_limits<std::int64_t>::max() / ns) return time::Duration{number * ns};
  }
  return tl::make_unexpected(
      fmt::format("'{}' is no length of time: write a number and one of ns us ms s m h d", text));
}

tl::expected<time::SmearedUtc, std::string> parse_time(std::string_view text, time::SmearedUtc now) {
  constexpr std::string_view kNow = "now";
  if (!text.starts_with(kNow)) return parse_rfc3339(text);
  const std::string_view shift = text.substr(kNow.size());
  if (shift.empty()) return now;
  if (shift.front() != '-' && shift.front() != '+')
    return tl::make_unexpected(fmt::format("'{}' is no time: write now, now-1h or now+30d", text));
  const auto length = parse_duration(shift.substr(1));
  if (!length) return tl::make_unexpected(length.error());
  return time::saturating_add(now, shift.front() == '-' ? -*length : *length);
}

}  // namespace gnomon::cmd
