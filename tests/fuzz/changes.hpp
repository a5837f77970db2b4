// SPDX-License-Identifier: Apache-2.0
//
// Changes of bytes and texts, by a seed: what stands in for libFuzzer's own mutations where there is none. Besides what
// befalls a single byte it does what a reader of texts and of nested lengths stumbles over: pieces that are doubled,
// left out, or from another input, and numbers at which a type or a rule ends.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <span>
#include <string_view>

#include "tests/fuzz/fuzzer.hpp"

namespace gnomon::fuzz {

class Changes {
 public:
  explicit Changes(std::uint64_t seed) : random_(seed) {}

  [[nodiscard]] std::size_t pick(std::size_t below) { return static_cast<std::size_t>(random_() % below); }

  /// One change; the input is never longer than `most` afterwards. `other` is where pieces are taken from.
  void change(Input& input, std::span<const std::uint8_t> other, std::size_t most) {
    if (input.empty()) input.resize(1 + pick(32), static_cast<std::uint8_t>(pick(256)));
    const std::size_t at = pick(input.size());
    switch (pick(8)) {
      case 0: input[at] ^= static_cast<std::uint8_t>(1U << pick(8)); break;
      case 1: input[at] = static_cast<std::uint8_t>(pick(256)); break;
      case 2: pick(2) == 0 ? leave_out(input, at) : input.resize(at); break;
      case 3: put_in(input, at, piece_of(other)); break;
      case 4: put_in(input, at, piece_of(Input(input))); break;
      case 5: write_edge(input, at); break;
      case 6: change_number(input, at); break;
      default: put_over(input, at, piece_of(other)); break;
    }
    if (input.size() > most) input.resize(most);
  }

 private:
  static constexpr std::array<std::string_view, 22> kNumbers{"0",
                                                             "1",
                                                             "-1",
                                                             "00",
                                                             "+1",
                                                             "4",
                                                             "255",
                                                             "256",
                                                             "65535",
                                                             "65536",
                                                             "4294967295",
                                                             "4294967296",
                                                             "9223372036854775807",
                                                             "9223372036854775808",
                                                             "-9223372036854775808",
                                                             "18446744073709551615",
                                                             "18446744073709551616",
                                                             "1e9",
                                                             "0x10",
                                                             "",
                                                             " ",
                                                             "\n"};

  Input piece_of(std::span<const std::uint8_t> whole) {
    if (whole.empty()) return {};
    const std::size_t begin = pick(whole.size());
    const std::size_t size = 1 + pick(std::min<std::size_t>(whole.size() - begin, pick(2) == 0 ? 8 : 64));
    return {whole.begin() + static_cast<std::ptrdiff_t>(begin),
            whole.begin() + static_cast<std::ptrdiff_t>(begin + size)};
  }
  static void put_in(Input& input, std::size_t at, const Input& piece) {
    input.insert(input.begin() + static_cast<std::ptrdiff_t>(at), piece.begin(), piece.end());
  }
  static void put_over(Input& input, std::size_t at, const Input& piece) {
    for (std::size_t i = 0; i < piece.size() && at + i < input.size(); ++i)
      input[at + i] = piece[i];
  }
  void leave_out(Input& input, std::size_t at) {
    const std::size_t size = std::min(input.size() - at, 1 + pick(pick(2) == 0 ? 2 : 24));
    input.erase(input.begin() + static_cast<std::ptrdiff_t>(at),
                input.begin() + static_cast<std::ptrdiff_t>(at + size));
  }
  /// Bytes at which integers of 1 to 8 bytes end.
  void write_edge(Input& input, std::size_t at) {
    const std::size_t size = std::size_t{1} << pick(4);
    const auto fill = static_cast<std::uint8_t>(pick(2) == 0 ? 0x00 : 0xff);
    for (std::size_t i = at; i < std::min(at + size, input.size()); ++i)
      input[i] = fill;
    if (pick(2) == 0 && at + size <= input.size())
      input[at + size - 1] = static_cast<std::uint8_t>(pick(2) == 0 ? 0x7f : 0x80);
  }
  /// The decimal number at or behind `at` becomes another one.
  void change_number(Input& input, std::size_t at) {
    const auto is_digit = [](std::uint8_t c) { return c >= '0' && c <= '9'; };
    const auto begin = std::find_if(input.begin() + static_cast<std::ptrdiff_t>(at), input.end(), is_digit);
    const auto end = std::find_if_not(begin, input.end(), is_digit);
    const auto where = begin - input.begin();
    input.erase(begin, end);
    const std::string_view number = kNumbers.at(pick(kNumbers.size()));
    input.insert(input.begin() + where, number.begin(), number.end());
  }

  std::mt19937_64 random_;
};

}  // namespace gnomon::fuzz
