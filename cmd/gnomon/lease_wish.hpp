// SPDX-License-Identifier: Apache-2.0
//
// What an acquisition asks for, once its texts were read.
#pragma once

#include <string>

#include <tl/expected.hpp>

#include "cmd/gnomon/lease.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::cmd {

struct CheckedWish {
  std::string name;
  time::Duration ttl;
  time::Duration wait_for;  // zero: an answer at once; kForever: a year
  time::Duration lock_delay;
  std::string metadata;
};
/// The error is a sentence. Names and bounds are the server's to judge.
[[nodiscard]] tl::expected<CheckedWish, std::string> check_wish(const LeaseWish& wish);

}  // namespace gnomon::cmd
