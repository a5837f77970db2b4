// SPDX-License-Identifier: Apache-2.0
//
// The Prometheus page of a report that is made up here: what DPDK ports count, and that without them nothing is said;
// what is known of the sources of time.
#include "cmd/gnomond/metrics.hpp"

#include <fmt/core.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "oracle/page/counters.hpp"
#include "platform/endpoint.hpp"
#include "tests/cmd/http_get.hpp"

namespace gnomon::cmd {
namespace {

/// What the endpoint answers for this report; begins with the status line of HTTP.
std::string page_of(const control::StatusReport& report) {
  const auto endpoint = MetricsEndpoint::start("127.0.0.1:0", [&report] { return report; });
  if (!endpoint) return endpoint.error();
  const auto bound = platform::parse_endpoint((*endpoint)->bound());
  return bound ? http_get(bound->port, "/metrics") : bound.error().text;
}

/// Whether the page has exactly this line.
bool has(const std::string& page, const std::string& line) {
  return page.find("\n" + line + "\n") != std::string::npos || page.find("\n" + line + "\r\n") != std::string::npos;
}

control::StatusReport two_ports() {
  control::StatusReport report;
  report.ports.resize(2);
  report.ports[0] = {.index = 0,
                     .device = "net_af_packet0",
                     .driver = "net_af_packet",
                     .mac = "02:00:00:00:09:01",
                     .state = "up",
                     .speed_mbps = 10'000,
                     .mtu = 1500,
                     .queues = 2,
                     .max_queues = 2,
                     .numa_node = -1,
                     .capabilities = {},
                     .rx_frames = 11,
                     .tx_frames = 12,
                     .rx_bytes = 13,
                     .tx_bytes = 14,
                     .rx_missed = 15,
                     .rx_errors = 16,
                     .rx_no_buffer = 17,
                     .tx_errors = 18,
                     .per_queue = {{5, 6}, {7, 8}}};
  report.ports[1].index = 1;
  report.ports[1].device = "0000:3b:00.0";
  report.ports[1].state = "gone";
  return report;
}

TEST(Metrics, TellWhatPortsCount) {
  const std::string page = page_of(two_ports());
  ASSERT_EQ(page.rfind("HTTP/1.1 200", 0), 0U) << page.substr(0, 200);
  const std::string first = R"({port="0",device="net_af_packet0"})";
  const std::string second = R"({port="1",device="0000:3b:00.0"})";
  EXPECT_TRUE(has(page, "gnomon_port_up" + first + " 1")) << page;
  EXPECT_TRUE(has(page, "gnomon_port_up" + second + " 0")) << page;
  const std::pair<std::string, int> figures[] = {{"rx_frames", 11}, {"tx_frames", 12},   {"rx_bytes", 13},
                                                 {"tx_bytes", 14},  {"rx_missed", 15},   {"rx_errors", 16},
                                                 {"tx_errors", 18}, {"rx_no_buffer", 17}};
  for (const auto& [name, value] : figures) {
    EXPECT_TRUE(has(page, fmt::format("gnomon_port_{}_total{} {}", name, first, value))) << name << "\n" << page;
    EXPECT_TRUE(has(page, fmt::format("gnomon_port_{}_total{} 0", name, second))) << name;
    EXPECT_TRUE(has(page, fmt::format("# TYPE gnomon_port_{}_total counter", name))) << name;
  }
  EXPECT_TRUE(has(page, R"(gnomon_port_queue_rx_frames_total{port="0",device="net_af_packet0",queue="0"} 5)")) << page;
  EXPECT_TRUE(has(page, R"(gnomon_port_queue_tx_frames_total{port="0",device="net_af_packet0",queue="0"} 6)"));
  EXPECT_TRUE(has(page, R"(gnomon_port_queue_rx_frames_total{port="0",device="net_af_packet0",queue="1"} 7)"));
  EXPECT_TRUE(has(page, R"(gnomon_port_queue_tx_frames_total{port="0",device="net_af_packet0",queue="1"} 8)"));
  EXPECT_EQ(page.find(R"(port="1",device="0000:3b:00.0",queue)"), std::string::npos) << "its driver does not tell";
  EXPECT_TRUE(has(page, "# TYPE gnomon_port_up gauge"));
}

TEST(Metrics, SayNothingOfPortsWithKernelSockets) {
  control::StatusReport report;
  control::WorkerReport worker;
  for (const page::CounterInfo& info : page::kCounterTable)
    worker.counters.push_back({std::string(info.name), static_cast<std::uint64_t>(info.counter) + 100});
  report.workers = {worker};
  const std::string page = page_of(report);
  ASSERT_EQ(page.rfind("HTTP/1.1 200", 0), 0U) << page.substr(0, 200);
  EXPECT_EQ(page.find("gnomon_port_"), std::string::npos);
  for (const page::CounterInfo& info : page::kCounterTable)
    EXPECT_TRUE(has(page, fmt::format("gnomon_{}_total{{worker=\"0\"}} {}", info.name,
                                      static_cast<std::uint64_t>(info.counter) + 100)))
        << info.name;
}

control::StatusReport three_sources() {
  control::StatusReport report;
  report.clock.true_time = "synchronised";
  report.clock.epsilon = time::microseconds(1500);
  report.clock.truth.configured = 3;
  report.clock.truth.witnesses = 2;
  report.clock.truth.contradictions = 4;
  report.clock.truth.disagreements = 5;
  report.clock.truth.sample_age = time::milliseconds(250);
  report.clock.truth.terms = {{"source", time::microseconds(25)}, {"leap", time::seconds(1)}};
  report.clock.leap.expires_in = time::seconds(-7);
  report.clock.sources.resize(3);
  report.clock.sources[0].description = "ptp4l at \"/run/ptp4l\"";
  report.clock.sources[0].healthy = true;
  report.clock.sources[0].offset = time::microseconds(-2);
  report.clock.sources[1].description = "chronyd";
  report.clock.sources[1].evictions = 6;
  report.clock.sources[2].description = "chronyd";
  return report;
}

TEST(Metrics, TellOfEverySourceOfTime) {
  const std::string page = page_of(three_sources());
  ASSERT_EQ(page.rfind("HTTP/1.1 200", 0), 0U) << page.substr(0, 200);
  const std::string first = R"({source="ptp4l at \"/run/ptp4l\""})";
  EXPECT_TRUE(has(page, "gnomon_clock_source_healthy" + first + " 1")) << page;
  EXPECT_TRUE(has(page, R"(gnomon_clock_source_healthy{source="chronyd"} 0)")) << page;
  EXPECT_TRUE(has(page, "# TYPE gnomon_clock_source_evictions_total counter"));
  EXPECT_TRUE(has(page, "gnomon_clock_source_evictions_total" + first + " 0"));
  EXPECT_TRUE(has(page, R"(gnomon_clock_source_evictions_total{source="chronyd"} 6)"));
  EXPECT_TRUE(has(page, R"-(gnomon_clock_source_evictions_total{source="chronyd (2)"} 0)-"))
      << "two that are described alike are two series: a page with one series twice is refused as a whole";
  EXPECT_TRUE(has(page, "gnomon_clock_source_offset_seconds" + first + " -2e-06"));
  EXPECT_EQ(page.find(R"(gnomon_clock_source_offset_seconds{source="chronyd"})"), std::string::npos)
      << "what has no interval is nowhere, and not at 0";
  EXPECT_TRUE(has(page, "gnomon_clock_sources_configured 3"));
  EXPECT_TRUE(has(page, "gnomon_clock_sources_counted 2"));
  EXPECT_TRUE(has(page, R"(gnomon_clock_term_seconds{term="source"} 2.5e-05)"));
  EXPECT_TRUE(has(page, R"(gnomon_clock_term_seconds{term="leap"} 1)"));
  EXPECT_TRUE(has(page, "gnomon_clock_epsilon_seconds 0.0015"));
  EXPECT_TRUE(has(page, "gnomon_clock_contradictions_total 4"));
  EXPECT_TRUE(has(page, "gnomon_clock_disagreements_total 5"));
  EXPECT_TRUE(has(page, "gnomon_clock_sample_age_seconds 0.25"));
  EXPECT_TRUE(has(page, "gnomon_clock_leap_table_remaining_seconds -7"));
}

