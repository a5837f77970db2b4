// SPDX-License-Identifier: Apache-2.0
#include "client/client.hpp"

#include <algorithm>
#include <utility>

#include "client/blocking_call.hpp"
#include "client/client_state.hpp"
#include "platform/random.hpp"

namespace gnomon::client {
namespace {

constexpr time::Duration kMinAttemptTimeout = time::milliseconds(1);
constexpr time::Duration kMaxAttemptTimeoutOption = time::seconds(10);

Error bad_argument(std::string text) { return {ErrorKind::kBadArgument, std::move(text), {}, {}}; }

/// A call with a callback; deletes itself after it.
class AsyncCall final : public PendingCall {
 public:
  explicit AsyncCall(Client::RangeCallback callback) : callback_(std::move(callback)) {}
  void take(Outcome outcome) override {
    const std::unique_ptr<AsyncCall> self(this);
    if (outcome.error)
      callback_(tl::make_unexpected(std::move(*outcome.error)));
    else
      callback_(outcome.range);
  }

 private:
  Client::RangeCallback callback_;
};

Result<void> check(id::LayoutNumber layout, std::uint64_t count) {
  if (layout.value == 0 || layout.value > id::kLastCustomLayout)
    return tl::make_unexpected(bad_argument("layout " + std::to_string(layout.value) +
                                            " does not exist: 1 to 15 are built in, 16 to 255 are custom"));
  if (count == 0)
    return tl::make_unexpected(Error{ErrorKind::kBadCount, "0 IDs were asked for; ask for at least one", {}, {}});
  return {};
}

Result<void> check(const Options& options) {
  const auto refuse = [](std::string text) { return tl::make_unexpected(bad_argument(std::move(text))); };
  if (options.servers.empty()) return refuse("no server was named; list at least one, like 127.0.0.1:14666");
  if (options.servers.size() > kMaxServers)
    return refuse(std::to_string(options.servers.size()) + " servers were named; at most " +
                  std::to_string(kMaxServers) + " are used");
  if (options.deadline < kMinDeadline || options.deadline > kMaxDeadline)
    return refuse("a deadline of " + std::to_string(options.deadline.ns) + " ns can't be kept; choose 1 ms to 300 s");
  if (options.attempt_timeout < kMinAttemptTimeout || options.attempt_timeout > kMaxAttemptTimeoutOption)
    return refuse("an attempt_timeout of " + std::to_string(options.attempt_timeout.ns) +
                  " ns can't be used; choose 1 ms to 10 s");
  if (options.sockets_per_server < 1 || options.sockets_per_server > kMaxSocketsPerServer)
    return refuse("sockets_per_server is " + std::to_string(options.sockets_per_server) + "; choose 1 to " +
                  std::to_string(kMaxSocketsPerServer));
  if (options.oscillator_ppb < 0 || options.oscillator_ppb > kMaxOscillatorPpb)
    return refuse("oscillator_ppb is " + std::to_string(options.oscillator_ppb) + "; choose 0 to " +
                  std::to_string(kMaxOscillatorPpb));
  if (options.time_max_age < kMinTimeAge || options.time_max_age > kMaxTimeAge)
    return refuse("a time_max_age of " + std::to_string(options.time_max_age.ns) +
                  " ns can't be used; choose 1 ms to 10 s");
  if (options.max_pending < 1 || options.max_pending > kMaxPendingCalls)
    return refuse("max_pending is " + std::to_string(options.max_pending) + "; choose 1 to " +
                  std::to_string(kMaxPendingCalls));
  return {};
}

Result<IoSettings> settings_of(const Options& options) {
  if (const auto checked = check(options); !checked) return tl::make_unexpected(checked.error());
  IoSettings settings;
  for (const std::string& server : options.servers) {
    const auto endpoint = resolve(server);
    if (!endpoint) return tl::make_unexpected(endpoint.error());
    auto& servers = settings.engine.servers;
    if (std::find(servers.begin(), servers.end(), *endpoint) != servers.end())
      return tl::make_unexpected(bad_argument("server '" + server + "' is listed twice (" + to_string(*endpoint) +
                                              "); name each server once"));
    servers.push_back(*endpoint);
  }
  const std::size_t servers = settings.engine.servers.size();
  if (options.order == ServerOrder::kRandomStart) settings.engine.first_server = platform::random_u64() % servers;
  settings.engine.sockets_per_server = options.sockets_per_server;
  // However short the deadline, each server gets a chance within it.
  settings.engine.attempt_timeout = std::clamp(options.deadline / static_cast<std::int64_t>(servers + 1),
                                               kMinAttemptTimeout, options.attempt_timeout);
  if (options.key) settings.engine.key = wire::Key{{options.key->id}, options.key->bytes};
  settings.deadline = options.deadline;
  settings.max_pending = options.max_pending;
  settings.local_time = {
      .oscillator_ppb = options.oscillator_ppb, .max_age = options.time_max_age, .max_round_trip = options.deadline};
  return settings;
}

}  // namespace

ClientState::ClientState(IoSettings settings, std::vector<std::string> names, std::unique_ptr<IoThread> io)
    : settings_(std::move(settings)),
      names_(std::move(names)),
      time_(std::make_unique<TimeKeeper>(settings_.local_time)),
      io_(std::move(io)) {}

Result<std::shared_ptr<ClientState>> ClientState::start(const Options& options) {
  const auto settings = settings_of(options);
  if (!settings) return tl::make_unexpected(settings.error());
  auto io = IoThread::start(*settings);
  if (!io) return tl::make_unexpected(std::move(io.error()));
  return std::make_shared<ClientState>(*settings, options.servers, std::move(*io));
}

Result<IoThread*> ClientState::io_for_waiting() {
  auto thread = io();
  if (thread && (*thread)->is_this_thread())
    return tl::make_unexpected(
        bad_argument("a blocking call was made from a callback, on the thread that would have to answer it; use "
                     "next_range_async there"));
  return thread;
}

Result<void> ClientState::check_server(std::size_t index) const {
  if (index < servers().size()) return {};
  return tl::make_unexpected(bad_argument("there is no server number " + std::to_string(index) + " in a list of " +
                                          std::to_string(servers().size()) + " (the first is 0)"));
}

Result<Client> Client::connect(const Options& options) {
  auto state = ClientState::start(options);
  if (!state) return tl::make_unexpected(std::move(state.error()));
  return Client(std::move(*state));
}

Client::Client(std::shared_ptr<ClientState> state) : state_(std::move(state)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<id::Id> Client::next_id(id::LayoutNumber layout) {
  const auto range = next_range(layout, 1);
  if (!range) return tl::make_unexpected(range.error());
  return range->first;
}

Result<IdRange> Client::next_range(id::LayoutNumber layout, std::uint32_t count) {
  if (const auto checked = check(layout, count); !checked) return tl::make_unexpected(checked.error());
  BlockingCall call;
  call.call.layout = layout;
  call.call.count = count;
  auto outcome = wait_for(*state_, call);
  if (!outcome) return tl::make_unexpected(std::move(outcome.error()));
  return outcome->range;
}

Result<std::vector<IdRange>> Client::next_ids(id::LayoutNumber layout, std::uint64_t count) {
  if (const auto checked = check(layout, count); !checked) return tl::make_unexpected(checked.error());
  std::vector<IdRange> ranges;
  BlockingCall call;
  call.ranges = &ranges;
  call.call.layout = layout;
  call.call.count = count;
  call.call.gather = Gather::kAll;
  auto outcome = wait_for(*state_, call);
  if (!outcome) return tl::make_unexpected(std::move(outcome.error()));
  return ranges;
}

Result<void> Client::next_range_async(id::LayoutNumber layout, std::uint32_t count, RangeCallback callback) {
  if (const auto checked = check(layout, count); !checked) return tl::make_unexpected(checked.error());
  if (!callback) return tl::make_unexpected(bad_argument("next_range_async was given an empty callback"));
  const auto io = state_->io();
  if (!io) return tl::make_unexpected(io.error());
  auto call = std::make_unique<AsyncCall>(std::move(callback));
  call->call.layout = layout;
  call->call.count = count;
  if (auto accepted = (*io)->submit(*call); !accepted) return accepted;
  [[maybe_unused]] const AsyncCall* on_its_own = call.release();
  return {};
}

std::future<Result<IdRange>> Client::next_range_future(id::LayoutNumber layout, std::uint32_t count) {
  auto promise = std::make_shared<std::promise<Result<IdRange>>>();
  auto future = promise->get_future();
  auto accepted =
      next_range_async(layout, count, [promise](Result<IdRange> result) { promise->set_value(std::move(result)); });
  if (!accepted) promise->set_value(tl::make_unexpected(std::move(accepted.error())));
  return future;
}

Result<PingReply> Client::ping(std::size_t server_index) {
  if (const auto there = state_->check_server(server_index); !there) return tl::make_unexpected(there.error());
  BlockingCall call;
  call.call.op = wire::Op::kPing;
  call.call.server = static_cast<std::uint32_t>(server_index);
  auto outcome = wait_for(*state_, call);
  if (!outcome) return tl::make_unexpected(std::move(outcome.error()));
  const wire::Message& reply = outcome->answer->reply;
  return PingReply{.server = to_string(state_->servers()[server_index]),
                   .incarnation = reply.b,
                   .leased = reply.token_low != 0 || reply.machine_id != 0 || reply.remaining_ms != 0,
                   .machine = {reply.machine_id},
                   .token_low = reply.token_low,
                   .right_remaining = time::milliseconds(reply.remaining_ms),
                   .round_trip = outcome->answer->round_trip};
}

Result<PingReply> Client::ping(std::string_view server) {
  for (std::size_t i = 0; i < state_->servers().size(); ++i)
    if (server == state_->names()[i] || server == to_string(state_->servers()[i])) return ping(i);
  return tl::make_unexpected(
      bad_argument("server '" + std::string(server) + "' is not in this client's list; connect with it"));
}

std::vector<std::string> Client::servers() const {
  std::vector<std::string> texts;
  for (const platform::Endpoint& endpoint : state_->servers())
    texts.push_back(to_string(endpoint));
  return texts;
}

Stats Client::stats() const {
  const IoThread* io = state_->io_if_ours();
  Stats stats = io == nullptr ? Stats{} : io->stats();
  if (const TimeKeeper* keeper = state_->time_if_ours()) {
    stats.exchanges = keeper->exchanges();
    stats.exchanges_faulty = keeper->faulty();
    stats.time_contradictions = keeper->contradictions();
  }
  return stats;
}

}  // namespace gnomon::client
