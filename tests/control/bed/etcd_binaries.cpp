// SPDX-License-Identifier: Apache-2.0
#include "tests/control/bed/etcd_binaries.hpp"

#include <chrono>
#include <filesystem>

#include "tests/support/child_process.hpp"
#include "tests/support/daemon.hpp"

namespace gnomon::bed {
namespace {

constexpr std::chrono::seconds kFetchLimit{600};
constexpr const char* kVersions[] = {"3.4", "3.5"};

std::filesystem::path folder() { return std::filesystem::absolute(support::built("etcd")); }

// Empty if at least one version is there.
std::string fetch() {
  const std::string python = support::find_program("python3");
  if (python.empty()) return "python3, which fetches etcd, is not installed";
  const support::Output output = support::run_program(
      {python, support::built("tests/control/bed/fetch_etcd.py"), folder().string()}, {}, kFetchLimit);
  return output.exit.code == 0 ? std::string() : output.text;
}

const std::string& missing() {
  static const std::string kMissing = fetch();
  return kMissing;
}

}  // namespace

std::optional<EtcdBinary> etcd_binary(const std::string& version, std::string* why) {
  const std::filesystem::path place = folder() / version;
  const bool here =
      missing().empty() && std::filesystem::exists(place / "etcd") && std::filesystem::exists(place / "etcdctl");
  if (here) return EtcdBinary{version, (place / "etcd").string(), (place / "etcdctl").string()};
  if (why != nullptr)
    *why =
        "etcd " + version + " is not here: " + (missing().empty() ? support::slurp(place / "absent.txt") : missing());
  return std::nullopt;
}

std::vector<EtcdBinary> etcd_binaries() {
  std::vector<EtcdBinary> found;
  for (const char* version : kVersions)
    if (auto binary = etcd_binary(version)) found.push_back(std::move(*binary));
  return found;
}

}  // namespace gnomon::bed
