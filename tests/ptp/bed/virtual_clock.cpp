// SPDX-License-Identifier: Apache-2.0
#include "tests/ptp/bed/virtual_clock.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "platform/unique_fd.hpp"
#include "tests/support/daemon.hpp"

namespace gnomon::bed {
namespace {

void check_drift(std::int64_t ppb) {
  if (ppb < -kMaxDriftPpb || ppb > kMaxDriftPpb)
    throw std::invalid_argument("a drift of " + std::to_string(ppb) + " ppb: at most 10 % can be had");
}

}  // namespace

VirtualClock::VirtualClock(std::filesystem::path file, Start start) : file_(std::move(file)) {
  check_drift(start.drift_ppb);
  const platform::UniqueFd fd(open(file_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid() || ftruncate(fd.get(), sizeof(Page)) != 0)
    throw std::system_error(errno, std::generic_category(), "making " + file_.string());
  void* address = mmap(nullptr, sizeof(Page), PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  if (address == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mapping " + file_.string());
  page_ = new (address) Page;
  ClockState state;
  const HostTime now = host_now();
  state.drift_ppb = start.drift_ppb;
  state.max_error_since = now;
  state.line = Line(now, {now.ns + start.ahead.ns}, rate_of(start.drift_ppb, kNominalTickUs, 0));
  if (!page_->format(state)) throw std::runtime_error("no mutex in " + file_.string());
}

VirtualClock::~VirtualClock() {
  munmap(static_cast<void*>(page_), sizeof(Page));
  std::error_code ignored;
  std::filesystem::remove(file_, ignored);
}

ClockState VirtualClock::state() const {
  const auto state = page_->read();
  if (!state) throw std::runtime_error("the clock in " + file_.string() + " changes too fast to be read");
  return *state;
}

template <typename Change>
void VirtualClock::change(Change&& change) {
  if (!page_->change(std::forward<Change>(change)))
    throw std::runtime_error("the clock in " + file_.string() + " is held, probably by a process that was stopped");
}

void VirtualClock::set_drift_ppb(std::int64_t ppb) {
  check_drift(ppb);
  change([ppb](ClockState& state, HostTime now) {
    state.drift_ppb = ppb;
    renew_rate(state, now);
  });
}

void VirtualClock::step(time::Duration by) {
  change([by](ClockState& state, HostTime now) { bed::step(state, now, by); });
}

void VirtualClock::freeze() {
  change([](ClockState& state, HostTime now) {
    state.frozen = true;
    renew_rate(state, now);
  });
}

void VirtualClock::thaw() {
  change([](ClockState& state, HostTime now) {
    state.frozen = false;
    renew_rate(state, now);
  });
}

std::map<std::string, std::string> VirtualClock::environment() const {
  // A program that is built with a sanitizer would want its runtime to come first.
  return {
      {"LD_PRELOAD", preload_library()}, {kFileVariable, file_.string()}, {"ASAN_OPTIONS", "verify_asan_link_order=0"}};
}

time::Duration difference(const VirtualClock& a, const VirtualClock& b, HostTime host) {
  return a.at(host) - b.at(host);
}

std::string preload_library() {
  return std::filesystem::absolute(support::built("tests/ptp/bed/libgnomon_vclock.so")).string();
}

}  // namespace gnomon::bed
