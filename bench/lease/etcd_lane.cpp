// SPDX-License-Identifier: Apache-2.0
#include "bench/lease/etcd_lane.hpp"

#include <fmt/core.h>

#include <chrono>
#include <utility>

#include "bench/paired.hpp"
#include "control/etcd/etcd_codec.hpp"

namespace gnomon::bench {
namespace {

namespace pb = etcdserverpb;

constexpr std::int64_t kTtlSeconds = 600;
constexpr std::chrono::seconds kPatience{60};

void begin(grpc::ClientContext& context) {
  context.set_wait_for_ready(true);
  context.set_deadline(std::chrono::system_clock::now() + kPatience);
}
void require(const grpc::Status& status, const char* what) {
  if (!status.ok()) die(fmt::format("etcd's {} failed: {}", what, status.error_message()));
}

}  // namespace

EtcdLane::EtcdLane(const std::shared_ptr<grpc::Channel>& channel, std::string label)
    : leases_(pb::Lease::NewStub(channel)),
      locks_(v3lockpb::Lock::NewStub(channel)),
      keys_(pb::KV::NewStub(channel)),
      label_(std::move(label)),
      lease_(grant()),
      keeper_(leases_->LeaseKeepAlive(&keeping_)) {}

EtcdLane::~EtcdLane() {
  keeping_.TryCancel();
  (void)keeper_->Finish();
}

EtcdLane::Slot& EtcdLane::slot(std::size_t k) {
  while (slots_.size() <= k)
    slots_.push_back({fmt::format("locks/{}/{:02}", label_, slots_.size()), {}, 0});
  return slots_[k];
}

void EtcdLane::run(Command command, std::size_t k) {
  Slot& at = slot(k);
  switch (command) {
    case Command::kOpen: at.lease = grant(); return;
    case Command::kAcquire: at.key = lock(at.name); return;
    case Command::kRenew: return keep_alive();
    case Command::kRelease: return unlock(at.key);
    case Command::kClose: return revoke(at.lease);
  }
}

std::int64_t EtcdLane::grant() {
  grpc::ClientContext context;
  begin(context);
  pb::LeaseGrantRequest request;
  request.set_ttl(kTtlSeconds);
  pb::LeaseGrantResponse response;
  require(leases_->LeaseGrant(&context, request, &response), "LeaseGrant");
  return response.id();
}

void EtcdLane::keep_alive() {
  pb::LeaseKeepAliveRequest request;
  request.set_id(lease_);
  pb::LeaseKeepAliveResponse response;
  if (!keeper_->Write(request) || !keeper_->Read(&response)) die("etcd's LeaseKeepAlive failed");
  if (response.ttl() <= 0) die("etcd has lost a lease of this bench");
}

void EtcdLane::revoke(std::int64_t lease) {
  grpc::ClientContext context;
  begin(context);
  pb::LeaseRevokeRequest request;
  request.set_id(lease);
  pb::LeaseRevokeResponse response;
  require(leases_->LeaseRevoke(&context, request, &response), "LeaseRevoke");
}

std::string EtcdLane::lock(const std::string& name) {
  grpc::ClientContext context;
  begin(context);
  v3lockpb::LockRequest request;
  request.set_name(name);
  request.set_lease(lease_);
  v3lockpb::LockResponse response;
  require(locks_->Lock(&context, request, &response), "Lock");
  return response.key();
}

void EtcdLane::unlock(const std::string& key) {
  grpc::ClientContext context;
  begin(context);
  v3lockpb::UnlockRequest request;
  request.set_key(key);
  v3lockpb::UnlockResponse response;
  require(locks_->Unlock(&context, request, &response), "Unlock");
}

std::int64_t EtcdLane::queue_of(const std::string& name) {
  grpc::ClientContext context;
  begin(context);
  pb::RangeRequest request;
  request.set_key(name + "/");
  request.set_range_end(control::range_end_of(name + "/"));
  request.set_count_only(true);
  pb::RangeResponse response;
  require(keys_->Range(&context, request, &response), "Range");
  return response.count();
}

}  // namespace gnomon::bench
