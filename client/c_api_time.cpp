// SPDX-License-Identifier: Apache-2.0
//
// The C face of the client: time and hybrid timestamps.
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "client/c_guard.hpp"
#include "client/hlc_stamper.hpp"
#include "client/shared_clock.hpp"

using gnomon::client::HlcStamper;
using gnomon::client::Result;
using gnomon::client::SharedClock;
using gnomon::client::capi::guarded;
using gnomon::client::capi::missing;
using gnomon::client::capi::report;
using gnomon::clock::HlcTimestamp;
namespace times = gnomon::time;

struct gnomon_clock {
  SharedClock clock;
};

struct gnomon_stamper {
  HlcStamper stamper;
};

namespace {

// What does not fit is refused by whoever gets it.
times::Duration duration_of(std::uint64_t ns) {
  constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();
  return {static_cast<std::int64_t>(ns < kLargest ? ns : kLargest)};
}

int give(const Result<times::Interval>& got, gnomon_interval* out, gnomon_error* error) {
  if (!got) return report(error, got.error());
  if (out != nullptr) *out = {got->earliest.ns, got->latest.ns};
  return GNOMON_OK;
}

int give(const Result<HlcTimestamp>& got, uint64_t* out, gnomon_error* error) {
  if (!got) return report(error, got.error());
  *out = got->value;
  return GNOMON_OK;
}

}  // namespace

int gnomon_now(gnomon_client* client, gnomon_interval* now, gnomon_error* error) {
  if (client == nullptr || now == nullptr) return missing(error, "gnomon_now needs client and now");
  return guarded(error, [&] { return give(client->client.now(), now, error); });
}

int gnomon_commit_wait(gnomon_client* client, int64_t t_ns, uint64_t limit_ns, gnomon_interval* passed,
                       gnomon_error* error) {
  if (client == nullptr) return missing(error, "gnomon_commit_wait needs client");
  return guarded(error, [&] { return give(client->client.commit_wait({t_ns}, duration_of(limit_ns)), passed, error); });
}

int gnomon_commit_wait_at_server(gnomon_client* client, int64_t t_ns, uint64_t limit_ns, gnomon_interval* passed,
                                 gnomon_error* error) {
  if (client == nullptr) return missing(error, "gnomon_commit_wait_at_server needs client");
  return guarded(
      error, [&] { return give(client->client.commit_wait_at_server({t_ns}, duration_of(limit_ns)), passed, error); });
}

int gnomon_hlc_update(gnomon_client* client, uint64_t remote, uint64_t* timestamp, gnomon_error* error) {
  if (client == nullptr || timestamp == nullptr) return missing(error, "gnomon_hlc_update needs client and timestamp");
  return guarded(error, [&] { return give(client->client.hlc_update({remote}), timestamp, error); });
}

int gnomon_clock_open(const char* instance, gnomon_clock** clock, gnomon_error* error) {
  if (clock == nullptr) return missing(error, "gnomon_clock_open needs clock");
  return guarded(error, [&] {
    gnomon::client::SharedClockOptions options;
    if (instance != nullptr) options.instance = instance;
    auto opened = SharedClock::open(options);
    if (!opened) return report(error, opened.error());
    *clock = new gnomon_clock{std::move(*opened)};
    return static_cast<int>(GNOMON_OK);
  });
}

int gnomon_clock_now(gnomon_clock* clock, gnomon_interval* now, gnomon_error* error) {
  if (clock == nullptr || now == nullptr) return missing(error, "gnomon_clock_now needs clock and now");
  return guarded(error, [&] { return give(clock->clock.now(), now, error); });
}

int gnomon_clock_commit_wait(gnomon_clock* clock, int64_t t_ns, uint64_t limit_ns, gnomon_interval* passed,
                             gnomon_error* error) {
  if (clock == nullptr) return missing(error, "gnomon_clock_commit_wait needs clock");
  return guarded(error, [&] { return give(clock->clock.commit_wait({t_ns}, duration_of(limit_ns)), passed, error); });
}

void gnomon_clock_close(gnomon_clock* clock) { delete clock; }

int gnomon_stamper_open(uint64_t max_ahead_ns, gnomon_stamper** stamper, gnomon_error* error) {
  if (stamper == nullptr) return missing(error, "gnomon_stamper_open needs stamper");
  constexpr std::uint64_t kLongest = 3'600'000'000'000;
  if (max_ahead_ns > kLongest) return missing(error, "max_ahead_ns can't be used: choose at most an hour");
  return guarded(error, [&] {
    gnomon::client::HlcStamperOptions options;
    if (max_ahead_ns != 0) options.max_ahead = duration_of(max_ahead_ns);
    *stamper = new gnomon_stamper{HlcStamper(options)};
    return static_cast<int>(GNOMON_OK);
  });
}

int gnomon_stamp_send(gnomon_stamper* stamper, uint64_t* timestamp, gnomon_error* error) {
  if (stamper == nullptr || timestamp == nullptr)
    return missing(error, "gnomon_stamp_send needs stamper and timestamp");
  return guarded(error, [&] { return give(stamper->stamper.send(), timestamp, error); });
}

int gnomon_stamp_receive(gnomon_stamper* stamper, uint64_t remote, uint64_t* timestamp, gnomon_error* error) {
  if (stamper == nullptr || timestamp == nullptr)
    return missing(error, "gnomon_stamp_receive needs stamper and timestamp");
  return guarded(error, [&] { return give(stamper->stamper.receive({remote}), timestamp, error); });
}

void gnomon_stamper_close(gnomon_stamper* stamper) { delete stamper; }
