// SPDX-License-Identifier: Apache-2.0
//
// The steps of a story about leases, as bytes.
#pragma once

#include <cstdint>

#include "tests/fuzz/fuzzer.hpp"

namespace gnomon::fuzz {

constexpr std::size_t kMaxLeaseCallInput = 4096;

/// With bit 7: by another principal.
enum class Step : std::uint8_t {
  kOpenSession,
  kRenewSession,
  kCloseSession,
  kAcquire,
  kRelease,
  kGetLease,
  kListLeases,
  kValidateToken,
  kBreakLease,
  kWatchLeases,
  kPass,  // half a second goes by for each byte
  kPut,   // "KEY VALUE": somebody else writes that into the store
};

}  // namespace gnomon::fuzz
