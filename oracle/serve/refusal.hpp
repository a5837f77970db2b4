// SPDX-License-Identifier: Apache-2.0
//
// How a request is refused: the reply carries a status, sometimes a retry time or a maximum in `count`, and no value.
// Written here once, so that no operation leaves half of an answer, or the client's own argument, in a reply that says
// there is none. Each refusal is counted where it is written.
#pragma once

#include <cstdint>
#include <limits>

#include "oracle/page/counters.hpp"
#include "oracle/time/instant.hpp"
#include "oracle/wire/message.hpp"

namespace gnomon::serve {

/// For a reply's `count`: in microseconds, at least 1, saturating. Rounded up: who retries then finds it done.
[[nodiscard]] constexpr std::uint32_t to_retry_us(time::Duration d) {
  constexpr std::uint32_t kMaxRetryUs = std::numeric_limits<std::uint32_t>::max();
  const std::int64_t us = d.ns <= 0 ? 1 : (d.ns - 1) / 1000 + 1;
  return us >= kMaxRetryUs ? kMaxRetryUs : static_cast<std::uint32_t>(us);
}

/// Makes a refusal of the request `message`; its flags are left to the caller.
inline void refuse(wire::MessageRef message, wire::Status status, page::Counters& counters, page::Counter counter,
                   std::uint32_t count = 0) {
  message.set_status(status);
  message.set_a(0);
  message.set_count(count);
  counters.add(counter);
}

}  // namespace gnomon::serve
