// SPDX-License-Identifier: Apache-2.0
//
// Promise: tokens of one name only grow, a token is told to nobody but the session that it was granted to, and who
// begins to believe later does so under a larger token: so a resource that refuses smaller ones has refused every
// earlier holder as soon as it has heard of the present one.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "oracle/lease/stored_right.hpp"
#include "oracle/mint/names.hpp"
#include "tests/sim/check/report.hpp"
#include "tests/sim/lease/check/landing.hpp"

namespace gnomon::sim::leases {

class TokensGrow {
 public:
  explicit TokensGrow(Report& report) : report_(report) {}

  void landing(const Landing& landing, std::uint16_t epoch) {
    for (const control::Put& put : landing.transaction.puts) {
      const auto name = lease::name_of_lease_key(put.key);
      const auto written = name ? lease::parse_named_lease(put.value) : tl::unexpected(lease::ValueFault{});
      if (!written) continue;
      const mint::Token token = lease::make_token(epoch, landing.revision);
      auto& newest = newest_[std::string(*name)];
      if (token <= newest) fail(fmt::format("{} is granted under {}, after {}", *name, token.value, newest.value));
      newest = token;
      granted_[{std::string(*name), token.value}] = written->session;
    }
  }
  /// A client was told that it holds `name` under `token`.
  void told(const std::string& name, mint::Token token, const lease::SessionId& session) {
    const auto at = granted_.find({name, token.value});
    if (at == granted_.end())
      fail(fmt::format("session {} is told that it holds {} under {}, which was never granted", short_of(session), name,
                       token.value));
    else if (at->second != session)
      fail(fmt::format("session {} is told that it holds {} under {}, which belongs to session {}", short_of(session),
                       name, token.value, short_of(at->second)));
  }
  /// It begins to believe it.
  void believed(const std::string& name, mint::Token token) {
    auto& newest = believed_[name];
    if (token < newest)
      fail(
          fmt::format("{} is believed in under {}, after somebody else did under {}", name, token.value, newest.value));
    newest = std::max(newest, token);
  }

 private:
  void fail(std::string text) { report_.fail("tokens", std::move(text)); }

  Report& report_;
  std::map<std::string, mint::Token> newest_;
  std::map<std::string, mint::Token> believed_;
  std::map<std::pair<std::string, std::uint64_t>, lease::SessionId> granted_;
};

}  // namespace gnomon::sim::leases
