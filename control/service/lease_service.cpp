// SPDX-License-Identifier: Apache-2.0
#include "control/service/lease_service.hpp"

#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>

#include <mutex>

#include "control/service/lease_core.hpp"
#include "control/service/lease_face.hpp"

namespace gnomon::control {
namespace {

/// Both are switches of the process, read when a server is built.
void turn_on_health_and_reflection() {
  static std::once_flag once;
  std::call_once(once, [] {
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

class GrpcLeaseService final : public LeaseService {
 public:
  GrpcLeaseService(LeaseRunner& runner, const LeaseServiceOptions& options) : core_(runner, options) {}

  ServerGuest& guest(LeaseDoor door) override {
    switch (door) {
      case LeaseDoor::kUnixSocket: return unix_;
      case LeaseDoor::kMutualTls: return tls_;
      case LeaseDoor::kInsecure: break;
    }
    return insecure_;
  }
  [[nodiscard]] LeaseServiceCounters counters() const override { return core_.counters(); }
  [[nodiscard]] const LeaseServiceOptions& options() const override { return core_.options(); }

 private:
  LeaseCore core_;
  LeaseFace unix_{core_, LeaseDoor::kUnixSocket};
  LeaseFace tls_{core_, LeaseDoor::kMutualTls};
  LeaseFace insecure_{core_, LeaseDoor::kInsecure};
};

}  // namespace

std::unique_ptr<LeaseService> LeaseService::make(LeaseRunner& runner, const LeaseServiceOptions& options) {
  turn_on_health_and_reflection();
  return std::make_unique<GrpcLeaseService>(runner, options);
}

}  // namespace gnomon::control
