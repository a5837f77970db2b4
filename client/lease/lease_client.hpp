// SPDX-License-Identifier: Apache-2.0
//
// Leases from code: a Session that keeps itself alive, and Leases that hang on it.
//
//   auto leases  = gnomon::client::LeaseClient::connect({.servers = {"unix:/run/gnomon/main.sock"}});
//   auto session = (*leases)->open_session({.ttl = gnomon::time::seconds(10)});
//   auto lease   = (*session)->acquire("database:1");
//   if (lease && lease->holds()) write_under(lease->token());   // the resource refuses smaller tokens
//
// A lease is a promise about the past: that it was yours when you asked. Between `holds()` and what you do next any
// amount of time may pass, so whatever can be damaged by two writers checks the token (TokenGuard). `holds()` is there
// to stop in time and to waste no work.
//
// The callbacks run on the session's own thread and must not block or call back into the session; on_danger comes
// before the end of the belief, on_lost at it. Nothing is held in a forked child. Thread rule: everything may be called
// from any thread. Destroying a session closes it (one attempt, bounded); its leases then hold nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "client/lease/session_keeper.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::client {

enum class LeaseErrorKind : std::uint8_t {
  // The answer is no.
  kHeld,
  kQueued,  // free, but others wait in front; acquire with a wait
  kNotHeld,
  kSessionLost,  // this session is over: open another one
  kQuarantined,
  kTooMany,
  kRecovering,
  kForbidden,  // another principal's session, a certificate that is not accepted, or not over this transport
  kBadArgument,
  // No answer, or none that counts.
  kUnreachable,
  kTimeout,         // the outcome is not known; the same call may be made again
  kUnsynchronised,  // no server that answered can tell the time
  kOverloaded,
  kServer,  // what the store holds is damaged, or the server failed
  kClosed,  // this object was closed, or the process forked
};
[[nodiscard]] std::string_view text_of(LeaseErrorKind kind);

struct LeaseError {
  LeaseErrorKind kind{};
  std::string text;            // complete sentence: what happened, to what, what to do
  time::Duration retry_after;  // zero: nobody can say
  std::string holder;          // kHeld, kQuarantined
  std::uint64_t token = 0;     // likewise: of the grant in the way
};
template <typename T>
using LeaseResult = tl::expected<T, LeaseError>;

/// Mutual TLS; all three or none. PEM files.
struct LeaseTls {
  std::string ca_file;
  std::string cert_file;
  std::string key_file;
  std::string server_name;  // that the server's certificate must carry; empty: the host of the address
};

struct LeaseClientOptions {
  /// "unix:PATH" or "host:port", all of one kind, since a client has another name over the other; 1 to 16. Asked in
  /// this order, the last that answered first.
  std::vector<std::string> servers{};
  std::optional<LeaseTls> tls{};
  /// For one call, retries at other servers included.
  time::Duration deadline = time::seconds(5);
};

struct SessionOptions {
  time::Duration ttl = time::seconds(10);
  KeeperOptions keeper{};  // its ttl is set from the one above
  std::string label{};     // empty: host, process id and program
  std::function<void()> on_danger{};
  std::function<void(const std::string& why)> on_lost{};
};

struct AcquireOptions {
  /// Zero: an answer at once. Else a place in the queue for at most this long, then kHeld and the place is given up.
  time::Duration wait_for{};
  time::Duration lock_delay{};
  std::string metadata{};
  /// Ends the wait early, as the end of `wait_for` does, but with kTimeout.
  std::stop_token stop{};
};

enum class LeaseStatus : std::uint8_t { kFree, kHeld, kExpiring, kExpired, kQuarantined, kUnreadable };
[[nodiscard]] std::string_view text_of(LeaseStatus status);

