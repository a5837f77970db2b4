// SPDX-License-Identifier: Apache-2.0
//
// Lease and Session: handles on a SessionCore. In a forked child a handle lets go of what it points to without touching
// it: other threads of the parent may have held its locks.
#include "client/lease/lease_handles.hpp"

#include <atomic>
#include <utility>

namespace gnomon::client {

Lease::Lease(std::shared_ptr<State> state) : state_(std::move(state)) {}
Lease::Lease(Lease&&) noexcept = default;

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this != &other) {
    const Lease before(std::move(*this));  // released here
    state_ = std::move(other.state_);
  }
  return *this;
}

Lease::~Lease() {
  if (!state_) return;
  if (!state_->core->is_ours()) {
    abandon(state_);
    return;
  }
  static_cast<void>(state_->release(true));
}

const std::string& Lease::name() const {
  static const std::string kNone;
  return state_ ? state_->name : kNone;
}

std::uint64_t Lease::token() const { return state_ ? state_->token : 0; }

// Once false, for ever false: the session makes its end final, and a release sets `over` first.
bool Lease::holds() const { return state_ && !state_->over.load(std::memory_order_acquire) && state_->core->holds(); }

time::Duration Lease::left() const { return holds() ? state_->core->left() : time::Duration{}; }

Belief Lease::belief() const {
  if (!state_ || state_->over.load(std::memory_order_acquire)) return Belief::kLost;
  return state_->core->belief();
}

Belief Lease::wait(Belief known, time::Duration timeout) const {
  if (!state_) return Belief::kLost;
  return state_->core->wait(known, timeout, state_->over);
}

LeaseResult<void> Lease::release() {
  if (!state_) return tl::make_unexpected(closed_error());
  return state_->release(false);
}

LeaseResult<void> Lease::State::release(bool in_passing) {
  if (over.exchange(true, std::memory_order_acq_rel))  // pairs with the loads of holds and wait
    return tl::make_unexpected(lease_error(LeaseErrorKind::kNotHeld, name + " was released through this lease before"));
  if (!core->is_ours()) return tl::make_unexpected(closed_error());
  core->wake();
  return core->release(name, token, in_passing);
}

Session::Session(std::shared_ptr<State> state) : state_(std::move(state)) {}

Session::~Session() {
  if (!state_->core->is_ours()) {
    abandon(state_);
    return;
  }
  state_->core->shut_down();
}

LeaseResult<Lease> Session::acquire(const std::string& name, const AcquireOptions& options) {
  const auto token = state_->core->acquire(name, options);
  if (!token) return tl::make_unexpected(token.error());
  return Lease(std::make_shared<Lease::State>(state_->core, name, *token));
}

Belief Session::belief() const { return state_->core->belief(); }
time::Duration Session::left() const { return state_->core->left(); }
std::string Session::id() const { return state_->core->id(); }
LeaseResult<void> Session::close() { return state_->core->close(false); }

}  // namespace gnomon::client
