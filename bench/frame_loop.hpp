// SPDX-License-Identifier: Apache-2.0
//
// Frames that ask for one ID, through a Station in front of the Server of a ServeLoop. Each frame is copied in anew, as
// a network card would. The client is not on loopback, as it can't be on a wire, so nobody asks for signatures here.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include "bench/serve_loop.hpp"
#include "dataplane/frame/station.hpp"
#include "tests/support/frames.hpp"

namespace gnomon::bench {

enum class FrameKind : std::uint8_t {
  kV4,      // checksums by software, both of what comes and of what leaves
  kV4Port,  // checksums by the port, both ways
  kV6,
  kV6Port,
  kV4Vlan,  // as kV4, with a tag
};

class FrameLoop {
 public:
  static constexpr std::size_t kFrames = ServeLoop::kDatagrams;

  explicit FrameLoop(FrameKind kind)
      : loop_({.auth = serve::AuthRule::kNever}), station_(options(kind), loop_.counters()), request_(request(kind)) {
    if (by_port(kind)) checks_ = {.ip = frame::Verified::kGood, .udp = frame::Verified::kGood};
  }

  /// kFrames requests through the station.
  void burst() {
    loop_.begin_burst(1);
    for (std::size_t i = 0; i < kFrames; ++i) {
      write_request();
      replied_ += station_
                      .handle({.data = frame(), .length = request_.size(), .capacity = kRoom}, checks_,
                              [this](auto payload, const auto& source, const auto& path) {
                                return loop_.answer(payload, source, path);
                              })
                      .length;
    }
    loop_.end_burst();
  }
  /// The same without the station: the server answers the payload.
  void serve() {
    loop_.begin_burst(1);
    for (std::size_t i = 0; i < kFrames; ++i) {
      write_request();
      replied_ += loop_.answer({payload(), wire::kMessageSize}, kClient, path_);
    }
    loop_.end_burst();
  }
  /// What both do besides: to be subtracted.
  void feed() {
    for (std::size_t i = 0; i < kFrames; ++i)
      write_request();
  }

  [[nodiscard]] std::uint64_t ids() { return loop_.ids(); }
  [[nodiscard]] std::uint64_t bytes_replied() const { return replied_; }

 private:
  static constexpr std::uint16_t kPort = 14666;
  static constexpr frame::Mac kHostMac{2, 0, 0, 0, 0, 1};
  static constexpr frame::Mac kClientMac{2, 0, 0, 0, 0, 2};
  static constexpr serve::Address kClient = serve::Address::v4(192, 0, 2, 2);
  // Where a driver puts a frame: behind the headroom, so that the IP header lies as it does in life.
  static constexpr std::size_t kHeadroom = 128;
  static constexpr std::size_t kRoom = 2048;

  static bool by_port(FrameKind kind) { return kind == FrameKind::kV4Port || kind == FrameKind::kV6Port; }
  static bool is_v6(FrameKind kind) { return kind == FrameKind::kV6 || kind == FrameKind::kV6Port; }

  static frame::StationOptions options(FrameKind kind) {
    frame::StationOptions options;
    options.mac = kHostMac;
    options.endpoints = {{serve::Address::v4(192, 0, 2, 1), kPort}, {support::address_of("2001:db8::1"), kPort}};
    options.port_makes_checksums = by_port(kind);
    return options;
  }
  static support::Bytes request(FrameKind kind) {
    wire::Message message;
    message.op = static_cast<std::uint8_t>(wire::Op::kNextId);
    message.count = 1;
    message.format = id::kSnowflake.value;
    support::Bytes payload(wire::kMessageSize);
    wire::store(message, payload.data());
    support::Envelope envelope{.from_mac = kClientMac,
                               .to_mac = kHostMac,
                               .from = is_v6(kind) ? support::address_of("2001:db8::2") : kClient,
                               .to = options(kind).endpoints[is_v6(kind) ? 1 : 0].address,
                               .tags = {}};
    if (kind == FrameKind::kV4Vlan) envelope.tags.push_back(7);
    return support::udp_frame(envelope, {.from = 40000, .to = kPort}, payload);
  }

  [[gnu::noinline]] void write_request() { std::copy(request_.begin(), request_.end(), frame()); }
  [[nodiscard]] std::byte* frame() { return memory_.data() + kHeadroom; }
  [[nodiscard]] std::byte* payload() { return frame() + request_.size() - wire::kMessageSize; }

  ServeLoop loop_;
  frame::Station station_;
  frame::PortChecks checks_;
  support::Bytes request_;
  serve::ReturnPath path_;
  std::uint64_t replied_ = 0;
  alignas(64) std::array<std::byte, kHeadroom + kRoom> memory_{};
};

}  // namespace gnomon::bench
