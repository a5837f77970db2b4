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
#include "tests/sim/environment.hpp"

namespace gnomon::sim {

/// The source as one clock record saw it.
struct SourceSeen {
  time::Uptime sampled_at;
  time::SmearedUtc reading;
};

/// Who a worker is.
struct WorkerPlace {
  std::uint32_t incarnation = 0;
  std::uint32_t index = 0;
  CoreCounter core;
};

class Worker {
 public:
  Worker(Environment& environment, const WorkerPlace& place, const page::ClockPage& clock,
         const page::RightsRecord& rights, page::WorkerPage& page, const serve::AccessPolicy& policy);

  /// One piece of the loop. `seen`: of the clock page's present record. Returns when the next piece is due.
  [[nodiscard]] time::Duration step(const SourceSeen& seen);

 private:
  struct Datagram {
    std::array<std::byte, wire::kMaxDatagram> bytes;
    std::size_t size = 0;
    serve::ReturnPath path;
  };
  enum class Load : std::uint8_t { kIdle, kMedium, kSaturated };

  void begin_burst(const SourceSeen& seen);
  void fill_batch();
  void add_datagram();
  void write_requests(Datagram& datagram, std::size_t messages);
  void inspect(std::span<const std::byte> replies);
  void inspect(const wire::Message& reply);
  [[nodiscard]] time::Duration time_to_next_burst();
  void draw_load();

  Environment& env_;
  WorkerPlace place_;
  Random random_;
  serve::BurstClock clock_;
  serve::Server server_;

  bool in_burst_ = false;
  std::size_t next_ = 0;
  std::vector<Datagram> batch_;
  std::vector<Datagram> late_;  // on their way: delayed, or doubled
  serve::BurstTime time_;
  SourceSeen seen_;
  time::Uptime begun_;
  Load load_ = Load::kMedium;
  time::Uptime load_until_;
};

}  // namespace gnomon::sim
