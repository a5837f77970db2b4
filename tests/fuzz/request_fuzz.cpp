// SPDX-License-Identifier: Apache-2.0
//
// A libFuzzer target: any bytes as the datagrams that a server is sent, one after another, under all policies and with
// all kinds of clocks. Demanded of each:
//
//   - it is dropped exactly if docs/protocol.md says so, unanswered, and counted once by the right reason;
//   - else each request is answered once, now or when it has waited, in order and as that page says; never with more
//     bytes than came;
//   - no ID and no hybrid timestamp comes twice, and IDs are of the right that the reply names;
//   - a reply that is sent back is dropped; and afterwards, whatever came, a good request is served.
//
// Built by clang for libFuzzer, and by the project's compiler for corpus_fuzz_test.cpp.
#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <string>

#include "tests/fuzz/request_input.hpp"
#include "tests/fuzz/request_judge.hpp"
#include "tests/oracle/serve/rig.hpp"

// A name that libFuzzer gives.
// NOLINTNEXTLINE(readability-identifier-naming)
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed);

namespace gnomon::fuzz {
namespace {

using namespace serve::testing;  // NOLINT(google-build-using-namespace)
using page::Counter;
using Bytes = std::vector<std::byte>;

constexpr std::int64_t kUnitNs = 50'000;

serve::AccessPolicy policy_of(Policy policy) {
  serve::AccessPolicy access;
  access.auth = policy == Policy::kOpen     ? serve::AuthRule::kNever
                : policy == Policy::kSigned ? serve::AuthRule::kAlways
                                            : serve::AuthRule::kExceptLoopback;
  if (policy != Policy::kOpen) access.keys = wire::KeyRing({kRequestKey});
  if (policy != Policy::kListsAndRate) return access;
  access.auth = serve::AuthRule::kNever;
  access.deny = {{serve::Address::v4(10, 0, 0, 0), 104}};
  access.rate = {.messages_per_second = 1000, .burst = 30};
  return access;
}

serve::Address address_of(Source source) {
  switch (source) {
    case Source::kFar: return serve::Address::v4(192, 0, 2, 9);
    case Source::kDenied: return kRemote;
    case Source::kOtherFamily: return {{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}};
    case Source::kLoopback: break;
  }
  return kLocal;
}

RigOptions rig_options(const RequestInput& input) {
  RigOptions options;
  options.layouts = {id::builtin_layouts()[0],
                     id::make_layout({16}, "tiny", {0}, time::milliseconds(1), 41, 4, 3).value()};
  options.park_limit = 40;
  options.commit_wait_limit = 20;
  options.policy = policy_of(input.policy);
  return options;
}

class Run {
 public:
  explicit Run(const RequestInput& input) : input_(input), rig_(rig_options(input)) {
    rig_.ordering = static_cast<mint::OrderingState>(input.ordering);
    if (rig_.ordering == mint::OrderingState::kBehind) rig_.behind_for = time::seconds(1);
    if (!input.without_rights)
      rig_.grant(input.two_machines ? std::vector<std::uint16_t>{3, 9} : std::vector<std::uint16_t>{3});
    const time::Tai known = kStartTai;
    switch (input.truth) {
      case Truth::kKnown:
        rig_.truth = time::Interval{known - time::microseconds(50), known + time::microseconds(50)};
        break;
      case Truth::kWide: rig_.truth = time::Interval{known - time::seconds(1800), known + time::seconds(1800)}; break;
      case Truth::kFarAhead: rig_.truth = time::Interval{{std::int64_t{1} << 62}, {(std::int64_t{1} << 62) + 7}}; break;
      case Truth::kLost: rig_.truth = tl::make_unexpected(time::ClockFault::kNoSource); break;
    }
    rig_.burst();
  }

  void datagram(const SentDatagram& sent) {
    rig_.advance(time::Duration{sent.later * kUnitNs});
    Bytes bytes(sent.bytes.size());  // of exactly this size, so that a sanitizer sees one byte too many
    if (!bytes.empty()) std::memcpy(bytes.data(), sent.bytes.data(), bytes.size());
    tell_apart(bytes);
    const Bytes asked = bytes;
    const auto before = counted();
    const std::size_t parked_before = rig_.server.parked();
    const std::size_t length = rig_.server.answer(bytes, address_of(sent.source), path_to(1));
    demand(length <= asked.size() && length % wire::kMessageSize == 0, "a reply of an impossible length");
    const std::string reason = dropped_as(before);
    if (!is_reason_right(asked, sent.source, reason)) demand(false, "dropped, or not, for another reason: " + reason);
    if (!reason.empty()) {
      demand(length == 0, "a dropped datagram is answered");
      note(reason);
      return;
    }
    answered(asked, {bytes.data(), length}, sent.source);
    demand((asked.size() - length) / wire::kMessageSize == rig_.server.parked() - parked_before,
           "a request is neither answered nor parked");
    collect();
    if (length == 0) return;
    bytes.resize(length);  // what a reflector would do
    demand(rig_.server.answer(bytes, kLocal, path_to(1)) == 0, "a reply is answered");
  }

