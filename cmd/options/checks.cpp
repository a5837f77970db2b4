// SPDX-License-Identifier: Apache-2.0
#include "cmd/options/checks.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

#include "cmd/text/cidr.hpp"
#include "cmd/text/rfc3339.hpp"
#include "control/etcd/etcd_url.hpp"
#include "platform/endpoint.hpp"
#include "ptp/sources.hpp"

namespace gnomon::cmd {
namespace {

constexpr std::size_t kMaxInstanceName = 32;

bool is_name_char(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'; }

std::optional<unsigned> small_number(std::string_view text) {
  unsigned value = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, fault] = std::from_chars(text.data(), end, value);
  return fault == std::errc{} && stopped == end && !text.empty() ? std::optional(value) : std::nullopt;
}

/// Takes `out.size()` fields; the last one is the rest.
template <std::size_t N>
std::optional<std::array<std::string_view, N>> fields_of(std::string_view text, char separator) {
  std::array<std::string_view, N> out;
  for (std::size_t i = 0; i + 1 < N; ++i) {
    const std::size_t at = text.find(separator);
    if (at == std::string_view::npos) return std::nullopt;
    out[i] = text.substr(0, at);
    text.remove_prefix(at + 1);
  }
  if (text.find(separator) != std::string_view::npos) return std::nullopt;
  out[N - 1] = text;
  return out;
}

std::string unit_text(time::Duration unit) {
  static constexpr std::array<std::pair<std::int64_t, std::string_view>, 3> kUnits{
      {{1'000'000'000, "s"}, {1'000'000, "ms"}, {1'000, "us"}}};
  for (const auto& [ns, name] : kUnits)
    if (unit.ns % ns == 0) return fmt::format("{}{}", unit.ns / ns, name);
  return fmt::format("{}ns", unit.ns);
}

}  // namespace

std::string instance_fault(std::string_view text) {
  if (!text.empty() && text.size() <= kMaxInstanceName && std::all_of(text.begin(), text.end(), is_name_char))
    return {};
  return fmt::format("'{}' is no instance name: 1 to {} characters of a-z, 0-9, '-' and '_'", text, kMaxInstanceName);
}

std::string endpoint_fault(std::string_view text) {
  const auto endpoint = platform::parse_endpoint(text);
  return endpoint ? std::string() : endpoint.error().text;
}

std::string endpoint_or_empty_fault(std::string_view text) {
  return text.empty() ? std::string() : endpoint_fault(text);
}

std::string lease_endpoint_fault(std::string_view text) {
  const auto endpoint = platform::parse_endpoint(text, kLeasePort);
  return endpoint ? std::string() : endpoint.error().text;
}

std::string cidr_fault(std::string_view text) {
  const auto cidr = parse_cidr(text);
  return cidr ? std::string() : cidr.error();
}

std::string layout_name_fault(std::string_view text) {
  if (!text.empty() && text.size() <= id::Layout::kNameCapacity && std::all_of(text.begin(), text.end(), is_name_char))
    return {};
  return fmt::format("'{}' is no layout: write its name or its number", text);
}

std::string store_fault(std::string_view text) {
  constexpr std::string_view kSqlite = "sqlite:";
  if (text.empty() || (text.starts_with(kSqlite) && text.size() > kSqlite.size())) return {};
  if (text.starts_with("etcd:")) {
    const auto address = control::parse_etcd_url(text);
    return address ? std::string() : address.error();
  }
  return fmt::format("'{}' is no store: write sqlite:PATH or etcd:https://HOST:PORT,...", text);
}

tl::expected<id::Layout, std::string> parse_layout(std::string_view text) {
  const auto refused = [&](std::string_view why) { return tl::make_unexpected(fmt::format("'{}': {}", text, why)); };
  const auto fields = fields_of<5>(text, ':');
  if (!fields) return refused("a custom layout is NUMBER:NAME:EPOCH:UNIT:TIME/MACHINE/SEQUENCE");
  const auto number = small_number((*fields)[0]);
  if (!number || *number > id::kLastCustomLayout) return refused(id::text_of(id::LayoutError::kNumberOutOfRange));
  const auto epoch = parse_rfc3339((*fields)[2]);
  if (!epoch) return refused(epoch.error());
  const auto unit = parse_duration((*fields)[3]);
  if (!unit) return refused(unit.error());
  const auto bits = fields_of<3>((*fields)[4], '/');
  if (!bits) return refused("bits are written TIME/MACHINE/SEQUENCE, as in 41/10/12");
  std::array<unsigned, 3> widths{};
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const auto width = small_number((*bits)[i]);
    if (!width || *width > 64) return refused("bits are written TIME/MACHINE/SEQUENCE, as in 41/10/12");
    widths[i] = *width;
  }
  const auto layout = id::make_layout({static_cast<std::uint16_t>(*number)}, (*fields)[1], *epoch, *unit, widths[0],
                                      widths[1], widths[2]);
  if (!layout) return refused(id::text_of(layout.error()));
  return *layout;
}

std::string source_fault(std::string_view text) {
  const auto spec = ptp::parse_source(text, time::milliseconds(100));
  return spec ? "" : spec.error();
}

std::string text_of(const id::Layout& layout) {
  std::string epoch = rfc3339(layout.epoch);
  constexpr std::string_view kMidnight = "T00:00:00Z";
  if (epoch.ends_with(kMidnight)) epoch.resize(epoch.size() - kMidnight.size());
  return fmt::format("{}:{}:{}:{}:{}/{}/{}", layout.number.value, layout.name(), epoch, unit_text(layout.unit),
                     layout.time_bits, layout.machine_bits, layout.sequence_bits);
}

}  // namespace gnomon::cmd
