// SPDX-License-Identifier: Apache-2.0
#include "control/lease/lease_runner_watchers.hpp"

#include <algorithm>
#include <utility>

namespace gnomon::control {

LeaseSubscription::LeaseSubscription(std::string prefix, std::size_t most_news, std::function<void()> on_news,
                                     std::function<void()> on_ready)
    : prefix_(std::move(prefix)), most_news_(most_news), on_news_(std::move(on_news)), on_ready_(std::move(on_ready)) {}

std::optional<LeaseNews> LeaseSubscription::take() {
  const std::lock_guard lock(mutex_);
  if (is_empty()) {
    idle_ = true;
    return std::nullopt;
  }
  ++takes_;
  if (ended_) {
    end_taken_ = true;
    return LeaseNews{LeaseNews::Kind::kEnded, {}, *ended_};
  }
  if (phase_ == Phase::kGap) {
    phase_ = Phase::kAwaiting;
    if (on_ready_) on_ready_();  // under the lock: once end() has returned nobody calls it
    return LeaseNews{LeaseNews::Kind::kGap};
  }
  if (phase_ == Phase::kTelling) return take_from_page();
  LeaseNews news{LeaseNews::Kind::kChanged, std::move(queue_.front()), {}};
  queue_.pop_front();
  return news;
}

LeaseNews LeaseSubscription::take_from_page() {
  if (next_in_page_ == page_.leases.size()) {
    phase_ = Phase::kFollowing;
    page_ = {};
    return LeaseNews{LeaseNews::Kind::kCaughtUp};
  }
  LeaseNews news{LeaseNews::Kind::kInitial, std::move(page_.leases[next_in_page_++]), {}};
  if (page_.more && next_in_page_ == page_.leases.size()) {
    phase_ = Phase::kAwaiting;
    page_ = {};
    if (on_ready_) on_ready_();
  }
  return news;
}

bool LeaseSubscription::is_empty() const {
  if (ended_) return end_taken_;
  if (phase_ == Phase::kGap || phase_ == Phase::kTelling) return false;
  return phase_ == Phase::kAwaiting || queue_.empty();  // what has changed comes behind all pages
}

// Outside the lock: what is called may take at once.
void LeaseSubscription::ring(std::unique_lock<std::mutex>& lock) {
  const bool due = std::exchange(idle_, false);
  const std::function<void()> call = due ? on_news_ : nullptr;
  lock.unlock();
  if (call) call();
}

std::optional<std::string> LeaseSubscription::awaited() const {
  const std::lock_guard lock(mutex_);
  if (phase_ != Phase::kAwaiting || ended_) return std::nullopt;
  return made_to_.value_or("");
}

void LeaseSubscription::tell(Listed page) {
  std::unique_lock lock(mutex_);
  if (phase_ != Phase::kAwaiting || ended_) return;
  phase_ = Phase::kTelling;
  page_ = std::move(page);
  next_in_page_ = 0;
  are_all_made_ = !page_.more;
  made_to_ = page_.leases.empty() ? "" : page_.leases.back().name;
  ring(lock);
}

bool LeaseSubscription::changed(const lease::LeaseView& lease) {
  std::unique_lock lock(mutex_);
  if (ended_ || phase_ == Phase::kGap || !lease.name.starts_with(prefix_)) return false;
  const bool is_in_a_page = made_to_ && (are_all_made_ || lease.name <= *made_to_);
  if (!is_in_a_page) return false;  // it is told with a page to come
  const bool full = queue_.size() >= most_news_;
  if (full)
    drop_all();
  else
    queue_.push_back(lease);
  ring(lock);
  return full;
}

void LeaseSubscription::drop_all() {
  phase_ = Phase::kGap;
  page_ = {};
  queue_ = {};
  made_to_.reset();
  are_all_made_ = false;
}

bool LeaseSubscription::lose() {
  std::unique_lock lock(mutex_);
  if (ended_ || phase_ == Phase::kGap || !made_to_) return false;
  drop_all();
  ring(lock);
  return true;
}

bool LeaseSubscription::is_cut() const {
  const std::lock_guard lock(mutex_);
  return cut_;
}

void LeaseSubscription::end(std::string text, bool cut) {
  std::unique_lock lock(mutex_);
  if (ended_) return;
  cut_ = cut;
  ended_ = std::move(text);
  page_ = {};
  queue_ = {};
  on_ready_ = nullptr;
  idle_ = true;  // rung in any case: whoever is stuck in a write has to be told, too
  ring(lock);
}

bool LeaseSubscription::has_stalled(time::Uptime now, time::Duration longest) {
  const std::lock_guard lock(mutex_);
  const bool moved = std::exchange(takes_seen_, takes_) != takes_;
  if (ended_ || moved || is_empty()) {
    stuck_since_.reset();
    return false;
  }
  if (!stuck_since_) stuck_since_ = now;
  return now - *stuck_since_ >= longest;
}

std::shared_ptr<LeaseSubscription> LeaseWatchers::add(std::string prefix, std::function<void()> on_news,
                                                      std::function<void()> on_ready) {
  auto made =
      std::make_shared<LeaseSubscription>(std::move(prefix), most_news_, std::move(on_news), std::move(on_ready));
  const std::lock_guard lock(mutex_);
  std::erase_if(all_, [](const auto& each) { return each.expired(); });
  if (ended_ || all_.size() >= most_) return nullptr;
  all_.push_back(made);
  return made;
}

std::size_t LeaseWatchers::count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(
      std::count_if(all_.begin(), all_.end(), [](const auto& each) { return !each.expired(); }));
}

std::vector<std::shared_ptr<LeaseSubscription>> LeaseWatchers::living() {
  std::vector<std::shared_ptr<LeaseSubscription>> out;
  const std::lock_guard lock(mutex_);
  for (const auto& each : all_)
    if (auto one = each.lock()) out.push_back(std::move(one));
  return out;
}

void LeaseWatchers::tell(const lease::LeaseView& lease) {
  for (const auto& each : living())
    if (each->changed(lease)) ++overflows_;
}

std::size_t LeaseWatchers::lose_all() {
  std::size_t lost = 0;
  for (const auto& each : living())
    if (each->lose()) ++lost;
  return lost;
}

bool LeaseWatchers::catch_up(const std::function<Listed(const std::string&, const std::string&)>& page) {
  std::size_t made = 0;
  for (const auto& each : living()) {
    const auto after = each->awaited();
    if (!after) continue;
    if (made++ == kMostPagesAtOnce) return true;
    each->tell(page(each->prefix_, *after));
  }
  return false;
}

std::size_t LeaseWatchers::sweep(time::Uptime now) {
  std::size_t ended = 0;
  for (const auto& each : living()) {
    if (!each->has_stalled(now, longest_stall_)) continue;
    each->end("the watch took nothing for " + std::to_string(longest_stall_.ns / 1'000'000'000) +
                  " s although there was something to tell; read faster, and begin another one",
              true);
    ++ended;
  }
  return ended;
}

void LeaseWatchers::end_all(const std::string& text) {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  for (const auto& each : living())
    each->end(text, false);
}

}  // namespace gnomon::control
