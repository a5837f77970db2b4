// SPDX-License-Identifier: Apache-2.0
//
// Between the messages of lease.proto and the desk's calls and replies. What can't be a command at all (a session id of
// another size, a negative time) is refused here, with a sentence; what a rule forbids the desk answers.
//
// Inside control/service only: this header brings in protobuf and gRPC. Thread rule: none.
#pragma once

#include <grpcpp/support/status.h>

#include <string>

#include <tl/expected.hpp>

#include "control/lease/lease_desk.hpp"
#include "gnomon/v1/lease.pb.h"

namespace gnomon::control {

/// A call without id, principal and deadline. The error is a sentence.
using LeaseCallRead = tl::expected<Call, std::string>;

[[nodiscard]] LeaseCallRead read(const v1::OpenSessionRequest& from);
[[nodiscard]] LeaseCallRead read(const v1::RenewSessionRequest& from);
[[nodiscard]] LeaseCallRead read(const v1::CloseSessionRequest& from);
[[nodiscard]] LeaseCallRead read(const v1::AcquireRequest& from);
[[nodiscard]] LeaseCallRead read(const v1::ReleaseRequest& from);
[[nodiscard]] LeaseCallRead read(const v1::GetLeaseRequest& from);
[[nodiscard]] LeaseCallRead read(const v1::ListLeasesRequest& from);
[[nodiscard]] LeaseCallRead read(const v1::ValidateTokenRequest& from);
[[nodiscard]] LeaseCallRead read(const v1::BreakLeaseRequest& from);
/// The prefix of a watch.
[[nodiscard]] tl::expected<std::string, std::string> read(const v1::WatchLeasesRequest& from);

/// What the caller is told: `to` is filled in if it is OK.
[[nodiscard]] grpc::Status write(const Reply& from, v1::SessionResponse& to);
[[nodiscard]] grpc::Status write(const Reply& from, v1::CloseSessionResponse& to);
[[nodiscard]] grpc::Status write(const Reply& from, v1::AcquireResponse& to);
[[nodiscard]] grpc::Status write(const Reply& from, v1::ReleaseResponse& to);
[[nodiscard]] grpc::Status write(const Reply& from, v1::GetLeaseResponse& to);
[[nodiscard]] grpc::Status write(const Reply& from, v1::ListLeasesResponse& to);
[[nodiscard]] grpc::Status write(const Reply& from, v1::ValidateTokenResponse& to);
[[nodiscard]] grpc::Status write(const Reply& from, v1::BreakLeaseResponse& to);

void write(const lease::LeaseView& from, v1::Lease& to);

/// The status of a fault that is no answer.
[[nodiscard]] grpc::Status status_of(const DeskError& error);

}  // namespace gnomon::control
