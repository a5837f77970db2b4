// SPDX-License-Identifier: Apache-2.0
//
// Makes a gRPC server bear its peers: what it is by default, it accepts 4 MB messages, waits two minutes for a
// handshake, keeps silent connections for ever, and lets one connection open as many calls as it likes.
//
// Inside control/service only. Thread rule: none.
#pragma once

#include <grpcpp/server_builder.h>

#include "control/service/lease_service.hpp"

namespace gnomon::control {

void apply(const LeaseServerLimits& limits, grpc::ServerBuilder& builder);

}  // namespace gnomon::control
