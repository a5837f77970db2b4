// SPDX-License-Identifier: Apache-2.0
#include "bench/lease/slice.hpp"

#include <barrier>
#include <iterator>
#include <thread>
#include <utility>

#include "bench/paired.hpp"

namespace gnomon::bench {

std::vector<SliceResult> run_slice(Contender& contender, const std::vector<Command>& commands, std::size_t each) {
  const std::size_t lanes = contender.lanes.size();
  std::vector<std::int64_t> begun_ns;  // and at the end when the last one ended
  begun_ns.reserve(commands.size() + 1);
  std::barrier together(static_cast<std::ptrdiff_t>(lanes), [&]() noexcept { begun_ns.push_back(now_ns()); });
  std::vector<std::vector<std::vector<double>>> us(lanes, std::vector<std::vector<double>>(commands.size()));
  const auto work = [&](std::size_t i) {
    Lane& lane = *contender.lanes[i];
    for (std::size_t c = 0; c < commands.size(); ++c) {
      us[i][c].reserve(each);
      together.arrive_and_wait();
      std::int64_t last_ns = now_ns();
      for (std::size_t k = 0; k < each; ++k) {
        lane.run(commands[c], k);
        const std::int64_t ended_ns = now_ns();
        us[i][c].push_back(static_cast<double>(ended_ns - last_ns) / 1e3);
        last_ns = ended_ns;
      }
    }
    together.arrive_and_wait();
  };
  std::vector<std::thread> others;
  others.reserve(lanes);
  for (std::size_t i = 1; i < lanes; ++i)
    others.emplace_back(work, i);
  work(0);
  for (std::thread& other : others)
    other.join();

  std::vector<SliceResult> out;
  for (std::size_t c = 0; c < commands.size(); ++c) {
    SliceResult& result = out.emplace_back();
    result.command = commands[c];
    for (std::size_t i = 0; i < lanes; ++i)
      result.us.insert(result.us.end(), us[i][c].begin(), us[i][c].end());
    result.per_second =
        static_cast<double>(result.us.size()) * 1e9 / static_cast<double>(begun_ns[c + 1] - begun_ns[c]);
  }
  return out;
}

}  // namespace gnomon::bench
