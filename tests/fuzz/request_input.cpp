// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/request_input.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "tests/oracle/serve/rig.hpp"

namespace gnomon::fuzz {
namespace {

using wire::kMessageSize;
using wire::Message;

constexpr std::size_t kHead = 3;  // of a datagram
constexpr std::size_t kLongestDatagram = 1500;

Message message_at(const Input& bytes, std::size_t at) {
  return wire::load(reinterpret_cast<const std::byte*>(bytes.data()) + at);
}
void put_message(Input& bytes, std::size_t at, const Message& message) {
  wire::store(message, reinterpret_cast<std::byte*>(bytes.data()) + at);
}

class RequestMutator {
 public:
  explicit RequestMutator(std::uint64_t seed) : random_(seed) {}

  void mutate(RequestInput& input) {
    if (input.datagrams.empty()) input.datagrams.push_back({.bytes = Input(kMessageSize)});
    if (pick(6) == 0) change_circumstances(input);
    if (pick(8) == 0) change_datagrams(input);
    for (std::size_t n = 1 + pick(4); n > 0; --n)
      change_datagram(input.datagrams[pick(input.datagrams.size())]);
  }

 private:
  std::size_t pick(std::size_t below) { return static_cast<std::size_t>(random_() % below); }

  void change_circumstances(RequestInput& input) {
    switch (pick(5)) {
      case 0: input.policy = static_cast<Policy>(pick(4)); return;
      case 1: input.truth = static_cast<Truth>(pick(4)); return;
      case 2: input.ordering = static_cast<std::uint8_t>(pick(4)); return;
      case 3: input.without_rights = !input.without_rights; return;
      default: input.two_machines = !input.two_machines; return;
    }
  }

  void change_datagrams(RequestInput& input) {
    auto& all = input.datagrams;
    const SentDatagram one = all[pick(all.size())];
    if (all.size() > 1 && pick(2) == 0)
      all.erase(all.begin() + static_cast<std::ptrdiff_t>(pick(all.size())));
    else
      all.push_back(one);
  }

  void change_datagram(SentDatagram& datagram) {
    Input& bytes = datagram.bytes;
    const std::size_t messages = bytes.size() / kMessageSize;
    switch (pick(messages == 0 ? 2 : 10)) {
      case 0:
        bytes.resize(bytes.size() + kMessageSize);
        put_message(bytes, messages * kMessageSize, some_message());
        break;
      case 1: datagram.source = static_cast<Source>(pick(4)); break;
      case 2: datagram.later = static_cast<std::uint8_t>(pick(64)); break;
      case 3: bytes.resize(pick(4) == 0 ? pick(bytes.size() + 1) : kMessageSize * (1 + pick(messages))); break;
      case 4: repeat_message(bytes, pick(messages) * kMessageSize); break;
      case 5: bytes[pick(bytes.size())] ^= static_cast<std::uint8_t>(1U << pick(8)); break;
      default: change_message(bytes, pick(messages) * kMessageSize); break;
    }
    if (bytes.size() > kLongestDatagram) bytes.resize(kLongestDatagram);
  }

  void repeat_message(Input& bytes, std::size_t at) {
    const Message message = message_at(bytes, at);
    bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(at), kMessageSize, 0);
    put_message(bytes, at, message);
  }

  // Signed again three times of four, if it was signed.
  void change_message(Input& bytes, std::size_t at) {
    Message message = message_at(bytes, at);
    change_field(message);
    const bool is_signed = (message.flags & wire::kFlagAuthenticated) != 0;
    if (is_signed && pick(4) != 0) wire::sign(message, kRequestKey);
    put_message(bytes, at, message);
  }

  void change_field(Message& message) {
    switch (pick(14)) {
      case 0: message.op = static_cast<std::uint8_t>(pick(pick(8) == 0 ? 256 : 10)); return;
      case 1:
        message.flags ^= pick(4) != 0 ? wire::kFlagAuthenticated : static_cast<std::uint8_t>(1U << pick(8));
        return;
      case 2: wire::sign(message, kRequestKey); return;
      case 3: message = some_message(); return;
      case 4:
      case 5: message.a = some_time(); return;
      case 6:
      case 7: message.count = some_count(); return;
      case 8: message.format = static_cast<std::uint16_t>(pick(3) == 0 ? pick(65536) : pick(18)); return;
      case 9: message.request_id = random_(); return;
      case 10: message.key_id = static_cast<std::uint16_t>(pick(2) == 0 ? 7 : pick(65536)); return;
      default: change_rare_field(message); return;
    }
  }

