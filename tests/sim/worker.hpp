// SPDX-License-Identifier: Apache-2.0
//
// A worker's loop around serve::Server, cut into the pieces between which a scheduler can take the core away: begin a
// burst, answer one datagram, answer what had waited, start again. Its clients are here too: they write request bytes,
// and a lossy network doubles, delays and drops them. Every reply is decoded from its bytes and shown to the checkers
// in the moment in which it exists, whether or not it will ever leave.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "oracle/serve/burst_time.hpp"
#include "oracle/serve/gate.hpp"
#include "oracle/serve/server.hpp"
#include "oracle/wire/message.hpp"
#include "tests/sim/clock_turns.hpp"
#include "tests/sim/environment.hpp"
#include "tests/sim/host.hpp"

namespace gnomon::sim {

/// Who a worker is.
struct WorkerPlace {
  std::uint32_t incarnation = 0;
  std::uint32_t index = 0;
  std::uint32_t slot = 0;  // among the workers of all hosts
  std::int64_t core = 0;   // how far its core's counter is ahead
  bool serves_ids = true;
};

class Worker {
 public:
  Worker(Environment& environment, Host& host, const WorkerPlace& place, const page::ClockPage& clock,
         const page::RightsRecord& rights, page::WorkerPage& page, const serve::AccessPolicy& policy);

  /// One piece of the loop. `origin`: of the clock page's present record. Returns when the next piece is due.
  [[nodiscard]] time::Duration step(const RecordOrigin& origin);

 private:
  struct Datagram {
    std::array<std::byte, wire::kMaxDatagram> bytes;
    std::size_t size = 0;
    serve::ReturnPath path;
  };
  enum class Load : std::uint8_t { kIdle, kMedium, kSaturated };

  void begin_burst(const RecordOrigin& origin);
  void fill_batch();
  void add_datagram();
  void write_requests(Datagram& datagram, std::size_t messages);
  [[nodiscard]] wire::Message id_request();
  [[nodiscard]] std::size_t time_requests();
  void inspect(std::span<const std::byte> replies);
  void inspect(const wire::Message& reply);
  void inspect_time(const wire::Message& reply);
  void inspect_ids(const wire::Message& reply);
  [[nodiscard]] time::Duration time_to_next_burst();
  void draw_load();

  Environment& env_;
  Host& host_;
  WorkerPlace place_;
  Random random_;
  serve::BurstClock clock_;
  serve::Server server_;

  bool in_burst_ = false;
  std::size_t next_ = 0;
  std::vector<Datagram> batch_;
  std::vector<Datagram> late_;  // on their way: delayed, or doubled
  serve::BurstTime time_;
  RecordOrigin origin_;
  time::Uptime begun_;
  bool promised_ = false;        // C holds of what this burst says
  bool counter_ran_on_ = false;  // since the record in use was made
  Load load_ = Load::kMedium;
  time::Uptime load_until_;
};

}  // namespace gnomon::sim
