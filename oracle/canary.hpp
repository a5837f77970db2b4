// SPDX-License-Identifier: Apache-2.0
//
// Canaries: bugs that are planted on purpose, to prove that the simulator finds such bugs. A simulator that has never
// found anything may just be blind.
//
// `planted(bug)` is a constant false in every build but the simulator's, which compiles these sources a second time
// with GNOMON_CANARIES: what ships contains none of it. A hook is one line at the place that the bug would be in.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace gnomon::canary {

enum class Bug : std::uint8_t {
  kNone,
  kUnknownExtension,   // control/agent
  kEarlyLastUsed,      // control/agent
  kReopenedUnit,       // oracle/mint
  kForgottenUnit,      // oracle/mint
  kWrappedSequence,    // oracle/mint
  kIgnoredLead,        // oracle/mint
  kUnconfirmedJump,    // oracle/mint
  kOneLayoutReleased,  // oracle/serve
  kIgnoredFloor,       // oracle/lease
  // What each term of the uncertainty is there for: one is left out or halved.
  kTightestSource,         // oracle/time: fusion
  kWholeSecondsBelieved,   // ptp
  kContradictionBelieved,  // ptp
  kHalvedAsymmetry,        // ptp
  kForgottenOffset,        // ptp
  kDroppedWidth,           // ptp
  kAgeFromPoll,            // ptp
  kForgottenDrift,         // ptp
  kForgottenAccuracy,      // ptp
  kForgottenLeapDoubt,     // ptp
  kEarlyRelease,           // oracle/serve: commit-wait
  // What the true time and those who use it rest on besides.
  kIgnoredCores,     // ptp
  kKeptHistory,      // ptp
  kIgnoredNotice,    // ptp
  kIgnoredVoid,      // oracle/serve
  kForgottenRemote,  // oracle/serve: hlc_update
  // What many hosts on one store rest on.
  kLoweringHeal,           // oracle/lease
  kBlindRetry,             // control/agent
  kSkippedVote,            // control/agent
  kForgottenAcknowledged,  // control/agent
  kIgnoredSeal,            // control
  kKeptFloor,              // control
  // What a host's disk and its copies are held against.
  kSkippedSync,       // platform
  kIgnoredDiskError,  // control
  kForgottenDamage,   // control
  kCopyTakenForOwn,   // control/agent
  // What named leases rest on: oracle/lease.
  kTakeoverIgnoresSession,
  kExpiryFromEarliest,
  kTakeoverAtLatest,
  kReleaseIgnoresToken,
  kRenewsTheDead,
  kShortenedTtl,
  kQueueIgnored,
  // What the clients of leases owe to them (tests/sim/lease).
  kCountsFromAnswer,
  kOneClockOnly,
  kSlewedClockOnly,
  kGrantWithoutConfirm,
  kHoldsAfterRelease,
};

/// Which proof has to find a bug; some are found by both (tests/sim/canary_test.cpp).
enum class Finder : std::uint8_t {
  kSimulator,    // tests/sim, in its own worlds
  kClocks,       // tests/ptp: random histories of clocks against a ground truth
  kSharedStore,  // tests/sim, in worlds of many hosts on one store
  kLeases,       // tests/oracle/lease and tests/sim/lease: who believes to hold a name, by true time
  kHolders,      // tests/sim/lease: the same, of bugs in clients
};

struct BugInfo {
  Bug bug;
  std::string_view name;
  std::string_view what;
  Finder finder = Finder::kSimulator;
};

