// SPDX-License-Identifier: Apache-2.0
//
// Promise E: one holder at a time, by the true time. After everything that anybody did, each client is asked by its own
// keeper and its own clocks, as its program would ask before it acts. That is often enough: a belief begins with a
// deed, and two that overlap do so at the beginning of the later one.
//
// `belief` is what it rests on, and breaks much earlier: nobody believes in a session beyond the furthest expiry that
// the store was ever told.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <map>
#include <string>

#include "oracle/mint/names.hpp"
#include "tests/sim/check/report.hpp"
#include "tests/sim/lease/check/landing.hpp"

namespace gnomon::sim::leases {

class Exclusive {
 public:
  explicit Exclusive(Report& report) : report_(report) {}

  /// A look begins: nobody has been asked yet.
  void begin() { believers_.clear(); }
  void believes(std::uint32_t client, const std::string& name, mint::Token token) {
    ++asked_;
    const auto [at, is_first] = believers_.try_emplace(name, Believer{client, token});
    if (!is_first)
      report_.fail("exclusive", fmt::format("{} is held by client {} under {} and by client {} under {}", name,
                                            at->second.client, at->second.token.value, client, token.value));
  }
  /// A client believes in its session; `now` on the clock by which it expires.
  void believes_in_session(std::uint32_t client, const lease::SessionId& id, const std::optional<lease::Expiry>& expiry,
                           const lease::Expiry& now) {
    if (!expiry) {
      report_.fail("belief",
                   fmt::format("client {} believes in session {}, which was never stored", client, short_of(id)));
    } else if (expiry->boot == now.boot && now.at > expiry->at) {
      report_.fail("belief", fmt::format("client {} believes in session {} for {} us beyond its expiry", client,
                                         short_of(id), (now.at - expiry->at).ns / 1000));
    }
  }
  [[nodiscard]] std::uint64_t asked() const { return asked_; }

 private:
  struct Believer {
    std::uint32_t client = 0;
    mint::Token token;
  };
  Report& report_;
  std::map<std::string, Believer> believers_;
  std::uint64_t asked_ = 0;
};

}  // namespace gnomon::sim::leases
