// SPDX-License-Identifier: Apache-2.0
//
// Commit-waits on the wire, against a real gnomond whose only source is the system clock with a stated bound. That
// clock is the truth here: the daemon has to doubt it by the bound, and we need not. So a reply that comes while the
// system clock has not passed t is a reply that came too early, by as much as the bound if the daemon looked at the
// wrong end of its interval.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "oracle/time/instant.hpp"
#include "oracle/wire/message.hpp"
#include "platform/endpoint.hpp"
#include "platform/unique_fd.hpp"
#include "ptp/cycle_calibration.hpp"
#include "tests/support/daemon.hpp"
#include "tests/support/leap_list.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::net {
namespace {

using support::Daemon;
using support::ScratchFolder;
using time::Tai;
using wire::Message;
using wire::Op;
using wire::Status;

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr auto kPatience = seconds(20);
constexpr time::Duration kBound = time::milliseconds(20);
constexpr time::Duration kMaxWait = time::milliseconds(4'000);
constexpr std::int64_t kTaiMinusUtc = 37'000'000'000;

Tai true_time() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return {std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec + kTaiMinusUtc};
}

/// A socket, and so always the same worker. Thread rule: one thread.
class Asker {
 public:
  explicit Asker(std::uint16_t port) {
    const platform::SocketAddress address = platform::to_socket_address(support::on_loopback(port));
    socket_.reset(::socket(address.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket_.valid() || ::connect(socket_.get(), address.get(), address.size) != 0)
      throw std::system_error(errno, std::generic_category(), "connect a UDP socket");
  }
  /// Its request id.
  std::uint64_t ask(Op op, std::uint64_t a = 0) { return ask(op, std::vector<std::uint64_t>{a}); }
  /// One datagram; the id of the first, and the others follow it.
  std::uint64_t ask(Op op, const std::vector<std::uint64_t>& arguments) {
    std::vector<std::byte> datagram(arguments.size() * wire::kMessageSize);
    const std::uint64_t first = next_id_;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
      Message message;
      message.op = static_cast<std::uint8_t>(op);
      message.request_id = next_id_++;
      message.a = arguments[i];
      wire::store(message, datagram.data() + i * wire::kMessageSize);
    }
    if (::send(socket_.get(), datagram.data(), datagram.size(), 0) < 0)
      throw std::system_error(errno, std::generic_category(), "send");
    return first;
  }
  /// The next reply of a datagram or the next datagram; nothing if none comes in time.
  std::optional<Message> hear(milliseconds patience = kPatience) {
    if (heard_.empty()) receive(patience);
    if (heard_.empty()) return std::nullopt;
    const Message first = heard_.front();
    heard_.erase(heard_.begin());
    return first;
  }

 private:
  void receive(milliseconds patience) {
    pollfd p{socket_.get(), POLLIN, 0};
    if (::poll(&p, 1, static_cast<int>(patience.count())) <= 0) return;
    std::array<std::byte, wire::kMaxDatagram> bytes{};
    const ssize_t size = ::recv(socket_.get(), bytes.data(), bytes.size(), 0);
    for (ssize_t at = 0; at + static_cast<ssize_t>(wire::kMessageSize) <= size;
         at += static_cast<ssize_t>(wire::kMessageSize)) {
      EXPECT_EQ(wire::check_reply(bytes.data() + at), wire::Invalid::kNone);
      heard_.push_back(wire::load(bytes.data() + at));
    }
  }

