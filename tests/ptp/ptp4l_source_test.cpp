// SPDX-License-Identifier: Apache-2.0
//
// The source against a ptp4l of the test's own behind a real Unix socket: it answers with what a real one once said,
// late, or only in part, or unasked besides.
#include "ptp/ptp4l_source.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "platform/unique_fd.hpp"
#include "ptp/reference_clock.hpp"
#include "tests/ptp/golden_replies.hpp"
#include "tests/support/scratch_folder.hpp"

namespace gnomon::ptp {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using testing::Bytes;

constexpr std::size_t kSourceAt = 20;  // port identity of the sender, 10 bytes
constexpr std::size_t kSequenceAt = 30;
constexpr std::size_t kTargetAt = 34;  // port identity of who is meant
constexpr std::size_t kIdAt = 52;
constexpr time::CycleRate kNominal = time::CycleRate::from_hz(1'000'000'000);

struct Manner {
  milliseconds delay{0};          // of each answer
  milliseconds event_every{0};    // TIME_STATUS_NP unasked, as linuxptp 4 sends it at each Sync; 0: never
  bool withholds_stamps = false;  // as linuxptp 4's read-only socket does
  bool silent = false;            // it runs, and says nothing
};

class FakePtp4l {
 public:
  FakePtp4l(const std::string& path, Manner manner)
      : manner_(manner), fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un own{};
    own.sun_family = AF_UNIX;
    std::strncpy(own.sun_path, path.c_str(), sizeof own.sun_path - 1);
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own), 0);
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  [[nodiscard]] std::uint64_t asked() const { return asked_; }

 private:
  struct Answer {
    Clock::time_point at;
    Bytes bytes;
  };

  void run(const std::stop_token& stop) {
    auto next_event = Clock::now() + manner_.event_every;
    while (!stop.stop_requested()) {
      pollfd polled{.fd = fd_.get(), .events = POLLIN, .revents = 0};
      ::poll(&polled, 1, 1);
      take_questions();
      const auto now = Clock::now();
      for (; !answers_.empty() && answers_.front().at <= now; answers_.pop_front())
        send(answers_.front().bytes);
      if (manner_.event_every.count() == 0 || now < next_event || peer_size_ == 0) continue;
      next_event = now + manner_.event_every;
      send(testing::kManagementReplies[0].bytes());
    }
  }
  void take_questions() {
    std::array<std::byte, 512> question{};
    peer_size_ = sizeof peer_;
    for (ssize_t n = 0; (n = ::recvfrom(fd_.get(), question.data(), question.size(), 0,
                                        reinterpret_cast<sockaddr*>(&peer_), &peer_size_)) > 0;
         peer_size_ = sizeof peer_) {
      ++asked_;
      known_size_ = peer_size_;
      answer({question.data(), static_cast<std::size_t>(n)});
    }
    peer_size_ = known_size_;
  }
  void answer(std::span<const std::byte> question) {
    if (question.size() < kIdAt + 2 || manner_.silent) return;
    for (const testing::GoldenReply& golden : testing::kManagementReplies) {
      Bytes reply = golden.bytes();
      if (!std::equal(&reply[kIdAt], &reply[kIdAt] + 2, &question[kIdAt])) continue;
      if (manner_.withholds_stamps && golden.name == "port_properties") return;
      std::copy_n(&question[kSequenceAt], 2, &reply[kSequenceAt]);
      std::copy_n(&question[kSourceAt], 10, &reply[kTargetAt]);
      answers_.push_back({Clock::now() + manner_.delay, std::move(reply)});
      return;
    }
  }
  void send(const Bytes& bytes) {
    ::sendto(fd_.get(), bytes.data(), bytes.size(), 0, reinterpret_cast<const sockaddr*>(&peer_), peer_size_);
  }

  Manner manner_;
  platform::UniqueFd fd_;
  sockaddr_un peer_{};
  socklen_t peer_size_ = 0;
  socklen_t known_size_ = 0;
  std::deque<Answer> answers_;
  std::atomic<std::uint64_t> asked_{0};
  std::jthread thread_;  // the last member: it ends before what it uses
};

