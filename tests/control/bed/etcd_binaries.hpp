// SPDX-License-Identifier: Apache-2.0
//
// The etcd programs that tests run: Debian's, fetched once per build folder by fetch_etcd.py and never installed.
//
// A version may be absent: another release's server can't be had offline, and its programs may want a newer C library.
// That is no failure, but it must be seen, so a test asks for its version and skips with the words it gets.
// Thread rule: any thread; the first call may take minutes.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace gnomon::bed {

struct EtcdBinary {
  std::string version;  // "3.4" or "3.5"
  std::string etcd;     // paths of the programs
  std::string etcdctl;
};

/// Those that are here, the oldest first.
[[nodiscard]] std::vector<EtcdBinary> etcd_binaries();

/// One of them; if it is absent, `why` says why.
[[nodiscard]] std::optional<EtcdBinary> etcd_binary(const std::string& version, std::string* why = nullptr);

}  // namespace gnomon::bed
