// SPDX-License-Identifier: Apache-2.0
//
// The status service: answers `gnomon status` on a Unix socket. File modes of the socket are the access control; there
// is no TCP port.
//
// gRPC removes a socket file that is in its way without asking whether somebody listens there, so the caller holds the
// lock of the instance first. Thread rule: `report` is called on threads of gRPC, several at once.
#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include <tl/expected.hpp>

#include "control/service/status_report.hpp"

namespace gnomon::control {

class StatusServer {
 public:
  using Report = std::function<StatusReport()>;

  /// `socket_path` is replaced if it exists, and gets exactly `mode`. The error is a sentence.
  [[nodiscard]] static tl::expected<std::unique_ptr<StatusServer>, std::string> start(const std::string& socket_path,
                                                                                      mode_t mode, Report report);
  /// Waits up to a second for answers under way, and removes the socket.
  virtual ~StatusServer() = default;

  StatusServer(const StatusServer&) = delete;
  StatusServer& operator=(const StatusServer&) = delete;

 protected:
  StatusServer() = default;
};

}  // namespace gnomon::control
