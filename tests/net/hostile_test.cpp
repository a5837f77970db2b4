// SPDX-License-Identifier: Apache-2.0
//
// Hostile datagrams against a worker pool on loopback. Whatever comes: it is counted once and by the right reason,
// never answered with more bytes than came, and somebody else keeps being served all the while.
//
// What is expected stands here in the words of docs/protocol.md, byte by byte, not in those of the parser under test.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <random>
#include <thread>

#include "oracle/wire/auth.hpp"
#include "tests/dataplane/serving.hpp"
#include "tests/dataplane/udp_client.hpp"

namespace gnomon::test {
namespace {

using page::Counter;
using wire::Message;
using wire::Status;

constexpr std::array kDrops{Counter::kDropSourceDenied, Counter::kDropRateLimited, Counter::kDropLength,
                            Counter::kDropMagic,        Counter::kDropVersion,     Counter::kDropReply,
                            Counter::kDropFlags,        Counter::kDropOp,          Counter::kDropStatus,
                            Counter::kDropFieldNotZero, Counter::kTruncated};

const wire::Key kKey{{7}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};

bool full_size() {
  const char* const full = std::getenv("GNOMON_TEST_FULL");
  return full != nullptr && std::string_view(full) == "1";
}

std::string_view name_of(Counter counter) { return page::kCounterTable[static_cast<std::size_t>(counter)].name; }

/// One worker under attack, the attacker, and a bystander who asks honestly from another address.
class Siege {
 public:
  explicit Siege(const dataplane::KernelPoolOptions& options = pool_options(), const serve::AccessPolicy& policy = {})
      : serving(options, policy),
        attacker_(serving.address(), endpoint("127.0.0.66:0")),
        bystander_(serving.address(), endpoint("127.0.0.2:0")) {}

  void attack(std::span<const std::byte> bytes) {
    attacker_.send_bytes(bytes);
    ++sent_;
    attack_bytes_ += bytes.size();
    ++since_asked_;
    if (since_asked_ % 16 == 0) keep_up();
    if (since_asked_ % 64 == 0) ask_honestly();
  }
  void attack(const Message& message) { attack(to_bytes(std::span(&message, 1))); }

  /// The bystander gets an ID, now.
  void ask_honestly() {
    ++sent_;
    ++honest_;
    Message request = next_id(honest_);
    if (sign_honest_) wire::sign(request, kKey);
    const Message reply = bystander_.ask(request);
    served_ += reply.status == 0 && reply.request_id == honest_ ? 1U : 0U;
  }
  void sign_honest() { sign_honest_ = true; }

  /// All that the attacker was answered, up to now: a ping marks the end, because one worker answers in order.
  std::vector<Received> collect() {
    constexpr std::uint64_t kMark = 0x6d61'726b'6d61'726bULL;
    Message mark = ping(kMark, ++marks_);
    if (sign_honest_) wire::sign(mark, kKey);
    attacker_.send(mark);
    ++sent_;
    std::vector<Received> replies;
    while (auto received = attacker_.receive()) {
      if (received->messages().at(0).request_id == kMark && received->messages().at(0).a == marks_) return replies;
      answered_bytes_ += received->bytes.size();
      replies.push_back(std::move(*received));
    }
    ADD_FAILURE() << "the mark was not answered";
    return replies;
  }

  /// Each datagram is either accepted or dropped for exactly one reason; nobody gained bytes; the bystander lost
  /// nothing.
  void check_books(std::uint64_t accepted_attacks) {
    std::uint64_t dropped = 0;
    for (const Counter counter : kDrops)
      dropped += serving.count(counter);
    EXPECT_EQ(serving.count(Counter::kDatagrams), sent_);
    EXPECT_EQ(sent_, dropped + accepted_attacks + honest_ + marks_);
    EXPECT_EQ(serving.count(Counter::kReplies), serving.count(Counter::kMessages));
    EXPECT_LE(answered_bytes_, attack_bytes_);
    EXPECT_GT(honest_, 0U);
    EXPECT_EQ(served_, honest_) << "the bystander";
    EXPECT_EQ(serving.count(Counter::kSendErrors) + serving.count(Counter::kReceiveErrors), 0U);
  }

