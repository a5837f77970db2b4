// SPDX-License-Identifier: Apache-2.0
//
// Many worlds at once: each seed is a world of its own, so they share nothing but the summary. Thread rule: `run` is
// called on several threads, `add` and `progress` on one at a time.
#pragma once

#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <mutex>
#include <utility>

namespace gnomon::sim {

constexpr std::uint64_t kProgressEvery = 16;

/// `add(summary, outcome)` counts it in `worlds`, and puts it into `violations` if it is one.
template <typename Summary, typename Run, typename Add>
Summary run_in_parallel(std::uint64_t first, std::uint64_t count, const Run& run, const Add& add,
                        const std::function<void(std::uint64_t)>& progress) {
  Summary summary;
  std::mutex mutex;
  tbb::parallel_for(
      tbb::blocked_range<std::uint64_t>(first, first + count, 1),
      [&](const tbb::blocked_range<std::uint64_t>& range) {
        for (std::uint64_t seed = range.begin(); seed != range.end(); ++seed) {
          auto outcome = run(seed);
          const std::lock_guard lock(mutex);
          add(summary, std::move(outcome));
          if (progress && summary.worlds % kProgressEvery == 0) progress(summary.worlds);
        }
      },
      tbb::simple_partitioner());
  std::sort(summary.violations.begin(), summary.violations.end(),
            [](const auto& a, const auto& b) { return a.seed < b.seed; });
  return summary;
}

}  // namespace gnomon::sim
