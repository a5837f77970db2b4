// SPDX-License-Identifier: Apache-2.0
//
// A Unix datagram socket towards a daemon that answers to a name only (ptp4l, chronyd): bound to a path of our own, and
// never waiting. Whoever may write to that path could send forged answers, so an answer counts only if it comes from
// the daemon's own socket; the kernel vouches for that address.
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

  /// Replaces a file of that name that an earlier run has left. `peer`: the daemon's socket.
  [[nodiscard]] std::optional<SourceError> open(const std::string& own, const std::string& peer);
  void close();
  [[nodiscard]] bool valid() const { return fd_.valid(); }

  [[nodiscard]] std::optional<SourceError> send(std::span<const std::byte> message, std::string_view daemon) const;
  /// The next datagram of the peer; empty if none is there. What others sent is thrown away.
  [[nodiscard]] std::span<const std::byte> receive(std::span<std::byte> buffer) const;

 private:
  [[nodiscard]] bool is_peer(std::string_view sender) const;

  platform::UniqueFd fd_;
  std::string own_;
  std::string peer_;
};

/// CLOCK_MONOTONIC, for what is due when.
[[nodiscard]] std::int64_t monotonic_ns();

}  // namespace gnomon::ptp
