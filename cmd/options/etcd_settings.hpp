// SPDX-License-Identifier: Apache-2.0
//
// The options of an etcd store, as the store wants them: for the daemon and for the tools that look into the store.
#pragma once

#include <string>

#include <tl/expected.hpp>

#include "cmd/options/settings.hpp"
#include "control/etcd/etcd_options.hpp"

namespace gnomon::cmd {

[[nodiscard]] bool is_etcd(const Settings& settings);

/// Reads the password's file. Errors are sentences. Only for settings of which `is_etcd` is true.
[[nodiscard]] tl::expected<control::EtcdOptions, std::string> etcd_options(const Settings& settings);

}  // namespace gnomon::cmd
