// SPDX-License-Identifier: Apache-2.0
//
// One watch: what the subscription brings, one event under way at a time, so that a client that reads slowly slows
// down itself only; what it has not read is kept, bounded, by the subscription, and not by gRPC.
//
// A client that does not read at all leaves a write that never ends, and gRPC can't finish a call behind such a write.
// When the subscription gives it up, the call is cancelled instead.
//
//   busy       a write is under way or about to be: nobody else begins one, or finishes
//   finished   Finish was called or is about to be: nothing more is begun
//
// Inside control/service only. Thread rule: made by gRPC's handler; it deletes itself. News come on any thread, also
// after it is gone: they hold `link_` only.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>
#include <mutex>
#include <string>

#include "control/service/lease_core.hpp"
#include "gnomon/v1/lease.pb.h"

namespace gnomon::control {

class LeaseWatchReactor final : public grpc::ServerWriteReactor<v1::LeaseEvent> {
 public:
  LeaseWatchReactor(LeaseCore& core, grpc::CallbackServerContext& context);

  void refuse(const grpc::Status& status);
  void follow(std::string prefix, std::unique_ptr<LeaseCallLimiter::Permit> permit);

  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  struct Link {
    std::mutex mutex;  // guards `reactor` and all of its state
    LeaseWatchReactor* reactor = nullptr;
  };

  static void on_news(const std::shared_ptr<Link>& link);
  void go_on(std::unique_lock<std::mutex>& lock);
  void finish(std::unique_lock<std::mutex>& lock, const grpc::Status& status);

  LeaseCore& core_;
  grpc::CallbackServerContext& context_;
  std::shared_ptr<Link> link_;
  std::shared_ptr<LeaseSubscription> subscription_;
  std::unique_ptr<LeaseCallLimiter::Permit> permit_;
  v1::LeaseEvent event_;  // under way while busy
  bool busy_ = false;
  bool cancelled_ = false;
  bool finished_ = false;
};

}  // namespace gnomon::control
