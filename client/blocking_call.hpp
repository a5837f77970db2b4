// SPDX-License-Identifier: Apache-2.0
//
// A call whose caller waits for its end.
#pragma once

#include <utility>
#include <vector>

#include "client/client_state.hpp"
#include "client/io_thread.hpp"
#include "client/waiter.hpp"

namespace gnomon::client {

/// Lives on the caller's stack.
class BlockingCall : public PendingCall {
 public:
  void take(Outcome outcome) override {
    if (outcome.range.count > 0 && ranges != nullptr) ranges->push_back(outcome.range);
    if (!outcome.last) return;
    result = std::move(outcome);
    done_.signal();
  }
  void wait() { done_.wait(); }

  std::vector<IdRange>* ranges = nullptr;
  Outcome result;

 private:
  Waiter done_;
};

/// Refused on the I/O thread itself, which would have to answer.
[[nodiscard]] inline Result<Outcome> wait_for(ClientState& state, BlockingCall& call) {
  const auto io = state.io_for_waiting();
  if (!io) return tl::make_unexpected(io.error());
  if (const auto accepted = (*io)->submit(call); !accepted) return tl::make_unexpected(accepted.error());
  call.wait();
  if (call.result.error) return tl::make_unexpected(std::move(*call.result.error));
  return std::move(call.result);
}

}  // namespace gnomon::client
