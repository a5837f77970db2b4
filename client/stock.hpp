// SPDX-License-Identifier: Apache-2.0
//
// The mind of an ID stream: what is in stock, when to order more, and how much. Pure; time comes with each call.
//
// Orders follow the demand: an order that came too late (somebody had to wait) doubles the next one, an order of which
// a part grew too old halves it. One order is out at a time, which keeps the IDs in the order of their granting.
//
// Thread rule: one thread at a time (the stream's lock).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "client/error.hpp"
#include "client/id_range.hpp"
#include "client/id_stream.hpp"

namespace gnomon::client {

class Stock {
 public:
  /// After a failed order nothing is ordered ahead of need for that long; who finds the stock empty orders at once.
  static constexpr time::Duration kPauseAfterFailure = time::milliseconds(50);

  explicit Stock(const StreamOptions& options) : options_(options), batch_(options.min_batch) {}

  /// The next ID, unless there is none that is young enough.
  [[nodiscard]] std::optional<id::Id> take(time::Uptime now) {
    while (!lots_.empty() && now - lots_.front().arrived > options_.max_age)
      drop_front();
    if (lots_.empty()) return std::nullopt;
    Lot& lot = lots_.front();
    const id::Id id = lot.range.at(lot.used);
    --left_;
    ++stats_.ids;
    if (++lot.used == lot.range.count) lots_.pop_front();
    return id;
  }

  /// Whether more is to be ordered now, ahead of need.
  [[nodiscard]] bool is_low(time::Uptime now) const { return !ordered_ && left_ <= batch_ / 2 && now >= pause_until_; }
  [[nodiscard]] bool ordered() const { return ordered_; }

  /// An order goes out: for how many.
  [[nodiscard]] std::uint32_t order() {
    ordered_ = true;
    ++orders_;
    if (too_old_)  // weighs more: a stock that ran empty because it was thrown away was not too small
      batch_ = std::max(options_.min_batch, batch_ / 2);
    else if (too_late_)
      batch_ = batch_ > options_.max_batch / 2 ? options_.max_batch : batch_ * 2;
    too_late_ = false;
    too_old_ = false;
    return batch_;
  }
  /// The number of the order that is out, or of the last one.
  [[nodiscard]] std::uint64_t orders() const { return orders_; }

  void arrived(time::Uptime now, const IdRange& range) {
    lots_.push_back({range, now});
    left_ += range.count;
  }
  void complete() {
    ordered_ = false;
    ++stats_.refills;
    error_.reset();
  }
  void failed(time::Uptime now, Error error) {
    ordered_ = false;
    ++stats_.failed_refills;
    pause_until_ = now + kPauseAfterFailure;
    error_ = std::move(error);
  }
  /// Why the last order failed; nothing if it did not.
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }

  /// Somebody has to wait for the order that is out.
  void waited() {
    ++stats_.waits;
    too_late_ = stats_.ids > 0;  // the very first wait says nothing about the demand
  }

  [[nodiscard]] std::uint64_t left() const { return left_; }
  [[nodiscard]] StreamStats stats() const {
    StreamStats stats = stats_;
    stats.batch = batch_;
    return stats;
  }

 private:
  struct Lot {
    IdRange range;
    time::Uptime arrived;
    std::uint32_t used = 0;
  };

  void drop_front() {
    const std::uint32_t count = lots_.front().range.count - lots_.front().used;
    left_ -= count;
    stats_.dropped_too_old += count;
    too_old_ = true;
    lots_.pop_front();
  }

  StreamOptions options_;
  std::deque<Lot> lots_;  // in the order of arrival; bounded by one and a half of the largest batch
  std::uint64_t left_ = 0;
  std::uint32_t batch_;
  bool ordered_ = false;
  bool too_late_ = false;
  bool too_old_ = false;
  std::uint64_t orders_ = 0;
  time::Uptime pause_until_ = time::Uptime::min();
  std::optional<Error> error_;
  StreamStats stats_;
};

}  // namespace gnomon::client
