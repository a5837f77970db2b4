// SPDX-License-Identifier: Apache-2.0
//
// What a failure needs, out of all that was there when it happened. Dozens of faults befall a world, and the one that
// reads its trace has to guess which of them matter; trying out what can be left out is a machine's work.
//
// This is ddmin of Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", IEEE TSE 28(2), 2002:
// halves are tried alone, then without each other, then quarters, and so on down to single atoms. Nothing is asked of
// the failure: it need not be monotone (a larger part may hold where a smaller one fails), only repeatable. The result
// is 1-minimal: without any one of its atoms there is no failure. That is not the smallest of all, for which all parts
// would have to be tried. Two departures: nothing at all is tried first, as many a bug needs no fault; and after what
// could be left out, the search goes on behind it, not again from the front.
//
// Pure. One thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "tests/sim/part.hpp"

namespace gnomon::sim {

template <typename Atom>
struct Smallest {
  std::vector<Atom> atoms;
  std::uint64_t runs = 0;
  bool is_minimal = false;  // false: it ran out of runs
};

/// The search. `fails(atoms)` is asked at most `most_runs` times; all atoms together are known to fail.
template <typename Atom, typename Fails>
class Ddmin {
 public:
  Ddmin(std::vector<Atom> atoms, const Fails& fails, std::uint64_t most_runs)
      : atoms_(std::move(atoms)), fails_(fails), most_runs_(most_runs) {}

  Smallest<Atom> find() {
    if (!atoms_.empty() && !try_out({}))
      while (atoms_.size() > 1 && !starved_) {
        if (reduce_to_a_piece() || reduce_by_pieces()) continue;
        if (pieces_ == atoms_.size()) break;
        pieces_ = std::min(pieces_ * 2, atoms_.size());
      }
    return {std::move(atoms_), runs_, !starved_};
  }

 private:
  /// Where the i-th of the pieces begins.
  [[nodiscard]] auto begin_of(std::size_t i) const {
    return atoms_.cbegin() + static_cast<std::ptrdiff_t>(i * atoms_.size() / pieces_);
  }
  bool try_out(std::vector<Atom> atoms) {
    starved_ = starved_ || runs_ == most_runs_;
    if (starved_) return false;
    ++runs_;
    if (!fails_(std::as_const(atoms))) return false;
    atoms_ = std::move(atoms);
    return true;
  }
  bool reduce_to_a_piece() {
    for (std::size_t i = 0; i < pieces_; ++i)
      if (try_out({begin_of(i), begin_of(i + 1)})) {
        pieces_ = 2;
        return true;
      }
    return false;
  }
  bool reduce_by_pieces() {
    bool reduced = false;
    for (std::size_t i = 0; i < pieces_ && pieces_ > 2;) {  // of two, what one leaves is the other
      std::vector<Atom> rest(atoms_.cbegin(), begin_of(i));
      rest.insert(rest.end(), begin_of(i + 1), atoms_.cend());
      if (!try_out(std::move(rest))) {
        ++i;
        continue;
      }
      reduced = true;
      --pieces_;
    }
    return reduced;
  }

  std::vector<Atom> atoms_;
  const Fails& fails_;
  std::uint64_t most_runs_;
  std::uint64_t runs_ = 0;
  std::size_t pieces_ = 2;
  bool starved_ = false;
};

// ---- of worlds

constexpr std::uint64_t kMostRuns = 5'000;

template <typename Outcome>
struct Shrunk {
  Outcome outcome;  // of the smallest part, which it names
  std::uint64_t runs = 0;
  bool is_minimal = false;
};

/// Of an outcome with a violation, what still breaks the same promise. `run(part)` is the outcome of that part of what
/// befell the world; `progress(left, runs)` is called after each.
template <typename Outcome, typename Run, typename Progress>
Shrunk<Outcome> shrink(const Outcome& whole, const Run& run, std::uint64_t most_runs, const Progress& progress) {
  const Part all = whole.befell.whole();
  std::optional<Outcome> smallest;
  std::uint64_t runs = 0;
  const auto fails = [&](const std::vector<Trouble>& troubles) {
    Outcome outcome = run(Part(troubles));
    const bool same = outcome.violation && outcome.violation->promise == whole.violation->promise;
    if (same) smallest = std::move(outcome);
    progress(smallest ? smallest->part->troubles().size() : all.troubles().size(), ++runs);
    return same;
  };
  const Smallest<Trouble> found = Ddmin(all.troubles(), fails, most_runs).find();
  return {smallest ? std::move(*smallest) : run(all), found.runs, found.is_minimal};
}

}  // namespace gnomon::sim
