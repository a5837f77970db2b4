// SPDX-License-Identifier: Apache-2.0
#include "control/service/lease_face.hpp"

#include <grpcpp/server.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "control/service/lease_call.hpp"
#include "control/service/lease_codec.hpp"
#include "control/service/lease_principal.hpp"
#include "control/service/lease_server_limits.hpp"
#include "control/service/lease_watch_reactor.hpp"
#include "platform/uptime.hpp"

namespace gnomon::control {
namespace {

/// How long the caller still waits; nothing: as long as it takes.
std::optional<time::Duration> patience_of(const grpc::CallbackServerContext& context) {
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) return std::nullopt;
  const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(deadline - std::chrono::system_clock::now());
  return time::Duration{std::max<std::int64_t>(left.count(), 0)};
}

}  // namespace

struct LeaseFace::Admitted {
  std::string principal;
  std::unique_ptr<LeaseCallLimiter::Permit> permit;
};

void LeaseFace::enter(grpc::ServerBuilder& builder) {
  apply(core_.options().server, builder);
  builder.RegisterService(this);
}
void LeaseFace::settle(grpc::Server& server) {
  core_.keep_told(server.GetHealthCheckService(), door_ != LeaseDoor::kUnixSocket);
}
void LeaseFace::leave(grpc::Server& server) { core_.take_back(server.GetHealthCheckService()); }

tl::expected<LeaseFace::Admitted, grpc::Status> LeaseFace::admit(LeaseMethod method,
                                                                 const grpc::CallbackServerContext& context) {
  core_.count_call(method);
  auto caller = caller_of(door_, context);
  if (!caller) return tl::make_unexpected(grpc::Status(grpc::StatusCode::UNAUTHENTICATED, caller.error()));
  auto permit = core_.limiter().admit(caller->principal, caller->address, platform::read_uptime(),
                                      method == LeaseMethod::kWatchLeases);
  if (!permit) return tl::make_unexpected(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, permit.error()));
  if (method == LeaseMethod::kBreakLease && door_ != LeaseDoor::kUnixSocket)
    return tl::make_unexpected(grpc::Status(grpc::StatusCode::PERMISSION_DENIED,
                                            "a lease can be broken only over the daemon's Unix socket: run `gnomon "
                                            "lease break` on one of the daemons' hosts"));
  return Admitted{std::move(caller->principal), std::move(*permit)};
}

void LeaseFace::set_times(Call& call, const grpc::CallbackServerContext& context) const {
  const LeaseServiceOptions& options = core_.options();
  auto* const acquire = std::get_if<command::Acquire>(&call.command);
  const bool waits = acquire != nullptr && acquire->wait_for.ns > 0;
  const time::Duration longest = waits ? options.longest_wait + options.usual_deadline : options.longest_deadline;
  const time::Duration limit = std::min(patience_of(context).value_or(options.usual_deadline), longest);
  call.deadline = time::saturating_add(platform::read_uptime(), limit);
  if (!waits) return;
  acquire->wait_for = std::min({acquire->wait_for, options.longest_wait, limit - options.answer_margin});
  if (acquire->wait_for.ns > 0) return;
  acquire->wait_for = {};  // too short to wait: an answer at once
  acquire->acquire.wait = false;
}

template <typename Request, typename Response>
grpc::ServerUnaryReactor* LeaseFace::serve(LeaseMethod method, const grpc::CallbackServerContext& context,
                                           const Request& request, Response& response) {
  auto* const reactor = new LeaseCall<Response>(core_, response);  // deletes itself when gRPC is done with it
  auto admitted = admit(method, context);
  if (!admitted) {
    reactor->refuse(admitted.error());
    return reactor;
  }
  LeaseCallRead call = read(request);
  if (!call) {
    reactor->refuse({grpc::StatusCode::INVALID_ARGUMENT, call.error()});
    return reactor;
  }
  call->principal = std::move(admitted->principal);
  set_times(*call, context);
  reactor->ask(std::move(*call), std::move(admitted->permit));
  return reactor;
}

grpc::ServerUnaryReactor* LeaseFace::OpenSession(grpc::CallbackServerContext* context,
                                                 const v1::OpenSessionRequest* request, v1::SessionResponse* response) {
  return serve(LeaseMethod::kOpenSession, *context, *request, *response);
}
grpc::ServerUnaryReactor* LeaseFace::RenewSession(grpc::CallbackServerContext* context,
                                                  const v1::RenewSessionRequest* request,
                                                  v1::SessionResponse* response) {
  return serve(LeaseMethod::kRenewSession, *context, *request, *response);
}
grpc::ServerUnaryReactor* LeaseFace::CloseSession(grpc::CallbackServerContext* context,
                                                  const v1::CloseSessionRequest* request,
                                                  v1::CloseSessionResponse* response) {
  return serve(LeaseMethod::kCloseSession, *context, *request, *response);
}
grpc::ServerUnaryReactor* LeaseFace::Acquire(grpc::CallbackServerContext* context, const v1::AcquireRequest* request,
                                             v1::AcquireResponse* response) {
  return serve(LeaseMethod::kAcquire, *context, *request, *response);
}
grpc::ServerUnaryReactor* LeaseFace::Release(grpc::CallbackServerContext* context, const v1::ReleaseRequest* request,
                                             v1::ReleaseResponse* response) {
  return serve(LeaseMethod::kRelease, *context, *request, *response);
}
grpc::ServerUnaryReactor* LeaseFace::GetLease(grpc::CallbackServerContext* context, const v1::GetLeaseRequest* request,
                                              v1::GetLeaseResponse* response) {
  return serve(LeaseMethod::kGetLease, *context, *request, *response);
}
grpc::ServerUnaryReactor* LeaseFace::ListLeases(grpc::CallbackServerContext* context,
                                                const v1::ListLeasesRequest* request,
                                                v1::ListLeasesResponse* response) {
  return serve(LeaseMethod::kListLeases, *context, *request, *response);
}
grpc::ServerUnaryReactor* LeaseFace::ValidateToken(grpc::CallbackServerContext* context,
                                                   const v1::ValidateTokenRequest* request,
                                                   v1::ValidateTokenResponse* response) {
  return serve(LeaseMethod::kValidateToken, *context, *request, *response);
}
grpc::ServerUnaryReactor* LeaseFace::BreakLease(grpc::CallbackServerContext* context,
                                                const v1::BreakLeaseRequest* request,
                                                v1::BreakLeaseResponse* response) {
  return serve(LeaseMethod::kBreakLease, *context, *request, *response);
}

grpc::ServerWriteReactor<v1::LeaseEvent>* LeaseFace::WatchLeases(grpc::CallbackServerContext* context,
                                                                 const v1::WatchLeasesRequest* request) {
  auto* const reactor = new LeaseWatchReactor(core_, *context);  // as above
  auto admitted = admit(LeaseMethod::kWatchLeases, *context);
  if (!admitted) {
    reactor->refuse(admitted.error());
    return reactor;
  }
  auto prefix = read(*request);
  if (!prefix) {
    reactor->refuse({grpc::StatusCode::INVALID_ARGUMENT, prefix.error()});
    return reactor;
  }
  reactor->follow(std::move(*prefix), std::move(admitted->permit));
  return reactor;
}

}  // namespace gnomon::control
