// SPDX-License-Identifier: Apache-2.0
//
// A libFuzzer target: any bytes as a reply of ptp4l, before the judge. Whatever the judge finds wrong, and whatever a
// sanitizer sees, ends the program.
//
// Each input is judged twice: as it is, and with its two lengths put right. Without the repair nearly every input of
// another size would die of a wrong length, and the checks of sizes and texts behind that would hardly be reached.
//
// Built by clang for libFuzzer, and by the project's compiler for time_reply_fuzz_test, which gives it the seeds.
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

constexpr std::size_t kMaxInput = 1024;
constexpr std::size_t kLengthAt = 2;
constexpr std::size_t kTlvLengthAt = 50;
constexpr std::size_t kTlvValueAt = 52;

void demand_nothing(const std::string& fault) {
  if (fault.empty()) return;
  std::fprintf(stderr, "%s\n", fault.c_str());
  std::abort();
}

void put(std::vector<std::byte>& bytes, std::size_t at, std::size_t value) {
  bytes[at] = static_cast<std::byte>(value >> 8);
  bytes[at + 1] = static_cast<std::byte>(value & 0xff);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > kMaxInput) return -1;
  const auto bytes = std::as_bytes(std::span(data, size));
  // A copy of its own, so that a sanitizer sees a read past its end.
  std::vector<std::byte> datagram(bytes.begin(), bytes.end());
  demand_nothing(gnomon::ptp::testing::judge_management(datagram));
  if (size < kTlvValueAt) return 0;
  put(datagram, kLengthAt, size);
  put(datagram, kTlvLengthAt, size - kTlvValueAt);
  demand_nothing(gnomon::ptp::testing::judge_management(datagram));
  return 0;
}
