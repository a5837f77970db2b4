// SPDX-License-Identifier: Apache-2.0
#include "control/service/status_codec.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "control/service/clock_codec.hpp"

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
  to.set_data_plane(from.data_plane);
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
          .failed_reloads = from.failed_reloads(),
          .data_plane = from.data_plane()};
}

void write(const std::vector<CounterReport>& from, google::protobuf::RepeatedPtrField<v1::Counter>& to) {
  for (const CounterReport& entry : from) {
    v1::Counter& counter = *to.Add();
    counter.set_name(entry.name);
    counter.set_value(entry.value);
  }
}

std::vector<CounterReport> read(const google::protobuf::RepeatedPtrField<v1::Counter>& from) {
  std::vector<CounterReport> to;
  to.reserve(static_cast<std::size_t>(from.size()));
  for (const v1::Counter& counter : from)
    to.push_back({counter.name(), counter.value()});
  return to;
}

void write(const ClockVoteReport& from, v1::ClockVote& to) {
  to.set_standing(from.standing);
  to.set_voters(from.voters);
  to.set_against(from.against);
  to.set_text(from.text);
}

ClockVoteReport read(const v1::ClockVote& from) {
  return {.standing = from.standing(), .voters = from.voters(), .against = from.against(), .text = from.text()};
}

void write(const AgentReport& from, v1::Agent& to) {
  to.set_state(from.state);
  to.set_last_note(from.last_note);
  to.set_waiting_until_ns(from.waiting_until.ns);
  to.set_revision(from.revision);
  to.set_store_epoch(from.store_epoch);
  for (const std::string& note : from.recent_notes)
    to.add_recent_notes(note);
  write(from.store_failures, *to.mutable_store_failures());
  if (from.vote) write(*from.vote, *to.mutable_vote());
}

AgentReport read(const v1::Agent& from) {
  return {.state = from.state(),
          .last_note = from.last_note(),
          .waiting_until = {from.waiting_until_ns()},
          .revision = from.revision(),
          .store_epoch = from.store_epoch(),
          .recent_notes = {from.recent_notes().begin(), from.recent_notes().end()},
          .store_failures = read(from.store_failures()),
          .vote = from.has_vote() ? std::optional(read(from.vote())) : std::nullopt};
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
  write(from.counters, *to.mutable_counters());
}

WorkerReport read(const v1::Worker& from) {
  WorkerReport to{.index = from.index(), .rights = {}, .counters = {}};
  for (const v1::Right& right : from.rights())
    to.rights.push_back({.right = {.machine = {static_cast<std::uint16_t>(right.machine())},
                                   .token = {right.token()},
                                   .floor = {right.floor_ns()},
                                   .ceiling = {right.ceiling_ns()}},
                         .remaining = {right.remaining_ns()}});
  to.counters = read(from.counters());
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

void write(const PortReport& from, v1::Port& to) {
  to.set_index(from.index);
  to.set_device(from.device);
  to.set_driver(from.driver);
  to.set_mac(from.mac);
  to.set_state(from.state);
  to.set_speed_mbps(from.speed_mbps);
  to.set_mtu(from.mtu);
  to.set_queues(from.queues);
  to.set_max_queues(from.max_queues);
  to.set_numa_node(from.numa_node);
  for (const PortCapability& entry : from.capabilities) {
    v1::PortCapability& capability = *to.add_capabilities();
    capability.set_name(entry.name);
    capability.set_state(entry.state);
    capability.set_note(entry.note);
  }
  to.set_rx_frames(from.rx_frames);
  to.set_tx_frames(from.tx_frames);
  to.set_rx_bytes(from.rx_bytes);
  to.set_tx_bytes(from.tx_bytes);
  to.set_rx_missed(from.rx_missed);
  to.set_rx_errors(from.rx_errors);
  to.set_rx_no_buffer(from.rx_no_buffer);
  to.set_tx_errors(from.tx_errors);
  for (const PortQueue& entry : from.per_queue) {
    v1::PortQueue& queue = *to.add_per_queue();
    queue.set_rx_frames(entry.rx_frames);
    queue.set_tx_frames(entry.tx_frames);
  }
}

PortReport read(const v1::Port& from) {
  PortReport to{.index = from.index(),
                .device = from.device(),
                .driver = from.driver(),
                .mac = from.mac(),
                .state = from.state(),
                .speed_mbps = from.speed_mbps(),
                .mtu = from.mtu(),
                .queues = from.queues(),
                .max_queues = from.max_queues(),
                .numa_node = from.numa_node(),
                .capabilities = {},
                .rx_frames = from.rx_frames(),
                .tx_frames = from.tx_frames(),
                .rx_bytes = from.rx_bytes(),
                .tx_bytes = from.tx_bytes(),
                .rx_missed = from.rx_missed(),
                .rx_errors = from.rx_errors(),
                .rx_no_buffer = from.rx_no_buffer(),
                .tx_errors = from.tx_errors(),
                .per_queue = {}};
  for (const v1::PortCapability& capability : from.capabilities())
    to.capabilities.push_back({capability.name(), capability.state(), capability.note()});
  for (const v1::PortQueue& queue : from.per_queue())
    to.per_queue.push_back({queue.rx_frames(), queue.tx_frames()});
  return to;
}

void write(const LeaseReport& from, v1::Leases& to) {
  to.set_serving(from.serving);
  to.set_listen(from.listen);
  write(from.levels, *to.mutable_levels());
  write(from.counters, *to.mutable_counters());
  write(from.calls, *to.mutable_calls());
  write(from.refused, *to.mutable_refused());
}

LeaseReport read(const v1::Leases& from) {
  return {.serving = from.serving(),
          .listen = from.listen(),
          .levels = read(from.levels()),
          .counters = read(from.counters()),
          .calls = read(from.calls()),
          .refused = read(from.refused())};
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
  for (const PortReport& port : report.ports)
    write(port, *message.add_ports());
  if (report.leases) write(*report.leases, *message.mutable_leases());
  message.set_sampled_uptime_ns(report.sampled.ns);
  return message;
}

StatusReport from_message(const v1::GetStatusResponse& message) {
  StatusReport report{.daemon = read(message.daemon()),
                      .clock = read(message.clock()),
                      .agent = read(message.agent()),
                      .workers = {},
                      .layouts = {},
                      .ports = {},
                      .leases = message.has_leases() ? std::optional(read(message.leases())) : std::nullopt,
                      .sampled = {message.sampled_uptime_ns()}};
  for (const v1::Worker& worker : message.workers())
    report.workers.push_back(read(worker));
  for (const v1::Layout& layout : message.layouts())
    report.layouts.push_back(read(layout));
  for (const v1::Port& port : message.ports())
    report.ports.push_back(read(port));
  return report;
}

}  // namespace gnomon::control
