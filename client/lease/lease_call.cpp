// SPDX-License-Identifier: Apache-2.0
#include "client/lease/lease_call.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

namespace gnomon::client {
namespace {

constexpr time::Duration kFirstPause = time::milliseconds(20);
constexpr time::Duration kLongestPause = time::seconds(1);
constexpr time::Duration kLeastShare = time::milliseconds(100);

}  // namespace

CallRounds::CallRounds(const LeaseTransport& transport, const CallOptions& options)
    : options_(options), deadline_(options.deadline + options.parked), pause_(kFirstPause) {
  const std::size_t first = transport.preferred();
  for (std::size_t i = 0; i < transport.servers(); ++i) {
    const std::size_t server = i == 0 ? first : (i <= first ? i - 1 : i);
    if (!options.local_only || transport.server(server).local) order_.push_back(server);
  }
}

std::optional<CallRounds::Attempt> CallRounds::next() {
  if (order_.empty() || (options_.one_attempt && tries_ > 0)) return std::nullopt;
  if (tries_ > 0 && tries_ % order_.size() == 0) {
    const time::Duration pause = std::min(pause_, deadline_.left());
    std::this_thread::sleep_for(std::chrono::nanoseconds(pause.ns));
    pause_ = std::min(pause_ * 2, kLongestPause);
  }
  const time::Duration left = deadline_.left();
  if (left == time::Duration{0} && tries_ > 0) return std::nullopt;
  const std::size_t turn = tries_++ % order_.size();
  const auto servers_left = options_.one_attempt ? 1 : static_cast<std::int64_t>(order_.size() - turn);
  // What the server may let the call wait is not to be shared: a call that is cut while it is parked gains nothing.
  const time::Duration share = std::max((left - options_.parked) / servers_left, kLeastShare);
  return Attempt{order_[turn], std::min(share + options_.parked, left)};
}

void CallRounds::failed(LeaseFault fault, time::Duration timeout) {
  if (fault.unknown) {
    unknown_ = unknown_ || fault.error.kind == LeaseErrorKind::kTimeout;
    // Counted from now instead of from the sending: later, so on the safe side.
    const HostDeadline open(timeout + kCommitGrace);
    if (!report_.open_until || report_.open_until->left() < open.left()) report_.open_until = open;
  }
  // A server that is not there hides no better reason.
  if (last_ && fault.error.kind == LeaseErrorKind::kUnreachable && last_->kind != LeaseErrorKind::kUnreachable) return;
  last_ = std::move(fault.error);
}

LeaseError CallRounds::error() const {
  if (order_.empty())
    return lease_error(LeaseErrorKind::kForbidden,
                       options_.what + " is allowed over a Unix socket only, and no server of this client is one");
  if (!last_) return lease_error(LeaseErrorKind::kTimeout, options_.what + ": the time was over before it was sent");
  LeaseError error = *last_;
  if (unknown_) error.kind = LeaseErrorKind::kTimeout;
  return error;
}

}  // namespace gnomon::client
