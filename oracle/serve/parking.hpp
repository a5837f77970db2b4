// SPDX-License-Identifier: Apache-2.0
//
// Requests that wait for the next unit of their layout. The textbook generator spins when a sequence is used up; a
// worker that spins serves nobody, so the request is put here and the loop goes on. The place is bounded: past the
// bound, or when the wait would be too long, the answer is `busy` with a retry time.
//
// One FIFO per layout and worker; memory is allocated once, at start. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "oracle/serve/source.hpp"
#include "oracle/time/instant.hpp"
#include "oracle/wire/auth.hpp"
#include "oracle/wire/message.hpp"

namespace gnomon::serve {

struct Parked {
  wire::Message request;
  ReturnPath path;
  time::Uptime give_up_at;
};

class ParkingFifo {
 public:
  explicit ParkingFifo(std::size_t limit) : slots_(limit) {}

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] bool full() const { return size_ == slots_.size(); }
  [[nodiscard]] std::size_t size() const { return size_; }
  /// IDs that all parked requests together ask for.
  [[nodiscard]] std::uint64_t wanted() const { return wanted_; }

  /// False if full.
  bool push(const wire::Message& request, const ReturnPath& path, time::Uptime give_up_at) {
    if (full()) return false;
    slots_[(head_ + size_) % slots_.size()] = {request, path, give_up_at};
    ++size_;
    wanted_ += request.count;
    return true;
  }
  /// Not when empty.
  [[nodiscard]] const Parked& front() const { return slots_[head_]; }
  void pop() {
    wanted_ -= front().request.count;
    head_ = (head_ + 1) % slots_.size();
    --size_;
  }

 private:
  std::vector<Parked> slots_;
  std::size_t head_ = 0;
  std::size_t size_ = 0;
  std::uint64_t wanted_ = 0;
};

}  // namespace gnomon::serve
