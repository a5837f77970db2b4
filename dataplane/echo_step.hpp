// SPDX-License-Identifier: Apache-2.0
//
// Steps that stand in for the server in the worker loop, to measure what the rest of the loop costs: EchoStep sends
// every datagram back as it came; AlternatingStep is the server or the echo, as a flag says at the start of each burst,
// so that both can be timed in one worker within milliseconds of each other, on a machine whose speed wanders.
//
// For benches only: an echo answers whoever asks, replies included, and must never listen where others can reach it.
#pragma once

#include <atomic>
#include <cstddef>
#include <span>

#include "oracle/serve/burst_time.hpp"
#include "oracle/serve/gate.hpp"
#include "oracle/serve/server.hpp"
#include "oracle/serve/source.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::dataplane {

class EchoStep {
 public:
  void begin_burst(const serve::BurstTime& /*time*/) {}
  [[nodiscard]] std::size_t answer(std::span<std::byte> datagram, const serve::Address& /*source*/,
                                   const serve::ReturnPath& /*path*/) {
    return datagram.size();
  }
  [[nodiscard]] std::size_t next_parked(std::span<std::byte> /*out*/, serve::ReturnPath& /*path*/) { return 0; }
  [[nodiscard]] time::Duration parked_wait() const { return serve::Server::kNothingParked; }
  [[nodiscard]] std::size_t parked() const { return 0; }
  void use_policy(const serve::AccessPolicy& /*policy*/) {}
};

class AlternatingStep {
 public:
  /// Both outlive the step; any thread may store the flag.
  AlternatingStep(serve::Server& server, const std::atomic<bool>& echo) : server_(server), echo_flag_(echo) {}

  void begin_burst(const serve::BurstTime& time) {
    echoing_ = echo_flag_.load(std::memory_order_relaxed);  // a flag alone: it orders nothing
    if (!echoing_) server_.begin_burst(time);
  }
  [[nodiscard]] std::size_t answer(std::span<std::byte> datagram, const serve::Address& source,
                                   const serve::ReturnPath& path) {
    return echoing_ ? echo_.answer(datagram, source, path) : server_.answer(datagram, source, path);
  }
  [[nodiscard]] std::size_t next_parked(std::span<std::byte> out, serve::ReturnPath& path) {
    return echoing_ ? 0 : server_.next_parked(out, path);
  }
  [[nodiscard]] time::Duration parked_wait() const { return server_.parked_wait(); }
  [[nodiscard]] std::size_t parked() const { return server_.parked(); }
  void use_policy(const serve::AccessPolicy& policy) { server_.use_policy(policy); }

 private:
  serve::Server& server_;
  const std::atomic<bool>& echo_flag_;
  EchoStep echo_;
  bool echoing_ = false;
};

}  // namespace gnomon::dataplane
