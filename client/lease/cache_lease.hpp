// SPDX-License-Identifier: Apache-2.0
//
// Cache lease: while a reader's copy is valid nobody writes, and a writer waits until no copy is.
//
//   reader   takes <name>/r/<session>, then looks whether <name>/w is free; only then the copy is valid
//   writer   takes <name>/w, then waits until every lease below <name>/r/ is released or has expired; then it writes
//
// Why in this order: a reader that found <name>/w free had its own lease before the writer had its, so the writer,
// which looks afterwards, sees it. To look only before it takes the lease is the naive order, and lets both go
// on.
//
// What fails.
//   a reader crashes or is cut off    its session expires and the writer goes on; its copy ended before that, by its
//   own
//                                     clock. The writer waits one TTL at most
//   a reader does not notice          it is told of the writer by a watch, and drops the copy. If the watch fails, too,
//                                     while its session is renewed, the writer runs out of patience: it did not write
//   the writer crashes                <name>/w expires; readers get no valid copy in between
//   the writer loses <name>/w         before it writes: `update` says so. While it writes: what it writes carries the
//                                     token (token_guard.hpp)
// Readers read the source only while they hold the lease (`hold`, then read), else the copy may be older than the
// lease.
//
// Thread rule: any thread. Threads that share a reader share its copies: each asks `valid` with the token of the very
// hold under which it read, since another thread may drop the copy, and hold again after a write. A reader has one
// thread and one watch for all its names.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "client/lease/lease_client.hpp"

namespace gnomon::client {

class CacheReader {
 public:
  /// For names that begin with `prefix`: of all of these changes are told to it. Client and session outlive it.
  [[nodiscard]] static LeaseResult<std::unique_ptr<CacheReader>> open(LeaseClient& client, Session& session,
                                                                      std::string prefix);
  CacheReader(const CacheReader&) = delete;
  CacheReader& operator=(const CacheReader&) = delete;
  ~CacheReader();

  /// From its return on what is read from the source is valid while `valid` says so of the token that it returns.
  /// kHeld: a writer is at it, or another thread is just taking it.
  [[nodiscard]] LeaseResult<std::uint64_t> hold(const std::string& name);
  /// Ask before each use of what was read under this token. Once false, `hold` and read anew.
  [[nodiscard]] bool valid(const std::string& name, std::uint64_t token) const;
  /// The copy is not used any more, by no thread.
  void drop(const std::string& name);

 private:
  struct State;
  explicit CacheReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Runs `write(lease)` while no reader holds a valid copy of `name`, within `patience`; else it does not run: kHeld if
/// another writer or a reader was in the way.
[[nodiscard]] LeaseResult<void> update_cached(LeaseClient& client, Session& session, const std::string& name,
                                              time::Duration patience, const std::function<void(const Lease&)>& write);

}  // namespace gnomon::client
