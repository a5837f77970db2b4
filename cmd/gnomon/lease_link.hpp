// SPDX-License-Identifier: Apache-2.0
//
// The lease service with the session named in each call, for commands that end while their session goes on. The client
// library has no such calls on purpose: whoever can, lets a client::Session keep itself alive.
//
// A server that can't be reached, or can't tell the time, is passed over for the next one, within the deadline. All
// calls may be sent again. Thread rule: one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "cmd/exit_code.hpp"
#include "cmd/gnomon/lease_place.hpp"
#include "oracle/lease/client_session.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::cmd {

struct LinkError {
  ExitCode code = ExitCode::kRefused;
  std::string text;
};
template <typename T>
using LinkResult = tl::expected<T, LinkError>;

struct LinkGrant {
  bool waiting = false;        // not granted: there is a place in the queue
  std::uint32_t in_front = 0;  // while waiting: live waiters before this one
  std::uint64_t token = 0;
  bool anew = false;  // false: the session held it already
  bool taken_over = false;
  bool queued = false;  // it counts as held only after a renewal that was sent later
};

struct LinkWish {
  std::string name;
  time::Duration lock_delay;
  std::string metadata;
  time::Duration wait;  // zero: an answer at once
};

class LeaseLink {
 public:
  /// Reads the certificates; nothing is sent. The error is a sentence, for ExitCode::kUsage.
  [[nodiscard]] static tl::expected<LeaseLink, std::string> open(const LeasePlace& place);
  LeaseLink(LeaseLink&&) noexcept;
  LeaseLink& operator=(LeaseLink&&) noexcept;
  ~LeaseLink();

  /// The TTL to count with, from before the call.
  [[nodiscard]] LinkResult<time::Duration> open_session(const lease::SessionId& session, time::Duration ttl,
                                                        const std::string& label);
  [[nodiscard]] LinkResult<time::Duration> renew(const lease::SessionId& session, time::Duration ttl);
  [[nodiscard]] LinkResult<void> close(const lease::SessionId& session);
  [[nodiscard]] LinkResult<LinkGrant> acquire(const lease::SessionId& session, const LinkWish& wish);
  /// Whether it was a place in the queue: with `token` 0 that alone, no grant.
  [[nodiscard]] LinkResult<bool> release(const lease::SessionId& session, const std::string& name, std::uint64_t token);
  /// Whatever the session has of the name; likewise.
  [[nodiscard]] LinkResult<bool> give_up(const lease::SessionId& session, const std::string& name);

 private:
  class Impl;
  explicit LeaseLink(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// 32 hexadecimal digits. The error is a sentence.
[[nodiscard]] tl::expected<lease::SessionId, std::string> parse_session(std::string_view text);
[[nodiscard]] std::string session_text(const lease::SessionId& session);

}  // namespace gnomon::cmd
