// SPDX-License-Identifier: Apache-2.0
#include "ptp/sources.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "ptp/fixed_source.hpp"
#include "ptp/kernel_source.hpp"
#include "ptp/phc.hpp"

namespace gnomon::ptp {
namespace {

using Result = tl::expected<SourceSpec, std::string>;
using Applied = std::optional<std::string>;  // what was wrong with it

struct KindInfo {
  SourceKind kind;
  std::string_view name;
  std::string_view default_path;
  bool takes_path;
};
constexpr std::array<KindInfo, 6> kKinds{{
    {SourceKind::kSystem, "system", "", false},
    {SourceKind::kKernel, "kernel", "", false},
    {SourceKind::kChrony, "chrony", "/run/chrony/chronyd.sock", true},
    {SourceKind::kPtp4l, "ptp4l", "/var/run/ptp4l", true},
    {SourceKind::kPhc, "phc", "", true},
    {SourceKind::kPort, "port", "", true},
}};

/// Its time is on TAI by custom, and says nothing about how wrong it is.
bool is_card(SourceKind kind) { return kind == SourceKind::kPhc || kind == SourceKind::kPort; }

std::optional<std::int64_t> number(std::string_view text, std::int64_t least, std::int64_t most) {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stopped != end || value < least || value > most) return std::nullopt;
  return value;
}

Applied out_of_range(std::string_view what, std::string_view value, std::int64_t least, std::int64_t most) {
  return fmt::format("'{}' is no {}: a whole number from {} to {}", value, what, least, most);
}

Applied set_duration(time::Duration& to, std::string_view value, std::int64_t unit_ns, std::int64_t most,
                     std::string_view what, std::int64_t least = 0) {
  const auto amount = number(value, least, most);
  if (!amount) return out_of_range(what, value, least, most);
  to = time::nanoseconds(*amount * unit_ns);
  return std::nullopt;
}

Applied set_scale(SourceSpec& spec, std::string_view value) {
  constexpr std::pair<std::string_view, Scale> kScales[] = {
      {"tai", Scale::kTai}, {"utc", Scale::kUtc}, {"smeared", Scale::kSmearedUtc}, {"unknown", Scale::kUnknownUtc}};
  for (const auto& [name, scale] : kScales) {
    if (name != value) continue;
    spec.scale = scale;
    spec.ptp.arbitrary_is_utc = scale == Scale::kUtc;
    spec.ptp.tai_is_meant = scale == Scale::kTai;
    const bool of_ptp4l = scale == Scale::kUtc || scale == Scale::kTai;
    const bool fits = is_card(spec.kind) || (spec.kind == SourceKind::kPtp4l ? of_ptp4l : scale != Scale::kTai);
    if (fits) return std::nullopt;
    return fmt::format("'{}' is not a time scale that this source can have", value);
  }
  return fmt::format("'{}' is no time scale: tai, utc, smeared (24 h, noon to noon) or unknown", value);
}

// 001122.fffe.334455, as linuxptp prints it.
std::optional<ClockIdentity> parse_identity(std::string_view text) {
  std::string digits;
  for (const char c : text)
    if (c != '.') digits += c;
  if (digits.size() != 16) return std::nullopt;
  ClockIdentity out;
  for (std::size_t i = 0; i < out.bytes.size(); ++i) {
    const char* const from = digits.data() + 2 * i;
    const auto [stopped, error] = std::from_chars(from, from + 2, out.bytes[i], 16);
    if (error != std::errc() || stopped != from + 2) return std::nullopt;
  }
  return out;
}

Applied add_grandmaster(SourceSpec& spec, std::string_view value) {
  const auto identity = parse_identity(value);
  if (!identity) return fmt::format("'{}' is no clock identity: write it as linuxptp does, 001122.fffe.334455", value);
  spec.ptp.grandmasters.push_back(*identity);
  return std::nullopt;
}

Applied set_accuracy(SourceSpec& spec, std::string_view value) {
  time::Duration accuracy;
  if (auto wrong = set_duration(accuracy, value, 1, 1'000'000'000, "accuracy in ns")) return wrong;
  spec.ptp.accuracy = accuracy;
  spec.ptp.max_accuracy = std::max(spec.ptp.max_accuracy, accuracy);
  return std::nullopt;
}

Applied set_asymmetry(SourceSpec& spec, std::string_view value) {
  time::Duration asymmetry;
  if (auto wrong = set_duration(asymmetry, value, 1, 1'000'000'000, "asymmetry in ns")) return wrong;
  spec.ptp.asymmetry = asymmetry;
  return std::nullopt;
}

Applied set_byte(std::uint8_t& to, std::string_view value, std::string_view what) {
  const auto parsed = number(value, 0, 255);
  if (!parsed) return out_of_range(what, value, 0, 255);
  to = static_cast<std::uint8_t>(*parsed);
  return std::nullopt;
}

Applied set_clock(SourceSpec& spec, std::string_view value) {
  if (!value.starts_with("/")) return fmt::format("'{}' is no PTP clock: write the path of its device", value);
  spec.clock = value;
  return std::nullopt;
}

struct Parameter {
  std::string_view name;
  std::string_view kinds;  // that know it
  std::string_view help;
  Applied (*apply)(SourceSpec&, std::string_view);
  bool repeats = false;
};
constexpr std::array<Parameter, 10> kParameters{{
    {"bound_us", "system phc port", "bound on its error that you state, in us",
     [](SourceSpec& s, std::string_view v) { return set_duration(s.bound, v, 1'000, 60'000'000, "bound in us", 1); }},
    {"scale", "system kernel chrony ptp4l phc port",
     "time scale: utc (the default; steps at a leap second), smeared, unknown; tai for a phc and a port (their "
     "default). ptp4l: utc accepts a grandmaster without ptpTimescale that counts UTC; tai, with "
     "software time stamps, one with ptpTimescale that really counts TAI",
     set_scale},
    {"domain", "ptp4l", "its domainNumber (0)",
     [](SourceSpec& s, std::string_view v) { return set_byte(s.domain, v, "domain"); }},
    {"clock", "ptp4l", "the PTP clock that it disciplines with hardware time stamps, /dev/ptpN", set_clock},
    {"max_class", "ptp4l", "highest clockClass that is followed (7)",
     [](SourceSpec& s, std::string_view v) { return set_byte(s.ptp.max_class, v, "clock class"); }},
    {"accuracy_ns", "ptp4l", "the grandmaster's accuracy, instead of its own word", set_accuracy},
    {"grandmaster", "ptp4l", "identity of a grandmaster that may be followed; may be repeated (any)", add_grandmaster,
     true},
    {"asymmetry_ns", "ptp4l", "calibrated bound on the path's asymmetry, instead of the path delay", set_asymmetry},
    {"hop_ns", "ptp4l", "what each boundary clock on the way may add (1000)",
     [](SourceSpec& s, std::string_view v) {
       return set_duration(s.ptp.per_boundary_clock, v, 1, 1'000'000'000, "error in ns");
     }},
    {"max_offset_us", "ptp4l", "offset from the grandmaster beyond which it counts as not synchronised (1000)",
     [](SourceSpec& s, std::string_view v) {
       return set_duration(s.ptp.max_offset, v, 1'000, 10'000'000, "offset in us");
     }},
}};

const KindInfo* find_kind(std::string_view name) {
  const auto* const at =
      std::find_if(kKinds.begin(), kKinds.end(), [name](const KindInfo& kind) { return kind.name == name; });
  return at == kKinds.end() ? nullptr : &*at;
}

bool knows(const Parameter& parameter, std::string_view kind) {
  std::string_view kinds = parameter.kinds;
  while (!kinds.empty()) {
    const std::string_view first = kinds.substr(0, kinds.find(' '));
    if (first == kind) return true;
    kinds.remove_prefix(std::min(kinds.size(), first.size() + 1));
  }
  return false;
}

std::string parameter_names(std::string_view kind) {
  std::string names;
  for (const Parameter& parameter : kParameters)
    if (knows(parameter, kind)) names += (names.empty() ? "" : ", ") + std::string(parameter.name);
  return names;
}

Applied apply_parameters(SourceSpec& spec, std::string_view kind, std::string_view query) {
  std::array<bool, kParameters.size()> seen{};
  while (!query.empty()) {
    const std::string_view word = query.substr(0, query.find('&'));
    query.remove_prefix(std::min(query.size(), word.size() + 1));
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const auto* const parameter = std::find_if(kParameters.begin(), kParameters.end(),
                                               [&](const Parameter& p) { return p.name == name && knows(p, kind); });
    if (equals == std::string_view::npos || parameter == kParameters.end())
      return fmt::format("'{}' is no parameter of {}; it takes name=value of {}", word, kind, parameter_names(kind));
    bool& before = seen[static_cast<std::size_t>(parameter - kParameters.begin())];
    if (before && !parameter->repeats) return fmt::format("'{}' is there twice: which of the two is meant?", name);
    before = true;
    if (auto wrong = parameter->apply(spec, word.substr(equals + 1))) return wrong;
  }
  return std::nullopt;
}

}  // namespace

tl::expected<SourceSpec, std::string> parse_source(std::string_view text, time::Duration default_bound) {
  const std::size_t question = text.find('?');
  const std::string_view head = text.substr(0, question);
  const std::size_t colon = head.find(':');
  const std::string_view name = head.substr(0, colon);
  const auto refused = [text](const std::string& why) {
    return Result(tl::make_unexpected(fmt::format("source '{}': {}", text, why)));
  };
  const KindInfo* const kind = find_kind(name);
  if (kind == nullptr)
    return refused(
        fmt::format("'{}' is no kind of source; there are system, kernel, chrony, ptp4l, phc and port", name));
  SourceSpec spec;
  spec.kind = kind->kind;
  spec.scale = is_card(kind->kind) ? Scale::kTai : Scale::kUtc;
  spec.bound = kind->kind == SourceKind::kSystem ? default_bound : time::Duration{};
  spec.path = colon == std::string_view::npos ? std::string(kind->default_path) : std::string(head.substr(colon + 1));
  if (colon != std::string_view::npos && !kind->takes_path) return refused("it takes no path");
  if (kind->kind == SourceKind::kPort) {
    if (spec.path.empty() || spec.path.find_first_of(",/") != std::string::npos)
      return refused("name a device of dpdk.devices without its arguments, as in port:0000:3b:00.0");
  } else if (kind->takes_path && !spec.path.starts_with("/")) {
    return refused("name the full path of its socket or device");
  }
  if (question != std::string_view::npos)
    if (auto wrong = apply_parameters(spec, name, text.substr(question + 1))) return refused(*wrong);
  if (is_card(kind->kind) && spec.bound == time::Duration{})
    return refused("state its bound, bound_us=N: a PTP clock says nothing about how wrong it is");
  return spec;
}

tl::expected<std::unique_ptr<TimeSource>, SourceError> make_source(const SourceSpec& spec, const SourcePlace& place,
                                                                   std::size_t index) {
  const std::string own = fmt::format("{}/{}.source{}.sock", place.runtime_dir, place.instance, index);
  switch (spec.kind) {
    case SourceKind::kSystem:
      return std::make_unique<FixedSource>(std::make_unique<SystemClock>(), spec.scale, spec.bound);
    case SourceKind::kKernel: return std::make_unique<KernelSource>(spec.scale);
    case SourceKind::kChrony:
      return std::make_unique<ChronySource>(
          ChronyOptions{spec.path, own, ChronyPolicy{.scale = spec.scale, .drift = place.drift}});
    case SourceKind::kPhc: {
      auto clock = PhcClock::open(spec.path);
      if (!clock) return tl::make_unexpected(clock.error());
      return std::make_unique<FixedSource>(std::move(*clock), spec.scale, spec.bound);
    }
    case SourceKind::kPort:
      return tl::make_unexpected(SourceError{
          SourceFault::kUnsupported,
          "the clock of DPDK port " + spec.path + " can only be read by a program that has the port: by gnomond"});
    case SourceKind::kPtp4l: break;
  }
  std::unique_ptr<ReferenceClock> clock = std::make_unique<SystemClock>();
  if (!spec.clock.empty()) {
    auto card = PhcClock::open(spec.clock);
    if (!card) return tl::make_unexpected(card.error());
    clock = std::move(*card);
  }
  return std::make_unique<Ptp4lSource>(Ptp4lOptions{spec.path, spec.domain, own, spec.ptp}, std::move(clock));
}

std::unique_ptr<TimeSource> system_source(time::Duration stated_bound) {
  return std::make_unique<FixedSource>(std::make_unique<SystemClock>(), Scale::kUtc, stated_bound);
}

std::string_view sources_help() {
  static const std::string kHelp = [] {
    std::string text =
        "What tells the time, one word for each source: system, kernel (adjtimex), chrony[:SOCKET], ptp4l[:SOCKET], "
        "phc:/dev/ptpN, port:DEVICE (of dpdk.devices); parameters follow as ?name=value&name=value.";
    for (const Parameter& parameter : kParameters)
      text += fmt::format(" {} ({}): {}.", parameter.name, parameter.kinds, parameter.help);
    return text;
  }();
  return kHelp;
}

}  // namespace gnomon::ptp
