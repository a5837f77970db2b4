// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/host.hpp"

#include <utility>

namespace gnomon::sim {
namespace {

constexpr time::Duration kUpSince = time::seconds(3600);
constexpr std::uint64_t kFirstReference = 1000;  // of a host; no two sources have one root

}  // namespace

Host::Host(std::uint32_t number, HostPlan plan, Random random)
    : number_(number), plan_(std::move(plan)), oscillator_(random.fork()) {
  for (const SourcePlan& source : plan_.sources)
    sources_.emplace_back(source, kFirstReference * (number + 1) + sources_.size(), random.fork());
}

void Host::read(time::Uptime now, std::int64_t core, time::Duration half_width, Readings& out) {
  const time::Cycles count = counter(now, core);
  const time::Uptime boottime = time::Uptime{} + kUpSince + (now - time::Uptime{}) - stopped_;
  const Statement system_said = read_system(now, count, half_width);
  out.taken_at = now;
  out.epoch = epoch();
  out.system = *system_said.news;
  out.sources.resize(sources_.size());
  for (std::size_t i = 0; i < sources_.size(); ++i)
    out.sources[i] = plan_.sources[i].system ? system_said : sources_[i].poll(now, count, half_width);
  out.uptime = {count, boottime};
  out.raw = {count, time::Uptime{} + kUpSince + oscillator_.ran(now) - uncounted_ + asleep_};
  out.asleep = asleep_;
  out.told_to_distrust = std::exchange(notice_, false);
}

Statement Host::read_system(time::Uptime now, time::Cycles count, time::Duration half_width) {
  if (!system_readable)
    return {
        ptp::ClaimOr(tl::make_unexpected(ptp::SourceError{ptp::SourceFault::kUnreadable, "the clock can't be read"})),
        {}};
  ptp::Claim claim;
  claim.at = count;
  claim.reading_ns = system.at(now).ns;
  claim.terms.reading = half_width;
  claim.terms.source = time::milliseconds(10);
  for (const SourcePlan& source : plan_.sources)
    if (source.system) claim.terms.source = source.bound;
  claim.root.bare_clock = true;
  return {ptp::ClaimOr(claim), system.error(now)};
}

void Host::distrust() {
  for (TimeSource& source : sources_)
    source.distrust();
}

void Host::stop(time::Uptime now, time::Duration length) {
  oscillator_.stand_still(now, length);
  stopped_ = stopped_ + length;
  away_until_ = now + length;
  notice_ = true;
}

void Host::suspend(time::Uptime now, time::Duration length, bool counter_runs) {
  if (counter_runs)
    uncounted_ = uncounted_ + length;
  else
    oscillator_.stand_still(now, length);
  asleep_ = asleep_ + length;
  away_until_ = now + length;
}

void Host::jump(std::int64_t cycles, bool told) {
  oscillator_.jump(cycles);
  notice_ = notice_ || told;
}

void Host::heal() {
  system_readable = true;
  for (TimeSource& source : sources_)
    source.heal();
}

}  // namespace gnomon::sim
