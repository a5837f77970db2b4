// SPDX-License-Identifier: Apache-2.0
//
// The kernel twin over real sockets on loopback: every way in and out.
#include "dataplane/kernel/kernel_pool.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>

#include "oracle/id/codec.hpp"
#include "tests/dataplane/serving.hpp"
#include "tests/dataplane/udp_client.hpp"

namespace gnomon::test {
namespace {

using page::Counter;
using wire::Message;
using wire::Status;

std::uint8_t status(Status s) { return static_cast<std::uint8_t>(s); }

// Every reply a good one to one of the requests 0..n-1, each once, and no ID twice.
void expect_ids(const std::vector<Message>& replies, std::size_t n) {
  ASSERT_EQ(replies.size(), n);
  std::set<std::uint64_t> requests;
  std::set<std::uint64_t> ids;
  for (const Message& m : replies) {
    EXPECT_EQ(m.status, status(Status::kOk));
    EXPECT_EQ(m.flags, wire::kFlagReply);
    EXPECT_EQ(m.count, 1U);
    requests.insert(m.request_id);
    ids.insert(m.a);
  }
  EXPECT_EQ(requests.size(), n);
  EXPECT_EQ(*requests.rbegin(), n - 1);
  EXPECT_EQ(ids.size(), n);
}

std::vector<Message> requests(std::size_t n) {
  std::vector<Message> all(n);
  for (std::size_t i = 0; i < n; ++i)
    all[i] = next_id(i);
  return all;
}

// Each of these takes all IDs of a unit of js53 (128 in a millisecond), so those behind it have to wait for the next.
std::vector<Message> js53_units(std::size_t n) {
  std::vector<Message> all(n);
  for (std::size_t i = 0; i < n; ++i)
    all[i] = next_id(i, 128, 3);
  return all;
}

void send_in_trains(UdpClient& client, const std::vector<Message>& messages) {
  constexpr std::size_t kPerTrain = 22 * wire::kMaxMessages;
  for (std::size_t at = 0; at < messages.size(); at += kPerTrain) {
    const std::size_t n = std::min(kPerTrain, messages.size() - at);
    client.send_train(to_bytes(std::span(messages).subspan(at, n)), wire::kMaxDatagram);
  }
}

class BothFamilies : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Loopback, BothFamilies, testing::Values("127.0.0.1:0", "[::1]:0"));

TEST_P(BothFamilies, AnswersOneByOne) {
  Serving serving(pool_options(GetParam()));
  UdpClient client(serving.address());
  std::uint64_t last = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const Message reply = client.ask(next_id(i));
    ASSERT_EQ(reply.status, status(Status::kOk));
    EXPECT_EQ(reply.request_id, i);
    EXPECT_EQ(reply.machine_id, 1);
    EXPECT_GT(reply.a, last);
    last = reply.a;
  }
  const Message pong = client.ask(ping(5, 77));
  EXPECT_EQ(pong.a, 77U);
  EXPECT_EQ(pong.b, kIncarnation);
  EXPECT_EQ(serving.count(Counter::kReplies), 101U);
  EXPECT_EQ(serving.count(Counter::kIds), 100U);
}

TEST_P(BothFamilies, AnswersAFullDatagramWithOne) {
  Serving serving(pool_options(GetParam()));
  UdpClient client(serving.address());
  client.send(requests(wire::kMaxMessages));
  const auto received = client.receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->bytes.size(), wire::kMaxDatagram);
  EXPECT_EQ(received->from, serving.address());
  expect_ids(received->messages(), wire::kMaxMessages);
}

TEST_P(BothFamilies, AnswersATrainDatagramByDatagram) {
  Serving serving(pool_options(GetParam()));
  UdpClient client(serving.address());
  constexpr std::size_t kDatagrams = 40;
  client.send_train(to_bytes(requests(kDatagrams * 2)), 2 * wire::kMessageSize);
  std::vector<Message> replies;
  for (std::size_t i = 0; i < kDatagrams; ++i) {
    const auto received = client.receive();
    ASSERT_TRUE(received);
    EXPECT_EQ(received->bytes.size(), 2 * wire::kMessageSize);
    for (const Message& m : received->messages())
      replies.push_back(m);
  }
  expect_ids(replies, kDatagrams * 2);
  EXPECT_EQ(serving.count(Counter::kDatagrams), kDatagrams);
}

