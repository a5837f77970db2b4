// SPDX-License-Identifier: Apache-2.0
//
// What a world has in place of an operating system: files that outlive processes, and random bits.
//
// Opening, sealing, healing and recovering a shared store are production code that reads and writes files and draws
// nonces through platform/. Run against the real one, a seed would leave files behind and never happen twice the same
// way. So the simulator links this in place of platform/durable_file.cpp, platform/random.cpp and
// control/writer_lock.cpp: what they ask for goes to the world whose turn it is on this thread, and there to the drive
// of the host whose folder it is in (drive.hpp). That a process dies before a replacement returns is up to the world.
//
// Who holds a lock is not simulated: the world knows where a daemon runs. Thread rule: each world on one thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "tests/sim/drive.hpp"
#include "tests/sim/random.hpp"

namespace gnomon::sim {

/// Of what a host keeps.
[[nodiscard]] inline std::string folder_of(std::uint32_t host) { return "/host" + std::to_string(host); }

class Disk {
 public:
  /// `faults`: for what befalls the drives, apart from the bits that the production code draws.
  Disk(Random random_bits, Random faults) : random(random_bits), faults_(faults) {}

  Random random;

  /// That with this folder; made when it is first asked for.
  [[nodiscard]] Drive& drive(const std::string& folder) {
    const auto at = drives_.find(folder);
    return at != drives_.end() ? at->second : drives_.emplace(folder, faults_.fork()).first->second;
  }
  [[nodiscard]] Drive& of_file(const std::string& path) { return drive(path.substr(0, path.rfind('/'))); }

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

 private:
  Random faults_;
  std::map<std::string, Drive> drives_;
};

}  // namespace gnomon::sim
