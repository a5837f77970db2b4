// SPDX-License-Identifier: Apache-2.0
//
// gnomon layouts: what each layout can hold and when it ends. The end is that of IDs which stay positive in a signed
// 64-bit column, because that is where they are kept.
#include <fmt/core.h>

#include "cmd/gnomon/offline.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"
#include "oracle/id/codec.hpp"

namespace gnomon::cmd {
namespace {

double ids_per_second(const id::Layout& layout) {
  return static_cast<double>(layout.sequences()) * 1e9 / static_cast<double>(layout.unit.ns);
}

void add_json(JsonWriter& json, const id::Layout& layout, time::SmearedUtc at) {
  const id::Exhaustion end = id::exhaustion(layout);
  const id::Headroom headroom = id::headroom(layout, at);
  json.begin_object().key("number").number(layout.number.value + 0U).key("name").text(layout.name());
  json.key("time_bits").number(layout.time_bits + 0U).key("machine_bits").number(layout.machine_bits + 0U);
  json.key("sequence_bits").number(layout.sequence_bits + 0U).key("epoch").text(rfc3339(layout.epoch));
  json.key("unit_ns").number(layout.unit.ns).key("machines").number(layout.machines());
  json.key("ids_per_second_per_machine").number(ids_per_second(layout));
  json.key("exhausted_at").text(rfc3339(end.at)).key("exhausted_signed_at").text(rfc3339(end.in_signed));
  json.key("headroom_seconds")
      .number(headroom.left.ns / 1'000'000'000)
      .key("used_fraction")
      .number(headroom.used_fraction);
  json.key("javascript_safe").boolean(id::fits_javascript(layout)).end_object();
}

std::string line(const id::Layout& layout, time::SmearedUtc at) {
  const id::Headroom headroom = id::headroom(layout, at);
  return fmt::format(
      "{:>3}  {:<12} {:>8}  {:>7}  {:>8}  {:>12.0f}  {:<10}  {:<20}  {:>9}  {}\n", layout.number.value, layout.name(),
      fmt::format("{}/{}/{}", layout.time_bits, layout.machine_bits, layout.sequence_bits),
      fmt::format("{}us", layout.unit.ns / 1'000), layout.machines(), ids_per_second(layout),
      rfc3339(layout.epoch).substr(0, 10), rfc3339(id::exhaustion(layout).in_signed).substr(0, 19) + "Z",
      headroom.left.ns == 0 ? "EXHAUSTED" : human_duration(headroom.left), id::fits_javascript(layout) ? "yes" : "no");
}

}  // namespace

ExitCode run_layouts(const LayoutsOptions& options, time::SmearedUtc now, const Output& output) {
  auto layouts = known_layouts(options.layouts);
  if (!layouts) return output.fail(ExitCode::kUsage, layouts.error());
  if (!options.layouts.layout.empty()) {
    const auto layout = find_layout(*layouts, options.layouts.layout);
    if (!layout) return output.fail(ExitCode::kUsage, layout.error());
    layouts = std::vector{*layout};
  }
  const auto at = parse_time(options.at, now);
  if (!at) return output.fail(ExitCode::kUsage, "--at: " + at.error());
  if (output.json) {
    JsonWriter json;
    json.begin_array();
    for (const id::Layout& layout : *layouts)
      add_json(json, layout, *at);
    output.out << json.end_array().str() << '\n';
    return ExitCode::kOk;
  }
  output.out << fmt::format("{:>3}  {:<12} {:>8}  {:>7}  {:>8}  {:>12}  {:<10}  {:<20}  {:>9}  {}\n", "no", "name",
                            "bits", "unit", "machines", "IDs/s each", "epoch", "exhausted", "left", "JavaScript-safe");
  for (const id::Layout& layout : *layouts)
    output.out << line(layout, *at);
  return ExitCode::kOk;
}

}  // namespace gnomon::cmd
