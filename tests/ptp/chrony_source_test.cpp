// SPDX-License-Identifier: Apache-2.0
//
// The source against a chronyd of the test's own behind a real Unix socket, turn by turn: what it answers with was once
// said by a real one, of now, late, malformed, or not at all.
#include "ptp/chrony_source.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <string>

#include "platform/unique_fd.hpp"
#include "tests/ptp/golden_replies.hpp"
#include "tests/support/eventually.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::ptp {
namespace {

using support::eventually;
using testing::Bytes;

constexpr time::CycleRate kNominal = time::CycleRate::from_hz(1'000'000'000);
constexpr std::size_t kRequestSequenceAt = 8;
constexpr std::size_t kReplySequenceAt = 16;
constexpr std::size_t kReferenceTimeAt = 56;  // seconds in two halves, nanoseconds
constexpr std::int64_t kNs = 1'000'000'000;

std::int64_t system_ns() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return std::int64_t{now.tv_sec} * kNs + now.tv_nsec;
}

void put(Bytes& bytes, std::size_t at, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8)
    bytes.at(at++) = static_cast<std::byte>(value >> shift);
}

/// Real but for the time of its last measurement.
Bytes measured_at(std::int64_t ns) {
  Bytes reply = testing::golden(testing::kChronyReplies, "synchronised");
  const auto seconds = static_cast<std::uint64_t>(ns / kNs);
  put(reply, kReferenceTimeAt, static_cast<std::uint32_t>(seconds >> 32));
  put(reply, kReferenceTimeAt + 4, static_cast<std::uint32_t>(seconds));
  put(reply, kReferenceTimeAt + 8, static_cast<std::uint32_t>(ns % kNs));
  return reply;
}

class ChronySourceTest : public ::testing::Test {
 protected:
  ChronySourceTest() : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un own{};
    own.sun_family = AF_UNIX;
    std::strncpy(own.sun_path, options().socket.c_str(), sizeof own.sun_path - 1);
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own), 0);
  }
  [[nodiscard]] ChronyOptions options() const {
    ChronyOptions out;
    out.socket = (folder_.path() / "chronyd").string();
    out.own_socket = (folder_.path() / "own").string();
    return out;
  }

  /// Turns of the clock thread until a question has come; what they brought is lost.
  [[nodiscard]] bool is_asked() {
    return eventually([&] {
      (void)source.poll(kNominal);
      peer_size_ = sizeof peer_;
      return ::recvfrom(fd_.get(), question_.data(), question_.size(), 0, reinterpret_cast<sockaddr*>(&peer_),
                        &peer_size_) > 0;
    });
  }
  /// To the last question.
  void say(Bytes reply) const {
    std::copy_n(&question_[kRequestSequenceAt], 4, &reply[kReplySequenceAt]);
    say_as_it_is(reply);
  }
  void say_as_it_is(const Bytes& reply) const {
    EXPECT_GT(::sendto(fd_.get(), reply.data(), reply.size(), 0, reinterpret_cast<const sockaddr*>(&peer_), peer_size_),
              0);
  }

 private:
  support::ScratchFolder folder_;
  platform::UniqueFd fd_;
  std::array<std::byte, 512> question_{};
  sockaddr_un peer_{};
  socklen_t peer_size_ = 0;

 protected:
  ChronySource source{options()};  // after the folder
};

TEST_F(ChronySourceTest, NobodyThereIsToldOnceATenthOfASecondAndDoesNotLast) {
  ChronyOptions elsewhere = options();
  elsewhere.socket += ".late";
  ChronySource other(elsewhere);
  const auto began = std::chrono::steady_clock::now();
  const News first = other.poll(kNominal);
  ASSERT_TRUE(first && !*first);
  EXPECT_EQ(first->error().fault, SourceFault::kUnreadable);
  EXPECT_NE(first->error().text.find("does it run"), std::string::npos) << first->error().text;
  News second;
  ASSERT_TRUE(eventually([&] {
    second = other.poll(kNominal);
    return second.has_value();
  }));
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(100));
  ASSERT_TRUE(is_asked()) << "and the one beside it is";
  std::filesystem::rename(options().socket, elsewhere.socket);  // it has come
  EXPECT_TRUE(eventually([&] { return !other.poll(kNominal) && std::filesystem::exists(elsewhere.own_socket); }));
}

