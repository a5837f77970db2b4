// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/part.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <optional>
#include <utility>

namespace gnomon::sim {
namespace {

constexpr std::string_view kNothing = "nothing";
constexpr std::array<std::string_view, kTroubleKinds> kNames = {
    "faults", "host-faults", "hardships", "loss", "preemption", "lost-answers", "failed-syncs", "duplicates",
};

std::string_view name_of(TroubleKind kind) { return kNames[static_cast<std::size_t>(kind)]; }
bool is_numbered(TroubleKind kind) { return kind <= TroubleKind::kHardship; }

/// Takes what stands before the separator, and the separator, off the text; all of it, if there is none.
std::string_view take(std::optional<std::string_view>& text, char separator) {
  const std::size_t at = text->find(separator);
  const std::string_view first = text->substr(0, at);
  text = at == std::string_view::npos ? std::nullopt : std::optional(text->substr(at + 1));
  return first;
}

std::optional<std::uint32_t> parse_number(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = error == std::errc{} && end == text.data() + text.size() && text.front() != '0';
  return whole && number <= kLargestTrouble ? std::optional(number) : std::nullopt;
}

std::optional<PartError> parse_numbers(std::string_view text, TroubleKind kind, std::vector<Trouble>& troubles) {
  std::uint32_t highest = 0;
  for (std::optional<std::string_view> rest = text; rest;) {
    const std::string_view range = take(rest, ',');
    const std::size_t dash = range.find('-');
    const auto first = parse_number(range.substr(0, dash));
    const auto last = dash == std::string_view::npos ? first : parse_number(range.substr(dash + 1));
    if (!first || !last) return PartError::kNotANumber;
    if (*first <= highest) return PartError::kOutOfOrder;
    if (dash != std::string_view::npos && *last <= *first) return PartError::kEmptyRange;
    for (std::uint32_t number = *first; number <= *last; ++number)
      troubles.push_back({kind, number});
    highest = *last;
  }
  return std::nullopt;
}

std::string text_of_numbers(std::vector<Trouble>::const_iterator begin, std::vector<Trouble>::const_iterator end) {
  std::string text;
  for (auto at = begin; at != end;) {
    auto last = at;
    while (std::next(last) != end && std::next(last)->number == last->number + 1)
      ++last;
    text += text.empty() ? "" : ",";
    text += at == last ? fmt::format("{}", at->number) : fmt::format("{}-{}", at->number, last->number);
    at = std::next(last);
  }
  return text;
}

}  // namespace

Part::Part(std::vector<Trouble> troubles) : troubles_(std::move(troubles)) {
  std::sort(troubles_.begin(), troubles_.end());
  troubles_.erase(std::unique(troubles_.begin(), troubles_.end()), troubles_.end());
}

bool Part::has(Trouble trouble) const { return std::binary_search(troubles_.begin(), troubles_.end(), trouble); }

std::string text_of(const Part& part) {
  std::string text;
  const auto& troubles = part.troubles();
  for (auto at = troubles.begin(); at != troubles.end();) {
    const TroubleKind kind = at->kind;
    const auto end = std::find_if(at, troubles.end(), [&](const Trouble& trouble) { return trouble.kind != kind; });
    text += text.empty() ? "" : ";";
    text += name_of(kind);
    if (is_numbered(kind)) text += "=" + text_of_numbers(at, end);
    at = end;
  }
  return text.empty() ? std::string(kNothing) : text;
}

tl::expected<Part, PartError> parse_part(std::string_view text) {
  if (text == kNothing) return Part();
  std::vector<Trouble> troubles;
  std::optional<TroubleKind> before;
  for (std::optional<std::string_view> rest = text; rest;) {
    std::optional<std::string_view> item = take(rest, ';');
    const std::string_view name = take(item, '=');
    const auto* const at = std::find(kNames.begin(), kNames.end(), name);
    if (at == kNames.end()) return tl::make_unexpected(PartError::kUnknownName);
    const auto kind = static_cast<TroubleKind>(at - kNames.begin());
    if (before && kind <= *before) return tl::make_unexpected(PartError::kOutOfOrder);
    before = kind;
    if (!is_numbered(kind)) {
      if (item) return tl::make_unexpected(PartError::kNumbersTooMuch);
      troubles.push_back({kind, 0});
    } else if (!item || item->empty()) {
      return tl::make_unexpected(PartError::kNumbersMissing);
    } else if (const auto error = parse_numbers(*item, kind, troubles)) {
      return tl::make_unexpected(*error);
    }
  }
  return Part(std::move(troubles));
}

std::string_view text_of(PartError error) {
  switch (error) {
    case PartError::kUnknownName:
      return "it names no trouble; there are faults=NUMBERS, host-faults=NUMBERS, hardships=NUMBERS, loss, preemption, "
             "lost-answers, failed-syncs and duplicates, with ; between them, or nothing";
    case PartError::kOutOfOrder: return "names and numbers have to ascend, each once";
    case PartError::kNotANumber: return "a fault's number is 1 to 100000, or two with - between them";
    case PartError::kNumbersMissing: return "which faults? As in faults=1-3,7";
    case PartError::kNumbersTooMuch: return "a nuisance has no numbers";
    case PartError::kEmptyRange: return "a range goes upwards";
  }
  return "?";
}

}  // namespace gnomon::sim
