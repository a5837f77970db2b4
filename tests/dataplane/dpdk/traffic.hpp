// SPDX-License-Identifier: Apache-2.0
//
// Everything that a worker meets, mixed: requests of both families with and without a VLAN tag, one and many to a
// datagram, some that have to wait; and frames of every other kind (bad_frames.hpp).
#pragma once

#include <array>
#include <cstdint>
#include <random>
#include <vector>

#include "tests/dataplane/dpdk/wire.hpp"
#include "tests/support/frames.hpp"

namespace gnomon::test {

class Traffic {
 public:
  /// Through queue 0. Fit for any port that serves all VLANs.
  explicit Traffic(Wire& wire);

  /// Sends and takes in until `n` more messages were answered with status ok, or nothing comes for kPatience. Counts
  /// what came, from the frames themselves.
  void run(std::uint64_t n);
  [[nodiscard]] std::uint64_t served() const { return served_; }

 private:
  bool send_one();
  void take_all();

  Wire& wire_;
  std::mt19937_64 random_{20'240'612};
  std::vector<support::Bytes> requests_;
  std::vector<support::Bytes> others_;
  std::array<rte_mbuf*, 64> taken_{};
  std::uint64_t served_ = 0;
};

}  // namespace gnomon::test
