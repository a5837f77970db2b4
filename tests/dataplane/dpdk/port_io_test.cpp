// SPDX-License-Identifier: Apache-2.0
//
// When the replies of a burst leave: turn by turn, in one thread, so that nothing else can be the reason.
#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

#include "tests/dataplane/dpdk/asker.hpp"
#include "tests/dataplane/dpdk/bare_worker.hpp"
#include "tests/dataplane/dpdk/own_process.hpp"
#include "tests/dataplane/udp_client.hpp"

namespace gnomon::test {
namespace {

using dataplane::dpdk::PortIo;
using support::Bytes;

struct Turn {
  std::vector<Bytes> early;  // left before the last request was answered
  std::vector<Bytes> late;   // with `send`
};

// One turn over `requests` of an asker; those whose number in `mute` is true get no reply.
Turn turn(BareWorker& worker, const Asker& asker, std::size_t requests, const std::vector<bool>& mute = {}) {
  Turn out;
  for (std::size_t i = 0; i < requests; ++i) {
    wire::Message message = next_id(0);
    message.request_id = i + 1;
    worker.wire().send(0, asker.request(message));
  }
  EXPECT_EQ(worker.io().receive(time::Duration{0}), std::min(requests, PortIo::kBurst));
  std::size_t asked = 0;
  worker.io().answer_burst([&](std::span<std::byte> payload, const serve::Address&, const serve::ReturnPath&) {
    const std::size_t number = asked++;
    while (const auto frame = worker.wire().receive_now(0))
      out.early.push_back(*frame);
    return number < mute.size() && mute[number] ? 0 : payload.size();
  });
  // What left after the last request had been answered is not early.
  worker.io().send();
  while (const auto frame = worker.wire().receive_now(0))
    out.late.push_back(*frame);
  return out;
}

// The request ids of frames that came back with nothing but their headers turned around.
std::vector<std::uint64_t> ids_of(const Turn& turn) {
  std::vector<std::uint64_t> ids;
  for (const auto* part : {&turn.early, &turn.late})
    for (const Bytes& frame : *part)
      ids.push_back(wire::load(support::dissect(frame).payload.data()).request_id);
  return ids;
}

std::vector<std::uint64_t> first(std::size_t n) {
  std::vector<std::uint64_t> ids;
  for (std::size_t i = 1; i <= n; ++i)
    ids.push_back(i);
  return ids;
}

TEST(PortIo, RepliesLeaveInPiecesWhenNobodyElseWaits) {
  in_own_process([] {
    BareWorker worker(dataplane::PollMode::kSpin);
    const Asker asker(worker.wire(), 0, port_pool_options().listen.front());
    for (const auto& [requests, early] :
         {std::pair<std::size_t, std::size_t>{1, 0}, {16, 0}, {17, 0}, {18, 16}, {32, 16}, {40, 32}, {63, 48}}) {
      const Turn seen = turn(worker, asker, requests);
      EXPECT_EQ(seen.early.size(), early) << requests << " requests";
      EXPECT_EQ(ids_of(seen), first(requests)) << "each once, and in order";
    }
  });
}

TEST(PortIo, RepliesToAFullBurstLeaveAtOnce) {
  in_own_process([] {
    BareWorker worker(dataplane::PollMode::kSpin);
    const Asker asker(worker.wire(), 0, port_pool_options().listen.front());
    const Turn seen = turn(worker, asker, PortIo::kBurst + 3);
    EXPECT_EQ(seen.early.size(), 0U);
    EXPECT_EQ(ids_of(seen), first(PortIo::kBurst));
    EXPECT_EQ(worker.io().receive(time::Duration{0}), 3U) << "the rest waits for its own turn";
    worker.io().answer_burst(
        [](std::span<std::byte>, const serve::Address&, const serve::ReturnPath&) { return std::size_t{0}; });
  });
}

TEST(PortIo, APieceIsOneOfReplies) {
  in_own_process([] {
    BareWorker worker(dataplane::PollMode::kSpin);
    const Asker asker(worker.wire(), 0, port_pool_options().listen.front());
    std::vector<bool> mute(40, false);
    for (std::size_t i = 0; i < 20; ++i)
      mute[i] = true;
    const Turn seen = turn(worker, asker, 40, mute);
    EXPECT_EQ(seen.early.size(), 16U) << "of 20, when the last of them was asked for";
    EXPECT_EQ(seen.late.size(), 4U);
  });
}

}  // namespace
}  // namespace gnomon::test
