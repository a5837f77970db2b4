// SPDX-License-Identifier: Apache-2.0
#include "client/lease/lease_fault.hpp"

#include <algorithm>
#include <utility>

namespace gnomon::client {
namespace {

LeaseErrorKind kind_of(v1::RefusalReason reason) {
  switch (reason) {
    case v1::HELD: return LeaseErrorKind::kHeld;
    case v1::QUEUED: return LeaseErrorKind::kQueued;
    case v1::NOT_HELD: return LeaseErrorKind::kNotHeld;
    case v1::NO_SESSION:
    case v1::SESSION_OVER: return LeaseErrorKind::kSessionLost;
    case v1::QUARANTINED: return LeaseErrorKind::kQuarantined;
    case v1::TOO_MANY: return LeaseErrorKind::kTooMany;
    case v1::RECOVERING: return LeaseErrorKind::kRecovering;
    case v1::FOREIGN_SESSION: return LeaseErrorKind::kForbidden;
    case v1::BAD_NAME:
    case v1::BAD_TTL:
    case v1::BAD_METADATA:
    case v1::BAD_LOCK_DELAY:
    case v1::BAD_LABEL: return LeaseErrorKind::kBadArgument;
    case v1::CLOCK_UNSYNCHRONISED:
    case v1::NOT_A_MEMBER: return LeaseErrorKind::kUnsynchronised;
    default: return LeaseErrorKind::kServer;  // UNREADABLE, and what later servers say
  }
}

LeaseErrorKind kind_of(const grpc::Status& status, bool connected) {
  switch (status.error_code()) {
    case grpc::StatusCode::UNAVAILABLE: return LeaseErrorKind::kUnreachable;
    case grpc::StatusCode::CANCELLED: return LeaseErrorKind::kTimeout;
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return connected ? LeaseErrorKind::kTimeout : LeaseErrorKind::kUnreachable;
    case grpc::StatusCode::RESOURCE_EXHAUSTED: return LeaseErrorKind::kOverloaded;
    case grpc::StatusCode::UNAUTHENTICATED:
    case grpc::StatusCode::PERMISSION_DENIED: return LeaseErrorKind::kForbidden;
    case grpc::StatusCode::INVALID_ARGUMENT:
    case grpc::StatusCode::OUT_OF_RANGE: return LeaseErrorKind::kBadArgument;
    default: return LeaseErrorKind::kServer;
  }
}

std::string_view remedy(LeaseErrorKind kind) {
  switch (kind) {
    case LeaseErrorKind::kUnreachable: return "; check that gnomond runs there and serves leases";
    case LeaseErrorKind::kTimeout: return "; the outcome is not known, and the same call may be made again";
    case LeaseErrorKind::kForbidden: return "; check the client's certificate and what the server lets it do";
    case LeaseErrorKind::kOverloaded: return "; ask less often, or add servers";
    default: return "";
  }
}

}  // namespace

std::string_view text_of(LeaseErrorKind kind) {
  switch (kind) {
    case LeaseErrorKind::kHeld: return "held";
    case LeaseErrorKind::kQueued: return "queued";
    case LeaseErrorKind::kNotHeld: return "not_held";
    case LeaseErrorKind::kSessionLost: return "session_lost";
    case LeaseErrorKind::kQuarantined: return "quarantined";
    case LeaseErrorKind::kTooMany: return "too_many";
    case LeaseErrorKind::kRecovering: return "recovering";
    case LeaseErrorKind::kForbidden: return "forbidden";
    case LeaseErrorKind::kBadArgument: return "bad_argument";
    case LeaseErrorKind::kUnreachable: return "unreachable";
    case LeaseErrorKind::kTimeout: return "timeout";
    case LeaseErrorKind::kUnsynchronised: return "unsynchronised";
    case LeaseErrorKind::kOverloaded: return "overloaded";
    case LeaseErrorKind::kServer: return "server";
    case LeaseErrorKind::kClosed: return "closed";
  }
  return "unknown kind of error";
}

std::string_view text_of(LeaseStatus status) {
  switch (status) {
    case LeaseStatus::kFree: return "free";
    case LeaseStatus::kHeld: return "held";
    case LeaseStatus::kExpiring: return "expiring";
    case LeaseStatus::kExpired: return "expired";
    case LeaseStatus::kQuarantined: return "quarantined";
    case LeaseStatus::kUnreadable: return "unreadable";
  }
  return "unknown status";
}

std::string_view text_of(TokenVerdict verdict) {
  switch (verdict) {
    case TokenVerdict::kCurrent: return "current";
    case TokenVerdict::kDoubtful: return "doubtful";
    case TokenVerdict::kStale: return "stale";
    case TokenVerdict::kUnknown: return "unknown";
  }
  return "unknown verdict";
}

LeaseFault fault_of(const v1::Refused& refused) {
  LeaseFault fault;
  fault.error.kind = kind_of(refused.reason());
  fault.error.text = refused.text();
  if (fault.error.text.empty())
    fault.error.text = "the server refused (" + v1::RefusalReason_Name(refused.reason()) + ") and did not say more";
  fault.error.retry_after = {std::max<std::int64_t>(refused.retry_after_ns(), 0)};
  fault.error.holder = refused.holder();
  fault.error.token = refused.token();
  fault.elsewhere = refused.reason() == v1::CLOCK_UNSYNCHRONISED || refused.reason() == v1::NOT_A_MEMBER;
  return fault;
}

LeaseFault fault_of(const grpc::Status& status, const std::string& server, const std::string& what, bool connected) {
  LeaseFault fault;
  fault.error.kind = kind_of(status, connected);
  fault.error.text = what + ": ";
  if (status.error_code() == grpc::StatusCode::UNIMPLEMENTED)
    fault.error.text += "gnomond at " + server + " serves no leases: it is older than this client, or it is off there";
  else if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED)
    fault.error.text += server + " did not answer in time";
  else
    fault.error.text += server + ": " + status.error_message();
  fault.error.text += remedy(fault.error.kind);
  switch (fault.error.kind) {
    case LeaseErrorKind::kForbidden:
    case LeaseErrorKind::kBadArgument: return fault;
    case LeaseErrorKind::kOverloaded: fault.elsewhere = true; return fault;
    default: break;
  }
  // A connection that broke says nothing about the request that was on it.
  fault.unknown = status.error_code() != grpc::StatusCode::UNIMPLEMENTED;
  fault.elsewhere = true;
  return fault;
}

bool may_pass(LeaseErrorKind kind) {
  switch (kind) {
    case LeaseErrorKind::kRecovering:
    case LeaseErrorKind::kUnreachable:
    case LeaseErrorKind::kTimeout:
    case LeaseErrorKind::kUnsynchronised:
    case LeaseErrorKind::kOverloaded:
    case LeaseErrorKind::kServer: return true;
    default: return false;
  }
}

bool ends_session(const v1::Refused& refused) {
  return refused.reason() == v1::NO_SESSION || refused.reason() == v1::SESSION_OVER;
}

LeaseError lease_error(LeaseErrorKind kind, std::string text, time::Duration retry_after) {
  return {kind, std::move(text), retry_after, {}, 0};
}

LeaseError closed_error() {
  return lease_error(LeaseErrorKind::kClosed,
                     "this object was closed, or this is a forked child, which holds nothing of its parent's; make a "
                     "new client here");
}

}  // namespace gnomon::client