  /// The one drop counter that grew by one, or none.
  std::optional<Counter> dropped_since_last() {
    std::optional<Counter> grown;
    for (const Counter counter : kDrops) {
      const std::uint64_t now = serving.count(counter);
      if (now != last_[counter]) {
        EXPECT_EQ(now, last_[counter] + 1) << name_of(counter);
        EXPECT_FALSE(grown) << name_of(counter) << " and " << name_of(*grown);
        grown = counter;
      }
      last_[counter] = now;
    }
    return grown;
  }

  /// Everything that was sent has been looked at.
  void keep_up() {
    ASSERT_TRUE(eventually([&] { return serving.count(Counter::kDatagrams) >= sent_; }))
        << sent_ << " were sent, " << serving.count(Counter::kDatagrams) << " arrived";
  }

  Serving serving;

 private:
  UdpClient attacker_;
  UdpClient bystander_;
  bool sign_honest_ = false;
  std::uint64_t sent_ = 0;
  std::uint64_t since_asked_ = 0;
  std::uint64_t attack_bytes_ = 0;
  std::uint64_t answered_bytes_ = 0;
  std::uint64_t honest_ = 0;
  std::uint64_t served_ = 0;
  std::uint64_t marks_ = 0;
  std::map<Counter, std::uint64_t> last_;
};

class Lengths : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Gro, Lengths, testing::Bool());

TEST_P(Lengths, EveryOneFrom0To1500AndSomeFarBeyond) {
  auto options = pool_options();
  options.gro = GetParam();
  Siege siege(options);
  const Bytes valid = to_bytes(std::vector<Message>(1024, next_id(1)));
  std::vector<std::size_t> lengths;
  for (std::size_t n = 0; n <= 1500; ++n)
    lengths.push_back(n);
  for (const std::size_t n : {1536U, 2047U, 2240U, 2241U, 9000U, 65472U, 65507U})
    lengths.push_back(n);

  std::uint64_t answered = 0;
  for (const std::size_t n : lengths) {
    siege.attack(std::span(valid).first(n));
    const auto replies = siege.collect();
    const bool good = n >= 64 && n <= 1408 && n % 64 == 0;
    ASSERT_EQ(replies.size(), good ? 1U : 0U) << "length " << n;
    if (good) {
      EXPECT_EQ(replies[0].bytes.size(), n);
      ++answered;
    }
  }
  EXPECT_EQ(answered, wire::kMaxMessages);
  EXPECT_EQ(siege.serving.count(Counter::kDropLength) + siege.serving.count(Counter::kTruncated),
            lengths.size() - wire::kMaxMessages);
  if (GetParam()) {
    EXPECT_EQ(siege.serving.count(Counter::kTruncated), 0U);
  } else {
    EXPECT_GE(siege.serving.count(Counter::kTruncated), 3U);
  }
  siege.check_books(answered);
}

/// What becomes of a message with one bit flipped: dropped for a reason, or answered with a status.
struct Fate {
  std::optional<Counter> dropped;
  Status status = Status::kOk;

