// SPDX-License-Identifier: Apache-2.0
//
// The lease service of one daemon: the messages of lease.proto in front of the lease runner, behind up to two doors.
//
//   kUnixSocket  everybody who may open the socket is "local"; only here may a lease be broken
//   kMutualTls   who somebody is, his certificate says: the first subject alternative name, else the common name
//   kInsecure    for tests, on loopback: everybody is "insecure"
//
// The names "local" and "insecure" are therefore refused in a certificate: it would own the sessions of another door.
//
// A thread per call, as gRPC's synchronous service has it, would make a thread of every client that waits in a queue.
// Here a call is a reactor that is finished from the runner's thread; a waiting one costs its memory. Both doors share
// one runner, one table of limits and one set of counters.
//
// Header free of gRPC. Thread rule: any thread; it must outlive the servers that its doors were given to, and the
// runner has to outlive it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "control/lease/lease_runner.hpp"
#include "control/service/lease_call_limits.hpp"
#include "control/service/server_guest.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::control {

enum class LeaseDoor : std::uint8_t { kUnixSocket, kMutualTls, kInsecure };

constexpr std::string_view kLocalPrincipal = "local";
constexpr std::string_view kInsecurePrincipal = "insecure";

/// What a server bears from its peers. The same on both doors.
struct LeaseServerLimits {
  std::size_t most_message_bytes = 64 * 1024;               // received
  std::size_t most_header_bytes = 16 * 1024;                // of one call
  std::uint32_t calls_per_connection = 256;                 // at once
  time::Duration handshake = time::seconds(10);             // TLS and the first frames: whoever is silent goes
  time::Duration keepalive = time::seconds(30);             // quiet connections are pinged so often
  time::Duration keepalive_answer = time::seconds(10);      // and ended after so long without an answer
  time::Duration shortest_ping = time::seconds(5);          // clients that ping more often
  std::uint32_t ping_strikes = 3;                           // so many times are sent away
  time::Duration longest_idle = time::seconds(300);         // of a connection without calls
  std::size_t most_bytes = std::size_t{256} * 1024 * 1024;  // of all connections of a door, roughly
  std::uint32_t most_threads = 64;                          // of a door, for its synchronous services
  time::Duration goodbye = time::seconds(1);                // for calls under way when the server ends
};

struct LeaseServiceOptions {
  LeaseCallLimits calls{};
  LeaseServerLimits server{};
  /// How long a command may take: as the caller says, or this if he says nothing, and at most that.
  time::Duration usual_deadline = time::seconds(10);
  time::Duration longest_deadline = time::seconds(30);
  /// A wait is cut to this, and to the caller's deadline less the time that the answer needs.
  time::Duration longest_wait = time::seconds(60);
  time::Duration answer_margin = time::milliseconds(200);
  /// Certificates are looked at so often.
  time::Duration certificate_check = time::seconds(10);
};

enum class LeaseMethod : std::uint8_t {
  kOpenSession,
  kRenewSession,
  kCloseSession,
  kAcquire,
  kRelease,
  kGetLease,
  kListLeases,
  kValidateToken,
  kWatchLeases,
  kBreakLease,
};
constexpr std::size_t kLeaseMethods = 10;
/// "open_session" and the like: for metrics.
[[nodiscard]] std::string_view text_of(LeaseMethod method);

struct LeaseServiceCounters {
  std::array<std::uint64_t, kLeaseMethods> calls{};  // by LeaseMethod; whatever became of them
  std::uint64_t over_limit = 0;                      // RESOURCE_EXHAUSTED
  std::uint64_t unauthenticated = 0;
  std::uint64_t forbidden = 0;    // not over this door
  std::uint64_t invalid = 0;      // INVALID_ARGUMENT
  std::uint64_t cancelled = 0;    // by the caller, or because the server ended
  std::uint64_t timed_out = 0;    // DEADLINE_EXCEEDED
  std::uint64_t unavailable = 0;  // the store or the daemon
  std::uint64_t events = 0;       // sent to watches
  std::uint64_t open = 0;         // calls and watches under way
  LeaseRunnerCounters runner;     // and the desk's in it
};

class LeaseService {
 public:
  /// Turns gRPC's health and reflection services on for every server of this process that is made after it.
  [[nodiscard]] static std::unique_ptr<LeaseService> make(LeaseRunner& runner, const LeaseServiceOptions& options);
  LeaseService(const LeaseService&) = delete;
  LeaseService& operator=(const LeaseService&) = delete;
  virtual ~LeaseService() = default;

  /// For StatusServer::start (kUnixSocket); LeaseServer takes its own. One server at a time for each.
  [[nodiscard]] virtual ServerGuest& guest(LeaseDoor door) = 0;
  [[nodiscard]] virtual LeaseServiceCounters counters() const = 0;
  [[nodiscard]] virtual const LeaseServiceOptions& options() const = 0;

 protected:
  LeaseService() = default;
};

}  // namespace gnomon::control
