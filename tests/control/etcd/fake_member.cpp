// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <chrono>
#include <set>
#include <thread>
#include <utility>

#include "tests/control/etcd/fake_etcd.hpp"

namespace gnomon::control {

namespace pb = etcdserverpb;

namespace {

constexpr auto kLook = std::chrono::milliseconds(2);

template <typename Context>
std::string metadata(const Context* context, const char* key) {
  const auto& all = context->client_metadata();
  const auto at = all.find(key);
  return at == all.end() ? std::string() : std::string(at->second.data(), at->second.size());
}

}  // namespace

/// What the test wants. One lock for all of it.
struct FakeMember::Rules {
  mutable std::mutex mutex;
  Served served;
  std::uint64_t member_id = 0;
  std::atomic<std::uint64_t> foreign_cluster{0};  // 0: its own
  std::deque<Script> txns, ranges, statuses;
  bool no_leader = false;
  std::string password;  // empty: no login
  std::set<std::string> tokens;
  bool refuse_tokens = false;
  bool refuse_watches = false;
  std::int64_t lag = 0;
  bool fragment = false;
  int responses_left = -1;  // of the next stream; -1: no limit
  int cuts = 0;             // streams that began before the last cut end
  std::int64_t progress = 0;
  bool progress_is_ours = true;
  int progress_count = 0;

  [[nodiscard]] std::uint64_t cluster_id(const FakeCluster& own) const {
    const std::uint64_t foreign = foreign_cluster;
    return foreign != 0 ? foreign : own.id();
  }
  [[nodiscard]] Script take(std::deque<Script>& scripts) {
    if (scripts.empty()) return {};
    Script script = std::move(scripts.front());
    scripts.pop_front();
    return script;
  }
  template <typename Context>
  [[nodiscard]] std::optional<grpc::Status> refusal(const Context* context) const {
    if (no_leader && metadata(context, "hasleader") == "true")
      return grpc::Status(grpc::StatusCode::UNAVAILABLE, "etcdserver: no leader");
    if (password.empty()) return std::nullopt;
    const std::string token = metadata(context, "token");
    if (token.empty()) return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "etcdserver: user name is empty");
    if (refuse_tokens || !tokens.contains(token))
      return grpc::Status(grpc::StatusCode::UNAUTHENTICATED, "etcdserver: invalid auth token");
    return std::nullopt;
  }
};

