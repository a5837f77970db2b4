// SPDX-License-Identifier: Apache-2.0
#include "ptp/processes.hpp"

#include <fstream>
#include <string>
#include <system_error>

namespace gnomon::ptp {
namespace {

std::string comm_of(const std::filesystem::path& process) {
  std::ifstream file(process / "comm");
  std::string comm;
  std::getline(file, comm);
  return comm;
}

}  // namespace

bool process_runs(std::string_view name, const std::filesystem::path& proc) {
  // Who sees the kernel's own threads sees the whole host. A container has a process 1, and none of them.
  if (comm_of(proc / "2") != "kthreadd") return true;
  std::error_code failed;
  for (std::filesystem::directory_iterator at(proc, failed), end; !failed && at != end; at.increment(failed)) {
    const std::string pid = at->path().filename();
    if (pid.empty() || pid.front() < '0' || pid.front() > '9') continue;
    if (comm_of(at->path()) == name) return true;
  }
  return false;
}

}  // namespace gnomon::ptp
