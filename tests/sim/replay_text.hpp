// SPDX-License-Identifier: Apache-2.0
//
// How a violation is reported, of whatever kind of world: what the world was like, the promise, what happened, the last
// lines of its trace, and the commands that replay it and look for what it needs.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "oracle/canary.hpp"
#include "tests/sim/part.hpp"
#include "tests/sim/strokes.hpp"

namespace gnomon::sim {

/// `world`: the flag that makes this kind of world of a seed, or nothing. Names the bug that is planted, too.
inline std::string replay_command(std::uint64_t seed, std::string_view world, const std::optional<Part>& part) {
  std::string text = fmt::format("./dev sim --seed {}", seed);
  if (!world.empty()) text += fmt::format(" {}", world);
  const auto* const bug = std::find_if(canary::kBugs.begin(), canary::kBugs.end(),
                                       [](const canary::BugInfo& info) { return canary::planted(info.bug); });
  if (bug != canary::kBugs.end()) text += fmt::format(" --canary {}", bug->name);
  if (part) text += fmt::format(" --only '{}'", text_of(*part));
  return text;
}

/// A line for each stroke that struck.
inline std::string text_of(const Befell& befell) {
  std::string text;
  for (const auto& [kind, name] : {std::pair(TroubleKind::kFault, "fault"),
                                   {TroubleKind::kHostFault, "host fault"},
                                   {TroubleKind::kHardship, "hardship"}}) {
    std::size_t number = 0;
    for (const Stroke& stroke : befell.strokes(kind)) {
      ++number;
      if (stroke.struck)
        text += fmt::format("  {} {}, at {:.6f} s: {}\n", name, number, static_cast<double>(stroke.at.ns) / 1e9,
                            stroke.what);
    }
  }
  return text;
}

template <typename Outcome>
std::string text_of_violation(const std::string& world, const Outcome& outcome, std::string_view flag) {
  const std::string command = replay_command(outcome.seed, flag, outcome.part);
  const std::string met = outcome.part ? text_of(outcome.befell) : "";
  std::string text = fmt::format("{}\n{}  broken: {}: {}\n{}  replay: {} --trace\n", world, met,
                                 outcome.violation->promise, outcome.violation->text, outcome.last_lines, command);
  if (!outcome.part) text += fmt::format("  what it needs: {} --shrink\n", command);
  return text;
}

}  // namespace gnomon::sim
