// SPDX-License-Identifier: Apache-2.0
//
// Where a worker keeps its commit-waits: requests that are answered once TT.now().earliest > t, so that no clock
// anywhere still reads t when the answer arrives (J. C. Corbett et al., "Spanner", OSDI 2012, section 4.1.2).
//
// Looking through all that wait on every turn of the loop, 10^5 of them, takes longer than the wait of most. A sorted
// heap pays log n cache misses to put in and again to take out, and after a pause hands over everything at once; both
// make every other client of the worker wait. A timer per request fires when a clock *says* t, which is what must not
// be trusted. So: a hashed timing wheel (G. Varghese and T. Lauck, SOSP 1987, scheme 6), whose slots are a granule of
// TAI each and whose lists are linked by index. Times further ahead than a round share the slots of nearer ones.
//
//   safe:     an entry is released only by a poll whose own `earliest` is > its t, whatever earlier polls said
//   prompt:   a poll whose `earliest` is >= t + one granule releases it, unless its bound of steps was used up before
//   bounded:  a poll looks at no more entries than its bound; an idle one stores and compares once
//   amortised O(1): an entry is looked at once, when it is released, and once more for each whole round that it lies
//             ahead of the clock (for a jump over many rounds, twice), and for each time that the clock went back
//   cursor:   no entry in a slot has its granule before `cursor_`; what can't be put so is in hand, and is looked at by
//             the next poll (pushed late, or from a slot that was opened and not finished)
//
// `earliest` may stand still, jump ahead or go back. If it goes back nothing needs moving, for a slot is a time's and
// not a distance from now: the cursor is set back once someone comes who waits for a time before it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include "oracle/time/instant.hpp"
#include "oracle/time/wait_wheel_slots.hpp"

namespace gnomon::time {

/// The defaults: granules of 8.192 us, of the order of a worker's burst and well under the width of any interval that
/// is not from PTP hardware, so the granule lengthens a wait by little; 2^17 of them are 1.07 s, more than a worker
/// lets anybody wait, so each entry is looked at once. 0.5 MB of slots, and per entry its payload and 16 bytes.
struct WaitWheelOptions {
  std::uint32_t capacity = 131'072;  // 1 to 2^30 entries
  unsigned granule_bits = 13;        // a granule is 2^this ns; 4 to 40
  unsigned slot_bits = 17;           // a round is 2^this granules; 1 to 24
};

/// What a wheel did since it was made. Without bounds in time, this is how its cost is measured.
struct WaitWheelWork {
  std::uint64_t polls = 0;  // that were not idle
  std::uint64_t looks = 0;  // at an entry: released, given back, or put into a slot again
  std::uint64_t slots = 0;  // opened; never one that was empty
};

/// Up to `capacity` payloads that wait for their t. Memory is allocated in the constructor only. One thread. What is
/// passed to `poll` and `drain` is called with (Tai t, const Payload&), must not throw, and must not call the wheel.
template <typename Payload>
class WaitWheel {
  static_assert(std::is_trivially_copyable_v<Payload>);

 public:
  /// Throws std::invalid_argument if an option is outside its range.
  explicit WaitWheel(const WaitWheelOptions& options = {})
      : granule_bits_(checked(options).granule_bits),
        mask_((std::uint32_t{1} << options.slot_bits) - 1),
        nodes_(options.capacity),
        payloads_(options.capacity),
        slots_(std::size_t{mask_} + 1, kNone),
        occupied_(options.slot_bits) {
    for (std::uint32_t i = 0; i < options.capacity; ++i)
      nodes_[i].next = i + 1 < options.capacity ? i + 1 : kNone;
    restart_sweep(0);
  }

  /// Parks `payload` until earliest > t; any t, also one that has passed, but the last granule before Tai::max() never
  /// ends, and only `drain` gives back what waits there. False if full: the answer is `busy`.
  [[nodiscard]] bool push(Tai t, const Payload& payload) {
    if (free_ == kNone) return false;
    const std::uint32_t index = std::exchange(free_, nodes_[free_].next);
    nodes_[index].t = t;
    payloads_[index] = payload;
    ++size_;
    follow_clock();
    put(index);
    plan_next_poll();
    return true;
  }

