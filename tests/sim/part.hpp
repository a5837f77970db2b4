// SPDX-License-Identifier: Apache-2.0
//
// A part of what befalls a world: which of its faults, by the number under which they struck, and which of the
// nuisances that go on all the time (datagrams lost, threads preempted). A world that is replayed with a part meets
// that and nothing else, so that what a violation needs can be told from what merely happened as well.
//
// A part names what is there, not what is left out. A seed goes on differently once its bug is mended, and meets more
// faults then; a text that named those left out would let them in.
//
// It has one text, which a person can read and a command line takes:
//
//   faults=1-3,7;host-faults=2;loss        nothing else befalls that world
//   nothing                                nothing at all does
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

namespace gnomon::sim {

/// In the order of the text. All but the first three are nuisances: each is there as a whole, or not.
enum class TroubleKind : std::uint8_t {
  kFault,
  kHostFault,    // of clocks and machines
  kHardship,     // of disks, copies, and clocks that take TAI for UTC
  kLoss,         // messages are lost, in worlds of daemons also doubled and delayed
  kPreemption,   // threads are preempted
  kLostAnswers,  // of a store with which nothing else is wrong
  kFailedSyncs,  // of a journal
  kDuplicates,   // messages come twice
};
constexpr std::size_t kTroubleKinds = 8;

/// Of nuisances the number is 0, of faults it begins with 1.
struct Trouble {
  TroubleKind kind = TroubleKind::kFault;
  std::uint32_t number = 0;

  auto operator<=>(const Trouble&) const = default;
};

class Part {
 public:
  Part() = default;
  /// In any order.
  explicit Part(std::vector<Trouble> troubles);

  [[nodiscard]] bool has(Trouble trouble) const;
  /// Ascending, each once.
  [[nodiscard]] const std::vector<Trouble>& troubles() const { return troubles_; }
  bool operator==(const Part&) const = default;

 private:
  std::vector<Trouble> troubles_;
};

enum class PartError : std::uint8_t {
  kUnknownName,     // no trouble is called that; also where there is no name at all
  kOutOfOrder,      // names or numbers that do not ascend
  kNotANumber,      // a number was expected, 1 to kLargestTrouble
  kNumbersMissing,  // faults without any
  kNumbersTooMuch,  // of a nuisance
  kEmptyRange,      // 3-3 and 3-2
};
constexpr std::uint32_t kLargestTrouble = 100'000;

[[nodiscard]] std::string text_of(const Part& part);
[[nodiscard]] tl::expected<Part, PartError> parse_part(std::string_view text);
[[nodiscard]] std::string_view text_of(PartError error);

}  // namespace gnomon::sim
