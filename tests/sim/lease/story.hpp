// SPDX-License-Identifier: Apache-2.0
//
// What happened in a world of leases, in order, as text. Every line goes into a hash (two runs of a seed must have the
// same one) and into a short memory that a violation is reported with; `--trace` prints them all.
#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "oracle/time/instant.hpp"

namespace gnomon::sim::leases {

class Story {
 public:
  explicit Story(bool print) : print_(print) {}

  template <typename... Args>
  void add(time::Uptime at, fmt::format_string<Args...> text, Args&&... args) {
    add_line(fmt::format("{:>12.6f} s  {}", static_cast<double>(at.ns) / 1e9,
                         fmt::format(text, std::forward<Args>(args)...)));
  }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  /// The last lines, oldest first.
  [[nodiscard]] std::string last() const {
    std::string lines;
    for (const std::string& line : last_)
      lines += "    " + line + "\n";
    return lines;
  }

 private:
  static constexpr std::size_t kRemembered = 40;

  void add_line(std::string line) {
    for (const char c : line)
      hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
    if (print_) fmt::print("{}\n", line);
    last_.push_back(std::move(line));
    if (last_.size() > kRemembered) last_.pop_front();
  }

  bool print_;
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
  std::deque<std::string> last_;
};

}  // namespace gnomon::sim::leases
