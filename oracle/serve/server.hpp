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
//   - a reply is never longer than its request; an invalid message drops its whole datagram, counted once;
//   - no commit-wait is answered `ok` but in an interval whose earliest is > t (commit_waits.hpp);
//   - the counters in the page are complete once next_parked has returned 0.
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
#include "oracle/serve/time_ops.hpp"
#include "oracle/wire/message.hpp"

namespace gnomon::serve {

struct ServerOptions {
  std::vector<id::Layout> layouts;  // the served ones, each number once, at most kMaxLayouts
  bool rotating_start = false;
  std::size_t park_limit = 8192;  // parked requests per layout
  time::Duration park_for = time::milliseconds(20);
  std::uint64_t incarnation = 0;                           // of the daemon: what ping answers
  std::uint64_t hash_seed = 0;                             // secret
  std::uint32_t commit_wait_limit = 16'384;                // parked commit-waits, 1 to 2^30; about 150 bytes each
  time::Duration max_commit_wait = time::seconds(1);       // further ahead is too_far; 0 to 1 h
  time::Duration hlc_max_ahead = time::milliseconds(500);  // 0 to 1 h
  /// For hlc_update without an interval, from the ordering timeline, which counts UTC.
  time::Duration tai_minus_utc = time::seconds(37);
};

class Server {
 public:
  static constexpr std::size_t kMaxLayouts = 16;

  /// `policy` must outlive its use: see `use_policy`. Pages must outlive the server. Throws std::invalid_argument if a
  /// layout is listed twice, can't be named on the wire, or is one too many, or an option is outside its range.
  Server(const ServerOptions& options, const page::RightsRecord& rights, page::WorkerPage& page,
         const AccessPolicy& policy);

  void begin_burst(const BurstTime& time);

  /// `datagram` is overwritten by the reply. `path` is copied only if a request has to wait.
  [[nodiscard]] std::size_t answer(std::span<std::byte> datagram, const Address& source, const ReturnPath& path);

  /// Writes replies to parked requests of one client into `out` (room for kMaxDatagram bytes) and says where they go.
  [[nodiscard]] std::size_t next_parked(std::span<std::byte> out, ReturnPath& path);

  /// How long the loop may sleep before a parked request can go on, a commit-wait included; kNothingParked if there is
  /// none.
  static constexpr time::Duration kNothingParked = time::seconds(3600);
  [[nodiscard]] time::Duration parked_wait() const;
  [[nodiscard]] std::size_t parked() const;

  /// From the next datagram on. The old policy may be freed once `policy_seen` in the page shows the new version.
  void use_policy(const AccessPolicy& policy);

  /// Complete: what the present burst has counted so far is in the page when this returns.
  [[nodiscard]] page::Counters& counters() {
    publish_tally();
    return page_.counters;
  }

 private:
  struct Lane {
    mint::IdGenerator generator;
    std::uint32_t max_count = 1;  // what one request may ask for
    ParkingFifo parking;
    time::SmearedUtc not_before = time::SmearedUtc::min();  // of the ordering timeline: the next unit
  };

  /// What every request counts, kept at hand: an addition to an atomic in the page costs four times as much.
  struct Tally {
    std::uint64_t datagrams = 0;
    std::uint64_t message_bytes = 0;
    std::uint64_t reply_bytes = 0;
    std::uint64_t ids = 0;
    std::uint64_t hlc_updates = 0;
  };
  /// What a reply says about the right that it used.
  struct RightFields {
    std::uint32_t token_low = 0;
    std::uint16_t remaining_ms = 0;  // at the time of the burst
    std::uint16_t machine_id = 0;
  };

  void take_over_rights();
  void publish_tally();
  [[nodiscard]] bool passes_gate(std::size_t bytes, const Address& source);
  [[nodiscard]] std::size_t drop(page::Counter reason);
  [[nodiscard]] std::size_t answer_plain(std::byte* bytes, const ReturnPath& path);
  [[nodiscard]] std::size_t answer_any(std::span<std::byte> datagram, const Address& source, const ReturnPath& path);
  [[nodiscard]] bool tag_holds(wire::MessageRef message) const;
  [[nodiscard]] bool answer_one(wire::MessageRef message, bool auth_required, const ReturnPath& path);
  [[nodiscard]] bool answer_other(wire::MessageRef message, const ReturnPath& path);
  void answer_ping(wire::MessageRef message) const;
  [[nodiscard]] bool answer_next_id(wire::MessageRef message, const ReturnPath& path);
  [[nodiscard]] bool park(Lane& lane, wire::MessageRef message, const ReturnPath& path, time::Duration wait);
  [[nodiscard]] std::size_t next_of_lane(Lane& lane, std::span<std::byte> out, ReturnPath& path);
  [[nodiscard]] std::size_t next_commit_waits(std::span<std::byte> out, ReturnPath& path);
  [[nodiscard]] bool answer_parked(Lane& lane, wire::MessageRef message);
  [[nodiscard]] bool take_for_parked(Lane& lane, wire::MessageRef message, bool due, bool given_up);
  void write_right(wire::MessageRef message, std::size_t slot) const;
  void write_ids(wire::MessageRef message, const Lane& lane, const mint::Take& take);
  void publish_use(const Lane& lane, std::size_t slot);
  void refuse_for_clock(wire::MessageRef message);
  void refuse_unauthorised(wire::MessageRef message);
  void refuse(wire::MessageRef message, mint::Refusal refusal, time::Duration retry_after);
  void refuse(wire::MessageRef message, wire::Status status, page::Counter counter, std::uint32_t count = 0);
  void finish(wire::MessageRef message, bool authenticated) const;
  void sign(wire::MessageRef message) const;
  [[nodiscard]] time::Duration next_unit_in(const Lane& lane) const;
  [[nodiscard]] time::Duration drain_time(const Lane& lane) const;

  const page::RightsRecord& rights_page_;
  page::WorkerPage& page_;
  const AccessPolicy* policy_;
  RateLimiter limiter_;
  ServerOptions options_;

  Tally tally_;
  BurstTime time_;
  bool gate_is_open_ = true;   // the policy has neither lists nor a rate
  bool clock_serves_ = false;  // the ordering timeline is in a state in which IDs may be had
  std::uint64_t rights_version_ = 0;
  mint::RightSet rights_;
  std::array<RightFields, mint::kMaxRightsPerWorker> right_fields_{};
  std::vector<Lane> lanes_;           // never moved after construction
  std::array<Lane*, 256> lane_of_{};  // by layout number; null: not served
  TimeOps time_ops_;
};

}  // namespace gnomon::serve
