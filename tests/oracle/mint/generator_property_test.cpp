// SPDX-License-Identifier: Apache-2.0
//
// The generator under random histories: against the invariants of every ID, and answer by answer
// against a slow model that reads like the specification. At the end stand planted bugs: if the
// checker missed one of them, its silence about the real generator would mean nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <string>

#include "tests/oracle/mint/checker.hpp"
#include "tests/oracle/mint/history.hpp"
#include "tests/oracle/mint/model.hpp"

namespace gnomon::mint::testing {
namespace {

bool full_size() { return std::getenv("GNOMON_TEST_FULL") != nullptr; }

id::Layout layout_of(unsigned machine_bits, unsigned sequence_bits, time::Duration unit) {
  const unsigned time_bits = unit < time::seconds(1) ? 41 : 29;  // all last far longer than a history
  return id::make_layout({16}, "history", {0}, unit, time_bits, machine_bits, sequence_bits).value();
}

const id::Layout kLayouts[] = {
    layout_of(10, 4, time::milliseconds(1)),
    layout_of(2, 3, time::milliseconds(1)),  // machine ids 4 and 5 do not fit
    layout_of(4, 1, time::microseconds(1)),
    layout_of(16, 6, time::seconds(1)),
    id::make_layout({17}, "wide", {0}, time::seconds(10), 29, 16, 19).value(),
};

/// What the history and the checker see of a run: the first thing that went wrong, and how much was
/// issued.
struct Verdict {
  std::optional<std::string> wrong;
  std::uint64_t ids = 0;
  std::uint64_t refusals = 0;
};

template <typename Generator>
Verdict judge(const HistoryOptions& options, Generator& generator) {
  MintChecker checker(options.layout);
  Verdict verdict;
  const auto adopted = [&](const RightSet& rights) { checker.adopted(rights); };
  const auto observe = [&](const RightSet& rights, const MintTime& time, std::uint32_t wanted, const Take& take) {
    if (verdict.wrong) return;
    verdict.wrong = checker.took(rights, time, wanted, take);
    verdict.refusals += take.refusal == Refusal::kNone ? 0U : 1U;
  };
  History history(options, generator, adopted, observe);
  history.run();
  verdict.ids = checker.ids();
  return verdict;
}

TEST(GeneratorProperty, every_id_is_unique_ordered_and_inside_its_window) {
  const int steps = full_size() ? 2'000'000 : 150'000;
  for (const id::Layout& layout : kLayouts) {
    for (const bool rotating : {false, true}) {
      for (std::uint64_t seed = 1; seed <= 4; ++seed) {
        SCOPED_TRACE(::testing::Message() << "seed " << seed << ", rotating " << rotating << ", sequence bits "
                                          << int{layout.sequence_bits});
        IdGenerator generator(layout, rotating);
        const Verdict verdict = judge({.layout = layout, .seed = seed, .steps = steps}, generator);
        ASSERT_EQ(verdict.wrong.value_or("nothing"), "nothing");
        ASSERT_GT(verdict.ids, static_cast<std::uint64_t>(steps) / 20) << "a history that issues nothing shows nothing";
        ASSERT_GT(verdict.refusals, 0U);
      }
    }
  }
}

/// Both generators in one: the answers of the model are kept aside for the comparison.
class Pair {
 public:
  explicit Pair(const id::Layout& layout) : real_(layout, false), model_(layout) {}
  void adopt(const RightSet& rights) {
    real_.adopt(rights);
    model_.adopt(rights);
  }
  Take take(const MintTime& time, std::uint32_t wanted) {
    modelled_ = model_.take(time, wanted);
    return real_.take(time, wanted);
  }
  [[nodiscard]] time::SmearedUtc used_until(std::size_t slot) const { return real_.used_until(slot); }
  [[nodiscard]] const Take& modelled() const { return modelled_; }
  [[nodiscard]] time::SmearedUtc modelled_used_until(std::size_t slot) const { return model_.used_until(slot); }

