// SPDX-License-Identifier: Apache-2.0
//
// Renewals of a session, as its keeper wants them. One attempt of the keeper goes round the servers: a refusal or a
// broken connection is answered by asking the next one at once, under the same attempt, whose sending lies earlier and
// so earns less.
#include <algorithm>
#include <utility>

#include "client/lease/session_core.hpp"

namespace gnomon::client {

namespace {

constexpr time::Duration kLongestRenewal = time::seconds(60);

}  // namespace

void SessionCore::send_renewal(std::uint64_t attempt, std::size_t server, std::size_t tries) {
  v1::RenewSessionRequest request;
  request.set_session(nonce_);
  request.set_ttl_ns(options_.ttl.ns);
  const auto context = std::make_shared<grpc::ClientContext>();
  calls_.insert(context);
  ++under_way_;
  silent_ = server;
  transport_->start<v1::RenewSessionRequest, v1::SessionResponse>(
      server, context, &LeaseStub::PrepareAsyncRenewSession, request, std::min(options_.ttl, kLongestRenewal),
      [this, context, attempt, server, tries](const grpc::Status& status, const v1::SessionResponse& response) {
        renewed(attempt, server, tries, status, response);
        // Last: afterwards the session may be gone.
        const std::lock_guard lock(mutex_);
        calls_.erase(context);
        --under_way_;
        changed_.notify_all();
      });
}

void SessionCore::renewed(std::uint64_t attempt, std::size_t server, std::size_t tries, const grpc::Status& status,
                          const v1::SessionResponse& response) {
  const std::lock_guard lock(mutex_);
  const HostClocks now = read_host_clocks();
  if (silent_ == server && attempt == keeper_.last_attempt()) silent_.reset();
  if (is_over()) return;
  if (status.ok() && response.has_open()) {
    transport_->answered(server);
    why_lost_.clear();
    apply(keeper_.granted(now, attempt, {response.open().ttl_ns()}));
    return;
  }
  const bool refused = status.ok() && response.has_refused();
  if (refused && (ends_session(response.refused()) || response.refused().reason() == v1::FOREIGN_SESSION)) {
    why_lost_ = response.refused().text();
    ended_there_ = true;
    apply(keeper_.refused(now));
    return;
  }
  const LeaseFault fault = refused ? fault_of(response.refused())
                                   : fault_of(status, transport_->server(server).server, "renewing the session",
                                              transport_->is_connected(server));
  why_lost_ = "no renewal was answered in time (" + fault.error.text + ")";
  if (fault.elsewhere) transport_->failed(server);
  if (fault.elsewhere && tries < transport_->servers() && attempt == keeper_.last_attempt()) {
    send_renewal(attempt, (server + 1) % transport_->servers(), tries + 1);
    return;
  }
  apply(keeper_.failed(now, attempt));
}

void SessionCore::lost_by_server(const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (is_over()) return;
  why_lost_ = text;
  ended_there_ = true;
  apply(keeper_.refused(read_host_clocks()));
}

// A renewal that is sent from here on, and granted.
LeaseResult<void> SessionCore::confirm() {
  const HostDeadline deadline(transport_->deadline());
  std::unique_lock lock(mutex_);
  look();
  const KeeperEffects effects = keeper_.renew_now(read_host_clocks());
  apply(effects);
  while (effects.renew && !is_over() && !keeper_.confirmed_since(effects.renew->attempt)) {
    const time::Duration left = deadline.left();
    if (left == time::Duration{0})
      return tl::make_unexpected(lease_error(LeaseErrorKind::kTimeout,
                                             "the lease was granted, but no renewal of the session that was sent "
                                             "afterwards was answered in time; the lease is given back"));
    changed_.wait_for(lock, std::chrono::nanoseconds(left.ns));
  }
  if (is_over() || !effects.renew) return tl::make_unexpected(reason());
  return {};
}

}  // namespace gnomon::client
