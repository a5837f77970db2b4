// SPDX-License-Identifier: Apache-2.0
//
// A client of the tests' own: the message and a socket, nothing else. The tests that judge the product must not see it
// through the product's client library, which retries and reorders; this one shows every reply and every silence.
//
// Lockstep: `exchange` sends a batch and collects the answers to it, so the order in which one socket sees IDs is the
// order in which its worker issued them. Thread rule: one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "oracle/wire/auth.hpp"
#include "oracle/wire/message.hpp"
#include "platform/endpoint.hpp"
#include "platform/unique_fd.hpp"
#include "tests/support/ledger.hpp"

namespace gnomon::support {

struct Load {
  std::uint16_t layout = 1;
  std::uint32_t count = 1;  // IDs per message
  std::uint32_t messages_per_datagram = 1;
  std::uint32_t datagrams = 1;      // per batch
  wire::Op op = wire::Op::kNextId;  // another one is sent without arguments; only `bounce` takes its replies
};

/// What became of the messages of a batch.
struct Tally {
  std::uint64_t sent = 0;
  std::uint64_t ok = 0;
  std::uint64_t silent = 0;  // no reply in time
  std::uint64_t ids = 0;
  std::uint64_t by_status[10] = {};
  std::uint32_t last_retry_us = 0;  // of the last busy or clock_behind

  void operator+=(const Tally& other);
};

/// 127.0.0.1:port.
[[nodiscard]] platform::Endpoint on_loopback(std::uint16_t port);

class RawClient {
 public:
  /// A socket in the network namespace of the calling thread, connected to `server`. Throws std::system_error if the
  /// machine can't give one, or knows no way there.
  explicit RawClient(const platform::Endpoint& server, std::uint64_t seed = 1);
  /// To 127.0.0.1:port.
  explicit RawClient(std::uint16_t port, std::uint64_t seed = 1) : RawClient(on_loopback(port), seed) {}

  /// One batch. Granted ranges go to the ledger in order of receipt.
  Tally exchange(const Load& load, std::chrono::milliseconds patience, Ledger& ledger);
  /// One batch whose answers nobody looks at: returns once as many bytes came back as went out, or after `patience`.
  void bounce(const Load& load, std::chrono::milliseconds patience);

  /// One datagram of anything; the reply to it, if one comes in time.
  std::optional<std::vector<std::byte>> send_and_receive(const std::vector<std::byte>& datagram,
                                                         std::chrono::milliseconds patience);

  void set_key(const wire::Key& key) { key_ = key; }

 private:
  void send_batch(const Load& load);
  void take_reply(const wire::Message& reply, const Load& load, Tally& tally, Ledger& ledger);

  platform::UniqueFd socket_;
  std::optional<wire::Key> key_;
  std::mt19937_64 random_;
  std::uint64_t first_request_id_ = 0;
  std::vector<bool> answered_;
  std::vector<std::byte> send_buffer_;
  std::vector<std::byte> receive_buffer_;
};

}  // namespace gnomon::support
