// SPDX-License-Identifier: Apache-2.0
//
// Chunk leases, as in the Google File System (SOSP 2003, section 3.1): each chunk has one primary for about a minute at
// a time, and clients remember where it is instead of asking again and again.
//
// One lease per chunk with a renewal of its own costs a commit per chunk and heartbeat. Here all chunks of a primary
// hang on one session, so a thousand of them cost one commit every ten seconds.
//
// What fails.
//   a primary crashes, or is cut off   its chunks are free for another one a TTL (60 s) after its last renewal; cached
//                                      locations end no later than that, by the cache's own clock
//   a primary gives a chunk up         cached locations still name it until they end: it refuses, and the client says
//                                      `invalidate` and asks anew. So every primary checks `holds` for every request
//   a cached location is right, but    the primary may have paused and lost the chunk: what it writes carries the token
//     the primary is not one any more  of the chunk (token_guard.hpp)
// A location is remembered for as long as the server said that the lease certainly lasts, counted from before the
// question was sent; from the answer on would be a round trip too long.
//
// Thread rule: any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "client/lease/lease_client.hpp"

namespace gnomon::client {

struct PrimaryOptions {
  std::string location{};  // where clients find this primary; the metadata of its leases
  time::Duration ttl = time::seconds(60);
  time::Duration heartbeat = time::seconds(10);
  std::string label{};
  std::function<void(const std::string& why)> on_lost{};  // all chunks at once; as SessionOptions::on_lost
};

class ChunkPrimary {
 public:
  [[nodiscard]] static LeaseResult<std::unique_ptr<ChunkPrimary>> open(LeaseClient& client, PrimaryOptions options);
  ChunkPrimary(const ChunkPrimary&) = delete;
  ChunkPrimary& operator=(const ChunkPrimary&) = delete;
  /// Everything is free at once.
  ~ChunkPrimary();

  /// Becomes the primary of a chunk; the token. Being it already, that one's.
  [[nodiscard]] LeaseResult<std::uint64_t> take(const std::string& chunk);
  LeaseResult<void> give_up(const std::string& chunk);
  /// Ask before every request that is served.
  [[nodiscard]] bool holds(const std::string& chunk) const;
  /// 0: not the primary.
  [[nodiscard]] std::uint64_t token(const std::string& chunk) const;
  [[nodiscard]] std::size_t chunks() const;

 private:
  struct State;
  explicit ChunkPrimary(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct ChunkLocation {
  std::string location;
  std::uint64_t token = 0;
  time::Duration left;  // for so long it certainly is the primary, if it does not give the chunk up
  bool cached = false;
};

struct LocationCacheOptions {
  std::size_t most = 100'000;  // entries; beyond that the one that ends first goes
  std::int64_t oscillator_ppb = 500'000;
};

class LocationCache {
 public:
  explicit LocationCache(std::shared_ptr<LeaseClient> client, LocationCacheOptions options = {});
  LocationCache(const LocationCache&) = delete;
  LocationCache& operator=(const LocationCache&) = delete;
  ~LocationCache();

  /// From memory, or from a server if nothing is remembered; near the end of what is remembered it is asked for anew.
  /// kNotHeld: the chunk has no primary.
  [[nodiscard]] LeaseResult<ChunkLocation> locate(const std::string& chunk);
  /// The primary refused, or does not answer.
  void invalidate(const std::string& chunk);

  struct Counters {
    std::uint64_t hits = 0;
    std::uint64_t questions = 0;
  };
  [[nodiscard]] Counters counters() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gnomon::client
