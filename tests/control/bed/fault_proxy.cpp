// SPDX-License-Identifier: Apache-2.0
#include "tests/control/bed/fault_proxy.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace gnomon::bed {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kBacklog = 64;
constexpr std::size_t kFirstConnection = 2;  // among what is polled, behind the eventfd and the listener
constexpr milliseconds kReplayLimit{10'000};

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

platform::UniqueFd connected_to(const platform::Endpoint& server) {
  const platform::SocketAddress address = platform::to_socket_address(server);
  platform::UniqueFd fd(socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid() || connect(fd.get(), address.get(), address.size) != 0) fail("a connection for a replay");
  return fd;
}

void send_all(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0) fail("a replay");
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

// How many of `requests` the server has answered, within the limit.
std::size_t count_answers(int fd, std::size_t requests) {
  FrameSplitter frames = FrameSplitter::of_server();
  std::size_t answered = 0;
  std::size_t refused = 0;
  const auto until = Clock::now() + kReplayLimit;
  std::array<char, 65536> buffer;
  while (answered + refused < requests) {
    const auto left = std::chrono::ceil<milliseconds>(until - Clock::now());
    pollfd readable{fd, POLLIN, 0};
    if (left.count() <= 0 || poll(&readable, 1, static_cast<int>(left.count())) <= 0) break;
    const ssize_t n = recv(fd, buffer.data(), buffer.size(), 0);
    if (n <= 0) break;
    frames.feed({buffer.data(), static_cast<std::size_t>(n)}, [&](const Frame& frame, std::string_view, bool begins) {
      answered += begins && frame.ends_stream() ? 1 : 0;
      refused += begins && frame.type == FrameType::kRstStream ? 1 : 0;
    });
  }
  return answered;
}

}  // namespace

FaultProxy::FaultProxy(const platform::Endpoint& server)
    : server_(server), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!wake_.valid()) fail("eventfd");
  listen_again();
  thread_ = std::thread([this] { run(); });
}

FaultProxy::~FaultProxy() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake();
  thread_.join();
}

void FaultProxy::wake() const {
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
}

void FaultProxy::listen_again() {
  if (listener_.valid()) return;
  listener_ = bound_socket(port_.number());
  if (listen(listener_.get(), kBacklog) != 0) fail("listen");
}

void FaultProxy::set(ProxyMode mode, bool listens, bool dooms) {
  {
    const std::lock_guard lock(mutex_);
    rules_.mode = mode;
    if (listens)
      listen_again();
    else
      listener_.reset();
    if (dooms)
      for (ProxiedConnection& connection : connections_)
        connection.doom();
  }
  wake();
}

void FaultProxy::pass() { set(ProxyMode::kPass, true, false); }
void FaultProxy::drop_answers() { set(ProxyMode::kDropAnswers, true, false); }
void FaultProxy::refuse() { set(ProxyMode::kPass, false, true); }
void FaultProxy::stall() { set(ProxyMode::kStall, true, false); }
void FaultProxy::reset() { set(ProxyMode::kReset, true, true); }

void FaultProxy::delay(milliseconds each_way) {
  const std::lock_guard lock(mutex_);
  rules_.delay = each_way;
}

void FaultProxy::hold() {
  const std::lock_guard lock(mutex_);
  for (ProxiedConnection& connection : connections_)
    connection.hold();
}

void FaultProxy::let_go() {
  {
    const std::lock_guard lock(mutex_);
    for (ProxiedConnection& connection : connections_)
      connection.let_go(Clock::now(), counts_);
  }
  wake();
}

ProxyCounts FaultProxy::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

std::vector<FaultProxy::Recording> FaultProxy::recordings() const {
  const std::lock_guard lock(mutex_);
  std::vector<Recording> all;
  all.reserve(records_.size());
  for (const auto& record : records_)
    all.push_back({record->connection, record->bytes.size(), record->requests, record->is_http2 && !record->truncated});
  return all;
}

const ProxyRecord& FaultProxy::replayable(std::uint64_t connection) const {
  for (const auto& record : records_)
    if (record->connection == connection && record->is_http2 && !record->truncated) return *record;
  throw std::runtime_error("there is no connection " + std::to_string(connection) + " that could be replayed");
}

std::string FaultProxy::said(std::uint64_t connection) const {
  const std::lock_guard lock(mutex_);
  return replayable(connection).bytes;
}

std::size_t FaultProxy::replay(std::uint64_t connection) {
  std::string said;
  std::size_t requests = 0;
  {
    const std::lock_guard lock(mutex_);
    const ProxyRecord& record = replayable(connection);
    said = without_cancellations(record.bytes);
    requests = record.requests;
    ++counts_.replays;
  }
  const platform::UniqueFd fd = connected_to(server_);
  send_all(fd.get(), said);
  return count_answers(fd.get(), requests);
}

// --- its own thread

std::vector<pollfd> FaultProxy::to_poll() const {
  const auto now = Clock::now();
  std::vector<pollfd> polled{{wake_.get(), POLLIN, 0}, {listener_.get(), POLLIN, 0}};
  for (const ProxiedConnection& connection : connections_) {
    const auto [client, server] = connection.to_poll(rules_, now);
    polled.push_back(client);
    polled.push_back(server);
  }
  return polled;
}

int FaultProxy::timeout_ms() const {
  std::optional<Clock::time_point> next;
  for (const ProxiedConnection& connection : connections_)
    if (const auto due = connection.next_due(rules_); due && (!next || *due < *next)) next = due;
  if (!next) return -1;
  const auto left = std::chrono::ceil<milliseconds>(*next - Clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

void FaultProxy::run() {
  std::unique_lock lock(mutex_);
  while (!stop_) {
    std::vector<pollfd> polled = to_poll();
    const int timeout = timeout_ms();
    lock.unlock();
    poll(polled.data(), polled.size(), timeout);
    lock.lock();
    std::uint64_t ignored = 0;
    (void)!::read(wake_.get(), &ignored, sizeof ignored);
    serve(polled);
    accept_all();
  }
}

void FaultProxy::serve(const std::vector<pollfd>& polled) {
  const auto now = Clock::now();
  std::size_t i = kFirstConnection;
  for (ProxiedConnection& connection : connections_) {
    connection.step(polled[i], polled[i + 1], rules_, now, counts_);
    i += 2;
  }
  connections_.remove_if([](const ProxiedConnection& connection) { return connection.closed(); });
}

void FaultProxy::accept_all() {
  while (listener_.valid()) {
    platform::UniqueFd client(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!client.valid()) return;
    auto record = std::make_shared<ProxyRecord>();
    record->connection = ++counts_.accepted;
    records_.push_back(record);
    if (records_.size() > kMaxRecordings) records_.pop_front();
    connections_.emplace_back(std::move(client), server_, std::move(record));
    if (rules_.mode == ProxyMode::kReset) connections_.back().doom();
  }
}

}  // namespace gnomon::bed
