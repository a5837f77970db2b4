// SPDX-License-Identifier: Apache-2.0
//
// A libFuzzer target: any bytes as a reply of chronyd, before the judge. Whatever the judge finds wrong, and whatever a
// sanitizer sees, ends the program.
//
// Each input is judged twice: as it is, and with the head of a good reply. Without the repair a mutation of the head
// hides whatever it did to the numbers behind it.
//
// Built by clang for libFuzzer, and by the project's compiler for time_reply_fuzz_test, which gives it the seeds.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "tests/ptp/reply_judge.hpp"

// A name that libFuzzer gives.
// NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

constexpr std::size_t kMaxInput = 512;
constexpr gnomon::ptp::ChronySequence kAsked{0x12345678};  // of the seeds
constexpr std::array<std::uint8_t, 20> kGoodHead{6, 2, 0, 0, 0, 33, 0,    5,    0,    0,
                                                 0, 0, 0, 0, 0, 0,  0x12, 0x34, 0x56, 0x78};

void demand_nothing(const std::string& fault) {
  if (fault.empty()) return;
  std::fprintf(stderr, "%s\n", fault.c_str());
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > kMaxInput) return -1;
  const auto bytes = std::as_bytes(std::span(data, size));
  // A copy of its own, so that a sanitizer sees a read past its end.
  std::vector<std::byte> datagram(bytes.begin(), bytes.end());
  demand_nothing(gnomon::ptp::testing::judge_tracking(datagram, kAsked));
  if (size < kGoodHead.size()) return 0;
  std::ranges::copy(std::as_bytes(std::span(kGoodHead)), datagram.begin());
  demand_nothing(gnomon::ptp::testing::judge_tracking(datagram, kAsked));
  return 0;
}
