// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/lease_assembly.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "cmd/lease_figures.hpp"
#include "cmd/options/checks.hpp"
#include "cmd/options/etcd_settings.hpp"
#include "control/clone_guard.hpp"
#include "platform/endpoint.hpp"
#include "platform/uptime.hpp"

namespace gnomon::cmd {
namespace {

std::size_t size_of(std::int64_t option) { return static_cast<std::size_t>(option); }
std::uint32_t count_of(std::int64_t option) { return static_cast<std::uint32_t>(option); }

Or<LeaseClockRules> clock_rules(const Settings& settings, const Keep& keep) {
  LeaseClockRules rules{.boot = std::nullopt,
                        .since = platform::read_uptime(),  // the store is open, and nobody else has it
                        .store = keep.meta().facts,
                        .max_ttl = time::milliseconds(settings.lease.max_ttl_ms)};
  if (!keep.exclusive()) return rules;
  rules.boot = parse_boot_id(control::read_boot_id());
  if (rules.boot) return rules;
  return refused(
      "cannot read this boot's id from /proc/sys/kernel/random/boot_id, and the expiry of leases is told by the clock "
      "of "
      "one boot; mount /proc, or keep the rights in an etcd (store.url)");
}

/// A connection for each thread: an answer that is late delays nobody else.
control::LeaseRunner::StoreFactory etcd_stores(const control::EtcdOptions& options,
                                               const std::function<void(const std::string&)>& on_warning) {
  return [options, on_warning]() -> std::unique_ptr<control::Store> {
    auto store = control::EtcdStore::open(options);
    if (store) return std::move(*store);
    if (on_warning) on_warning(store.error().text);
    return nullptr;
  };
}

}  // namespace

control::LeaseRunnerOptions lease_runner_options(const Settings& settings, const Keep& keep) {
  const auto& lease = settings.lease;
  control::LeaseRunnerOptions out;
  out.desk.policy.store = keep.meta().facts;
  out.desk.policy.min_ttl = time::milliseconds(lease.min_ttl_ms);
  out.desk.policy.max_ttl = time::milliseconds(lease.max_ttl_ms);
  out.desk.most_sessions_per_principal = size_of(lease.sessions_per_client);
  out.desk.most_leases_per_session = size_of(lease.leases_per_session);
  out.desk.most_leases_per_principal = size_of(lease.leases_per_client);
  out.desk.most_waiters_per_name = size_of(lease.waiters_per_name);
  out.store_threads = keep.exclusive() ? 1 : size_of(lease.threads);
  return out;
}

control::LeaseServiceOptions lease_service_options(const Settings& settings) {
  const auto& lease = settings.lease;
  control::LeaseServiceOptions out;
  out.calls.calls_per_second = count_of(lease.rate_per_client);
  out.calls.burst = count_of(lease.rate_burst);
  out.calls.calls_at_once = count_of(lease.calls_per_client);
  return out;
}

control::LeaseReport lease_report(const control::LeaseServiceCounters& counters, bool serving,
                                  const std::string& listen) {
  control::LeaseReport out{
      .serving = serving, .listen = listen, .levels = {}, .counters = {}, .calls = {}, .refused = {}};
  for (const LeaseFigure& figure : kLeaseLevels)
    out.levels.push_back({std::string(figure.name), figure.of(counters)});
  for (const LeaseFigure& figure : kLeaseCounters)
    out.counters.push_back({std::string(figure.name), figure.of(counters)});
  for (std::size_t i = 0; i < control::kLeaseMethods; ++i)
    out.calls.push_back({std::string(control::text_of(static_cast<control::LeaseMethod>(i))), counters.calls[i]});
  const control::DeskCounters& desk = counters.runner.desk;
  for (std::size_t i = 0; i < lease::kRefusals; ++i)
    out.refused.push_back({std::string(lease::text_of(static_cast<lease::Refusal>(i))), desk.refused[i]});
  for (std::size_t i = 0; i < control::kDeskFaults; ++i)
    out.refused.push_back({std::string(control::text_of(static_cast<control::DeskFault>(i))), desk.faulted[i]});
  return out;
}

Or<std::unique_ptr<Leases>> Leases::start(const Settings& settings, Keep& keep, const page::ClockPage& clock,
                                          LeaseHooks hooks) {
  const auto rules = clock_rules(settings, keep);
  if (!rules) return tl::make_unexpected(rules.error());
  std::unique_ptr<Leases> out(new Leases(*rules, clock, std::move(hooks.standing)));
  control::LeaseRunnerHooks runner_hooks{.clock = [&moment = out->clock_] { return moment.read(); },
                                         .on_failed = std::move(hooks.on_failed),
                                         .on_warning = hooks.on_warning};
  const auto options = lease_runner_options(settings, keep);
  if (control::OrderedStore* ordered = keep.ordered()) {
    out->runner_ = control::LeaseRunner::start(options, *ordered, std::move(runner_hooks));
  } else {
    const auto etcd = etcd_options(settings);
    if (!etcd) return tl::make_unexpected(Failure{ExitCode::kUsage, etcd.error()});
    auto runner = control::LeaseRunner::start(options, etcd_stores(*etcd, hooks.on_warning), std::move(runner_hooks));
    if (!runner) return refused(runner.error());
    out->runner_ = std::move(*runner);
  }
  out->service_ = control::LeaseService::make(*out->runner_, lease_service_options(settings));
  return out;
}

Leases::~Leases() { finish_end(); }

control::ServerGuest& Leases::guest() { return service_->guest(control::LeaseDoor::kUnixSocket); }

Or<void> Leases::listen(const Settings& settings) {
  if (settings.lease.listen.empty()) return {};
  std::vector<std::string> addresses;
  for (const std::string& text : settings.lease.listen) {
    const auto endpoint = platform::parse_endpoint(text, kLeasePort);
    if (!endpoint) return tl::make_unexpected(Failure{ExitCode::kUsage, endpoint.error().text});
    addresses.push_back(platform::to_string(*endpoint));
  }
  const control::LeaseServerTls tls{
      .ca_file = settings.lease.ca_file, .cert_file = settings.lease.cert_file, .key_file = settings.lease.key_file};
  auto server = control::LeaseServer::start(addresses, tls, *service_);
  if (!server) return refused(server.error());
  server_ = std::move(*server);
  return {};
}

std::string Leases::listens_on() const {
  return server_ ? fmt::format("{}", fmt::join(server_->listens_on(), ", ")) : std::string();
}

control::LeaseReport Leases::report() const {
  return lease_report(service_->counters(), runner_->is_serving(), listens_on());
}

void Leases::begin_end() {
  if (ending_.joinable()) return;
  clock_.end();
  ending_ = std::thread([this] { runner_->stop(); });
}

void Leases::finish_end() {
  if (ending_.joinable()) ending_.join();
  server_.reset();
}

}  // namespace gnomon::cmd