TEST_F(ChronySourceTest, ClaimsWhatItIsTold) {
  ASSERT_TRUE(is_asked());
  const std::int64_t before = system_ns();
  say(measured_at(before - kNs / 2));
  const News news = source.poll(kNominal);
  ASSERT_TRUE(news && *news) << (news ? news->error().text : "nothing");
  EXPECT_GE((*news)->reading_ns, before) << "read when the answer had come";
  EXPECT_LE((*news)->reading_ns, system_ns());
  EXPECT_EQ((*news)->terms.source, time::nanoseconds(2'515)) << "the root dispersion";
  EXPECT_FALSE(source.poll(kNominal)) << "once";
}

TEST_F(ChronySourceTest, DoesNotBelieveAnOldMeasurement) {
  ASSERT_TRUE(is_asked());
  say(measured_at(system_ns() - 3600 * kNs));
  const News news = source.poll(kNominal);
  ASSERT_TRUE(news && !*news);
  EXPECT_EQ(news->error().fault, SourceFault::kStale) << news->error().text;
}

// A machine that was restored from a snapshot: by its own clock, chronyd's last measurement is seconds old.
TEST_F(ChronySourceTest, BelievesNoMeasurementFromBeforeTheCounterWasDistrusted) {
  ASSERT_TRUE(is_asked());
  const Bytes before = measured_at(system_ns() - 2 * kNs);
  source.distrust();
  say(before);
  EXPECT_FALSE(source.poll(kNominal)) << "it was asked by the former counter";
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(is_asked());
    say(before);
    const News old = source.poll(kNominal);
    ASSERT_TRUE(old && !*old);
    EXPECT_EQ(old->error().fault, SourceFault::kSettling) << old->error().text;
    EXPECT_NE(old->error().text.find("has not measured"), std::string::npos) << old->error().text;
  }
  ASSERT_TRUE(is_asked());
  say(testing::golden(testing::kChronyReplies, "never_synchronised"));
  const News unfit = source.poll(kNominal);
  ASSERT_TRUE(unfit && !*unfit);
  EXPECT_EQ(unfit->error().fault, SourceFault::kNotSynchronised) << "this goes first: " << unfit->error().text;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(is_asked());
    say(measured_at(system_ns()));
    const News fresh = source.poll(kNominal);
    EXPECT_TRUE(fresh && *fresh) << (fresh ? fresh->error().text : "nothing");
  }
}

TEST_F(ChronySourceTest, PassesOverAnAnswerThatCameTooLate) {
  ASSERT_TRUE(is_asked());
  say_as_it_is(measured_at(system_ns()));  // to the question of whoever was recorded
  EXPECT_FALSE(source.poll(kNominal));
  say(measured_at(system_ns()));
  const News news = source.poll(kNominal);
  EXPECT_TRUE(news && *news) << "the answer behind it counts";
}

TEST_F(ChronySourceTest, SaysWhatIsWrongWithAnAnswerAndAsksAgain) {
  ASSERT_TRUE(is_asked());
  say(testing::golden(testing::kChronyReplies, "too_short"));
  const News news = source.poll(kNominal);
  ASSERT_TRUE(news && !*news);
  EXPECT_EQ(news->error().fault, SourceFault::kMalformed);
  EXPECT_EQ(news->error().text, text_of(ChronyFault::kLengthRefused));
  ASSERT_TRUE(is_asked());
  say(measured_at(system_ns()));
  const News next = source.poll(kNominal);
  EXPECT_TRUE(next && *next);
}

TEST_F(ChronySourceTest, SilenceIsToldOnceASecondAndDoesNotLast) {
  const auto began = std::chrono::steady_clock::now();
  ASSERT_TRUE(is_asked());
  News news;
  ASSERT_TRUE(eventually([&] {
    news = source.poll(kNominal);
    return news.has_value();
  }));
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::seconds(1)) << "it may be late";
  ASSERT_FALSE(*news);
  EXPECT_EQ(news->error().fault, SourceFault::kUnreadable);
  EXPECT_NE(news->error().text.find("does not answer"), std::string::npos) << news->error().text;
  ASSERT_TRUE(is_asked()) << "it goes on asking";
  say(measured_at(system_ns()));
  news = source.poll(kNominal);
  EXPECT_TRUE(news && *news);
}

}  // namespace
}  // namespace gnomon::ptp