// Nine pieces of 100 bytes, which are nothing, and a good message behind them, at an address that is aligned to
// nothing.
TEST_P(BothFamilies, AnswersTheShorterEndOfATrain) {
  Serving serving(pool_options(GetParam()));
  UdpClient client(serving.address());
  Bytes train(900 + wire::kMessageSize);
  wire::store(next_id(5), train.data() + 900);
  client.send_train(train, 100);
  const std::vector<Message> replies = client.receive_messages(1);
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].request_id, 5U);
  EXPECT_EQ(replies[0].status, status(Status::kOk));
  EXPECT_EQ(serving.count(Counter::kDropLength), 9U);
}

struct Mode {
  bool gro;
  bool gso;
  dataplane::PollMode poll;
};
class EveryMode : public testing::TestWithParam<Mode> {};
INSTANTIATE_TEST_SUITE_P(Modes, EveryMode,
                         testing::Values(Mode{true, true, dataplane::PollMode::kBlock},
                                         Mode{true, false, dataplane::PollMode::kBlock},
                                         Mode{false, true, dataplane::PollMode::kBlock},
                                         Mode{false, false, dataplane::PollMode::kBlock},
                                         Mode{true, true, dataplane::PollMode::kSpin}));

// Trains of requests of which some get no answer: what is left moves together, and nothing is lost or mixed up.
TEST_P(EveryMode, LeavesOutWhatIsInvalid) {
  auto options = pool_options();
  options.gro = GetParam().gro;
  options.gso = GetParam().gso;
  options.poll = GetParam().poll;
  Serving serving(options);
  UdpClient client(serving.address());
  constexpr std::size_t kRounds = 50;
  constexpr std::size_t kPerTrain = 30;
  constexpr std::size_t kGood = kPerTrain - kPerTrain / 3;
  std::vector<Message> replies;
  for (std::size_t round = 0; round < kRounds; ++round) {
    std::vector<Message> train;
    std::size_t good = 0;
    for (std::size_t i = 0; i < kPerTrain; ++i) {
      train.push_back(next_id(i % 3 == 1 ? 0 : round * kGood + good++));
      if (i % 3 == 1) train.back().version = 9;
    }
    client.send_train(to_bytes(train), wire::kMessageSize);
    for (const Message& m : client.receive_messages(kGood))
      replies.push_back(m);
  }
  expect_ids(replies, kRounds * kGood);
  EXPECT_EQ(serving.count(Counter::kDatagrams), kRounds * kPerTrain);
  EXPECT_EQ(serving.count(Counter::kDropVersion), kRounds * kPerTrain / 3);
  EXPECT_EQ(serving.count(Counter::kSendErrors), 0U);
  EXPECT_EQ(serving.count(Counter::kSendDropped), 0U);
}

TEST(KernelPool, SpreadsClientsOverAllWorkers) {
  constexpr unsigned kWorkers = 3;
  Serving serving(pool_options("127.0.0.1:0", kWorkers));
  std::set<std::uint16_t> machines;
  std::set<std::uint64_t> ids;
  for (int i = 0; i < 200; ++i) {
    UdpClient client(serving.address());
    const Message reply = client.ask(next_id(1));
    ASSERT_EQ(reply.status, status(Status::kOk));
    machines.insert(reply.machine_id);
    ids.insert(reply.a);
  }
  EXPECT_EQ(machines.size(), kWorkers);
  EXPECT_EQ(ids.size(), 200U);
  for (unsigned i = 0; i < kWorkers; ++i)
    EXPECT_GT(serving.count_at(i, Counter::kReplies), 0U);
}

TEST(KernelPool, ServesSeveralEndpointsAtOnce) {
  auto options = pool_options("127.0.0.1:0", 2);
  options.listen.push_back(endpoint("[::1]:0"));
  options.listen.push_back(endpoint("127.0.0.1:0"));
  Serving serving(options);
  ASSERT_EQ(serving.pool().bound().size(), 3U);
  for (int round = 0; round < 20; ++round)
    for (std::size_t i = 0; i < 3; ++i) {
      UdpClient client(serving.address(i));
      client.send(next_id(9));
      const auto received = client.receive();
      ASSERT_TRUE(received);
      EXPECT_EQ(received->from, serving.address(i));
    }
}

