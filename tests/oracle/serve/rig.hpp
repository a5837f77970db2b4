// SPDX-License-Identifier: Apache-2.0
//
// A Server with everything around it under the test's hand: the clock, the rights page, the access policy, the client.
// Time is virtual and stands still until the test moves it.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "oracle/id/codec.hpp"
#include "oracle/serve/server.hpp"

namespace gnomon::serve::testing {

inline const time::SmearedUtc kStart{1'767'225'600'000'000'000};  // 2026-01-01, a whole millisecond
inline const time::Tai kStartTai{kStart.ns + time::seconds(37).ns};
inline const Address kLocal = Address::v4(127, 0, 0, 1);
inline const Address kRemote = Address::v4(10, 1, 2, 3);

inline ReturnPath path_to(std::uint8_t client) {
  ReturnPath path;
  path.size = 4;
  path.bytes[0] = std::byte{client};
  path.socket = client;
  return path;
}

inline wire::Message next_id_request(std::uint64_t request_id, std::uint32_t count = 1,
                                     id::LayoutNumber layout = id::kSnowflake) {
  wire::Message message;
  message.op = static_cast<std::uint8_t>(wire::Op::kNextId);
  message.request_id = request_id;
  message.count = count;
  message.format = layout.value;
  return message;
}

/// Of an operation that uses `a` at most.
inline wire::Message request_of(wire::Op op, std::uint64_t request_id, std::uint64_t a = 0) {
  wire::Message message;
  message.op = static_cast<std::uint8_t>(op);
  message.request_id = request_id;
  message.a = a;
  return message;
}
inline wire::Message ping_request(std::uint64_t request_id, std::uint64_t payload) {
  return request_of(wire::Op::kPing, request_id, payload);
}
inline wire::Message commit_wait_request(std::uint64_t request_id, time::Tai t) {
  return request_of(wire::Op::kCommitWait, request_id, static_cast<std::uint64_t>(t.ns));
}

inline wire::Status status_of(const wire::Message& reply) { return static_cast<wire::Status>(reply.status); }

struct RigOptions {
  std::vector<id::Layout> layouts = {id::builtin_layouts()[0]};
  bool rotating_start = false;
  std::size_t park_limit = 8192;
  time::Duration park_for = time::milliseconds(20);
  std::uint32_t commit_wait_limit = 1024;
  time::Duration max_commit_wait = time::seconds(1);
  time::Duration hlc_max_ahead = time::milliseconds(500);
  AccessPolicy policy;
};

class Rig {
 public:
  explicit Rig(const RigOptions& options = {})
      : policy(options.policy),
        server({.layouts = options.layouts,
                .rotating_start = options.rotating_start,
                .park_limit = options.park_limit,
                .park_for = options.park_for,
                .incarnation = 0x1122334455667788ULL,
                .hash_seed = 42,
                .commit_wait_limit = options.commit_wait_limit,
                .max_commit_wait = options.max_commit_wait,
                .hlc_max_ahead = options.hlc_max_ahead},
               *rights_page, *page, policy) {}

  // --- rights ---
  void publish(const std::vector<mint::Right>& rights) {
    set = {};
    set.generation.value = ++generation;
    set.era = {era};
    for (const mint::Right& right : rights)
      set.slots[set.count++] = right;
    rights_page->rights.write(set);
  }
  void grant(const std::vector<std::uint16_t>& machines, time::Duration window = time::seconds(10)) {
    std::vector<mint::Right> rights;
    rights.reserve(machines.size());
    for (const std::uint16_t machine : machines)
      rights.push_back({{machine}, {(std::uint64_t{7} << 48) | ++token}, now, now + window});
    publish(rights);
  }
  void revoke() { publish({}); }
  void raise_ceilings(time::Duration by) {
    for (std::uint32_t i = 0; i < set.count; ++i)
      set.slots[i].ceiling = set.slots[i].ceiling + by;
    rights_page->rights.write(set);
  }

  // --- time ---
  void burst() {
    server.begin_burst({.mint = {now, lead_left, {era}},
                        .ordering = ordering,
                        .behind_for = behind_for,
                        .uptime = uptime,
                        .truth = truth});
  }
  void advance(time::Duration by) {
    now = now + by;
    uptime = uptime + by;
    if (truth) truth = time::Interval{truth->earliest + by, truth->latest + by};
    burst();
  }
  /// Begins a burst in which the true time is known so well.
  void know(time::Tai earliest, time::Tai latest) {
    truth = time::Interval{earliest, latest};
    burst();
  }
  /// Begins a burst in which it isn't known.
  void lose_clock(time::ClockFault why = time::ClockFault::kNoSource) {
    truth = tl::make_unexpected(why);
    burst();
  }

