// SPDX-License-Identifier: Apache-2.0
//
// The client's mind: calls, datagrams and time in; datagrams and outcomes out. It reads no clock, opens no socket and
// draws no randomness, so the tests and the simulator run this very code in virtual time.
//
//   submit        a call joins the queue of a server's link (a link is one connected socket)
//   transmit      queues -> bursts of datagrams, up to 22 messages in each, as far as the links' windows allow
//   receive       a datagram from a link: each reply is matched, checked, and ends its call or sends it on
//   link_failed   the network said that a link leads nowhere
//   tick          deadlines, lost datagrams, ended waits
//
// Calls wait for nobody's company: `transmit` after each batch of events sends what is there. They share datagrams
// because under load several are there; the window makes them wait, and so share, when the server is behind.
//
// Invariants:
//   - every transmission has a request id of its own, and the first reply with that id, from the link that it was sent
//     on, retires it; whatever else arrives is counted and ignored, so a stranger's datagram changes nothing;
//   - a call ends exactly once; it has one timer, and is in at most one queue;
//   - IDs of a reply that nobody waits for any more are lost, never delivered twice.
//
// Retries: a call goes to each server once per round, at once, without waiting for the deadline; after a round it waits
// a random time below kBackoff x 2^round ("full jitter", Brooker, "Exponential Backoff and Jitter", 2015).
//
// Thread rule: one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "client/error.hpp"
#include "client/id_range.hpp"
#include "client/options.hpp"
#include "client/request_table.hpp"
#include "client/server_book.hpp"
#include "client/stats.hpp"
#include "client/timer_wheel.hpp"
#include "oracle/wire/auth.hpp"
#include "oracle/wire/message.hpp"

namespace gnomon::client {

/// One socket to one server.
struct LinkId {
  std::uint8_t server = 0;
  std::uint8_t socket = 0;
  friend constexpr bool operator==(LinkId, LinkId) = default;
};

enum class LinkFault : std::uint8_t {
  kRefused,      // nobody listens there (ICMP port unreachable)
  kUnreachable,  // no route, host down, forbidden by a filter
};

enum class Gather : std::uint8_t {
  kOneRange,  // one range of at most `count`; a count above the layout's maximum is the caller's error
  kAll,       // ranges until there are `count`
};

struct Call {
  static constexpr std::uint32_t kAnyServer = 0xffff'ffff;
  static constexpr std::uint32_t kAnySocket = 0xffff'ffff;

  std::uint64_t token = 0;  // the caller's own name of it; comes back in the outcomes
  wire::Op op = wire::Op::kNextId;
  Gather gather = Gather::kOneRange;
  id::LayoutNumber layout;
  std::uint64_t count = 1;
  std::uint64_t argument = 0;  // hlc_update: the remote value; commit_wait: t, TAI ns
  time::Duration
      patience;  // > 0: it may wait in the server, for so much longer than others before that counts as silent
  time::Uptime deadline;
  std::uint32_t server = kAnyServer;
  std::uint32_t socket = kAnySocket;  // calls with the same number share a socket, and so a worker
};

/// A reply that is more than a range of IDs.
struct Answer {
  std::uint8_t server = 0;
  wire::Message reply;
  time::Duration round_trip;
};

/// News of one call. A call that gathers has several, the last of them marked.
struct Outcome {
  std::uint64_t token = 0;
  bool last = true;
  IdRange range;                   // count 0: none
  std::unique_ptr<Error> error;    // the call failed
  std::unique_ptr<Answer> answer;  // the call was of another operation than next_id
};

/// Messages for one link, one after another in `Effects::bytes`: to be cut into datagrams of wire::kMaxDatagram bytes,
/// of which the last may be shorter (what UDP segmentation offload takes in one piece).
struct Burst {
  LinkId link;
  std::size_t offset = 0;
  std::size_t length = 0;
};

struct Effects {
  std::vector<Outcome> outcomes;
  std::vector<Burst> bursts;
  std::vector<std::byte> bytes;

  void clear() {
    outcomes.clear();
    bursts.clear();
    bytes.clear();
  }
};

struct EngineOptions {
  std::vector<platform::Endpoint> servers;  // 1 to kMaxServers
  std::size_t first_server = 0;
  std::size_t sockets_per_server = 1;  // 1 to kMaxSocketsPerServer
  time::Duration attempt_timeout = time::milliseconds(60);
  std::optional<wire::Key> key;
  Secret secret{};
};

class Engine {
 public:
  static constexpr std::size_t kWindow = 512;     // messages in flight per link: what a default socket buffer takes
  static constexpr std::size_t kMaxWaits = 1024;  // calls with patience; they wait in the server, in nobody's window
  static constexpr time::Duration kBackoff = time::milliseconds(2);
  static constexpr time::Duration kMaxBackoff = time::milliseconds(200);
  static constexpr time::Duration kMinBackoff = time::microseconds(200);
  static constexpr time::Duration kMaxAttemptTimeout = time::seconds(1);

  Engine(const EngineOptions& options, time::Uptime now);

