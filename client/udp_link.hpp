// SPDX-License-Identifier: Apache-2.0
//
// One connected UDP socket to one server. Connected, so that the kernel drops datagrams of strangers and reports
// "connection refused", which makes a dead server known in microseconds instead of after a timeout.
//
// A burst is one system call where the kernel can segment (UDP_SEGMENT), and a coalesced train of replies is one, too
// (UDP_GRO). Where a path can't do that, the first failure turns it off for the socket and single datagrams follow.
//
// Thread rule: one thread; `close_inherited` may be called instead of everything else, in a forked child.
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "client/engine.hpp"
#include "client/error.hpp"
#include "platform/endpoint.hpp"
#include "platform/unique_fd.hpp"

namespace gnomon::client {

/// Where received datagrams land; one for all links of a thread.
class ReceiveBuffers {
 public:
  static constexpr std::size_t kMessages = 8;
  static constexpr std::size_t kBytes = 65'536;  // a coalesced train is at most that long
  static constexpr std::size_t kControlBytes = CMSG_SPACE(sizeof(int));

  ReceiveBuffers();
  ReceiveBuffers(const ReceiveBuffers&) = delete;
  ReceiveBuffers& operator=(const ReceiveBuffers&) = delete;

 private:
  friend class UdpLink;
  void reset();

  std::vector<std::byte> bytes_;
  std::array<iovec, kMessages> vectors_{};
  std::array<mmsghdr, kMessages> headers_{};
  alignas(cmsghdr) std::array<std::array<std::byte, kControlBytes>, kMessages> control_{};
};

class UdpLink {
 public:
  static constexpr std::size_t kMaxSegments = 44;  // 44 x 1408 bytes: below 64 KiB and below the kernel's 64 segments

  [[nodiscard]] static Result<UdpLink> open(LinkId id, const platform::Endpoint& server);

  struct Sent {
    std::size_t dropped = 0;         // datagrams that the kernel did not take
    std::optional<LinkFault> fault;  // the link leads nowhere
  };
  /// The bytes of a burst, cut into datagrams of wire::kMaxDatagram.
  [[nodiscard]] Sent send(std::span<const std::byte> burst);

  struct Received {
    bool more = false;  // all buffers were filled: there may be more
    std::optional<LinkFault> fault;
  };
  /// Appends the datagrams that are there to `out`; they stay valid until the next receive with these buffers.
  [[nodiscard]] Received receive(ReceiveBuffers& buffers, std::vector<std::span<const std::byte>>& out);

  [[nodiscard]] LinkId id() const { return id_; }
  [[nodiscard]] int fd() const { return fd_.get(); }
  /// Lets go of the socket. Closes the descriptor only if it is still this socket: a child that closed what it
  /// inherited (closefrom) may have opened something else under the number since.
  void close_inherited();

 private:
  /// What the kernel calls the socket; no two that are open have the same.
  struct Identity {
    dev_t device = 0;
    ino_t inode = 0;
    friend bool operator==(const Identity&, const Identity&) = default;
  };

  UdpLink(LinkId id, platform::UniqueFd fd);
  [[nodiscard]] static std::optional<Identity> identity_of(int fd);

  [[nodiscard]] int send_segmented(std::span<const std::byte> train) const;
  [[nodiscard]] Sent send_singly(std::span<const std::byte> burst) const;

  LinkId id_;
  platform::UniqueFd fd_;
  std::optional<Identity> identity_;  // of fd_ when it was opened
  bool segments_ = true;
};

}  // namespace gnomon::client
