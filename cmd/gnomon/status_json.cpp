// SPDX-License-Identifier: Apache-2.0
//
// The status for programs: one line of JSON. 64-bit values that are names (tokens, incarnations) are texts, because
// most readers of JSON keep numbers as doubles.
#include <fmt/core.h>

#include "cmd/gnomon/status.hpp"
#include "cmd/text/json.hpp"
#include "cmd/text/rfc3339.hpp"

namespace gnomon::cmd {
namespace {

using control::StatusReport;
using control::WorkerReport;

void add_daemon(JsonWriter& json, const control::DaemonReport& daemon) {
  json.key("daemon").begin_object();
  json.key("instance").text(daemon.instance).key("version").text(daemon.version);
  json.key("incarnation").text(fmt::format("{:016x}", daemon.incarnation)).key("pid").number(daemon.pid);
  json.key("uptime_ns").number(daemon.uptime.ns).key("listen").begin_array();
  for (const std::string& endpoint : daemon.listen)
    json.text(endpoint);
  json.end_array().key("metrics_listen").text(daemon.metrics_listen).key("state_dir").text(daemon.state_dir);
  json.key("store_url").text(daemon.store_url).key("access_policy_version").number(daemon.access_policy_version);
  json.key("failed_reloads").number(daemon.failed_reloads).key("data_plane").text(daemon.data_plane).end_object();
}

void add_clock(JsonWriter& json, const control::ClockReport& clock) {
  json.key("clock").begin_object().key("source").text(clock.source).key("state").text(clock.state);
  json.key("now").text(rfc3339(clock.now)).key("lead_ns").number(clock.lead.ns).key("era").number(clock.era.value);
  json.key("true_time")
      .text(clock.true_time)
      .key("epsilon_ns")
      .number(clock.epsilon.ns)
      .key("readings")
      .number(clock.readings);
  json.key("failed_readings").number(clock.failed_readings).key("last_failure").text(clock.last_failure).end_object();
}

void add_vote(JsonWriter& json, const std::optional<control::ClockVoteReport>& vote) {
  if (!vote) {
    json.null();
    return;
  }
  json.begin_object().key("standing").text(vote->standing).key("voters").number(vote->voters);
  json.key("against").number(vote->against).key("text").text(vote->text).end_object();
}

void add_agent(JsonWriter& json, const control::AgentReport& agent) {
  json.key("agent").begin_object().key("state").text(agent.state).key("last_note").text(agent.last_note);
  json.key("waiting_until");
  if (agent.waiting_until.ns == 0)
    json.null();
  else
    json.text(rfc3339(agent.waiting_until));
  json.key("revision").number(agent.revision).key("store_epoch").number(agent.store_epoch);
  json.key("recent_notes").begin_array();
  for (const std::string& note : agent.recent_notes)
    json.text(note);
  json.end_array().key("store_failures").begin_object();
  for (const control::CounterReport& kind : agent.store_failures)
    json.key(kind.name).number(kind.value);
  json.end_object().key("clock_vote");
  add_vote(json, agent.vote);
  json.end_object();
}

void add_port(JsonWriter& json, const control::PortReport& port) {
  json.begin_object().key("port").number(port.index).key("device").text(port.device).key("driver").text(port.driver);
  json.key("mac").text(port.mac).key("state").text(port.state).key("speed_mbps").number(port.speed_mbps);
  json.key("mtu").number(port.mtu).key("queues").number(port.queues).key("max_queues").number(port.max_queues);
  json.key("numa_node");
  if (port.numa_node < 0)
    json.null();
  else
    json.number(port.numa_node);
  json.key("capabilities").begin_array();
  for (const control::PortCapability& capability : port.capabilities) {
    json.begin_object().key("name").text(capability.name).key("state").text(capability.state);
    json.key("note").text(capability.note).end_object();
  }
  json.end_array().key("rx_frames").number(port.rx_frames).key("tx_frames").number(port.tx_frames);
  json.key("rx_bytes").number(port.rx_bytes).key("tx_bytes").number(port.tx_bytes);
  json.key("rx_missed").number(port.rx_missed).key("rx_errors").number(port.rx_errors);
  json.key("rx_no_buffer").number(port.rx_no_buffer).key("tx_errors").number(port.tx_errors);
  json.key("per_queue").begin_array();
  for (const control::PortQueue& queue : port.per_queue)
    json.begin_object().key("rx_frames").number(queue.rx_frames).key("tx_frames").number(queue.tx_frames).end_object();
  json.end_array().end_object();
}

void add_worker(JsonWriter& json, const WorkerReport& worker, const Rates& rates) {
  json.begin_object().key("worker").number(worker.index).key("rights").begin_array();
  for (const control::RightReport& entry : worker.rights) {
    json.begin_object().key("machine").number(entry.right.machine.value + 0U);
    json.key("token").text(fmt::format("{}", entry.right.token.value));
    json.key("floor").text(rfc3339(entry.right.floor)).key("ceiling").text(rfc3339(entry.right.ceiling));
    json.key("remaining_ns").number(entry.remaining.ns).end_object();
  }
  json.end_array().key("counters").begin_object();
  for (const control::CounterReport& counter : worker.counters)
    json.key(counter.name).number(counter.value);
  json.end_object().key("rates").begin_object();
  if (worker.index < rates.size())
    for (std::size_t c = 0; c < worker.counters.size() && c < rates[worker.index].size(); ++c)
      json.key(worker.counters[c].name).number(rates[worker.index][c]);
  json.end_object().end_object();
}

void add_figures(JsonWriter& json, std::string_view name, const std::vector<control::CounterReport>& figures) {
  json.key(name).begin_object();
  for (const control::CounterReport& figure : figures)
    json.key(figure.name).number(figure.value);
  json.end_object();
}

void add_leases(JsonWriter& json, const std::optional<control::LeaseReport>& leases) {
  json.key("leases");
  if (!leases) {
    json.null();
    return;
  }
  json.begin_object().key("serving").boolean(leases->serving).key("listen").text(leases->listen);
  add_figures(json, "levels", leases->levels);
  add_figures(json, "counters", leases->counters);
  add_figures(json, "calls", leases->calls);
  add_figures(json, "refused", leases->refused);
  json.end_object();
}

}  // namespace

std::string status_json(const StatusReport& report, const Rates& rates) {
  JsonWriter json;
  json.begin_object();
  add_daemon(json, report.daemon);
  add_clock(json, report.clock);
  add_agent(json, report.agent);
  json.key("layouts").begin_array();
  for (const control::LayoutReport& layout : report.layouts) {
    json.begin_object().key("number").number(layout.number.value + 0U).key("name").text(layout.name);
    json.key("exhausted_at").text(rfc3339(layout.exhausted_at));
    json.key("headroom_seconds").number(layout.headroom.ns / 1'000'000'000).end_object();
  }
  json.end_array().key("workers").begin_array();
  for (const WorkerReport& worker : report.workers)
    add_worker(json, worker, rates);
  json.end_array().key("ports").begin_array();
  for (const control::PortReport& port : report.ports)
    add_port(json, port);
  json.end_array();
  add_leases(json, report.leases);
  json.key("sampled_uptime_ns").number(report.sampled.ns).end_object();
  return json.str() + "\n";
}

}  // namespace gnomon::cmd
