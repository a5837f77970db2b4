// SPDX-License-Identifier: Apache-2.0
//
// Reads a store without changing it. Most commands are for looking while the daemons run, and a SQLite store is open in
// its daemon alone; so the daemon is asked over its status socket, and etcd itself only on request.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "cmd/gnomon/store_place.hpp"
#include "control/store.hpp"

namespace gnomon::cmd {

class StoreReader {
 public:
  StoreReader() = default;
  StoreReader(const StoreReader&) = delete;
  StoreReader& operator=(const StoreReader&) = delete;
  virtual ~StoreReader() = default;

  /// All entries under right/, session/, history/ or meta/, as of one revision.
  [[nodiscard]] virtual ReadOr<control::Listing> list(std::string_view prefix) = 0;
  /// Where this comes from: "gnomond on /run/gnomon/main.sock".
  [[nodiscard]] virtual std::string source() const = 0;
  /// store.url.
  [[nodiscard]] virtual std::string url() const = 0;
};

/// Asks the daemon whether it is there, or prepares to ask etcd.
[[nodiscard]] ReadOr<std::unique_ptr<StoreReader>> open_reader(const StorePlace& place);

}  // namespace gnomon::cmd
