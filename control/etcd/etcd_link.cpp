// SPDX-License-Identifier: Apache-2.0
#include "control/etcd/etcd_link.hpp"

#include <algorithm>
#include <utility>

#include "etcd/v3/etcd.grpc.pb.h"

namespace gnomon::control {
namespace {

namespace pb = etcdserverpb;

constexpr time::Duration kSlice = time::milliseconds(20);       // between looks at all the other endpoints
constexpr time::Duration kLeastShare = time::milliseconds(50);  // of one attempt
constexpr time::Duration kRoundPause = time::milliseconds(50);  // after every endpoint has failed once
constexpr auto kIdle = std::chrono::milliseconds(5);            // nobody waited in gRPC for so long
constexpr time::Duration kGlance = time::milliseconds(1);
constexpr std::string_view kLoginIsOff = "etcdserver: authentication is not enabled";

}  // namespace

void add_metadata(grpc::ClientContext& context, const std::string& token) {
  context.AddMetadata("hasleader", "true");
  if (!token.empty()) context.AddMetadata("token", token);
}

EtcdLink::EtcdLink(EtcdOptions options, EtcdDialer dialer, std::vector<EtcdChannel> channels,
                   std::shared_ptr<EtcdClusterId> cluster)
    : options_(std::move(options)), dialer_(std::move(dialer)), cluster_(std::move(cluster)) {
  for (EtcdChannel& channel : channels)
    endpoints_.push_back({std::move(channel)});
}

tl::expected<void, StoreError> EtcdLink::call(const Call& call, EtcdDeadline deadline) {
  for (Endpoint& endpoint : endpoints_)
    endpoint.fault.clear();
  bool logged_in_anew = false;
  for (std::size_t tries = 0;; ++tries) {
    if (tries > 0 && tries % endpoints_.size() == 0)
      wait_for_change(*current().at.channel, deadline.but_within(kRoundPause));
    if (auto ready = prepare(deadline, tries); !ready) return tl::make_unexpected(std::move(ready.error().error));

    grpc::ClientContext context;
    add_metadata(context, token_);
    context.set_deadline((call.is_commit ? deadline : share(deadline, tries)).for_grpc());
    const grpc::Status status = call.send(context, current().at.channel);
    EtcdVerdict failed;
    if (status.ok()) {
      if (cluster_->agrees(call.cluster())) {
        current().suspect = false;
        current().used = EtcdDeadline::Clock::now();
        return {};
      }
      // A commit has happened there, or has failed on what is there: either way nobody may build on it.
      failed = {{call.is_commit ? StoreErrorKind::kUnknown : StoreErrorKind::kUnavailable,
                 other_cluster_text(current().at.endpoint, call.cluster(), cluster_->value())},
                call.is_commit ? EtcdRemedy::kNone : EtcdRemedy::kElsewhere};
      leave(failed.error.text);
    } else {
      failed = verdict(status, true, &call);
      if (failed.remedy == EtcdRemedy::kElsewhere || failed.error.kind == StoreErrorKind::kUnknown)
        leave(failed.error.text);
    }
    const bool log_in_again =
        failed.remedy == EtcdRemedy::kNewToken && !options_.user.empty() && !std::exchange(logged_in_anew, true);
    if (log_in_again) {
      token_.clear();
      login_is_off_ = false;
    }
    const bool worth_another = failed.remedy == EtcdRemedy::kElsewhere && deadline.left() > kLeastShare;
    if (worth_another || log_in_again) continue;
    return tl::make_unexpected(std::move(failed.error));
  }
}

/// Makes the current endpoint one that is connected, greeted and knows us. Nothing of the call was sent if it fails.
tl::expected<void, EtcdVerdict> EtcdLink::prepare(EtcdDeadline deadline, std::size_t tries) {
  for (;; ++tries) {
    if (!connect(deadline)) return tl::make_unexpected(EtcdVerdict{unreachable(), EtcdRemedy::kElsewhere});
    auto done = greet(share(deadline, tries));
    if (done) done = log_in(deadline);  // etcd takes long to check a password, by intention
    if (done) return {};
    if (done.error().remedy != EtcdRemedy::kElsewhere) return done;
    leave(done.error().error.text);
    if (deadline.over()) return tl::make_unexpected(EtcdVerdict{unreachable(), EtcdRemedy::kElsewhere});
    if ((tries + 1) % endpoints_.size() == 0) wait_for_change(*current().at.channel, deadline.but_within(kRoundPause));
  }
}

/// The first endpoint from the current one on that has a connection. One that failed last is taken only once the others
/// have had half of the time.
bool EtcdLink::connect(EtcdDeadline deadline) {
  const EtcdDeadline patience = EtcdDeadline::in(deadline.left() / 2);
  if (std::all_of(endpoints_.begin(), endpoints_.end(), [](const Endpoint& each) { return each.suspect; }))
    for (Endpoint& endpoint : endpoints_)
      endpoint.suspect = false;
  for (;;) {
    for (std::size_t i = 0; i < endpoints_.size(); ++i) {
      const std::size_t candidate = (current_ + i) % endpoints_.size();
      if (!is_usable(endpoints_[candidate], patience.over(), deadline)) continue;
      current_ = candidate;
      return true;
    }
    if (deadline.over()) return false;
    wait_for_change(*current().at.channel, deadline.but_within(kSlice));
  }
}

bool EtcdLink::is_usable(Endpoint& endpoint, bool suspects_too, EtcdDeadline deadline) {
  // A connection that ended while nobody waited in gRPC still looks ready. This look at its socket keeps a commit from
  // being sent into it, which would be an unknown outcome for nothing.
  const bool was_idle = EtcdDeadline::Clock::now() - endpoint.used > kIdle;
  if (was_idle && endpoint.at.channel->GetState(false) == GRPC_CHANNEL_READY)
    wait_for_change(*endpoint.at.channel, EtcdDeadline::in(kGlance));
  if (dialer_.renew(endpoint.at)) endpoint.fault.clear();  // it was that of the old certificate
  const grpc_connectivity_state state = endpoint.at.channel->GetState(true);
  if (state == GRPC_CHANNEL_READY) return suspects_too || !endpoint.suspect;
  endpoint.greeted = false;
  // A certificate and a key that don't belong together make a channel that is shut down from the start.
  const bool failed = state == GRPC_CHANNEL_TRANSIENT_FAILURE || state == GRPC_CHANNEL_SHUTDOWN;
  if (failed && endpoint.fault.empty()) {
    // A channel does not tell why; a call on it fails at once and does.
    grpc::ClientContext context;
    context.set_deadline(deadline.but_within(kLeastShare).for_grpc());
    pb::StatusResponse response;
    const auto maintenance = pb::Maintenance::NewStub(endpoint.at.channel);
    const grpc::Status status = maintenance->Status(&context, {}, &response);
    if (!status.ok())
      endpoint.fault =
          judge({status.error_code(), status.error_message(), false, false, 0, endpoint.at.endpoint}).error.text;
  }
  return false;
}

tl::expected<void, EtcdVerdict> EtcdLink::greet(EtcdDeadline deadline) {
  if (current().greeted) return {};
  grpc::ClientContext context;
  add_metadata(context, {});
  context.set_deadline(deadline.for_grpc());
  pb::StatusResponse response;
  const grpc::Status status =
      pb::Maintenance::NewStub(current().at.channel)->Status(&context, pb::StatusRequest(), &response);
  if (!status.ok()) return tl::make_unexpected(verdict(status, false, nullptr));
  const std::uint64_t found = response.header().cluster_id();
  if (!cluster_->agrees(found))
    return tl::make_unexpected(
        EtcdVerdict{{StoreErrorKind::kUnavailable, other_cluster_text(current().at.endpoint, found, cluster_->value())},
                    EtcdRemedy::kElsewhere});
  current().greeted = true;
  return {};
}

tl::expected<void, EtcdVerdict> EtcdLink::log_in(EtcdDeadline deadline) {
  if (options_.user.empty() || login_is_off_ || !token_.empty()) return {};
  grpc::ClientContext context;
  add_metadata(context, {});
  context.set_deadline(deadline.for_grpc());
  pb::AuthenticateRequest request;
  request.set_name(options_.user);
  request.set_password(options_.password);
  pb::AuthenticateResponse response;
  const grpc::Status status = pb::Auth::NewStub(current().at.channel)->Authenticate(&context, request, &response);
  if (status.ok()) {
    token_ = response.token();
    return {};
  }
  if (status.error_message() != kLoginIsOff) return tl::make_unexpected(verdict(status, false, nullptr));
  login_is_off_ = true;  // it lets everybody in, so also us
  return {};
}

EtcdVerdict EtcdLink::verdict(const grpc::Status& status, bool may_have_left, const Call* call) const {
  const bool is_commit = call != nullptr && call->is_commit;
  const Endpoint& asked = endpoints_[current_];
  EtcdVerdict said = judge({status.error_code(), status.error_message(), may_have_left, is_commit,
                            is_commit ? call->operations : 0, asked.at.endpoint, options_.user, options_.prefix});
  // What it had said before is a better reason than that the time was over then.
  const bool out_of_time = status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
  if (out_of_time && said.error.kind == StoreErrorKind::kUnavailable && !asked.fault.empty())
    said.error.text = asked.fault;
  return said;
}

StoreError EtcdLink::unreachable() const {
  std::string text;
  for (const Endpoint& endpoint : endpoints_) {
    if (!text.empty()) text += ". ";
    text += endpoint.fault.empty() ? "etcd at " + endpoint.at.endpoint + " did not answer in time" : endpoint.fault;
  }
  if (const std::string problem = dialer_.problem(); !problem.empty())
    text += ". Files of store.*_file were replaced, and what they were before is still in use: " + problem;
  return {StoreErrorKind::kUnavailable, text};
}

/// What one of several attempts may take, so that one silent endpoint leaves time for the others.
EtcdDeadline EtcdLink::share(EtcdDeadline deadline, std::size_t tries) const {
  const auto endpoints_left = static_cast<std::int64_t>(endpoints_.size() - tries % endpoints_.size());
  return deadline.but_within(std::max(deadline.left() / endpoints_left, kLeastShare));
}

void EtcdLink::leave(std::string fault) {
  current().fault = std::move(fault);
  current().suspect = true;
  current_ = (current_ + 1) % endpoints_.size();
}

}  // namespace gnomon::control
