// SPDX-License-Identifier: Apache-2.0
//
// The commands that need no service: they take IDs apart, build them, and say what layouts can do. They read the clock
// only where the caller passes `now`.
#pragma once

#include <cstdint>
#include <istream>
#include <string>
#include <vector>

#include "cmd/gnomon/known_layouts.hpp"
#include "cmd/gnomon/output.hpp"
#include "oracle/time/instant.hpp"

namespace gnomon::cmd {

struct DecodeOptions {
  std::vector<std::string> ids;  // decimal, or hexadecimal after 0x; "-" reads one per line from standard input
  LayoutOptions layouts;         // without a layout: under every known one
};
[[nodiscard]] ExitCode run_decode(const DecodeOptions& options, std::istream& in, const Output& output);

struct EncodeOptions {
  std::string time = "now";
  std::uint32_t machine = 0;
  std::uint64_t sequence = 0;
  LayoutOptions layouts;  // snowflake
};
[[nodiscard]] ExitCode run_encode(const EncodeOptions& options, time::SmearedUtc now, const Output& output);

struct RangeOptions {
  std::string from;
  std::string to = "now";
  std::string column = "id";
  LayoutOptions layouts;  // snowflake
};
[[nodiscard]] ExitCode run_range(const RangeOptions& options, time::SmearedUtc now, const Output& output);

struct LayoutsOptions {
  std::string at = "now";
  LayoutOptions layouts;
};
[[nodiscard]] ExitCode run_layouts(const LayoutsOptions& options, time::SmearedUtc now, const Output& output);

}  // namespace gnomon::cmd