// NOLINTBEGIN(readability-identifier-naming): the names are gRPC's.
class FakeMember::Services final : public pb::KV::Service,
                                   public pb::Watch::Service,
                                   public pb::Auth::Service,
                                   public pb::Cluster::Service,
                                   public pb::Maintenance::Service {
 public:
  Services(FakeCluster& cluster, Rules& rules) : cluster_(cluster), rules_(rules) {}

  grpc::Status Range(grpc::ServerContext* context, const pb::RangeRequest* request,
                     pb::RangeResponse* response) override {
    Script script;
    {
      const std::lock_guard lock(rules_.mutex);
      ++rules_.served.ranges;
      if (auto refusal = rules_.refusal(context)) return *refusal;
      script = rules_.take(rules_.ranges);
    }
    if (script.hold) wait_for_the_end(context);
    if (script.status) return *script.status;
    const grpc::Status status = cluster_.range(*request, response);
    response->mutable_header()->set_cluster_id(rules_.cluster_id(cluster_));
    if (script.forge) script.forge(*response);
    if (script.then) script.then();
    return status;
  }

  grpc::Status Txn(grpc::ServerContext* context, const pb::TxnRequest* request, pb::TxnResponse* response) override {
    Script script;
    {
      const std::lock_guard lock(rules_.mutex);
      ++rules_.served.txns;
      if (auto refusal = rules_.refusal(context)) return *refusal;
      script = rules_.take(rules_.txns);
      if (script.apply) ++rules_.served.applied;
    }
    if (script.apply) *response = cluster_.apply(*request);
    response->mutable_header()->set_cluster_id(rules_.cluster_id(cluster_));
    if (script.forge_txn) script.forge_txn(*response);
    if (script.then) script.then();
    if (script.hold) wait_for_the_end(context);
    return script.status.value_or(grpc::Status::OK);
  }

  grpc::Status Authenticate(grpc::ServerContext* /*context*/, const pb::AuthenticateRequest* request,
                            pb::AuthenticateResponse* response) override {
    const std::lock_guard lock(rules_.mutex);
    ++rules_.served.logins;
    if (rules_.password.empty())
      return {grpc::StatusCode::FAILED_PRECONDITION, "etcdserver: authentication is not enabled"};
    if (request->password() != rules_.password)
      return {grpc::StatusCode::INVALID_ARGUMENT, "etcdserver: authentication failed, invalid user ID or password"};
    response->set_token("token-" + std::to_string(rules_.served.logins));
    rules_.tokens.insert(response->token());
    return grpc::Status::OK;
  }

  grpc::Status Status(grpc::ServerContext* context, const pb::StatusRequest* /*request*/,
                      pb::StatusResponse* response) override {
    Script script;
    {
      const std::lock_guard lock(rules_.mutex);
      ++rules_.served.statuses;
      script = rules_.take(rules_.statuses);
    }
    if (script.hold) wait_for_the_end(context);
    if (script.status) return *script.status;
    const std::lock_guard lock(rules_.mutex);
    if (rules_.no_leader && metadata(context, "hasleader") == "true")
      return {grpc::StatusCode::UNAVAILABLE, "etcdserver: no leader"};
    response->mutable_header()->set_cluster_id(rules_.cluster_id(cluster_));
    response->mutable_header()->set_member_id(rules_.member_id);
    response->mutable_header()->set_revision(cluster_.revision());
    response->set_version("3.5.16");
    response->set_leader(rules_.no_leader ? 0 : rules_.member_id);
    return grpc::Status::OK;
  }

  grpc::Status MemberList(grpc::ServerContext* /*context*/, const pb::MemberListRequest* /*request*/,
                          pb::MemberListResponse* response) override {
    const auto health = cluster_.health();
    if (!health) return {grpc::StatusCode::UNIMPLEMENTED, "unknown service etcdserverpb.Cluster"};
    *response = health->members;
    response->mutable_header()->set_cluster_id(rules_.cluster_id(cluster_));
    return grpc::Status::OK;
  }

  /// As 3.4, which leaves the cluster out of the header.
  grpc::Status Alarm(grpc::ServerContext* /*context*/, const pb::AlarmRequest* /*request*/,
                     pb::AlarmResponse* response) override {
    const auto health = cluster_.health();
    if (!health) return {grpc::StatusCode::UNIMPLEMENTED, "unknown method Alarm"};
    *response = health->alarms;
    return grpc::Status::OK;
  }

  grpc::Status Watch(grpc::ServerContext* context,
                     grpc::ServerReaderWriter<pb::WatchResponse, pb::WatchRequest>* stream) override {
    pb::WatchRequest request;
    if (!stream->Read(&request)) return grpc::Status::OK;
    pb::WatchResponse created;
    created.mutable_header()->set_cluster_id(rules_.cluster_id(cluster_));
    created.set_created(true);
    int budget = -1;
    int born_at_cut = 0;
    int progress_seen = 0;
    {
      const std::lock_guard lock(rules_.mutex);
      ++rules_.served.watches;
      created.mutable_header()->set_revision(cluster_.revision() - rules_.lag);
      budget = std::exchange(rules_.responses_left, -1);
      born_at_cut = rules_.cuts;
      progress_seen = rules_.progress_count;
      if (rules_.refusal(context) || rules_.refuse_watches) {
        created.set_watch_id(-1);
        created.set_canceled(true);
        created.set_cancel_reason("rpc error: code = PermissionDenied desc = etcdserver: permission denied");
      }
    }
    stream->Write(created);
    std::int64_t from = request.create_request().start_revision();
    while (!context->IsCancelled()) {
      const FakeCluster::Batch batch = cluster_.events(from, request.create_request());
      if (batch.compacted > 0) {
        pb::WatchResponse response;  // as in etcd: the header has no revision
        response.mutable_header()->set_cluster_id(rules_.cluster_id(cluster_));
        response.set_canceled(true);
        response.set_compact_revision(batch.compacted);
        stream->Write(response);
        break;
      }
      if (!send(stream, batch, budget)) return {grpc::StatusCode::UNAVAILABLE, "etcdserver: server stopped"};
      if (!batch.events.empty()) from = batch.events.back().kv().mod_revision() + 1;
      if (!notify(stream, progress_seen, born_at_cut))
        return {grpc::StatusCode::UNAVAILABLE, "etcdserver: server stopped"};
      std::this_thread::sleep_for(kLook);
    }
    while (!context->IsCancelled())  // a cancelled watch leaves its stream open
      std::this_thread::sleep_for(kLook);
    return grpc::Status::CANCELLED;
  }

 private:
  static void wait_for_the_end(grpc::ServerContext* context) {
    while (!context->IsCancelled())
      std::this_thread::sleep_for(kLook);
  }

  /// False: the budget is used up.
  bool send(grpc::ServerReaderWriter<pb::WatchResponse, pb::WatchRequest>* stream, const FakeCluster::Batch& batch,
            int& budget) {
    bool fragment = false;
    {
      const std::lock_guard lock(rules_.mutex);
      fragment = rules_.fragment;
    }
    pb::WatchResponse response;
    for (std::size_t i = 0; i < batch.events.size(); ++i) {
      *response.add_events() = batch.events[i];
      const bool last = i + 1 == batch.events.size();
      if (!fragment && !last) continue;
      response.mutable_header()->set_cluster_id(rules_.cluster_id(cluster_));
      response.mutable_header()->set_revision(batch.revision);
      response.set_fragment(!last);
      if (budget == 0) return false;
      --budget;
      stream->Write(response);
      response.Clear();
    }
    return budget != 0;
  }

  /// False: the stream is cut.
  bool notify(grpc::ServerReaderWriter<pb::WatchResponse, pb::WatchRequest>* stream, int& progress_seen,
              int born_at_cut) {
    pb::WatchResponse response;
    {
      const std::lock_guard lock(rules_.mutex);
      if (rules_.cuts != born_at_cut) return false;
      if (progress_seen == rules_.progress_count) return true;
      progress_seen = rules_.progress_count;
      response.mutable_header()->set_revision(rules_.progress);
      response.set_watch_id(rules_.progress_is_ours ? 0 : -1);
    }
    response.mutable_header()->set_cluster_id(rules_.cluster_id(cluster_));
    stream->Write(response);
    return true;
  }

  FakeCluster& cluster_;
  Rules& rules_;
};
// NOLINTEND(readability-identifier-naming)