// On a wildcard bind the reply comes from the address that was asked, not from the one that routing would pick.
TEST(KernelPool, AnswersFromTheAddressThatWasAsked) {
  Serving v4(pool_options("0.0.0.0:0"));
  for (const char* text : {"127.0.0.1:0", "127.0.0.2:0", "127.77.1.3:0"}) {
    platform::Endpoint asked = endpoint(text);
    asked.port = v4.address().port;
    UdpClient client(asked);
    client.send(next_id(1));
    const auto received = client.receive();
    ASSERT_TRUE(received);
    EXPECT_EQ(platform::to_string(received->from), platform::to_string(asked));
    client.send_train(to_bytes(requests(20)), wire::kMessageSize);
    for (int i = 0; i < 20; ++i) {
      const auto next = client.receive();
      ASSERT_TRUE(next);
      EXPECT_EQ(platform::to_string(next->from), platform::to_string(asked));
    }
  }
  Serving v6(pool_options("[::]:0"));
  platform::Endpoint asked = endpoint("[::1]:0");
  asked.port = v6.address().port;
  UdpClient client(asked);
  client.send_train(to_bytes(requests(20)), wire::kMessageSize);
  for (int i = 0; i < 20; ++i) {
    const auto received = client.receive();
    ASSERT_TRUE(received);
    EXPECT_EQ(received->from, asked);
  }
}

TEST(KernelPool, ParksOverRealTime) {
  auto options = pool_options();
  options.server.park_for = time::seconds(10);
  Serving serving(options);
  UdpClient client(serving.address());
  constexpr std::size_t kRequests = 44;
  const std::vector<Message> all = js53_units(kRequests);
  client.send_train(to_bytes(all), 11 * wire::kMessageSize);

  const std::vector<Message> replies = client.receive_messages(kRequests);
  ASSERT_EQ(replies.size(), kRequests);
  std::set<std::uint64_t> seen;
  for (std::size_t i = 0; i < kRequests; ++i) {
    EXPECT_EQ(replies[i].status, status(Status::kOk));
    EXPECT_EQ(replies[i].request_id, i) << "first come, first served";
    for (std::uint32_t k = 0; k < replies[i].count; ++k)
      EXPECT_TRUE(seen.insert(replies[i].a + k).second);
  }
  EXPECT_GT(serving.count(Counter::kParked), kRequests / 2);
  EXPECT_GE(serving.count(Counter::kUnitsOpened), kRequests / 2);
}

TEST(KernelPool, AnswersBusyWhereTheWaitWouldBeTooLong) {
  auto options = pool_options();
  options.server.park_for = time::milliseconds(3);
  Serving serving(options);
  UdpClient client(serving.address());
  const std::vector<Message> all = js53_units(880);
  client.send_train(to_bytes(all), wire::kMaxDatagram);
  std::size_t busy = 0;
  for (const Message& m : client.receive_messages(all.size()))
    if (m.status == status(Status::kBusy)) {
      ++busy;
      EXPECT_GT(m.count, 0U) << "a busy reply says when to come back";
    }
  EXPECT_GT(busy, 100U);
  EXPECT_EQ(serving.count(Counter::kBusy), busy);
  EXPECT_EQ(serving.count(Counter::kReplies), all.size());
}

TEST(KernelPool, AcknowledgesARevocationWhileIdle) {
  Serving serving(pool_options("127.0.0.1:0", 2));
  for (int round = 0; round < 5; ++round) {
    for (unsigned i = 0; i < 2; ++i)
      serving.revoke(i);
    EXPECT_TRUE(eventually([&] { return serving.acknowledged(0) && serving.acknowledged(1); }));
    UdpClient client(serving.address());
    EXPECT_EQ(client.ask(next_id(1)).status, status(Status::kNotLeased));
    for (unsigned i = 0; i < 2; ++i)
      serving.grant(i);
    EXPECT_TRUE(eventually([&] { return serving.acknowledged(0) && serving.acknowledged(1); }));
    EXPECT_EQ(client.ask(next_id(2)).status, status(Status::kOk));
  }
}

