// SPDX-License-Identifier: Apache-2.0
//
// The three loads of the demo, all through the client library and real UDP.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "bench/demo/latency.hpp"
#include "client/client.hpp"
#include "tests/support/ledger.hpp"

namespace gnomon::demo {

/// Called about ten times a second with the IDs received so far in this load. False ends it ("interrupted").
using Progress = std::function<bool(std::uint64_t)>;

struct Fetched {
  std::uint64_t ids = 0;
  std::uint64_t requests = 0;
  std::uint64_t failed = 0;
  std::string first_failure{};  // empty: all went well
  std::chrono::duration<double> took{0};
};

/// Keeps `in_flight` requests of `ids_per_request` under way until `ids` have been received. Ranges go to the ledger in
/// the order in which they came.
[[nodiscard]] Fetched fetch_pipelined(client::Client& client, std::uint64_t ids, std::uint32_t ids_per_request,
                                      std::uint32_t in_flight, support::Ledger& ledger, const Progress& progress);

/// One ID per request on a fixed schedule of `per_second` for `seconds`; latency counts from the intended send.
[[nodiscard]] Fetched fetch_on_schedule(client::Client& client, std::uint32_t per_second, std::uint32_t seconds,
                                        support::Ledger& ledger, Latencies& latencies, const Progress& progress);

}  // namespace gnomon::demo
