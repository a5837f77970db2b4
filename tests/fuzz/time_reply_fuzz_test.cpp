// SPDX-License-Identifier: Apache-2.0
//
// What can be had of the fuzzers of replies without libFuzzer, in every build: the corpus is run, and its files changed
// at random by a fixed seed, a hundred thousand times or, in full, a million. Everything that the judge demands holds
// for all; otherwise the fuzzer's function ends the program and says what was wrong.
//
// Built twice, with management_fuzz.cpp and with chrony_fuzz.cpp, each beside its own corpus. The mutator of frames
// does not serve here: it knows where the fields of Ethernet frames lie, and these replies are none.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ptp/chrony.hpp"
#include "ptp/management.hpp"
#include "tests/fuzz/corpus.hpp"
#include "tests/ptp/golden_replies.hpp"

namespace gnomon::fuzz {
namespace {

/// The same seed makes the same changes.
class Changes {
 public:
  explicit Changes(std::uint64_t seed) : random_(seed) {}

  std::size_t pick(std::size_t below) { return static_cast<std::size_t>(random_() % below); }

  void change(Input& input) {
    if (input.empty()) input.resize(1 + pick(120));
    const std::size_t at = pick(input.size());
    switch (pick(6)) {
      case 0: input[at] ^= static_cast<std::uint8_t>(1U << pick(8)); return;
      case 1: input[at] = static_cast<std::uint8_t>(pick(256)); return;
      case 2: input.resize(pick(2) == 0 ? at : input.size() + 1 + pick(4)); return;
      case 3: extreme(input, at); return;
      default: word(input, at); return;
    }
  }

 private:
  // Eight bytes at which integers end.
  void extreme(Input& input, std::size_t at) {
    const auto fill = static_cast<std::uint8_t>(pick(2) == 0 ? 0x00 : 0xff);
    for (std::size_t i = at; i < std::min(at + 8, input.size()); ++i)
      input[i] = fill;
    if (pick(2) == 0) input[at] = pick(2) == 0 ? 0x7f : 0x80;
  }
  // An even place, and a value at which some rule begins or ends: ids, types, sizes, states, statuses.
  void word(Input& input, std::size_t at) {
    static constexpr std::array<std::uint16_t, 24> kWords{
        0,   1,      2,      3,      5,      6,      9,      10,     16,     18,     33,     54,
        104, 0xffff, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0xc000, 0xc003, 0xc004, 0x0900, 0x0d02};
    const std::uint16_t value = kWords.at(pick(kWords.size()));
    at -= at % 2;
    input[at] = static_cast<std::uint8_t>(value >> 8);
    if (at + 1 < input.size()) input[at + 1] = static_cast<std::uint8_t>(value & 0xff);
  }

  std::mt19937_64 random_;
};

template <std::size_t N>
std::size_t in_corpus(const std::array<ptp::testing::GoldenReply, N>& replies,
                      const std::map<std::string, Input>& files) {
  std::size_t found = 0;
  for (const auto& reply : replies) {
    const auto file = files.find(std::string(reply.name));
    if (file == files.end()) continue;
    const auto bytes = reply.bytes();
    EXPECT_TRUE(std::ranges::equal(std::as_bytes(std::span(file->second)), bytes)) << reply.name;
    ++found;
  }
  return found;
}

/// The text of the fault, or nothing if it is accepted.
std::string_view outcome(const Input& input, bool management) {
  const auto bytes = std::as_bytes(std::span(input));
  if (management) {
    const auto reply = ptp::decode_management(bytes);
    return reply ? "" : text_of(reply.error());
  }
  const auto tracking = ptp::decode_tracking(bytes, {ptp::testing::kGoldenSequence});
  return tracking ? "" : text_of(tracking.error());
}

TEST(ReplyFuzz, TheGoldenRepliesAreInTheCorpus) {
  const auto files = files_of_corpus(corpus_folder());
  const std::size_t management = in_corpus(ptp::testing::kManagementReplies, files);
  const std::size_t chrony = in_corpus(ptp::testing::kChronyReplies, files);
  EXPECT_TRUE((management == ptp::testing::kManagementReplies.size() && chrony == 0) ||
              (management == 0 && chrony == ptp::testing::kChronyReplies.size()))
      << management << " of ptp4l, " << chrony << " of chronyd";
}

TEST(ReplyFuzz, EveryFileOfTheCorpusAndAllItsBeginnings) {
  const auto files = files_of_corpus(corpus_folder());
  ASSERT_GE(files.size(), ptp::testing::kChronyReplies.size());
  for (const auto& [name, input] : files) {
    SCOPED_TRACE(name);
    for (std::size_t size = 0; size <= input.size(); ++size)
      ASSERT_EQ(run(Input(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(size))), 0);
  }
  EXPECT_EQ(run(Input(1025)), -1) << "not worth keeping";
}

TEST(ReplyFuzz, ChangedReplies) {
  const char* const full = std::getenv("GNOMON_TEST_FULL");
  const int times = full != nullptr && std::string_view(full) == "1" ? 1'000'000 : 100'000;
  constexpr std::uint64_t kSeed = 20261124;
  SCOPED_TRACE(::testing::Message() << "seed " << kSeed);
  const auto files = files_of_corpus(corpus_folder());
  const bool management = files.contains("time_status");
  std::vector<Input> bases;
  bases.reserve(files.size());
  for (const auto& [name, input] : files)
    bases.push_back(input);
  ASSERT_FALSE(bases.empty());
  Changes changes(kSeed);
  std::map<std::string_view, int> outcomes;
  for (int i = 0; i < times; ++i) {
    Input input = bases[changes.pick(bases.size())];
    for (std::size_t n = 1 + changes.pick(4); n > 0; --n)
      changes.change(input);
    ASSERT_EQ(run(input), 0) << "change " << i;
    ++outcomes[outcome(input, management)];
  }
  EXPECT_GT(outcomes[""], times / 20) << "hardly anything was accepted";
  EXPECT_GT(outcomes.size(), 12U) << "hardly a check was reached";
}

}  // namespace
}  // namespace gnomon::fuzz
