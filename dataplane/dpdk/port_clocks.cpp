// SPDX-License-Identifier: Apache-2.0
#include "dataplane/dpdk/port_clocks.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace gnomon::dataplane::dpdk {
namespace {

struct Wish {
  int readers = 0;
  std::optional<Timesync> clock;
};

std::mutex g_mutex;  // of the one below
std::map<std::string, Wish> g_wishes;

class WantedClock final : public PortClock {
 public:
  explicit WantedClock(std::string device) : device_(std::move(device)) {
    const std::lock_guard lock(g_mutex);
    ++g_wishes[device_].readers;
  }
  ~WantedClock() override {
    const std::lock_guard lock(g_mutex);
    const auto wish = g_wishes.find(device_);
    if (wish != g_wishes.end() && --wish->second.readers == 0) g_wishes.erase(wish);
  }
  WantedClock(const WantedClock&) = delete;
  WantedClock& operator=(const WantedClock&) = delete;

  [[nodiscard]] tl::expected<PortClockReading, PortClockError> read(time::CycleRate nominal) override {
    const std::lock_guard lock(g_mutex);
    const auto wish = g_wishes.find(device_);
    if (wish != g_wishes.end())
      if (auto& clock = wish->second.clock) return clock->read(nominal);
    return tl::make_unexpected(PortClockError{PortClockFault::kNotStarted, "the clock of port " + device_ +
                                                                               " can't be read: the port is not "
                                                                               "started yet, or its device has gone"});
  }

 private:
  std::string device_;
};

}  // namespace

bool clock_is_wanted(const std::string& device) {
  const std::lock_guard lock(g_mutex);
  return g_wishes.contains(device);
}

void offer_clock(const std::string& device, Timesync clock) {
  const std::lock_guard lock(g_mutex);
  if (const auto wish = g_wishes.find(device); wish != g_wishes.end()) wish->second.clock = std::move(clock);
}

void withdraw_clock(const std::string& device) {
  const std::lock_guard lock(g_mutex);
  if (const auto wish = g_wishes.find(device); wish != g_wishes.end()) wish->second.clock.reset();
}

}  // namespace gnomon::dataplane::dpdk

namespace gnomon::dataplane {

tl::expected<std::unique_ptr<PortClock>, PortClockError> PortClock::of(const std::string& device) {
  return std::make_unique<dpdk::WantedClock>(device);
}

}  // namespace gnomon::dataplane
