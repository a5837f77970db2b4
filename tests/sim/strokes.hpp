// SPDX-License-Identifier: Apache-2.0
//
// The strokes of fate in a world: when faults struck, and out of which chance. They can be replayed in part.
//
// All chance comes from one seed, so merely skipping a fault would draw other ones from there on, and what breaks a
// promise once in a million worlds would hardly ever do so again: such a replay asks whether another world has the same
// bug. So each stroke is written down with its instant and with its chance as it was before and after. In a replay it
// comes at that instant and draws from that chance, whatever else has changed; and as long as nothing has, the world
// goes on with the chance that the stroke left, even if it is one of those left out. So a replay of everything is the
// same history, to the byte.
//
// What is left to chance is the rest of the world. It may draw otherwise from the first difference on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "oracle/time/instant.hpp"
#include "tests/sim/part.hpp"
#include "tests/sim/random.hpp"

namespace gnomon::sim {

struct Stroke {
  time::Uptime at;
  Random before;
  Random after;
  bool struck = true;  // false: there was nobody to strike, or it was left out
  std::string_view what{};
};

/// All that befell a world, until its end or the first violation.
struct Befell {
  time::Uptime began;  // when the first one was drawn
  std::vector<Stroke> faults;
  std::vector<Stroke> host_faults;
  std::vector<Stroke> hardships;
  std::vector<TroubleKind> nuisances;

  [[nodiscard]] const std::vector<Stroke>& strokes(TroubleKind kind) const {
    if (kind == TroubleKind::kHardship) return hardships;
    return kind == TroubleKind::kFault ? faults : host_faults;
  }
  [[nodiscard]] Part whole() const {
    std::vector<Trouble> troubles;
    for (const TroubleKind kind : {TroubleKind::kFault, TroubleKind::kHostFault, TroubleKind::kHardship})
      for (std::size_t i = 0; i < strokes(kind).size(); ++i)
        if (strokes(kind)[i].struck) troubles.push_back({kind, static_cast<std::uint32_t>(i + 1)});
    for (const TroubleKind kind : nuisances)
      troubles.push_back({kind, 0});
    return Part(std::move(troubles));
  }
};

/// A history, and what of it is to happen again.
struct Replay {
  Befell befell;
  Part part;
};

/// Those of one kind, of one world. One thread.
class Strokes {
 public:
  /// Each draws from `random`; both outlive this.
  Strokes(Random& random, TroubleKind kind, const std::optional<Replay>& replay)
      : random_(random), kind_(kind), replay_(replay) {}

  void begin(time::Uptime now) { began_ = now; }
  /// When the next one is due: when it is drawn to be, or was.
  [[nodiscard]] std::optional<time::Uptime> next(time::Uptime drawn) const {
    if (!replay_) return drawn;
    const auto& script = replay_->befell.strokes(kind_);
    if (taken_ >= script.size()) return std::nullopt;
    return began_ + (script[taken_].at - replay_->befell.began);
  }

  /// The time that a stroke takes: what it does, and what it draws for the next one.
  class Turn {
   public:
    Turn(Strokes& strokes, time::Uptime now)
        : strokes_(strokes),
          scripted_(strokes.replay_ ? &strokes.replay_->befell.strokes(strokes.kind_)[strokes.taken_] : nullptr),
          world_(strokes.random_),
          stroke_{.at = now, .before = strokes.random_, .after = strokes.random_} {
      ++strokes_.taken_;
      if (scripted_ != nullptr) strokes_.random_ = scripted_->before;
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;
    ~Turn() {
      if (scripted_ != nullptr) strokes_.random_ = world_ == scripted_->before ? scripted_->after : world_;
      stroke_.after = strokes_.random_;
      strokes_.struck_ += stroke_.struck ? 1 : 0;
      strokes_.log_.push_back(stroke_);
    }
    /// Whether it is to do anything.
    [[nodiscard]] bool strikes() {
      const Trouble trouble{strokes_.kind_, strokes_.number()};
      stroke_.struck = !strokes_.replay_ || strokes_.replay_->part.has(trouble);
      return stroke_.struck;
    }
    void meets_nobody() { stroke_.struck = false; }
    void is(std::string_view what) { stroke_.what = what; }

   private:
    Strokes& strokes_;
    const Stroke* scripted_;
    Random world_;
    Stroke stroke_;
  };

  [[nodiscard]] time::Uptime began() const { return began_; }
  /// Of the last one, from 1 on.
  [[nodiscard]] std::uint32_t number() const { return taken_; }
  /// How many did anything.
  [[nodiscard]] std::uint32_t struck() const { return struck_; }
  [[nodiscard]] const std::vector<Stroke>& log() const { return log_; }

 private:
  Random& random_;
  TroubleKind kind_;
  const std::optional<Replay>& replay_;
  time::Uptime began_;
  std::uint32_t taken_ = 0;
  std::uint32_t struck_ = 0;
  std::vector<Stroke> log_;
};

}  // namespace gnomon::sim
