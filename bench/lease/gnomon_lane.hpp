// SPDX-License-Identifier: Apache-2.0
//
// A session over the service of a gnomond, as a client program has it: the generated stub on its Unix socket. The
// client library is left out on purpose. It sends the same calls, but renews by itself whenever it likes, and then
// nobody knows whose commit is timed.
// Thread rule: one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/lease/lane.hpp"
#include "gnomon/v1/lease.grpc.pb.h"
#include "oracle/time/instant.hpp"

namespace gnomon::bench {

/// The calls, each of which ends the bench if it is refused.
class LeaseStub {
 public:
  /// `server`: "unix:PATH". Connects on its own, whoever else is connected there.
  explicit LeaseStub(const std::string& server);

  /// Whether it was opened; not ending the bench if not.
  [[nodiscard]] bool try_open(const std::string& session);
  void open(const std::string& session);
  void renew(const std::string& session);
  void close(const std::string& session);
  /// The token. `wait_for` > 0: a place in the queue, until it is granted.
  [[nodiscard]] std::uint64_t acquire(const std::string& session, const std::string& name,
                                      time::Duration wait_for = {});
  void release(const std::string& session, const std::string& name, std::uint64_t token);
  [[nodiscard]] std::uint32_t waiters(const std::string& name);

  /// Why the last try_open was refused.
  [[nodiscard]] const std::string& why() const { return why_; }

 private:
  std::unique_ptr<v1::LeaseService::Stub> stub_;
  std::string why_;
};

/// 16 random bytes.
[[nodiscard]] std::string new_session_id();

class GnomonLane final : public Lane {
 public:
  /// `label`: of its names, which no other lane may have.
  GnomonLane(const std::string& server, std::string label);
  void run(Command command, std::size_t k) override;

 private:
  struct Slot {
    std::string name;
    std::uint64_t token = 0;
    std::string session;  // of the one that is opened and closed
  };
  Slot& slot(std::size_t k);

  LeaseStub stub_;
  std::string label_;
  std::string session_ = new_session_id();
  std::vector<Slot> slots_;
};

}  // namespace gnomon::bench