TEST(KernelPool, RefusesParkedRequestsOnceTheirRightIsRevoked) {
  auto options = pool_options();
  options.server.park_for = time::seconds(3600);
  Serving serving(options);
  UdpClient client(serving.address());
  constexpr std::size_t kRequests = 1500;
  send_in_trains(client, js53_units(kRequests));  // 1.5 s of waiting
  ASSERT_TRUE(eventually([&] { return serving.count(Counter::kParked) > 1000; }));
  serving.revoke(0);
  ASSERT_TRUE(eventually([&] { return serving.acknowledged(0); }));
  const std::int64_t used = serving.worker_page(0).slots[0].used_until_ns.load();
  const std::uint64_t ids = serving.count(Counter::kIds);

  std::size_t refused = 0;
  for (const Message& m : client.receive_messages(kRequests))
    refused += m.status == status(Status::kNotLeased) ? 1 : 0;
  EXPECT_GT(refused, 0U);
  EXPECT_EQ(refused, serving.count(Counter::kNotLeased));
  EXPECT_EQ(serving.count(Counter::kReplies), kRequests);
  EXPECT_EQ(serving.count(Counter::kIds), ids) << "an ID after the acknowledgement";
  EXPECT_EQ(serving.worker_page(0).slots[0].used_until_ns.load(), used);
}

TEST(KernelPool, AnswersWhatIsParkedBeforeItStops) {
  auto options = pool_options();
  options.server.park_for = time::seconds(10);
  Serving serving(options);
  UdpClient client(serving.address());
  const std::vector<Message> all = js53_units(220);
  client.send_train(to_bytes(all), wire::kMaxDatagram);
  ASSERT_TRUE(eventually([&] { return serving.count(Counter::kMessages) == all.size(); }));
  serving.pool().drain_and_stop(time::seconds(20));
  EXPECT_EQ(serving.count(Counter::kReplies), all.size());
  EXPECT_EQ(client.receive_messages(all.size()).size(), all.size());

  const std::uint64_t turns = serving.count(Counter::kIdlePolls);
  client.send(next_id(1));
  EXPECT_FALSE(client.receive(100)) << "nobody is there any more";
  EXPECT_EQ(serving.count(Counter::kIdlePolls), turns);
}

TEST(KernelPool, StopsAtTheLimitWhateverIsParked) {
  auto options = pool_options();
  options.server.park_for = time::seconds(3600);
  Serving serving(options);
  UdpClient client(serving.address());
  const std::vector<Message> all = js53_units(3000);  // 3 s of waiting
  send_in_trains(client, all);
  ASSERT_TRUE(eventually([&] { return serving.count(Counter::kParked) > 2500; }));
  serving.pool().drain_and_stop(time::milliseconds(1));
  EXPECT_LT(serving.count(Counter::kReplies), all.size());
}

/// The thread of that name in this process, if there is one.
std::optional<std::filesystem::path> thread_named(std::string_view name) {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::string comm;
    std::getline(std::ifstream(task.path() / "comm"), comm);
    if (comm == name) return task.path();
  }
  return std::nullopt;
}

int first_allowed_cpu() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  int cpu = 0;
  while (cpu < CPU_SETSIZE && !CPU_ISSET(static_cast<std::size_t>(cpu), &set))
    ++cpu;
  return cpu;
}

bool warned(const std::vector<dataplane::PoolWarning>& warnings, dataplane::PoolWarning::Kind kind) {
  return std::any_of(warnings.begin(), warnings.end(),
                     [kind](const auto& w) { return w.kind == kind && !w.text.empty(); });
}

