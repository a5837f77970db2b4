// SPDX-License-Identifier: Apache-2.0
//
// gnomon encode: the ID with these fields. For tests and queries; an ID that was built by hand is not a unique ID.
#include <fmt/core.h>

#include "cmd/gnomon/offline.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"
#include "oracle/id/codec.hpp"

namespace gnomon::cmd {

ExitCode run_encode(const EncodeOptions& options, time::SmearedUtc now, const Output& output) {
  const auto layouts = known_layouts(options.layouts);
  if (!layouts) return output.fail(ExitCode::kUsage, layouts.error());
  const auto layout = find_layout(*layouts, options.layouts.layout.empty() ? "snowflake" : options.layouts.layout);
  if (!layout) return output.fail(ExitCode::kUsage, layout.error());
  const auto at = parse_time(options.time, now);
  if (!at) return output.fail(ExitCode::kUsage, at.error());
  if (options.machine >= layout->machines())
    return output.fail(ExitCode::kRefused, fmt::format("layout {} has machine ids 0 to {}, and {} is none of them",
                                                       layout->name(), layout->machines() - 1, options.machine));
  const id::Fields fields{
      .time = *at, .machine = {static_cast<std::uint16_t>(options.machine)}, .sequence = options.sequence};
  const auto id = id::encode(*layout, fields);
  if (!id)
    return output.fail(ExitCode::kRefused,
                       fmt::format("no such ID in layout {} (epoch {}, {} sequences): {}", layout->name(),
                                   rfc3339(layout->epoch), layout->sequences(), id::text_of(id.error())));
  if (!output.json) {
    output.out << id->value << '\n';
    return ExitCode::kOk;
  }
  JsonWriter json;
  json.begin_object().key("id").text(fmt::format("{}", id->value)).key("layout").text(layout->name());
  json.key("time").text(rfc3339(layout->start_of(layout->unit_of(*at)))).key("machine").number(options.machine);
  json.key("sequence").number(options.sequence).end_object();
  output.out << json.str() << '\n';
  return ExitCode::kOk;
}

}  // namespace gnomon::cmd