  platform::UniqueFd socket_;
  std::uint64_t next_id_ = 1;
  std::vector<Message> heard_;
};

Tai earliest(const Message& reply) { return {static_cast<std::int64_t>(reply.a)}; }
Tai latest(const Message& reply) { return {static_cast<std::int64_t>(reply.b)}; }
Status status(const Message& reply) { return static_cast<Status>(reply.status); }
std::uint64_t on_wire(Tai t) { return static_cast<std::uint64_t>(t.ns); }

class CommitWaitWire : public testing::Test {
 protected:
  CommitWaitWire()
      : daemon_(folder_.path(), {{"clock.sources", fmt::format("system?bound_us={}", kBound.ns / 1'000)},
                                 {"clock.leap_file", path("leaps")},
                                 {"clock.offset_file", path("offset")},
                                 {"clock.source_timeout_ms", "300"},
                                 {"clock.holdover_ms", "0"},
                                 {"workers.count", "2"},
                                 {"workers.max_commit_wait_ms", std::to_string(kMaxWait.ns / 1'000'000)}}) {
    std::ofstream(path("leaps")) << support::lasting_leap_list();
  }
  void SetUp() override {
    if (!ptp::kernel_trusts_counter())
      GTEST_SKIP() << "this machine's kernel does not use the cycle counter, so gnomond tells no true time here";
    daemon_.start();
    ASSERT_TRUE(daemon_.wait_ready()) << daemon_.log();
  }
  void TearDown() override {
    if (!daemon_.alive()) return;
    EXPECT_EQ(daemon_.stop().code, 0) << daemon_.log();
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }

  /// now(), as this asker's worker says it.
  [[nodiscard]] Message now(Asker& asker) const {
    asker.ask(Op::kNow);
    const auto reply = asker.hear();
    if (!reply || status(*reply) != Status::kOk) {
      ADD_FAILURE() << (reply ? wire::text_of(status(*reply)) : "silence") << '\n' << daemon_.log();
      return {};
    }
    return *reply;
  }
  void expect_answer(Asker& asker, std::uint64_t id, Status expected) const {
    const auto reply = asker.hear();
    ASSERT_TRUE(reply) << daemon_.log();
    EXPECT_EQ(reply->request_id, id);
    EXPECT_EQ(status(*reply), expected) << wire::text_of(status(*reply));
  }

  ScratchFolder folder_;
  Daemon daemon_;
};

TEST_F(CommitWaitWire, ATimestampOfNowIsReleasedOnceItHasPassedForCertain) {
  Asker asker(daemon_.port());
  Asker other(daemon_.port());
  for (int i = 0; i < 20; ++i) {
    const Message asked = now(asker);
    const Tai t = latest(asked);
    ASSERT_GE(latest(asked) - earliest(asked), kBound * 2) << "the bound is not forgotten";
    const std::uint64_t id = asker.ask(Op::kCommitWait, on_wire(t));
    const auto reply = asker.hear();
    const Tai truth = true_time();
    ASSERT_TRUE(reply) << daemon_.log();
    ASSERT_EQ(status(*reply), Status::kOk) << wire::text_of(status(*reply));
    EXPECT_EQ(reply->request_id, id);
    EXPECT_GT(earliest(*reply), t) << "the reply shows the interval that released it";
    EXPECT_GT(truth, t) << "it came before t";
    EXPECT_GT(latest(now(other)), t) << "whoever asks now, of any worker, picks a later timestamp";
  }
}

TEST_F(CommitWaitWire, OneThatHasPassedIsAnsweredAtOnce) {
  Asker asker(daemon_.port());
  const Message asked = now(asker);
  for (const std::uint64_t t : {std::uint64_t{0}, std::uint64_t{1}, on_wire(earliest(asked)) - 1}) {
    const std::uint64_t id = asker.ask(Op::kCommitWait, t);
    expect_answer(asker, id, Status::kOk);
  }
}

TEST_F(CommitWaitWire, OthersAreAnsweredWhileOneWaits) {
  Asker asker(daemon_.port());
  const Tai t = latest(now(asker)) + time::milliseconds(1'500);
  const std::uint64_t waiting = asker.ask(Op::kCommitWait, on_wire(t));
  for (int i = 0; i < 50; ++i) {
    const std::uint64_t id = asker.ask(Op::kPing);
    expect_answer(asker, id, Status::kOk);
  }
  if (true_time() > t) GTEST_SKIP() << "fifty pings took longer than a second and a half: the machine is too busy";
  const auto reply = asker.hear();
  const Tai truth = true_time();
  ASSERT_TRUE(reply) << daemon_.log();
  EXPECT_EQ(reply->request_id, waiting) << "from the same worker";
  EXPECT_EQ(status(*reply), Status::kOk);
  EXPECT_GT(earliest(*reply), t);
  EXPECT_GT(truth, t);
}

TEST_F(CommitWaitWire, EachOfManyWaitsForItsOwn) {
  constexpr std::size_t kDatagrams = 10;
  Asker asker(daemon_.port());
  std::map<std::uint64_t, Tai> waiting;
  const Tai from = latest(now(asker));
  std::size_t number = 0;
  for (std::size_t d = 0; d < kDatagrams; ++d) {
    std::vector<std::uint64_t> arguments;
    arguments.reserve(wire::kMaxMessages);
    for (std::size_t i = 0; i < wire::kMaxMessages; ++i)  // not in the order in which they come due
      arguments.push_back(on_wire(from + time::microseconds(static_cast<std::int64_t>(number++ * 7'919 % 500'000))));
    const std::uint64_t first = asker.ask(Op::kCommitWait, arguments);
    for (std::size_t i = 0; i < arguments.size(); ++i)
      waiting[first + i] = Tai{static_cast<std::int64_t>(arguments[i])};
  }
  while (!waiting.empty()) {
    const auto reply = asker.hear();
    const Tai truth = true_time();
    ASSERT_TRUE(reply) << waiting.size() << " are still missing\n" << daemon_.log();
    const auto found = waiting.find(reply->request_id);
    ASSERT_NE(found, waiting.end()) << "answered twice, or never asked";
    ASSERT_EQ(status(*reply), Status::kOk) << wire::text_of(status(*reply));
    EXPECT_GT(earliest(*reply), found->second);
    EXPECT_GT(truth, found->second);
    waiting.erase(found);
  }
}

TEST_F(CommitWaitWire, OneTooFarAheadIsRefusedAtOnce) {
  Asker asker(daemon_.port());
  const Tai too_far = latest(now(asker)) + kMaxWait + time::seconds(60);
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  for (const std::uint64_t t : {on_wire(too_far), kMax, kMax + 1, ~std::uint64_t{0}}) {
    const std::uint64_t id = asker.ask(Op::kCommitWait, t);
    expect_answer(asker, id, Status::kTooFar);
  }
  EXPECT_LT(true_time(), too_far) << "not when its time had come";
}

TEST_F(CommitWaitWire, OneWhoseClockIsLostMeanwhileIsAnErrorAndNoRelease) {
  Asker asker(daemon_.port());
  const Tai t = latest(now(asker)) + kMaxWait - time::milliseconds(500);
  const std::uint64_t waiting = asker.ask(Op::kCommitWait, on_wire(t));
  const std::uint64_t ping = asker.ask(Op::kPing);
  expect_answer(asker, ping, Status::kOk);  // the first reply: the other one waits
  std::ofstream(path("offset.new")) << "no number";
  std::filesystem::rename(path("offset.new"), path("offset"));  // from now on the source can't be read
  expect_answer(asker, waiting, Status::kClockUnsynchronised);
}

}  // namespace
}  // namespace gnomon::net
