// SPDX-License-Identifier: Apache-2.0
//
// The picture and the report are what they should be, whatever is in the names; and the reader that says so would say
// the contrary, too.
#include "tests/chaos/timeline.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <string>

#include "tests/chaos/report.hpp"
#include "tests/chaos/xml_shape.hpp"

namespace gnomon::chaos {
namespace {

Timeline example() {
  return {.title = "a title",
          .seconds = 60,
          .lanes = {{.name = "etcd 0", .bars = {{.from_s = 5, .until_s = 20, .name = "paused", .details = "long"}}},
                    {.name = "gnomond 0"}},
          .curves = {{.name = "id", .per_second = {0, 100, 50, 200}}, {.name = "lease"}},
          .marks = {{.at_s = 5, .name = "begins"}}};
}

int count(const std::string& text, const std::string& what) {
  int times = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + what.size()))
    ++times;
  return times;
}

TEST(XmlShape, FindsWhatIsWrong) {
  EXPECT_EQ(xml_fault("<a b=\"c &amp; d\"><e/>text &lt;</a>\n"), "");
  for (const char* wrong :
       {"", "<a>", "</a>", "<a></b>", "<a><b></a></b>", "<a/><b/>", "<a b=c/>", "<a b=\"<\"/>", "<a b=\"/>", "<a>&</a>",
        "<a>&nothing;</a>", "<a", "<a>\x01</a>", "text", "<a/>text", "< a/>"})
    EXPECT_NE(xml_fault(wrong), "") << wrong;
}

TEST(ChaosTimeline, IsWellFormedAndHasAllThatItShows) {
  const std::string svg = svg_of(example());
  EXPECT_EQ(xml_fault(svg), "") << svg;
  EXPECT_EQ(count(svg, "<polyline"), 2);
  EXPECT_EQ(count(svg, "<title>paused: long, 5.0 s to 20.0 s</title>"), 1);
  for (const char* word : {"a title", "etcd 0", "gnomond 0", ">id<", ">lease<", "200 /s", "begins", ">60 s<"})
    EXPECT_NE(svg.find(word), std::string::npos) << word << "\n" << svg;
}

TEST(ChaosTimeline, EscapesWhateverStandsInANameOrADetail) {
  const std::string nasty = "<b>&\"quoted\" 'n' \x01\n</svg>";
  Timeline timeline = example();
  timeline.title = timeline.lanes[0].name = timeline.curves[0].name = timeline.marks[0].name = nasty;
  timeline.lanes[0].bars[0].name = timeline.lanes[0].bars[0].details = nasty;
  EXPECT_EQ(xml_fault(svg_of(timeline)), "") << svg_of(timeline);
}

TEST(ChaosTimeline, StaysInsideItsFrameWhateverTheTimes) {
  Timeline timeline = example();
  for (const double odd :
       {-5.0, 1e9, std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    timeline.lanes[0].bars[0].from_s = odd;
    timeline.marks[0].at_s = odd;
    const std::string svg = svg_of(timeline);
    EXPECT_EQ(xml_fault(svg), "") << svg;
    EXPECT_EQ(svg.find("x=\"-"), std::string::npos) << svg;
    EXPECT_EQ(svg.find("x=\"nan"), std::string::npos) << svg;
  }
  timeline.seconds = 0;
  EXPECT_EQ(xml_fault(svg_of(timeline)), "");
  timeline.seconds = 100'000;
  EXPECT_LT(count(svg_of(timeline), " s</text>"), 20) << "ticks that nobody can read";
}

ChaosRun example_run() {
  ChaosRun run{.plan = make_plan(3, kShortest), .command = "a command", .machine = "a machine"};
  run.start = {1'000'000'000};
  run.calm = run.start + time::seconds(20);
  run.end = run.start + time::seconds(25);
  for (const Fault& fault : run.plan.faults)
    run.deeds.push_back({.fault = fault,
                         .began = run.start + fault.at,
                         .ended = run.start + fault.at + fault.lasts,
                         .victim = fault.target,
                         .note = "a | note"});
  run.deeds.front().skipped = true;
  run.histories.push_back({.client = "one"});
  for (int second = 0; second < 24; ++second)
    run.histories[0].answers.push_back({.asked = run.start + time::seconds(second),
                                        .answered = run.start + time::seconds(second),
                                        .first = 1000U + static_cast<unsigned>(second),
                                        .last = 1000U + static_cast<unsigned>(second),
                                        .domain = id_domain(1, 2, 3)});
  run.histories[0].refusals[{Kind::kId, "not_leased"}] = 17;
  run.served_again.push_back({"one", time::milliseconds(1500)});
  return run;
}

TEST(ChaosReport, SaysWhatWasDoneAndWhatCameOfIt) {
  const ChaosRun run = example_run();
  const Outcome outcome = judge(run);
  const std::string text = markdown_of(run, outcome);
  for (const char* word : {"`a command`", "- seed: 3", "a machine", "chaos.svg", "| id | not_leased | 17 |", "a / note",
                           "| one | 24 | 17 | 2.00 s |", "1.5 s |"})
    EXPECT_NE(text.find(word), std::string::npos) << word << "\n" << text;
  EXPECT_NE(text.find("**A promise was broken.**"), std::string::npos) << "nobody but one client was served";
  const std::string svg = svg_of(timeline_of(run, outcome));
  EXPECT_EQ(xml_fault(svg), "") << svg;
  EXPECT_GE(count(svg, "<title>"), static_cast<int>(run.deeds.size()) - 1);
}

// Every row of a table has as many cells as its head: a '|' in a text would shift the rest.
TEST(ChaosReport, ItsTablesAreWhole) {
  const ChaosRun run = example_run();
  const std::string text = markdown_of(run, judge(run));
  int cells = 0;
  for (std::size_t begin = 0, end = text.find('\n'); end != std::string::npos;
       begin = end + 1, end = text.find('\n', begin)) {
    const std::string line = text.substr(begin, end - begin);
    if (!line.starts_with("|")) {
      cells = 0;
      continue;
    }
    if (cells == 0) cells = count(line, "|");
    EXPECT_EQ(count(line, "|"), cells) << line;
  }
}

}  // namespace
}  // namespace gnomon::chaos
