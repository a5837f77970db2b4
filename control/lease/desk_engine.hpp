// SPDX-License-Identifier: Apache-2.0
//
// The inside of the desk (lease_desk.hpp). Its parts, a file each:
//   lease_desk.cpp       events in, effects out, and what is due by time
//   desk_call.cpp        store tasks and calls: begun, answered, forgotten
//   desk_decide.cpp      one command: decide, commit, read first, or reply
//   desk_read.cpp        what a decision rests on, and what became of a commit whose answer was lost
//   desk_wait.cpp        calls that are parked: when they are looked at again
//   desk_question.cpp    views: get, list, validate, and what those who watch are told
//
// What all rest on:
//   - An answer that is no commit is given only on entries that were read after the call was asked (`fresh`); a commit
//     rests on its compares, and on queue_mark.hpp for waiters that nobody here has heard of.
//   - A function that takes a DeskWork& may have replied when it returns: then the work is gone.
//   - Every call that is not parked has a store task under way or a timer, and every call has a timer for its deadline.
// Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/lease/desk_work.hpp"
#include "control/lease/lease_cleaner.hpp"
#include "control/lease/lease_desk.hpp"
#include "control/lease/lease_mirror.hpp"
#include "control/lease/nonce_source.hpp"

namespace gnomon::control {

class LeaseDesk::Impl {
 public:
  Impl(DeskOptions options, const Nonce& seed);

  [[nodiscard]] std::vector<DeskEffect> step(const DeskEvent& event, const DeskTime& now);
  [[nodiscard]] std::optional<time::Uptime> next_tick() const;
  [[nodiscard]] std::size_t parked() const;
  [[nodiscard]] DeskCounters& counters();
  [[nodiscard]] Listed remembered(std::string_view prefix, std::string_view after, std::size_t most,
                                  const DeskTime& now) const;

 private:
  using Phase = DeskWork::Phase;

  /// What a store task is for.
  struct StoreTask {
    enum class Kind : std::uint8_t { kCall, kAll, kRefresh, kCleaning };
    Kind kind = Kind::kCall;
    CallId call;          // kCall; it may be gone
    std::string subject;  // kCleaning
    Revision floor;       // newest revision known when it was sent
    std::vector<std::string> keys;
    std::vector<std::string> prefixes;
    bool commits = false;
    Transaction transaction;                      // if it commits
    time::Uptime deadline = time::Uptime::max();  // likewise: of its call
  };

  // lease_desk.cpp
  void on(const desk_event::Asked& asked);
  void on(const desk_event::Gone& gone);
  void on(const desk_event::ReadDone& done);
  void on(const desk_event::CommitDone& done);
  void on(const desk_event::StoreFailed& failed);
  void on(const desk_event::Heard& heard);
  void on(const desk_event::Tick& tick);
  void commit_failed(StoreTask task, const StoreError& error);
  void read_failed(const StoreTask& task, const StoreError& error);
  void run_timers();
  void clean_up();
  void read_all_if_due();
  void take_news();
  [[nodiscard]] const lease::Moment* moment() const { return now_->moment ? &*now_->moment : nullptr; }
  [[nodiscard]] time::Uptime uptime() const { return now_->uptime; }

  // desk_call.cpp
  StoreTaskId send_read(StoreTask task);
  StoreTaskId send_commit(StoreTask task);
  [[nodiscard]] DeskWork* find(CallId id);
  [[nodiscard]] DeskWork* waiting_for(StoreTaskId id, const StoreTask& task);
  void set_timer(DeskWork& work, time::Uptime at);
  void reply(DeskWork& work, Reply reply);
  void reply(DeskWork& work, const lease::Answer& answer);
  void fault(DeskWork& work, DeskFault fault, std::string text, time::Duration retry_after = {});
  void forget(CallId id);
  void fail_all(const std::string& text);