  static Fate drop(Counter counter) { return {counter, Status::kOk}; }
  static Fate answer(Status status) { return {std::nullopt, status}; }
};

Fate fate_of_count(std::uint32_t count) {
  return Fate::answer(count >= 1 && count <= 4096 ? Status::kOk : Status::kBadCount);
}

Fate fate_of_format(std::uint16_t format) {
  return Fate::answer(format >= 1 && format <= 3 ? Status::kOk : Status::kBadFormat);
}

// docs/protocol.md: the head is the same for every operation.
std::optional<Fate> fate_of_head(std::size_t bit) {
  const std::size_t byte = bit / 8;
  if (byte <= 3) return Fate::drop(Counter::kDropMagic);
  if (byte == 4) return Fate::drop(Counter::kDropVersion);
  if (byte == 5) return Fate::drop(Counter::kDropOp);  // all others that are one bit from next_id or ping
  if (byte == 6 && bit % 8 == 7) return Fate::drop(Counter::kDropReply);
  if (byte == 6 && bit % 8 != 0) return Fate::drop(Counter::kDropFlags);
  if (byte == 7) return Fate::drop(Counter::kDropStatus);
  return std::nullopt;
}

Fate fate_of_next_id(std::size_t bit, const Message& flipped) {
  if (bit == 5 * 8 + 2) return Fate::drop(Counter::kDropFieldNotZero);  // it is `now` then, which has no count
  if (const auto head = fate_of_head(bit)) return *head;
  const std::size_t byte = bit / 8;
  if (byte == 6) return Fate::answer(Status::kUnauthorised);  // says it is signed, and is not
  if (byte <= 15) return Fate::answer(Status::kOk);           // request id
  if (byte >= 32 && byte <= 35) return fate_of_count(flipped.count);
  if (byte >= 46 && byte <= 47) return fate_of_format(flipped.format);
  return Fate::drop(Counter::kDropFieldNotZero);
}

Fate fate_of_ping(std::size_t bit, const Message& /*flipped*/) {
  if (const auto head = fate_of_head(bit)) return *head;
  const std::size_t byte = bit / 8;
  if (byte == 6) return Fate::answer(Status::kUnauthorised);
  if (byte <= 23) return Fate::answer(Status::kOk);  // request id and a
  return Fate::drop(Counter::kDropFieldNotZero);
}

// Signed, where signatures are required: whatever is not dropped is refused.
Fate fate_of_signed(std::size_t bit, const Message& flipped) {
  const std::size_t byte = bit / 8;
  if (byte == 6 && bit % 8 == 0) return Fate::drop(Counter::kDropFieldNotZero);  // key id and tag of an unsigned one
  if (byte >= 54) return Fate::answer(Status::kUnauthorised);                    // key id, tag
  Fate fate = fate_of_next_id(bit, flipped);
  if (!fate.dropped) fate.status = Status::kUnauthorised;
  return fate;
}

struct FlipCase {
  const char* name;
  Message base;
  bool is_signed;
  Fate (*fate)(std::size_t, const Message&);
};

class Flips : public testing::TestWithParam<FlipCase> {};
INSTANTIATE_TEST_SUITE_P(Messages, Flips,
                         testing::Values(FlipCase{"next_id", next_id(0x1122'3344'5566'7788ULL), false, fate_of_next_id},
                                         FlipCase{"ping", ping(0x1122'3344'5566'7788ULL, 99), false, fate_of_ping},
                                         FlipCase{"signed", next_id(0x1122'3344'5566'7788ULL), true, fate_of_signed}),
                         [](const auto& flips) { return std::string(flips.param.name); });

TEST_P(Flips, EverySingleBit) {
  serve::AccessPolicy policy;
  Message base = GetParam().base;
  if (GetParam().is_signed) {
    policy.auth = serve::AuthRule::kAlways;
    policy.keys = wire::KeyRing({kKey});
    wire::sign(base, kKey);
  }
  Siege siege(pool_options(), policy);
  if (GetParam().is_signed) siege.sign_honest();
  std::uint64_t answered = 0;
  for (std::size_t bit = 0; bit < 8 * wire::kMessageSize; ++bit) {
    Bytes bytes = to_bytes(std::span(&base, 1));
    bytes[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    const Message flipped = wire::load(bytes.data());
    const Fate expected = GetParam().fate(bit, flipped);

    siege.attack(bytes);
    const auto replies = siege.collect();
    ASSERT_EQ(siege.dropped_since_last(), expected.dropped) << "bit " << bit;
    ASSERT_EQ(replies.size(), expected.dropped ? 0U : 1U) << "bit " << bit;
    if (replies.empty()) continue;
    ++answered;
    ASSERT_EQ(replies[0].bytes.size(), wire::kMessageSize);
    const Message reply = replies[0].messages()[0];
    EXPECT_EQ(wire::text_of(static_cast<Status>(reply.status)), wire::text_of(expected.status)) << "bit " << bit;
    EXPECT_EQ(reply.request_id, flipped.request_id);
    EXPECT_EQ(wire::check_reply(replies[0].bytes.data()), wire::Invalid::kNone);
  }
  EXPECT_GT(answered, 64U) << "request ids at least";
  siege.check_books(answered);
}

TEST(Hostile, RepliesSentAsRequests) {
  Siege siege;
  for (std::uint64_t i = 0; i < 500; ++i) {
    UdpClient honest(siege.serving.address(), endpoint("127.0.0.3:0"));
    Message reply = i < 5 ? honest.ask(next_id(i)) : next_id(i);
    reply.flags |= wire::kFlagReply;
    siege.attack(reply);
  }
  EXPECT_TRUE(siege.collect().empty());
  EXPECT_EQ(siege.serving.count(Counter::kDropReply), 500U);
}

TEST(Hostile, ForeignVersions) {
  Siege siege;
  for (unsigned version = 0; version < 256; ++version) {
    if (version == wire::kVersion) continue;
    Message m = next_id(version);
    m.version = static_cast<std::uint8_t>(version);
    siege.attack(m);
  }
  EXPECT_TRUE(siege.collect().empty());
  EXPECT_EQ(siege.serving.count(Counter::kDropVersion), 255U);
  siege.check_books(0);
}

TEST(Hostile, OneBadMessageOf22DropsTheDatagramOnce) {
  Siege siege;
  std::uint64_t sent = 0;
  for (std::size_t bad = 0; bad < wire::kMaxMessages; ++bad) {
    std::vector<Message> messages(wire::kMaxMessages, next_id(1));
    messages[bad].stride = 1;
    siege.attack(to_bytes(messages));
    messages[bad].stride = 0;
    messages[bad].magic ^= 1;
    siege.attack(to_bytes(messages));
    messages[bad].magic ^= 1;
    messages[bad].op = 5;
    siege.attack(to_bytes(messages));
    sent += 3;
  }
  siege.ask_honestly();
  EXPECT_TRUE(siege.collect().empty());
  EXPECT_EQ(siege.serving.count(Counter::kDropFieldNotZero), sent / 3);
  EXPECT_EQ(siege.serving.count(Counter::kDropMagic), sent / 3);
  EXPECT_EQ(siege.serving.count(Counter::kDropOp), sent / 3);
  siege.check_books(0);
}

// Of several wrongs in one datagram the first in the order of the messages counts, once.
TEST(Hostile, ManyBadMessagesCountOnce) {
  Siege siege;
  for (int round = 0; round < 100; ++round) {
    std::vector<Message> messages(3, next_id(1));
    messages[0].version = 3;
    messages[1].magic = 0;
    messages[2].status = 1;
    siege.attack(to_bytes(messages));
  }
  EXPECT_TRUE(siege.collect().empty());
  EXPECT_EQ(siege.serving.count(Counter::kDropVersion), 100U);
  siege.check_books(0);
}

// Valid messages with bytes changed at random, cut or stretched at random.
TEST(Hostile, RandomDamage) {
  std::mt19937_64 random(20261123);
  const auto below = [&random](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  auto options = pool_options();
  options.server.park_for = time::nanoseconds(-1);  // `busy` at once, so that every answer is in order
  Siege siege(options);
  const std::size_t rounds = full_size() ? 2'000'000 : 20'000;
  std::uint64_t answered = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    Bytes bytes = to_bytes(std::vector<Message>(1 + below(wire::kMaxMessages), next_id(round)));
    if (below(4) == 0) bytes.resize(below(bytes.size() + 100));
    for (std::size_t damage = below(4); damage > 0 && !bytes.empty(); --damage)
      bytes[below(bytes.size())] = static_cast<std::byte>(random());
    siege.attack(bytes);
    if (round % 32 == 31) answered += siege.collect().size();
  }
  answered += siege.collect().size();
  EXPECT_EQ(siege.serving.count(Counter::kParked), 0U);
  siege.check_books(answered);
  EXPECT_GT(answered, rounds / 10);
  EXPECT_GT(siege.serving.count(Counter::kDropFieldNotZero), rounds / 20);
  EXPECT_GT(siege.serving.count(Counter::kDropLength), rounds / 20);
}

// A source above its rate is cut to it; another one doesn't notice.
TEST(Hostile, FloodFromOneSource) {
  serve::AccessPolicy policy;
  policy.rate = {.messages_per_second = 400, .burst = 100};
  Serving serving(pool_options(), policy);
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> flooded{0};
  std::uint64_t flood_answers = 0;
  const auto begin = std::chrono::steady_clock::now();
  std::thread flood([&] {  // as fast as it can, taking no notice of what is lost on the way
    UdpClient client(serving.address(), endpoint("127.0.0.66:0"));
    const Bytes train = to_bytes(std::vector<Message>(50, next_id(1)));
    while (!stop) {
      client.send_train(train, wire::kMessageSize);
      flooded += 50;
      while (client.receive_now())
        ++flood_answers;
    }
    while (client.receive(100))
      ++flood_answers;
  });
  // Asks below its rate, and again what the full socket lost.
  UdpClient honest(serving.address(), endpoint("127.0.0.2:0"));
  constexpr std::uint64_t kHonest = 200;
  constexpr std::uint64_t kFlood = 20'000;
  std::uint64_t served = 0;
  std::uint64_t rounds = 0;
  for (; rounds < kHonest || (flooded < kFlood && rounds < 50 * kHonest); ++rounds) {
    for (int attempt = 0; attempt < 100; ++attempt) {
      honest.send(next_id(rounds));
      const auto received = honest.receive(500);
      if (!received || received->messages().at(0).request_id != rounds) continue;
      served += received->messages().at(0).status == 0 ? 1U : 0U;
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(4));
  }
  stop = true;
  flood.join();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - begin);

  EXPECT_EQ(served, rounds);
  EXPECT_GE(flooded, kFlood);
  EXPECT_GE(flood_answers, 50U) << "what is within the rate is answered";
  EXPECT_LE(flood_answers, 100 + 400 * (static_cast<std::uint64_t>(seconds.count()) + 1)) << "and nothing else";
  EXPECT_GT(serving.count(Counter::kDropRateLimited), 1000U);
  EXPECT_EQ(serving.count(Counter::kReplies),
            serving.count(Counter::kDatagrams) - serving.count(Counter::kDropRateLimited));
}

TEST(Hostile, DeniedSourcesGetNothing) {
  serve::AccessPolicy policy;
  policy.deny = {{serve::Address::v4(127, 0, 0, 64), 96 + 26}};
  Serving serving(pool_options(), policy);
  UdpClient denied(serving.address(), endpoint("127.0.0.66:0"));
  UdpClient allowed(serving.address(), endpoint("127.0.0.63:0"));
  for (std::uint64_t i = 0; i < 300; ++i) {
    denied.send(next_id(i));
    EXPECT_EQ(allowed.ask(next_id(i)).status, 0);
  }
  EXPECT_EQ(serving.count(Counter::kDropSourceDenied), 300U);
  EXPECT_EQ(serving.count(Counter::kReplies), 300U);
  EXPECT_FALSE(denied.receive(100));
}

}  // namespace
}  // namespace gnomon::test