 private:
  IdGenerator real_;
  ModelGenerator model_;
  Take modelled_;
};

TEST(GeneratorProperty, every_answer_is_that_of_the_slow_model) {
  const int steps = full_size() ? 1'000'000 : 100'000;
  for (const id::Layout& layout : kLayouts) {
    for (std::uint64_t seed = 100; seed < 104; ++seed) {
      SCOPED_TRACE(::testing::Message() << "seed " << seed << ", sequence bits " << int{layout.sequence_bits});
      Pair pair(layout);
      int step = 0;
      const auto observe = [&](const RightSet& rights, const MintTime&, std::uint32_t, const Take& real) {
        ++step;
        const Take& model = pair.modelled();
        ASSERT_EQ(real.refusal, model.refusal) << "take " << step;
        ASSERT_EQ(real.first, model.first) << "take " << step;
        ASSERT_EQ(real.count, model.count) << "take " << step;
        ASSERT_EQ(real.opened, model.opened) << "take " << step;
        ASSERT_EQ(real.retry_after, model.retry_after) << "take " << step;
        for (std::size_t slot = 0; slot < rights.count; ++slot)
          ASSERT_EQ(pair.used_until(slot), pair.modelled_used_until(slot)) << "take " << step;
      };
      const auto adopted = [](const RightSet&) {};
      History history(HistoryOptions{.layout = layout, .seed = seed, .steps = steps}, pair, adopted, observe);
      history.run();
      if (::testing::Test::HasFatalFailure()) return;
      ASSERT_GT(step, steps / 3);
    }
  }
}

// --- planted bugs
// -------------------------------------------------------------------------------------------------

enum class Bug : std::uint8_t {
  kNone,
  kWraps,            // the sequence starts again at zero inside a unit
  kReopens,          // follows an older time into an older unit
  kIgnoresCeiling,   // uses its right after the end of the window
  kIgnoresFloor,     // uses its right before the window begins
  kForgetsOldUnits,  // a new generation begins in the unit where the old one ended
};

/// A textbook generator with one right: correct but for the one bug that it is told to have.
class Textbook {
 public:
  Textbook(const id::Layout& layout, Bug bug) : layout_(layout), bug_(bug) {}

  void adopt(const RightSet& rights) {
    const bool only_ceilings = rights.generation == rights_.generation;
    if (rights.era != rights_.era) last_unit_ = 0;
    rights_ = rights;
    if (only_ceilings) return;
    sequence_ = bug_ == Bug::kForgetsOldUnits ? 0 : layout_.sequences();
    used_until_ = rights.slots[0].floor;
  }

  Take take(const MintTime& time, std::uint32_t wanted) {
    Take take;
    take.refusal = Refusal::kNotLeased;
    if (rights_.count == 0 || !layout_.fits(rights_.slots[0].machine) || time.era != rights_.era) return take;
    const std::uint64_t now = layout_.unit_of(time.now);
    if (now > last_unit_ || (bug_ == Bug::kReopens && now < last_unit_)) {
      last_unit_ = now;
      sequence_ = 0;
    }
    if (sequence_ >= layout_.sequences() && bug_ == Bug::kWraps) sequence_ = 0;
    if (sequence_ >= layout_.sequences() || !allowed(layout_.start_of(last_unit_))) return take;
    take.refusal = Refusal::kNone;
    take.count = static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, layout_.sequences() - sequence_));
    take.first = layout_.pack(last_unit_, rights_.slots[0].machine, sequence_);
    sequence_ += take.count;
    used_until_ = layout_.start_of(last_unit_ + 1);
    return take;
  }

  [[nodiscard]] time::SmearedUtc used_until(std::size_t slot) const {
    return slot == 0 ? used_until_ : rights_.slots[slot].floor;
  }

 private:
  [[nodiscard]] bool allowed(time::SmearedUtc t) const {
    const Right& right = rights_.slots[0];
    return (bug_ == Bug::kIgnoresFloor || t >= right.floor) && (bug_ == Bug::kIgnoresCeiling || t < right.ceiling);
  }

  id::Layout layout_;
  Bug bug_;
  RightSet rights_;
  std::uint64_t last_unit_ = 0;
  std::uint64_t sequence_ = 0;
  time::SmearedUtc used_until_;
};

Verdict judge_textbook(Bug bug) {
  const id::Layout layout = layout_of(10, 4, time::milliseconds(1));
  Textbook generator(layout, bug);
  return judge({.layout = layout, .seed = 7, .steps = 20'000}, generator);
}

TEST(CheckerCanary, finds_nothing_in_a_generator_without_a_bug) {
  const Verdict verdict = judge_textbook(Bug::kNone);
  EXPECT_EQ(verdict.wrong.value_or("nothing"), "nothing");
  EXPECT_GT(verdict.ids, 1000U);
}

TEST(CheckerCanary, finds_a_sequence_that_wraps) {
  EXPECT_EQ(judge_textbook(Bug::kWraps).wrong, "a sequence that was handed out before");
}

TEST(CheckerCanary, finds_a_unit_that_is_opened_again) { EXPECT_TRUE(judge_textbook(Bug::kReopens).wrong.has_value()); }

TEST(CheckerCanary, finds_a_ceiling_that_is_ignored) {
  EXPECT_EQ(judge_textbook(Bug::kIgnoresCeiling).wrong, "a unit at or above the ceiling");
}

TEST(CheckerCanary, finds_a_floor_that_is_ignored) {
  EXPECT_EQ(judge_textbook(Bug::kIgnoresFloor).wrong, "a unit below the floor");
}

TEST(CheckerCanary, finds_a_generation_that_begins_where_the_old_one_ended) {
  EXPECT_TRUE(judge_textbook(Bug::kForgetsOldUnits).wrong.has_value());
}

}  // namespace
}  // namespace gnomon::mint::testing
