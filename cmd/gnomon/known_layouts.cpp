// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomon/known_layouts.hpp"

#include <fmt/core.h>

#include <algorithm>

#include "cmd/options/checks.hpp"
#include "cmd/options/resolve.hpp"
#include "cmd/text/suggest.hpp"

namespace gnomon::cmd {
namespace {

tl::expected<std::vector<id::Layout>, std::string> configured(const std::string& file) {
  const auto sources = gather(file, {});
  const auto configuration = sources ? resolve(*sources) : tl::make_unexpected(sources.error());
  if (configuration) return configuration->settings.ids.custom;
  std::string text;
  for (const std::string& problem : configuration.error())
    text += (text.empty() ? "" : "\n") + problem;
  return tl::make_unexpected(text);
}

}  // namespace

tl::expected<std::vector<id::Layout>, std::string> known_layouts(const LayoutOptions& options) {
  std::vector<id::Layout> out;
  for (const id::Layout& layout : id::builtin_layouts())
    out.push_back(layout);
  if (options.config) {
    const auto custom = configured(*options.config);
    if (!custom) return tl::make_unexpected(custom.error());
    out.insert(out.end(), custom->begin(), custom->end());
  }
  for (const std::string& text : options.custom) {
    const auto layout = parse_layout(text);
    if (!layout) return tl::make_unexpected(layout.error());
    const auto same = [&](const id::Layout& other) {
      return other.number == layout->number || other.name() == layout->name();
    };
    if (std::any_of(out.begin(), out.end(), same))
      return tl::make_unexpected(fmt::format("'{}': another layout has this number or name", text));
    out.push_back(*layout);
  }
  std::sort(out.begin(), out.end(), [](const id::Layout& x, const id::Layout& y) { return x.number < y.number; });
  return out;
}

tl::expected<id::Layout, std::string> find_layout(const std::vector<id::Layout>& known, std::string_view word) {
  std::vector<std::string_view> names;
  for (const id::Layout& layout : known) {
    if (layout.name() == word || fmt::format("{}", layout.number.value) == word) return layout;
    names.push_back(layout.name());
  }
  std::string list;
  for (const std::string_view name : names)
    list += fmt::format("{}{}", list.empty() ? "" : ", ", name);
  return tl::make_unexpected(
      fmt::format("there is no layout '{}'{}: {} are known, and --custom or --config adds others", word,
                  did_you_mean(word, names), list));
}

}  // namespace gnomon::cmd
