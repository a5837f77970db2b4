// SPDX-License-Identifier: Apache-2.0
//
// Hybrid timestamps for messages without asking anybody: stamp what is sent with `send`, pass what arrives to
// `receive`, and every stamp is larger than all that this process had seen before (oracle/clock/hlc.hpp).
//
//   message.stamp = stamper.send();        ...        stamper.receive(message.stamp);
//
// Physical time is this host's system clock plus TAI - UTC, which need not be right: the order holds whatever it says.
// But a host whose clock is ahead of another's by more than max_ahead finds its stamps refused there, which is what
// shows it. Stamps of one process are distinct; two processes may give equal ones. A new process begins anew: what it
// must be larger than, it is told by `receive`.
//
// Thread rule: any thread. A forked child goes on from where its parent was, and no lock is there to be inherited.
#pragma once

#include <atomic>
#include <cstdint>

#include "client/error.hpp"
#include "oracle/clock/hlc.hpp"

namespace gnomon::client {

struct HlcStamperOptions {
  time::Duration max_ahead = time::milliseconds(500);  // of physical time, 0 to 1 h; negative is 0
  time::Duration tai_minus_utc = time::seconds(37);    // since 2017
};

class HlcStamper {
 public:
  explicit HlcStamper(const HlcStamperOptions& options = {}) : options_(options) {}
  HlcStamper(const HlcStamper&) = delete;
  HlcStamper& operator=(const HlcStamper&) = delete;

  /// kClockBehind: the system clock was set back by more than max_ahead, or a stamp as far ahead as it may be was just
  /// received; it passes by itself.
  [[nodiscard]] Result<clock::HlcTimestamp> send() { return receive({}); }
  /// The stamp of the receipt; larger than `remote`. kTooFar: `remote` is too far ahead, and changed nothing.
  [[nodiscard]] Result<clock::HlcTimestamp> receive(clock::HlcTimestamp remote);

  /// `receive` at a given physical time: for tests and simulations.
  [[nodiscard]] Result<clock::HlcTimestamp> receive_at(time::Tai physical, clock::HlcTimestamp remote);

 private:
  HlcStamperOptions options_;
  std::atomic<std::uint64_t> last_{0};
};

}  // namespace gnomon::client
