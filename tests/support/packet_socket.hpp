// SPDX-License-Identifier: Apache-2.0
//
// Frames, raw: what is sent goes onto the interface as it is, and what arrives there is seen as it was on the wire.
//
// Two things would falsify that. The kernel takes the VLAN tag out of what it hands up, and tells it beside the frame:
// here it is put back in. And a frame whose checksum the sender's kernel left to hardware that does not exist looks
// damaged: such frames are counted, so that a test can tell them from a fault (`ethtool -K ... tx off` on the sending
// end avoids them; see network_namespace.hpp).
//
// Takes root. Thread rule: one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "platform/unique_fd.hpp"

namespace gnomon::support {

/// A socket option that is 0 or 1.
struct SocketSwitch {
  int level = 0;
  int option = 0;
};

/// A non-blocking packet socket on an interface of the network namespace that the calling thread is in now, for frames
/// that others sent, with `on` switched on. Throws std::system_error.
[[nodiscard]] platform::UniqueFd open_packet_socket(const std::string& interface, int buffer_bytes, SocketSwitch on);

class PacketSocket {
 public:
  /// On an interface of the network namespace that the calling thread is in now. Throws std::system_error.
  explicit PacketSocket(const std::string& interface);

  /// Puts a frame, from the Ethernet header on, onto the wire, past the kernel's queues. False: there was no room, and
  /// it is lost. Throws if the interface takes no such frame (longer than its MTU, shorter than an Ethernet header).
  bool send(const std::vector<std::byte>& frame);

  /// The next frame that arrived there since this was made and was not sent by this host; nothing if none comes in
  /// time.
  [[nodiscard]] std::optional<std::vector<std::byte>> receive(std::chrono::milliseconds limit);

  /// Of the received frames: how many had a checksum that their sender left undone.
  [[nodiscard]] std::uint64_t undone_checksums() const { return undone_checksums_; }

 private:
  [[nodiscard]] std::optional<std::vector<std::byte>> receive_now();

  platform::UniqueFd socket_;
  std::vector<std::byte> buffer_;
  std::uint64_t undone_checksums_ = 0;
};

}  // namespace gnomon::support
