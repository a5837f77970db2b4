// SPDX-License-Identifier: Apache-2.0
//
// A libFuzzer target: any bytes as a frame, through a Station and a real Server, before the Judge. Whatever the Judge
// finds wrong, and whatever a sanitizer sees, ends the program.
//
// The stations live on from input to input, because making a server takes longer than all the rest. What the Judge
// demands does not depend on what came before; only whether a request finds its unit used up does.
//
// Built by clang for libFuzzer, and by the project's compiler for frame_fuzz_test, which gives it the seeds.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "tests/dataplane/frame/judge.hpp"
#include "tests/fuzz/frame_input.hpp"
#include "tests/fuzz/mutator.hpp"

// Names that libFuzzer gives.
// NOLINTBEGIN(readability-identifier-naming)
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed);
// NOLINTEND(readability-identifier-naming)

namespace {

using gnomon::frame::testing::Judge;
using namespace gnomon::fuzz;  // NOLINT(google-build-using-namespace)

// A unit of the served layout is used up and opened again every twenty inputs, at most.
constexpr gnomon::time::Duration kPerInput = gnomon::time::microseconds(50);

Judge& judge_for(std::uint8_t flags) {
  static std::array<std::unique_ptr<Judge>, 4> judges;
  const std::size_t which = (flags & (kPortMakesChecksums | kFewVlans)) / kPortMakesChecksums;
  std::unique_ptr<Judge>& judge = judges.at(which);
  if (judge == nullptr) {
    auto options = gnomon::frame::testing::host_options();
    options.port_makes_checksums = (flags & kPortMakesChecksums) != 0;
    if ((flags & kFewVlans) != 0) options.vlans = {0, 7};
    judge = std::make_unique<Judge>(options);
  }
  return *judge;
}

void demand_nothing(const std::string& fault) {
  if (fault.empty()) return;
  std::fprintf(stderr, "%s\n", fault.c_str());
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > kMaxInput) return -1;
  const FrameInput input = read_input({data, size});
  Judge& judge = judge_for(input.flags);
  const std::size_t capacity = std::max<std::size_t>(input.frame.size() + input.slack, 1);
  demand_nothing(judge.judge(input.frame, input.checks, capacity));
  demand_nothing(judge.advance(kPerInput));
  demand_nothing(judge.check_books());
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
  Mutator mutator(seed);
  if (size <= kCircumstances || max_size <= kCircumstances || mutator.pick(3) == 0)
    return LLVMFuzzerMutate(data, size, max_size);
  if (mutator.pick(4) == 0) data[0] = static_cast<std::uint8_t>(mutator.pick(256));
  if (mutator.pick(8) == 0) data[1] = static_cast<std::uint8_t>(mutator.pick(256));
  gnomon::support::Bytes frame(size - kCircumstances);
  std::memcpy(frame.data(), data + kCircumstances, frame.size());
  mutator.mutate(frame, max_size - kCircumstances);
  std::copy_n(reinterpret_cast<const std::uint8_t*>(frame.data()), frame.size(), data + kCircumstances);
  return kCircumstances + frame.size();
}
