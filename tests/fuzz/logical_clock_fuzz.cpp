// SPDX-License-Identifier: Apache-2.0
//
// A libFuzzer target: any bytes as the vector clock, and any number as the hybrid timestamp, that came with a message
// of another process. Demanded:
//
//   - a vector clock has one encoding; what is refused has a reason, and comes from no encoder;
//   - one that is received is then known, and nothing that was known is forgotten; one that claims events of ours that
//     we never made changes nothing;
//   - a hybrid clock only grows, beyond what it is told, and never further ahead of physical time than its bound.
//
// Input: the remote hybrid timestamp and physical time, 8 bytes each, then the encoded vector clock.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "oracle/clock/hlc.hpp"
#include "oracle/clock/vector_clock.hpp"
#include "tests/fuzz/fuzzer.hpp"

namespace gnomon::fuzz {
namespace {

using clock::Causality;
using clock::ProcessId;
using clock::VectorClock;

constexpr std::size_t kHead = 16;
constexpr std::size_t kMaxInput = kHead + 4 + 64 * 16;

void judge_vector(std::span<const std::byte> bytes) {
  const auto remote = VectorClock::decode(bytes, 64);
  if (!remote) {
    const std::string_view reason = text_of(remote.error());
    demand(reason != "unknown fault", "a vector clock is refused without a reason");
    note(reason.substr(0, 40));
    return;
  }
  const std::vector<std::byte> again = remote->encode();
  demand(std::equal(again.begin(), again.end(), bytes.begin(), bytes.end()), "two encodings of one vector clock");
  VectorClock own;
  for (const std::uint64_t process : {1, 2, 7})
    demand(own.tick(ProcessId{process}).has_value(), "no event");
  const VectorClock before = own;
  const auto received = own.receive(ProcessId{1}, *remote);
  if (!received) {
    demand(own == before, "what was refused has changed something");
    demand(text_of(received.error()) != "unknown fault", "refused without a reason");
    note("not received");
    return;
  }
  demand(VectorClock::compare(*remote, own) == Causality::kBefore &&
             VectorClock::compare(before, own) == Causality::kBefore,
         "what was received is not known");
  demand(own.count_of(ProcessId{1}) == 2, "the receipt is no event");
  note("received");
}

void judge_hybrid(std::uint64_t remote, std::int64_t physical_ns) {
  constexpr time::Duration kAhead = time::milliseconds(500);
  clock::HybridClock hybrid({.max_ahead = kAhead});
  constexpr time::Tai kBefore{1'790'000'037'000'000'000};
  demand(hybrid.update(kBefore, {}).has_value(), "a clock that does not begin");
  clock::HlcTimestamp last = hybrid.last();
  for (const time::Tai physical :
       {time::Tai{physical_ns}, kBefore, time::Tai{kBefore.ns + physical_ns % 2'000'000'000}}) {
    const auto updated = hybrid.update(physical, {remote});
    if (!updated) {
      demand(hybrid.last() == last, "what was refused has moved the clock");
      demand(text_of(updated.error()) != "unknown fault", "refused without a reason");
      note("hybrid refused");
      continue;
    }
    demand(*updated > last && *updated > clock::HlcTimestamp{remote}, "a hybrid timestamp that is not larger");
    demand(static_cast<std::int64_t>(updated->ms()) <= physical.ns / 1'000'000 + 501, "further ahead than the bound");
    last = *updated;
    note("hybrid");
  }
}

}  // namespace

Plan plan() {
  return {.longest = kMaxInput,
          .outcomes = {"received", "not received", "hybrid", "hybrid refused",
                       text_of(clock::VectorDecodeFault::kTruncated).substr(0, 40),
                       text_of(clock::VectorDecodeFault::kOtherVersion).substr(0, 40),
                       text_of(clock::VectorDecodeFault::kReserved).substr(0, 40),
                       text_of(clock::VectorDecodeFault::kTooManyEntries).substr(0, 40),
                       text_of(clock::VectorDecodeFault::kNotAscending).substr(0, 40),
                       text_of(clock::VectorDecodeFault::kZeroCount).substr(0, 40),
                       text_of(clock::VectorDecodeFault::kTrailing).substr(0, 40)}};
}

std::map<std::string, Input> seeds() {
  std::map<std::string, Input> all;
  const auto add = [&](const std::string& name, std::uint64_t remote, std::int64_t physical,
                       const std::vector<std::pair<std::uint64_t, std::uint64_t>>& entries, unsigned version = 1) {
    Input input;
    const auto put = [&](std::uint64_t value, std::size_t bytes) {
      for (; bytes > 0; --bytes, value >>= 8)
        input.push_back(static_cast<std::uint8_t>(value));
    };
    put(remote, 8);
    put(static_cast<std::uint64_t>(physical), 8);
    put(version, 2);
    put(entries.size(), 2);
    for (const auto& [process, count] : entries) {
      put(process, 8);
      put(count, 8);
    }
    all[name] = input;
  };
  constexpr std::int64_t kNow = 1'790'000'037'000'000'000;
  constexpr std::uint64_t kNowMs = kNow / 1'000'000;
  add("nobody", 0, kNow, {});
  add("two_processes", kNowMs << 18, kNow, {{2, 5}, {9, 1}});
  add("hears_of_itself", (kNowMs << 18) + 5, kNow + 1'000'000, {{1, 1}, {2, 5}});
  add("knows_more_of_us", (kNowMs + 499) << 18, kNow, {{1, 2}});
  add("descending", (kNowMs + 502) << 18, kNow, {{9, 5}, {2, 1}});
  add("twice", UINT64_MAX, kNow, {{2, 5}, {2, 6}});
  add("zero_events", 0, -1, {{2, 0}});
  add("largest", 0, INT64_MAX, {{UINT64_MAX, UINT64_MAX}});
  add("other_version", 0, INT64_MIN, {{2, 5}}, 2);
  add("reserved", 0, 0, {{2, 5}}, 0x101);
  add("one_byte_less", 0, kNow, {{2, 5}});
  all["one_byte_less"].pop_back();
  add("one_byte_more", 0, kNow, {{2, 5}});
  all["one_byte_more"].push_back(0);
  add("more_than_are_taken", 0, kNow, {{2, 5}});
  all["more_than_are_taken"].at(18) = 65;
  add("overflow_of_the_counter", (kNowMs << 18) | 0x3ffff, kNow, {{7, UINT64_MAX}});
  return all;
}

}  // namespace gnomon::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace gnomon::fuzz;  // NOLINT(google-build-using-namespace)
  if (size > kMaxInput) return -1;
  std::uint64_t remote = 0;
  std::int64_t physical = 0;
  if (size >= kHead) {
    std::memcpy(&remote, data, sizeof remote);
    std::memcpy(&physical, data + sizeof remote, sizeof physical);
    judge_hybrid(remote, physical);
  }
  const std::size_t head = std::min(size, kHead);
  std::vector<std::byte> bytes(size - head);  // at its own place, to its end
  if (!bytes.empty()) std::memcpy(bytes.data(), data + head, bytes.size());
  judge_vector(bytes);
  return 0;
}
