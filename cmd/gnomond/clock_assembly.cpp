// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/clock_assembly.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <utility>
#include <vector>

#include "cmd/gnomond/port_clock.hpp"
#include "oracle/time/leap_list.hpp"
#include "platform/shared_page.hpp"
#include "ptp/offset_source.hpp"
#include "ptp/sources.hpp"

namespace gnomon::cmd {
namespace {

bool is_system(const ptp::SourceSpec& spec) { return spec.kind == ptp::SourceKind::kSystem; }

std::vector<ptp::SourceSpec> source_specs(const Settings& settings) {
  std::vector<ptp::SourceSpec> specs;
  for (const std::string& text : settings.clock.sources) {
    auto spec = ptp::parse_source(text, time::microseconds(settings.clock.bound_us));
    if (spec) specs.push_back(std::move(*spec));  // resolve has parsed it already
  }
  return specs;
}

bool system_clock_alone(const Settings& settings) {
  const auto specs = source_specs(settings);
  return std::all_of(specs.begin(), specs.end(), is_system);
}

/// Whether some source but the system clock can be read before there are ports: else waiting for one is in vain.
bool any_speaks_before_ports(const Settings& settings) {
  const auto specs = source_specs(settings);
  return std::any_of(specs.begin(), specs.end(), [](const ptp::SourceSpec& spec) {
    return !is_system(spec) && spec.kind != ptp::SourceKind::kPort;
  });
}

Or<std::unique_ptr<ptp::TimeSource>> source_of(const ptp::SourceSpec& spec, const ptp::SourcePlace& place,
                                               std::size_t index, const Settings& settings) {
  if (spec.kind == ptp::SourceKind::kPort) return port_source(spec, settings);
  auto source = ptp::make_source(spec, place, index);
  if (!source) return refused(source.error().text);
  return std::move(*source);
}

}  // namespace

std::optional<LeftClock> read_left_clock(const std::string& instance) {
  const auto page = platform::ForeignPage<page::ClockPage>::open(fmt::format("gnomon.{}.clock", instance));
  if (!page) return std::nullopt;
  LeftClock left;
  page::PublishedLine published;
  std::uint64_t version = 0;
  if (!(*page)->truth.try_read(published, version) || !published.holds((*page)->header.incarnation))
    return std::nullopt;
  if (!(*page)->details.try_read(left.details, version)) return std::nullopt;
  left.line = published.line;
  return left;
}

time::LeapTable leap_table(const Settings& settings, std::string& warning) {
  const std::string& path = settings.clock.leap_file;
  const auto fall_back = [&](const std::string& why) {
    warning = fmt::format(
        "{}; the built-in table of leap seconds is used, which ends on 2026-06-28: set clock.leap_file "
        "to a list of leap seconds (package tzdata has one)",
        why);
    return time::builtin_leap_table();
  };
  std::ifstream file(path, std::ios::binary);
  if (!file) return fall_back(fmt::format("clock.leap_file {} can't be read", path));
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  auto table = time::parse_leap_list(text);
  if (!table) return fall_back(fmt::format("clock.leap_file {}: {}", path, table.error().text));
  return std::move(*table);
}

ptp::ClockThreadOptions clock_options(const Settings& settings, const time::LeapTable& leaps,
                                      const std::optional<LeftClock>& left) {
  const auto& clock = settings.clock;
  ptp::ClockThreadOptions out;
  out.estimator.ordering.max_lead = time::milliseconds(settings.rights.max_lead_ms);
  out.estimator.ordering.confirm = time::milliseconds(clock.confirm_ms);
  out.estimator.order_by_truth = !system_clock_alone(settings);
  out.estimator.truth.drift = {clock.oscillator_ppb};
  out.estimator.truth.source_timeout = time::milliseconds(clock.source_timeout_ms);
  out.estimator.truth.holdover = time::milliseconds(clock.holdover_ms);
  out.estimator.truth.max_epsilon = time::microseconds(clock.max_epsilon_us);
  if (out.estimator.order_by_truth && any_speaks_before_ports(settings))
    out.truth_limit = time::milliseconds(clock.start_wait_ms);
  out.leaps = leaps;
  if (left) {
    out.previous_details = left->details;
    out.previous_line = left->line;
  }
  return out;
}

Or<ptp::ClockSources> clock_sources(const Settings& settings, const std::string& runtime_dir) {
  ptp::ClockSources out;
  out.system = ptp::system_source(time::microseconds(settings.clock.bound_us));
  out.system_counts = false;
  const ptp::SourcePlace place{runtime_dir, settings.server.instance, {settings.clock.oscillator_ppb}};
  std::size_t index = 0;
  for (const ptp::SourceSpec& spec : source_specs(settings)) {
    auto source = source_of(spec, place, index, settings);
    if (!source)
      return refused(fmt::format("source '{}' of clock.sources can't be used: {}", settings.clock.sources[index],
                                 source.error().text));
    ++index;
    if (is_system(spec)) {  // the same readings order and count
      out.system = std::move(*source);
      out.system_counts = true;
    } else {
      out.others.push_back(std::move(*source));
    }
  }
  if (!settings.clock.offset_file.empty())
    out.system =
        std::make_unique<ptp::OffsetSource>(std::move(out.system), ptp::offset_from_file(settings.clock.offset_file));
  return out;
}

}  // namespace gnomon::cmd
