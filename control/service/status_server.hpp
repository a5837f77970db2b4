// SPDX-License-Identifier: Apache-2.0
//
// The status service: answers `gnomon status` on a Unix socket, and reads out what the store holds, since a SQLite
// store is open in the daemon alone. File modes of the socket are the access control; there is no TCP port. Further
// services of the daemon may be its guests there.
//
// gRPC removes a socket file that is in its way without asking whether somebody listens there, so the caller holds the
// lock of the instance first. Thread rule: `report` and `read_store` are called on threads of gRPC, several at once.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "control/service/server_guest.hpp"
#include "control/service/status_report.hpp"
#include "control/store.hpp"

namespace gnomon::control {

class StatusServer {
 public:
  using Report = std::function<StatusReport()>;
  /// What the store holds under a prefix. May block, but not for longer than a few seconds: an operator waits. Asked
  /// for right/, session/, history/ and meta/ only; whatever else somebody wants is refused before.
  using ReadStore = std::function<tl::expected<Listing, StoreError>(std::string_view prefix)>;

  /// `socket_path` is replaced if it exists, and gets exactly `mode`. Without `read_store` nothing of the store is
  /// told. `guests` must outlive the server. The error is a sentence.
  [[nodiscard]] static tl::expected<std::unique_ptr<StatusServer>, std::string> start(
      const std::string& socket_path, mode_t mode, Report report, ReadStore read_store = {},
      std::vector<ServerGuest*> guests = {});
  /// Waits up to a second for answers under way, and removes the socket.
  virtual ~StatusServer() = default;

  StatusServer(const StatusServer&) = delete;
  StatusServer& operator=(const StatusServer&) = delete;

 protected:
  StatusServer() = default;
};

}  // namespace gnomon::control
