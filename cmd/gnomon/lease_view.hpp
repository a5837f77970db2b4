// SPDX-License-Identifier: Apache-2.0
//
// What the lease commands print. Tokens and sessions go into JSON as texts, because most readers of JSON keep numbers
// as doubles. Metadata and labels are other people's bytes: what a terminal would obey is printed as \xHH.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "client/lease/lease_client.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::cmd {

/// A grant, with the session that it hangs on.
struct GrantView {
  std::string name;
  std::uint64_t token = 0;
  std::string session;  // 32 hex digits
  time::Duration ttl;
  bool anew = true;  // false: the session held it already
  bool taken_over = false;
  bool queued = false;
  bool kept = false;  // by this process: nothing has to be renewed by hand
};
[[nodiscard]] std::string grant_text(const GrantView& grant);
[[nodiscard]] std::string grant_json(const GrantView& grant);

/// One lease in detail.
[[nodiscard]] std::string lease_text(const client::LeaseInfo& lease);
[[nodiscard]] std::string lease_json(const client::LeaseInfo& lease);
/// A table with one line each.
[[nodiscard]] std::string leases_text(const std::vector<client::LeaseInfo>& leases);
[[nodiscard]] std::string leases_json(const std::vector<client::LeaseInfo>& leases);
/// A line without its end; empty if there is nothing to tell.
[[nodiscard]] std::string change_text(const client::LeaseChange& change);
[[nodiscard]] std::string change_json(const client::LeaseChange& change);

/// Printable ASCII as it is, everything else and the backslash as \xHH.
[[nodiscard]] std::string harmless(std::string_view text);

}  // namespace gnomon::cmd
