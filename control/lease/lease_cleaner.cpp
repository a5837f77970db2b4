// SPDX-License-Identifier: Apache-2.0
#include "control/lease/lease_cleaner.hpp"

#include <algorithm>

#include "control/lease/queue_mark.hpp"

namespace gnomon::control {
namespace {

constexpr time::Duration kBetweenRounds = time::milliseconds(20);
constexpr std::size_t kMostLooks = 64;  // of one round, at subjects that turn out to need nothing
constexpr time::Duration kFirstLook = time::seconds(3);
constexpr time::Duration kSpread = time::seconds(4);
constexpr time::Duration kSoonest = time::milliseconds(200);
constexpr time::Duration kWithoutClock = time::seconds(5);
constexpr time::Duration kLongestSleep = time::seconds(600);

}  // namespace

void LeaseCleaner::schedule(const std::string& subject, time::Uptime at) {
  forget(subject);
  due_.emplace(subject, at);
  agenda_.emplace(at, subject);
}

void LeaseCleaner::forget(const std::string& subject) {
  const auto known = due_.find(subject);
  if (known == due_.end()) return;
  agenda_.erase({known->second, subject});
  due_.erase(known);
}

bool LeaseCleaner::is_behind(time::Uptime now) const {
  std::size_t due = 0;
  for (auto at = agenda_.begin(); at != agenda_.end() && at->first <= now && due < kBacklog; ++at)
    ++due;
  return due == kBacklog;
}

void LeaseCleaner::session_changed(const lease::SessionId& id, time::Uptime now, NonceSource& chance) {
  const std::string subject = lease::client_key(id);
  if (!under_way_.contains(subject)) schedule(subject, now + kSoonest + chance.somewhere(kFirstLook));
}

void LeaseCleaner::queue_changed(const LeaseMirror& mirror, std::string_view name, time::Uptime now,
                                 NonceSource& chance) {
  const LeaseMirror::Queue* queue = mirror.queue(name);
  const std::string subject = queue_mark_key(name);
  const bool idle = queue != nullptr && queue->mark != Revision{} && queue->places.empty();
  if (!idle)
    forget(subject);
  else if (!under_way_.contains(subject))
    schedule(subject, now + kFirstLook + chance.somewhere(kSpread));
}

std::vector<CleaningJob> LeaseCleaner::round(const LeaseMirror& mirror, const lease::Moment* moment, time::Uptime now,
                                             NonceSource& nonces) {
  std::vector<CleaningJob> jobs;
  if (now < next_round_) return jobs;
  const std::size_t times = is_behind(now) ? kBehind : 1;
  most_at_once_ = kMostAtOnce * times;
  for (std::size_t looks = 0;
       looks < kMostLooks && jobs.size() < kPerRound * times && under_way_.size() < most_at_once_; ++looks) {
    if (agenda_.empty() || agenda_.begin()->first > now) break;
    const std::string subject = agenda_.begin()->second;
    forget(subject);
    Plan plan = this->plan(mirror, moment, subject, nonces);
    if (plan.transaction) {
      under_way_.insert(subject);
      jobs.push_back({subject, std::move(*plan.transaction)});
    } else if (plan.again) {
      schedule(subject, now + std::clamp(*plan.again, kSoonest, kLongestSleep) + nonces.somewhere(kSpread));
    }
  }
  next_round_ = now + kBetweenRounds;
  return jobs;
}

void LeaseCleaner::done(const std::string& subject, time::Uptime now) {
  under_way_.erase(subject);
  schedule(subject, now);
}

void LeaseCleaner::failed(const std::string& subject, time::Uptime now, NonceSource& chance) {
  under_way_.erase(subject);
  schedule(subject, now + kSoonest + chance.somewhere(kSpread));
}

std::optional<time::Uptime> LeaseCleaner::next() const {
  if (agenda_.empty() || under_way_.size() >= most_at_once_) return std::nullopt;
  return std::max(agenda_.begin()->first, next_round_);
}

LeaseCleaner::Plan LeaseCleaner::plan(const LeaseMirror& mirror, const lease::Moment* moment,
                                      const std::string& subject, NonceSource& nonces) {
  if (const auto name = name_of_queue_mark(subject)) return plan_mark(mirror, *name);
  const auto id = lease::session_of_key(subject);
  if (!id) return {};
  const auto* session = mirror.session(*id);
  if (session == nullptr || !session->value) return {};  // gone; or damaged, which is an operator's matter
  const Subject one{*id, *session->value, session->modified};
  return one.session.state == lease::SessionState::kOpen ? plan_open(one, moment, nonces)
                                                         : plan_over(mirror, one, moment);
}

LeaseCleaner::Plan LeaseCleaner::plan_open(const Subject& subject, const lease::Moment* moment,
                                           NonceSource& nonces) const {
  if (moment == nullptr) return {{}, kWithoutClock};
  const lease::ClientSession& value = subject.session;
  if (!lease::surely_past(value.expiry, value.ttl, kGrace, *moment))
    return {{}, lease::until_surely_past(value.expiry, value.ttl, kGrace, *moment)};
  lease::ClientSession killed = value;
  killed.state = lease::SessionState::kKilled;
  killed.nonce = nonces.next();
  Transaction transaction = begin(lease::client_key(subject.id), subject.modified);
  transaction.puts.push_back({lease::client_key(subject.id), encode(killed)});
  return {std::move(transaction), {}};
}

LeaseCleaner::Plan LeaseCleaner::plan_over(const LeaseMirror& mirror, const Subject& subject,
                                           const lease::Moment* moment) {
  const auto& [id, session, ended] = subject;
  Transaction transaction = begin(lease::client_key(id), ended);
  const auto remove = [&](std::string key) {
    transaction.compares.push_back({key, mirror.revision_of(key)});
    transaction.deletes.push_back(std::move(key));
  };
  std::optional<time::Duration> again;
  bool has_leases = false;
  if (const auto* names = mirror.leases_of(id)) {
    for (const std::string& name : *names) {
      has_leases = true;
      if (transaction.deletes.size() >= kMostDeletes) break;
      const auto* held = mirror.lease(name);
      if (held == nullptr || !held->value) continue;  // never: such have no session
      time::Duration wait{};
      if (session.state != lease::SessionState::kClosed)
        wait = moment == nullptr
                   ? kWithoutClock
                   : lease::until_surely_past(session.expiry, session.ttl, held->value->lock_delay, *moment);
      if (wait.ns == 0)
        remove(lease::lease_key(name));
      else
        again = again ? std::min(*again, wait) : wait;
    }
  }
  if (const auto* names = mirror.places_of(id))
    for (const std::string& name : *names)
      if (transaction.deletes.size() < kMostDeletes) remove(lease::waiter_key(name, id));
  if (!transaction.deletes.empty()) return {std::move(transaction), {}};
  if (has_leases) return {{}, again};

  const bool knows_all = mirror.held_through() >= ended && mirror.queues_through() >= ended;
  if (!knows_all) {
    wants_listing_ = true;
    return {{}, kWithoutClock};
  }
  transaction.deletes.push_back(lease::client_key(id));
  return {std::move(transaction), {}};
}

LeaseCleaner::Plan LeaseCleaner::plan_mark(const LeaseMirror& mirror, std::string_view name) const {
  const LeaseMirror::Queue* queue = mirror.queue(name);
  if (queue == nullptr || queue->mark == Revision{} || !queue->places.empty()) return {};
  if (!mirror.knows_queue(name, queue->mark)) return {{}, kWithoutClock};
  Transaction transaction = begin(queue_mark_key(name), queue->mark);
  transaction.deletes.push_back(queue_mark_key(name));
  return {std::move(transaction), {}};
}

Transaction LeaseCleaner::begin(std::string key, Revision modified) const {
  Transaction transaction;
  transaction.compares.push_back({std::string(lease::kStoreKey), policy_.store.identity});
  transaction.compares.push_back({std::move(key), modified});
  return transaction;
}

}  // namespace gnomon::control