  void change_rare_field(Message& message) {
    switch (pick(8)) {
      case 0: message.magic ^= std::uint32_t{1} << pick(32); return;
      case 1: message.version = static_cast<std::uint8_t>(pick(4)); return;
      case 2: message.status = static_cast<std::uint8_t>(pick(12)); return;
      case 3: message.b = random_(); return;
      case 4: message.stride = static_cast<std::uint32_t>(random_()); return;
      case 5: message.epsilon_ns = static_cast<std::uint32_t>(random_()); return;
      case 6: message.machine_id = static_cast<std::uint16_t>(random_()); return;
      default: message.token_low = static_cast<std::uint32_t>(random_()); return;
    }
  }

  Message some_message() {
    Message message;
    message.request_id = random_();
    constexpr std::array kServed{wire::Op::kPing, wire::Op::kNextId,     wire::Op::kHlcUpdate,
                                 wire::Op::kNow,  wire::Op::kCommitWait, wire::Op::kTimeSync};
    const wire::Op op = kServed.at(pick(kServed.size()));
    message.op = static_cast<std::uint8_t>(op);
    if (op == wire::Op::kNextId) {
      message.format = static_cast<std::uint16_t>(pick(2) == 0 ? 1 : 16);
      message.count = some_count();
    } else if (op != wire::Op::kNow) {
      message.a = some_time();
    }
    if (pick(3) == 0) wire::sign(message, kRequestKey);
    return message;
  }

  std::uint32_t some_count() {
    constexpr std::array<std::uint32_t, 9> kCounts{0, 1, 2, 7, 8, 9, 4096, 4097, 0xffff'ffff};
    return kCounts.at(pick(kCounts.size()));
  }
  // Around the server's present, as nanoseconds of TAI or as a hybrid timestamp; and where rules and types end.
  std::uint64_t some_time() {
    const auto now = static_cast<std::uint64_t>(serve::testing::kStartTai.ns);
    constexpr auto kSignBit = std::uint64_t{1} << 63;
    switch (pick(6)) {
      case 0: return 0;
      case 1: return kSignBit - pick(2);
      case 2: return std::numeric_limits<std::uint64_t>::max() - pick(2);
      case 3: return now - 2'000'000'000 + pick(4'000'000'000);
      case 4: return ((now / 1'000'000 - 1000 + pick(2000)) << 18) | pick(1 << 18);
      default: return now + pick(3'000'000);
    }
  }

  std::mt19937_64 random_;
};

}  // namespace

RequestInput read_request_input(std::span<const std::uint8_t> bytes) {
  RequestInput input;
  if (bytes.empty()) return input;
  const unsigned head = bytes[0];
  input.policy = static_cast<Policy>(head & 3U);
  input.truth = static_cast<Truth>(head >> 2 & 3U);
  input.ordering = static_cast<std::uint8_t>(head >> 4 & 3U);
  input.without_rights = (head & 0x40U) != 0;
  input.two_machines = (head & 0x80U) != 0;
  bytes = bytes.subspan(1);
  while (bytes.size() >= kHead && input.datagrams.size() < kMostDatagrams) {
    const std::size_t length = std::min<std::size_t>(bytes[1] | unsigned{bytes[2]} << 8, bytes.size() - kHead);
    const auto body = bytes.subspan(kHead, length);
    input.datagrams.push_back(
        {static_cast<Source>(bytes[0] & 3U), static_cast<std::uint8_t>(bytes[0] >> 2), {body.begin(), body.end()}});
    bytes = bytes.subspan(kHead + length);
  }
  return input;
}

Input write_request_input(const RequestInput& input) {
  Input bytes{static_cast<std::uint8_t>(static_cast<unsigned>(input.policy) | static_cast<unsigned>(input.truth) << 2 |
                                        unsigned{input.ordering} << 4 | (input.without_rights ? 0x40U : 0U) |
                                        (input.two_machines ? 0x80U : 0U))};
  for (const SentDatagram& datagram : input.datagrams) {
    const auto length = static_cast<std::uint16_t>(datagram.bytes.size());
    bytes.push_back(static_cast<std::uint8_t>(static_cast<unsigned>(datagram.source) | unsigned{datagram.later} << 2));
    bytes.push_back(static_cast<std::uint8_t>(length & 0xff));
    bytes.push_back(static_cast<std::uint8_t>(length >> 8));
    bytes.insert(bytes.end(), datagram.bytes.begin(), datagram.bytes.end());
  }
  return bytes;
}

void mutate_requests(RequestInput& input, std::uint64_t seed) { RequestMutator(seed).mutate(input); }

}  // namespace gnomon::fuzz
