// SPDX-License-Identifier: Apache-2.0
//
// A lease server in the test's own process that does what it is told: what a real one does once in a million requests
// (apply and lose the answer, fall silent, be killed in between), this one does when the test says so.
//
// A FakeLeaseTable is the store: sessions, leases and queues, on a clock that the test can put forward. A
// FakeLeaseServer is a gRPC server on a Unix socket in a folder of its own, which can be stopped and started again;
// several may share one table. The rules are those of the real ones, written down in the simplest way. Any thread.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "gnomon/v1/lease.grpc.pb.h"
#include "oracle/time/instant.hpp"

namespace gnomon::client {

class FakeLeaseTable {
 public:
  /// The clock of the expiries jumps ahead; the clients' clocks don't.
  void advance(time::Duration by);
  void set_max_wait(time::Duration longest);

  void open(const v1::OpenSessionRequest& request, v1::SessionResponse* response);
  void renew(const v1::RenewSessionRequest& request, v1::SessionResponse* response);
  void close(const std::string& session);
  /// Waits, too, until `gone`.
  void acquire(const v1::AcquireRequest& request, v1::AcquireResponse* response, const std::function<bool()>& gone);
  void release(const v1::ReleaseRequest& request, v1::ReleaseResponse* response);
  [[nodiscard]] std::optional<std::uint64_t> break_lease(const std::string& name);
  [[nodiscard]] v1::Lease view(const std::string& name);
  [[nodiscard]] std::vector<v1::Lease> list(const std::string& prefix);
  [[nodiscard]] v1::ValidateTokenResponse validate(const std::string& name, std::uint64_t token);
  /// Waits for a change after `version`; the names that changed, and the new version.
  [[nodiscard]] std::pair<std::vector<std::string>, std::uint64_t> changes(std::uint64_t version,
                                                                           std::chrono::milliseconds wait);

  // What a test looks at.
  [[nodiscard]] std::uint64_t holder_token(const std::string& name);
  [[nodiscard]] std::size_t waiters(const std::string& name);
  [[nodiscard]] std::size_t open_sessions();
  void end_session(const std::string& hex_id);

 private:
  using Clock = std::chrono::steady_clock;
  struct Session {
    std::string label;
    Clock::time_point expiry;
    std::chrono::nanoseconds ttl{};
    enum class State : std::uint8_t { kOpen, kClosed, kKilled } state = State::kOpen;
  };
  struct Held {
    std::string session;
    std::uint64_t token = 0;
    std::chrono::nanoseconds lock_delay{};
    std::string metadata;
  };

  // With the mutex held:
  [[nodiscard]] Clock::time_point now() const { return Clock::now() + ahead_; }
  [[nodiscard]] bool is_alive(const std::string& session) const;
  [[nodiscard]] bool check(const std::string& session, v1::Refused* refused) const;
  [[nodiscard]] bool is_free(const Held& held) const;
  [[nodiscard]] v1::Lease look(const std::string& name) const;
  [[nodiscard]] std::size_t in_front(const std::string& name, const std::string& session) const;
  [[nodiscard]] bool try_acquire(const v1::AcquireRequest& request, v1::AcquireResponse* response);
  void grant(const v1::AcquireRequest& request, v1::AcquireResponse* response, bool queued);
  void touch(const std::string& name);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::chrono::nanoseconds ahead_{};
  std::chrono::nanoseconds max_wait_ = std::chrono::seconds(30);
  std::map<std::string, Session> sessions_;
  std::map<std::string, Held> leases_;
  std::map<std::string, std::deque<std::string>> queues_;
  std::map<std::string, std::uint64_t> touched_;
  std::uint64_t version_ = 0;
  std::uint64_t last_token_ = 100;
};

/// What happens to one request. Default: it is served.
struct LeaseScript {
  bool apply = true;                                   // before the answer
  std::optional<grpc::Status> status{};                // answered instead
  std::optional<v1::RefusalReason> refuse{};           // likewise
  bool hold = false;                                   // no answer until the client gives up or the server stops
  std::optional<std::chrono::milliseconds> late_by{};  // applied so much later, whatever the client does
};

class FakeLeaseServer {
 public:
  FakeLeaseServer(FakeLeaseTable& table, std::string socket_path);
  ~FakeLeaseServer();
  FakeLeaseServer(const FakeLeaseServer&) = delete;
  FakeLeaseServer& operator=(const FakeLeaseServer&) = delete;

  [[nodiscard]] std::string address() const { return "unix:" + path_; }
  void stop();
  void start();
  /// For the next request of that method ("Acquire"), after what was said before.
  void next(const std::string& method, LeaseScript script);
  /// For all requests of that method that have no script of their own; nothing: served.
  void always(const std::string& method, std::optional<LeaseScript> script);
  /// Requests of that method that arrived so far.
  [[nodiscard]] int served(const std::string& method) const;
  /// What was asked of Release so far.
  [[nodiscard]] std::vector<v1::ReleaseRequest> releases() const;

 private:
  struct Rules;
  class Service;

  FakeLeaseTable& table_;
  std::string path_;
  std::unique_ptr<Rules> rules_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace gnomon::client
