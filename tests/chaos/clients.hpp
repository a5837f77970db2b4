// SPDX-License-Identifier: Apache-2.0
//
// Clients of all kinds, each a thread that asks all the time, at a steady rate that it keeps whatever the answers are,
// and notes what it was answered in a diary of its own.
//
// They are what users have: the client library with all servers, with one, leases over the socket of the host, the
// clock page. Beside them stands a client of the tests' own (tests/support/raw_client.hpp), which sees past the library
// and names the right that each ID came from.
//
// Each returns when it is told to stop, within the deadline of a call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "client/error.hpp"
#include "client/lease/token_guard.hpp"
#include "oracle/clock/hlc.hpp"
#include "platform/endpoint.hpp"
#include "tests/chaos/history.hpp"

namespace gnomon::chaos {

/// Sleeps until `period` after the last turn, or not at all if that is past: a slow answer does not slow the rate down
/// for good, and what was missed is not asked for in a burst.
class Pace {
 public:
  explicit Pace(time::Duration period) : period_(period) {}
  void wait();

 private:
  time::Duration period_;
  std::optional<time::Tai> due_;
};

// --- IDs (id_clients.cpp)

/// A few at a time from one daemon, with a socket and nothing else.
void ask_daemon(Diary& diary, const std::stop_token& stop, const platform::Endpoint& server, std::uint8_t daemon,
                std::uint64_t seed);
/// One at a time from any, in turn of every layout.
void ask_singly(Diary& diary, const std::stop_token& stop, const std::vector<std::string>& servers);
/// Thousands at a time from any.
void ask_batches(Diary& diary, const std::stop_token& stop, const std::vector<std::string>& servers);

// --- time (time_clients.cpp)

/// What clients tell one another of hybrid timestamps: the largest yet. A chain ends when a server finds it too far in
/// the future, which is the work of a mad clock: a new one begins then, as it does for users who restart.
class HlcExchange {
 public:
  struct Seen {
    std::uint64_t chain = 0;
    clock::HlcTimestamp highest;
  };
  [[nodiscard]] Seen look() const;
  void tell(std::uint64_t chain, clock::HlcTimestamp value);
  void break_off(std::uint64_t chain);

 private:
  mutable std::mutex mutex_;
  Seen seen_;
};
/// Each asks for a timestamp above the largest that any of them had been given before it asked.
void keep_hybrid_time(Diary& diary, const std::stop_token& stop, const std::vector<std::string>& servers,
                      HlcExchange& exchange);
/// Transactions: a timestamp that is the latest that it can be now, and then the wait until it has passed; with one
/// daemon, so that it is known whose clock it rests on.
void commit(Diary& diary, const std::stop_token& stop, const std::string& server, std::uint8_t daemon);
/// The clock pages of all daemons, on their hosts.
void read_pages(Diary& diary, const std::stop_token& stop, const std::vector<std::string>& instances);

// --- leases (lease_clients.cpp)

constexpr std::size_t kLeaseNames = 3;
[[nodiscard]] std::string lease_name(std::size_t i);
/// Takes one name after the other, waiting in the queue, writes to what it protects and gives it back. `resource` is
/// what all holders write to.
void hold_leases(Diary& diary, const std::stop_token& stop, const std::string& server, std::uint8_t daemon,
                 client::TokenGuard& resource);

}  // namespace gnomon::chaos
