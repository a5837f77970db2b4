// SPDX-License-Identifier: Apache-2.0
#include "cmd/gnomond/pages.hpp"

#include <fmt/core.h>
#include <unistd.h>

#include <utility>

#include "platform/uptime.hpp"

namespace gnomon::cmd {

Or<Pages> Pages::create(const std::string& instance, std::uint32_t workers, std::uint64_t incarnation) {
  const std::string prefix = fmt::format("gnomon.{}.", instance);
  auto clock = platform::OwnedPage<page::ClockPage>::create(prefix + "clock");
  if (!clock) return refused(clock.error().text);
  clock->keep_file();  // what was proved serves the next run of this boot (clock_assembly.hpp)
  auto rights = platform::OwnedPage<page::RightsPage>::create(prefix + "rights");
  if (!rights) return refused(rights.error().text);
  Pages pages(std::move(*clock), std::move(*rights));
  const auto pid = static_cast<std::uint64_t>(::getpid());
  const auto now = static_cast<std::uint64_t>(platform::read_uptime().ns);
  page::stamp(pages.clock(), incarnation, pid, now);
  page::stamp(pages.rights(), incarnation, pid, now);
  for (std::uint32_t i = 0; i < workers; ++i) {
    auto worker = platform::OwnedPage<page::WorkerPage>::create(fmt::format("{}worker.{}", prefix, i));
    if (!worker) return refused(worker.error().text);
    page::stamp(**worker, incarnation, pid, now);
    pages.workers_.push_back(std::move(*worker));
  }
  return pages;
}

std::vector<page::WorkerPage*> Pages::worker_pointers() const {
  std::vector<page::WorkerPage*> out;
  out.reserve(workers_.size());
  for (const auto& worker : workers_)
    out.push_back(&*worker);
  return out;
}

}  // namespace gnomon::cmd
