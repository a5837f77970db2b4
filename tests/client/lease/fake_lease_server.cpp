// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <thread>
#include <utility>

#include "tests/client/lease/fake_lease_service.hpp"

namespace gnomon::client {
namespace {

constexpr auto kLook = std::chrono::milliseconds(2);

}  // namespace

/// What the test wants. One lock for all of it.
struct FakeLeaseServer::Rules {
  mutable std::mutex mutex;
  std::map<std::string, std::deque<LeaseScript>> next;
  std::map<std::string, LeaseScript> always;
  std::map<std::string, int> served;
  std::vector<v1::ReleaseRequest> releases;
  std::atomic<bool> stopping{false};
  std::vector<std::thread> late;  // what is applied after its call

  void note(const v1::ReleaseRequest& request) {
    const std::lock_guard lock(mutex);
    releases.push_back(request);
  }
  [[nodiscard]] LeaseScript take(const std::string& method) {
    const std::lock_guard lock(mutex);
    ++served[method];
    if (auto& scripts = next[method]; !scripts.empty()) {
      LeaseScript script = std::move(scripts.front());
      scripts.pop_front();
      return script;
    }
    const auto at = always.find(method);
    return at == always.end() ? LeaseScript() : at->second;
  }
};

// NOLINTBEGIN(readability-identifier-naming): the names are gRPC's.
class FakeLeaseServer::Service final : public v1::LeaseService::Service {
 public:
  Service(FakeLeaseTable& table, Rules& rules) : table_(table), rules_(rules) {}

  grpc::Status OpenSession(grpc::ServerContext* context, const v1::OpenSessionRequest* request,
                           v1::SessionResponse* response) override {
    return serve("OpenSession", context, response, [this, asked = *request](auto* out) { table_.open(asked, out); });
  }
  grpc::Status RenewSession(grpc::ServerContext* context, const v1::RenewSessionRequest* request,
                            v1::SessionResponse* response) override {
    return serve("RenewSession", context, response, [this, asked = *request](auto* out) { table_.renew(asked, out); });
  }
  grpc::Status CloseSession(grpc::ServerContext* context, const v1::CloseSessionRequest* request,
                            v1::CloseSessionResponse* response) override {
    return serve("CloseSession", context, response,
                 [this, asked = *request](auto* /*out*/) { table_.close(asked.session()); });
  }
  grpc::Status Acquire(grpc::ServerContext* context, const v1::AcquireRequest* request,
                       v1::AcquireResponse* response) override {
    // A late copy runs when the context is gone; it does not wait.
    const auto caller = std::this_thread::get_id();
    return serve("Acquire", context, response, [this, asked = *request, context, caller](auto* out) {
      const bool late = std::this_thread::get_id() != caller;
      table_.acquire(asked, out, [&] { return late || context->IsCancelled() || rules_.stopping.load(); });
    });
  }
  grpc::Status Release(grpc::ServerContext* context, const v1::ReleaseRequest* request,
                       v1::ReleaseResponse* response) override {
    rules_.note(*request);
    return serve("Release", context, response, [this, asked = *request](auto* out) { table_.release(asked, out); });
  }
  grpc::Status GetLease(grpc::ServerContext* context, const v1::GetLeaseRequest* request,
                        v1::GetLeaseResponse* response) override {
    return serve("GetLease", context, response,
                 [this, asked = *request](auto* out) { *out->mutable_lease() = table_.view(asked.name()); });
  }
  grpc::Status ListLeases(grpc::ServerContext* context, const v1::ListLeasesRequest* request,
                          v1::ListLeasesResponse* response) override {
    return serve("ListLeases", context, response, [this, asked = *request](auto* out) {
      constexpr int kPage = 3;  // small, so that every listing of a test has several
      for (const v1::Lease& lease : table_.list(asked.prefix())) {
        if (lease.name() <= asked.after()) continue;
        if (out->leases_size() == kPage) {
          out->set_more(true);
          break;
        }
        *out->add_leases() = lease;
      }
    });
  }
  grpc::Status ValidateToken(grpc::ServerContext* context, const v1::ValidateTokenRequest* request,
                             v1::ValidateTokenResponse* response) override {
    return serve("ValidateToken", context, response,
                 [this, asked = *request](auto* out) { *out = table_.validate(asked.name(), asked.token()); });
  }
  grpc::Status BreakLease(grpc::ServerContext* context, const v1::BreakLeaseRequest* request,
                          v1::BreakLeaseResponse* response) override {
    return serve("BreakLease", context, response, [this, asked = *request](auto* out) {
      const auto token = asked.holder_is_stopped() ? table_.break_lease(asked.name()) : std::nullopt;
      if (token) return out->set_token(*token);
      out->mutable_refused()->set_reason(v1::NOT_HELD);
    });
  }
  grpc::Status WatchLeases(grpc::ServerContext* context, const v1::WatchLeasesRequest* request,
                           grpc::ServerWriter<v1::LeaseEvent>* writer) override {
    const LeaseScript script = rules_.take("WatchLeases");
    if (script.status) return *script.status;
    std::uint64_t version = table_.changes(0, std::chrono::milliseconds(0)).second;
    for (const v1::Lease& lease : table_.list(request->prefix())) {
      v1::LeaseEvent event;
      *event.mutable_lease() = lease;
      event.set_initial(true);
      if (!writer->Write(event)) return grpc::Status::CANCELLED;
    }
    v1::LeaseEvent caught_up;
    caught_up.set_caught_up(true);
    writer->Write(caught_up);
    while (!context->IsCancelled() && !rules_.stopping.load()) {
      const auto [names, now] = table_.changes(version, std::chrono::milliseconds(5));
      version = now;
      for (const std::string& name : names) {
        if (!name.starts_with(request->prefix())) continue;
        v1::LeaseEvent event;
        *event.mutable_lease() = table_.view(name);
        writer->Write(event);
      }
    }
    return {grpc::StatusCode::UNAVAILABLE, "the server stops"};
  }

