// SPDX-License-Identifier: Apache-2.0
//
// Leap tables for the tests: the real one, and some that history has not had. So far no leap second was negative, so
// code that was tried with the real table alone is untried in half of its branches.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "oracle/time/leap_table.hpp"

namespace gnomon::time {

constexpr Duration kDay = seconds(86'400);
constexpr Utc kJan2030{1'893'456'000'000'000'000};
constexpr Utc kJul2030{1'909'094'400'000'000'000};
constexpr Utc kJan2031{1'924'992'000'000'000'000};
constexpr Utc kJul2031{1'940'630'400'000'000'000};

/// Starts at 37 s ten years before, changes by `steps` seconds at the half-years from 2030 on, expires in 2035.
inline LeapTable table_with_steps(const std::vector<int>& steps) {
  LeapTable table(Utc{2'051'222'400'000'000'000});
  Duration offset = seconds(37);
  EXPECT_TRUE(table.append({kJan2030 - kDay * 3'652, offset}).has_value());
  constexpr Utc kHalfYears[]{kJan2030, kJul2030, kJan2031, kJul2031};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    offset = offset + seconds(steps[i]);
    EXPECT_TRUE(table.append({kHalfYears[i], offset}).has_value());
  }
  return table;
}

/// Leap seconds as close as a table takes them, of both signs.
inline LeapTable crowded_table() {
  LeapTable table(Utc{2'051'222'400'000'000'000});
  EXPECT_TRUE(table.append({kJan2030, seconds(37)}).has_value());
  const int steps[]{1, -1, -1, 1, 1, 1, -1};
  Duration offset = seconds(37);
  for (int i = 0; i < 7; ++i) {
    offset = offset + seconds(steps[i]);
    EXPECT_TRUE(table.append({kJan2030 + LeapTable::kMinApart * (i + 1), offset}).has_value());
  }
  return table;
}

inline std::vector<LeapTable> all_tables() {
  return {builtin_leap_table(), table_with_steps({1, -1, 1, -1}), table_with_steps({-1, -1, 1, 1}), crowded_table()};
}

}  // namespace gnomon::time
