// SPDX-License-Identifier: Apache-2.0
//
// Whether what promise C rests on holds on a host: the world's own book-keeping, from what it made the sources say, so
// that a checker knows what may be asked of an answer before it sees one. Nothing here looks at what the product
// decided, but for one question that is said below.
//
//   outvoted   more sources speak falsely than n - f can bear, of those whose latest sample counts
//   gross      all of these are so far off that what they say and what was proved have nothing in common. Then the
//              product must notice, and may believe it only once it was insisted on (TrueTimeOptions::confirmations):
//              until then, and if there was something proved to be contradicted, the assumptions hold
//   whole      all of these are off by exactly 37 s, and none is the system clock, which somebody may set: nobody sets
//              a card so, and they are not to be believed however long they insist
//              But that is held against what was proved by more than the bare system clock, or else against what the
//              source said last: it takes that nothing else was insisted on meanwhile; and a source of which nothing
//              but such a lie is known may be put out for speaking the truth, and counts only once it has agreed with
//              what is proved
//   broken     a small lie, an insisted one, or one that was the first thing ever heard, has been let in
//
// What was let in stays in the history that later results are intersected with. A gross lie is contradicted by the
// first honest majority, so from then on the assumptions hold again; but not one by whole seconds that was the first
// thing ever heard, for then the truth is what is off by them. Of that and of a small one nothing says when it is gone;
// so here, and only here, the product is asked: once its interval holds the true time and the sources are honest, it
// must stay so.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "oracle/time/cycles.hpp"
#include "oracle/time/instant.hpp"
#include "ptp/true_time_estimator.hpp"
#include "tests/sim/time_source.hpp"

namespace gnomon::sim {

class Assumptions {
 public:
  Assumptions(const ptp::TrueTimeOptions& options, std::size_t sources)
      : options_(options), said_(sources), held_against_(sources), was_off_(sources) {}

  /// All that was known is dropped: the counter can't be trusted across this moment.
  void forget();
  void heard(std::size_t source, const Statement& statement);
  /// After all sources had their turn; `in_line`: what the product published now has the true time in it, with
  /// room for what cores differ by.
  void turn(time::Cycles now, bool in_line);

  [[nodiscard]] bool hold() const { return !broken_; }
  /// Whether this source may be held to be off by whole seconds although it speaks the truth: it was off by them once,
  /// or others were let in that were.
  [[nodiscard]] bool may_be_put_out(std::size_t source) const { return was_broken_ || was_off_[source]; }

 private:
  struct Said {
    time::Cycles at;
    bool is_false = false;
    bool gross = false;
    bool whole = false;
    bool set_by_hand = false;  // the bare system clock
    std::uint64_t turn = 0;    // in which it was heard
  };
  struct Vote {
    std::size_t speak = 0;
    std::size_t lie = 0;
    bool all_gross = true;
    bool all_whole = true;
    bool any_whole = false;
    bool vouched_for = false;  // somebody speaks who isn't the bare system clock
  };
  [[nodiscard]] Vote count(time::Cycles now) const;
  void outvoted(const Vote& vote);
  void agree(bool in_line);
  [[nodiscard]] time::Duration age(time::Cycles at, time::Cycles now) const {
    return options_.nominal.span(now.count - at.count);
  }

  ptp::TrueTimeOptions options_;
  std::vector<std::optional<Said>> said_;  // the latest of each that still counts
  bool fresh_ = false;                     // somebody said something new in this turn
  std::optional<time::Cycles> proved_at_;  // the latest turn in which an honest majority spoke
  bool vouched_for_ = false;               // and not by the bare system clock alone
  std::uint64_t turn_ = 0;
  std::uint32_t insisted_ = 0;  // turns in which an outvoting lie was said anew
  bool broken_ = false;
  bool contradicted_ = false;       // another lie has outvoted the rest since then
  std::vector<bool> held_against_;  // by source: a lie by whole seconds, said when nothing was proved
  std::vector<bool> was_off_;       // by source: it has lied by whole seconds
  bool was_broken_ = false;
  bool small_ = false;  // it was broken by a lie that is not gross, or by one by whole seconds
};

}  // namespace gnomon::sim
