// SPDX-License-Identifier: Apache-2.0
//
// What the parts of one world of leases share: virtual time, chance, the store, the story and the checkers. A world is
// single-threaded, and so is all of this.
#pragma once

#include <cstdint>
#include <functional>

#include "control/store.hpp"
#include "oracle/lease/right_rules.hpp"
#include "tests/sim/check/report.hpp"
#include "tests/sim/lease/agenda.hpp"
#include "tests/sim/lease/check/answers.hpp"
#include "tests/sim/lease/check/exclusive.hpp"
#include "tests/sim/lease/check/expiry.hpp"
#include "tests/sim/lease/check/landing.hpp"
#include "tests/sim/lease/check/lease_liveness.hpp"
#include "tests/sim/lease/check/queue.hpp"
#include "tests/sim/lease/check/tokens.hpp"
#include "tests/sim/lease/plan.hpp"
#include "tests/sim/lease/story.hpp"
#include "tests/sim/random.hpp"
#include "tests/sim/simulated_store.hpp"
#include "tests/sim/strokes.hpp"

namespace gnomon::sim::leases {

struct Counts {
  std::uint64_t requests = 0;
  std::uint64_t grants = 0;
  std::uint64_t queued_grants = 0;  // of them, to somebody who had waited
  std::uint64_t takeovers = 0;      // of them, from a session that had expired
  std::uint64_t renewals = 0;
  std::uint64_t releases = 0;
  std::uint64_t refusals = 0;
  std::uint64_t lost_sessions = 0;  // that their clients gave up believing in
  std::uint64_t stale_writes = 0;   // that a resource refused
  std::uint64_t faults = 0;
  std::uint64_t looks = 0;     // at a client that believed in a lease
  std::uint64_t judged = 0;    // answers
  std::uint64_t passed = 0;    // places in queues that a grant had to look at
  std::uint64_t promises = 0;  // renewals whose expiry was held against what the client counts

  void add(const Counts& other);
};

struct Environment {
  Environment(const Plan& p, bool print)
      : plan(p),
        random(Random(p.seed ^ 0xcbbb9d5dc1059ed8ULL).fork()),
        story(print),
        expiry(report),
        queue(report),
        tokens(report),
        exclusive(report),
        answers(report),
        liveness(report, p) {
    facts.epoch = 1;
    facts.identity = *store.commit({{}, {{std::string(lease::kStoreKey), "simulated"}}, {}});
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment() = default;

  [[nodiscard]] time::Uptime now() const { return agenda.now(); }
  template <typename... Args>
  void note(fmt::format_string<Args...> text, Args&&... args) {
    story.add(now(), text, std::forward<Args>(args)...);
  }
  /// How long something that usually takes `typical` takes this time.
  [[nodiscard]] time::Duration delay(time::Duration typical) { return plan.exact ? typical : random.around(typical); }
  [[nodiscard]] bool happens(std::uint32_t per_mille) { return !plan.exact && faulty && random.per_mille(per_mille); }
  [[nodiscard]] Befell befell() const {
    Befell befell{faults.began(), faults.log(), {}, {}, {}};
    if (plan.loss != 0) befell.nuisances.push_back(TroubleKind::kLoss);
    if (plan.unknown != 0) befell.nuisances.push_back(TroubleKind::kLostAnswers);
    if (plan.duplicates != 0) befell.nuisances.push_back(TroubleKind::kDuplicates);
    return befell;
  }
  [[nodiscard]] control::Nonce draw_nonce() {
    control::Nonce nonce{};
    for (std::uint8_t& byte : nonce)
      byte = static_cast<std::uint8_t>(random.next());
    return nonce;
  }
  /// The commit takes effect, or a compare says that it does not.
  [[nodiscard]] tl::expected<control::Revision, control::StoreError> commit(const control::Transaction& transaction,
                                                                            const lease::Moment& moment,
                                                                            time::Uptime decided);

  const Plan plan;
  Random random;
  Strokes faults{random, TroubleKind::kFault, plan.replay};
  Agenda agenda;
  SimulatedStore store;
  lease::StoreFacts facts;
  Story story;
  bool faulty = false;       // between the calm and the recovery
  std::uint64_t leader = 1;  // of the store; with another one nobody knows what became of what was under way
  /// The present on the clock by which sessions expire.
  std::function<lease::Expiry()> truth;
  /// Told of every commit that took effect: the watches of the servers.
  std::function<void(const control::Transaction&, control::Revision)> on_landed;
  bool operator_breaks = false;  // leases, on his word that their holders are stopped: such a commit breaks no promise

  Report report;
  ExpiryKept expiry;
  QueueKept queue;
  TokensGrow tokens;
  Exclusive exclusive;
  AnswersTrue answers;
  LeaseLiveness liveness;
  Counts counts;
};

}  // namespace gnomon::sim::leases
