// SPDX-License-Identifier: Apache-2.0
//
// Commit-waits on the wire: a request is answered once TT.now().earliest > t, so that every now() invoked after the
// reply, anywhere, has latest > t (J. C. Corbett et al., "Spanner", OSDI 2012, section 4.1.2).
//
// The naive way, a timer that runs for t - now, fires when a counter says so, whatever the clock has learned in the
// meantime. Here what waits lies in a wheel of TAI, and each burst's own interval says what has passed.
//
//   safe:     nobody is released but by an interval whose earliest is > t; the reply shows that interval
//   refused:  without an interval everybody who waits is told so; a t too far ahead is told at once
//   bounded:  so many wait and no more, and a burst looks at no more than kMaxLooksPerBurst of them: after a pause, or
//             if all wait for one t, the requests of others are answered in between
//
// Memory is allocated in the constructor only. One thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "oracle/canary.hpp"
#include "oracle/serve/source.hpp"
#include "oracle/time/interval.hpp"
#include "oracle/time/wait_wheel.hpp"
#include "oracle/wire/message.hpp"

namespace gnomon::serve {

struct CommitWaitOptions {
  std::uint32_t limit = 16'384;                // of those who wait, 1 to 2^30; about 150 bytes each
  time::Duration max_wait = time::seconds(1);  // 0 to 1 h
};

/// Where a commit-wait on t stands.
enum class Standing : std::uint8_t { kPassed, kWaits, kTooFar, kFull };

class CommitWaits {
 public:
  static constexpr std::uint32_t kMaxLooksPerBurst = 1024;
  static constexpr time::Duration kLongestMaxWait = time::seconds(3600);

  struct Waiting {
    wire::Message request;
    ReturnPath path;
  };
  /// Whose wait is over: released in an interval with earliest > t, or given up because there is none.
  struct Due {
    const Waiting& waiting;
    const std::optional<time::Interval>& released_in;
  };

  /// Throws std::invalid_argument if an option is outside its range.
  explicit CommitWaits(const CommitWaitOptions& options);

  void begin_burst() { looks_left_ = kMaxLooksPerBurst; }

  /// Whether t has passed at `now`; if not, `request` waits unless that is too long or there is no room.
  [[nodiscard]] Standing ask(const time::Interval& now, time::Tai t, wire::MessageRef request, const ReturnPath& path);

  /// Whether `due` has to be asked: with many who wait and nobody due, a burst asks nothing but this.
  [[nodiscard]] bool may_be_due(const time::Interval* now) const {
    return taken_ != filled_ || now == nullptr || !wheel_.idle_at(passed_until(*now));
  }
  /// The next one whose wait is over at `now` (null: the clock is lost); it stays the next one until `pop`.
  [[nodiscard]] std::optional<Due> due(const time::Interval* now);
  void pop() {
    ++taken_;
    --size_;
  }

  /// How long until somebody's wait may be over; not if nobody waits. The earlier end of the interval advances by a
  /// little less than a second per second, so this may be short by some 200 ns per millisecond, and is asked again.
  [[nodiscard]] time::Duration until_due(const time::Interval* now) const;

  /// All who have no answer yet.
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  static constexpr std::uint32_t kBatch = 32;

  /// What must be > t.
  [[nodiscard]] static time::Tai passed_until(const time::Interval& now) {
    return canary::planted(canary::Bug::kEarlyRelease) ? now.latest : now.earliest;
  }
  void refill(const time::Interval* now);

  std::size_t size_ = 0;  // asked for twice in each turn of the loop
  time::Duration max_wait_;
  time::WaitWheel<Waiting> wheel_;
  // Who has left the wheel and has no answer yet, because a datagram holds replies to one client only, and perhaps not
  // in this burst: so they keep the interval that released them.
  std::optional<time::Interval> released_in_;
  std::uint32_t taken_ = 0;
  std::uint32_t filled_ = 0;
  std::uint32_t looks_left_ = 0;
  std::array<Waiting, kBatch> batch_{};
};

}  // namespace gnomon::serve
