// SPDX-License-Identifier: Apache-2.0
#include "tests/chaos/timeline.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace gnomon::chaos {
namespace {

constexpr double kWidth = 1280;
constexpr double kLeft = 110;    // of the plots; names stand before them
constexpr double kRight = 1180;  // and the largest values behind
constexpr double kTop = 50;
constexpr double kLaneHeight = 20;
constexpr double kCurveHeight = 64;
constexpr double kGap = 6;
constexpr double kAxisHeight = 34;
constexpr double kLetter = 5.6;  // about the width of one, at this size
constexpr double kMostTicks = 16;
constexpr std::array kBarColours{"#d62728", "#ff7f0e", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22"};
constexpr std::array kCurveColours{"#1f77b4", "#17becf", "#2ca02c", "#393b79", "#637939", "#843c39"};

class Drawing {
 public:
  explicit Drawing(const Timeline& timeline)
      : timeline_(timeline), seconds_(std::isfinite(timeline.seconds) ? std::max(timeline.seconds, 1.0) : 1.0) {}

  std::string draw() {
    y_ = kTop;
    for (const TimelineLane& lane : timeline_.lanes)
      draw_lane(lane);
    y_ += kGap;
    for (std::size_t i = 0; i < timeline_.curves.size(); ++i)
      draw_curve(timeline_.curves[i], kCurveColours[i % kCurveColours.size()]);
    draw_axis();
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1:.0f}\" width=\"{0}\" height=\"{1:.0f}\" "
        "font-family=\"sans-serif\" font-size=\"11\">\n"
        "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        "<text x=\"{2}\" y=\"20\" font-size=\"15\">{3}</text>\n{4}</svg>\n",
        kWidth, y_, kLeft, xml_escaped(timeline_.title), body_);
  }

 private:
  [[nodiscard]] double x_of(double second) const {
    const double inside = std::isfinite(second) ? std::clamp(second, 0.0, seconds_) : 0.0;
    return kLeft + inside / seconds_ * (kRight - kLeft);
  }
  // A kind of fault has one colour in all pictures.
  static const char* colour_of(std::string_view name) {
    std::size_t sum = 0;
    for (const char c : name)
      sum = sum * 31 + static_cast<unsigned char>(c);
    return kBarColours[sum % kBarColours.size()];
  }

  void text(double x, double y, std::string_view what, const char* more = "") {
    body_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\"{}>{}</text>\n", x, y, more, xml_escaped(what));
  }

  void draw_lane(const TimelineLane& lane) {
    body_ += fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" fill=\"#f4f4f4\"/>\n",
                         kLeft, y_, kRight - kLeft, kLaneHeight - 2);
    text(4, y_ + 13, lane.name);
    for (const TimelineBar& bar : lane.bars) {
      const double from = x_of(bar.from_s);
      const double width = std::max(x_of(bar.until_s) - from, 2.0);
      body_ += fmt::format(
          "<g><title>{}{}{}, {:.1f} s to {:.1f} s</title><rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" "
          "height=\"{:.1f}\" rx=\"2\" fill=\"{}\"/>\n",
          xml_escaped(bar.name), bar.details.empty() ? "" : ": ", xml_escaped(bar.details), bar.from_s, bar.until_s,
          from, y_, width, kLaneHeight - 2, colour_of(bar.name));
      if (static_cast<double>(bar.name.size()) * kLetter < width)
        text(from + 3, y_ + 13, bar.name, R"( fill="white" font-size="10")");
      body_ += "</g>\n";
    }
    y_ += kLaneHeight;
  }

  void draw_curve(const TimelineCurve& curve, const char* colour) {
    const std::uint64_t most =
        curve.per_second.empty() ? 0 : *std::max_element(curve.per_second.begin(), curve.per_second.end());
    const double base = y_ + kCurveHeight - kGap;
    const double height = kCurveHeight - 2 * kGap;
    body_ += fmt::format("<line x1=\"{0:.1f}\" y1=\"{2:.1f}\" x2=\"{1:.1f}\" y2=\"{2:.1f}\" stroke=\"#cccccc\"/>\n",
                         kLeft, kRight, base);
    text(4, y_ + kCurveHeight / 2 + 4, curve.name);
    text(kRight + 6, y_ + kGap + 8, fmt::format("{} /s", most));
    std::string points;
    for (std::size_t s = 0; s < curve.per_second.size(); ++s) {
      const double part = most == 0 ? 0.0 : static_cast<double>(curve.per_second[s]) / static_cast<double>(most);
      points += fmt::format("{:.1f},{:.1f} ", x_of(static_cast<double>(s) + 0.5), base - part * height);
    }
    body_ +=
        fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"1.3\"/>\n", points, colour);
    y_ += kCurveHeight;
  }

  void draw_axis() {
    double step = 1;
    while (seconds_ / step > kMostTicks)
      step = step < 5 ? 5 : step < 10 ? 10 : step < 30 ? 30 : step * 2;
    for (int tick = 0; tick * step <= seconds_; ++tick) {
      const double s = tick * step;
      body_ += fmt::format("<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\" stroke=\"#dddddd\"/>\n",
                           x_of(s), kTop, y_);
      text(x_of(s) - 6, y_ + 14, fmt::format("{:.0f} s", s));
    }
    for (const TimelineMark& mark : timeline_.marks) {
      body_ += fmt::format(
          "<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\" stroke=\"black\" "
          "stroke-dasharray=\"4 3\"/>\n",
          x_of(mark.at_s), kTop - 8, y_);
      text(x_of(mark.at_s) + 3, kTop - 6, mark.name, R"( font-size="10")");
    }
    y_ += kAxisHeight;
  }

  const Timeline& timeline_;
  const double seconds_;
  double y_ = 0;
  std::string body_;
};

}  // namespace

std::string xml_escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      case '\'': out += "&apos;"; break;
      default: out += static_cast<unsigned char>(c) < 0x20 ? (c == '\n' || c == '\t' ? ' ' : '?') : c;
    }
  }
  return out;
}

std::string svg_of(const Timeline& timeline) { return Drawing(timeline).draw(); }

}  // namespace gnomon::chaos
