// SPDX-License-Identifier: Apache-2.0
//
// A libFuzzer target: what comes back to a client, whoever sent it. The engine makes calls and sends them; the input
// says what arrives, when, and from where. Random bytes would never hit a request id, so an arriving message begins as
// the right reply to one of those that are under way, and is then damaged. Demanded:
//
//   - what is delivered is, in order, what replies said that answer a transmission under way: from its server, with its
//     tag, of its operation, within what was asked; never anything else, and no reply twice;
//   - without a timeout nothing that answers is withheld;
//   - each call ends exactly once, gets no more IDs than it asked for, and each message is counted once;
//   - every transmission is a valid request under an id of its own; and in the end a good reply is taken.
//
// Input: see Run::step. Built by clang for libFuzzer, and by the project's compiler for corpus_fuzz_test.cpp.
#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "client/engine.hpp"
#include "tests/fuzz/cursor.hpp"
#include "tests/fuzz/fuzzer.hpp"
#include "tests/fuzz/request_input.hpp"
#include "tests/fuzz/request_judge.hpp"

namespace gnomon::fuzz {
namespace {

using client::LinkId;
using wire::Message;
using wire::Op;
using wire::Status;

constexpr std::size_t kMaxInput = 1024;
constexpr std::size_t kMostSteps = 64;
constexpr std::uint16_t kLastFormat = 200;  // of the call that comes last
constexpr std::uint64_t kFirstNoTime = std::uint64_t{1} << 63;

Message load(std::span<const std::byte> bytes, std::size_t at) { return wire::load(bytes.data() + at); }

class Run {
 public:
  explicit Run(std::uint8_t head)
      : signs_((head & 1U) != 0), servers_(1U + (head >> 1 & 1U)), engine_(options(head), now_) {}

  /// 0 to 2: submit, its operation, count, kind   3: so many ms go by   4: a datagram of so many replies (`reply`)
  /// 5: a link fails   6: a datagram of so many bytes, which follow   7: what waits is sent
  void step(Cursor& in) {
    const std::uint8_t what = in.byte();
    switch (what % 8) {
      case 3: pass(time::milliseconds(in.byte())); break;
      case 4: receive_replies(in, 1U + (what >> 3) % 22U); break;
      case 5: fail_link(in.byte()); break;
      case 6: receive_bytes(in); break;
      case 7: break;
      default: submit(in); break;
    }
    engine_.transmit(now_, effects_);
    take_effects();
  }

  /// A good reply is taken after all this.
  void finish() {
    client::Call call;
    call.token = ++last_token_;
    call.layout = {kLastFormat};
    call.deadline = now_ + time::seconds(100);
    calls_[call.token] = {call, 1};
    engine_.submit(now_, call, effects_);
    bool taken = false;
    for (int i = 0; i < 2000 && calls_.contains(call.token); ++i) {
      engine_.transmit(now_, effects_);
      take_effects();
      const auto sent = std::find_if(flights_.begin(), flights_.end(),
                                     [](const auto& each) { return each.second.request.format == kLastFormat; });
      if (sent == flights_.end()) {
        pass(time::milliseconds(50));
        continue;
      }
      const Flight flight = sent->second;
      Message reply = right_reply(flight.request);
      if (signs_) wire::sign(reply, kRequestKey);
      receive({reply}, flight.link);
      demand(!calls_.contains(call.token), "a good reply is not taken after all this");
      taken = true;
    }
    demand(taken, "a call is never sent");
    engine_.close(effects_);
    take_effects();
    demand(calls_.empty() && engine_.pending() == 0, "a call never ends");
  }

 private:
  struct Asked {
    client::Call call;
    std::uint64_t left = 0;
  };
  struct Flight {
    LinkId link;
    Message request;
  };

  [[nodiscard]] client::EngineOptions options(std::uint8_t head) const {
    client::EngineOptions options;
    for (std::uint8_t i = 0; i < servers_; ++i)
      options.servers.push_back({serve::Address::v4(10, 0, 0, static_cast<std::uint8_t>(i + 1)), 14666});
    options.sockets_per_server = 1U + (head >> 2 & 1U);
    if (signs_) options.key = kRequestKey;
    options.secret = {1, 2, 3};
    return options;
  }

