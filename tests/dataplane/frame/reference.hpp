// SPDX-License-Identifier: Apache-2.0
//
// What a host that serves UDP on a few addresses has to make of a frame, by the RFCs and the order in which
// oracle/page/counters.hpp lists the drops. Slow, plain, and put together from the builders of
// tests/support/frames.hpp: nothing in it comes from dataplane/frame, so that a mistake has to be made twice to go
// unseen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dataplane/frame/station.hpp"
#include "oracle/page/counters.hpp"
#include "tests/support/frames.hpp"

namespace gnomon::frame::testing {

/// What becomes of a frame.
struct Verdict {
  page::Counter counter = page::Counter::kDropFrameLength;  // the one that has it
  support::Bytes reply;                                     // what the host answers by itself
  support::Bytes payload;                                   // of a datagram that is to be answered
  serve::Address source;                                    // of the same
};

/// `options` says who the host is. `capacity`: of the buffer that the answer has to fit in.
[[nodiscard]] Verdict verdict_of(const StationOptions& options, const support::Bytes& frame, const PortChecks& checks,
                                 std::size_t capacity);

enum class Reply : std::uint8_t {
  kInPlace,  // keeps the request's class of service and flow label
  kLater,    // to a request that had waited: knows only addresses, ports and the VLAN tag
};
/// The frame that carries `payload` back to whoever sent `request`, a frame whose counter is kDatagrams.
[[nodiscard]] support::Bytes reply_frame(const StationOptions& options, const support::Bytes& request,
                                         const support::Bytes& payload, Reply kind);

}  // namespace gnomon::frame::testing
