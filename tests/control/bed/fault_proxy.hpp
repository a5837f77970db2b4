// SPDX-License-Identifier: Apache-2.0
//
// A TCP proxy between a client and etcd that does, on demand, what networks and their middle boxes do: it loses
// answers, holds requests back until nobody waits for them, and delivers them twice.
//
// The naive fault, to close a connection, teaches nothing: the client can't tell whether its commit was done, but
// neither can the test. Here the test can. An answer is dropped when it is there, so the commit *is* done; a request
// that is held has *not* been done, and will be when the test says so; a replayed one is done again.
//
// For that the proxy reads the frames of HTTP/2 without TLS. A connection that it can't read (TLS) passes, stalls, is
// delayed and reset like any other, but it can't be replayed; and drop_answers swallows all that the server says there:
// what was asked on an open connection is done without an answer, and a new one gets no further than its handshake.
//
// It listens on a port of 127.0.0.1 that it keeps, in the network namespace of the thread that makes it; one per
// endpoint. Thread rule: any thread may call; one thread of its own passes the bytes, and ends with the object.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "platform/endpoint.hpp"
#include "platform/unique_fd.hpp"
#include "tests/control/bed/held_port.hpp"
#include "tests/control/bed/proxied_connection.hpp"

namespace gnomon::bed {

class FaultProxy {
 public:
  /// What a client has said on one connection.
  struct Recording {
    std::uint64_t connection = 0;  // counted from 1 in the order of acceptance
    std::size_t bytes = 0;
    std::size_t requests = 0;  // complete ones: the client has said all of them
    bool replayable = false;   // HTTP/2 without TLS, and all of it was kept
  };

  explicit FaultProxy(const platform::Endpoint& server);
  ~FaultProxy();
  FaultProxy(const FaultProxy&) = delete;
  FaultProxy& operator=(const FaultProxy&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_.number(); }

  // --- from now on, until another one of these; a delay is by itself
  /// Bytes pass. What was stalled goes on.
  void pass();
  /// When the server answers a request, the connection is reset instead, both ways.
  void drop_answers();
  /// Nobody listens; open connections are reset.
  void refuse();
  /// Connections are accepted and stay, and no byte passes; nor does the news that one side has gone.
  void stall();
  /// Connections are reset at once, the open ones too.
  void reset();
  /// Every byte takes so long more, each way; 0: none.
  void delay(std::chrono::milliseconds each_way);

  // --- late requests
  /// Connections that are open now are held both ways until `let_go`; new ones pass.
  void hold();
  /// What clients said on held connections goes to the server, even if the client has given up since, and even if it
  /// has cancelled: as from a host that is not there any more. Answers to those who are gone are discarded.
  void let_go();

  // --- requests that come twice
  /// Of the last kMaxRecordings connections, the oldest first.
  [[nodiscard]] std::vector<Recording> recordings() const;
  /// All bytes of it. Throws std::runtime_error if there is no such recording that is replayable.
  [[nodiscard]] std::string said(std::uint64_t connection) const;
  /// Says all that again on a new connection to the server and discards the answers; how many were there (compare with
  /// Recording::requests). The caller must be in the network namespace of the proxy. Throws std::runtime_error if there
  /// is no such recording, or no connection.
  std::size_t replay(std::uint64_t connection);

  [[nodiscard]] ProxyCounts counts() const;

  static constexpr std::size_t kMaxRecordings = 64;

 private:
  void set(ProxyMode mode, bool listens, bool dooms);
  void wake() const;
  [[nodiscard]] const ProxyRecord& replayable(std::uint64_t connection) const;
  void listen_again();
  void run();
  void accept_all();
  void serve(const std::vector<pollfd>& polled);
  [[nodiscard]] std::vector<pollfd> to_poll() const;
  [[nodiscard]] int timeout_ms() const;

  const platform::Endpoint server_;
  HeldPort port_;
  platform::UniqueFd wake_;
  mutable std::mutex mutex_;
  // All below is guarded by mutex_.
  platform::UniqueFd listener_;
  ProxyRules rules_;
  ProxyCounts counts_;
  std::list<ProxiedConnection> connections_;
  std::deque<std::shared_ptr<ProxyRecord>> records_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace gnomon::bed
