// SPDX-License-Identifier: Apache-2.0
//
// One desk of lease commands on a store in memory, in virtual time, for targets: whatever the desk wants of the store
// is done at once, and what the watch then tells is told. Each call is looked after until it has its one reply.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "control/lease/lease_desk.hpp"
#include "tests/control/memory_store.hpp"
#include "tests/fuzz/fuzzer.hpp"

namespace gnomon::fuzz {

class DeskStory {
 public:
  DeskStory() {
    control::Transaction identity;
    identity.puts.push_back({std::string(lease::kStoreKey), "store"});
    control::DeskOptions options;
    options.policy.store.identity = store_.commit(identity).value();
    options.policy.store.epoch = 1;
    options.most_listed = 50;
    desk_ = std::make_unique<control::LeaseDesk>(options, control::Nonce{1, 2, 3});
    const control::Revision at = store_.list("")->at;
    watch_ = store_.watch("", at);
    step(control::desk_event::Heard{{at, {}, true}, true});
    settle();
  }

  /// The id of the call; its reply is in `replies` once it has one.
  control::CallId ask(control::Call call) {
    call.id = {++last_call_};
    const control::CallId id = call.id;
    waiting_.emplace(id, call.deadline);
    step(control::desk_event::Asked{std::move(call)});
    settle();
    return id;
  }

  /// Whatever somebody else writes into the store: a disk that flips bits, a program of another version.
  void put(const std::string& key, const std::string& value) {
    static_cast<void>(store_.commit({{}, {{key, value}}, {}}));
    settle();
  }

  void pass(time::Duration by) {
    const time::Uptime end = uptime_ + by;
    for (int rounds = 0; uptime_ < end; ++rounds) {
      demand(rounds < 20'000, "the desk wants to be called again and again");
      const time::Uptime next =
          std::min(std::max(desk_->next_tick().value_or(end), uptime_ + time::milliseconds(20)), end);
      now_ = now_ + (next - uptime_);
      uptime_ = next;
      step(control::desk_event::Tick{});
      settle();
    }
  }

  /// Past everybody's deadline.
  void finish() {
    time::Uptime last = uptime_;
    for (const auto& [id, deadline] : waiting_)
      last = std::max(last, deadline);
    pass(last - uptime_ + time::seconds(1));
    demand(waiting_.empty(), "a call has no answer although its deadline is past");
    demand(desk_->parked() == 0, "somebody is parked whom nobody waits for");
  }

  [[nodiscard]] time::Uptime uptime() const { return uptime_; }
  [[nodiscard]] const control::LeaseDesk& desk() const { return *desk_; }
  [[nodiscard]] control::DeskTime time() const {
    return {lease::Moment{{}, {now_ - time::milliseconds(1), now_ + time::milliseconds(1)}}, uptime_};
  }

  std::map<control::CallId, control::Reply> replies;

 private:
  using Task = std::variant<control::desk_effect::Read, control::desk_effect::Commit>;

  void step(const control::DeskEvent& event) {
    for (control::DeskEffect& effect : desk_->step(event, time())) {
      if (auto* read = std::get_if<control::desk_effect::Read>(&effect)) {
        tasks_.emplace_back(std::move(*read));
      } else if (auto* commit = std::get_if<control::desk_effect::Commit>(&effect)) {
        tasks_.emplace_back(std::move(*commit));
      } else if (auto* send = std::get_if<control::desk_effect::Send>(&effect)) {
        demand(waiting_.erase(send->call) == 1, "a reply to nobody, or a second one");
        replies.emplace(send->call, std::move(send->reply));
      }
    }
  }

  void settle() {
    for (int rounds = 0; rounds < 10'000; ++rounds) {
      if (!tasks_.empty()) {
        const Task task = std::move(tasks_.front());
        tasks_.pop_front();
        step(carry_out(task));
        continue;
      }
      auto changes = watch_->next({});
      if (!changes || (changes->changes.empty() && !changes->gap)) return;
      step(control::desk_event::Heard{std::move(*changes), true});
    }
    demand(false, "the desk never comes to rest");
  }

  control::DeskEvent carry_out(const Task& task) {
    if (const auto* wanted = std::get_if<control::desk_effect::Read>(&task)) {
      control::desk_event::ReadDone done{wanted->task, {}, {}};
      for (const std::string& key : wanted->keys)
        done.keys.push_back(*store_.get(key));
      for (const std::string& prefix : wanted->prefixes)
        done.listings.push_back(*store_.list(prefix));
      return done;
    }
    const auto& begun = std::get<control::desk_effect::Commit>(task);
    const auto revision = store_.commit(begun.transaction);
    if (!revision) return control::desk_event::StoreFailed{begun.task, revision.error()};
    return control::desk_event::CommitDone{begun.task, *revision};
  }

  control::MemoryStore store_;
  std::unique_ptr<control::Watch> watch_;
  std::unique_ptr<control::LeaseDesk> desk_;
  std::deque<Task> tasks_;
  std::map<control::CallId, time::Uptime> waiting_;
  std::uint64_t last_call_ = 0;
  time::Tai now_{1'800'000'000'000'000'000};
  time::Uptime uptime_{1'000'000'000};
};

}  // namespace gnomon::fuzz
