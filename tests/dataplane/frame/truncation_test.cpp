// SPDX-License-Identifier: Apache-2.0
//
// Every valid frame, cut off at every length: dropped, once, and no byte beyond the cut is read. The frame lies at the
// end of its memory, so one byte read too many ends the test.
#include <gtest/gtest.h>

#include "tests/dataplane/frame/neighbour.hpp"

namespace gnomon::frame {
namespace {

using namespace testing;  // NOLINT(google-build-using-namespace)
using page::Counter;
using support::Bytes;

class Truncation : public ::testing::TestWithParam<ValidFrame> {};
INSTANTIATE_TEST_SUITE_P(Frames, Truncation, ::testing::ValuesIn(valid_frames()), [](const auto& valid) {
  std::string name = valid.param.name;
  for (char& c : name)
    if (c == ' ') c = '_';
  return name;
});

TEST_P(Truncation, IsDroppedAtEveryLength) {
  Judge judge;
  const Bytes& whole = GetParam().frame;
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const Bytes cut = part(whole, 0, length);
    // In a buffer that ends at the cut, and in one that goes on behind it with other bytes.
    for (const std::size_t capacity : {length, length + 1, std::size_t{2048}}) {
      if (capacity == 0) continue;
      ASSERT_EQ(judge.judge(cut, {}, capacity), "") << length;
      ASSERT_EQ(judge.last().counter, Counter::kDropFrameLength) << length;
      ASSERT_TRUE(judge.last().reply.empty()) << length;
    }
  }
  ASSERT_EQ(judge.judge(whole), "");
  EXPECT_EQ(judge.last().counter, GetParam().counter) << "whole, it is answered";
  EXPECT_EQ(judge.check_books(), "");
}

// The port says that all checksums are right: lengths have to hold all the same.
TEST_P(Truncation, IsDroppedAtEveryLengthWhateverThePortSays) {
  Judge judge;
  const Bytes& whole = GetParam().frame;
  for (std::size_t length = 1; length < whole.size(); ++length) {
    ASSERT_EQ(judge.judge(part(whole, 0, length), {.ip = Verified::kGood, .udp = Verified::kGood}), "") << length;
    ASSERT_TRUE(judge.last().reply.empty()) << length;
  }
  EXPECT_EQ(judge.count(Counter::kDropFrameLength), whole.size() - 1);
}

// A whole frame in a buffer that is too short for an answer that is longer than the question.
TEST(Buffers, AnAdvertisementThatDoesNotFitIsNotSent) {
  support::Solicitation without_option;
  without_option.options = Bytes{};
  const Bytes solicitation = support::solicitation_frame(to_host6(), without_option);
  const std::size_t answer = solicitation.size() + 8;
  Judge judge;
  for (std::size_t capacity = solicitation.size(); capacity < answer + 8; ++capacity) {
    ASSERT_EQ(judge.judge(solicitation, {}, capacity), "");
    ASSERT_EQ(judge.last().counter, capacity < answer ? Counter::kDropNdp : Counter::kNdpReplies);
    ASSERT_EQ(judge.last().reply.size(), capacity < answer ? 0 : answer);
  }
}

TEST(Buffers, PaddingEndsWhereTheBufferEnds) {
  const Bytes request = part(support::arp_request_frame(to_host4()), 0, 42);
  Judge judge;
  for (std::size_t capacity = request.size(); capacity < 70; ++capacity) {
    ASSERT_EQ(judge.judge(request, {}, capacity), "");
    ASSERT_EQ(judge.last().reply.size(), std::min<std::size_t>(capacity, 60));
    for (std::size_t i = 42; i < judge.last().reply.size(); ++i)
      ASSERT_EQ(u8_at(judge.last().reply, i), 0) << "nothing of an earlier frame leaves with it";
  }
}

}  // namespace
}  // namespace gnomon::frame
