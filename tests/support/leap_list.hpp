// SPDX-License-Identifier: Apache-2.0
//
// A list of leap seconds that has not expired, so that no second is in doubt. The machine's own may be old: then the
// system's clock is no source of the true time, and what a test shows would depend on when tzdata was last updated.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>

#include "oracle/time/leap_hash.hpp"

namespace gnomon::support {

/// For clock.leap_file. TAI - UTC is 37 s since 2017, and until 2048.
inline std::string lasting_leap_list() {
  constexpr const char* kUpdate = "3692217600";
  constexpr const char* kExpiry = "4670438400";
  std::string text = fmt::format("#$ {}\n#@ {}\n3692217600 37\n#h", kUpdate, kExpiry);
  for (const std::uint32_t word : time::leap_hash(fmt::format("{}{}369221760037", kUpdate, kExpiry)))
    text += fmt::format(" {:x}", word);
  return text + "\n";
}

}  // namespace gnomon::support
