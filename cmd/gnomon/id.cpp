// SPDX-License-Identifier: Apache-2.0
//
// gnomon id: IDs, one per line, in the order in which they were granted. Large numbers are asked for piece by piece, so
// that the first line does not wait for the last.
#include <fmt/core.h>

#include <algorithm>

#include "cmd/gnomon/online.hpp"
#include "cmd/text/json.hpp"

namespace gnomon::cmd {
namespace {

constexpr std::uint64_t kAtOnce = 65'536;

void write_ids(const client::IdRange& range, std::string& text) {
  for (std::uint32_t i = 0; i < range.count; ++i)
    text += fmt::format("{}\n", range.at(i).value);
}

tl::expected<std::vector<client::IdRange>, client::Error> ask(client::Client& client, id::LayoutNumber layout,
                                                              std::uint64_t count, bool one_by_one) {
  if (!one_by_one) return client.next_ids(layout, count);
  return client.next_id(layout).map([](id::Id id) { return std::vector{client::IdRange{.first = id, .count = 1}}; });
}

}  // namespace

ExitCode run_id(const IdOptions& options, const Output& output) {
  const auto known = known_layouts(options.layouts);
  if (!known) return output.fail(ExitCode::kUsage, known.error());
  const auto layout = find_layout(*known, options.layouts.layout.empty() ? "snowflake" : options.layouts.layout);
  if (!layout) return output.fail(ExitCode::kUsage, layout.error());
  auto client = connect_to(options.server);
  if (!client) return output.fail(ExitCode::kUsage, client.error());

  JsonWriter json;
  json.begin_object().key("layout").text(layout->name()).key("ids").begin_array();
  for (std::uint64_t left = options.count; left > 0;) {
    const auto ranges = ask(*client, layout->number, std::min(left, kAtOnce), options.one_by_one);
    if (!ranges) {
      output.out.flush();
      return output.fail(
          exit_code_of(ranges.error().kind),
          fmt::format("{} of {} IDs were had: {}", options.count - left, options.count, ranges.error().text));
    }
    std::string text;
    for (const client::IdRange& range : *ranges) {
      left -= range.count;
      if (output.json)
        for (std::uint32_t i = 0; i < range.count; ++i)
          json.text(fmt::format("{}", range.at(i).value));
      else
        write_ids(range, text);
    }
    output.out << text;
    if (output.out.fail()) return ExitCode::kRefused;  // the reader has gone; main says so
  }
  if (output.json) output.out << json.end_array().end_object().str() << '\n';
  return ExitCode::kOk;
}

}  // namespace gnomon::cmd
