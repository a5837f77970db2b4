// SPDX-License-Identifier: Apache-2.0
//
// chronyd's tracking: what real replies say, the bytes that ask for it, its floats, and that nothing else is believed.
#include "ptp/chrony.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

#include "tests/ptp/golden_replies.hpp"
#include "tests/ptp/reply_judge.hpp"

namespace gnomon::ptp {
namespace {

using testing::Bytes;
using testing::kChronyReplies;

constexpr ChronySequence kAsked{testing::kGoldenSequence};
constexpr std::int64_t kNs = 1'000'000'000;

Bytes golden(std::string_view name) { return testing::golden(kChronyReplies, name); }

Bytes with(Bytes bytes, std::size_t at, std::initializer_list<unsigned> values) {
  for (const unsigned value : values)
    bytes.at(at++) = static_cast<std::byte>(value);
  return bytes;
}

Tracking decoded(const Bytes& bytes) {
  const auto tracking = decode_tracking(bytes, kAsked);
  if (!tracking) ADD_FAILURE() << text_of(tracking.error());
  return tracking.value_or(Tracking{});
}

void expect_fault(const Bytes& bytes, ChronyFault fault) {
  const auto tracking = decode_tracking(bytes, kAsked);
  ASSERT_FALSE(tracking) << "expected: " << text_of(fault);
  EXPECT_EQ(tracking.error(), fault) << text_of(tracking.error());
}

TEST(ChronyRequest, IsWhatChronydAnswered) {
  Bytes expected = testing::bytes_of_hex("060100000021000012345678");
  expected.resize(104);
  EXPECT_TRUE(std::ranges::equal(encode_tracking(kAsked), expected));
}

TEST(ChronyTracking, OfAReferenceClock) {
  const Tracking tracking = decoded(golden("synchronised"));
  EXPECT_EQ(text_of(tracking.reference), "54535458") << "TSTX";
  EXPECT_EQ(text_of(tracking.address), "none");
  EXPECT_EQ(tracking.stratum, 1);
  EXPECT_EQ(tracking.leap, LeapStatus::kNormal);
  EXPECT_EQ(tracking.reference_time, ChronyTime{1'795'555'177'499'221'746});
  EXPECT_EQ(tracking.current_correction, time::nanoseconds(-1'503'001)) << "-1503000.04";
  EXPECT_EQ(tracking.last_offset, time::nanoseconds(-1)) << "-1.8e-10 ns";
  EXPECT_EQ(tracking.rms_offset, time::nanoseconds(1)) << "1.1e-10 ns";
  EXPECT_EQ(tracking.frequency_ppb, 1) << "1.8e-10 ppb";
  EXPECT_EQ(tracking.residual_frequency_ppb, -1);
  EXPECT_EQ(tracking.skew_ppb, 1) << "0.001 ppb";
  EXPECT_EQ(tracking.root_delay, time::nanoseconds(1'000'001)) << "1000000.05: 1 ms as a float";
  EXPECT_EQ(tracking.root_dispersion, time::nanoseconds(2'515)) << "2514.68";
  EXPECT_EQ(tracking.last_update_interval, time::nanoseconds(500'696'540)) << "500696539.88";
  EXPECT_TRUE(tracking.synchronised());
  EXPECT_FALSE(tracking.own_clock());
}

TEST(ChronyTracking, NeverSynchronisedIsToldApart) {
  const Tracking tracking = decoded(golden("never_synchronised"));
  EXPECT_FALSE(tracking.synchronised());
  EXPECT_EQ(tracking.reference, kNoReference);
  EXPECT_EQ(tracking.leap, LeapStatus::kNotSynchronised);
  EXPECT_FALSE(tracking.reference_time);
  EXPECT_EQ(tracking.root_delay, time::seconds(1)) << "meaningless";
  EXPECT_EQ(tracking.root_dispersion, time::seconds(1));

  const Tracking lost = decoded(with(golden("synchronised"), 54, {0, 3}));
  EXPECT_FALSE(lost.synchronised()) << "a reference alone is not enough";
  const Tracking nobody = decoded(with(golden("synchronised"), 28, {0, 0, 0, 0}));
  EXPECT_FALSE(nobody.synchronised()) << "nor is a leap status";
}

TEST(ChronyTracking, ItsOwnClockIsToldApart) {
  const Tracking tracking = decoded(with(golden("synchronised"), 28, {127, 127, 1, 1}));
  EXPECT_EQ(tracking.reference, kLocalReference);
  EXPECT_TRUE(tracking.own_clock());
}

TEST(ChronyTracking, Addresses) {
  const auto address = [](std::initializer_list<unsigned> bytes, unsigned family) {
    return decoded(with(with(golden("synchronised"), 32, bytes), 48, {0, family})).address;
  };
  EXPECT_EQ(text_of(address({192, 0, 2, 1}, 1)), "192.0.2.1");
  EXPECT_EQ(text_of(address({0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 2)), "2001:db8:0:0:0:0:0:1");
  EXPECT_EQ(text_of(address({0, 0, 1, 5}, 3)), "ID#261");
  EXPECT_EQ(address({192, 0, 2, 1, 9, 9}, 1), address({192, 0, 2, 1}, 1)) << "bytes that don't count are zero";
  EXPECT_EQ(address({1, 2, 3}, 0), ReferenceAddress{});
}

TEST(ChronyTracking, ReferenceTimes) {
  const auto at = [](std::initializer_list<unsigned> bytes) {
    return decoded(with(golden("synchronised"), 56, bytes)).reference_time;
  };
  EXPECT_FALSE(at({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(at({0, 0, 0, 0, 0, 0, 0, 2, 0x3b, 0x9a, 0xc9, 0xff}), ChronyTime{2'999'999'999});
  EXPECT_EQ(at({0x7f, 255, 255, 255, 0, 0, 0, 2, 0, 0, 0, 3}), ChronyTime{2'000'000'003}) << "a time_t of 32 bits";
  EXPECT_EQ(at({0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0}), ChronyTime{4'294'967'296'000'000'000});
}

// --- floats ---------------------------------------------------------------------------------------------------------

// `exponent` as chronyd counts it: the value is coefficient * 2^(exponent - 25).
std::uint32_t chrony_float(int exponent, std::int32_t coefficient) {
  return static_cast<std::uint32_t>(exponent) << 25U | (static_cast<std::uint32_t>(coefficient) & 0x1ffffffU);
}

TEST(ChronyFloat, ExactOrAwayFromZero) {
  EXPECT_EQ(from_chrony_float(0, kNs), 0);
  EXPECT_EQ(from_chrony_float(0x04800000, kNs), kNs) << "1 s, as chronyd wrote it";
  EXPECT_EQ(from_chrony_float(chrony_float(25, 1), kNs), kNs);
  EXPECT_EQ(from_chrony_float(chrony_float(25, -1), kNs), -kNs);
  EXPECT_EQ(from_chrony_float(chrony_float(24, 1), kNs), kNs / 2);
  EXPECT_EQ(from_chrony_float(chrony_float(26, 1), kNs), 2 * kNs);
  EXPECT_EQ(from_chrony_float(chrony_float(15, 1), kNs), 976'563) << "2^-10 s is 976562.5 ns";
  EXPECT_EQ(from_chrony_float(chrony_float(15, -1), kNs), -976'563);
  EXPECT_EQ(from_chrony_float(chrony_float(-64, 1), kNs), 1) << "2^-89 s";
  EXPECT_EQ(from_chrony_float(chrony_float(-64, -1), kNs), -1);
  EXPECT_EQ(from_chrony_float(chrony_float(-64, 0), kNs), 0);
  EXPECT_EQ(from_chrony_float(chrony_float(-64, -(1 << 24)), kNs), -1);
  EXPECT_EQ(from_chrony_float(chrony_float(63, 0), kNs), 0);
}

TEST(ChronyFloat, WhatDoesNotFitIsNoNumber) {
  EXPECT_EQ(from_chrony_float(chrony_float(58, 1), kNs), 8'589'934'592 * kNs) << "2^33 s, 272 years, still fits";
  EXPECT_FALSE(from_chrony_float(chrony_float(59, 1), kNs)) << "2^34 s";
  EXPECT_FALSE(from_chrony_float(chrony_float(59, -1), kNs));
  EXPECT_FALSE(from_chrony_float(chrony_float(63, (1 << 24) - 1), kNs));
  EXPECT_FALSE(from_chrony_float(chrony_float(63, -(1 << 24)), kNs));
  EXPECT_EQ(from_chrony_float(chrony_float(63, 1 << 23), 1), std::int64_t{1} << 61);
}

TEST(ChronyFloat, AgreesWithLongDoublesWhereTheseAreExact) {
  std::mt19937_64 random(20261124);
  for (int i = 0; i < 100'000; ++i) {
    const auto coefficient = static_cast<std::int32_t>(random() % (1U << 25)) - (1 << 24);
    const int exponent = static_cast<int>(random() % 39) - 5;
    const long double value = std::ldexp(static_cast<long double>(coefficient) * kNs, exponent - 25);
    const auto expected = static_cast<std::int64_t>(value < 0 ? std::floor(value) : std::ceil(value));
    ASSERT_EQ(from_chrony_float(chrony_float(exponent, coefficient), kNs), expected) << coefficient << " " << exponent;
  }
}

// --- what is not believed -------------------------------------------------------------------------------------------

TEST(ChronyFaults, Head) {
  const Bytes good = golden("synchronised");
  expect_fault({}, ChronyFault::kTruncated);
  expect_fault(Bytes(good.begin(), good.begin() + 27), ChronyFault::kTruncated);
  expect_fault(Bytes(good.begin(), good.begin() + 28), ChronyFault::kLength);
  expect_fault(with(good, 0, {5}), ChronyFault::kVersion);
  expect_fault(with(good, 1, {1}), ChronyFault::kPacketType);
  expect_fault(with(good, 5, {34}), ChronyFault::kCommand);
  expect_fault(golden("other_command"), ChronyFault::kCommand);
  expect_fault(with(good, 7, {6}), ChronyFault::kReplyCode);
  expect_fault(with(good, 19, {0x79}), ChronyFault::kSequence);
  EXPECT_EQ(decode_tracking(good, {kAsked.value + 1}).error(), ChronyFault::kSequence);
  Bytes longer = good;
  longer.resize(105);
  expect_fault(longer, ChronyFault::kLength);
}

TEST(ChronyFaults, RefusalsAreShorterAndSayWhy) {
  expect_fault(golden("too_short"), ChronyFault::kLengthRefused);
  expect_fault(with(golden("too_short"), 9, {2}), ChronyFault::kUnauthorised);
  expect_fault(with(golden("too_short"), 9, {18}), ChronyFault::kVersionRefused);
  expect_fault(with(golden("too_short"), 9, {1}), ChronyFault::kRefused);
  expect_fault(with(golden("too_short"), 8, {1, 0}), ChronyFault::kRefused);
  expect_fault(with(golden("too_short"), 9, {0}), ChronyFault::kReplyCode);
  expect_fault(with(golden("synchronised"), 9, {1}), ChronyFault::kRefused);
}

TEST(ChronyFaults, Values) {
  const Bytes good = golden("synchronised");
  expect_fault(with(good, 48, {0, 4}), ChronyFault::kAddressFamily);
  expect_fault(with(good, 48, {1, 0}), ChronyFault::kAddressFamily);
  EXPECT_EQ(decoded(with(good, 52, {0, 16})).stratum, 16);
  expect_fault(with(good, 52, {0, 17}), ChronyFault::kStratum);
  expect_fault(with(good, 54, {0, 4}), ChronyFault::kLeapStatus);
  expect_fault(with(good, 64, {0x3b, 0x9a, 0xca, 0x00}), ChronyFault::kReferenceTime);
  expect_fault(with(good, 56, {0, 0, 0, 3}), ChronyFault::kReferenceTime);
  expect_fault(with(good, 56, {0xff, 0xff, 0xff, 0xff}), ChronyFault::kReferenceTime);
  constexpr std::size_t kFloats = 68;
  for (std::size_t i = 0; i < 9; ++i) {
    SCOPED_TRACE(i);
    const bool any_sign = i == 0 || i == 1 || i == 3 || i == 4;
    const Bytes negative = with(good, kFloats + 4 * i, {0x05, 0, 0, 0});
    if (any_sign)
      EXPECT_TRUE(decode_tracking(negative, kAsked));
    else
      expect_fault(negative, ChronyFault::kNegative);
    expect_fault(with(good, kFloats + 4 * i, {0x7e, 0xff, 0xff, 0xff}), ChronyFault::kOutOfRange);
  }
}

TEST(ChronyFaults, EveryTruncationIsRefused) {
  for (const auto& reply : kChronyReplies) {
    const Bytes good = reply.bytes();
    for (std::size_t size = 0; size < good.size(); ++size)
      EXPECT_FALSE(decode_tracking(std::span(good).first(size), kAsked)) << reply.name << ", " << size << " bytes";
  }
}

TEST(ChronyFaults, EveryBitFlipIsRefusedOrDecodesToWhatIsThere) {
  for (const auto& reply : kChronyReplies) {
    Bytes bytes = reply.bytes();
    for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      const std::byte flip = std::byte{1} << (bit % 8);
      bytes[bit / 8] ^= flip;
      EXPECT_EQ(testing::judge_tracking(bytes, kAsked), "") << reply.name << ", bit " << bit;
      bytes[bit / 8] ^= flip;
    }
  }
}

TEST(ChronyFaults, EachHasASentenceOfItsOwn) {
  std::vector<std::string_view> texts;
  for (auto fault = ChronyFault::kTruncated; fault <= ChronyFault::kNegative;
       fault = static_cast<ChronyFault>(static_cast<unsigned>(fault) + 1)) {
    EXPECT_NE(text_of(fault).find("chronyd"), std::string_view::npos) << text_of(fault);
    EXPECT_EQ(std::ranges::count(texts, text_of(fault)), 0);
    texts.push_back(text_of(fault));
  }
}

}  // namespace
}  // namespace gnomon::ptp