  void finish() {
    rig_.advance(time::seconds(2));
    collect();
    rig_.lose_clock();  // in an interval of an hour a commit-wait lasts for as long
    collect();
    demand(rig_.server.parked() == 0 && waiting_.empty(), "somebody waits for ever");
    demand(rig_.count(Counter::kMessages) == rig_.count(Counter::kReplies), "replies are counted wrong");
    serve_a_good_request();
  }

 private:
  /// Gives each message an id of its own, and a tag that holds if its own did: or nobody could tell whose a reply is.
  void tell_apart(Bytes& bytes) {
    for (std::size_t at = 0; at + wire::kMessageSize <= bytes.size(); at += wire::kMessageSize) {
      const bool was_signed = Fields(bytes.data() + at).is_signed() && Fields(bytes.data() + at).tag_holds();
      wire::Message message = wire::load(bytes.data() + at);
      message.request_id = ++last_request_ << 48U | (message.request_id & 0xffff'ffff'ffffU);
      if (was_signed) message.tag = wire::tag_of(message, kRequestKey.bytes);
      wire::store(message, bytes.data() + at);
    }
  }

  using Snapshot = std::array<std::uint64_t, page::kCounters>;

  Snapshot counted() {
    Snapshot all{};
    for (std::size_t i = 0; i < all.size(); ++i)
      all.at(i) = rig_.server.counters().get(static_cast<Counter>(i));
    return all;
  }

  /// The name of the counter that a drop moved; empty: none did.
  std::string dropped_as(const Snapshot& before) {
    const Snapshot after = counted();
    std::string reason;
    std::uint64_t times = 0;
    for (auto i = static_cast<std::size_t>(Counter::kDropSourceDenied);
         i <= static_cast<std::size_t>(Counter::kDropFieldNotZero); ++i) {
      times += after.at(i) - before.at(i);
      if (after.at(i) != before.at(i)) reason = page::kCounterTable.at(i).name;
    }
    demand(times == (reason.empty() ? 0U : 1U), "a datagram is counted more than once");
    return reason;
  }

  [[nodiscard]] bool is_reason_right(const Bytes& asked, Source source, const std::string& reason) const {
    const std::string_view expected = reason_to_drop(asked);
    if (expected == "dropped_length") return reason == expected;
    if (input_.policy != Policy::kListsAndRate) return reason == expected;
    if (source == Source::kDenied) return reason == "dropped_source_denied";
    return reason == expected || reason == "dropped_rate_limited";
  }

  [[nodiscard]] Circumstances circumstances(Source source) const {
    const bool lists = input_.policy == Policy::kListsAndRate;
    return {.key_known = input_.policy != Policy::kOpen,
            .auth_required = input_.policy == Policy::kSigned ||
                             (input_.policy == Policy::kExceptLoopback && !lists && source != Source::kLoopback),
            .has_rights = rig_.set.count != 0,
            .order = static_cast<Order>(rig_.ordering),
            .truth = rig_.truth ? std::optional(*rig_.truth) : std::nullopt,
            .incarnation = 0x1122334455667788ULL};
  }

  /// The replies are, in order, to some of the requests; the others wait.
  void answered(const Bytes& asked, std::span<const std::byte> replies, Source source) {
    const Circumstances world = circumstances(source);
    std::size_t at = 0;
    for (std::size_t in = 0; in < asked.size(); in += wire::kMessageSize) {
      const Fields request(asked.data() + in);
      const bool more = at < replies.size();
      const std::string_view fault =
          more ? fault_of_reply(request, Fields(replies.data() + at), world, true) : "it is not answered at once";
      if (fault.empty()) {
        count_reply(Fields(replies.data() + at));
        at += wire::kMessageSize;
        continue;
      }
      const bool may_wait = request.op() == 2 || request.op() == 7;
      if (!may_wait) demand(false, fault);
      waiting_.push_back({{asked.begin() + static_cast<std::ptrdiff_t>(in),
                           asked.begin() + static_cast<std::ptrdiff_t>(in + wire::kMessageSize)},
                          source});
    }
    demand(at == replies.size(), "a reply fits none of the requests, or comes out of order");
  }

  void collect() {
    Bytes out(wire::kMaxDatagram);
    serve::ReturnPath path;
    while (const std::size_t length = rig_.server.next_parked(out, path)) {
      demand(path == path_to(1), "a late reply goes to somebody else");
      for (std::size_t at = 0; at < length; at += wire::kMessageSize)
        late(Fields(out.data() + at));
    }
  }

  void late(const Fields& reply) {
    const auto whose = std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& waiting) {
      return fault_of_reply(Fields(waiting.request.data()), reply, circumstances(waiting.source), false).empty();
    });
    demand(whose != waiting_.end(), "a late reply to nobody who waits");
    waiting_.erase(whose);
    note("late");
    count_reply(reply);
  }

