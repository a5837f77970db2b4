// SPDX-License-Identifier: Apache-2.0
#include "client/lease/leader_election.hpp"

#include <chrono>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include "client/fork_guard.hpp"
#include "client/lease/abandon.hpp"
#include "client/lease/host_clocks.hpp"
#include "client/lease/quiet_thread.hpp"

namespace gnomon::client {
namespace {

constexpr time::Duration kTurn = time::seconds(3'600);  // of one wait: then the place in the queue is taken anew
constexpr time::Duration kWatch = time::milliseconds(200);

/// Another campaign may end otherwise.
bool worth_another(LeaseErrorKind kind) {
  return kind != LeaseErrorKind::kSessionLost && kind != LeaseErrorKind::kClosed &&
         kind != LeaseErrorKind::kForbidden && kind != LeaseErrorKind::kBadArgument;
}

}  // namespace

struct LeaderElection::State {
  State(Session& of, ElectionOptions chosen) : session(of), options(std::move(chosen)) {}

  void run(const Callbacks& callbacks);
  [[nodiscard]] LeaseResult<std::uint64_t> campaign(time::Duration patience);
  [[nodiscard]] std::shared_ptr<Lease> term() const {
    const std::lock_guard lock(mutex);
    return lease;
  }

  const ForkGuard guard;
  Session& session;
  const ElectionOptions options;
  mutable std::mutex mutex;
  std::shared_ptr<Lease> lease;  // of the last term
  std::stop_source stop;
  std::thread thread;
};

LeaderElection::LeaderElection(Session& session, ElectionOptions options)
    : state_(std::make_unique<State>(session, std::move(options))) {}

LeaderElection::~LeaderElection() {
  if (state_->guard.is_ours())
    static_cast<void>(resign());
  else
    abandon(state_);
}

LeaseResult<std::uint64_t> LeaderElection::campaign(time::Duration patience) {
  if (!state_->guard.is_ours()) return tl::make_unexpected(closed_error());
  return state_->campaign(patience);
}

LeaseResult<std::uint64_t> LeaderElection::State::campaign(time::Duration patience) {
  if (const auto present = term(); present && present->holds()) return present->token();
  auto won = session.acquire(
      options.name,
      {.wait_for = patience, .lock_delay = options.lock_delay, .metadata = options.metadata, .stop = stop.get_token()});
  if (!won) return tl::make_unexpected(std::move(won.error()));
  const std::lock_guard lock(mutex);
  lease = std::make_shared<Lease>(std::move(*won));
  return lease->token();
}

LeaseResult<void> LeaderElection::campaign_for_ever(Callbacks callbacks) {
  if (!state_->guard.is_ours()) return tl::make_unexpected(closed_error());
  if (state_->thread.joinable())
    return tl::make_unexpected(
        lease_error(LeaseErrorKind::kBadArgument, "this election campaigns already; resign, and make another one"));
  return start_quiet_thread(state_->thread, [state = state_.get(), told = std::move(callbacks)] { state->run(told); });
}

void LeaderElection::State::run(const Callbacks& callbacks) {
  while (!stop.stop_requested()) {
    const auto token = campaign(kTurn);
    if (!token && worth_another(token.error().kind)) {
      // A refusal that came at once is no reason to ask as fast as one can.
      if (!stop.stop_requested()) std::this_thread::sleep_for(std::chrono::nanoseconds(kWatch.ns));
      continue;
    }
    if (!token) {
      if (callbacks.on_given_up) callbacks.on_given_up(token.error());
      return;
    }
    if (callbacks.on_elected) callbacks.on_elected(*token);
    const auto present = term();
    while (!stop.stop_requested() && present->holds())
      static_cast<void>(present->wait(present->belief(), kWatch));
    static_cast<void>(present->release());
    if (callbacks.on_deposed) callbacks.on_deposed();
  }
}

bool LeaderElection::leads() const {
  if (!state_->guard.is_ours()) return false;
  const auto present = state_->term();
  return present && present->holds();
}

std::uint64_t LeaderElection::token() const {
  if (!state_->guard.is_ours()) return 0;
  const auto present = state_->term();
  return present ? present->token() : 0;
}

LeaseResult<void> LeaderElection::resign() {
  if (!state_->guard.is_ours()) return tl::make_unexpected(closed_error());
  state_->stop.request_stop();
  LeaseResult<void> released;
  if (const auto present = state_->term(); present && present->holds()) released = present->release();
  // Its campaign may have won just now; then its own thread gives the term back.
  if (state_->thread.joinable() && state_->thread.get_id() != std::this_thread::get_id()) state_->thread.join();
  return released;
}

LeaderObserver::LeaderObserver(std::unique_ptr<LeaseWatch> watch, std::string name)
    : watch_(std::move(watch)), name_(std::move(name)) {}

LeaseResult<std::unique_ptr<LeaderObserver>> LeaderObserver::open(LeaseClient& client, std::string name) {
  auto watch = client.watch(name);
  if (!watch) return tl::make_unexpected(std::move(watch.error()));
  return std::unique_ptr<LeaderObserver>(new LeaderObserver(std::move(*watch), std::move(name)));
}

LeaseResult<std::optional<Leadership>> LeaderObserver::next(time::Duration timeout) {
  const HostDeadline deadline(timeout);
  for (;;) {
    auto answer = watch_->next(deadline.left());
    if (!answer) return tl::make_unexpected(std::move(answer.error()));
    const std::optional<LeaseChange>& change = *answer;
    if (!change) return std::nullopt;
    const LeaseChange& told = *change;
    Leadership now;
    if (told.gap) {
      seen_ = false;
      continue;
    }
    if (told.caught_up) {
      if (seen_) continue;  // else the name was not among what is there: nobody leads
    } else if (told.lease.name != name_) {
      continue;
    } else if (seen_ = true; told.lease.status != LeaseStatus::kFree && told.lease.status != LeaseStatus::kExpired) {
      now = {false, told.lease.token, told.lease.principal, told.lease.label, told.lease.metadata};
    }
    if (told_ == now) continue;
    told_ = now;
    return now;
  }
}

}  // namespace gnomon::client
