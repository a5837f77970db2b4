// SPDX-License-Identifier: Apache-2.0
//
// IDs one by one at memory speed: fetched in ranges ahead of need, and refilled before they run out.
//
// The naive cache asks for a block when the last one is empty, so one call in a thousand waits for the network, and a
// quiet process hands out IDs whose embedded time is hours old. Here a refill starts when the stock falls below a
// low-water mark; the size of the refills follows the demand, between min_batch and max_batch; and IDs older than
// max_age are dropped, so an ID's time is at most that old (plus the network) when it is handed out.
//
// An error is returned only when there is really nothing left: while a refill fails, the stock is used up first, and an
// empty stream waits for the refill up to the client's deadline.
//
// Order: IDs of one stream ascend as long as one worker of one server answers its refills (see client.hpp); a stream
// keeps to one socket. Fork: the child drops the stock of the parent and fetches its own.
//
// Thread rule: `next` may be called from any thread; a short lock (tens of ns) is taken. For more than a few threads
// make one stream per thread: they share the client. Not from the client's callbacks. The stream keeps what it needs of
// the client alive; the client object may be moved or destroyed first (then the stream errs with kClosed once empty).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "client/client.hpp"

namespace gnomon::client {

struct StreamOptions {
  id::LayoutNumber layout = id::kSnowflake;
  std::uint32_t min_batch = 64;                       // 1 to max_batch
  std::uint32_t max_batch = 4'096;                    // up to 1,000,000
  time::Duration max_age = time::milliseconds(1000);  // 1 ms to an hour
};

struct StreamStats {
  std::uint64_t ids = 0;      // handed out
  std::uint64_t waits = 0;    // calls of `next` that found the stock empty
  std::uint64_t refills = 0;  // that brought IDs
  std::uint64_t failed_refills = 0;
  std::uint64_t dropped_too_old = 0;  // IDs
  std::uint32_t batch = 0;            // size of the next refill
};

class StreamState;

class IdStream {
 public:
  /// Checks the options. The first `next` fetches.
  [[nodiscard]] static Result<IdStream> open(Client& client, const StreamOptions& options);

  IdStream(IdStream&&) noexcept;
  IdStream& operator=(IdStream&&) noexcept;
  IdStream(const IdStream&) = delete;
  IdStream& operator=(const IdStream&) = delete;
  ~IdStream();

  [[nodiscard]] Result<id::Id> next();
  [[nodiscard]] StreamStats stats() const;

 private:
  explicit IdStream(std::unique_ptr<StreamState> state);

  std::unique_ptr<StreamState> state_;
};

}  // namespace gnomon::client