  /// count >= 1; the deadline lies after now; `server` and the layout are in range. A call with patience beyond
  /// kMaxWaits fails at once with kOverloaded.
  void submit(time::Uptime now, const Call& call, Effects& effects);
  void transmit(time::Uptime now, Effects& effects);
  /// `datagram`: one, as it came.
  void receive(time::Uptime now, LinkId from, std::span<const std::byte> datagram, Effects& effects);
  void link_failed(time::Uptime now, LinkId link, LinkFault fault, Effects& effects);
  void tick(time::Uptime now, Effects& effects);
  /// Ends every call with kClosed.
  void close(Effects& effects);

  /// When `tick` is next needed; Uptime::max() if nothing is pending.
  [[nodiscard]] time::Uptime next_wake() const { return wheel_.next(); }
  [[nodiscard]] std::size_t pending() const { return live_; }
  [[nodiscard]] const Stats& stats() const { return stats_; }

 private:
  static constexpr std::uint32_t kNone = 0xffff'ffff;

  enum class State : std::uint8_t { kFree, kQueued, kInFlight, kWaiting };

  /// What became of the last transmission to a server: none, timed out, a LinkFault, or a status.
  enum class Reason : std::uint8_t { kNone, kTimedOut, kRefused, kUnreachable, kFirstStatus };
  static Reason reason_of(wire::Status status);
  static std::optional<wire::Status> status_of(Reason reason);

  struct Slot {
    Call call;
    std::uint64_t left = 0;        // IDs still to gather
    std::uint64_t request_id = 0;  // in flight
    time::Uptime submitted;
    time::Uptime sent_at;
    time::Duration hint;  // smallest retry time that a server named in this round; zero if none did
    std::uint32_t asked = 0;
    std::uint32_t next = kNone;  // in the link's queue, or in the list of free slots
    std::uint32_t previous = kNone;
    LinkId link;
    State state = State::kFree;
    std::uint8_t round = 0;
    bool sent_before = false;
    ServerSet tried;                // in this round
    ServerSet hinted;               // in this round
    std::uint8_t last_refuser = 0;  // the server that answered with a status most recently
    std::array<Reason, kMaxServers> reasons{};
  };

  struct Link {
    std::uint32_t head = kNone;
    std::uint32_t tail = kNone;
    std::size_t queued = 0;
    std::size_t in_flight = 0;  // without those that wait in the server
  };
  static bool waits(const Slot& slot) { return slot.call.patience > time::Duration{0}; }

  [[nodiscard]] std::uint32_t take_slot();
  [[nodiscard]] Link& link_of(LinkId id) { return links_[id.server * sockets_ + id.socket]; }
  [[nodiscard]] ServerSet allowed(const Slot& slot) const;
  [[nodiscard]] std::uint8_t choose_socket(std::uint8_t server, const Slot& slot);

  void dispatch(time::Uptime now, std::uint32_t index, Effects& effects);
  void wait_until(std::uint32_t index, time::Uptime when);
  void enqueue(std::uint32_t index, LinkId link);
  void unqueue(std::uint32_t index);
  void requeue_elsewhere(time::Uptime now, std::uint8_t server, Effects& effects);
  void fill_in(Slot& slot, wire::Message& message) const;
  void send(time::Uptime now, std::uint32_t index, Effects& effects);
  [[nodiscard]] time::Duration attempt_timeout(const Slot& slot) const;
  [[nodiscard]] std::uint32_t count_to_ask(const Slot& slot) const;
  void retire(std::uint32_t index);

  void receive_one(time::Uptime now, LinkId from, const std::byte* bytes, Effects& effects);
  [[nodiscard]] bool trusted(const wire::Message& reply) const;
  [[nodiscard]] static bool answers(const wire::Message& reply, const Slot& slot);
  [[nodiscard]] static bool grants(const wire::Message& reply, const Slot& slot);
  void take_ids(time::Uptime now, std::uint32_t index, const wire::Message& reply, Effects& effects);
  void take_refusal(time::Uptime now, std::uint32_t index, const wire::Message& reply, Effects& effects);
  void follow_hint(const wire::Message& reply);
  [[nodiscard]] bool shrink(const wire::Message& reply, const Slot& slot);
  void transmission_failed(time::Uptime now, std::uint32_t index, Reason reason, Effects& effects);
  void next_round(time::Uptime now, std::uint32_t index, Effects& effects);

  void finish(std::uint32_t index, Outcome outcome, Effects& effects);
  void fail(std::uint32_t index, Error error, Effects& effects);
  [[nodiscard]] Error deadline_error(time::Uptime now, const Slot& slot) const;
  [[nodiscard]] Error refusal_error(const Slot& slot, wire::Status status, std::uint32_t count) const;
  [[nodiscard]] std::string reasons_text(const Slot& slot) const;

  std::size_t sockets_;
  time::Duration attempt_timeout_;
  std::optional<wire::Key> key_;
  SecretNumbers numbers_;
  ServerBook book_;
  TimerWheel wheel_;
  RequestTable requests_;
  std::vector<Link> links_;
  std::vector<std::uint8_t> next_socket_;          // by server: which one takes calls of no particular socket
  std::array<std::uint32_t, 256> layout_limit_{};  // by layout: the most IDs that one request may ask for
  std::vector<Slot> slots_;
  std::uint32_t free_ = kNone;
  std::size_t live_ = 0;
  std::size_t waits_ = 0;  // of the live ones
  std::vector<std::uint32_t> due_;
  Stats stats_;
};

}  // namespace gnomon::client