  void submit(Cursor& in) {
    constexpr std::array kOps{Op::kNextId, Op::kNextId,     Op::kPing,    Op::kHlcUpdate,
                              Op::kNow,    Op::kCommitWait, Op::kTimeSync};
    client::Call call;
    call.token = ++last_token_;
    call.op = kOps.at(in.byte() % kOps.size());
    const std::uint8_t count = in.byte();
    const std::uint8_t kind = in.byte();
    call.layout = {static_cast<std::uint16_t>((kind & 1U) != 0 ? 1 : 16)};
    call.gather = (kind & 2U) != 0 ? client::Gather::kAll : client::Gather::kOneRange;
    call.count = call.op == Op::kNextId ? 1 + std::uint64_t{count} * ((kind & 4U) != 0 ? 1000 : 1) : 1;
    call.argument = (kind & 8U) != 0 ? kFirstNoTime - 2 : count;
    if (call.op == Op::kCommitWait) call.patience = time::milliseconds(10);
    if ((kind & 16U) != 0) call.server = count % servers_;
    call.deadline = now_ + time::milliseconds(1 + (kind & 32U) * 20);
    calls_[call.token] = {call, call.count};
    engine_.submit(now_, call, effects_);
  }

  void pass(time::Duration by) {
    now_ = now_ + by;
    engine_.tick(now_, effects_);
    take_effects();
  }

  void fail_link(std::uint8_t which) {
    engine_.link_failed(now_, {static_cast<std::uint8_t>(which % servers_), 0},
                        (which & 0x80U) != 0 ? client::LinkFault::kRefused : client::LinkFault::kUnreachable, effects_);
  }

  /// For each: which of those under way, its status, what is damaged, where and how, and what else is done to it.
  void receive_replies(Cursor& in, std::size_t count) {
    std::vector<Message> replies;
    LinkId from{};
    for (std::size_t i = 0; i < count && !in.empty(); ++i) {
      const std::uint8_t which = in.byte();
      Message reply;
      reply.request_id = which;
      reply.flags = wire::kFlagReply;
      if (!flights_.empty()) {
        const Flight& flight = std::next(flights_.begin(), which % std::ssize(flights_))->second;
        reply = right_reply(flight.request);
        if (i == 0) from = flight.link;
      }
      damage(reply, in);
      replies.push_back(reply);
    }
    receive(replies, from);
  }

  void damage(Message& reply, Cursor& in) {
    const std::uint8_t status = in.byte();
    const std::uint8_t how = in.byte();
    if (status % 4 == 0) {
      reply.status = static_cast<std::uint8_t>(status / 4 % 11);
      reply.a = reply.b = 0;
      reply.count = in.byte();
    }
    if ((how & 1U) != 0) reply.count = (how & 2U) != 0 ? reply.count + 1 : 1;
    if ((how & 4U) != 0) reply.a = (how & 2U) != 0 ? ~std::uint64_t{0} : kFirstNoTime - 1;
    if ((how & 8U) != 0) reply.b = (how & 2U) != 0 ? ~std::uint64_t{0} : 0;
    if ((how & 16U) != 0) reply.stride = in.byte() * 0x0101'0101U;
    std::array<std::byte, wire::kMessageSize> bytes{};
    const auto flip = [&] {
      wire::store(reply, bytes.data());
      bytes.at(in.byte() % bytes.size()) ^= static_cast<std::byte>(in.byte());
      reply = wire::load(bytes.data());
    };
    if ((how & 32U) != 0) flip();
    if (signs_ != ((how & 64U) != 0)) wire::sign(reply, kRequestKey);  // or where nobody signs
    if ((how & 128U) != 0) flip();
  }

  static Message right_reply(const Message& request) {
    Message reply = request;
    reply.flags = wire::kFlagReply;
    reply.key_id = 0;
    reply.tag = 0;
    switch (static_cast<Op>(request.op)) {
      case Op::kNextId:
        reply.a = 1'000'000;
        reply.stride = 1;
        break;
      case Op::kPing: reply.b = 0x1234; break;
      case Op::kHlcUpdate: reply.a = request.a + 1; break;
      default:
        reply.a = request.a + 1;
        reply.b = request.a + 1;
        break;
    }
    return reply;
  }