 private:
  template <typename Response, typename Apply>
  grpc::Status serve(const std::string& method, grpc::ServerContext* context, Response* response, const Apply& apply) {
    const LeaseScript script = rules_.take(method);
    if (script.late_by) {
      const std::lock_guard lock(rules_.mutex);
      rules_.late.emplace_back([apply, wait = *script.late_by] {
        std::this_thread::sleep_for(wait);
        Response nobody_reads_it;
        apply(&nobody_reads_it);
      });
    } else if (script.apply && !script.refuse) {
      apply(response);
    }
    while (script.hold && !context->IsCancelled() && !rules_.stopping.load())
      std::this_thread::sleep_for(kLook);
    if (script.refuse) {
      response->mutable_refused()->set_reason(*script.refuse);
      response->mutable_refused()->set_text("refused as the test says");
    }
    return script.status.value_or(grpc::Status::OK);
  }

  FakeLeaseTable& table_;
  Rules& rules_;
};
// NOLINTEND(readability-identifier-naming)

FakeLeaseServer::FakeLeaseServer(FakeLeaseTable& table, std::string socket_path)
    : table_(table),
      path_(std::move(socket_path)),
      rules_(std::make_unique<Rules>()),
      service_(std::make_unique<Service>(table_, *rules_)) {
  start();
}

FakeLeaseServer::~FakeLeaseServer() {
  stop();
  for (std::thread& late : rules_->late)
    late.join();
}

void FakeLeaseServer::stop() {
  rules_->stopping.store(true);
  if (server_) server_->Shutdown(std::chrono::system_clock::now());
  server_.reset();
}

void FakeLeaseServer::start() {
  rules_->stopping.store(false);
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + path_, grpc::InsecureServerCredentials());
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
}

void FakeLeaseServer::next(const std::string& method, LeaseScript script) {
  const std::lock_guard lock(rules_->mutex);
  rules_->next[method].push_back(std::move(script));
}

void FakeLeaseServer::always(const std::string& method, std::optional<LeaseScript> script) {
  const std::lock_guard lock(rules_->mutex);
  if (script)
    rules_->always[method] = std::move(*script);
  else
    rules_->always.erase(method);
}

int FakeLeaseServer::served(const std::string& method) const {
  const std::lock_guard lock(rules_->mutex);
  const auto at = rules_->served.find(method);
  return at == rules_->served.end() ? 0 : at->second;
}

std::vector<v1::ReleaseRequest> FakeLeaseServer::releases() const {
  const std::lock_guard lock(rules_->mutex);
  return rules_->releases;
}

}  // namespace gnomon::client
