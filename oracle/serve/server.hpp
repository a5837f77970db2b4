// SPDX-License-Identifier: Apache-2.0
//
// A worker's step: the bytes of a datagram in, the bytes of its reply out, in place. Both I/O twins and the simulator
// run this and nothing else, so what is proved of it holds for all of them.
//
//   begin_burst(time)                 once per burst, after it arrived: rights are taken over here, and nowhere else
//   answer(datagram, source, path)    per datagram: length of the reply that now stands in its place, 0 for none
//   next_parked(out, path)            until it returns 0: replies to requests that had waited
//
// Invariants:
//   - a generation of rights is acknowledged only after every generator dropped the older one, and a generator is the
//     only thing that can turn a parked request into IDs: so an acknowledged revocation holds for parked requests too;
//   - `used_until` is in the worker page before `answer` or `next_parked` returns the reply that used it;
//   - a reply is never longer than its request; an invalid message drops its whole datagram, counted once.
//
// No clock read, lock, allocation or system call after construction. Thread rule: one thread; the pages are shared.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "oracle/id/layout.hpp"
#include "oracle/mint/generator.hpp"
#include "oracle/page/rights_page.hpp"
#include "oracle/page/worker_page.hpp"
#include "oracle/serve/burst_time.hpp"
#include "oracle/serve/gate.hpp"
#include "oracle/serve/parking.hpp"
#include "oracle/serve/source.hpp"
#include "oracle/wire/message.hpp"

namespace gnomon::serve {

struct ServerOptions {
  std::vector<id::Layout> layouts;  // the served ones, each number once, at most kMaxLayouts
  bool rotating_start = false;
  std::size_t park_limit = 8192;  // parked requests per layout
  time::Duration park_for = time::milliseconds(20);
  std::uint64_t incarnation = 0;  // of the daemon: what ping answers
  std::uint64_t hash_seed = 0;    // secret
};

class Server {
 public:
  static constexpr std::size_t kMaxLayouts = 16;

  /// `policy` must outlive its use: see `use_policy`. Pages must outlive the server. Throws std::invalid_argument if a
  /// layout is listed twice, can't be named on the wire, or is one too many.
  Server(const ServerOptions& options, const page::RightsRecord& rights, page::WorkerPage& page,
         const AccessPolicy& policy);

  void begin_burst(const BurstTime& time);

  /// `datagram` is overwritten by the reply. `path` is copied only if a request has to wait.
  [[nodiscard]] std::size_t answer(std::span<std::byte> datagram, const Address& source, const ReturnPath& path);

  /// Writes replies to parked requests of one client into `out` (room for kMaxDatagram bytes) and says where they go.
  [[nodiscard]] std::size_t next_parked(std::span<std::byte> out, ReturnPath& path);

  /// How long the loop may sleep before a parked request can go on; kNothingParked if there is none.
  static constexpr time::Duration kNothingParked = time::seconds(3600);
  [[nodiscard]] time::Duration parked_wait() const;
  [[nodiscard]] std::size_t parked() const;

  /// From the next datagram on. The old policy may be freed once `policy_seen` in the page shows the new version.
  void use_policy(const AccessPolicy& policy);

  [[nodiscard]] page::Counters& counters() { return page_.counters; }

 private:
  struct Lane {
    mint::IdGenerator generator;
    std::uint32_t max_count = 1;  // what one request may ask for
    ParkingFifo parking;
    time::SmearedUtc not_before = time::SmearedUtc::min();  // of the ordering timeline: the next unit
  };
  static constexpr std::uint8_t kNoLane = 0xff;

  void take_over_rights();
  [[nodiscard]] std::size_t drop(page::Counter reason);
  [[nodiscard]] bool authorised(const wire::Message& message, bool required) const;
  [[nodiscard]] bool tag_holds(const wire::Message& message) const;
  [[nodiscard]] bool answer_one(wire::Message& message, bool auth_required, const ReturnPath& path);
  void answer_ping(wire::Message& message) const;
  [[nodiscard]] bool answer_next_id(wire::Message& message, const ReturnPath& path);
  [[nodiscard]] bool park(Lane& lane, wire::Message& message, const ReturnPath& path, time::Duration wait);
  [[nodiscard]] bool answer_parked(Lane& lane, wire::Message& message);
  void write_right(wire::Message& message, std::size_t slot) const;
  void write_ids(wire::Message& message, const Lane& lane, const mint::Take& take);
  void publish_use(const Lane& lane, std::size_t slot);
  void refuse_for_clock(wire::Message& message);
  void refuse_unauthorised(wire::Message& message);
  void refuse(wire::Message& message, mint::Refusal refusal, time::Duration retry_after);
  void refuse(wire::Message& message, wire::Status status, page::Counter counter, std::uint32_t count = 0);
  void finish(wire::Message& message) const;
  [[nodiscard]] time::Duration drain_time(const Lane& lane) const;

  const page::RightsRecord& rights_page_;
  page::WorkerPage& page_;
  const AccessPolicy* policy_;
  RateLimiter limiter_;
  ServerOptions options_;

  BurstTime time_;
  bool clock_serves_ = false;  // the ordering timeline is in a state in which IDs may be had
  std::uint64_t rights_version_ = 0;
  mint::RightSet rights_;
  std::array<std::uint16_t, mint::kMaxRightsPerWorker> remaining_ms_{};  // of each right, at the time of the burst
  std::array<std::uint8_t, 256> lane_of_{};                              // by layout number
  std::vector<Lane> lanes_;
};

}  // namespace gnomon::serve