  /// Releases what has t < `earliest`, looking at no more than `max_looks` entries; returns how many were released. The
  /// rest comes with the next polls. Order: those that were late when pushed, then by granule of t, and within a
  /// granule as pushed; only roughly so among entries a round or more apart, and after a clock that went back.
  template <typename Release>
  std::uint32_t poll(Tai earliest, std::uint32_t max_looks, Release&& release) {
    polled_ = earliest;
    if (idle_at(earliest)) return 0;
    return poll_busy(earliest, max_looks, release);
  }

  /// Whether a poll with this `earliest` would have nothing to do.
  [[nodiscard]] bool idle_at(Tai earliest) const { return earliest < poll_from_; }

  /// Gives back up to `max_looks` entries, due or not, in no promised order: the clock was lost, and each is answered
  /// with an error. Returns how many; fewer than `max_looks` means that none are left.
  template <typename Release>
  std::uint32_t drain(std::uint32_t max_looks, Release&& release) {
    std::uint32_t given = 0;
    for (; given < max_looks && size_ > 0; ++given) {
      if (in_hand_ == kNone) open(next_);
      give(take_from_hand(), release);
    }
    plan_next_poll();
    return given;
  }

  /// A lower bound of the smallest t, nothing if none waits: a poll whose `earliest` is not above it releases nothing.
  /// Tai::min() says that the wheel wants a poll now. Within a round of the clock it is the start of t's granule.
  [[nodiscard]] std::optional<Tai> next_due() const {
    if (size_ == 0) return std::nullopt;
    return in_hand_ == kNone ? start_of(next_) : Tai::min();
  }

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] bool full() const { return free_ == kNone; }
  [[nodiscard]] std::uint32_t size() const { return size_; }
  [[nodiscard]] Duration granule() const { return {std::int64_t{1} << granule_bits_}; }
  [[nodiscard]] Duration round() const { return granule() * (std::int64_t{mask_} + 1); }
  [[nodiscard]] const WaitWheelWork& work() const { return work_; }

 private:
  using Granule = std::uint64_t;  // counted from Tai::min(), so that order is kept and nothing is negative

  static constexpr std::uint32_t kNone = 0xffff'ffff;
  static constexpr Granule kNever = std::numeric_limits<Granule>::max();
  static constexpr std::uint64_t kSign = std::uint64_t{1} << 63;

  struct Node {
    Tai t;
    std::uint32_t next = kNone;  // in a ring, or in the list of the free
  };

  static WaitWheelOptions checked(const WaitWheelOptions& options) {
    if (options.capacity < 1 || options.capacity > std::uint32_t{1} << 30)
      throw std::invalid_argument("a wait wheel can't have this capacity; choose 1 to 2^30 entries");
    if (options.granule_bits < 4 || options.granule_bits > 40)
      throw std::invalid_argument("a wait wheel can't have this granule; choose 4 to 40 bits of nanoseconds");
    if (options.slot_bits < 1 || options.slot_bits > 24)
      throw std::invalid_argument("a wait wheel can't have this many slots; choose 1 to 24 bits");
    return options;
  }

  [[nodiscard]] Granule granule_of(Tai t) const { return (static_cast<std::uint64_t>(t.ns) ^ kSign) >> granule_bits_; }
  [[nodiscard]] Tai start_of(Granule g) const { return {static_cast<std::int64_t>((g << granule_bits_) ^ kSign)}; }
  [[nodiscard]] Granule slot_count() const { return Granule{mask_} + 1; }

  // A ring is known by its last node, whose next is the first: appending and taking in order need one index.
  void append(std::uint32_t& last, std::uint32_t index) {
    nodes_[index].next = last == kNone ? index : std::exchange(nodes_[last].next, index);
    last = index;
  }
  std::uint32_t take_from_hand() {
    ++work_.looks;
    const std::uint32_t first = nodes_[in_hand_].next;
    if (first == in_hand_)
      in_hand_ = kNone;
    else
      nodes_[in_hand_].next = nodes_[first].next;
    return first;
  }

  /// Apart from `poll`, so that the loop of a worker holds no more of this than the comparison.
  template <typename Release>
  [[gnu::noinline]] std::uint32_t poll_busy(Tai earliest, std::uint32_t max_looks, Release& release) {
    ++work_.polls;
    const Granule now = granule_of(earliest);
    std::uint32_t released = 0;
    for (std::uint32_t look = 0; look < max_looks; ++look) {
      if (in_hand_ == kNone && !open_due_slot(now)) break;
      const std::uint32_t index = take_from_hand();
      if (nodes_[index].t < earliest) {
        give(index, release);
        ++released;
      } else {
        put_again(index, now);
      }
    }
    plan_next_poll();
    return released;
  }

