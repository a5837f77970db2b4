// SPDX-License-Identifier: Apache-2.0
//
// What can be had of a fuzzer without libFuzzer, in every build: its corpus is run, and changed at random by a fixed
// seed. Whatever the target demands holds for all of it; otherwise the target ends the program and says what was wrong.
//
// A target that refused everything at its first check would pass that. So the plan of each target names the outcomes
// that the changed inputs have to meet: every reason for which something is refused, and every kind of acceptance.
//
// Compiled once, and linked with each target's own sources.
#include <gtest/gtest.h>

#include <cstring>
#include <iterator>

#include "tests/fuzz/changes.hpp"
#include "tests/fuzz/corpus.hpp"

// Of the targets that have one; libFuzzer's own mutation stands here for one of ours.
// NOLINTBEGIN(readability-identifier-naming)
extern "C" [[gnu::weak]] std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                                             unsigned seed);
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size) {
  static gnomon::fuzz::Changes changes(20261129);
  gnomon::fuzz::Input input(data, data + size);
  changes.change(input, gnomon::fuzz::Input(input), max_size);
  std::memcpy(data, input.data(), input.size());
  return input.size();
}
// NOLINTEND(readability-identifier-naming)

namespace gnomon::fuzz {
namespace {

constexpr std::uint64_t kSeed = 20261129;

std::vector<Input> bases() {
  std::vector<Input> all;
  for (const auto& [name, input] : files_of_corpus(corpus_folder()))
    all.push_back(input);
  return all;
}

// GNOMON_REWRITE_SEEDS=1 writes the seeds anew. What a fuzzer found is added by hand, and stays.
TEST(CorpusFuzz, TheSeedsAreInTheTree) {
  if (std::getenv("GNOMON_REWRITE_SEEDS") != nullptr)
    for (const auto& [name, input] : seeds())
      write_to_corpus(corpus_folder(), name, input);
  const auto files = files_of_corpus(corpus_folder());
  EXPECT_GE(files.size(), 10U) << "hardly anything to begin with";
  for (const auto& [name, input] : seeds()) {
    ASSERT_TRUE(files.contains(name)) << name << "; GNOMON_REWRITE_SEEDS=1 writes it";
    EXPECT_EQ(files.at(name), input) << name << "; GNOMON_REWRITE_SEEDS=1 writes what it should be";
  }
}

TEST(CorpusFuzz, EveryFileOfTheCorpusAndItsBeginnings) {
  constexpr std::size_t kMostBeginnings = 300;
  for (const auto& [name, input] : files_of_corpus(corpus_folder())) {
    SCOPED_TRACE(name);
    ASSERT_EQ(run(input), 0) << "longer than " << plan().longest << " bytes";
    const std::size_t step = input.size() / kMostBeginnings + 1;
    for (std::size_t size = 0; size < input.size(); size += step)
      ASSERT_EQ(run(Input(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(size))), 0);
  }
  EXPECT_EQ(run(Input(plan().longest + 1)), -1) << "not worth keeping";
}

Input changed(const Input& base, const Input& other, Changes& changes) {
  Input input = base;
  if (LLVMFuzzerCustomMutator != nullptr && changes.pick(4) != 0) {
    const std::size_t size = input.size();
    input.resize(plan().longest);
    input.resize(
        LLVMFuzzerCustomMutator(input.data(), size, input.size(), static_cast<unsigned>(changes.pick(1 << 30))));
    return input;
  }
  for (std::size_t n = 1 + changes.pick(4); n > 0; --n)
    changes.change(input, other, plan().longest);
  return input;
}

TEST(CorpusFuzz, ChangedInputsMeetEveryOutcome) {
  const char* const full = std::getenv("GNOMON_TEST_FULL");
  const int times = plan().changed_inputs * (full != nullptr && std::string_view(full) == "1" ? 10 : 1);
  SCOPED_TRACE(::testing::Message() << "seed " << kSeed);
  const std::vector<Input> all = bases();
  ASSERT_FALSE(all.empty());
  Changes changes(kSeed);
  outcomes().clear();
  for (int i = 0; i < times; ++i) {
    const Input input = changed(all[changes.pick(all.size())], all[changes.pick(all.size())], changes);
    ASSERT_EQ(run(input), 0) << "change " << i;
  }
  ASSERT_FALSE(plan().outcomes.empty());
  for (const std::string_view outcome : plan().outcomes)
    EXPECT_GE(outcomes()[std::string(outcome)], plan().times_met) << outcome << ": was hardly met";
  if (HasFailure())
    for (const auto& [outcome, met] : outcomes())
      std::printf("%8llu  %s\n", static_cast<unsigned long long>(met), outcome.c_str());
}

}  // namespace
}  // namespace gnomon::fuzz
