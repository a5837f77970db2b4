// SPDX-License-Identifier: Apache-2.0
//
// What became of one attempt at a lease command, and what follows from it: a refusal is an answer, but two kinds of
// refusal are only this server's; a status that is not OK is none, and mostly leaves open whether the command happened.
// Thread rule: values.
#pragma once

#include <grpcpp/support/status.h>

#include <string>

#include "client/lease/lease_client.hpp"
#include "gnomon/v1/lease.pb.h"

namespace gnomon::client {

struct LeaseFault {
  LeaseError error;
  bool elsewhere = false;  // another server, or the same one later, may do better
  bool unknown = false;    // the command may have happened, or may still happen
};

[[nodiscard]] LeaseFault fault_of(const v1::Refused& refused);
/// `what`: "acquiring database:1". `connected`: whether the server was there, so that the request may have left.
[[nodiscard]] LeaseFault fault_of(const grpc::Status& status, const std::string& server, const std::string& what,
                                  bool connected);

/// The same question may get an answer later, or elsewhere.
[[nodiscard]] bool may_pass(LeaseErrorKind kind);

/// The session is over by the server's word.
[[nodiscard]] bool ends_session(const v1::Refused& refused);

[[nodiscard]] LeaseError lease_error(LeaseErrorKind kind, std::string text, time::Duration retry_after = {});
[[nodiscard]] LeaseError closed_error();

}  // namespace gnomon::client