  void receive_bytes(Cursor& in) {
    const auto bytes = in.bytes(in.byte() * std::size_t{8});
    std::vector<std::byte> datagram(bytes.size());
    if (!bytes.empty()) std::memcpy(datagram.data(), bytes.data(), bytes.size());
    receive_datagram(datagram, {});
  }
  void receive(const std::vector<Message>& messages, LinkId from) {
    std::vector<std::byte> datagram(messages.size() * wire::kMessageSize);
    for (std::size_t i = 0; i < messages.size(); ++i)
      wire::store(messages[i], datagram.data() + i * wire::kMessageSize);
    receive_datagram(datagram, from);
  }

  void receive_datagram(const std::vector<std::byte>& datagram, LinkId from) {
    const std::uint64_t seen_before = seen();
    const std::uint64_t taken_before = engine_.stats().replies;
    const bool whole =
        !datagram.empty() && datagram.size() % wire::kMessageSize == 0 && datagram.size() <= wire::kMaxDatagram;
    std::size_t answering = 0;
    std::vector<Message> good;
    for (std::size_t at = 0; whole && at < datagram.size(); at += wire::kMessageSize) {
      const Message reply = load(datagram, at);
      const auto flight = flights_.find(reply.request_id);
      if (flight == flights_.end() || !may_answer(Fields(datagram.data() + at), reply, flight->second, from)) continue;
      ++answering;
      flights_.erase(flight);
      note(wire::text_of(static_cast<Status>(reply.status)));
      if (reply.status == 0) good.push_back(reply);
    }
    engine_.receive(now_, from, datagram, effects_);
    const std::size_t messages = datagram.size() / wire::kMessageSize;
    demand(seen() - seen_before == (whole ? messages : 1), "a message is counted twice, or not at all");
    const std::uint64_t taken = engine_.stats().replies - taken_before;
    demand(taken <= answering, "what answers nothing is taken");
    if (!lost_some_) demand(taken == answering, "what answers is not taken");
    note(whole ? "messages" : "not a datagram");
    take_effects(&good);
    if (!lost_some_) demand(good.empty(), "what a good reply said is not delivered");
  }

  /// docs/protocol.md, for a client.
  [[nodiscard]] bool may_answer(const Fields& m, const Message& reply, const Flight& flight, LinkId from) const {
    if (m.magic() != 0x314f4e47 || m.version() != 1 || (m.flags() & 0xfeU) != 0x80U || m.op() == 0 || m.op() > 8 ||
        m.status() > 9 || (!m.is_signed() && (m.key_id() != 0 || m.tag() != 0)))
      return false;
    if (flight.link != from) return false;
    if (m.is_signed() ? !signs_ || !m.tag_holds() : signs_ && m.status() != 9) return false;
    if (reply.op != flight.request.op) return false;
    const bool is_ids = reply.op == static_cast<std::uint8_t>(Op::kNextId);
    if (is_ids && reply.format != flight.request.format) return false;
    if (reply.status != 0) return true;
    switch (static_cast<Op>(reply.op)) {
      case Op::kNextId:
        return reply.count != 0 && reply.count <= flight.request.count && reply.stride != 0 &&
               reply.a <= ~std::uint64_t{0} - std::uint64_t{reply.count - 1} * reply.stride;
      case Op::kPing: return reply.a == flight.request.a;
      case Op::kHlcUpdate: return reply.a > flight.request.a;
      case Op::kCommitWait: return reply.a > flight.request.a && reply.a <= reply.b && reply.b < kFirstNoTime;
      default: return reply.a <= reply.b && reply.b < kFirstNoTime;
    }
  }

  [[nodiscard]] std::uint64_t seen() const {
    const client::Stats& stats = engine_.stats();
    return stats.replies + stats.replies_invalid + stats.replies_unknown + stats.replies_wrong_server +
           stats.replies_mismatched + stats.replies_bad_tag;
  }

