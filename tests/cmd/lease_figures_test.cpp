// SPDX-License-Identifier: Apache-2.0
//
// The figures of the lease service: in the report, on the Prometheus page and in what gnomon status prints.
#include "cmd/lease_figures.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "cmd/gnomond/lease_assembly.hpp"
#include "cmd/gnomond/metrics.hpp"
#include "platform/endpoint.hpp"
#include "tests/cmd/http_get.hpp"

namespace gnomon::cmd {
namespace {

control::LeaseServiceCounters counted() {
  control::LeaseServiceCounters out;
  for (std::size_t i = 0; i < control::kLeaseMethods; ++i)
    out.calls[i] = 100 + i;
  out.open = 7;
  out.over_limit = 8;
  out.runner.parked = 9;
  out.runner.desk.grants = 10;
  out.runner.desk.takeovers = 11;
  out.runner.desk.conflicts = 12;
  out.runner.desk.cleaned = 13;
  out.runner.desk.sessions = 14;
  out.runner.desk.leases = 15;
  out.runner.desk.waiters = 16;
  for (std::size_t i = 0; i < lease::kRefusals; ++i)
    out.runner.desk.refused[i] = 200 + i;
  for (std::size_t i = 0; i < control::kDeskFaults; ++i)
    out.runner.desk.faulted[i] = 300 + i;
  return out;
}

TEST(LeaseFigures, EachHasANameOfItsOwnAndALineOfHelp) {
  std::set<std::string_view> names;
  for (const LeaseFigure& figure : kLeaseLevels) {
    EXPECT_TRUE(names.insert(figure.name).second) << figure.name;
    EXPECT_FALSE(figure.help.empty()) << figure.name;
  }
  for (const LeaseFigure& figure : kLeaseCounters) {
    EXPECT_TRUE(names.insert(figure.name).second) << figure.name;
    EXPECT_FALSE(figure.help.empty()) << figure.name;
  }
}

TEST(LeaseFigures, EachTellsAnotherCounter) {
  // A table that is written by hand is copied by hand: no two rows may read the same.
  std::set<std::string> seen;
  using Words = std::array<std::uint64_t, sizeof(control::LeaseServiceCounters) / sizeof(std::uint64_t)>;
  const auto of = [](const LeaseFigure& figure) {
    std::string readings;
    for (std::size_t i = 0; i < Words{}.size(); ++i) {
      Words words{};
      words[i] = 1;
      readings += figure.of(std::bit_cast<control::LeaseServiceCounters>(words)) != 0 ? '1' : '0';
    }
    return readings;
  };
  for (const LeaseFigure& figure : kLeaseLevels)
    EXPECT_TRUE(seen.insert(of(figure)).second) << figure.name;
  for (const LeaseFigure& figure : kLeaseCounters)
    EXPECT_TRUE(seen.insert(of(figure)).second) << figure.name;
}

TEST(LeaseFigures, EveryReasonIsCounted) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < lease::kRefusals; ++i)
    names.insert(lease::text_of(static_cast<lease::Refusal>(i)));
  for (std::size_t i = 0; i < control::kDeskFaults; ++i)
    names.insert(control::text_of(static_cast<control::DeskFault>(i)));
  EXPECT_EQ(names.size(), lease::kRefusals + control::kDeskFaults);
  EXPECT_FALSE(names.contains("unknown"));
  EXPECT_EQ(lease::text_of(static_cast<lease::Refusal>(lease::kRefusals)), "unknown");
  EXPECT_EQ(control::text_of(static_cast<control::DeskFault>(control::kDeskFaults)), "unknown");
}

TEST(LeaseFigures, ThePrometheusPageHasThemAll) {
  control::StatusReport report;
  report.leases = lease_report(counted(), true, "127.0.0.1:14667");
  const auto endpoint = MetricsEndpoint::start("127.0.0.1:0", [&report] { return report; });
  ASSERT_TRUE(endpoint) << endpoint.error();
  const auto bound = platform::parse_endpoint((*endpoint)->bound());
  ASSERT_TRUE(bound);
  std::string page = http_get(bound->port, "/metrics");
  const auto has = [&page](const std::string& line) { return page.find("\n" + line) != std::string::npos; };
  const control::LeaseServiceCounters counters = counted();
  EXPECT_TRUE(has("gnomon_lease_serving 1")) << page;
  for (const LeaseFigure& figure : kLeaseLevels)
    EXPECT_TRUE(has(fmt::format("gnomon_lease_{} {}", figure.name, figure.of(counters)))) << figure.name << page;
  for (const LeaseFigure& figure : kLeaseCounters)
    EXPECT_TRUE(has(fmt::format("gnomon_lease_{}_total {}", figure.name, figure.of(counters)))) << figure.name;
  EXPECT_TRUE(has(R"(gnomon_lease_calls_total{method="acquire"} 103)")) << page;
  EXPECT_TRUE(has("gnomon_lease_sessions 14")) << page;
  EXPECT_TRUE(has("gnomon_lease_held 15")) << page;
  EXPECT_TRUE(has("gnomon_lease_waiters 16")) << page;
  for (std::size_t i = 0; i < lease::kRefusals; ++i)
    EXPECT_TRUE(has(fmt::format("gnomon_lease_refused_total{{reason=\"{}\"}} {}",
                                lease::text_of(static_cast<lease::Refusal>(i)), 200 + i)))
        << i << page;
  for (std::size_t i = 0; i < control::kDeskFaults; ++i)
    EXPECT_TRUE(has(fmt::format("gnomon_lease_refused_total{{reason=\"{}\"}} {}",
                                control::text_of(static_cast<control::DeskFault>(i)), 300 + i)))
        << i << page;
  report.leases.reset();
  page = http_get(bound->port, "/metrics");
  EXPECT_EQ(page.find("gnomon_lease_"), std::string::npos) << "of a daemon that serves none nothing is said";
}

}  // namespace
}  // namespace gnomon::cmd
