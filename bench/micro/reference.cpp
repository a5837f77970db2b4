// SPDX-License-Identifier: Apache-2.0
//
// What IDs and time cost elsewhere, measured in the same run: the cycle counter, the system's clock, and libuuid's
// time-based (v1) and random (v4) UUIDs.
#include <benchmark/benchmark.h>
#include <time.h>
#include <uuid/uuid.h>

#include "platform/cycle_counter.hpp"

namespace {

void cycle_counter(benchmark::State& state) {
  for (auto _ : state)
    benchmark::DoNotOptimize(gnomon::platform::read_cycles());
}
BENCHMARK(cycle_counter);

void system_clock_gettime(benchmark::State& state) {
  timespec now{};
  for (auto _ : state) {
    clock_gettime(CLOCK_REALTIME, &now);
    benchmark::DoNotOptimize(now);
  }
}
BENCHMARK(system_clock_gettime);

void libuuid_v1(benchmark::State& state) {
  uuid_t uuid;
  for (auto _ : state) {
    uuid_generate_time(uuid);
    benchmark::DoNotOptimize(uuid);
  }
}
BENCHMARK(libuuid_v1);

void libuuid_v4(benchmark::State& state) {
  uuid_t uuid;
  for (auto _ : state) {
    uuid_generate_random(uuid);
    benchmark::DoNotOptimize(uuid);
  }
}
BENCHMARK(libuuid_v4);

}  // namespace