TEST(Metrics, TellHowTheStoreFailedAndHowTheOthersVoted) {
  control::StatusReport report;
  report.agent.revision = 42;
  report.agent.store_failures = {{"conflict", 1}, {"unknown", 2}, {"unavailable", 3}, {"fatal", 0}};
  report.agent.vote = {.standing = "tied", .voters = 1, .against = 1, .text = "1 of 1"};
  const std::string page = page_of(report);
  ASSERT_EQ(page.rfind("HTTP/1.1 200", 0), 0U) << page.substr(0, 200);
  EXPECT_TRUE(has(page, "gnomon_store_revision 42"));
  EXPECT_TRUE(has(page, "# TYPE gnomon_store_failures_total counter")) << page;
  EXPECT_TRUE(has(page, R"(gnomon_store_failures_total{kind="conflict"} 1)")) << page;
  EXPECT_TRUE(has(page, R"(gnomon_store_failures_total{kind="unknown"} 2)"));
  EXPECT_TRUE(has(page, R"(gnomon_store_failures_total{kind="unavailable"} 3)"));
  EXPECT_TRUE(has(page, R"(gnomon_store_failures_total{kind="fatal"} 0)"));
  EXPECT_TRUE(has(page, "# TYPE gnomon_clock_standing gauge"));
  for (const char* standing : {"joining", "member", "tied", "outvoted"})
    EXPECT_TRUE(has(page, fmt::format("gnomon_clock_standing{{state=\"{}\"}} {}", standing,
                                      std::string_view(standing) == "tied" ? 1 : 0)))
        << standing << page;
  report.agent.vote.reset();
  EXPECT_EQ(page_of(report).find("gnomon_clock_standing{"), std::string::npos) << "with one host there is no vote";
}

TEST(Metrics, SayNothingOfAnAgeThatIsNotKnown) {
  const std::string page = page_of(control::StatusReport{});
  ASSERT_EQ(page.rfind("HTTP/1.1 200", 0), 0U) << page.substr(0, 200);
  EXPECT_EQ(page.find("\ngnomon_clock_sample_age_seconds "), std::string::npos) << "0 would be the best there is";
  EXPECT_EQ(page.find("\ngnomon_clock_leap_table_remaining_seconds "), std::string::npos);
  EXPECT_EQ(page.find("\ngnomon_clock_term_seconds{"), std::string::npos);
}

}  // namespace
}  // namespace gnomon::cmd
