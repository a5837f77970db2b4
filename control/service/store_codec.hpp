// SPDX-License-Identifier: Apache-2.0
//
// What of a store is read out over the status socket, and how. Inside control/service only: this header brings in
// protobuf.
#pragma once

#include <cstddef>
#include <string_view>

#include "control/store.hpp"
#include "gnomon/v1/status.pb.h"

namespace gnomon::control {

/// gRPC's own bound, 4 MB, is less than a long history of rights has.
constexpr int kLargestListing = 64 * 1024 * 1024;

/// Whether what lies under the prefix is told: right/, session/, history/, meta/, or a part of one of them.
[[nodiscard]] bool is_served_prefix(std::string_view prefix);

[[nodiscard]] v1::ReadStoreResponse to_message(const Listing& listing);
[[nodiscard]] Listing from_message(const v1::ReadStoreResponse& message);

}  // namespace gnomon::control