  // desk_decide.cpp
  void go_on(DeskWork& work);
  [[nodiscard]] lease::Decision decide(const DeskWork& work);
  [[nodiscard]] lease::Decision decide(const DeskWork& work, const lease::Asker& asker) const;
  void take(DeskWork& work, lease::Step step);
  void settle_on(DeskWork& work, const lease::Answer& answer);
  void complete(DeskWork& work, Revision revision);
  void begin_commit(DeskWork& work, lease::Step step);
  void mark_queue(const DeskWork& work, lease::Step& step) const;
  void without_clock(DeskWork& work);
  void give_up(DeskWork& work, DeskFault why, std::string text);
  [[nodiscard]] bool rests_on_memory(const DeskWork& work, const lease::Step& step) const;
  [[nodiscard]] std::optional<std::string> limit_reached(const DeskWork& work, const lease::Step& step) const;
  [[nodiscard]] bool is_undone(const DeskWork& work) const;
  [[nodiscard]] bool is_outrun(const DeskWork& work, const lease::Answer& answer) const;

  // desk_read.cpp
  void read_first(DeskWork& work);
  void read_on(DeskWork& work);
  void read_arrived(DeskWork& work, const desk_event::ReadDone& done, const StoreTask& task);
  [[nodiscard]] std::vector<std::string> keys_of(const DeskWork& work) const;
  [[nodiscard]] std::vector<std::string> prefixes_of(const DeskWork& work) const;
  void add_holder(std::string_view name, std::vector<std::string>& keys) const;
  void add_waiters(std::string_view name, std::vector<std::string>& keys) const;
  void add_listed(const command::List& list, std::vector<std::string>& keys) const;

  // desk_wait.cpp
  void lengthen_pause(DeskWork& work) const;
  void pause(DeskWork& work);
  void park(DeskWork& work, bool look_at_once = false);
  void unpark(DeskWork& work);
  void reply_waiting(DeskWork& work);
  void time_out(DeskWork& work);
  void look_at_all();
  void look_at(const std::string& name);
  void look_at_session(const lease::SessionId& id);
  void arm(const std::string& name, NameWait& wait, const DeskWork& front);
  void disarm(const std::string& name, NameWait& wait);
  [[nodiscard]] std::optional<CallId> front_of(const std::string& name, const NameWait& wait) const;
  [[nodiscard]] time::Duration until_change(const std::string& name, const lease::SessionId& session) const;

  // desk_question.cpp
  /// Whether it was: what it asks about can't be a name.
  [[nodiscard]] bool refuse_question(DeskWork& work);
  void answer_question(DeskWork& work);
  [[nodiscard]] std::size_t most_listed(const command::List& list) const;
  void follow(DeskWork& work);
  void stop_following(DeskWork& work);
  void answer_followed();
  void answer_list(DeskWork& work, const command::List& list);
  void answer_validate(DeskWork& work, const command::Validate& validate);
  [[nodiscard]] lease::LeaseView view_of(std::string_view name, const lease::Moment* when) const;
  [[nodiscard]] lease::LeaseView view_read(const DeskWork& work, std::string_view name) const;
  void tell(const std::set<std::string>& names);

  DeskOptions options_;
  NonceSource nonces_;
  LeaseMirror mirror_;
  LeaseCleaner cleaner_;
  DeskCounters counters_;
  std::map<CallId, DeskWork> calls_;
  std::set<std::pair<time::Uptime, CallId>> call_timers_;
  std::map<std::string, NameWait> waits_;
  std::set<std::pair<time::Uptime, std::string>> name_timers_;
  std::map<lease::SessionId, std::set<CallId>> parked_;
  std::set<std::pair<Revision, CallId>> following_;  // lists, and what the watch has to tell before they are answered
  std::set<std::string> to_look_at_;                 // names, within one step
  std::vector<lease::SessionId> ended_;              // sessions, likewise
  std::map<StoreTaskId, StoreTask> tasks_;
  std::uint64_t last_task_ = 0;
  bool reading_all_ = false;
  time::Uptime read_all_at_;  // while the mirror is not whole
  std::optional<time::Uptime> listed_for_cleaning_;
  std::optional<std::string> failed_;
  std::vector<DeskEffect> effects_;
  const DeskTime* now_ = nullptr;  // within one step
};

/// Whether it changes nothing and is answered from what is read.
[[nodiscard]] bool is_question(const Command& command);
/// The name that it is about; empty: none.
[[nodiscard]] std::string_view name_of(const Command& command);
[[nodiscard]] bool waits(const command::Acquire& acquire);

}  // namespace gnomon::control