/// What the source says in `length` of turns like those of the clock thread.
std::vector<SourceError> errors_in(milliseconds length, Manner manner,
                                   std::unique_ptr<ReferenceClock> clock = std::make_unique<SystemClock>()) {
  const support::ScratchFolder folder;
  const std::string socket = (folder.path() / "ptp4l").string();
  const FakePtp4l ptp4l(socket, manner);
  Ptp4lOptions options;
  options.socket = socket;
  options.own_socket = (folder.path() / "own").string();
  Ptp4lSource source(options, std::move(clock));
  std::vector<SourceError> errors;
  for (const auto until = Clock::now() + length; Clock::now() < until;) {
    const News news = source.poll(kNominal);
    if (news && !*news) errors.push_back(news->error());
    std::this_thread::sleep_for(milliseconds(10));
  }
  EXPECT_GT(ptp4l.asked(), 10U);
  return errors;
}

/// A card's clock, by its own word.
class Card final : public ReferenceClock {
 public:
  [[nodiscard]] tl::expected<ClockReading, SourceError> read(time::CycleRate nominal) override {
    return inner_.read(nominal);
  }
  [[nodiscard]] ClockKind kind() const override { return ClockKind::kPhc; }
  [[nodiscard]] std::string describe() const override { return "clock /dev/ptp0"; }

 private:
  SystemClock inner_;
};

std::size_t count(const std::vector<SourceError>& errors, SourceFault fault) {
  return static_cast<std::size_t>(
      std::count_if(errors.begin(), errors.end(), [fault](const SourceError& e) { return e.fault == fault; }));
}

// The replies are those of a client whose grandmaster says that it counts TAI: so a round that is whole is refused.
TEST(Ptp4lSource, ARoundOfAnswersIsJudged) {
  const auto errors = errors_in(milliseconds(2'000), {});
  EXPECT_GT(count(errors, SourceFault::kTimescale), 5U);
  EXPECT_EQ(count(errors, SourceFault::kUnreadable), 0U);
}

TEST(Ptp4lSource, LateAnswersBesideEventsAreARoundToo) {
  const auto errors = errors_in(milliseconds(4'000), {.delay = milliseconds(20), .event_every = milliseconds(125)});
  EXPECT_GT(count(errors, SourceFault::kTimescale), 3U)
      << "an answer that is late was taken for an event, and asked for again";
}

TEST(Ptp4lSource, ASocketThatWithholdsTheStampsIsSaidToBeOne) {
  const auto errors = errors_in(milliseconds(4'500), {.withholds_stamps = true});
  EXPECT_GE(errors.size(), 2U);
  EXPECT_EQ(count(errors, SourceFault::kUnsupported), errors.size()) << (errors.empty() ? "" : errors.front().text);
  EXPECT_NE(errors.front().text.find("uds_address"), std::string::npos);
}

TEST(Ptp4lSource, OneThatSaysNothingIsSaidToBeSilent) {
  const auto errors = errors_in(milliseconds(4'500), {.silent = true});
  EXPECT_GE(errors.size(), 2U);
  EXPECT_EQ(count(errors, SourceFault::kUnreadable), errors.size()) << (errors.empty() ? "" : errors.front().text);
  EXPECT_NE(errors.front().text.find("does not answer in domain 0"), std::string::npos) << errors.front().text;
}

// The recorded ptp4l stamps in software, and so disciplines the system's clock: what the card says is of another clock.
TEST(Ptp4lSource, AClockThatItDoesNotDisciplineIsRefused) {
  const auto errors = errors_in(milliseconds(2'000), {}, std::make_unique<Card>());
  EXPECT_GT(count(errors, SourceFault::kPolicy), 5U);
  EXPECT_EQ(count(errors, SourceFault::kPolicy), errors.size());
  EXPECT_NE(errors.front().text.find("leave out clock="), std::string::npos) << errors.front().text;
}

}  // namespace
}  // namespace gnomon::ptp