  template <typename Release>
  void give(std::uint32_t index, Release& release) {
    release(nodes_[index].t, std::as_const(payloads_[index]));
    nodes_[index].next = std::exchange(free_, index);
    --size_;
  }

  void put(std::uint32_t index) {
    const Granule g = granule_of(nodes_[index].t);
    if (g < cursor_) return append(in_hand_, index);
    const auto slot = static_cast<std::uint32_t>(g & mask_);
    append(slots_[slot], index);
    occupied_.insert(slot);
    least_put_ = std::min(least_put_, g);
    next_ = std::min(next_, cursor_ + ((g - cursor_) & mask_));
  }

  /// Not due. Either it is a round or more away, or the clock went back behind the cursor since: then so does the
  /// cursor.
  void put_again(std::uint32_t index, Granule now) {
    if (granule_of(nodes_[index].t) < cursor_) {
      restart_sweep(now);
      next_ = first_occupied();
    }
    put(index);
  }

  /// Lets the cursor pass the empty slots up to now, so that a round ahead of now is a round ahead of the cursor.
  void follow_clock() {
    const Granule now = granule_of(polled_);
    if (occupied_.empty())
      restart_sweep(now);
    else
      cursor_ = std::max(cursor_, std::min(now, next_));
  }

  /// Takes the next slot in hand if its whole granule is before now.
  bool open_due_slot(Granule now) {
    if (next_ < now && next_ >= sweep_end_) end_sweep(now);
    if (next_ >= now) return false;
    const Granule opened = next_;
    open(opened);
    cursor_ = opened + 1;
    return true;
  }
  void open(Granule g) {
    const auto slot = static_cast<std::uint32_t>(g & mask_);
    ++work_.slots;
    in_hand_ = std::exchange(slots_[slot], kNone);
    occupied_.erase(slot);
    next_ = first_occupied();
  }

  // A sweep is the cursor's way through one round. In its course each slot is opened, so whatever is in a slot at its
  // end was put there during it, and none is before the least of those. If the clock has jumped over many rounds, the
  // cursor leaps there instead of going round and round past the few that are still not due.
  void restart_sweep(Granule from) {
    cursor_ = from;
    sweep_end_ = from + slot_count();
    least_put_ = kNever;
  }
  void end_sweep(Granule now) {
    restart_sweep(std::max(sweep_end_, std::min(least_put_, now)));
    next_ = first_occupied();
  }

  /// The first granule from the cursor whose slot is occupied: a lower bound of all that are in slots.
  [[nodiscard]] Granule first_occupied() const {
    const auto from = static_cast<std::uint32_t>(cursor_ & mask_);
    const auto slot = occupied_.next(from);
    return slot ? cursor_ + ((*slot - from) & mask_) : kNever;
  }

  void plan_next_poll() {
    if (in_hand_ != kNone)
      poll_from_ = Tai::min();
    else
      poll_from_ = next_ >= granule_of(Tai::max()) ? Tai::max() : start_of(next_ + 1);
  }

  // What an idle poll touches comes first.
  Tai poll_from_ = Tai::max();     // before it a poll has nothing to do
  Tai polled_ = Tai::min();        // the last poll's earliest; a hint that costs or saves looks, nothing more
  std::uint32_t in_hand_ = kNone;  // ring: looked at by the next poll, each by itself
  std::uint32_t free_ = 0;         // list
  std::uint32_t size_ = 0;
  unsigned granule_bits_;
  std::uint32_t mask_;
  Granule cursor_ = 0;
  Granule next_ = kNever;  // first_occupied()
  Granule sweep_end_ = 0;
  Granule least_put_ = kNever;  // into a slot during this sweep
  WaitWheelWork work_;
  std::vector<Node> nodes_;  // apart from the payloads: an entry that is not due is put again without them
  std::vector<Payload> payloads_;
  std::vector<std::uint32_t> slots_;  // rings
  WaitWheelSlots occupied_;
};

}  // namespace gnomon::time
