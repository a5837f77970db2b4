// SPDX-License-Identifier: Apache-2.0
#include "tests/client/test_server.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits>
#include <stdexcept>
#include <utility>

namespace gnomon::client::testing {
namespace {

constexpr int kPollMs = 5;
constexpr int kBurst = 64;

std::int64_t read_clock(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

platform::UniqueFd bound_socket(std::uint16_t port, platform::Endpoint& bound) {
  platform::UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const auto address = platform::to_socket_address({serve::Address::v4(127, 0, 0, 1), port});
  if (!fd.valid() || ::bind(fd.get(), address.get(), address.size) != 0)
    throw std::runtime_error("the test server can't bind port " + std::to_string(port) + ": " + std::strerror(errno));
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&storage), &size);
  bound = platform::from_socket_address(storage).value();
  return fd;
}

}  // namespace

TestServer::TestServer(const TestServerOptions& options)
    : fd_(bound_socket(options.port, endpoint_)), machine_(options.machine) {
  policy_.keys = options.keys;
  policy_.auth = policy_.keys.empty() ? serve::AuthRule::kNever : serve::AuthRule::kAlways;
  set_leased(options.leased);
  serve::ServerOptions server;
  for (const id::Layout& layout : id::builtin_layouts())
    server.layouts.push_back(layout);
  server.layouts.push_back(
      id::make_layout({16}, "tiny", id::builtin_layouts()[0].epoch, time::milliseconds(1), 41, 10, 6).value());
  server.incarnation = static_cast<std::uint64_t>(read_clock(CLOCK_BOOTTIME));
  server_ = std::make_unique<serve::Server>(server, *rights_, *page_, policy_);
  thread_ = std::thread([this] { run(); });
}

TestServer::~TestServer() {
  stopping_.store(true);
  thread_.join();
}

void TestServer::set_leased(bool leased) {
  mint::RightSet set;
  set.generation = {++generation_};
  if (leased) {
    set.count = 1;
    // A server that is started again under its machine id begins where no earlier one can have been.
    set.slots[0] = {
        {machine_}, {generation_}, {read_clock(CLOCK_REALTIME)}, {std::numeric_limits<std::int64_t>::max()}};
  }
  rights_->rights.write(set);
}

time::Tai TestServer::true_time() {
  static const std::int64_t kStart = read_clock(CLOCK_REALTIME) + 37'000'000'000 - read_clock(CLOCK_MONOTONIC_RAW);
  return {kStart + read_clock(CLOCK_MONOTONIC_RAW)};
}

void TestServer::set_truth(time::Duration before, time::Duration after) {
  before_.store(before.ns);
  after_.store(after.ns);
  synchronised_.store(true);
}

serve::BurstTime TestServer::time() const {
  time::Now truth = tl::make_unexpected(time::ClockFault::kNotProven);
  const time::Tai now = true_time();
  if (synchronised_.load()) truth = time::Interval{{now.ns - before_.load()}, {now.ns + after_.load()}};
  return {.mint = {{read_clock(CLOCK_REALTIME)}, time::seconds(1), {}},
          .ordering = mint::OrderingState::kFollowing,
          .behind_for = {},
          .uptime = {read_clock(CLOCK_BOOTTIME)},
          .truth = truth};
}

void TestServer::run() {
  while (!stopping_.load()) {
    pollfd polled{.fd = fd_.get(), .events = POLLIN, .revents = 0};
    ::poll(&polled, 1, server_->parked() > 0 ? 1 : kPollMs);
    server_->begin_burst(time());
    answer_burst();
    send_parked();
  }
}

void TestServer::answer_burst() {
  std::array<std::byte, 2048> bytes{};
  for (int i = 0; i < kBurst; ++i) {
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    auto* address = reinterpret_cast<sockaddr*>(&from);
    const ssize_t n = ::recvfrom(fd_.get(), bytes.data(), bytes.size(), 0, address, &size);
    if (n < 0) return;
    server_->begin_burst(time());  // a reading after it arrived, or now() would not contain the call
    serve::ReturnPath path;
    path.size = size;
    std::memcpy(path.bytes.data(), &from, size);
    const auto source = platform::from_socket_address(from).value().address;
    const std::size_t reply = server_->answer({bytes.data(), static_cast<std::size_t>(n)}, source, path);
    if (reply > 0) ::sendto(fd_.get(), bytes.data(), reply, 0, address, size);
  }
}

void TestServer::send_parked() {
  std::array<std::byte, wire::kMaxDatagram> bytes{};
  serve::ReturnPath path;
  while (const std::size_t reply = server_->next_parked(bytes, path)) {
    sockaddr_storage to{};
    std::memcpy(&to, path.bytes.data(), path.size);
    ::sendto(fd_.get(), bytes.data(), reply, 0, reinterpret_cast<sockaddr*>(&to), path.size);
  }
}

Client connected(const Options& options) {
  auto client = Client::connect(options);
  if (!client) throw std::runtime_error(client.error().text);
  return std::move(*client);
}

std::uint16_t unused_port() {
  platform::Endpoint bound;
  const platform::UniqueFd fd = bound_socket(0, bound);
  return bound.port;
}

}  // namespace gnomon::client::testing
