// SPDX-License-Identifier: Apache-2.0
//
// Straight to etcd, with the settings that a daemon would use. The only part of gnomon that knows etcd.
#pragma once

#include <memory>

#include "cmd/gnomon/members.hpp"
#include "cmd/gnomon/store_place.hpp"
#include "control/store.hpp"

namespace gnomon::cmd {

/// The cluster need not be there yet: what is wrong with it shows at the first call. kUsage if store.url is no etcd.
[[nodiscard]] ReadOr<std::unique_ptr<control::Store>> open_etcd(const Settings& settings);

/// Every member that is known, reachable or not. Fails if no endpoint answers at all.
[[nodiscard]] ReadOr<StoreMembers> etcd_members(const Settings& settings);

/// The exit code and text of a call that a store refused.
[[nodiscard]] ReadFailure failure_of(const control::StoreError& error);

}  // namespace gnomon::cmd
