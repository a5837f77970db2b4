// SPDX-License-Identifier: Apache-2.0
//
// What a world has in place of an operating system: files that outlive processes, and random bits.
//
// Opening, sealing, healing and recovering a shared store are production code that reads and writes files and draws
// nonces through platform/. Run against the real one, a seed would leave files behind and never happen twice the same
// way. So the simulator links this in place of platform/durable_file.cpp, platform/random.cpp and
// control/writer_lock.cpp: what they ask for goes to the world whose turn it is on this thread. A replacement is
// durable the moment it returns, as theirs is; that a process dies before it does is up to the world.
//
// Who holds a lock is not simulated: the world knows where a daemon runs. Thread rule: each world on one thread.
#pragma once

#include <map>
#include <string>

#include "tests/sim/random.hpp"

namespace gnomon::sim {

class Disk {
 public:
  explicit Disk(Random random_bits) : random(random_bits) {}

  std::map<std::string, std::string> files;
  Random random;

  /// While it lives, the production code on this thread finds this disk.
  class Turn {
   public:
    explicit Turn(Disk& disk);
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn();

   private:
    Disk* before_;
  };
};

}  // namespace gnomon::sim
