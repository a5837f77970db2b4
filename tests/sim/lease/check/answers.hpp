// SPDX-License-Identifier: Apache-2.0
//
// Promise: an answer was true at some instant between the sending of its request and the answer (Herlihy and Wing,
// "Linearizability", TOPLAS 1990), as far as one answer alone can show it:
//
//   held (already)     the session held the name under that token
//   refused: held      somebody else did
//   refused: not held  the session did not, under the token that it named
//   session over       the session was not open, or past its expiry, unless its opening came after the request
//   released           the grant is gone
//   closed             the session is not open, unless its opening came after the closing
//
// And a grant goes only by what was asked for: by a release that its session sent under its very token, or because its
// session is over. A late duplicate that names an older token, or none, takes nothing away.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/lease/lease_desk.hpp"
#include "oracle/mint/names.hpp"
#include "tests/sim/check/report.hpp"
#include "tests/sim/lease/check/landing.hpp"

namespace gnomon::sim::leases {

class AnswersTrue {
 public:
  explicit AnswersTrue(Report& report) : report_(report) {}

  void release_sent(const lease::SessionId& session, const std::string& name, mint::Token token) {
    released_.push_back({session, name, token});
  }
  /// `broken`: by an operator, who may.
  void landing(const Landing& landing, std::uint16_t epoch, bool broken);
  /// A server answers what was sent at `sent`; `store` as it is now, `boot_now` on the clock by which sessions expire.
  void answered(const control::Call& call, const control::Reply& reply, time::Uptime sent, time::Uptime now,
                const SimulatedStore& store, const lease::Expiry& clock);
  /// Answers that were held against the store.
  [[nodiscard]] std::uint64_t judged() const { return judged_; }

 private:
  struct Release {
    lease::SessionId session{};
    std::string name;
    mint::Token token;
  };
  /// Who held a name, from `since` on.
  struct Tenure {
    time::Uptime since;
    std::optional<lease::SessionId> session;
    mint::Token token;
  };

  void fail(std::string text) { report_.fail("answers", std::move(text)); }
  void ended(const Landing& landing, std::string_view name);
  void note(const std::string& name, Tenure tenure) { tenures_[name].push_back(tenure); }
  /// All that held at some instant from `since` on.
  [[nodiscard]] std::vector<Tenure> within(const std::string& name, time::Uptime since) const;
  void check_refusal(const control::Call& call, const lease::answer::Refused& refused, time::Uptime sent,
                     const SimulatedStore& store, const lease::Expiry& clock);
  void check_held(const control::Call& call, const lease::answer::Held& held, time::Uptime sent);

  Report& report_;
  std::vector<Release> released_;
  std::map<std::string, std::vector<Tenure>, std::less<>> tenures_;
  std::map<lease::SessionId, time::Uptime> opened_;  // last, or open again after it had expired
  std::uint64_t judged_ = 0;
};

}  // namespace gnomon::sim::leases
