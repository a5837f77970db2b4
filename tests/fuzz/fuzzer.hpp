// SPDX-License-Identifier: Apache-2.0
//
// What every fuzz target is made of, and what its test has to know of it.
//
// "It does not crash" is the weakest thing that can be said of a reader of strange bytes: one that refuses everything
// passes. So each target demands what has to hold of the answer, and notes what became of an input; the test of the
// target (corpus_fuzz_test.cpp) then sees to it that its inputs reach every outcome that the plan names.
//
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <vector>

// Names that libFuzzer gives.
// NOLINTBEGIN(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);
// NOLINTEND(readability-identifier-naming)

namespace gnomon::fuzz {

using Input = std::vector<std::uint8_t>;

/// Ends the program, and so the fuzzer, unless `holds`.
inline void demand(bool holds, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "%.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

inline std::map<std::string, std::uint64_t, std::less<>>& outcomes() {
  static std::map<std::string, std::uint64_t, std::less<>> all;
  return all;
}
/// Something that an input led to. Of a target that reads each input in one way: once per input.
inline void note(std::string_view outcome) {
  auto& all = outcomes();
  const auto at = all.find(outcome);
  if (at == all.end())
    all.emplace(outcome, 1);
  else
    ++at->second;
}

/// What the test of a target has to know.
struct Plan {
  std::size_t longest = 2048;              // a longer input is not looked at
  std::vector<std::string_view> outcomes;  // each is met at least `times_met` times by the changed inputs
  std::uint64_t times_met = 5;
  int changed_inputs = 20'000;  // in full: ten times as many
};
[[nodiscard]] Plan plan();

/// Files of the corpus that are made by the target itself: binary ones, which nobody could write by hand. Text ones are
/// written by hand, and not listed here.
[[nodiscard]] std::map<std::string, Input> seeds();

}  // namespace gnomon::fuzz
