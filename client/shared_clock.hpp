// SPDX-License-Identifier: Apache-2.0
//
// TrueTime for a process on the daemon's host: now() in tens of nanoseconds, out of the clock page in shared memory,
// without a request and without a system call.
//
//   auto clock = SharedClock::open({});
//   auto now = clock->now();                                  // the true time lies in [earliest, latest]
//   auto passed = clock->commit_wait(now->latest, limit);     // from here on every now() anywhere is later
//
// The naive way reads CLOCK_REALTIME: an instant without a bound, which also goes back. Here what can't be proved is an
// error: a page that is no longer renewed becomes void within seconds, and then it says so.
//
// Restart. A daemon that starts makes a new page under the same name; who mapped the old one keeps the old one, which
// stays right until it is void. So now(), when it has no time to give, looks whether another page stands under the
// name, at most once in kLookInterval, and goes on with it.
//
// Trust. Whoever may write the page says what time it is: the daemon's user and root, and anybody who makes a page of
// that name in /dev/shm while there is none. gnomond never shortens a page, it replaces it; whoever may write it could
// shorten it to nothing, and then every process that reads it gets SIGBUS, as with any mapped file.
//
// Thread rule: one object for each thread (open as many as there are threads); move it between calls only. A forked
// child may go on using it.
#pragma once

#include <memory>
#include <string>

#include "client/error.hpp"
#include "oracle/time/interval.hpp"
#include "oracle/time/true_time.hpp"

namespace gnomon::client {

struct SharedClockOptions {
  std::string instance = "main";  // of gnomond: a-z, 0-9, '-' and '_'
};

class SharedClockState;

class SharedClock {
 public:
  /// Between two looks for another page.
  static constexpr time::Duration kLookInterval = time::milliseconds(10);

  /// Maps the page; whether it has the time, now() says. kBadArgument: no name of an instance. kUnreachable: there is
  /// no such page. kSystem: it can't be used: not permitted, not (yet) a clock page, or of another version.
  [[nodiscard]] static Result<SharedClock> open(const SharedClockOptions& options);

  SharedClock(SharedClock&&) noexcept;
  SharedClock& operator=(SharedClock&&) noexcept;
  SharedClock(const SharedClock&) = delete;
  SharedClock& operator=(const SharedClock&) = delete;
  ~SharedClock();

  /// Contains the true time at some moment between the call and the return. kClockUnsynchronised: there is none that is
  /// proved; the text says why.
  [[nodiscard]] Result<time::Interval> now();

  /// As now(), for who counts nanoseconds: no text, and no look for another page. After an error call now().
  [[nodiscard]] time::Now read() noexcept;

  /// Blocks until t has passed for certain, and returns the interval that says so: its earliest is > t. Sleeps, then
  /// spins (commit_wait.hpp). `limit`, 0 to 3600 s, is how far t may lie after now().latest: a t further ahead is
  /// refused at once with kTooFar. A clock that is lost meanwhile is kClockUnsynchronised; one that does not move on as
  /// it should, kTimeout.
  [[nodiscard]] Result<time::Interval> commit_wait(time::Tai t, time::Duration limit);

 private:
  explicit SharedClock(std::unique_ptr<SharedClockState> state);

  std::unique_ptr<SharedClockState> state_;
};

}  // namespace gnomon::client
