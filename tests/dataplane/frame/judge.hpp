// SPDX-License-Identifier: Apache-2.0
//
// A Station with a real Server behind it, and everything that has to hold of any frame that it is given:
//
//   - exactly one counter has the frame, and it is the one that the reference says;
//   - what is answered is, byte by byte, the frame that the reference says, and right by the independent judge of
//   frames;
//   - the server sees the payload and the source of the datagram, nothing else and nothing more often;
//   - a frame that is dropped is left as it was, nothing is read beyond the frame or written beyond its buffer;
//   - a reply that waits says, when it leaves at last, the same in its headers.
//
// Time is virtual and moves a little with every frame, so that units are used up and requests wait now and then.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "dataplane/frame/station.hpp"
#include "tests/dataplane/frame/reference.hpp"
#include "tests/dataplane/frame/room.hpp"
#include "tests/oracle/serve/rig.hpp"

namespace gnomon::frame::testing {

// The host, as it stands in the corpus and in the tests, and its neighbour.
constexpr Mac kHostMac{0x02, 0x67, 0x6e, 0x6f, 0x00, 0x01};
constexpr Mac kGuestMac{0x02, 0x67, 0x6e, 0x6f, 0x00, 0x02};
constexpr std::uint16_t kPort = 14666;
constexpr std::uint16_t kOtherPort = 14667;  // served on kOther4 only
inline const serve::Address kHost4 = serve::Address::v4(192, 0, 2, 1);
inline const serve::Address kOther4 = serve::Address::v4(198, 51, 100, 1);
inline const serve::Address kGuest4 = serve::Address::v4(192, 0, 2, 2);
inline const serve::Address kHost6 = support::address_of("2001:db8::1");
inline const serve::Address kGuest6 = support::address_of("2001:db8::2");

[[nodiscard]] StationOptions host_options();

/// The counters that share the frames among them.
[[nodiscard]] const std::vector<page::Counter>& frame_counters();
[[nodiscard]] std::string_view name_of(page::Counter counter);

/// What a station made of a frame.
struct Handled {
  page::Counter counter = page::Counter::kCount;  // kCount: none, or more than one
  support::Bytes reply;                           // empty: none
  Outgoing out;
};

class Judge {
 public:
  explicit Judge(const StationOptions& options = host_options());

  /// Lets the station handle a frame in a buffer of `capacity` bytes (0: as long as the frame), and says what was wrong
  /// about that; empty: nothing.
  [[nodiscard]] std::string judge(const support::Bytes& frame, const PortChecks& checks = {}, std::size_t capacity = 0);
  /// What came of the last one.
  [[nodiscard]] const Handled& last() const { return last_; }

  /// Moves time, and judges all replies that can leave now; `replies` gets them.
  [[nodiscard]] std::string advance(time::Duration by, std::vector<support::Bytes>* replies = nullptr);

  /// frames == the sum of what they were counted as.
  [[nodiscard]] std::string check_books();
  [[nodiscard]] std::uint64_t frames() const { return frames_; }
  [[nodiscard]] std::uint64_t count(page::Counter counter) { return rig_.count(counter); }

  [[nodiscard]] serve::testing::Rig& rig() { return rig_; }
  [[nodiscard]] Station& station() { return station_; }
  [[nodiscard]] const StationOptions& options() const { return options_; }

 private:
  struct Waiting {
    serve::ReturnPath path;
    support::Bytes request;
  };
  struct Served {
    int times = 0;
    support::Bytes payload;
    serve::Address source;
    serve::ReturnPath path;
    support::Bytes reply;
  };

  [[nodiscard]] Served handle(const support::Bytes& frame, const PortChecks& checks, std::size_t capacity);
  [[nodiscard]] std::string check_counting(const Verdict& verdict) const;
  [[nodiscard]] std::string check_served(const Verdict& verdict, const Served& served) const;
  [[nodiscard]] std::string check_reply(const support::Bytes& frame, const Verdict& verdict,
                                        const Served& served) const;
  [[nodiscard]] std::string check_untouched(const support::Bytes& frame, const Verdict& verdict) const;
  [[nodiscard]] std::string check_late_reply(const support::Bytes& payload, const serve::ReturnPath& path,
                                             support::Bytes& reply);

  StationOptions options_;
  serve::testing::Rig rig_;
  Station station_;
  Room room_;
  Frame placed_;
  Handled last_;
  std::uint64_t all_counted_ = 0;  // by any counter, for the last frame
  std::uint64_t frames_ = 0;
  std::vector<Waiting> waiting_;
};

}  // namespace gnomon::frame::testing
