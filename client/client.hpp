// SPDX-License-Identifier: Apache-2.0
//
// The client: IDs and time from gnomon servers, for any number of threads.
//
//   auto client = Client::connect({.servers = {"127.0.0.1:14666"}});
//   auto id = client->next_id(gnomon::id::kSnowflake);
//
// One thread per client does all input and output. Calls of many threads share datagrams (up to 22 in one), and a call
// that is alone goes out at once: nothing waits for company. A server that does not answer, or can't, is left for the
// next one; a call fails only at its deadline, or at once when no server could ever grant it.
//
// Order. IDs are unique, always. What else you may rely on: of two calls, one made after the other returned, the later
// one gets larger IDs if both were answered by the same worker of the same server. With one server, one worker and
// sockets_per_server = 1 that is every such pair; after a switch to another server, between sockets, and between calls
// that overlap in time (two threads) there is no order at all. The ranges of one `next_ids` come in the order granted.
//
// Fork. A child may go on using the object: at its first call there the client notices, drops what it had and starts
// again with its own sockets, request ids and thread. Calls that were pending in the parent complete in the parent
// only. A callback that forks has to end its child by itself (exec, _exit): one that returns is ended with _exit(0).
//
// Thread rule: every method may be called from any thread, also from callbacks, except that a callback must not make a
// blocking call (it runs on the thread which would have to answer it; such a call is refused with kBadArgument) and
// must not destroy the client. Destroying it ends pending calls with kClosed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "client/error.hpp"
#include "client/id_range.hpp"
#include "client/options.hpp"
#include "client/stats.hpp"
#include "oracle/clock/hlc.hpp"
#include "oracle/id/layout.hpp"
#include "oracle/mint/names.hpp"
#include "oracle/time/interval.hpp"

namespace gnomon::client {

class ClientState;

struct PingReply {
  std::string server;             // as "address:port"
  std::uint64_t incarnation = 0;  // random per start of the daemon
  bool leased = false;            // whether the worker that answered holds a right; the rest is zero without one
  mint::MachineId machine;
  std::uint32_t token_low = 0;     // low half of the right's fencing token
  time::Duration right_remaining;  // at most 65.535 s: larger values are cut there
  time::Duration round_trip;       // of the transmission that was answered
};

struct TimeReply {
  std::string server;         // as "address:port"
  time::Interval said;        // what it answered: contained the true time while it had the request
  time::Interval at_receipt;  // what follows for the moment at which the reply arrived here
  time::Duration round_trip;
};

class Client {
 public:
  /// Runs on the client's own thread: it must not block, and what it throws ends the process.
  using RangeCallback = std::function<void(Result<IdRange>)>;

  /// Checks the options, looks names up, opens sockets, starts the thread. Asks no server anything: `ping` does.
  [[nodiscard]] static Result<Client> connect(const Options& options);

  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  [[nodiscard]] Result<id::Id> next_id(id::LayoutNumber layout);
  /// One contiguous range of 1 to `count` IDs. `count` above what a unit of the layout holds is kBadCount.
  [[nodiscard]] Result<IdRange> next_range(id::LayoutNumber layout, std::uint32_t count);
  /// Exactly `count` IDs, in as many ranges as it takes; any `count` >= 1. All or nothing: after an error the IDs that
  /// had been granted on the way are lost (never reused).
  [[nodiscard]] Result<std::vector<IdRange>> next_ids(id::LayoutNumber layout, std::uint64_t count);

  /// Accepted: `callback` is called once, from the client's thread. Refused (kOverloaded, kBadArgument): never.
  [[nodiscard]] Result<void> next_range_async(id::LayoutNumber layout, std::uint32_t count, RangeCallback callback);
  [[nodiscard]] std::future<Result<IdRange>> next_range_future(id::LayoutNumber layout, std::uint32_t count);

  /// One server, by its place in `servers()` or by its text in the options or in `servers()`.
  [[nodiscard]] Result<PingReply> ping(std::size_t server_index);
  [[nodiscard]] Result<PingReply> ping(std::string_view server);

  /// The true time, at a moment between call and return, lies in the interval: while the servers keep their promise C,
  /// this host's oscillator is within oscillator_ppb, and a pause of this whole machine is noticed. Answered from what
  /// the last exchanges proved, in some 100 ns and from any thread, callbacks included; if that is too old, after one
  /// to four exchanges with a server. kClockUnsynchronised: no server can say, or they contradict each other.
  [[nodiscard]] Result<time::Interval> now();
  /// Commit-wait (Spanner, OSDI 2012, section 4.1.2): returns once earliest > t, with that interval. From then on every
  /// now(), anywhere, has latest > t. Sleeps, then spins, by this host's clocks. kTooFar at once if t is more than
  /// `limit` (0 to an hour) after now().latest; after any other error t may have passed or not.
  [[nodiscard]] Result<time::Interval> commit_wait(time::Tai t, time::Duration limit = time::seconds(10));
  /// The same, but the request waits in a server: for hosts that can't trust their own oscillator, or pause. The
  /// server's own limit (1 s by default) counts, too. This host's time refuses what is too far, and
  /// releases nobody. At most 1,024 wait at a time: else kOverloaded.
  [[nodiscard]] Result<time::Interval> commit_wait_at_server(time::Tai t, time::Duration limit = time::seconds(1));
  /// What one server, by its place in `servers()`, says of the time.
  [[nodiscard]] Result<TimeReply> ask_time(std::size_t server_index);

  /// A hybrid timestamp from a server, larger than `remote` (0: none) and than every one that this client was given
  /// before the call. It is not unique: several workers issue them. kTooFar: `remote`, or what a server with a clock in
  /// the future gave before, is too far ahead of the server's time.
  [[nodiscard]] Result<clock::HlcTimestamp> hlc_update(clock::HlcTimestamp remote = {});

  /// The servers' addresses, in the order of the options.
  [[nodiscard]] std::vector<std::string> servers() const;
  [[nodiscard]] Stats stats() const;

 private:
  friend class IdStream;
  explicit Client(std::shared_ptr<ClientState> state);

  std::shared_ptr<ClientState> state_;
};

}  // namespace gnomon::client
