// SPDX-License-Identifier: Apache-2.0
//
// When a client's session is renewed, and until when the client may believe in it. Event in, effects out, no clock and
// no thread: the simulator runs this very code.
//
// The belief ends `ttl` after the *sending* of the last renewal that was answered, less what this host's clock may be
// slow by, less a margin for acting on it. Counting from the answer, as the textbook's heartbeat does, believes for a
// round trip too long; trusting one clock believes through a suspend (CLOCK_MONOTONIC_RAW stops) or through a slewed
// clock. So elapsed time is what the larger of two clocks says, and one that goes backwards counts as the end.
//
//   sent                         renew at ttl/3          danger            end of belief        server: expiry
//   |----------------------------|-----------------------|-----------------|--------------------|
//
// `kDanger` is told when the session will end soon unless a renewal comes through: time to stop what must not go on.
// `kLost` is final; a lost session is never believed in again, whatever answer comes late.
// Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <tl/expected.hpp>

#include "oracle/time/instant.hpp"

namespace gnomon::client {

/// Both clocks of a host at one moment. Uptime includes suspends; steady does not and is slewed by nobody.
struct HostClocks {
  time::Uptime steady;  // CLOCK_MONOTONIC_RAW
  time::Uptime uptime;  // CLOCK_BOOTTIME
  friend bool operator==(const HostClocks&, const HostClocks&) = default;
};

struct KeeperOptions {
  time::Duration ttl = time::seconds(10);
  /// Between renewals; zero: a third of the TTL.
  time::Duration heartbeat{};
  /// How long an unanswered renewal is waited for before the next one is sent; zero: half a heartbeat.
  time::Duration attempt{};
  /// Of the belief before its end, in which kDanger has been told; zero: a fifth of the TTL.
  time::Duration danger{};
  /// The belief ends so much before the granted TTL: for the way from the check to the act. Zero: a fiftieth of the
  /// TTL.
  time::Duration margin{};
  /// What the host's clocks may be slow by.
  std::int64_t oscillator_ppb = 500'000;
};

/// With every zero replaced by its default; or what is wrong with them, as a sentence.
[[nodiscard]] tl::expected<KeeperOptions, std::string> checked(const KeeperOptions& options);

/// The larger of what both clocks say has passed; nothing if one of them went backwards.
[[nodiscard]] std::optional<time::Duration> elapsed(const HostClocks& from, const HostClocks& to);

/// How much a clock that may be slow by `oscillator_ppb` may show before `ttl` less `margin` has passed; never
/// negative.
[[nodiscard]] time::Duration believable(time::Duration ttl, time::Duration margin, std::int64_t oscillator_ppb);

enum class Belief : std::uint8_t {
  kOpening,  // not granted yet: nothing is held
  kHeld,
  kDanger,  // held, but it ends soon unless a renewal comes through
  kLost,    // over, for good
};

namespace keeper_effect {
/// Send a renewal (or the opening) under this number, which is new. Several may be under way.
struct Renew {
  std::uint64_t attempt = 0;
};
/// The belief changed, to `belief`.
struct Tell {
  Belief belief{};
};
}  // namespace keeper_effect
struct KeeperEffects {
  std::optional<keeper_effect::Renew> renew;
  std::optional<keeper_effect::Tell> tell;
};

class SessionKeeper {
 public:
  /// Zeros are defaults; the rest is as `checked` wants it.
  explicit SessionKeeper(const KeeperOptions& options);

  /// Time passed.
  [[nodiscard]] KeeperEffects tick(const HostClocks& now);
  /// The server answered attempt number `attempt` with this TTL.
  [[nodiscard]] KeeperEffects granted(const HostClocks& now, std::uint64_t attempt, time::Duration ttl);
  /// No answer, or one that says "try again": the next attempt comes in its time.
  [[nodiscard]] KeeperEffects failed(const HostClocks& now, std::uint64_t attempt);
  /// The server says that the session is over: nothing may be believed from now on.
  [[nodiscard]] KeeperEffects refused(const HostClocks& now);
  /// Renew now, whatever the heartbeat says; the number of that attempt.
  [[nodiscard]] KeeperEffects renew_now(const HostClocks& now);

  /// Whether a lease of this session may be acted upon at `now`. Cheap; ask before every act.
  [[nodiscard]] bool holds(const HostClocks& now) const;
  /// For how long, from `now` on, if no renewal comes through.
  [[nodiscard]] time::Duration left(const HostClocks& now) const;
  /// Whether a renewal that was sent at or after `attempt` has been granted.
  [[nodiscard]] bool confirmed_since(std::uint64_t attempt) const;
  [[nodiscard]] Belief belief() const { return belief_; }
  [[nodiscard]] std::uint64_t last_attempt() const { return last_attempt_; }
  /// When `tick` has something to do, counted from `now`.
  [[nodiscard]] time::Duration next(const HostClocks& now) const;

 private:
  struct Sent {
    std::uint64_t attempt = 0;
    HostClocks at;
  };

  [[nodiscard]] KeeperEffects renew(const HostClocks& now);
  [[nodiscard]] KeeperEffects lose();
  /// What the belief is at `now`, told if it is another one.
  [[nodiscard]] KeeperEffects look(const HostClocks& now);
  [[nodiscard]] bool went_back(const HostClocks& now) const;
  [[nodiscard]] time::Duration believed_for(time::Duration ttl) const;
  [[nodiscard]] time::Duration scaled(time::Duration part) const;
  [[nodiscard]] time::Duration until_renewal(const HostClocks& now) const;

  KeeperOptions options_;
  Belief belief_ = Belief::kOpening;
  std::uint64_t last_attempt_ = 0;
  std::uint64_t confirmed_ = 0;        // the newest attempt that was granted
  std::vector<Sent> sent_;             // unanswered, ascending; at most kMaxUnanswered
  std::optional<HostClocks> seen_;     // at the last event
  std::optional<HostClocks> last_at_;  // when the newest attempt was sent
  std::optional<HostClocks> sent_at_;  // of the granted renewal on which the belief rests
  time::Duration ttl_;                 // that was granted with it
};

}  // namespace gnomon::client
