// SPDX-License-Identifier: Apache-2.0
#include "client/lease/lease_client.hpp"

#include <algorithm>
#include <utility>

#include "client/lease/lease_call.hpp"
#include "client/lease/lease_handles.hpp"
#include "client/lease/lease_info.hpp"

namespace gnomon::client {
namespace {

constexpr int kMaxPages = 10'000;  // of a listing; a server that never ends is damaged

}  // namespace

LeaseClient::LeaseClient(std::unique_ptr<State> state) : state_(std::move(state)) {}

LeaseClient::~LeaseClient() {
  if (!state_->transport->is_ours()) abandon(state_);
}

LeaseResult<std::shared_ptr<LeaseClient>> LeaseClient::connect(const LeaseClientOptions& options) {
  auto transport = LeaseTransport::open(options);
  if (!transport) return tl::make_unexpected(std::move(transport.error()));
  auto state = std::make_unique<State>();
  state->transport = std::move(*transport);
  return std::shared_ptr<LeaseClient>(new LeaseClient(std::move(state)));
}

LeaseResult<std::unique_ptr<Session>> LeaseClient::open_session(SessionOptions options) {
  auto core = SessionCore::open(state_->transport, std::move(options));
  if (!core) return tl::make_unexpected(std::move(core.error()));
  auto state = std::make_shared<Session::State>();
  state->core = std::move(*core);
  return std::unique_ptr<Session>(new Session(std::move(state)));
}

LeaseResult<LeaseInfo> LeaseClient::get(const std::string& name) {
  v1::GetLeaseRequest request;
  request.set_name(name);
  const auto answer = call<v1::GetLeaseRequest, v1::GetLeaseResponse>(
      *state_->transport, &LeaseStub::PrepareAsyncGetLease, request,
      {.what = "looking at " + name, .deadline = state_->transport->deadline()});
  if (!answer) return tl::make_unexpected(answer.error());
  return info_of(answer->lease());
}

LeaseResult<std::vector<LeaseInfo>> LeaseClient::list(const std::string& prefix) {
  std::vector<LeaseInfo> leases;
  v1::ListLeasesRequest request;
  request.set_prefix(prefix);
  for (int page = 0; page < kMaxPages; ++page) {
    const auto answer = call<v1::ListLeasesRequest, v1::ListLeasesResponse>(
        *state_->transport, &LeaseStub::PrepareAsyncListLeases, request,
        {.what = "listing leases", .deadline = state_->transport->deadline()});
    if (!answer) return tl::make_unexpected(answer.error());
    for (const v1::Lease& lease : answer->leases())
      leases.push_back(info_of(lease));
    if (!answer->more() || answer->leases().empty()) return leases;
    request.set_after(answer->leases().rbegin()->name());
  }
  return tl::make_unexpected(lease_error(LeaseErrorKind::kServer, "the server's listing of leases has no end"));
}

LeaseResult<TokenVerdict> LeaseClient::validate(const std::string& name, std::uint64_t token) {
  v1::ValidateTokenRequest request;
  request.set_name(name);
  request.set_token(token);
  const auto answer = call<v1::ValidateTokenRequest, v1::ValidateTokenResponse>(
      *state_->transport, &LeaseStub::PrepareAsyncValidateToken, request,
      {.what = "validating a token of " + name, .deadline = state_->transport->deadline()});
  if (!answer) return tl::make_unexpected(answer.error());
  switch (answer->standing()) {
    case v1::TOKEN_CURRENT: return TokenVerdict::kCurrent;
    case v1::TOKEN_DOUBTFUL: return TokenVerdict::kDoubtful;
    case v1::TOKEN_STALE: return TokenVerdict::kStale;
    case v1::TOKEN_UNKNOWN: return TokenVerdict::kUnknown;
    default: break;
  }
  return tl::make_unexpected(lease_error(
      LeaseErrorKind::kServer, "the server says something of a token of " + name + " that this client does not know"));
}

LeaseResult<std::uint64_t> LeaseClient::break_lease(const std::string& name) {
  v1::BreakLeaseRequest request;
  request.set_name(name);
  request.set_holder_is_stopped(true);
  const auto answer = call<v1::BreakLeaseRequest, v1::BreakLeaseResponse>(
      *state_->transport, &LeaseStub::PrepareAsyncBreakLease, request,
      {.what = "breaking " + name, .deadline = state_->transport->deadline(), .local_only = true});
  if (!answer) return tl::make_unexpected(answer.error());
  return answer->token();
}

}  // namespace gnomon::client