TEST(KernelPool, PinsItsThreadsAndNamesThem) {
  auto options = pool_options("127.0.0.1:0", 2);
  options.cpus = {first_allowed_cpu(), first_allowed_cpu()};
  Serving serving(options);
  EXPECT_FALSE(warned(serving.pool().warnings(), dataplane::PoolWarning::Kind::kNotPinned));
  for (const char* name : {"gnomon-w0", "gnomon-w1"}) {
    ASSERT_TRUE(eventually([name] { return thread_named(name).has_value(); }));
    std::ifstream file(*thread_named(name) / "status");
    std::string line;
    while (std::getline(file, line) && !line.starts_with("Cpus_allowed_list:")) {
    }
    EXPECT_EQ(line, "Cpus_allowed_list:\t" + std::to_string(first_allowed_cpu()));
  }
}

TEST(KernelPool, ServesUnpinnedWhereItCantPinAndSaysSo) {
  auto options = pool_options();
  options.cpus = {CPU_SETSIZE - 1};
  Serving serving(options);
  EXPECT_TRUE(warned(serving.pool().warnings(), dataplane::PoolWarning::Kind::kNotPinned));
  UdpClient client(serving.address());
  EXPECT_EQ(client.ask(next_id(1)).status, status(Status::kOk));
}

TEST(KernelPool, SaysHowSmallItsReceiveBufferIs) {
  auto options = pool_options();
  options.receive_buffer_bytes = 1U << 30;  // SO_RCVBUFFORCE may grant it; then there is nothing to say
  Serving serving(options);
  int granted = 0;
  socklen_t size = sizeof granted;
  const platform::UniqueFd fd(socket(AF_INET, SOCK_DGRAM, 0));
  const int wanted = 1 << 30;
  if (setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &wanted, sizeof wanted) != 0)
    setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &wanted, sizeof wanted);
  getsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &granted, &size);
  EXPECT_EQ(warned(serving.pool().warnings(), dataplane::PoolWarning::Kind::kSmallReceiveBuffer), granted / 2 < wanted);
}

TEST(KernelPool, RefusesWhatCantBeServed) {
  const page::ClockPage clock;
  const auto rights = std::make_unique<page::RightsPage>();
  page::WorkerPage page;
  const std::vector<page::WorkerPage*> pages{&page};
  const auto refusal = [&](const dataplane::KernelPoolOptions& options) {
    const auto pool =
        dataplane::KernelPool::open(options, clock, *rights, pages, std::make_shared<serve::AccessPolicy>());
    return pool ? std::string() : pool.error().text;
  };
  EXPECT_EQ(refusal(pool_options()), "");
  auto options = pool_options();
  options.listen.clear();
  EXPECT_NE(refusal(options).find("listen address"), std::string::npos);
  EXPECT_NE(refusal(pool_options("127.0.0.1:0", 0)).find("0 workers"), std::string::npos);
  EXPECT_NE(refusal(pool_options("127.0.0.1:0", 65)).find("65 workers"), std::string::npos);
  EXPECT_NE(refusal(pool_options("127.0.0.1:0", 2)).find("1 worker pages"), std::string::npos);
  options = pool_options();
  options.listen.push_back(endpoint("192.0.2.1:0"));
  EXPECT_NE(refusal(options).find("192.0.2.1"), std::string::npos);

  Serving other(pool_options("127.0.0.1:0", 2));  // its port is open to its own workers only
  options = pool_options();
  options.listen = {other.address()};
  EXPECT_NE(refusal(options).find("another program has this address"), std::string::npos);
}

// A whole day ahead by mistake and back, as the workers see it: no answer is lost, and IDs go on ascending.
TEST(KernelPool, KeepsServingWhileTheClockJumps) {
  Serving serving;
  UdpClient client(serving.address());
  std::uint64_t last = 0;
  std::uint64_t served = 0;
  for (const std::int64_t ms : {0LL, -1LL, 0LL, -900LL, 0LL, 86'400'000LL, 0LL}) {
    serving.shift_clock(time::milliseconds(ms));
    for (std::uint64_t i = 0; i < 30; ++i) {
      const Message reply = client.ask(next_id(i));
      ASSERT_EQ(reply.status, status(Status::kOk)) << ms << " ms";
      ASSERT_GT(reply.a, last) << ms << " ms";
      last = reply.a;
      ++served;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  EXPECT_EQ(served, 210U);
}

}  // namespace
}  // namespace gnomon::test