  // --- the client ---
  std::vector<wire::Message> send(const std::vector<wire::Message>& requests, const Address& from = kLocal,
                                  std::uint8_t client = 1) {
    std::vector<std::byte> bytes(requests.size() * wire::kMessageSize);
    for (std::size_t i = 0; i < requests.size(); ++i)
      wire::store(requests[i], bytes.data() + i * wire::kMessageSize);
    const std::size_t length = server.answer(bytes, from, path_to(client));
    return messages({bytes.data(), length});
  }
  wire::Message ask(const wire::Message& request, const Address& from = kLocal) {
    const auto replies = send({request}, from);
    return replies.size() == 1 ? replies[0] : wire::Message{};
  }
  /// All that parked requests have to say now, in order; `paths` gets the client of each.
  std::vector<wire::Message> collect(std::vector<std::uint8_t>* paths = nullptr) {
    std::vector<wire::Message> all;
    std::array<std::byte, wire::kMaxDatagram> out{};
    ReturnPath path;
    while (const std::size_t length = server.next_parked(out, path)) {
      for (const wire::Message& message : messages({out.data(), length})) {
        all.push_back(message);
        if (paths != nullptr) paths->push_back(std::to_integer<std::uint8_t>(path.bytes[0]));
      }
    }
    return all;
  }

  [[nodiscard]] std::uint64_t count(page::Counter counter) { return server.counters().get(counter); }
  [[nodiscard]] std::uint64_t drops() {
    std::uint64_t sum = 0;
    for (auto c = page::Counter::kDropSourceDenied; c <= page::Counter::kDropFieldNotZero;
         c = static_cast<page::Counter>(static_cast<unsigned>(c) + 1))
      sum += count(c);
    return sum;
  }
  [[nodiscard]] time::SmearedUtc published_use(std::size_t slot) const {
    return {page->slots[slot].used_until_ns.load()};
  }

  std::unique_ptr<page::RightsRecord> rights_page = std::make_unique<page::RightsRecord>();
  std::unique_ptr<page::WorkerPage> page = std::make_unique<page::WorkerPage>();
  AccessPolicy policy;
  Server server;

  mint::RightSet set;
  std::uint64_t generation = 0;
  std::uint64_t token = 0;
  std::uint64_t era = 0;
  time::SmearedUtc now = kStart;
  time::Uptime uptime{time::seconds(1000).ns};
  time::Duration lead_left = time::milliseconds(1000);
  mint::OrderingState ordering = mint::OrderingState::kFollowing;
  time::Duration behind_for;
  time::Now truth = tl::make_unexpected(time::ClockFault::kNotProven);

 private:
  static std::vector<wire::Message> messages(std::span<const std::byte> bytes) {
    std::vector<wire::Message> all;
    for (std::size_t at = 0; at < bytes.size(); at += wire::kMessageSize)
      all.push_back(wire::load(bytes.data() + at));
    return all;
  }
};

/// A rig that holds machine id 1 for ten seconds from kStart, burst begun.
inline std::unique_ptr<Rig> granted_rig(const RigOptions& options = {},
                                        const std::vector<std::uint16_t>& machines = {1}) {
  auto rig = std::make_unique<Rig>(options);
  rig->grant(machines);
  rig->burst();
  return rig;
}

/// A datagram of replies that had waited.
struct Expected {
  std::uint8_t client = 0;
  std::size_t messages = 0;
};
/// These come out next, in this order, and nothing after them.
inline void expect_datagrams(Rig& rig, const std::vector<Expected>& expected) {
  std::array<std::byte, wire::kMaxDatagram> out{};
  ReturnPath path;
  for (const Expected& datagram : expected) {
    EXPECT_EQ(rig.server.next_parked(out, path), datagram.messages * wire::kMessageSize);
    EXPECT_EQ(path, path_to(datagram.client));
  }
  EXPECT_EQ(rig.server.next_parked(out, path), 0U);
}

}  // namespace gnomon::serve::testing
