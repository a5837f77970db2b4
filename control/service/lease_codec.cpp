// SPDX-License-Identifier: Apache-2.0
#include "control/service/lease_codec.hpp"

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>

#include "oracle/lease/named_lease.hpp"

namespace gnomon::control {
namespace {

grpc::Status unexpected_answer() {
  return {grpc::StatusCode::INTERNAL, "the daemon has no words for what it has to answer; report this"};
}

v1::RefusalReason reason_of(lease::Refusal why) {
  using lease::Refusal;
  switch (why) {
    case Refusal::kNoSession: return v1::NO_SESSION;
    case Refusal::kSessionOver: return v1::SESSION_OVER;
    case Refusal::kForeignSession: return v1::FOREIGN_SESSION;
    case Refusal::kHeld: return v1::HELD;
    case Refusal::kQueued: return v1::QUEUED;
    case Refusal::kNotHeld: return v1::NOT_HELD;
    case Refusal::kQuarantined: return v1::QUARANTINED;
    case Refusal::kBadName: return v1::BAD_NAME;
    case Refusal::kBadTtl: return v1::BAD_TTL;
    case Refusal::kBadMetadata: return v1::BAD_METADATA;
    case Refusal::kBadLockDelay: return v1::BAD_LOCK_DELAY;
    case Refusal::kBadLabel: return v1::BAD_LABEL;
    case Refusal::kUnreadable: return v1::UNREADABLE;
  }
  return v1::REFUSAL_REASON_UNSPECIFIED;
}

/// Nothing: it is no refusal, but a failure of the call.
std::optional<v1::RefusalReason> reason_of(DeskFault fault) {
  switch (fault) {
    case DeskFault::kClockUnsynchronised: return v1::CLOCK_UNSYNCHRONISED;
    case DeskFault::kNotAMember: return v1::NOT_A_MEMBER;
    case DeskFault::kRecovering: return v1::RECOVERING;
    case DeskFault::kTooMany: return v1::TOO_MANY;
    case DeskFault::kOverloaded:
    case DeskFault::kStoreUnavailable:
    case DeskFault::kStoreFailed:
    case DeskFault::kTimeout: return std::nullopt;
  }
  return std::nullopt;
}

v1::LeaseState state_of(lease::LeaseState state) {
  using lease::LeaseState;
  switch (state) {
    case LeaseState::kFree: return v1::LEASE_FREE;
    case LeaseState::kHeld: return v1::LEASE_HELD;
    case LeaseState::kExpiring: return v1::LEASE_EXPIRING;
    case LeaseState::kExpired: return v1::LEASE_EXPIRED;
    case LeaseState::kQuarantined: return v1::LEASE_QUARANTINED;
    case LeaseState::kUnreadable: return v1::LEASE_UNREADABLE;
  }
  return v1::LEASE_STATE_UNSPECIFIED;
}

v1::TokenStanding standing_of(lease::TokenStanding standing) {
  using lease::TokenStanding;
  switch (standing) {
    case TokenStanding::kCurrent: return v1::TOKEN_CURRENT;
    case TokenStanding::kDoubtful: return v1::TOKEN_DOUBTFUL;
    case TokenStanding::kStale: return v1::TOKEN_STALE;
    case TokenStanding::kUnknown: return v1::TOKEN_UNKNOWN;
  }
  return v1::TOKEN_STANDING_UNSPECIFIED;
}

std::string bytes_of(const lease::SessionId& session) { return {session.begin(), session.end()}; }

/// Collects what is wrong with a request; the first thing counts.
class Reader {
 public:
  void session(const std::string& bytes) {
    if (bytes.size() != call_.session.size())
      return refuse("session", "has " + std::to_string(bytes.size()) + " bytes; it must have 16, chosen at random");
    std::transform(bytes.begin(), bytes.end(), call_.session.begin(),
                   [](char byte) { return static_cast<std::uint8_t>(byte); });
  }
  std::string text(const char* field, const std::string& value, std::size_t most) {
    if (value.size() > most)
      refuse(field, "has " + std::to_string(value.size()) + " bytes; it may have " + std::to_string(most));
    return value;
  }
  std::string name(const std::string& value) { return text("name", value, lease::kMaxName); }
  time::Duration duration(const char* field, std::int64_t ns) {
    if (ns < 0) refuse(field, "is negative; it is a length of time in nanoseconds");
    return {ns};
  }
  void refuse(const char* field, const std::string& why) {
    if (fault_.empty()) fault_ = std::string(field) + " " + why;
  }
  LeaseCallRead call(Command command) {
    if (!fault_.empty()) return tl::make_unexpected(fault_);
    call_.command = std::move(command);
    return std::move(call_);
  }