FakeMember::FakeMember(FakeCluster& cluster, int port)
    : rules_(std::make_unique<Rules>()), services_(std::make_unique<Services>(cluster, *rules_)), port_(port) {
  start();
}

FakeMember::~FakeMember() { stop(); }

void FakeMember::start() {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:" + std::to_string(port_), grpc::InsecureServerCredentials(), &port_);
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.RegisterService(static_cast<pb::KV::Service*>(services_.get()));
  builder.RegisterService(static_cast<pb::Watch::Service*>(services_.get()));
  builder.RegisterService(static_cast<pb::Auth::Service*>(services_.get()));
  builder.RegisterService(static_cast<pb::Cluster::Service*>(services_.get()));
  builder.RegisterService(static_cast<pb::Maintenance::Service*>(services_.get()));
  server_ = builder.BuildAndStart();
  if (!server_) std::abort();
  rules_->member_id = id();
}

void FakeMember::stop() {
  if (!server_) return;
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
  server_.reset();
}

Served FakeMember::served() const {
  const std::lock_guard lock(rules_->mutex);
  return rules_->served;
}
void FakeMember::next_txn(Script script) {
  const std::lock_guard lock(rules_->mutex);
  rules_->txns.push_back(std::move(script));
}
void FakeMember::next_range(Script script) {
  const std::lock_guard lock(rules_->mutex);
  rules_->ranges.push_back(std::move(script));
}
void FakeMember::next_status(Script script) {
  const std::lock_guard lock(rules_->mutex);
  rules_->statuses.push_back(std::move(script));
}
void FakeMember::answer_as_cluster(std::uint64_t id) { rules_->foreign_cluster = id; }
void FakeMember::lose_leader(bool lost) {
  const std::lock_guard lock(rules_->mutex);
  rules_->no_leader = lost;
}
void FakeMember::want_login(const std::string& password) {
  const std::lock_guard lock(rules_->mutex);
  rules_->password = password;
  rules_->tokens.clear();
}
void FakeMember::forget_tokens() {
  const std::lock_guard lock(rules_->mutex);
  rules_->tokens.clear();
}
void FakeMember::refuse_tokens(bool refuse) {
  const std::lock_guard lock(rules_->mutex);
  rules_->refuse_tokens = refuse;
}
void FakeMember::refuse_watches(bool refuse) {
  const std::lock_guard lock(rules_->mutex);
  rules_->refuse_watches = refuse;
}
void FakeMember::lag(std::int64_t revisions) {
  const std::lock_guard lock(rules_->mutex);
  rules_->lag = revisions;
}
void FakeMember::fragment(bool on) {
  const std::lock_guard lock(rules_->mutex);
  rules_->fragment = on;
}
void FakeMember::cut_stream_after(int responses) {
  const std::lock_guard lock(rules_->mutex);
  rules_->responses_left = responses;
}
void FakeMember::cut_streams() {
  const std::lock_guard lock(rules_->mutex);
  ++rules_->cuts;
}
void FakeMember::notify_progress(std::int64_t revision, bool for_our_watch) {
  const std::lock_guard lock(rules_->mutex);
  rules_->progress = revision;
  rules_->progress_is_ours = for_our_watch;
  ++rules_->progress_count;
}

}  // namespace gnomon::control
