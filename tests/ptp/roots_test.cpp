// SPDX-License-Identifier: Apache-2.0
#include "ptp/roots.hpp"

#include <gtest/gtest.h>

#include <cstddef>
#include <vector>

namespace gnomon::ptp {
namespace {

constexpr Root kSystem{.reference = 0, .clock = ClockKind::kSystem, .bare_clock = true, .disciplines = false};
constexpr Root kPhc{.reference = 0, .clock = ClockKind::kPhc, .bare_clock = true, .disciplines = false};

Root ptp4l(std::uint64_t grandmaster, ClockKind clock) { return {grandmaster, clock, false, true}; }

std::vector<std::size_t> groups(const std::vector<Root>& roots, bool phc2sys = false) {
  const ptp::Groups group = group_roots(roots, phc2sys);
  return {group.begin(), group.begin() + static_cast<std::ptrdiff_t>(roots.size())};
}

using Indices = std::vector<std::size_t>;

TEST(Roots, StrangersStayApart) {
  EXPECT_EQ(groups({ptp4l(1, ClockKind::kPhc), ptp4l(2, ClockKind::kPhc), ptp4l(3, ClockKind::kSystem)}),
            (Indices{0, 1, 2}));
}

TEST(Roots, OneReferenceIsOneWitness) {
  EXPECT_EQ(groups({ptp4l(7, ClockKind::kPhc), ptp4l(8, ClockKind::kPhc), ptp4l(7, ClockKind::kSystem)}),
            (Indices{0, 1, 0}));
}

TEST(Roots, ABareClockIsOneWithWhoeverSetsIt) {
  EXPECT_EQ(groups({kSystem, ptp4l(1, ClockKind::kSystem)}), (Indices{0, 0}));
  EXPECT_EQ(groups({kSystem, kSystem}), (Indices{0, 0}));
  EXPECT_EQ(groups({kSystem, ptp4l(1, ClockKind::kPhc)}), (Indices{0, 1}));
  EXPECT_EQ(groups({kPhc, ptp4l(1, ClockKind::kPhc), kSystem}), (Indices{0, 0, 2}));
}

// chronyd on a reference clock is one with the card, and sets the system clock by it.
TEST(Roots, WhoSetsTheSystemClockIsOneWithItWhateverHeReads) {
  Root chrony = kPhc;
  chrony.sets_system = true;
  EXPECT_EQ(groups({chrony, kSystem}), (Indices{0, 0}));
  EXPECT_EQ(groups({ptp4l(1, ClockKind::kPhc), ptp4l(2, ClockKind::kPhc), chrony, kSystem}), (Indices{0, 0, 0, 0}));
  EXPECT_EQ(groups({kSystem, ptp4l(1, ClockKind::kPhc), chrony}), (Indices{0, 0, 0}));
  EXPECT_EQ(groups({chrony, ptp4l(1, ClockKind::kSystem)}), (Indices{0, 1})) << "who has a word of his own keeps it";
}

TEST(Roots, WhoOnlyReadsAClockIsNoneOfItsOwn) {
  const Root reader{9, ClockKind::kSystem, false, false};
  EXPECT_EQ(groups({kSystem, reader}), (Indices{0, 1}));
  EXPECT_EQ(groups({reader, kSystem}), (Indices{0, 1}));
}

TEST(Roots, ThePortOfACardAndItsPhcMayShowOneClock) {
  Root port = kPhc;
  port.clock = ClockKind::kPort;
  EXPECT_EQ(groups({port, kPhc, kSystem}), (Indices{0, 0, 2}));
  EXPECT_EQ(groups({port, ptp4l(1, ClockKind::kPhc)}), (Indices{0, 0}));
}

TEST(Roots, Phc2sysMakesOneOfTwoClocks) {
  EXPECT_EQ(groups({kSystem, ptp4l(1, ClockKind::kPhc)}, true), (Indices{0, 0}));
  EXPECT_EQ(groups({kSystem, ptp4l(1, ClockKind::kPhc), ptp4l(2, ClockKind::kPhc)}, true), (Indices{0, 0, 0}))
      << "in doubt both: it is not known which of the two phc2sys copies";
}

TEST(Roots, AreJoinedThroughThirdOnes) {
  EXPECT_EQ(groups({ptp4l(1, ClockKind::kPhc), ptp4l(2, ClockKind::kSystem), kSystem, ptp4l(1, ClockKind::kSystem)}),
            (Indices{0, 0, 0, 0}));
}

}  // namespace
}  // namespace gnomon::ptp
