// SPDX-License-Identifier: Apache-2.0
//
// The lease service as one door shows it: who calls, whether he may, for how long, and on to the runner.
//
// A caller's deadline is his own; a daemon that worked for as long as anybody asks would keep calls of clients that
// are long gone. A wait ends before the caller's deadline does, so that he learns his place in the queue instead of a
// timeout, which tells nothing.
//
// Inside control/service only: this header brings in gRPC. Thread rule: gRPC's.
#pragma once

#include "control/service/lease_core.hpp"
#include "control/service/lease_service.hpp"
#include "control/service/server_guest.hpp"
#include "gnomon/v1/lease.grpc.pb.h"

namespace gnomon::control {

class LeaseFace final : public v1::LeaseService::CallbackService, public ServerGuest {
 public:
  LeaseFace(LeaseCore& core, LeaseDoor door) : core_(core), door_(door) {}

  void enter(grpc::ServerBuilder& builder) override;
  void settle(grpc::Server& server) override;
  void leave(grpc::Server& server) override;

  // NOLINTBEGIN(readability-identifier-naming): gRPC's names
  grpc::ServerUnaryReactor* OpenSession(grpc::CallbackServerContext* context, const v1::OpenSessionRequest* request,
                                        v1::SessionResponse* response) override;
  grpc::ServerUnaryReactor* RenewSession(grpc::CallbackServerContext* context, const v1::RenewSessionRequest* request,
                                         v1::SessionResponse* response) override;
  grpc::ServerUnaryReactor* CloseSession(grpc::CallbackServerContext* context, const v1::CloseSessionRequest* request,
                                         v1::CloseSessionResponse* response) override;
  grpc::ServerUnaryReactor* Acquire(grpc::CallbackServerContext* context, const v1::AcquireRequest* request,
                                    v1::AcquireResponse* response) override;
  grpc::ServerUnaryReactor* Release(grpc::CallbackServerContext* context, const v1::ReleaseRequest* request,
                                    v1::ReleaseResponse* response) override;
  grpc::ServerUnaryReactor* GetLease(grpc::CallbackServerContext* context, const v1::GetLeaseRequest* request,
                                     v1::GetLeaseResponse* response) override;
  grpc::ServerUnaryReactor* ListLeases(grpc::CallbackServerContext* context, const v1::ListLeasesRequest* request,
                                       v1::ListLeasesResponse* response) override;
  grpc::ServerUnaryReactor* ValidateToken(grpc::CallbackServerContext* context, const v1::ValidateTokenRequest* request,
                                          v1::ValidateTokenResponse* response) override;
  grpc::ServerWriteReactor<v1::LeaseEvent>* WatchLeases(grpc::CallbackServerContext* context,
                                                        const v1::WatchLeasesRequest* request) override;
  grpc::ServerUnaryReactor* BreakLease(grpc::CallbackServerContext* context, const v1::BreakLeaseRequest* request,
                                       v1::BreakLeaseResponse* response) override;
  // NOLINTEND(readability-identifier-naming)

 private:
  struct Admitted;
  /// Else the status with which the call ends.
  [[nodiscard]] tl::expected<Admitted, grpc::Status> admit(LeaseMethod method,
                                                           const grpc::CallbackServerContext& context);
  template <typename Request, typename Response>
  grpc::ServerUnaryReactor* serve(LeaseMethod method, const grpc::CallbackServerContext& context,
                                  const Request& request, Response& response);
  void set_times(Call& call, const grpc::CallbackServerContext& context) const;

  LeaseCore& core_;
  const LeaseDoor door_;
};

}  // namespace gnomon::control
