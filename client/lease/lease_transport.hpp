// SPDX-License-Identifier: Apache-2.0
//
// What all sessions and calls of one lease client share: the channels, one I/O thread on which answers arrive, and
// which server answered last.
//
// gRPC's blocking calls would do for one command, but a heartbeat must not wait behind another one that a silent server
// never answers; and connections move only while somebody waits inside gRPC, which this thread always does.
//
// Everybody who starts a call keeps the transport alive until its answer is in (a call that was cancelled is answered
// at once), so its end finds nothing under way. Thread rule: any thread; `done` runs on the I/O thread and must not
// block. In a forked child nothing of it may be touched: `is_ours` says so.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/support/async_unary_call.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/fork_guard.hpp"
#include "client/lease/lease_channels.hpp"
#include "gnomon/v1/lease.grpc.pb.h"

namespace gnomon::client {

using LeaseStub = v1::LeaseService::Stub;
/// One method: &LeaseStub::PrepareAsyncAcquire.
template <typename Request, typename Response>
using LeaseMethod = std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> (LeaseStub::*)(grpc::ClientContext*,
                                                                                              const Request&,
                                                                                              grpc::CompletionQueue*);

/// On the monotonic clock: a clock that jumps a day ahead would else end every call at once.
[[nodiscard]] gpr_timespec grpc_deadline(time::Duration timeout);

class LeaseTransport {
 public:
  [[nodiscard]] static LeaseResult<std::shared_ptr<LeaseTransport>> open(const LeaseClientOptions& options);
  LeaseTransport(const LeaseTransport&) = delete;
  LeaseTransport& operator=(const LeaseTransport&) = delete;
  ~LeaseTransport();

  [[nodiscard]] bool is_ours() const { return guard_.is_ours(); }
  [[nodiscard]] time::Duration deadline() const { return deadline_; }
  [[nodiscard]] std::size_t servers() const { return servers_.size(); }
  [[nodiscard]] const LeaseChannel& server(std::size_t index) const { return servers_[index].at; }
  [[nodiscard]] bool is_connected(std::size_t index) const;

  /// To be asked first. Relaxed, like the two below: a hint guards no other memory.
  [[nodiscard]] std::size_t preferred() const { return preferred_.load(std::memory_order_relaxed); }
  void answered(std::size_t server) { preferred_.store(server, std::memory_order_relaxed); }
  /// Another one comes first from now on, if this one did.
  void failed(std::size_t server) {
    preferred_.compare_exchange_strong(server, (server + 1) % servers_.size(), std::memory_order_relaxed);
  }

  /// `done(status, response)` is called once. The context is new, and for cancelling, also before the start.
  template <typename Request, typename Response>
  void start(std::size_t server, const std::shared_ptr<grpc::ClientContext>& context,
             LeaseMethod<Request, Response> method, const Request& request, time::Duration timeout,
             std::function<void(const grpc::Status&, const Response&)> done) {
    auto call = std::make_unique<UnaryCall<Response>>();
    call->context = context;
    context->set_deadline(grpc_deadline(timeout));
    call->done = std::move(done);
    call->reader = (*servers_[server].stub.*method)(context.get(), request, &queue_);
    UnaryCall<Response>* started = call.release();  // from here on it is the queue's
    started->reader->StartCall();
    started->reader->Finish(&started->response, &started->status, static_cast<PendingCall*>(started));
  }

 private:
  struct PendingCall {
    PendingCall() = default;
    PendingCall(const PendingCall&) = delete;
    PendingCall& operator=(const PendingCall&) = delete;
    virtual ~PendingCall() = default;
    virtual void complete() = 0;
  };
  template <typename Response>
  struct UnaryCall final : PendingCall {
    void complete() override { done(status, response); }

    std::shared_ptr<grpc::ClientContext> context;
    std::unique_ptr<grpc::ClientAsyncResponseReader<Response>> reader;
    Response response;
    grpc::Status status;
    std::function<void(const grpc::Status&, const Response&)> done;
  };
  struct Server {
    LeaseChannel at;
    std::unique_ptr<LeaseStub> stub;
  };

  LeaseTransport(std::vector<LeaseChannel> channels, time::Duration deadline);
  [[nodiscard]] LeaseResult<void> start_thread();
  void run();

  ForkGuard guard_;
  time::Duration deadline_;
  std::vector<Server> servers_;
  std::atomic<std::size_t> preferred_{0};
  grpc::CompletionQueue queue_;
  std::thread thread_;
};

}  // namespace gnomon::client
