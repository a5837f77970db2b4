// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/metrics.hpp"

#include <fmt/core.h>
#include <prometheus/collectable.h>
#include <prometheus/exposer.h>
#include <prometheus/metric_family.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <exception>
#include <string_view>
#include <utility>
#include <vector>

#include "cmd/lease_figures.hpp"
#include "oracle/page/counters.hpp"
#include "oracle/time/true_time.hpp"
#include "platform/endpoint.hpp"

namespace gnomon::cmd {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

constexpr double kNsPerSecond = 1e9;
constexpr std::size_t kThreads = 2;

double seconds(time::Duration d) { return static_cast<double>(d.ns) / kNsPerSecond; }

MetricFamily family(std::string_view name, std::string_view help, MetricType type) {
  MetricFamily out;
  out.name = fmt::format("gnomon_{}", name);
  out.help = help;
  out.type = type;
  return out;
}

void add(MetricFamily& to, double value, Labels labels = {}) {
  ClientMetric metric;
  metric.label = std::move(labels);
  if (to.type == MetricType::Counter)
    metric.counter.value = value;
  else
    metric.gauge.value = value;
  to.metric.push_back(std::move(metric));
}

MetricFamily single(std::string_view name, std::string_view help, MetricType type, double value) {
  MetricFamily out = family(name, help, type);
  add(out, value);
  return out;
}

std::string worker_label(const control::WorkerReport& worker) { return fmt::format("{}", worker.index); }

void add_counters(const control::StatusReport& report, std::vector<MetricFamily>& out) {
  for (std::size_t i = 0; i < page::kCounters; ++i) {
    const page::CounterInfo& info = page::kCounterTable[i];
    MetricFamily counter = family(fmt::format("{}_total", info.name), info.help, MetricType::Counter);
    for (const control::WorkerReport& worker : report.workers)
      if (i < worker.counters.size())
        add(counter, static_cast<double>(worker.counters[i].value), {{"worker", worker_label(worker)}});
    out.push_back(std::move(counter));
  }
}

void add_rights(const control::StatusReport& report, std::vector<MetricFamily>& out) {
  MetricFamily held = family("rights", "rights that a worker holds", MetricType::Gauge);
  MetricFamily remaining =
      family("right_remaining_seconds", "how far the ceiling of a right lies ahead", MetricType::Gauge);
  for (const control::WorkerReport& worker : report.workers) {
    add(held, static_cast<double>(worker.rights.size()), {{"worker", worker_label(worker)}});
    for (const control::RightReport& right : worker.rights)
      add(remaining, seconds(right.remaining),
          {{"worker", worker_label(worker)}, {"machine", fmt::format("{}", right.right.machine.value)}});
  }
  out.push_back(std::move(held));
  out.push_back(std::move(remaining));
}

void add_layouts(const control::StatusReport& report, std::vector<MetricFamily>& out) {
  MetricFamily headroom =
      family("layout_headroom_seconds", "time until a layout's IDs leave a signed 64-bit column", MetricType::Gauge);
  for (const control::LayoutReport& layout : report.layouts)
    add(headroom, seconds(layout.headroom), {{"layout", layout.name}});
  out.push_back(std::move(headroom));
}

void add_clock(const control::ClockReport& clock, std::vector<MetricFamily>& out) {
  out.push_back(single("clock_lead_seconds", "how far the ordering timeline is ahead of the source", MetricType::Gauge,
                       seconds(clock.lead)));
  out.push_back(single("clock_epsilon_seconds",
                       "half the width of the interval that contains the true time; 0: there is none",
                       MetricType::Gauge, seconds(clock.epsilon)));
  out.push_back(
      single("clock_era", "number of the ordering timeline", MetricType::Gauge, static_cast<double>(clock.era.value)));
  out.push_back(single("clock_readings_total", "readings of the source", MetricType::Counter,
                       static_cast<double>(clock.readings)));
  out.push_back(single("clock_failed_readings_total", "readings of the source that failed", MetricType::Counter,
                       static_cast<double>(clock.failed_readings)));
  MetricFamily state = family("clock_state", "1 for the state that the ordering timeline is in", MetricType::Gauge);
  for (const std::string_view name : {"no_time", "following", "unconfirmed", "behind"})
    add(state, clock.state == name ? 1 : 0, {{"state", std::string(name)}});
  out.push_back(std::move(state));
  MetricFamily truth = family("clock_true_time", "1 for synchronised, or why there is no true time", MetricType::Gauge);
  for (std::size_t i = 0; i < time::kClockFaults; ++i) {
    const std::string_view name = time::name_of(static_cast<time::ClockFault>(i));
    add(truth, clock.true_time == name ? 1 : 0, {{"state", std::string(name)}});
  }
  out.push_back(std::move(truth));
}

void add_store(const control::AgentReport& agent, std::vector<MetricFamily>& out) {
  out.push_back(single("store_revision", "highest commit that the store acknowledged", MetricType::Gauge,
                       static_cast<double>(agent.revision)));
  MetricFamily failures =
      family("store_failures_total", "calls of the store that failed, by what that means", MetricType::Counter);
  for (const control::CounterReport& kind : agent.store_failures)
    add(failures, static_cast<double>(kind.value), {{"kind", kind.name}});
  out.push_back(std::move(failures));
  MetricFamily standing =
      family("clock_standing", "1 for what this daemon is by the vote of the others on its clock", MetricType::Gauge);
  if (agent.vote)
    for (const std::string_view name : {"joining", "member", "tied", "outvoted"})
      add(standing, agent.vote->standing == name ? 1 : 0, {{"state", std::string(name)}});
  out.push_back(std::move(standing));
}

/// The descriptions of the sources; of two that are alike, the second with its number, because series are told apart by
/// nothing else.
std::vector<Labels> source_labels(const control::ClockReport& clock) {
  std::vector<Labels> out;
  for (std::size_t i = 0; i < clock.sources.size(); ++i) {
    const std::string& name = clock.sources[i].description;
    const auto alike = [&name](const control::TimeSourceReport& other) { return other.description == name; };
    const auto before = clock.sources.begin() + static_cast<std::ptrdiff_t>(i);
    const bool repeated = std::any_of(clock.sources.begin(), before, alike);
    out.push_back({{"source", repeated ? fmt::format("{} ({})", name, i) : name}});
  }
  return out;
}

void add_sources(const control::ClockReport& clock, std::vector<MetricFamily>& out) {
  MetricFamily healthy =
      family("clock_source_healthy", "1 if the source has a good and fresh sample", MetricType::Gauge);
  MetricFamily evictions =
      family("clock_source_evictions_total", "how often the source was evicted: it lied, or jumped by whole seconds",
             MetricType::Counter);
  MetricFamily offset = family("clock_source_offset_seconds",
                               "the middle of a healthy source's interval minus that of the result", MetricType::Gauge);
  const std::vector<Labels> labels = source_labels(clock);
  for (std::size_t i = 0; i < clock.sources.size(); ++i) {
    const control::TimeSourceReport& source = clock.sources[i];
    add(healthy, source.healthy ? 1 : 0, labels[i]);
    add(evictions, static_cast<double>(source.evictions), labels[i]);
    if (source.offset) add(offset, seconds(*source.offset), labels[i]);
  }
  for (MetricFamily* one : {&healthy, &evictions, &offset})
    out.push_back(std::move(*one));
}

void add_truth(const control::ClockReport& clock, std::vector<MetricFamily>& out) {
  const control::TrueTimeReport& truth = clock.truth;
  out.push_back(single("clock_sources_configured", "sources of time in the configuration", MetricType::Gauge,
                       static_cast<double>(truth.configured)));
  out.push_back(single("clock_sources_counted", "healthy sources of time, those of one root counted once",
                       MetricType::Gauge, static_cast<double>(truth.witnesses)));
  out.push_back(single("clock_contradictions_total", "how often the sources denied what they had said before",
                       MetricType::Counter, static_cast<double>(truth.contradictions)));
  out.push_back(single("clock_disagreements_total", "how often the sources contradicted each other without a majority",
                       MetricType::Counter, static_cast<double>(truth.disagreements)));
  MetricFamily terms = family("clock_term_seconds", "a term of the chosen source's uncertainty; none without true time",
                              MetricType::Gauge);
  for (const control::TermReport& term : truth.terms)
    add(terms, seconds(term.value), {{"term", term.name}});
  out.push_back(std::move(terms));
  MetricFamily sample =
      family("clock_sample_age_seconds", "since the newest sample of the true time", MetricType::Gauge);
  if (truth.sample_age) add(sample, seconds(*truth.sample_age));
  out.push_back(std::move(sample));
  MetricFamily leaps = family("clock_leap_table_remaining_seconds",
                              "until the leap table expires; negative: since then", MetricType::Gauge);
  if (clock.leap.expires_in) add(leaps, seconds(*clock.leap.expires_in));
  out.push_back(std::move(leaps));
}

template <typename Table>
void add_figures(const Table& table, const std::vector<control::CounterReport>& values, MetricType type,
                 std::vector<MetricFamily>& out) {
  for (const LeaseFigure& figure : table)
    for (const control::CounterReport& value : values)
      if (value.name == figure.name)
        out.push_back(single(fmt::format("lease_{}{}", figure.name, type == MetricType::Counter ? "_total" : ""),
                             figure.help, type, static_cast<double>(value.value)));
}

void add_leases(const control::StatusReport& report, std::vector<MetricFamily>& out) {
  if (!report.leases) return;
  const control::LeaseReport& leases = *report.leases;
  out.push_back(single("lease_serving", "1 if a lease command has a chance: there is a store, and a time",
                       MetricType::Gauge, leases.serving ? 1 : 0));
  add_figures(kLeaseLevels, leases.levels, MetricType::Gauge, out);
  add_figures(kLeaseCounters, leases.counters, MetricType::Counter, out);
  MetricFamily calls = family("lease_calls_total", "calls of the lease service", MetricType::Counter);
  for (const control::CounterReport& method : leases.calls)
    add(calls, static_cast<double>(method.value), {{"method", method.name}});
  out.push_back(std::move(calls));
  MetricFamily refused = family("lease_refused_total", "refusals and faults, by reason", MetricType::Counter);
  for (const control::CounterReport& reason : leases.refused)
    add(refused, static_cast<double>(reason.value), {{"reason", reason.name}});
  out.push_back(std::move(refused));
}

struct PortFigure {
  std::string_view name;
  std::string_view help;
  std::uint64_t control::PortReport::* value;
};

Labels port_labels(const control::PortReport& port) {
  return {{"port", fmt::format("{}", port.index)}, {"device", port.device}};
}

Labels queue_labels(const control::PortReport& port, std::size_t queue) {
  Labels out = port_labels(port);
  out.push_back({"queue", fmt::format("{}", queue)});
  return out;
}

/// Nothing with kernel sockets.
void add_ports(const control::StatusReport& report, std::vector<MetricFamily>& out) {
  using control::PortReport;
  static constexpr std::array<PortFigure, 8> kFigures{{
      {"port_rx_frames_total", "frames that a DPDK port received", &PortReport::rx_frames},
      {"port_tx_frames_total", "frames that it sent", &PortReport::tx_frames},
      {"port_rx_bytes_total", "bytes that it received", &PortReport::rx_bytes},
      {"port_tx_bytes_total", "bytes that it sent", &PortReport::tx_bytes},
      {"port_rx_missed_total", "frames that it lost because a queue was full", &PortReport::rx_missed},
      {"port_rx_errors_total", "frames that arrived damaged", &PortReport::rx_errors},
      {"port_rx_no_buffer_total", "frames that it lost for lack of a buffer", &PortReport::rx_no_buffer},
      {"port_tx_errors_total", "frames that it failed to send", &PortReport::tx_errors},
  }};
  if (report.ports.empty()) return;
  MetricFamily up = family("port_up", "1 if the link of a DPDK port is up", MetricType::Gauge);
  for (const PortReport& port : report.ports)
    add(up, port.state == "up" ? 1 : 0, port_labels(port));
  out.push_back(std::move(up));
  for (const PortFigure& figure : kFigures) {
    MetricFamily one = family(figure.name, figure.help, MetricType::Counter);
    for (const PortReport& port : report.ports)
      add(one, static_cast<double>(port.*figure.value), port_labels(port));
    out.push_back(std::move(one));
  }
  for (const bool in : {true, false}) {
    MetricFamily one = family(in ? "port_queue_rx_frames_total" : "port_queue_tx_frames_total",
                              in ? "frames that a queue received" : "frames that a queue sent", MetricType::Counter);
    for (const PortReport& port : report.ports)
      for (std::size_t queue = 0; queue < port.per_queue.size(); ++queue)
        add(one, static_cast<double>(in ? port.per_queue[queue].rx_frames : port.per_queue[queue].tx_frames),
            queue_labels(port, queue));
    out.push_back(std::move(one));
  }
}

std::vector<MetricFamily> metrics_of(const control::StatusReport& report) {
  std::vector<MetricFamily> out;
  MetricFamily build = family("build_info", "always 1; version and instance as labels", MetricType::Gauge);
  add(build, 1, {{"version", report.daemon.version}, {"instance", report.daemon.instance}});
  out.push_back(std::move(build));
  out.push_back(
      single("uptime_seconds", "since the start of the daemon", MetricType::Gauge, seconds(report.daemon.uptime)));
  out.push_back(single("failed_reloads_total", "reloads (SIGHUP) that were refused", MetricType::Counter,
                       static_cast<double>(report.daemon.failed_reloads)));
  add_store(report.agent, out);
  add_counters(report, out);
  add_rights(report, out);
  add_clock(report.clock, out);
  add_truth(report.clock, out);
  add_sources(report.clock, out);
  add_layouts(report, out);
  add_ports(report, out);
  add_leases(report, out);
  return out;
}

class ReportCollector final : public prometheus::Collectable {
 public:
  explicit ReportCollector(MetricsEndpoint::Report report) : report_(std::move(report)) {}
  [[nodiscard]] std::vector<MetricFamily> Collect() const override {
    return metrics_of(report_());
  }  // NOLINT(readability-identifier-naming)