  void count_reply(const Fields& reply) {
    note(std::string(kOpNames.at(reply.op())) + " " +
         std::string(wire::text_of(static_cast<wire::Status>(reply.status()))));
    if (reply.status() != 0) return;
    if (reply.op() == 4) {
      demand(reply.a() > last_hlc_, "a hybrid timestamp comes twice, or goes back");
      last_hlc_ = reply.a();
    }
    if (reply.op() == 2) check_ids(reply);
  }

  void check_ids(const Fields& reply) {
    std::uint64_t& last = last_id_[reply.format()];
    demand(reply.a() > last, "an ID comes twice, or goes back");
    last = reply.a() + reply.count() - 1;
    const auto right = std::find_if(rig_.set.slots.begin(), rig_.set.slots.begin() + rig_.set.count,
                                    [&](const mint::Right& one) { return one.machine.value == reply.machine_id(); });
    demand(right != rig_.set.slots.begin() + rig_.set.count, "IDs of a machine id that isn't held");
    demand(reply.token_low() == static_cast<std::uint32_t>(right->token.value), "IDs under another token");
    const unsigned sequence_bits = reply.format() == 1 ? 12 : 3;
    const unsigned machine_bits = reply.format() == 1 ? 10 : 4;
    for (const std::uint64_t id : {reply.a(), last}) {
      demand((id >> sequence_bits & ((1U << machine_bits) - 1)) == reply.machine_id(), "an ID of another machine id");
      demand(id >> (sequence_bits + machine_bits) == reply.a() >> (sequence_bits + machine_bits), "IDs of two units");
    }
  }

  void serve_a_good_request() {
    serve::AccessPolicy open = policy_of(Policy::kOpen);
    open.version = 1;
    rig_.server.use_policy(open);
    rig_.ordering = mint::OrderingState::kFollowing;
    rig_.now = rig_.now + time::seconds(20);  // past all windows so far
    rig_.grant({5});
    rig_.truth = time::Interval{kStartTai, kStartTai + time::seconds(100)};
    rig_.burst();
    const wire::Message ids = rig_.ask(next_id_request(77, 3));
    demand(status_of(ids) == wire::Status::kOk && ids.request_id == 77 && ids.count == 3 && ids.machine_id == 5,
           "a good request is not served after this");
    const wire::Message now = rig_.ask(request_of(wire::Op::kNow, 78));
    demand(status_of(now) == wire::Status::kOk && now.a == static_cast<std::uint64_t>(kStartTai.ns),
           "the time is not told after this");
  }

  struct Waiting {
    Bytes request;
    Source source;
  };
  static constexpr std::array<std::string_view, 9> kOpNames{"?", "ping", "next_id",     "?",        "hlc_update",
                                                            "?", "now",  "commit_wait", "time_sync"};

  const RequestInput& input_;
  Rig rig_;
  std::vector<Waiting> waiting_;
  std::map<std::uint16_t, std::uint64_t> last_id_;
  std::uint64_t last_hlc_ = 0;
  std::uint64_t last_request_ = 0;
};

}  // namespace

Plan plan() {
  return {.longest = kMaxRequestInput,
          .outcomes = {"dropped_length",
                       "dropped_source_denied",
                       "dropped_rate_limited",
                       "dropped_magic",
                       "dropped_version",
                       "dropped_reply",
                       "dropped_flags",
                       "dropped_op",
                       "dropped_status",
                       "dropped_field_not_zero",
                       "late",
                       "ping ok",
                       "ping unauthorised",
                       "next_id ok",
                       "next_id not_leased",
                       "next_id clock_unsynchronised",
                       "next_id clock_behind",
                       "next_id busy",
                       "next_id bad_format",
                       "next_id bad_count",
                       "hlc_update ok",
                       "hlc_update too_far",
                       "hlc_update clock_unsynchronised",
                       "hlc_update clock_behind",
                       "now ok",
                       "now clock_unsynchronised",
                       "commit_wait ok",
                       "commit_wait busy",
                       "commit_wait too_far",
                       "commit_wait clock_unsynchronised",
                       "time_sync ok",
                       "time_sync clock_unsynchronised"}};
}

}  // namespace gnomon::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gnomon::fuzz;  // NOLINT(google-build-using-namespace)
  if (size > kMaxRequestInput) return -1;
  const RequestInput input = read_request_input({data, size});
  Run run(input);
  for (const SentDatagram& datagram : input.datagrams)
    run.datagram(datagram);
  run.finish();
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  using namespace gnomon::fuzz;  // NOLINT(google-build-using-namespace)
  if (size == 0 || seed % 4 == 0) return LLVMFuzzerMutate(data, size, max_size);
  RequestInput input = read_request_input({data, size});
  mutate_requests(input, seed);
  Input bytes = write_request_input(input);
  bytes.resize(std::min(bytes.size(), max_size));
  std::copy(bytes.begin(), bytes.end(), data);
  return bytes.size();
}
