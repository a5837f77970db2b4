// SPDX-License-Identifier: Apache-2.0
//
// What can go wrong between a caller and its IDs, as values. A caller has one question about a failed call: is it worth
// asking again, or another server, or is the request itself wrong? `try_elsewhere` answers it, so that nobody has to
// compare texts or remember which status means what.
//
// The client has tried the other servers itself, until the deadline, before it returns one of the kinds that say
// "try elsewhere": there, "elsewhere" means servers that it does not know, or a later time.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "oracle/time/instant.hpp"

namespace gnomon::client {

enum class ErrorKind : std::uint8_t {
  // Nothing came back.
  kTimeout,      // the deadline passed without an answer
  kUnreachable,  // every server refused the datagrams (nobody listens there)
  // A server said so, and another server or a later time may do better.
  kNotLeased,
  kNotHolder,
  kClockUnsynchronised,
  kClockBehind,  // retry_after says when
  kBusy,         // retry_after says when
  // The request is wrong, wherever it is sent.
  kTooFar,
  kBadFormat,     // the layout is unknown there, not served or exhausted
  kBadCount,      // zero, or more than one unit of the layout holds
  kUnauthorised,  // the key is missing, wrong or unknown
  // This side.
  kBadArgument,  // an option or argument that can't be meant
  kOverloaded,   // more calls are pending in this client than it may hold
  kClosed,       // the client was destroyed, or the process forked, before the answer
  kSystem,       // the operating system refused a socket, a thread or memory
};

/// Whether the same request may succeed at another server or later; otherwise it has to be changed first.
[[nodiscard]] bool try_elsewhere(ErrorKind kind);

/// "not_leased" and the like: stable, for logs and counters.
[[nodiscard]] std::string_view text_of(ErrorKind kind);

struct Error {
  ErrorKind kind = ErrorKind::kTimeout;
  std::string text;            // complete sentence: what happened, to what, what to do
  time::Duration retry_after;  // what the server asked for; zero if it named nothing
  std::string server;          // the one that the kind came from, as "address:port"; empty if none
};

template <typename T>
using Result = tl::expected<T, Error>;

}  // namespace gnomon::client
