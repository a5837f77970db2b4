// SPDX-License-Identifier: Apache-2.0
//
// gnomon decode: when, where and as which was this ID issued? An ID does not say which layout it has, so without
// --layout every known one is tried and the reader decides.
#include <fmt/core.h>

#include "cmd/gnomon/id_text.hpp"
#include "cmd/gnomon/offline.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"
#include "oracle/id/codec.hpp"

namespace gnomon::cmd {
namespace {

void add_json(JsonWriter& json, id::Id id, const std::vector<id::Layout>& layouts) {
  json.begin_object().key("id").text(fmt::format("{}", id.value)).key("layouts").begin_array();
  for (const id::Layout& layout : layouts) {
    json.begin_object().key("layout").text(layout.name());
    const auto fields = id::decode(layout, id);
    if (fields)
      json.key("time")
          .text(rfc3339(fields->time))
          .key("machine")
          .number(fields->machine.value + 0U)
          .key("sequence")
          .number(fields->sequence);
    else
      json.key("error").text(id::text_of(fields.error()));
    json.end_object();
  }
  json.end_array().end_object();
}

void print_text(std::ostream& out, id::Id id, const std::vector<id::Layout>& layouts) {
  const auto line = [](const tl::expected<id::Fields, id::LayoutError>& fields) {
    if (!fields) return fmt::format("no: {}", id::text_of(fields.error()));
    return fmt::format("{:<24}  machine {}  sequence {}", rfc3339(fields->time), fields->machine.value,
                       fields->sequence);
  };
  if (layouts.size() == 1) {
    out << fmt::format("{}  {}\n", id.value, line(id::decode(layouts.front(), id)));
    return;
  }
  out << id.value << '\n';
  for (const id::Layout& layout : layouts)
    out << fmt::format("  {:<10}  {}\n", layout.name(), line(id::decode(layout, id)));
}

bool decodes_somewhere(id::Id id, const std::vector<id::Layout>& layouts) {
  for (const id::Layout& layout : layouts)
    if (id::decode(layout, id)) return true;
  return false;
}

/// The words of the command line; "-" stands for the words on standard input.
std::vector<std::string> all_words(const std::vector<std::string>& given, std::istream& in) {
  std::vector<std::string> words;
  for (const std::string& word : given) {
    if (word != "-") {
      words.push_back(word);
      continue;
    }
    for (std::string read; in >> read;)
      words.push_back(read);
  }
  return words;
}

}  // namespace

ExitCode run_decode(const DecodeOptions& options, std::istream& in, const Output& output) {
  auto layouts = known_layouts(options.layouts);
  if (!layouts) return output.fail(ExitCode::kUsage, layouts.error());
  if (!options.layouts.layout.empty()) {
    const auto layout = find_layout(*layouts, options.layouts.layout);
    if (!layout) return output.fail(ExitCode::kUsage, layout.error());
    layouts = std::vector{*layout};
  }
  ExitCode code = ExitCode::kOk;
  JsonWriter json;
  json.begin_array();
  for (const std::string& word : all_words(options.ids, in)) {
    const auto id = parse_id(word);
    if (!id) {
      code = output.fail(ExitCode::kUsage, no_id_text(word));
      continue;
    }
    if (output.json)
      add_json(json, *id, *layouts);
    else
      print_text(output.out, *id, *layouts);
    if (code == ExitCode::kOk && !decodes_somewhere(*id, *layouts)) code = ExitCode::kRefused;
  }
  if (output.json) output.out << json.end_array().str() << '\n';
  return code;
}

}  // namespace gnomon::cmd
