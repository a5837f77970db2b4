// SPDX-License-Identifier: Apache-2.0
#include "bench/lease/gnomon_lane.hpp"

#include <fmt/core.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <array>
#include <chrono>
#include <utility>

#include "bench/paired.hpp"
#include "platform/random.hpp"

namespace gnomon::bench {
namespace {

constexpr std::int64_t kTtlNs = 600'000'000'000;  // longer than anything here, so that only commands renew
constexpr std::chrono::seconds kPatience{60};
constexpr const char* kWho = "bench";

std::shared_ptr<grpc::Channel> dial(const std::string& server) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(server, grpc::InsecureChannelCredentials(), arguments);
}

void begin(grpc::ClientContext& context) {
  context.set_wait_for_ready(true);
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
}

template <typename Response>
void require(const grpc::Status& status, const Response& response, bool done, const char* what) {
  if (!status.ok()) die(fmt::format("{} failed: {}", what, status.error_message()));
  if (!done) die(fmt::format("{} was refused: {}", what, response.refused().text()));
}

}  // namespace

std::string new_session_id() {
  const auto id = platform::random_value<std::array<char, 16>>();
  return {id.begin(), id.end()};
}

LeaseStub::LeaseStub(const std::string& server) : stub_(v1::LeaseService::NewStub(dial(server))) {}

bool LeaseStub::try_open(const std::string& session) {
  grpc::ClientContext context;
  begin(context);
  v1::OpenSessionRequest request;
  request.set_session(session);
  request.set_ttl_ns(kTtlNs);
  request.set_label(kWho);
  v1::SessionResponse response;
  const grpc::Status status = stub_->OpenSession(&context, request, &response);
  why_ = status.ok() ? response.refused().text() : status.error_message();
  return status.ok() && response.has_open();
}

void LeaseStub::open(const std::string& session) {
  if (!try_open(session)) die("a session could not be opened: " + why_);
}

void LeaseStub::renew(const std::string& session) {
  grpc::ClientContext context;
  begin(context);
  v1::RenewSessionRequest request;
  request.set_session(session);
  request.set_ttl_ns(kTtlNs);
  v1::SessionResponse response;
  const grpc::Status status = stub_->RenewSession(&context, request, &response);
  require(status, response, response.has_open(), "a renewal");
}

void LeaseStub::close(const std::string& session) {
  grpc::ClientContext context;
  begin(context);
  v1::CloseSessionRequest request;
  request.set_session(session);
  v1::CloseSessionResponse response;
  const grpc::Status status = stub_->CloseSession(&context, request, &response);
  require(status, response, !response.has_refused(), "the end of a session");
}

std::uint64_t LeaseStub::acquire(const std::string& session, const std::string& name, time::Duration wait_for) {
  grpc::ClientContext context;
  begin(context);
  v1::AcquireRequest request;
  request.set_session(session);
  request.set_name(name);
  request.set_wait_ns(wait_for.ns);
  v1::AcquireResponse response;
  const grpc::Status status = stub_->Acquire(&context, request, &response);
  require(status, response, response.has_held(), "an acquisition");
  return response.held().token();
}

void LeaseStub::release(const std::string& session, const std::string& name, std::uint64_t token) {
  grpc::ClientContext context;
  begin(context);
  v1::ReleaseRequest request;
  request.set_session(session);
  request.set_name(name);
  request.set_token(token);
  v1::ReleaseResponse response;
  const grpc::Status status = stub_->Release(&context, request, &response);
  require(status, response, response.has_released() && !response.released().withdrawn(), "a release");
}

std::uint32_t LeaseStub::waiters(const std::string& name) {
  grpc::ClientContext context;
  begin(context);
  v1::GetLeaseRequest request;
  request.set_name(name);
  v1::GetLeaseResponse response;
  const grpc::Status status = stub_->GetLease(&context, request, &response);
  require(status, response, response.has_lease(), "a look at a lease");
  return response.lease().waiters();
}

GnomonLane::GnomonLane(const std::string& server, std::string label) : stub_(server), label_(std::move(label)) {
  stub_.open(session_);
}

GnomonLane::Slot& GnomonLane::slot(std::size_t k) {
  while (slots_.size() <= k)
    slots_.push_back({fmt::format("bench/{}/{:02}", label_, slots_.size()), 0, {}});
  return slots_[k];
}

void GnomonLane::run(Command command, std::size_t k) {
  Slot& at = slot(k);
  switch (command) {
    case Command::kOpen: at.session = new_session_id(); return stub_.open(at.session);
    case Command::kAcquire: at.token = stub_.acquire(session_, at.name); return;
    case Command::kRenew: return stub_.renew(session_);
    case Command::kRelease: return stub_.release(session_, at.name, at.token);
    case Command::kClose: return stub_.close(at.session);
  }
}

}  // namespace gnomon::bench
