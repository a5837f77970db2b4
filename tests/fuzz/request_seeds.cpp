// SPDX-License-Identifier: Apache-2.0
//
// Where the request fuzzer begins: each operation under each circumstance, and one step beside.
#include "tests/fuzz/request_input.hpp"
#include "tests/oracle/serve/rig.hpp"

namespace gnomon::fuzz {

using namespace serve::testing;  // NOLINT(google-build-using-namespace)

std::map<std::string, Input> seeds() {
  std::map<std::string, Input> all;
  const auto add = [&](const std::string& name, RequestInput input, const std::vector<wire::Message>& messages,
                       Source source = Source::kLoopback, int times = 1) {
    Input bytes(messages.size() * wire::kMessageSize);
    for (std::size_t i = 0; i < messages.size(); ++i)
      wire::store(messages[i], reinterpret_cast<std::byte*>(bytes.data()) + i * wire::kMessageSize);
    for (; times > 0; --times)
      input.datagrams.push_back({source, 3, bytes});
    all[name] = write_request_input(input);
  };
  const auto with_tag = [](wire::Message message) {
    wire::sign(message, kRequestKey);
    return message;
  };
  const auto t = static_cast<std::uint64_t>(kStartTai.ns);
  const wire::Message ping = ping_request(1, 0xabcdef);
  const wire::Message hlc = request_of(wire::Op::kHlcUpdate, 4, (t / 1'000'000 + 3) << 18);
  const wire::Message wait = commit_wait_request(7, kStartTai + time::milliseconds(1));
  const std::vector<wire::Message> one_of_each{ping,
                                               next_id_request(2, 4096),
                                               next_id_request(3, 8, {16}),
                                               hlc,
                                               request_of(wire::Op::kNow, 6),
                                               wait,
                                               request_of(wire::Op::kTimeSync, 8, 99)};
  add("ping", {.ordering = 1}, {ping});
  add("next_id", {.ordering = 1}, {next_id_request(2)});
  add("one_of_each", {.ordering = 1, .two_machines = true}, one_of_each);
  add("one_of_each_without_a_clock", {.truth = Truth::kLost, .ordering = 0}, one_of_each);
  add("one_of_each_while_behind", {.truth = Truth::kLost, .ordering = 3}, one_of_each);
  add("one_of_each_without_rights", {.ordering = 1, .without_rights = true}, one_of_each);
  add("one_of_each_in_an_hour", {.truth = Truth::kWide, .ordering = 1}, one_of_each);
  add("one_of_each_in_the_far_future", {.truth = Truth::kFarAhead, .ordering = 2}, one_of_each);
  add("whole_units_until_they_wait", {.ordering = 1}, std::vector(22, next_id_request(9, 4096)), Source::kFar, 2);
  add("small_units_until_busy", {.ordering = 1}, std::vector(22, next_id_request(9, 8, {16})), Source::kFar, 2);
  add("waits_until_busy", {.ordering = 1}, std::vector(22, wait));
  add("unsigned_where_signed_is_asked", {.policy = Policy::kSigned, .ordering = 1}, one_of_each);
  std::vector<wire::Message> signed_ones;
  signed_ones.reserve(one_of_each.size());
  for (const wire::Message& message : one_of_each)
    signed_ones.push_back(with_tag(message));
  add("signed", {.policy = Policy::kSigned, .ordering = 1}, signed_ones, Source::kFar);
  add("signed_under_no_key", {.ordering = 1}, signed_ones);
  add("from_afar", {.policy = Policy::kExceptLoopback, .ordering = 1}, one_of_each, Source::kOtherFamily);
  add("denied", {.policy = Policy::kListsAndRate, .ordering = 1}, {ping}, Source::kDenied);
  add("too_many_for_its_rate", {.policy = Policy::kListsAndRate, .ordering = 1}, std::vector(22, ping), Source::kFar,
      4);
  wire::Message bad = ping;
  bad.flags = wire::kFlagReply;
  add("reply", {}, {ping, bad});
  bad = ping;
  bad.op = 5;
  add("reserved_op", {}, {bad});
  add("too_many_messages", {}, std::vector(23, ping));
  bad = ping;
  bad.status = 3;
  add("with_a_status", {}, {bad});
  add("unknown_format", {.ordering = 1}, {next_id_request(2, 1, {4})});
  add("counts_out_of_range", {.ordering = 1},
      {next_id_request(2, 0), next_id_request(3, 4097), next_id_request(4, 9, {16})});
  add("hybrid_too_far", {.ordering = 1}, {request_of(wire::Op::kHlcUpdate, 4, ~std::uint64_t{0})});
  add("waits_too_far", {.ordering = 1},
      {request_of(wire::Op::kCommitWait, 7, ~std::uint64_t{0}), commit_wait_request(8, kStartTai + time::seconds(3))});
  return all;
}

}  // namespace gnomon::fuzz
