// SPDX-License-Identifier: Apache-2.0
#include "ptp/processes.hpp"

#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>

namespace gnomon::ptp {

bool process_runs(std::string_view name) {
  if (!std::ifstream("/proc/1/comm")) return true;
  std::error_code failed;
  for (std::filesystem::directory_iterator at("/proc", failed), end; !failed && at != end; at.increment(failed)) {
    const std::string pid = at->path().filename();
    if (pid.empty() || pid.front() < '0' || pid.front() > '9') continue;
    std::ifstream file(at->path() / "comm");
    std::string comm;
    if (std::getline(file, comm) && comm == name) return true;
  }
  return false;
}

}  // namespace gnomon::ptp
