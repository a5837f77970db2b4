// SPDX-License-Identifier: Apache-2.0
//
// A Unix datagram socket towards a daemon that answers to a name only (ptp4l, chronyd): connected to the daemon's,
// bound to a path of our own, and never waiting. Everybody may write to that path, since chronyd answers without root's
// rights; the kernel lets through only what the socket sends that this one is connected to. It is connected first, so
// nobody's words can wait in it. The name that a datagram comes from would not do: in a mount namespace of one's own
// anybody can be bound to the daemon's path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <tl/expected.hpp>

#include "platform/unique_fd.hpp"
#include "ptp/claim.hpp"

namespace gnomon::ptp {

/// The socket and its two names. The file of the own name goes with it.
class DatagramSocket {
 public:
  DatagramSocket() = default;
  DatagramSocket(DatagramSocket&&) = default;
  DatagramSocket& operator=(DatagramSocket&&) = delete;
  DatagramSocket(const DatagramSocket&) = delete;
  DatagramSocket& operator=(const DatagramSocket&) = delete;
  ~DatagramSocket() { close(); }

  /// `own`: a file of that name that an earlier run has left is replaced. `peer`: the socket of `daemon`, which has to
  /// be there.
  [[nodiscard]] std::optional<SourceError> open(const std::string& own, const std::string& peer,
                                                std::string_view daemon);
  void close();
  [[nodiscard]] bool valid() const { return fd_.valid(); }

  /// Opens itself anew where the daemon has been restarted. After an error it may be closed.
  [[nodiscard]] std::optional<SourceError> send(std::span<const std::byte> message);
  /// The next datagram of the daemon; empty if none is there.
  [[nodiscard]] std::span<const std::byte> receive(std::span<std::byte> buffer) const;

 private:
  [[nodiscard]] bool sent(std::span<const std::byte> message) const;

  platform::UniqueFd fd_;
  std::string own_;
  std::string peer_;
  std::string daemon_;
};

/// CLOCK_MONOTONIC, for what is due when.
[[nodiscard]] std::int64_t monotonic_ns();

}  // namespace gnomon::ptp
