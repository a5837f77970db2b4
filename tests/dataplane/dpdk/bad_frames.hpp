// SPDX-License-Identifier: Apache-2.0
//
// What arrives at a port besides right requests: every way in which a frame can be wrong, or right and none of our
// business, and what it has to be counted as.
#pragma once

#include <string>
#include <vector>

#include "oracle/page/counters.hpp"
#include "tests/dataplane/dpdk/asker.hpp"
#include "tests/support/frames.hpp"

namespace gnomon::test {

struct Kind {
  std::string name;
  page::Counter counted;  // once for each of the frames
  std::vector<support::Bytes> frames;
  bool answered = false;   // by ARP, NDP or echo
  std::size_t pieces = 1;  // buffers that such a frame lies in
};

/// Both askers speak to the same port, whose served VLANs are 0 and `vlan`.
[[nodiscard]] std::vector<Kind> bad_frames(const Asker& v4, const Asker& v6, std::uint16_t vlan);

}  // namespace gnomon::test