 private:
  MetricsEndpoint::Report report_;
};

class PrometheusEndpoint final : public MetricsEndpoint {
 public:
  /// Throws if it can't listen.
  PrometheusEndpoint(const std::string& listen, platform::Endpoint asked, Report report)
      : collector_(std::make_shared<ReportCollector>(std::move(report))), exposer_(listen, kThreads), bound_(asked) {
    exposer_.RegisterCollectable(collector_);
    const auto ports = exposer_.GetListeningPorts();
    if (!ports.empty()) bound_.port = static_cast<std::uint16_t>(ports.front());
  }
  [[nodiscard]] std::string bound() const override { return platform::to_string(bound_); }

 private:
  std::shared_ptr<ReportCollector> collector_;
  prometheus::Exposer exposer_;
  platform::Endpoint bound_;
};

}  // namespace

tl::expected<std::unique_ptr<MetricsEndpoint>, std::string> MetricsEndpoint::start(const std::string& listen,
                                                                                   Report report) {
  const auto asked = platform::parse_endpoint(listen);
  if (!asked) return tl::make_unexpected(asked.error().text);
  try {
    return std::make_unique<PrometheusEndpoint>(listen, *asked, std::move(report));
  } catch (const std::exception& error) {  // prometheus-cpp says no more than "null context"
    return tl::make_unexpected(
        fmt::format("cannot listen on {} for metrics ({}); is another program there? Choose another "
                    "address with metrics.listen, or \"\" for none",
                    listen, error.what()));
  }
}

}  // namespace gnomon::cmd
