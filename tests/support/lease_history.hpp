// SPDX-License-Identifier: Apache-2.0
//
// The history of leases in a run of real processes, and the questions asked of it: did two hold one name at once, did
// its tokens grow, was anybody served?
//
// Holders on several hosts, or in processes that are killed, can't be asked at one instant. So each writes down when it
// began to act under a lease and when it stopped, as intervals that contain the true time, and the judge calls only
// that an overlap which is certain: the later one began before the earlier one can have ended. A judge that compares
// midpoints accuses the innocent; one that allows a second of slack sees nothing.
//
//   held from [b, B] to [e, E]     certainly held from B to e; nothing is certain if e <= B
//   no end written                 it was killed: certainly held until it was last heard of, which is `began` unless a
//                                  later line says so
//
// One line each, written at once and in one write, so that a killed process leaves whole lines:
//
//   <who> <name> <token> began|acts|ended <earliest ns> <latest ns>
//
// `acts`: it looked, and held it. Thread rule: one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <tl/expected.hpp>

#include "oracle/time/interval.hpp"

namespace gnomon::support {

struct LeaseLine {
  enum class What : std::uint8_t { kBegan, kActs, kEnded };
  std::string who;   // no spaces
  std::string name;  // likewise
  std::uint64_t token = 0;
  What what = What::kBegan;
  time::Interval at;
  friend bool operator==(const LeaseLine&, const LeaseLine&) = default;
};

/// Without the newline.
[[nodiscard]] std::string encode(const LeaseLine& line);
/// The error says which line can't be read, and why.
[[nodiscard]] tl::expected<LeaseLine, std::string> parse_lease_line(std::string_view text);

class LeaseHistory {
 public:
  /// In the order in which each holder wrote them; holders in any order.
  void add(const LeaseLine& line);
  /// All lines of a file's text. A last line without its end was cut off by a kill, and is left out.
  [[nodiscard]] tl::expected<void, std::string> read(std::string_view text);

  /// What is broken, each as a sentence, in the order of the begins; empty: nothing. `served`: so many grants of each
  /// name have to be there at least, of two holders or more if it is more than one.
  [[nodiscard]] std::vector<std::string> violations(std::size_t served) const;

  [[nodiscard]] std::size_t tenures() const { return tenures_.size(); }
  /// Pairs of tenures of one name that were held against each other.
  [[nodiscard]] std::size_t judged() const;

 private:
  struct Tenure {
    std::string who;
    std::string name;
    std::uint64_t token = 0;
    time::Interval began;
    time::Tai held_until;  // certainly
    bool ended = false;
  };
  using Key = std::tuple<std::string, std::string, std::uint64_t>;

  [[nodiscard]] std::map<std::string, std::vector<const Tenure*>> by_name() const;
  static void judge_overlaps(const std::vector<const Tenure*>& tenures, std::vector<std::string>& out);
  static void judge_tokens(const std::vector<const Tenure*>& tenures, std::vector<std::string>& out);

  std::map<Key, Tenure> tenures_;
  std::vector<std::string> misplaced_;  // lines that can't follow what was there
};

}  // namespace gnomon::support
