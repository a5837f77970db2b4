// SPDX-License-Identifier: Apache-2.0
//
// What can be had of the fuzzer of clock pages without libFuzzer, in every build: the corpus is run, and its files
// changed at random by a fixed seed. Everything that the fuzzer demands holds for all; otherwise it ends the program
// and says what was wrong.
//
// A seed is a page of this build's layout. So one that the tree holds must still mean what its name says.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "oracle/page/clock_page.hpp"
#include "oracle/page/clock_reader.hpp"
#include "tests/fuzz/corpus.hpp"

namespace gnomon::fuzz {
namespace {

constexpr std::uint64_t kCount = 5'000'000'000'000;
constexpr std::uint64_t kIncarnation = 0x1122'3344'5566'7788;
constexpr std::size_t kMaxInput = 8 + sizeof(page::ClockPage);

time::TrueTimeLine good_line() {
  time::TrueTimeLine line;
  line.anchor = {kCount - 20'000'000};
  line.void_after = {kCount + 4'000'000'000};
  line.earliest = {1'790'000'037'000'000'000};
  line.latest = {1'790'000'037'000'010'000};
  line.slow = {2'147'000'000};
  line.fast = {2'148'000'000};
  line.fault = time::ClockFault::kNone;
  return line;
}

Input input_of(const page::ClockPage& page) {
  Input input(kMaxInput);
  std::memcpy(input.data(), &kCount, sizeof(kCount));
  std::memcpy(input.data() + sizeof(kCount), static_cast<const void*>(&page), sizeof(page));
  return input;
}

std::unique_ptr<page::ClockPage> page_with(const time::TrueTimeLine& line) {
  auto page = std::make_unique<page::ClockPage>();
  page::stamp(*page, kIncarnation, 4711, 99'000'000'000);
  page->truth.write(page::PublishedLine::of(line, kIncarnation));
  page::ClockDetails details;
  details.name("ptp4l of eth0");
  details.sources = 3;
  details.roots = 2;
  page->details.write(details);
  return page;
}

struct Seed {
  Input input;
  std::string outcome;
};

std::map<std::string, Seed> seeds() {
  std::map<std::string, Seed> all;
  const auto good = page_with(good_line());
  all["synchronised"] = {input_of(*good), "an interval"};
  const auto lacking = page_with(time::TrueTimeLine::refusing(time::ClockFault::kNoSource));
  all["no_source"] = {input_of(*lacking), "no_source"};
  auto line = good_line();
  line.void_after = line.anchor;
  all["not_renewed"] = {input_of(*page_with(line)), "void"};
  line = good_line();
  line.anchor = {kCount + 1'000'000};
  all["before_the_anchor"] = {input_of(*page_with(line)), "an interval"};
  Input half = input_of(*good);
  half[8 + offsetof(page::ClockPage, truth)] |= 1;
  all["being_written"] = {half, "unreadable"};
  const auto nameless = page_with(good_line());
  page::ClockDetails endless;
  endless.source.fill('x');
  nameless->details.write(endless);
  all["name_without_an_end"] = {input_of(*nameless), "an interval"};
  good->header.version += 1;
  all["other_version"] = {input_of(*good), "a page of another version of gnomon"};
  all["other_incarnation"] = all["synchronised"];
  all["other_incarnation"].input[8 + offsetof(page::PageHeader, incarnation)] ^= 1;
  all["other_incarnation"].outcome = "unreadable";
  all["never_written"] = {input_of(page::ClockPage{}), "not a gnomon page, or one that is not ready yet"};
  all["too_short"] = {Input(all["synchronised"].input.begin(), all["synchronised"].input.begin() + 60), "unreadable"};
  return all;
}

std::string outcome(const Input& input) {
  std::uint64_t count = 0;
  std::memcpy(&count, input.data(), std::min(sizeof(count), input.size()));
  const auto page = std::make_unique<page::ClockPage>();
  if (input.size() > 8)
    std::memcpy(static_cast<void*>(page.get()), input.data() + 8, std::min(input.size() - 8, sizeof(*page)));
  const page::PageFault fault = page::check(*page);
  if (fault != page::PageFault::kNone) return std::string(page::text_of(fault));
  const time::Now now = page::ClockReader(*page).at({count});
  return now ? "an interval" : std::string(time::name_of(now.error()));
}

// GNOMON_REWRITE_SEEDS=1 writes the seeds anew, after a change of the layout. What a fuzzer found is added by hand.
TEST(ClockPageFuzz, TheSeedsInTheTreeMeanWhatTheirNamesSay) {
  if (std::getenv("GNOMON_REWRITE_SEEDS") != nullptr)
    for (const auto& [name, seed] : seeds())
      write_to_corpus(corpus_folder(), name, seed.input);
  const auto files = files_of_corpus(corpus_folder());
  for (const auto& [name, seed] : seeds()) {
    ASSERT_TRUE(files.contains(name)) << name;
    EXPECT_EQ(outcome(seed.input), seed.outcome) << name;
    EXPECT_EQ(outcome(files.at(name)), seed.outcome) << name << "; GNOMON_REWRITE_SEEDS=1 writes what it should be";
  }
}

TEST(ClockPageFuzz, EveryFileOfTheCorpusAndAllItsBeginnings) {
  const auto files = files_of_corpus(corpus_folder());
  ASSERT_GE(files.size(), seeds().size());
  for (const auto& [name, input] : files) {
    SCOPED_TRACE(name);
    for (std::size_t size = 0; size <= input.size(); ++size)
      ASSERT_EQ(run(Input(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(size))), 0);
  }
  EXPECT_EQ(run(Input(kMaxInput + 1)), -1) << "not worth keeping";
}

/// One byte, or the eight of a word at which integers end; mostly where the header and the line are.
void change(Input& input, std::mt19937_64& random) {
  constexpr std::size_t kTruth = 8 + offsetof(page::ClockPage, truth);
  const std::size_t wanted = random() % 3 == 0   ? random() % kMaxInput
                             : random() % 3 == 0 ? random() % (8 + sizeof(page::PageHeader))
                                                 : kTruth + random() % 72;
  if (wanted >= input.size()) return;
  switch (random() % 4) {
    case 0: input[wanted] ^= static_cast<std::uint8_t>(1U << random() % 8); return;
    case 1: input[wanted] = static_cast<std::uint8_t>(random()); return;
    case 2: input.resize(random() % 8 == 0 ? wanted : input.size()); return;
    default: break;
  }
  const std::uint64_t edge = random() % 2 == 0 ? 0 : ~std::uint64_t{0} >> random() % 64;
  const std::size_t at = wanted - wanted % 8;
  std::memcpy(input.data() + at, &edge, std::min<std::size_t>(8, input.size() - at));
}

TEST(ClockPageFuzz, ChangedPages) {
  const char* const full = std::getenv("GNOMON_TEST_FULL");
  const int times = full != nullptr && std::string_view(full) == "1" ? 1'000'000 : 100'000;
  constexpr std::uint64_t kSeed = 20261124;
  SCOPED_TRACE(::testing::Message() << "seed " << kSeed);
  std::mt19937_64 random(kSeed);
  std::vector<Input> bases;
  for (const auto& [name, seed] : seeds())
    bases.push_back(seed.input);
  std::map<std::string, int> outcomes;
  for (int i = 0; i < times; ++i) {
    Input input = bases[random() % bases.size()];
    for (std::uint64_t n = 1 + random() % 4; n > 0; --n)
      change(input, random);
    ASSERT_EQ(run(input), 0) << "change " << i;
    ++outcomes[outcome(input)];
  }
  EXPECT_GT(outcomes["an interval"], times / 50) << "hardly anything was accepted";
  EXPECT_GT(outcomes["unreadable"], times / 10) << "hardly anything was refused";
  EXPECT_GE(outcomes.size(), 8U) << "hardly a check was reached";
}

}  // namespace
}  // namespace gnomon::fuzz
