// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/supervisor/executor.hpp"

#include <fmt/core.h>
#include <fmt/ranges.h>
#include <poll.h>

#include <optional>
#include <utility>
#include <vector>

#include "cmd/gnomond/instance_lock.hpp"
#include "cmd/gnomond/log.hpp"
#include "cmd/gnomond/page_lock.hpp"
#include "control/estate.hpp"
#include "platform/random.hpp"
#include "platform/shared_page.hpp"
#include "platform/uptime.hpp"

namespace gnomon::cmd::supervisor {
namespace {

using RightsPage = platform::ForeignPage<page::RightsPage>;
using WorkerPage = platform::ForeignPage<page::WorkerPage>;

constexpr int kPauseMs = 100;

/// What the pages of that instance prove; none if they are not the dead one's, as when it died before it made any.
std::optional<control::Estate> estate_of(const std::string& instance, const DeadDaemon& dead) {
  const std::string prefix = fmt::format("gnomon.{}.", instance);
  const auto rights = RightsPage::open(prefix + "rights");
  if (!rights) {
    log_info("there is nothing to give back for the dead daemon: {}", rights.error().text);
    return std::nullopt;
  }
  std::vector<WorkerPage> pages;
  std::vector<std::optional<std::size_t>> index_of;  // in `pages`
  for (std::size_t worker = 0; worker < page::kMaxWorkers; ++worker) {
    auto page = WorkerPage::open(fmt::format("{}worker.{}", prefix, worker));
    index_of.push_back(page ? std::optional(pages.size()) : std::nullopt);
    if (page) pages.push_back(std::move(*page));
  }
  std::vector<const page::WorkerPage*> workers;
  workers.reserve(index_of.size());
  for (const auto& index : index_of)
    workers.push_back(index ? &*pages[*index] : nullptr);
  auto estate = control::read_estate(**rights, workers, {static_cast<std::uint64_t>(dead.pid), dead.started});
  if (estate) return std::move(*estate);
  log_info("there is nothing to give back for the dead daemon: {}", estate.error());
  return std::nullopt;
}

void tell(const control::EstateReport& report, time::Duration took) {
  std::vector<unsigned> ids;
  ids.reserve(report.released.size());
  for (const mint::MachineId machine : report.released)
    ids.push_back(machine.value);
  if (!ids.empty())
    log_info("what the dead daemon held was given back, exactly as far as it was used, in {} ms: machine ids {}",
             took.ns / 1'000'000, fmt::join(ids, ", "));
  for (const std::string& left : report.left)
    log_warn("not given back, runs out by itself: {}", left);
  if (!report.journal_fault.empty())
    log_warn("the rights were given back, and the journal does not know: {}", report.journal_fault);
}

}  // namespace

ExitCode give_back(const std::string& instance, const DeadDaemon& dead, const StoreOpener& open) {
  const time::Uptime begun = platform::read_uptime();
  const auto refuse = [](const std::string& why) {
    log_warn("what the dead daemon held runs out by itself: {}", why);
    return ExitCode::kRefused;
  };
  const auto lock = InstanceLock::take(page_lock_path(instance), instance);
  if (!lock) return refuse(lock.error().text);
  const auto estate = estate_of(instance, dead);
  if (!estate) return ExitCode::kOk;
  const auto opened = open();
  if (!opened) return refuse(opened.error().text);
  const control::EstateStore to{*opened->store, *opened->journal, opened->facts, opened->exclusive};
  const control::EstateHooks hooks{.nonce = [] { return platform::random_value<control::Nonce>(); },
                                   .pause = [] { (void)::poll(nullptr, 0, kPauseMs); }};
  const auto report = control::release_estate(to, *estate, hooks);
  if (!report) return refuse(report.error().text);
  tell(*report, platform::read_uptime() - begun);
  return report->left.empty() ? ExitCode::kOk : ExitCode::kRefused;
}

}  // namespace gnomon::cmd::supervisor
