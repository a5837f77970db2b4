// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/reporter.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "cmd/text/rfc3339.hpp"
#include "oracle/id/codec.hpp"
#include "platform/cycle_counter.hpp"
#include "platform/uptime.hpp"
#include "platform/version.hpp"

namespace gnomon::cmd {
namespace {

// Field by field: control/ and dataplane/ don't know each other.
control::PortReport port_report(const dataplane::PortReport& port) {
  control::PortReport out{.index = port.index,
                          .device = port.device,
                          .driver = port.driver,
                          .mac = port.mac,
                          .state = port.state,
                          .speed_mbps = port.speed_mbps,
                          .mtu = port.mtu,
                          .queues = port.queues,
                          .max_queues = port.max_queues,
                          .numa_node = port.numa_node,
                          .capabilities = {},
                          .rx_frames = port.rx_frames,
                          .tx_frames = port.tx_frames,
                          .rx_bytes = port.rx_bytes,
                          .tx_bytes = port.tx_bytes,
                          .rx_missed = port.rx_missed,
                          .rx_errors = port.rx_errors,
                          .rx_no_buffer = port.rx_no_buffer,
                          .tx_errors = port.tx_errors,
                          .per_queue = {}};
  for (const dataplane::PortCapability& capability : port.capabilities)
    out.capabilities.push_back({capability.name, capability.state, capability.note});
  for (const dataplane::QueueStats& queue : port.per_queue)
    out.per_queue.push_back({queue.rx_frames, queue.tx_frames});
  return out;
}

std::vector<control::CounterReport> failures_of(const control::AgentView& view) {
  std::vector<control::CounterReport> out;
  out.reserve(control::kStoreFailureTable.size());
  for (const control::StoreFailureInfo& info : control::kStoreFailureTable)
    out.push_back({std::string(info.name), view.store_failures.of(info.kind)});
  return out;
}

std::optional<control::ClockVoteReport> vote_of(const control::AgentView& view) {
  if (!view.shared_store) return std::nullopt;
  return control::ClockVoteReport{.standing = std::string(lease::text_of(view.standing)),
                                  .voters = view.vote.voters,
                                  .against = view.vote.against,
                                  .text = view.vote.text};
}

}  // namespace

void Reporter::set_facts(DaemonFacts facts) {
  const std::lock_guard lock(mutex_);
  facts_ = std::move(facts);
}

void Reporter::watch_clock(ClockViewer clock, std::string lead_policy) {
  const std::lock_guard lock(mutex_);
  clock_ = std::move(clock);
  lead_policy_ = std::move(lead_policy);
}

void Reporter::watch_leases(LeaseViewer leases) {
  const std::lock_guard lock(mutex_);
  leases_ = std::move(leases);
}

void Reporter::add_note(const std::string& text) {
  const std::lock_guard lock(mutex_);
  notes_.push_back(text);
  if (notes_.size() > kNotesKept) notes_.pop_front();
}

void Reporter::reload_failed() {
  const std::lock_guard lock(mutex_);
  ++failed_reloads_;
}

void Reporter::reload_done(std::uint64_t policy_version) {
  const std::lock_guard lock(mutex_);
  policy_version_ = policy_version;
}

control::ClockReport Reporter::clock_report() const {
  ClockViewer view;
  {
    const std::lock_guard lock(mutex_);
    view = clock_;
  }
  const ptp::ClockStatus status = view ? view() : ptp::ClockStatus{};
  std::optional<page::ClockRecord> record(std::in_place);
  std::uint64_t version = 0;
  if (!pages_.clock().record.try_read(*record, version)) record.reset();
  control::ClockReport out = cmd::clock_report(record, status, platform::read_cycles());
  out.last_failure = clock_failure_();
  return out;
}

control::WorkerReport Reporter::worker_report(std::size_t index, const control::AgentView& view,
                                              time::SmearedUtc now) const {
  control::WorkerReport out{.index = static_cast<std::uint32_t>(index), .rights = {}, .counters = {}};
  if (index < view.published.size())
    for (const mint::Right& right : view.published[index].rights())
      out.rights.push_back({right, std::max(time::saturating_sub(right.ceiling, now), time::Duration{0})});
  for (const page::CounterInfo& info : page::kCounterTable)
    out.counters.push_back({std::string(info.name), pages_.worker(index).counters.get(info.counter)});
  return out;
}

control::StatusReport Reporter::report() const {
  control::StatusReport out;
  const control::AgentView view = agent_();
  out.clock = clock_report();
  out.sampled = platform::read_uptime();
  for (const dataplane::PortReport& port : ports_())
    out.ports.push_back(port_report(port));
  for (std::size_t i = 0; i < pages_.workers(); ++i)
    out.workers.push_back(worker_report(i, view, out.clock.now));
  out.agent = {.state = std::string(control::text_of(view.state)),
               .last_note = view.last_note ? view.last_note->text : std::string(),
               .waiting_until = view.waiting_until.value_or(time::SmearedUtc{}),
               .revision = view.highest.value,
               .store_epoch = 0,
               .recent_notes = {},
               .store_failures = failures_of(view),
               .vote = vote_of(view)};

  const std::lock_guard lock(mutex_);
  if (leases_) out.leases = leases_();
  out.agent.store_epoch = facts_.store_epoch;
  out.agent.recent_notes.assign(notes_.begin(), notes_.end());
  out.clock.source = facts_.clock_source;
  out.clock.lead_policy = lead_policy_;
  out.daemon = {.instance = facts_.instance,
                .version = std::string(platform::kVersion),
                .incarnation = facts_.incarnation,
                .pid = static_cast<std::uint64_t>(::getpid()),
                .uptime = out.sampled - facts_.started,
                .listen = facts_.listen,
                .metrics_listen = facts_.metrics_listen,
                .state_dir = facts_.state_dir,
                .store_url = facts_.store_url,
                .access_policy_version = policy_version_,
                .failed_reloads = failed_reloads_,
                .data_plane = facts_.data_plane};
  for (const id::Layout& layout : facts_.layouts)
    out.layouts.push_back({.number = layout.number,
                           .name = std::string(layout.name()),
                           .exhausted_at = id::exhaustion(layout).in_signed,
                           .headroom = id::headroom(layout, out.clock.now).left});
  return out;
}

}  // namespace gnomon::cmd
