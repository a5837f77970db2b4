// SPDX-License-Identifier: Apache-2.0
//
// A wire between virtual hosts whose delay a test sets, each direction by itself.
//
// The fault that PTP cannot see is a path that is longer one way than the other: half of the difference goes straight
// into the clock (IEEE 1588-2019, 7.4.2). The kernel's netem, which would make such a path, is not everywhere; so this
// forwards frames itself, as a hub: what a host sends comes out at every other one,
//
//   at (the kernel's time of its arrival here) + from_host(sender) + to_host(receiver), or a little later.
//
// Never earlier, and frames of one sender to one receiver keep their order whatever the jitter. What the forwarder
// itself takes is some tens of microseconds each way on an idle machine, and hundreds on a busy one, which a servo sees
// as jitter. A delay swallows it: give both directions some (300 us), and the difference on top. For a wire without any
// delay use plain `connect`.
//
// Bounds: kMaxInFlight frames wait at once, more are dropped and counted; a delay is at most 10 s.
//
// One thread of its own, which ends with the object. The namespace in the middle is nobody's but its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "platform/unique_fd.hpp"
#include "tests/ptp/bed/virtual_clock_line.hpp"
#include "tests/support/network_namespace.hpp"

namespace gnomon::bed {

/// What happens to frames of one direction.
struct Passage {
  time::Duration delay{};      // 0 to 10 s
  time::Duration jitter{};     // 0 to 10 s: up to so much more, uniformly
  std::uint32_t loss_ppm = 0;  // 0 to 1'000'000: lost frames of a million
};

class Path {
 public:
  /// A host on the wire: see VethEnd, whose addresses are the host's.
  struct Host {
    const support::NetworkNamespace& where;
    std::string interface;
    std::string address;  // with the length of the prefix
  };

  struct Counts {
    std::uint64_t forwarded = 0;
    std::uint64_t lost = 0;     // as was asked for
    std::uint64_t dropped = 0;  // too many in flight, or the kernel would not take it
  };

  /// Lays the cables and starts. Takes root; throws what `connect` throws. `seed` is that of jitter and loss.
  explicit Path(const std::vector<Host>& hosts, std::uint64_t seed = 1);
  ~Path();
  Path(const Path&) = delete;
  Path& operator=(const Path&) = delete;

  /// From now on, for frames that arrive here. Any thread. Throws std::invalid_argument beyond the ranges.
  void set_from_host(std::size_t host, const Passage& passage);
  void set_to_host(std::size_t host, const Passage& passage);
  [[nodiscard]] Counts counts() const;

 private:
  struct Port {
    platform::UniqueFd socket;
    Passage from_host;  // guarded by mutex_
    Passage to_host;    // guarded by mutex_
  };
  struct Frame {
    std::size_t to;
    std::shared_ptr<const std::vector<std::byte>> bytes;
  };
  struct Arrival {
    HostTime at;
    std::vector<std::byte> bytes;
  };

  void run();
  void wait(HostTime now);
  void take_in(std::size_t from);
  void schedule(std::size_t from, Arrival arrival);
  void send_what_is_due();
  [[nodiscard]] bool receive(const Port& port, Arrival& arrival);
  [[nodiscard]] time::Duration drawn(const Passage& passage);
  [[nodiscard]] bool is_lost(const Passage& passage);

  support::NetworkNamespace middle_;
  std::vector<Port> ports_;
  mutable std::mutex mutex_;
  platform::UniqueFd timer_;
  platform::UniqueFd end_;
  std::vector<std::byte> buffer_;
  std::mt19937_64 random_;
  std::multimap<HostTime, Frame> in_flight_;                          // by when it is due
  std::map<std::pair<std::size_t, std::size_t>, HostTime> last_due_;  // by sender and receiver
  std::atomic<std::uint64_t> forwarded_{0};
  std::atomic<std::uint64_t> lost_{0};
  std::atomic<std::uint64_t> dropped_{0};
  std::thread thread_;
};

}  // namespace gnomon::bed
