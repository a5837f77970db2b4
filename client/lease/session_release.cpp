// SPDX-License-Identifier: Apache-2.0
//
// Releasing, and the releases in the background: see session_core.hpp for why a name is not acquired again before they
// are settled.
#include <algorithm>
#include <utility>

#include "client/lease/session_core.hpp"

namespace gnomon::client {
namespace {

constexpr time::Duration kInPassing = time::seconds(1);
constexpr time::Duration kChoreTimeout = time::seconds(2);
constexpr time::Duration kFirstPause = time::milliseconds(200);
constexpr time::Duration kLongestPause = time::seconds(5);
constexpr time::Duration kNever = time::seconds(3'600);

}  // namespace

LeaseResult<void> SessionCore::release(const std::string& name, std::uint64_t token, bool in_passing) {
  if (!is_ours()) return tl::make_unexpected(closed_error());
  v1::ReleaseRequest request;
  request.set_session(nonce_);
  request.set_name(name);
  request.set_token(token);
  CallReport report;
  const auto released = call<v1::ReleaseRequest, v1::ReleaseResponse>(
      *transport_, &LeaseStub::PrepareAsyncRelease, request,
      {.what = "releasing " + name,
       .deadline = in_passing ? std::min(kInPassing, transport_->deadline()) : transport_->deadline(),
       .one_attempt = in_passing,
       .owner = this},
      &report);
  if (!released && released.error().kind == LeaseErrorKind::kSessionLost) lost_by_server(released.error().text);
  LeaseResult<void> result;
  {
    const std::lock_guard lock(mutex_);
    if (!released && may_pass(released.error().kind) && !is_over()) add_chore(name, token, {});
    in_use_.erase(name);
    changed_.notify_all();
  }
  // An attempt before this one may have released it: then it is not held any more, as it should be.
  const bool gone_before = !released && released.error().kind == LeaseErrorKind::kNotHeld && report.open_until;
  if (!released && !gone_before) {
    LeaseError error = released.error();
    if (may_pass(error.kind)) error.text += "; it is repeated in the background while the session lives";
    result = tl::make_unexpected(std::move(error));
  }
  return result;
}

void SessionCore::add_chore(const std::string& name, std::uint64_t token, time::Duration in, bool withdrawn) {
  // One for each token and one for each end of an acquisition that was given up: both are few.
  chores_.push_back({++last_chore_, name, token, withdrawn, HostDeadline(in), kFirstPause, false});
  changed_.notify_all();
}

void SessionCore::rest(const std::string& name, const HostDeadline& until) {
  const auto at = resting_.find(name);
  if (at == resting_.end())
    resting_.emplace(name, until);
  else if (at->second.left() < until.left())
    at->second = until;
}

bool SessionCore::is_settled(const std::string& name) {
  if (const auto at = resting_.find(name); at != resting_.end()) {
    if (!at->second.over()) return false;
    resting_.erase(at);
  }
  return std::none_of(chores_.begin(), chores_.end(), [&name](const Chore& chore) {
    return chore.name == name && (chore.under_way || chore.token != 0);
  });
}

time::Duration SessionCore::until_chore() const {
  time::Duration soonest = kNever;
  for (const Chore& chore : chores_)
    if (!chore.under_way && !is_acquiring(chore.name)) soonest = std::min(soonest, chore.due.left());
  return soonest;
}

bool SessionCore::is_acquiring(const std::string& name) const {
  const auto at = in_use_.find(name);
  return at != in_use_.end() && at->second == Use::kAcquiring;
}

void SessionCore::do_chores() {
  // Whatever there is of a name that was granted again, its holder knows of and releases. One that is only being
  // acquired may be refused, and leave the old place in the queue where it is: that chore waits.
  std::erase_if(chores_, [this](const Chore& chore) {
    return chore.token == 0 && !chore.under_way && chore.due.over() && in_use_.contains(chore.name) &&
           !is_acquiring(chore.name);
  });
  for (Chore& chore : chores_)
    if (!chore.under_way && chore.due.over() && !is_acquiring(chore.name)) send_chore(chore);
}

void SessionCore::send_chore(Chore& chore) {
  if (chore.token == 0 && chore.withdrawn) {
    v1::GetLeaseRequest request;
    request.set_name(chore.name);
    return send_chore<v1::GetLeaseRequest, v1::GetLeaseResponse>(chore, &LeaseStub::PrepareAsyncGetLease, request);
  }
  v1::ReleaseRequest request;
  request.set_session(nonce_);
  request.set_name(chore.name);
  request.set_token(chore.token);
  send_chore<v1::ReleaseRequest, v1::ReleaseResponse>(chore, &LeaseStub::PrepareAsyncRelease, request);
}

template <typename Request, typename Response>
void SessionCore::send_chore(Chore& chore, LeaseMethod<Request, Response> method, const Request& request) {
  chore.under_way = true;
  ++under_way_;
  const auto context = std::make_shared<grpc::ClientContext>();
  calls_.insert(context);
  const std::size_t server = transport_->preferred();
  transport_->start<Request, Response>(
      server, context, method, request, kChoreTimeout,
      [this, context, number = chore.number, server](const grpc::Status& status, const Response& response) {
        chore_answered(number, server, status, response);
        // Last: afterwards the session may be gone.
        const std::lock_guard lock(mutex_);
        calls_.erase(context);
        --under_way_;
        changed_.notify_all();
      });
}

template <typename Response>
void SessionCore::chore_answered(std::uint64_t number, std::size_t server, const grpc::Status& status,
                                 const Response& response) {
  const std::lock_guard lock(mutex_);
  const auto chore =
      std::find_if(chores_.begin(), chores_.end(), [number](const Chore& each) { return each.number == number; });
  if (chore == chores_.end() || is_over()) return;
  LeaseFault fault;
  if (!status.ok())
    fault = fault_of(status, transport_->server(server).server, "releasing " + chore->name, true);
  else if (response.has_refused())
    fault = fault_of(response.refused());
  const bool answered = status.ok() && !(response.has_refused() && may_pass(fault.error.kind));
  chore->under_way = false;
  if (answered || !may_pass(fault.error.kind)) {
    transport_->answered(server);
    if (is_done(*chore, response)) chores_.erase(chore);
    return;
  }
  transport_->failed(server);
  if (chore->token == 0 && !chore->withdrawn && fault.unknown)
    rest(chore->name, HostDeadline(kChoreTimeout + kCommitGrace));
  chore->due = HostDeadline(chore->pause);
  chore->pause = std::min(chore->pause * 2, kLongestPause);
}

bool SessionCore::is_done(Chore& chore, const v1::ReleaseResponse& response) const {
  if (chore.token != 0 || response.released().withdrawn()) return true;  // who had a place held nothing
  chore.withdrawn = true;
  return false;
}

// A grant that was acquired meanwhile has a holder, who releases it.
bool SessionCore::is_done(Chore& chore, const v1::GetLeaseResponse& response) const {
  if (response.lease().session() != nonce_ || in_use_.contains(chore.name)) return true;
  chore.token = response.lease().token();
  return chore.token == 0;
}

}  // namespace gnomon::client
