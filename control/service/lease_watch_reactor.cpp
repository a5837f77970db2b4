// SPDX-License-Identifier: Apache-2.0
#include "control/service/lease_watch_reactor.hpp"

#include <utility>

#include "control/service/lease_codec.hpp"

namespace gnomon::control {
namespace {

void fill_in(const LeaseNews& news, v1::LeaseEvent& to) {
  using Kind = LeaseNews::Kind;
  to.Clear();
  if (news.kind == Kind::kInitial || news.kind == Kind::kChanged) write(news.lease, *to.mutable_lease());
  to.set_initial(news.kind == Kind::kInitial);
  to.set_caught_up(news.kind == Kind::kCaughtUp);
  to.set_gap(news.kind == Kind::kGap);
}

}  // namespace

LeaseWatchReactor::LeaseWatchReactor(LeaseCore& core, grpc::CallbackServerContext& context)
    : core_(core), context_(context), link_(std::make_shared<Link>()) {
  link_->reactor = this;
  core_.opened();
}

void LeaseWatchReactor::refuse(const grpc::Status& status) {
  std::unique_lock lock(link_->mutex);
  finish(lock, status);
}

void LeaseWatchReactor::follow(std::string prefix, std::unique_ptr<LeaseCallLimiter::Permit> permit) {
  std::unique_lock lock(link_->mutex);
  permit_ = std::move(permit);
  auto subscription = core_.runner().subscribe(std::move(prefix), [link = link_] { on_news(link); });
  if (!subscription) return finish(lock, status_of(subscription.error()));
  subscription_ = std::move(*subscription);
  go_on(lock);
}

void LeaseWatchReactor::on_news(const std::shared_ptr<Link>& link) {
  std::unique_lock lock(link->mutex);
  if (link->reactor != nullptr) link->reactor->go_on(lock);
}

void LeaseWatchReactor::go_on(std::unique_lock<std::mutex>& lock) {
  if (finished_ || subscription_ == nullptr) return;
  if (busy_) {
    // Under the lock: the write can't end, and the context go, before that.
    if (subscription_->is_cut()) context_.TryCancel();
    return;
  }
  if (cancelled_ && !subscription_->is_cut())
    return finish(lock, {grpc::StatusCode::CANCELLED, "the caller has gone, or the daemon is ending"});
  const auto news = subscription_->take();
  if (!news) return;
  if (news->kind == LeaseNews::Kind::kEnded)
    return finish(lock, {subscription_->is_cut() ? grpc::StatusCode::RESOURCE_EXHAUSTED : grpc::StatusCode::UNAVAILABLE,
                         news->text});
  fill_in(*news, event_);
  busy_ = true;
  core_.count_event();
  lock.unlock();
  StartWrite(&event_);
}

void LeaseWatchReactor::finish(std::unique_lock<std::mutex>& lock, const grpc::Status& status) {
  if (std::exchange(finished_, true)) return;
  core_.count_end(status);
  lock.unlock();
  Finish(status);
}

void LeaseWatchReactor::OnWriteDone(bool ok) {
  std::unique_lock lock(link_->mutex);
  busy_ = false;
  cancelled_ = cancelled_ || !ok;
  go_on(lock);
}

void LeaseWatchReactor::OnCancel() {
  std::unique_lock lock(link_->mutex);
  cancelled_ = true;
  go_on(lock);
}

void LeaseWatchReactor::OnDone() {
  {
    const std::lock_guard lock(link_->mutex);
    link_->reactor = nullptr;
  }
  core_.closed();
  delete this;
}

}  // namespace gnomon::control