 private:
  Call call_{};
  std::string fault_;
};

void write(const lease::answer::Refused& from, v1::Refused& to) {
  to.set_reason(reason_of(from.why));
  to.set_text(from.text);
  to.set_retry_after_ns(from.retry_after.ns);
  to.set_holder(from.holder);
  to.set_token(from.token.value);
}

/// The answer to a command; else it was written to `refused`, or is the status.
template <typename T, typename Response>
const T* answer_in(const Reply& reply, Response& to, grpc::Status& status) {
  if (!reply) {
    const auto reason = reason_of(reply.error().fault);
    if (!reason) {
      status = status_of(reply.error());
      return nullptr;
    }
    to.mutable_refused()->set_reason(*reason);
    to.mutable_refused()->set_text(reply.error().text);
    to.mutable_refused()->set_retry_after_ns(reply.error().retry_after.ns);
    return nullptr;
  }
  if (const auto* const value = std::get_if<T>(&*reply)) return value;
  if (const auto* const answered = std::get_if<Answered>(&*reply))
    if (const auto* const refused = std::get_if<lease::answer::Refused>(&answered->answer)) {
      write(*refused, *to.mutable_refused());
      return nullptr;
    }
  status = unexpected_answer();
  return nullptr;
}

/// Calls `tell` with the Answered, unless it is a refusal or a failure. `tell` says whether it knows such an answer.
template <typename Response, typename Tell>
grpc::Status write_answer(const Reply& reply, Response& to, const Tell& tell) {
  grpc::Status status;
  const auto* const answered = answer_in<Answered>(reply, to, status);
  if (answered == nullptr) return status;
  if (const auto* const refused = std::get_if<lease::answer::Refused>(&answered->answer)) {
    write(*refused, *to.mutable_refused());
    return status;
  }
  return tell(*answered) ? status : unexpected_answer();
}

}  // namespace

grpc::Status status_of(const DeskError& error) {
  switch (error.fault) {
    case DeskFault::kTimeout: return {grpc::StatusCode::DEADLINE_EXCEEDED, error.text};
    case DeskFault::kOverloaded: return {grpc::StatusCode::RESOURCE_EXHAUSTED, error.text};
    default: return {grpc::StatusCode::UNAVAILABLE, error.text};
  }
}

LeaseCallRead read(const v1::OpenSessionRequest& from) {
  Reader reader;
  reader.session(from.session());
  const time::Duration ttl = reader.duration("ttl_ns", from.ttl_ns());
  return reader.call(command::OpenSession{ttl, from.label()});
}
LeaseCallRead read(const v1::RenewSessionRequest& from) {
  Reader reader;
  reader.session(from.session());
  return reader.call(command::RenewSession{reader.duration("ttl_ns", from.ttl_ns())});
}
LeaseCallRead read(const v1::CloseSessionRequest& from) {
  Reader reader;
  reader.session(from.session());
  return reader.call(command::CloseSession{});
}
LeaseCallRead read(const v1::AcquireRequest& from) {
  Reader reader;
  reader.session(from.session());
  command::Acquire acquire;
  acquire.acquire.name = reader.name(from.name());
  acquire.acquire.lock_delay = reader.duration("lock_delay_ns", from.lock_delay_ns());
  acquire.acquire.metadata = from.metadata();
  acquire.wait_for = reader.duration("wait_ns", from.wait_ns());
  acquire.acquire.wait = acquire.wait_for.ns > 0;
  return reader.call(std::move(acquire));
}
LeaseCallRead read(const v1::ReleaseRequest& from) {
  Reader reader;
  reader.session(from.session());
  return reader.call(command::Release{reader.name(from.name()), {from.token()}});
}
LeaseCallRead read(const v1::GetLeaseRequest& from) {
  Reader reader;
  return reader.call(command::Get{reader.name(from.name())});
}
LeaseCallRead read(const v1::ListLeasesRequest& from) {
  Reader reader;
  std::string prefix = reader.text("prefix", from.prefix(), lease::kMaxName);
  std::string after = reader.text("after", from.after(), lease::kMaxName);
  return reader.call(command::List{std::move(prefix), std::move(after), from.limit()});
}
LeaseCallRead read(const v1::ValidateTokenRequest& from) {
  Reader reader;
  return reader.call(command::Validate{reader.name(from.name()), {from.token()}});
}
LeaseCallRead read(const v1::BreakLeaseRequest& from) {
  Reader reader;
  if (!from.holder_is_stopped())
    reader.refuse("holder_is_stopped", "must be true: it is your word that whoever holds the lease does nothing more");
  return reader.call(command::Break{reader.name(from.name())});
}
tl::expected<std::string, std::string> read(const v1::WatchLeasesRequest& from) {
  if (from.prefix().size() > lease::kMaxName)
    return tl::make_unexpected("prefix has " + std::to_string(from.prefix().size()) + " bytes; it may have " +
                               std::to_string(lease::kMaxName));
  return from.prefix();
}

void write(const lease::LeaseView& from, v1::Lease& to) {
  to.set_name(from.name);
  to.set_state(state_of(from.state));
  to.set_token(from.token.value);
  if (from.token.value != 0) to.set_session(bytes_of(from.session));
  to.set_principal(from.principal);
  to.set_label(from.label);
  to.set_metadata(from.metadata);
  to.set_remaining_ns(from.remaining.ns);
  to.set_free_in_ns(from.free_in.ns);
  to.set_waiters(from.waiters);
}

grpc::Status write(const Reply& from, v1::SessionResponse& to) {
  return write_answer(from, to, [&](const Answered& answered) {
    const auto* const open = std::get_if<lease::answer::SessionOpen>(&answered.answer);
    if (open != nullptr) to.mutable_open()->set_ttl_ns(open->ttl.ns);
    return open != nullptr;
  });
}
grpc::Status write(const Reply& from, v1::CloseSessionResponse& to) {
  return write_answer(from, to, [](const Answered& answered) {
    return std::holds_alternative<lease::answer::SessionClosed>(answered.answer);
  });
}
grpc::Status write(const Reply& from, v1::AcquireResponse& to) {
  return write_answer(from, to, [&](const Answered& answered) {
    if (const auto* const held = std::get_if<lease::answer::Held>(&answered.answer)) {
      to.mutable_held()->set_token(held->token.value);
      to.mutable_held()->set_anew(held->anew);
      to.mutable_held()->set_taken_over(held->taken_over);
      to.mutable_held()->set_queued(answered.queued);
      return true;
    }
    const auto* const waiting = std::get_if<lease::answer::Waiting>(&answered.answer);
    if (waiting == nullptr) return false;
    to.mutable_waiting()->set_in_front(waiting->in_front);
    to.mutable_waiting()->set_retry_after_ns(waiting->retry_after.ns);
    return true;
  });
}
grpc::Status write(const Reply& from, v1::ReleaseResponse& to) {
  return write_answer(from, to, [&](const Answered& answered) {
    const bool withdrawn = std::holds_alternative<lease::answer::Withdrawn>(answered.answer);
    to.mutable_released()->set_withdrawn(withdrawn);
    return withdrawn || std::holds_alternative<lease::answer::Released>(answered.answer);
  });
}
grpc::Status write(const Reply& from, v1::GetLeaseResponse& to) {
  grpc::Status status;
  if (const auto* const view = answer_in<lease::LeaseView>(from, to, status)) write(*view, *to.mutable_lease());
  return status;
}
grpc::Status write(const Reply& from, v1::ListLeasesResponse& to) {
  grpc::Status status;
  const auto* const listed = answer_in<Listed>(from, to, status);
  if (listed == nullptr) return status;
  for (const lease::LeaseView& view : listed->leases)
    write(view, *to.add_leases());
  to.set_more(listed->more);
  return status;
}
grpc::Status write(const Reply& from, v1::ValidateTokenResponse& to) {
  grpc::Status status;
  const auto* const validated = answer_in<Validated>(from, to, status);
  if (validated == nullptr) return status;
  to.set_standing(standing_of(validated->standing));
  to.set_current(validated->current.value);
  to.set_remaining_ns(validated->remaining.ns);
  return status;
}
grpc::Status write(const Reply& from, v1::BreakLeaseResponse& to) {
  return write_answer(from, to, [&](const Answered& answered) {
    const auto* const broken = std::get_if<lease::answer::Broken>(&answered.answer);
    if (broken == nullptr) return false;
    to.set_token(broken->token.value);
    to.set_holder(broken->holder);
    return true;
  });
}

}  // namespace gnomon::control
