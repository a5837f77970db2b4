// SPDX-License-Identifier: Apache-2.0
//
// Acquiring: one call that may wait in the server, repeated while the caller's patience lasts.
#include <algorithm>
#include <chrono>
#include <utility>

#include "client/lease/session_core.hpp"

namespace gnomon::client {
namespace {

// Of the wait for one answer: a server that vanished without a word costs no more than this.
constexpr time::Duration kLongestPark = time::seconds(20);
constexpr time::Duration kShortPark = time::milliseconds(10);  // an answer that came sooner did not wait
constexpr time::Duration kPause = time::milliseconds(50);
constexpr time::Duration kWithdrawal = time::seconds(2);

/// The answer was no, or there was none, but the next one may be another.
bool may_change(LeaseErrorKind kind) {
  return kind == LeaseErrorKind::kHeld || kind == LeaseErrorKind::kQueued || may_pass(kind);
}

LeaseError stopped_error(const std::string& name) {
  return lease_error(LeaseErrorKind::kTimeout, "acquiring " + name + " was given up by its caller");
}

}  // namespace

/// A call of the session that its caller, too, may end early.
class SessionCore::StoppableCall final : public CallOwner {
 public:
  StoppableCall(SessionCore& core, const std::string& name, const std::stop_token& stop)
      : core_(core), name_(name), stop_(stop), on_stop_(stop, [this] { cancel(); }) {}

  [[nodiscard]] bool admit(const std::shared_ptr<grpc::ClientContext>& context) override {
    if (!core_.admit(context)) return false;
    const std::lock_guard lock(mutex_);
    if (stop_.stop_requested()) {
      core_.dismiss(context);
      return false;
    }
    current_ = context;
    return true;
  }
  void dismiss(const std::shared_ptr<grpc::ClientContext>& context) override {
    core_.dismiss(context);
    const std::lock_guard lock(mutex_);
    current_.reset();
  }
  [[nodiscard]] LeaseError why_over() const override {
    return stop_.stop_requested() ? stopped_error(name_) : core_.why_over();
  }

 private:
  // The mark of the stop is set before this runs: either `admit` sees the mark, or this sees the context.
  void cancel() {
    const std::lock_guard lock(mutex_);
    if (current_) current_->TryCancel();
  }

