// SPDX-License-Identifier: Apache-2.0
//
// One command at whichever server answers, within one deadline. The caller waits.
//
// Servers are asked in turn, each for its share of the time that is left; after a round comes a pause that doubles.
// Every lease command may be sent again, so an attempt whose outcome is open does not end the call. But it stays open:
// the server may still act on it until the deadline that it was sent with, and a commit of that moment takes a little
// longer. `CallReport::open_until` says until when, since a release or a grant that comes late is somebody's surprise.
// No promise may rest on it: what travels is the time that is left, so a request that the network kept back has all of
// it again when it arrives.
//
// Thread rule: any thread but those of the client itself.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "client/lease/host_clocks.hpp"
#include "client/lease/lease_fault.hpp"
#include "client/lease/lease_transport.hpp"

namespace gnomon::client {

/// After the deadline of a call that arrived in time no server begins a commit for it; one begun is over after this.
constexpr time::Duration kCommitGrace = time::seconds(5);

/// Whoever may want to end a call early.
class CallOwner {
 public:
  CallOwner() = default;
  CallOwner(const CallOwner&) = delete;
  CallOwner& operator=(const CallOwner&) = delete;
  virtual ~CallOwner() = default;
  /// False: nothing may be sent any more. Else the context is the owner's to cancel until `dismiss`.
  [[nodiscard]] virtual bool admit(const std::shared_ptr<grpc::ClientContext>& context) = 0;
  virtual void dismiss(const std::shared_ptr<grpc::ClientContext>& context) = 0;
  /// What there is to say after `admit` was false.
  [[nodiscard]] virtual LeaseError why_over() const = 0;
};

struct CallOptions {
  std::string what{};  // "acquiring database:1"
  time::Duration deadline;
  time::Duration parked{};  // how much longer an answer may take because the server lets it wait
  bool one_attempt = false;
  bool local_only = false;  // at servers behind a Unix socket
  CallOwner* owner = nullptr;
};

struct CallReport {
  std::optional<HostDeadline> open_until;  // of the last attempt with an unknown outcome, kCommitGrace included
};

/// Which server next, for how long, and what it comes to if none answers.
class CallRounds {
 public:
  CallRounds(const LeaseTransport& transport, const CallOptions& options);

  struct Attempt {
    std::size_t server = 0;
    time::Duration timeout;
  };
  /// Sleeps between rounds. Nothing: the time is over.
  [[nodiscard]] std::optional<Attempt> next();
  void failed(LeaseFault fault, time::Duration timeout);
  [[nodiscard]] LeaseError error() const;
  [[nodiscard]] const CallReport& report() const { return report_; }

 private:
  const CallOptions& options_;
  HostDeadline deadline_;
  std::vector<std::size_t> order_;
  std::size_t tries_ = 0;
  time::Duration pause_;
  std::optional<LeaseError> last_;
  bool unknown_ = false;
  CallReport report_;
};

template <typename Response>
struct Answer {
  grpc::Status status;
  Response response;
};

/// Starts one attempt and waits for its answer. Nothing: its owner did not admit it, and nothing was sent.
template <typename Request, typename Response>
[[nodiscard]] std::optional<Answer<Response>> ask(LeaseTransport& transport, std::size_t server,
                                                  LeaseMethod<Request, Response> method, const Request& request,
                                                  time::Duration timeout, CallOwner* owner) {
  struct Slot {
    std::mutex mutex;
    std::condition_variable filled;
    std::optional<Answer<Response>> answer;
  };
  const auto slot = std::make_shared<Slot>();
  const auto context = std::make_shared<grpc::ClientContext>();
  if (owner != nullptr && !owner->admit(context)) return std::nullopt;
  transport.start<Request, Response>(server, context, method, request, timeout,
                                     [slot](const grpc::Status& status, const Response& response) {
                                       const std::lock_guard lock(slot->mutex);
                                       slot->answer = Answer<Response>{status, response};
                                       slot->filled.notify_one();
                                     });
  std::unique_lock lock(slot->mutex);
  slot->filled.wait(lock, [&] { return slot->answer.has_value(); });
  lock.unlock();
  if (owner != nullptr) owner->dismiss(context);
  return std::move(slot->answer);
}

/// The first answer that counts: a response without a refusal, or the refusal as an error. `prepare(request)` is called
/// before each attempt.
template <typename Request, typename Response>
[[nodiscard]] LeaseResult<Response> call(LeaseTransport& transport, LeaseMethod<Request, Response> method,
                                         Request& request, const CallOptions& options, CallReport* report = nullptr,
                                         const std::function<void(Request&)>& prepare = {}) {
  if (!transport.is_ours()) return tl::make_unexpected(closed_error());
  CallRounds rounds(transport, options);
  const auto finish = [&](LeaseResult<Response> result) {
    if (report != nullptr) *report = rounds.report();
    return result;
  };
  while (const auto attempt = rounds.next()) {
    if (prepare) prepare(request);
    auto answer = ask<Request, Response>(transport, attempt->server, method, request, attempt->timeout, options.owner);
    if (!answer) return finish(tl::make_unexpected(options.owner->why_over()));
    LeaseFault fault;
    if (!answer->status.ok()) {
      fault = fault_of(answer->status, transport.server(attempt->server).server, options.what,
                       transport.is_connected(attempt->server));
    } else if (answer->response.has_refused()) {
      fault = fault_of(answer->response.refused());
    } else {
      transport.answered(attempt->server);
      return finish(std::move(answer->response));
    }
    if (!fault.elsewhere) {
      transport.answered(attempt->server);
      return finish(tl::make_unexpected(std::move(fault.error)));
    }
    transport.failed(attempt->server);
    rounds.failed(std::move(fault), attempt->timeout);
  }
  return finish(tl::make_unexpected(rounds.error()));
}

}  // namespace gnomon::client