  /// `good`: what may be delivered, in order; what was is taken out.
  void take_effects(std::vector<Message>* good = nullptr) {
    for (const client::Outcome& outcome : effects_.outcomes)
      take(outcome, good);
    for (const client::Burst& burst : effects_.bursts)
      for (std::size_t at = burst.offset; at < burst.offset + burst.length; at += wire::kMessageSize)
        sent(burst.link, load(effects_.bytes, at));
    effects_.clear();
    lost_some_ = lost_some_ || engine_.stats().timeouts != 0 || engine_.stats().refused != 0;
    demand(engine_.pending() == calls_.size(), "a call is lost, or ends twice");
  }

  void take(const client::Outcome& outcome, std::vector<Message>* good) {
    const auto asked = calls_.find(outcome.token);
    demand(asked != calls_.end(), "an outcome of no call that is under way");
    if (outcome.error) {
      demand(outcome.last && !outcome.error->text.empty(), "a call fails without a reason");
      demand(client::text_of(outcome.error->kind) != "unknown", "a call fails for an unknown reason");
      note(client::text_of(outcome.error->kind));
      lost_some_ = true;  // its transmission, if there was one, is under way for nobody
    } else {
      demand(good != nullptr, "something is delivered that no reply said");
      deliver(outcome, asked->second, *good, lost_some_);
    }
    if (outcome.last) calls_.erase(asked);
  }

  static void deliver(const client::Outcome& outcome, Asked& asked, std::vector<Message>& good, bool lost_some) {
    const auto said = std::find_if(good.begin(), good.end(), [&](const Message& reply) {
      if (outcome.answer) return reply == outcome.answer->reply;
      return outcome.range.count == reply.count && outcome.range.first.value == reply.a &&
             outcome.range.stride == reply.stride && reply.op == static_cast<std::uint8_t>(Op::kNextId);
    });
    demand(said != good.end(), "something is delivered that no reply said");
    demand(lost_some || said == good.begin(), "what a good reply said is not delivered");
    demand(said->op == static_cast<std::uint8_t>(asked.call.op), "the answer to another operation");
    if (!outcome.answer) {
      demand(outcome.range.count <= asked.left, "more IDs than were asked for");
      asked.left -= outcome.range.count;
      demand(outcome.last == (asked.call.gather == client::Gather::kOneRange || asked.left == 0),
             "ends too early or late");
    }
    good.erase(good.begin(), std::next(said));
  }

  void sent(LinkId link, const Message& request) {
    std::array<std::byte, wire::kMessageSize> bytes{};
    wire::store(request, bytes.data());
    demand(reason_to_drop(bytes).empty(), "what is sent is no valid request");
    demand(!signs_ || Fields(bytes.data()).tag_holds(), "what is sent has not the right tag");
    demand(request.request_id != 0 && used_ids_.insert(request.request_id).second, "a request id is used twice");
    flights_[request.request_id] = {link, request};
  }

  bool signs_;
  std::uint8_t servers_;
  time::Uptime now_{1'000'000'000'000};
  client::Engine engine_;
  client::Effects effects_;
  std::map<std::uint64_t, Asked> calls_;  // under way
  std::map<std::uint64_t, Flight> flights_;
  std::set<std::uint64_t> used_ids_;
  std::uint64_t last_token_ = 0;
  bool lost_some_ = false;  // a transmission may have been given up, so that its reply comes too late
};

}  // namespace

Plan plan() {
  return {.longest = kMaxInput,
          .outcomes = {"ok", "not_leased", "not_holder", "clock_unsynchronised", "clock_behind", "busy", "too_far",
                       "bad_format", "bad_count", "unauthorised", "messages", "not a datagram", "timeout",
                       "unreachable", "closed"}};
}

}  // namespace gnomon::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gnomon::fuzz;  // NOLINT(google-build-using-namespace)
  if (size > kMaxInput) return -1;
  Cursor in({data, size});
  Run run(in.byte());
  for (std::size_t steps = 0; steps < kMostSteps && !in.empty(); ++steps)
    run.step(in);
  run.finish();
  return 0;
}
