// SPDX-License-Identifier: Apache-2.0
#include "control/service/status_codec.hpp"

#include <cstdint>
#include <string>

namespace gnomon::control {
namespace {

void write(const DaemonReport& from, v1::Daemon& to) {
  to.set_instance(from.instance);
  to.set_version(from.version);
  to.set_incarnation(from.incarnation);
  to.set_pid(from.pid);
  to.set_uptime_ns(from.uptime.ns);
  for (const std::string& endpoint : from.listen)
    to.add_listen(endpoint);
  to.set_metrics_listen(from.metrics_listen);
  to.set_state_dir(from.state_dir);
  to.set_store_url(from.store_url);
  to.set_access_policy_version(from.access_policy_version);
  to.set_failed_reloads(from.failed_reloads);
}

DaemonReport read(const v1::Daemon& from) {
  return {.instance = from.instance(),
          .version = from.version(),
          .incarnation = from.incarnation(),
          .pid = from.pid(),
          .uptime = {from.uptime_ns()},
          .listen = {from.listen().begin(), from.listen().end()},
          .metrics_listen = from.metrics_listen(),
          .state_dir = from.state_dir(),
          .store_url = from.store_url(),
          .access_policy_version = from.access_policy_version(),
          .failed_reloads = from.failed_reloads()};
}

void write(const ClockReport& from, v1::Clock& to) {
  to.set_source(from.source);
  to.set_state(from.state);
  to.set_now_ns(from.now.ns);
  to.set_lead_ns(from.lead.ns);
  to.set_era(from.era.value);
  to.set_bound_ns(from.bound.ns);
  to.set_readings(from.readings);
  to.set_failed_readings(from.failed_readings);
  to.set_last_failure(from.last_failure);
}

ClockReport read(const v1::Clock& from) {
  return {.source = from.source(),
          .state = from.state(),
          .now = {from.now_ns()},
          .lead = {from.lead_ns()},
          .era = {from.era()},
          .bound = {from.bound_ns()},
          .readings = from.readings(),
          .failed_readings = from.failed_readings(),
          .last_failure = from.last_failure()};
}

void write(const AgentReport& from, v1::Agent& to) {
  to.set_state(from.state);
  to.set_last_note(from.last_note);
  to.set_waiting_until_ns(from.waiting_until.ns);
  to.set_revision(from.revision);
  to.set_store_epoch(from.store_epoch);
  for (const std::string& note : from.recent_notes)
    to.add_recent_notes(note);
}

AgentReport read(const v1::Agent& from) {
  return {.state = from.state(),
          .last_note = from.last_note(),
          .waiting_until = {from.waiting_until_ns()},
          .revision = from.revision(),
          .store_epoch = from.store_epoch(),
          .recent_notes = {from.recent_notes().begin(), from.recent_notes().end()}};
}

void write(const WorkerReport& from, v1::Worker& to) {
  to.set_index(from.index);
  for (const RightReport& entry : from.rights) {
    v1::Right& right = *to.add_rights();
    right.set_machine(entry.right.machine.value);
    right.set_token(entry.right.token.value);
    right.set_floor_ns(entry.right.floor.ns);
    right.set_ceiling_ns(entry.right.ceiling.ns);
    right.set_remaining_ns(entry.remaining.ns);
  }
  for (const CounterReport& entry : from.counters) {
    v1::Counter& counter = *to.add_counters();
    counter.set_name(entry.name);
    counter.set_value(entry.value);
  }
}

WorkerReport read(const v1::Worker& from) {
  WorkerReport to{.index = from.index(), .rights = {}, .counters = {}};
  for (const v1::Right& right : from.rights())
    to.rights.push_back({.right = {.machine = {static_cast<std::uint16_t>(right.machine())},
                                   .token = {right.token()},
                                   .floor = {right.floor_ns()},
                                   .ceiling = {right.ceiling_ns()}},
                         .remaining = {right.remaining_ns()}});
  for (const v1::Counter& counter : from.counters())
    to.counters.push_back({counter.name(), counter.value()});
  return to;
}

void write(const LayoutReport& from, v1::Layout& to) {
  to.set_number(from.number.value);
  to.set_name(from.name);
  to.set_exhausted_at_ns(from.exhausted_at.ns);
  to.set_headroom_ns(from.headroom.ns);
}

LayoutReport read(const v1::Layout& from) {
  return {.number = {static_cast<std::uint16_t>(from.number())},
          .name = from.name(),
          .exhausted_at = {from.exhausted_at_ns()},
          .headroom = {from.headroom_ns()}};
}

}  // namespace

v1::GetStatusResponse to_message(const StatusReport& report) {
  v1::GetStatusResponse message;
  write(report.daemon, *message.mutable_daemon());
  write(report.clock, *message.mutable_clock());
  write(report.agent, *message.mutable_agent());
  for (const WorkerReport& worker : report.workers)
    write(worker, *message.add_workers());
  for (const LayoutReport& layout : report.layouts)
    write(layout, *message.add_layouts());
  message.set_sampled_uptime_ns(report.sampled.ns);
  return message;
}

StatusReport from_message(const v1::GetStatusResponse& message) {
  StatusReport report{.daemon = read(message.daemon()),
                      .clock = read(message.clock()),
                      .agent = read(message.agent()),
                      .workers = {},
                      .layouts = {},
                      .sampled = {message.sampled_uptime_ns()}};
  for (const v1::Worker& worker : message.workers())
    report.workers.push_back(read(worker));
  for (const v1::Layout& layout : message.layouts())
    report.layouts.push_back(read(layout));
  return report;
}

}  // namespace gnomon::control
