// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/lease/store_way.hpp"

#include <utility>

namespace gnomon::sim::leases {

using control::StoreError;
using control::StoreErrorKind;
namespace desk_event = control::desk_event;

time::Duration StoreWay::draw_delay() {
  const time::Duration usual = env_.delay(env_.plan.store_delay);
  return mood() == Mood::kSlow ? usual + env_.random.between({0}, time::seconds(1)) : usual;
}

void StoreWay::fail(std::uint32_t life, control::StoreTaskId task, StoreErrorKind kind, time::Duration after) {
  env_.agenda.after(after, [this, life, task, kind] {
    hear_(life,
          desk_event::StoreFailed{
              task, StoreError{kind, kind == StoreErrorKind::kUnknown ? "the answer was lost" : "the store is away"}});
  });
}

// ---- reads

struct StoreWay::Reading {
  std::uint32_t life = 0;
  std::uint64_t leader = 0;
  control::desk_effect::Read effect;
  desk_event::ReadDone done;
};

void StoreWay::read(std::uint32_t life, const control::desk_effect::Read& effect) {
  const bool lost = mood() == Mood::kAway || (mood() == Mood::kLosesAnswers && env_.random.below(2) == 0);
  if (lost) return fail(life, effect.task, StoreErrorKind::kUnavailable, draw_delay() + draw_delay());
  auto reading = std::make_shared<Reading>(Reading{life, env_.leader, effect, {effect.task, {}, {}}});
  env_.agenda.after(draw_delay(), [this, reading] { read_next(reading); });
}

void StoreWay::read_next(const std::shared_ptr<Reading>& reading) {
  const auto& effect = reading->effect;
  auto& done = reading->done;
  if (done.keys.size() < effect.keys.size()) {
    done.keys.push_back(*env_.store.get(effect.keys[done.keys.size()]));
  } else if (done.listings.size() < effect.prefixes.size()) {
    done.listings.push_back(*env_.store.list(effect.prefixes[done.listings.size()]));
  } else if (reading->leader != env_.leader) {
    return fail(reading->life, effect.task, StoreErrorKind::kUnavailable, {});
  } else {
    return env_.agenda.after(draw_delay(), [this, reading] { hear_(reading->life, std::move(reading->done)); });
  }
  // An answer comes once all has been read: between two of the keys anybody may commit.
  env_.agenda.after(env_.delay(env_.plan.store_delay / 4), [this, reading] { read_next(reading); });
}

// ---- commits

void StoreWay::commit(std::uint32_t life, const control::desk_effect::Commit& effect, const lease::Moment& moment,
                      std::function<bool()> is_in_time) {
  const time::Uptime sent = env_.now();
  const time::Duration there = draw_delay();
  const time::Duration back = draw_delay();
  if (mood() == Mood::kAway) {
    const bool may_have_left = env_.random.below(8) == 0;
    return fail(life, effect.task, may_have_left ? StoreErrorKind::kUnknown : StoreErrorKind::kUnavailable,
                there + back);
  }
  bool unknown = env_.happens(env_.plan.unknown) || (mood() == Mood::kLosesAnswers && env_.random.below(2) == 0);
  if (to_lose_ != 0) {
    --to_lose_;
    unknown = true;
  }
  const bool lands = !unknown || env_.plan.exact || env_.random.below(4) != 0;
  const bool late = unknown && !env_.plan.exact && env_.random.below(2) == 0;  // after the word that it is unknown
  const std::uint64_t leader = env_.leader;
  if (late || mood() != Mood::kSlow) is_in_time = [] { return true; };  // while it is slow, it waits before it is begun
  // The outcome outlives both events.
  auto outcome = std::make_shared<tl::expected<control::Revision, StoreError>>(
      tl::make_unexpected(StoreError{StoreErrorKind::kUnknown, "the answer was lost"}));
  if (lands)
    env_.agenda.after(late ? there + back * 20 : there,
                      [this, outcome, sent, moment, leader, transaction = effect.transaction, unknown,
                       in_time = std::move(is_in_time)] {
                        if (!in_time()) {
                          *outcome = tl::make_unexpected(StoreError{StoreErrorKind::kUnavailable, "it came too late"});
                          return;
                        }
                        if (leader != env_.leader && env_.random.below(2) == 0) return;  // lost with the old leader
                        auto revision = env_.commit(transaction, moment, sent);
                        if (!unknown) *outcome = std::move(revision);
                      });
  env_.agenda.after(there + back, [this, outcome, life, leader, task = effect.task] {
    if (leader != env_.leader || (!*outcome && outcome->error().kind == StoreErrorKind::kUnknown))
      return hear_(life, desk_event::StoreFailed{task, StoreError{StoreErrorKind::kUnknown, "the answer was lost"}});
    if (*outcome) return hear_(life, desk_event::CommitDone{task, **outcome});
    hear_(life, desk_event::StoreFailed{task, outcome->error()});
  });
}

// ---- the watch

void StoreWay::watch(std::uint32_t life) {
  life_ = life;
  ++watch_number_;
  untold_.clear();
  watch_next_ = env_.now();
}

void StoreWay::landed(const control::Transaction& transaction, control::Revision revision) {
  control::Changes changes{revision, {}, false};
  for (const std::string& key : transaction.deletes)
    changes.changes.push_back({{key, "", revision}, true});
  for (const control::Put& put : transaction.puts)
    changes.changes.push_back({{put.key, put.value, revision}, false});
  untold_.push_back(std::move(changes));
  watch_next_ = std::max(watch_next_, env_.now() + env_.delay(env_.plan.watch_delay));
  env_.agenda.at(watch_next_, [this, number = watch_number_] {
    if (number == watch_number_) hear_watch();
  });
}

void StoreWay::hear_watch() {
  if (untold_.empty()) return;
  if (env_.now() < stalled_until_)
    return env_.agenda.at(stalled_until_, [this, number = watch_number_] {
      if (number == watch_number_) hear_watch();
    });
  control::Changes changes = std::move(untold_.front());
  untold_.pop_front();
  hear_(life_, desk_event::Heard{std::move(changes), true});
}

void StoreWay::break_watch() {
  ++watch_number_;
  untold_.clear();
  watch_next_ = env_.now();
  hear_(life_, desk_event::Heard{{env_.store.at(), {}, true}, true});
}

}  // namespace gnomon::sim::leases
