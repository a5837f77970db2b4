// SPDX-License-Identifier: Apache-2.0
#include "client/hlc_stamper.hpp"

#include <ctime>
#include <string>

namespace gnomon::client {
namespace {

Error error_of(clock::HlcFault fault) {
  ErrorKind kind = ErrorKind::kClockBehind;
  if (fault == clock::HlcFault::kRemoteAhead) kind = ErrorKind::kTooFar;
  if (fault == clock::HlcFault::kPhysicalOutOfRange) kind = ErrorKind::kClockUnsynchronised;
  return {kind, std::string(clock::text_of(fault)), {}, {}};
}

}  // namespace

Result<clock::HlcTimestamp> HlcStamper::receive(clock::HlcTimestamp remote) {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const time::Tai utc{std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec};
  return receive_at(time::saturating_add(utc, options_.tai_minus_utc), remote);
}

Result<clock::HlcTimestamp> HlcStamper::receive_at(time::Tai physical, clock::HlcTimestamp remote) {
  std::uint64_t last = last_.load(std::memory_order_acquire);
  while (true) {
    clock::HybridClock clock({.max_ahead = options_.max_ahead}, {last});
    const auto next = clock.update(physical, remote);
    if (!next) return tl::make_unexpected(error_of(next.error()));
    if (last_.compare_exchange_weak(last, next->value, std::memory_order_acq_rel)) return *next;
  }
}

}  // namespace gnomon::client
