// SPDX-License-Identifier: Apache-2.0
//
// The picture of a run: who was in what trouble when, and what was served meanwhile, one above the other on one axis
// of time.
//
// A lane for each member and each daemon, with a bar for each fault, and below a curve for each kind of client: what it
// was served in each second. Each curve has a scale of its own, since they differ by orders of magnitude; its largest
// value stands beside it. The program writes the SVG itself: a report has to come out of a machine without a plotting
// program, and a curve is one line of text.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gnomon::chaos {

struct TimelineBar {
  double from_s = 0;
  double until_s = 0;
  std::string name;     // stands on the bar where there is room, and in its tooltip
  std::string details;  // in the tooltip
};

struct TimelineLane {
  std::string name;
  std::vector<TimelineBar> bars{};
};

struct TimelineCurve {
  std::string name;
  std::vector<std::uint64_t> per_second{};
};

struct TimelineMark {
  double at_s = 0;
  std::string name;
};

struct Timeline {
  std::string title;
  double seconds = 0;
  std::vector<TimelineLane> lanes{};
  std::vector<TimelineCurve> curves{};
  std::vector<TimelineMark> marks{};
};

/// Any text, whatever is in it.
[[nodiscard]] std::string svg_of(const Timeline& timeline);
/// Fit for an element's text and for an attribute; control characters, which XML has no way to write, become '?'.
[[nodiscard]] std::string xml_escaped(std::string_view text);

}  // namespace gnomon::chaos
