// SPDX-License-Identifier: Apache-2.0
//
// The client's time: exchanges with servers, and what is answered in between (local_time.hpp).
#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include "client/blocking_call.hpp"
#include "client/client.hpp"
#include "client/commit_wait.hpp"

namespace gnomon::client {
namespace {

constexpr int kRefreshPart = 10;  // an exchange is due when so much of the largest age has passed
// A reply that took so much longer than its own transmission came after a retry: its round trip is worth little.
constexpr std::int64_t kRetriedFactor = 4;
// The server's interval may be wider than what this client makes of several; asking again is harmless.
constexpr time::Duration kWiderThere = time::milliseconds(5);

time::Interval interval_of(const wire::Message& reply) {
  return {{static_cast<std::int64_t>(reply.a)}, {static_cast<std::int64_t>(reply.b)}};
}

/// t1 is read when the call is made: it may only be too early.
class Exchange : public BlockingCall {
 public:
  explicit Exchange(TimeKeeper& keeper) : keeper_(keeper) { call.op = wire::Op::kTimeSync; }
  void take(Outcome outcome) override {
    if (outcome.answer) {
      const LocalStamp t4 = read_local_stamp();
      retried = t4.boot - t1_.boot > outcome.answer->round_trip * kRetriedFactor;
      keeper_.learn(t1_, t4, interval_of(outcome.answer->reply));
    }
    BlockingCall::take(std::move(outcome));
  }

  bool retried = false;

 private:
  TimeKeeper& keeper_;
  LocalStamp t1_ = read_local_stamp();
};

/// Nobody waits for it; deletes itself. The keeper outlives the I/O thread.
class BackgroundExchange final : public PendingCall {
 public:
  explicit BackgroundExchange(TimeKeeper& keeper) : keeper_(keeper) { call.op = wire::Op::kTimeSync; }
  void take(Outcome outcome) override {
    const std::unique_ptr<BackgroundExchange> self(this);
    if (outcome.answer) keeper_.learn(t1_, read_local_stamp(), interval_of(outcome.answer->reply));
    keeper_.end_exchange();
  }

 private:
  TimeKeeper& keeper_;
  LocalStamp t1_ = read_local_stamp();
};

void refresh(ClientState& state, TimeKeeper& keeper) {
  if (keeper.exchanging()) return;
  const auto io = state.io();
  if (!io) return;
  auto exchange = std::make_unique<BackgroundExchange>(keeper);
  if (!keeper.begin_exchange()) return;
  if (!(*io)->submit(*exchange)) return keeper.end_exchange();
  [[maybe_unused]] const BackgroundExchange* on_its_own = exchange.release();
}

Error unsynchronised(LocalFault fault) {
  return {ErrorKind::kClockUnsynchronised,
          "the time is not known: " + std::string(text_of(fault)) + "; ask again, or see `gnomon clock` on the servers",
          {},
          {}};
}

// Until something is known; after a contradiction as many exchanges as it takes to believe again.
Result<time::Interval> exchange_until_known(ClientState& state, TimeKeeper& keeper) {
  LocalFault fault = LocalFault::kNothingKnown;
  for (int i = 0; i <= LocalTime::kAgreeing; ++i) {
    Exchange exchange(keeper);
    if (const auto outcome = wait_for(state, exchange); !outcome) return tl::make_unexpected(outcome.error());
    const bool last = i == LocalTime::kAgreeing;
    if (exchange.retried && !last) continue;
    const Known known = keeper.known();
    const auto interval = known.carried_to(read_local_stamp());
    if (interval) return *interval;
    fault = interval.error();
  }
  return tl::make_unexpected(unsynchronised(fault));
}

Result<time::Interval> now_of(ClientState& state) {
  const auto keeper = state.time();
  if (!keeper) return tl::make_unexpected(keeper.error());
  const Known known = (*keeper)->known();
  const LocalStamp stamp = read_local_stamp();
  const auto interval = known.carried_to(stamp);
  if (!interval) return exchange_until_known(state, **keeper);
  if (between(known.at, stamp) > known.max_age / kRefreshPart) refresh(state, **keeper);
  return *interval;
}

}  // namespace

// The state is held: another thread may destroy the client while this one waits.
Result<time::Interval> Client::now() {
  const std::shared_ptr<ClientState> state = state_;
  return now_of(*state);
}

Result<time::Interval> Client::commit_wait(time::Tai t, time::Duration limit) {
  const std::shared_ptr<ClientState> state = state_;
  if (const auto io = state->io_for_waiting(); !io) return tl::make_unexpected(io.error());
  return wait_past(t, limit, [&state] { return now_of(*state); });
}

Result<time::Interval> Client::commit_wait_at_server(time::Tai t, time::Duration limit) {
  if (const auto meant = detail::check_limit(t, limit); !meant) return tl::make_unexpected(meant.error());
  const std::shared_ptr<ClientState> state = state_;
  // This host's time releases nobody. It says what is refused at once, and how long an answer may take.
  const auto here = now_of(*state);
  if (!here) return tl::make_unexpected(here.error());
  time::Duration left{0};
  if (!time::is_after(*here, t)) {
    if (const auto near = detail::check_distance(*here, t, limit); !near) return tl::make_unexpected(near.error());
    left = std::clamp(time::saturating_sub(t, here->earliest), time::Duration{0}, kLongestCommitWait);
  }
  BlockingCall call;
  call.call.op = wire::Op::kCommitWait;
  call.call.argument = static_cast<std::uint64_t>(std::max<std::int64_t>(t.ns, 0));
  call.call.patience = left + std::min(here->width(), kLongestCommitWait) + kWiderThere;
  const auto outcome = wait_for(*state, call);
  if (!outcome) return tl::make_unexpected(outcome.error());
  return interval_of(outcome->answer->reply);
}

Result<TimeReply> Client::ask_time(std::size_t server_index) {
  if (const auto there = state_->check_server(server_index); !there) return tl::make_unexpected(there.error());
  BlockingCall call;
  call.call.op = wire::Op::kNow;
  call.call.server = static_cast<std::uint32_t>(server_index);
  const LocalStamp t1 = read_local_stamp();
  const auto outcome = wait_for(*state_, call);
  if (!outcome) return tl::make_unexpected(outcome.error());
  const time::Interval said = interval_of(outcome->answer->reply);
  const auto at_receipt = bound_at_receipt(t1, read_local_stamp(), said, state_->local_time());
  const std::string server = to_string(state_->servers()[server_index]);
  if (!at_receipt)
    return tl::make_unexpected(
        Error{ErrorKind::kClockUnsynchronised,
              "the time from " + server + " can't be used: " + std::string(time::text_of(at_receipt.error())),
              {},
              server});
  return TimeReply{server, said, *at_receipt, outcome->answer->round_trip};
}

Result<clock::HlcTimestamp> Client::hlc_update(clock::HlcTimestamp remote) {
  std::atomic<std::uint64_t>& last = state_->last_hlc();
  BlockingCall call;
  call.call.op = wire::Op::kHlcUpdate;
  call.call.argument = std::max(remote.value, last.load(std::memory_order_acquire));
  const auto outcome = wait_for(*state_, call);
  if (!outcome) return tl::make_unexpected(outcome.error());
  const std::uint64_t given = outcome->answer->reply.a;
  std::uint64_t largest = last.load(std::memory_order_relaxed);
  while (largest < given && !last.compare_exchange_weak(largest, given, std::memory_order_acq_rel)) {
  }
  return clock::HlcTimestamp{given};
}

}  // namespace gnomon::client
