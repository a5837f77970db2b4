// SPDX-License-Identifier: Apache-2.0
//
// Who may ask: the access options and the file of keys, turned into the policy that the workers read.
#pragma once

#include <string>

#include <tl/expected.hpp>

#include "cmd/options/settings.hpp"
#include "oracle/serve/gate.hpp"

namespace gnomon::cmd {

/// Reads the file of keys, if one is named. `version` of the policy is left at 0. The error is a sentence.
[[nodiscard]] tl::expected<serve::AccessPolicy, std::string> access_policy(const Settings& settings);

}  // namespace gnomon::cmd
