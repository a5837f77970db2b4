// SPDX-License-Identifier: Apache-2.0
#include "control/service/lease_core.hpp"

namespace gnomon::control {
namespace {

constexpr const char* kServiceName = "gnomon.v1.LeaseService";

}  // namespace

std::string_view text_of(LeaseMethod method) {
  switch (method) {
    case LeaseMethod::kOpenSession: return "open_session";
    case LeaseMethod::kRenewSession: return "renew_session";
    case LeaseMethod::kCloseSession: return "close_session";
    case LeaseMethod::kAcquire: return "acquire";
    case LeaseMethod::kRelease: return "release";
    case LeaseMethod::kGetLease: return "get_lease";
    case LeaseMethod::kListLeases: return "list_leases";
    case LeaseMethod::kValidateToken: return "validate_token";
    case LeaseMethod::kWatchLeases: return "watch_leases";
    case LeaseMethod::kBreakLease: return "break_lease";
  }
  return "unknown";
}

LeaseCore::LeaseCore(LeaseRunner& runner, const LeaseServiceOptions& options)
    : runner_(runner), options_(options), limiter_(options.calls) {
  runner_.on_serving([this](bool serving) {
    const std::lock_guard lock(told_mutex_);
    serving_ = serving;
    for (const Told& told : told_)
      tell(told, serving);
  });
}

LeaseCore::~LeaseCore() { runner_.on_serving({}); }

void LeaseCore::count_end(const grpc::Status& status) {
  switch (status.error_code()) {
    case grpc::StatusCode::RESOURCE_EXHAUSTED: ++over_limit_; return;
    case grpc::StatusCode::UNAUTHENTICATED: ++unauthenticated_; return;
    case grpc::StatusCode::PERMISSION_DENIED: ++forbidden_; return;
    case grpc::StatusCode::INVALID_ARGUMENT: ++invalid_; return;
    case grpc::StatusCode::CANCELLED: ++cancelled_; return;
    case grpc::StatusCode::DEADLINE_EXCEEDED: ++timed_out_; return;
    case grpc::StatusCode::UNAVAILABLE: ++unavailable_; return;
    default: return;
  }
}

LeaseServiceCounters LeaseCore::counters() const {
  LeaseServiceCounters out{.calls = {},
                           .over_limit = over_limit_,
                           .unauthenticated = unauthenticated_,
                           .forbidden = forbidden_,
                           .invalid = invalid_,
                           .cancelled = cancelled_,
                           .timed_out = timed_out_,
                           .unavailable = unavailable_,
                           .events = events_,
                           .open = open_,
                           .runner = runner_.counters()};
  for (std::size_t i = 0; i < calls_.size(); ++i)
    out.calls[i] = calls_[i];
  return out;
}

void LeaseCore::keep_told(grpc::HealthCheckServiceInterface* health, bool whole) {
  if (health == nullptr) return;
  const std::lock_guard lock(told_mutex_);
  told_.push_back({health, whole});
  tell(told_.back(), serving_);
}

void LeaseCore::take_back(grpc::HealthCheckServiceInterface* health) {
  const std::lock_guard lock(told_mutex_);
  for (const Told& told : told_)
    if (told.health == health) tell(told, false);
  std::erase_if(told_, [&](const Told& told) { return told.health == health; });
}

void LeaseCore::tell(const Told& told, bool serving) {
  told.health->SetServingStatus(kServiceName, serving);
  if (told.whole) told.health->SetServingStatus("", serving);
}

}  // namespace gnomon::control
