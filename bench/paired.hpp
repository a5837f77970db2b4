// SPDX-License-Identifier: Apache-2.0
//
// What benches share that compare two ways of doing a thing, slot by slot, on a machine whose speed wanders.
#pragma once

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace gnomon::bench {

/// Ends the bench: it can't run, or measured something else than it says.
[[noreturn]] inline void die(const std::string& text) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, text.c_str());
  std::exit(1);  // NOLINT(concurrency-mt-unsafe): nobody else exits
}

/// The only argument, a number from `least` to `most`; ends the bench with its usage if it is anything else.
inline int only_argument(int argc, char** argv, int least, int most, int usual, const char* what, const char* length) {
  const int given = argc > 1 ? static_cast<int>(std::strtol(argv[1], nullptr, 10)) : usual;
  if (argc <= 2 && least <= given && given <= most) return given;
  std::fprintf(stderr, "usage: %s [%s]   %d to %d, by default %d (%s)\n", program_invocation_short_name, what, least,
               most, usual, length);
  std::exit(2);  // NOLINT(concurrency-mt-unsafe): nobody else exits
}

/// Monotonic nanoseconds.
inline std::int64_t now_ns() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

/// The calling thread, from now on.
inline void pin_to(unsigned cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu % std::max(1U, std::thread::hardware_concurrency()), &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

/// How often the calling thread was switched out against its will.
inline std::int64_t involuntary_switches() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nivcsw;
}

/// 0 if there are no values. Reorders them.
inline double quantile(std::vector<double>& values, double q) {
  if (values.empty()) return 0;
  const auto rank = static_cast<std::size_t>(q * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(rank), values.end());
  return values[rank];
}

}  // namespace gnomon::bench
