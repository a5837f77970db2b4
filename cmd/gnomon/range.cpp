// SPDX-License-Identifier: Apache-2.0
//
// gnomon range: the IDs of a span of time, as bounds for WHERE id BETWEEN. Both bounds belong to the range, and it
// covers every machine and every sequence of the units that overlap the span.
#include <fmt/core.h>

#include "cmd/gnomon/offline.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"
#include "oracle/id/codec.hpp"

namespace gnomon::cmd {

ExitCode run_range(const RangeOptions& options, time::SmearedUtc now, const Output& output) {
  const auto layouts = known_layouts(options.layouts);
  if (!layouts) return output.fail(ExitCode::kUsage, layouts.error());
  const auto layout = find_layout(*layouts, options.layouts.layout.empty() ? "snowflake" : options.layouts.layout);
  if (!layout) return output.fail(ExitCode::kUsage, layout.error());
  const auto from = parse_time(options.from, now);
  if (!from) return output.fail(ExitCode::kUsage, "--from: " + from.error());
  const auto to = parse_time(options.to, now);
  if (!to) return output.fail(ExitCode::kUsage, "--to: " + to.error());
  const auto range = id::range_of(*layout, *from, *to);
  if (!range)
    return output.fail(ExitCode::kRefused,
                       fmt::format("layout {} (epoch {}) has no IDs from {} to {}: {}", layout->name(),
                                   rfc3339(layout->epoch), rfc3339(*from), rfc3339(*to), id::text_of(range.error())));
  if (!output.json) {
    output.out << fmt::format("{} BETWEEN {} AND {}\n", options.column, range->first.value, range->last.value);
    return ExitCode::kOk;
  }
  JsonWriter json;
  json.begin_object().key("layout").text(layout->name()).key("from").text(rfc3339(*from)).key("to").text(rfc3339(*to));
  json.key("first").text(fmt::format("{}", range->first.value)).key("last").text(fmt::format("{}", range->last.value));
  output.out << json.end_object().str() << '\n';
  return ExitCode::kOk;
}

}  // namespace gnomon::cmd
