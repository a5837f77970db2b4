// SPDX-License-Identifier: Apache-2.0
//
// One connection through a FaultProxy: two sockets, and what is on its way between them.
//
// What comes is always read, whatever is to happen to it: a test that holds a request back must know that the client
// has said it, and a socket that nobody reads hides that the client has gone.
//
// Bounds: a direction with kMaxQueued bytes on their way is not read until some have left; a record keeps kMaxRecorded
// bytes. Thread rule: one thread at a time.
#pragma once

#include <poll.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "platform/endpoint.hpp"
#include "platform/unique_fd.hpp"
#include "tests/control/bed/http2_frames.hpp"

namespace gnomon::bed {

enum class ProxyMode : std::uint8_t { kPass, kDropAnswers, kStall, kReset };

struct ProxyRules {
  ProxyMode mode = ProxyMode::kPass;
  std::chrono::milliseconds delay{};
};

/// What a proxy has done.
struct ProxyCounts {
  std::uint64_t accepted = 0;            // connections
  std::uint64_t resets = 0;              // connections, also those that a side left with bytes under way
  std::uint64_t answers_dropped = 0;     // by which a connection was reset
  std::uint64_t cancellations_lost = 0;  // said by a client on a held connection
  std::uint64_t late_deliveries = 0;     // held connections let go after their client had gone
  std::uint64_t replays = 0;
  std::uint64_t bytes_to_server = 0;
  std::uint64_t bytes_to_client = 0;
  std::uint64_t bytes_swallowed = 0;  // of the server's
};

/// What the client has said on a connection.
struct ProxyRecord {
  std::uint64_t connection = 0;
  std::string bytes;
  std::size_t requests = 0;
  bool is_http2 = false;
  bool truncated = false;
};

class ProxiedConnection {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t kMaxQueued = 4 << 20;
  static constexpr std::size_t kMaxRecorded = 4 << 20;

  /// Begins to connect to the server.
  ProxiedConnection(platform::UniqueFd client, const platform::Endpoint& server, std::shared_ptr<ProxyRecord> record);

  /// What to wait for: of the client, then of the server. An entry without a socket waits for nothing.
  [[nodiscard]] std::pair<pollfd, pollfd> to_poll(const ProxyRules& rules, Time now) const;
  /// When something is to be done even if nothing comes.
  [[nodiscard]] std::optional<Time> next_due(const ProxyRules& rules) const;
  /// Reads, decides, passes on.
  void step(const pollfd& client, const pollfd& server, const ProxyRules& rules, Time now, ProxyCounts& counts);
  [[nodiscard]] bool closed() const { return !client_.valid() && !server_.valid(); }

  void doom() { doomed_ = true; }
  void hold() { held_ = true; }
  void let_go(Time now, ProxyCounts& counts);

 private:
  enum class End : std::uint8_t { kNone, kFin, kReset };
  struct Chunk {
    std::string bytes;
    Time due;
  };
  struct Flow {
    std::deque<Chunk> chunks;
    std::size_t queued = 0;
    std::size_t sent_of_first = 0;
    End end = End::kNone;  // of the side that speaks
    bool told = false;     // the side that listens knows of the end

    void append(std::string_view bytes, Time due);
    [[nodiscard]] bool open() const { return end == End::kNone; }
  };

  [[nodiscard]] bool flows(const ProxyRules& rules) const { return !held_ && rules.mode != ProxyMode::kStall; }
  void read_client(const ProxyRules& rules, Time now, ProxyCounts& counts);
  void read_server(const ProxyRules& rules, Time now, ProxyCounts& counts);
  void take_request(std::string_view bytes, Time due, ProxyCounts& counts);
  void take_answer(std::string_view bytes, Time due, Time now, const ProxyRules& rules, ProxyCounts& counts);
  void drop_answer(ProxyCounts& counts);
  void write(Flow& flow, const platform::UniqueFd& to, Time now, std::uint64_t& count);
  void finish();
  void reset(ProxyCounts& counts);

  platform::UniqueFd client_;
  platform::UniqueFd server_;
  std::shared_ptr<ProxyRecord> record_;
  FrameSplitter client_frames_ = FrameSplitter::of_client();
  FrameSplitter server_frames_ = FrameSplitter::of_server();
  Flow to_server_;
  Flow to_client_;
  bool connected_ = false;  // to the server
  bool known_ = false;      // the client has spoken, so record_->is_http2 is known
  bool held_ = false;
  bool orphaned_ = false;  // the client went while it was held; the server is not to know
  bool dropping_ = false;  // an answer has been dropped
  bool doomed_ = false;    // to be reset
  std::optional<Time> reset_at_;
};

}  // namespace gnomon::bed