constexpr std::array<BugInfo, 47> kBugs{{
    {Bug::kUnknownExtension, "unknown-extension", "an extension is used although its outcome is unknown"},
    {Bug::kEarlyLastUsed, "early-last-used", "last-used is read before the workers acknowledged the revocation"},
    {Bug::kReopenedUnit, "reopened-unit", "a generator opens its unit once more when time did not move on"},
    {Bug::kForgottenUnit, "forgotten-unit", "a new generation of rights forgets the last unit of the old one"},
    {Bug::kWrappedSequence, "wrapped-sequence", "a sequence that did not start at zero runs over its end"},
    {Bug::kIgnoredLead, "ignored-lead", "a unit is opened however far it lies ahead"},
    {Bug::kUnconfirmedJump, "unconfirmed-jump", "the ordering timeline follows a forward jump at once"},
    {Bug::kOneLayoutReleased, "one-layout-released", "last-used is that of the first layout only"},
    {Bug::kIgnoredFloor, "ignored-floor", "an acquisition starts its window now, whatever the last ceiling was"},
    {Bug::kTightestSource, "tightest-source", "fusion takes what all sources share, not what enough of them allow",
     Finder::kClocks},
    {Bug::kWholeSecondsBelieved, "whole-seconds-believed", "a source that jumps by whole seconds is believed",
     Finder::kClocks},
    {Bug::kContradictionBelieved, "contradiction-believed", "a result that contradicts the one before is published",
     Finder::kClocks},
    {Bug::kHalvedAsymmetry, "halved-asymmetry", "half of PTP's mean path delay is taken for the asymmetry",
     Finder::kClocks},
    {Bug::kForgottenOffset, "forgotten-offset", "offsets seen lately are left out of the bound", Finder::kClocks},
    {Bug::kDroppedWidth, "dropped-width", "the width of a bracketed reading is left out of the bound", Finder::kClocks},
    {Bug::kAgeFromPoll, "age-from-poll", "age counts from the poll, not from the ingress of the sample",
     Finder::kClocks},
    {Bug::kForgottenDrift, "forgotten-drift", "the counter is taken for a perfect oscillator", Finder::kClocks},
    {Bug::kForgottenAccuracy, "forgotten-accuracy", "the reference's own accuracy is left out of the bound",
     Finder::kClocks},
    {Bug::kForgottenLeapDoubt, "forgotten-leap-doubt", "a leap table in doubt is believed", Finder::kClocks},
    {Bug::kEarlyRelease, "early-release", "a commit-wait ends once latest > t", Finder::kClocks},
    {Bug::kIgnoredCores, "ignored-cores", "what the counters of two cores differ by is left out of the bound"},
    {Bug::kKeptHistory, "kept-history", "what was proved before is kept when all that is said now contradicts it"},
    {Bug::kIgnoredNotice, "ignored-notice", "a notice that the machine was stopped or moved drops nothing"},
    {Bug::kIgnoredVoid, "ignored-void", "a worker reads a line that has not been renewed for long"},
    {Bug::kForgottenRemote, "forgotten-remote", "a hybrid clock forgets the timestamp that it was given"},
    {Bug::kLoweringHeal, "lowering-heal", "a healed id begins again at the floor of the window that was taken away",
     Finder::kSharedStore},
    {Bug::kBlindRetry, "blind-retry",
     "after a lost answer the next commit is sent without reading, and relies on nothing", Finder::kSharedStore},
    {Bug::kSkippedVote, "skipped-vote", "rights are taken and extended before the others voted on the clock",
     Finder::kSharedStore},
    {Bug::kForgottenAcknowledged, "forgotten-acknowledged", "nobody looks whether acknowledged writes are still there",
     Finder::kSharedStore},
    {Bug::kIgnoredSeal, "ignored-seal", "a daemon starts on a store that is sealed", Finder::kSharedStore},
    {Bug::kKeptFloor, "kept-floor", "a recovery leaves the store's floor as it was", Finder::kSharedStore},
    {Bug::kSkippedSync, "skipped-sync", "a file is renamed over the old one before its data are synced",
     Finder::kSharedStore},
    {Bug::kIgnoredDiskError, "ignored-disk-error", "a journal that could not be written is taken for synced",
     Finder::kSharedStore},
    {Bug::kForgottenDamage, "forgotten-damage", "a start takes a damaged journal for none", Finder::kSharedStore},
    {Bug::kCopyTakenForOwn, "copy-taken-for-own", "what a copy wrote under the token of both is taken for one's own",
     Finder::kSharedStore},
    {Bug::kTakeoverIgnoresSession, "takeover-ignores-session",
     "a takeover neither compares nor kills the holder's session", Finder::kLeases},
    {Bug::kExpiryFromEarliest, "expiry-from-earliest", "a session's expiry counts from the earliest that it may be now",
     Finder::kLeases},
    {Bug::kTakeoverAtLatest, "takeover-at-latest", "a lease is taken over as soon as it may have expired",
     Finder::kLeases},
    {Bug::kReleaseIgnoresToken, "release-ignores-token", "a release frees the name under whatever token",
     Finder::kLeases},
    {Bug::kRenewsTheDead, "renews-the-dead", "a session that is over can be renewed", Finder::kLeases},
    {Bug::kShortenedTtl, "shortened-ttl", "a renewal for less shortens what was promised", Finder::kLeases},
    {Bug::kQueueIgnored, "queue-ignored", "a free name goes to whoever asks, past those who wait", Finder::kLeases},
    {Bug::kCountsFromAnswer, "counts-from-answer", "a holder counts the TTL from the answer to its renewal",
     Finder::kHolders},
    {Bug::kOneClockOnly, "one-clock-only", "a holder trusts a clock that stands still in a suspend", Finder::kHolders},
    {Bug::kSlewedClockOnly, "slewed-clock-only", "a holder trusts a clock that somebody slews", Finder::kHolders},
    {Bug::kGrantWithoutConfirm, "grant-without-confirm", "what was waited for is believed in without another renewal",
     Finder::kHolders},
    {Bug::kHoldsAfterRelease, "holds-after-release", "a holder believes until its release is answered",
     Finder::kHolders},
}};

#ifdef GNOMON_CANARIES
inline Bug planted_bug = Bug::kNone;
/// Before anything runs.
inline void plant(Bug bug) { planted_bug = bug; }
inline bool planted(Bug bug) { return planted_bug == bug; }
#else
constexpr bool planted(Bug) { return false; }
#endif

}  // namespace gnomon::canary