struct LeaseInfo {
  std::string name;
  LeaseStatus status{};
  std::uint64_t token = 0;
  std::string principal;
  std::string label;
  std::string metadata;
  time::Duration remaining;  // from before the question was sent: for so long it certainly is held unless released
  time::Duration free_in;
  std::uint32_t waiters = 0;
};

enum class TokenVerdict : std::uint8_t { kCurrent, kDoubtful, kStale, kUnknown };
[[nodiscard]] std::string_view text_of(TokenVerdict verdict);

struct LeaseChange {
  LeaseInfo lease;
  bool initial = false;    // was there when the watch began
  bool caught_up = false;  // no lease: all that was there has been told
  bool gap = false;        // events may be missing: what follows is told anew
};

class Session;

/// A grant. Movable; destroyed while held it is released (one attempt, bounded).
class Lease {
 public:
  Lease(Lease&&) noexcept;
  Lease& operator=(Lease&&) noexcept;
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease();

  [[nodiscard]] const std::string& name() const;
  [[nodiscard]] std::uint64_t token() const;
  /// Whether it may be acted upon now. Never true again once it was false.
  [[nodiscard]] bool holds() const;
  /// For how long, from now on, if no renewal comes through.
  [[nodiscard]] time::Duration left() const;
  /// kHeld, kDanger (held, but it ends soon unless a renewal comes through) or kLost.
  [[nodiscard]] Belief belief() const;
  /// Waits until the belief is another than `known`, at most `timeout`; what it is then.
  [[nodiscard]] Belief wait(Belief known, time::Duration timeout) const;
  /// From the moment of the call on nothing is held, whatever becomes of it.
  LeaseResult<void> release();

 private:
  friend class Session;
  struct State;
  explicit Lease(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

class Session {
 public:
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  [[nodiscard]] LeaseResult<Lease> acquire(const std::string& name, const AcquireOptions& options = {});
  [[nodiscard]] Belief belief() const;
  [[nodiscard]] time::Duration left() const;
  [[nodiscard]] std::string id() const;  // 32 hex digits
  /// Everything is free at once. From the moment of the call on nothing is held.
  LeaseResult<void> close();

 private:
  friend class LeaseClient;
  struct State;
  explicit Session(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

/// Ends the watch when destroyed.
class LeaseWatch {
 public:
  LeaseWatch(const LeaseWatch&) = delete;
  LeaseWatch& operator=(const LeaseWatch&) = delete;
  ~LeaseWatch();
  /// The next change, within `timeout`; nothing new: nullopt. Goes on through lost servers (with a gap).
  [[nodiscard]] LeaseResult<std::optional<LeaseChange>> next(time::Duration timeout);

 private:
  friend class LeaseClient;
  struct State;
  explicit LeaseWatch(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

class LeaseClient : public std::enable_shared_from_this<LeaseClient> {
 public:
  /// Checks the options and reads the certificates; nothing is sent.
  [[nodiscard]] static LeaseResult<std::shared_ptr<LeaseClient>> connect(const LeaseClientOptions& options);
  LeaseClient(const LeaseClient&) = delete;
  LeaseClient& operator=(const LeaseClient&) = delete;
  ~LeaseClient();

  /// Open when it returns.
  [[nodiscard]] LeaseResult<std::unique_ptr<Session>> open_session(SessionOptions options = {});
  [[nodiscard]] LeaseResult<LeaseInfo> get(const std::string& name);
  [[nodiscard]] LeaseResult<std::vector<LeaseInfo>> list(const std::string& prefix = "");
  [[nodiscard]] LeaseResult<TokenVerdict> validate(const std::string& name, std::uint64_t token);
  [[nodiscard]] LeaseResult<std::unique_ptr<LeaseWatch>> watch(const std::string& prefix = "");
  /// The operator's word that the holder is stopped. Over a Unix socket only. The token that was taken away.
  [[nodiscard]] LeaseResult<std::uint64_t> break_lease(const std::string& name);

 private:
  struct State;
  explicit LeaseClient(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace gnomon::client
