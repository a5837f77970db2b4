// SPDX-License-Identifier: Apache-2.0
//
// One unary call: from the request to the desk, and from its reply, its cancellation or its refusal to the end.
//
// The reply comes on the runner's thread, the cancellation on one of gRPC's, and either may find the other one done and
// this object gone. So who ends the call is settled by one flag that outlives it: the first to raise it finishes the
// call, and until then gRPC keeps the object; everybody else touches the flag only.
//
// Inside control/service only. Thread rule: made by gRPC's handler; it deletes itself.
#pragma once

#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <memory>
#include <utility>

#include "control/service/lease_codec.hpp"
#include "control/service/lease_core.hpp"

namespace gnomon::control {

template <typename Response>
class LeaseCall final : public grpc::ServerUnaryReactor {
 public:
  LeaseCall(LeaseCore& core, Response& response) : core_(core), response_(response) { core_.opened(); }

  /// Ends it without asking the desk.
  void refuse(const grpc::Status& status) {
    if (claim(*ended_)) end(status);
  }
  void ask(Call call, std::unique_ptr<LeaseCallLimiter::Permit> permit) {
    permit_ = std::move(permit);
    id_ = core_.runner().submit(std::move(call), [this, ended = ended_](const Reply& reply) {
      if (claim(*ended)) end(write(reply, response_));
    });
  }

  // Comes after the handler and so after ask().
  void OnCancel() override {
    core_.runner().cancel(id_);
    if (claim(*ended_)) end({grpc::StatusCode::CANCELLED, "the caller has gone, or the daemon is ending"});
  }
  void OnDone() override {
    core_.closed();
    delete this;
  }

 private:
  // Relaxed: whoever loses uses nothing that the winner has written.
  static bool claim(std::atomic<bool>& ended) { return !ended.exchange(true, std::memory_order_relaxed); }
  void end(const grpc::Status& status) {
    core_.count_end(status);
    Finish(status);
  }

  LeaseCore& core_;
  Response& response_;
  std::shared_ptr<std::atomic<bool>> ended_ = std::make_shared<std::atomic<bool>>(false);
  std::unique_ptr<LeaseCallLimiter::Permit> permit_;
  CallId id_;
};

}  // namespace gnomon::control
