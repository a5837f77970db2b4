// SPDX-License-Identifier: Apache-2.0
//
// Who watches leases: what the desk tells, kept for each of them until it is taken.
//
// A watcher that takes nothing must cost a bounded amount, and must not be told half a story. So each has a bounded
// queue; when it is full all of it is dropped, the watcher is told of a gap, and once it has taken that, everything is
// told anew. One that takes nothing for long although there is something is ended.
//
// What is there when the telling begins may be a hundred thousand leases, for each of many watchers: it comes in pages,
// each made when the one before has been taken. A name that changes meanwhile is queued if its page has been made, else
// left to its page, so nobody is told of something older than what he knows.
//
//   kInitial ... kInitial, kCaughtUp, kChanged ... [kGap, kInitial ..., kCaughtUp, kChanged ...] ... [kEnded]
//
// Thread rule: a subscription is used by the desk's thread and by one taker at a time; the list by the desk's thread
// but for what is said to be for any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "control/lease/lease_desk.hpp"
#include "oracle/lease/lease_rules.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::control {

struct LeaseNews {
  enum class Kind : std::uint8_t {
    kInitial,   // was there when the telling began
    kCaughtUp,  // all that was there has been told
    kChanged,
    kGap,    // something was missed: what follows is told anew
    kEnded,  // the last one: `text` says why
  };
  Kind kind{};
  lease::LeaseView lease{};
  std::string text{};
};

class LeaseSubscription {
 public:
  LeaseSubscription(std::string prefix, std::size_t most_news, std::function<void()> on_news,
                    std::function<void()> on_ready);
  LeaseSubscription(const LeaseSubscription&) = delete;
  LeaseSubscription& operator=(const LeaseSubscription&) = delete;

  /// The next news. Nothing: there is none, and `on_news` will be called when there is.
  [[nodiscard]] std::optional<LeaseNews> take();
  /// It was ended because nothing was taken for long: whoever is stuck with the last news must give that up.
  [[nodiscard]] bool is_cut() const;

 private:
  friend class LeaseWatchers;
  enum class Phase : std::uint8_t { kGap, kAwaiting, kTelling, kFollowing };

  /// Behind which name the next page is wanted; nothing: none is.
  [[nodiscard]] std::optional<std::string> awaited() const;
  void tell(Listed page);
  /// Whether there was no room for it, so that all is lost.
  bool changed(const lease::LeaseView& lease);
  /// Whether there was anything to lose.
  bool lose();
  void drop_all();
  void end(std::string text, bool cut);
  [[nodiscard]] bool has_stalled(time::Uptime now, time::Duration longest);
  [[nodiscard]] bool is_empty() const;
  [[nodiscard]] LeaseNews take_from_page();
  void ring(std::unique_lock<std::mutex>& lock);

  const std::string prefix_;
  const std::size_t most_news_;
  mutable std::mutex mutex_;  // guards all below
  std::function<void()> on_news_;
  std::function<void()> on_ready_;  // a page may be made
  Phase phase_ = Phase::kAwaiting;
  Listed page_;
  std::size_t next_in_page_ = 0;
  std::optional<std::string> made_to_;  // the last name of the pages so far; none: no page was made yet
  bool are_all_made_ = false;
  std::deque<lease::LeaseView> queue_;
  std::optional<std::string> ended_;
  bool end_taken_ = false;
  bool cut_ = false;
  bool idle_ = true;                         // take() found nothing since the last ring
  std::uint64_t takes_ = 0;                  // that brought something
  std::uint64_t takes_seen_ = 0;             // by has_stalled
  std::optional<time::Uptime> stuck_since_;  // likewise: there was something, and nobody took it
};

class LeaseWatchers {
 public:
  static constexpr std::size_t kMostPagesAtOnce = 16;

  LeaseWatchers(std::size_t most, std::size_t most_news, time::Duration longest_stall)
      : most_(most), most_news_(most_news), longest_stall_(longest_stall) {}

  /// Any thread. Nothing: there are too many, or it ends. `on_ready` wakes the desk's thread.
  [[nodiscard]] std::shared_ptr<LeaseSubscription> add(std::string prefix, std::function<void()> on_news,
                                                       std::function<void()> on_ready);
  /// Any thread: those that are followed.
  [[nodiscard]] std::size_t count() const;

  void tell(const lease::LeaseView& lease);
  /// Something was missed: everybody is to be told anew. How many were told of a gap.
  std::size_t lose_all();
  /// Makes a page for those that wait for one, kMostPagesAtOnce at most; whether others go on waiting.
  /// `page(prefix, after)`: ascending by name.
  [[nodiscard]] bool catch_up(const std::function<Listed(const std::string&, const std::string&)>& page);
  /// Ends those that take nothing. How many.
  std::size_t sweep(time::Uptime now);
  /// Any thread. For good: nobody is added any more.
  void end_all(const std::string& text);
  [[nodiscard]] std::uint64_t overflows() const { return overflows_; }

 private:
  [[nodiscard]] std::vector<std::shared_ptr<LeaseSubscription>> living();

  const std::size_t most_;
  const std::size_t most_news_;
  const time::Duration longest_stall_;
  std::uint64_t overflows_ = 0;
  mutable std::mutex mutex_;  // guards the two below
  std::vector<std::weak_ptr<LeaseSubscription>> all_;
  bool ended_ = false;
};

}  // namespace gnomon::control