  SessionCore& core_;
  const std::string& name_;
  const std::stop_token stop_;
  std::mutex mutex_;
  std::shared_ptr<grpc::ClientContext> current_;
  std::stop_callback<std::function<void()>> on_stop_;  // last: it may run at once
};

LeaseResult<std::uint64_t> SessionCore::acquire(const std::string& name, const AcquireOptions& options) {
  if (!is_ours()) return tl::make_unexpected(closed_error());
  if (options.wait_for < time::Duration{0} || options.lock_delay < time::Duration{0})
    return tl::make_unexpected(lease_error(LeaseErrorKind::kBadArgument, "a wait or a lock-delay can't be negative"));
  const HostDeadline patience(options.wait_for);
  if (auto ours = reserve(name, options); !ours) return tl::make_unexpected(std::move(ours.error()));
  AcquireOptions rest = options;
  rest.wait_for = patience.left();
  auto token = ask_for(name, rest);
  if (!token) give_up_name(name);
  return token;
}

LeaseResult<std::uint64_t> SessionCore::ask_for(const std::string& name, const AcquireOptions& options) {
  const HostDeadline patience(options.wait_for);
  v1::AcquireRequest request;
  request.set_session(nonce_);
  request.set_name(name);
  request.set_lock_delay_ns(options.lock_delay.ns);
  request.set_metadata(options.metadata);
  StoppableCall owner(*this, name, options.stop);
  bool something_there = false;  // a place in the queue, or a grant that nobody told of
  for (;;) {
    const time::Duration park = std::min(patience.left(), kLongestPark);
    const auto prepare = [&](v1::AcquireRequest& next) { next.set_wait_ns(std::min(park, patience.left()).ns); };
    const HostDeadline at_once(kShortPark);
    CallReport report;
    auto answer = call<v1::AcquireRequest, v1::AcquireResponse>(
        *transport_, &LeaseStub::PrepareAsyncAcquire, request,
        {.what = "acquiring " + name, .deadline = transport_->deadline(), .parked = park, .owner = &owner}, &report,
        prepare);
    note_open(name, report);
    if (answer && answer->has_held()) return take(name, answer->held(), options.wait_for > time::Duration{0});
    something_there = something_there || report.open_until || (answer && answer->has_waiting());
    LeaseError error =
        answer ? lease_error(LeaseErrorKind::kHeld,
                             name + " is held by another session, and " + std::to_string(answer->waiting().in_front()) +
                                 " wait in front; the place in the queue is given up",
                             {answer->waiting().retry_after_ns()})
               : std::move(answer.error());
    if (error.kind == LeaseErrorKind::kSessionLost) lost_by_server(error.text);
    const bool again = may_change(error.kind) && !patience.over() && !options.stop.stop_requested();
    const bool soon = answer.has_value() && at_once.over();
    if (again && (soon || pause(std::min(patience.left(), std::clamp(error.retry_after, kPause, time::seconds(1))))))
      continue;
    if (something_there) withdraw(name);
    return tl::make_unexpected(std::move(error));
  }
}

/// A grant that was waited for, or that is there already, may be older than its answer; the session may have ended and
/// a successor may have been let in since. Only a renewal that was sent later proves that it has not.
LeaseResult<std::uint64_t> SessionCore::take(const std::string& name, const v1::Held& held, bool waited) {
  if (waited || held.queued() || !held.anew()) {
    if (auto confirmed = confirm(); !confirmed) {
      const std::lock_guard lock(mutex_);
      if (!is_over()) add_chore(name, held.token(), {});
      return tl::make_unexpected(std::move(confirmed.error()));
    }
  }
  const std::lock_guard lock(mutex_);
  if (is_over()) return tl::make_unexpected(reason());
  in_use_[name] = Use::kHeld;
  return held.token();
}

/// False: the session is over.
bool SessionCore::pause(time::Duration length) {
  const HostDeadline deadline(length);
  std::unique_lock lock(mutex_);
  for (;;) {
    look();
    const time::Duration left = deadline.left();
    if (is_over()) return false;
    if (left == time::Duration{0}) return true;
    changed_.wait_for(lock, std::chrono::nanoseconds(left.ns));
  }
}

LeaseResult<void> SessionCore::reserve(const std::string& name, const AcquireOptions& options) {
  // A name that is not settled is no reason to refuse: it will be, mostly within one round trip.
  const HostDeadline in_use(options.wait_for);
  const HostDeadline unsettled(options.wait_for + transport_->deadline());
  std::unique_lock lock(mutex_);
  for (;;) {
    look();
    if (is_over()) return tl::make_unexpected(reason());
    if (options.stop.stop_requested()) return tl::make_unexpected(stopped_error(name));
    const bool taken = in_use_.contains(name);
    if (!taken && is_settled(name)) {
      in_use_.emplace(name, Use::kAcquiring);
      return {};
    }
    const time::Duration left = (taken ? in_use : unsettled).left();
    if (left == time::Duration{0} && taken)
      return tl::make_unexpected(
          lease_error(LeaseErrorKind::kHeld, "this session itself holds " + name +
                                                 ", or is acquiring it in another thread; use that lease, or open a "
                                                 "session of its own"));
    if (left == time::Duration{0})
      return tl::make_unexpected(lease_error(LeaseErrorKind::kTimeout,
                                             "an earlier release of " + name +
                                                 " has not been answered, and could still take a new grant away; "
                                                 "acquire it again later, or in another session",
                                             kCommitGrace));
    changed_.wait_for(lock, std::chrono::nanoseconds(std::min(left, kPause).ns));
  }
}

void SessionCore::give_up_name(const std::string& name) {
  const std::lock_guard lock(mutex_);
  in_use_.erase(name);
  changed_.notify_all();
}

// An attempt without an answer may be granted yet, when nobody knows of it any more.
void SessionCore::note_open(const std::string& name, const CallReport& report) {
  const std::lock_guard lock(mutex_);
  if (report.open_until && !is_over()) add_chore(name, 0, report.open_until->left());
}

// Here the place in the queue; whether there is a grant instead, a chore finds out.
void SessionCore::withdraw(const std::string& name) {
  v1::ReleaseRequest request;
  request.set_session(nonce_);
  request.set_name(name);
  CallReport report;
  const auto withdrawn =
      call<v1::ReleaseRequest, v1::ReleaseResponse>(*transport_, &LeaseStub::PrepareAsyncRelease, request,
                                                    {.what = "giving up the wait for " + name,
                                                     .deadline = std::min(kWithdrawal, transport_->deadline()),
                                                     .owner = this},
                                                    &report);
  const std::lock_guard lock(mutex_);
  if (is_over()) return;
  if (report.open_until) rest(name, *report.open_until);
  if (withdrawn && withdrawn->released().withdrawn()) return;  // who had a place held nothing
  const bool has_no_place = withdrawn || withdrawn.error().kind == LeaseErrorKind::kNotHeld;
  if (has_no_place || may_change(withdrawn.error().kind)) add_chore(name, 0, {}, has_no_place);
}

}  // namespace gnomon::client
